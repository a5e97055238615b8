/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

int64_t wni_over_oracle(const float *s, const float *bias, int64_t n, float floor, int32_t *at)
{
    int64_t count = 0;

    for (int64_t j = 0; j < n; j++)
        if (s[j] - (bias ? bias[j] : 0) >= floor) at[count++] = (int32_t)j;
    return count;
}
