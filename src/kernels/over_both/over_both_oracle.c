/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

int64_t wni_over_both_oracle(const float *s, const float *bias, const float *floors, int64_t n,
                             float floor, float own, int32_t *at)
{
    int64_t count = 0;

    for (int64_t j = 0; j < n; j++) {
        int below = s[j] - (bias ? bias[j] : 0) < floor, below_other = s[j] - own < floors[j];

        if (!below || !below_other) at[count++] = (int32_t)j;
    }
    return count;
}
