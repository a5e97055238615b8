/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

int64_t wni_over_both_base(const float *s, const float *bias, const float *floors, int64_t n,
                           float floor, float own, int32_t *at)
{
    int64_t count = 0;

    for (int64_t j = 0; j < n; j++)
        if (!(s[j] - (bias ? bias[j] : 0) < floor) || !(s[j] - own < floors[j]))
            at[count++] = (int32_t)j;
    return count;
}
