/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

void wni_colbest_oracle(const float *s, int64_t lds, const float *bias, int64_t m, int64_t n,
                        float *value, int32_t *at, float *second)
{
    for (int64_t j = 0; j < n; j++) {
        value[j] = second[j] = -INFINITY;
        at[j] = 0;
        for (int64_t i = 0; i < m; i++) {
            float v = s[i * lds + j] - bias[i];

            if (i == 0 || v > value[j]) {
                second[j] = value[j];
                value[j] = v;
                at[j] = (int32_t)i;
            } else if (v > second[j]) {
                second[j] = v;
            }
        }
    }
}
