/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

void wni_walsh_oracle(float *v, int64_t ld, int64_t block)
{
    for (int64_t half = 1; half < block; half *= 2)
        for (int64_t i = 0; i < ld; i++) {
            const float a = v[i], b = i + half < ld ? v[i + half] : 0;

            if (i / half % 2) continue;
            v[i] = a + b;
            v[i + half] = a - b;
        }
}
