/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

void wni_best_base(const float *s, const float *bias, int64_t n, float *value, int64_t *at,
                   float *second)
{
    float top = -INFINITY, other = -INFINITY;
    int64_t winner = 0;

    for (int64_t j = 0; j < n; j++) {
        float v = s[j] - (bias ? bias[j] : 0);

        if (v > top) {
            other = top;
            top = v;
            winner = j;
        } else if (v > other)
            other = v;
    }
    *value = s[winner] - (bias ? bias[winner] : 0);
    *at = winner;
    *second = other + 0.0f; /* +0, whichever zero came first */
}
