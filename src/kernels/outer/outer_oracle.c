/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

void wni_outer_oracle(float *acc, const float *r, int64_t ldr, int64_t n, const float *x, int64_t m,
                      int64_t ld)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t c = 0; c < n; c++)
            for (int64_t j = 0; j < ld; j++)
                acc[c * ld + j] = fmaf(r[i * ldr + c], x[i * ld + j], acc[c * ld + j]);
}
