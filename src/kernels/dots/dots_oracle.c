/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

void wni_dots_oracle(const float *a, int64_t m, const float *b, int64_t n, int64_t ld, float *out,
                     int64_t ldo)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            out[i * ldo + j] = wni_dot_oracle(a + i * ld, b + j * ld, ld);
}
