/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

void wni_dot_pairs_neon(const float *a, const int32_t *i, const float *b, const int32_t *j,
                        int64_t n, int64_t ld, float *out)
{
    for (int64_t p = 0; p < n; p++)
        out[p] = wni_dot_neon(a + i[p] * ld, b + j[p] * ld, ld);
}
