/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

void wni_dots_at_oracle(const float *x, const float *b, const int32_t *at, int64_t n, int64_t ld,
                        float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = wni_dot_oracle(x, b + at[i] * ld, ld);
}
