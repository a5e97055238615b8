/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

/* A row at a time over all columns, in a form that compilers turn into vectors. */
void wni_colbest_base(const float *s, int64_t lds, const float *bias, int64_t m, int64_t n,
                      float *restrict value, int32_t *restrict at, float *restrict second)
{
    for (int64_t j = 0; j < n; j++) {
        value[j] = s[j] - bias[0];
        second[j] = -INFINITY;
        at[j] = 0;
    }
    for (int64_t i = 1; i < m; i++) {
        const float *row = s + i * lds, b = bias[i];

        for (int64_t j = 0; j < n; j++) {
            float v = row[j] - b, top = value[j], loser = v < top ? v : top, rest = second[j];

            second[j] = loser > rest ? loser : rest;
            at[j] = v > top ? (int32_t)i : at[j];
            value[j] = v > top ? v : top;
        }
    }
}
