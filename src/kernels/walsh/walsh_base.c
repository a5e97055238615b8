/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

void wni_walsh_base(float *v, int64_t ld, int64_t block)
{
    for (int64_t half = 1; half < block; half *= 2)
        for (int64_t i = 0; i < ld; i += 2 * half)
            for (int64_t j = i; j < i + half; j++) {
                const float a = v[j], b = v[j + half];

                v[j] = a + b;
                v[j + half] = a - b;
            }
}
