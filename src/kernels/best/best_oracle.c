/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

void wni_best_oracle(const float *s, const float *bias, int64_t n, float *value, int64_t *at,
                     float *second)
{
    int64_t winner = 0;
    float other = -INFINITY;

    for (int64_t j = 1; j < n; j++)
        if (s[j] - (bias ? bias[j] : 0) > s[winner] - (bias ? bias[winner] : 0)) winner = j;
    for (int64_t j = 0; j < n; j++)
        if (j != winner && s[j] - (bias ? bias[j] : 0) > other) other = s[j] - (bias ? bias[j] : 0);
    *value = s[winner] - (bias ? bias[winner] : 0);
    *at = winner;
    *second = other + 0.0f; /* +0, whichever zero came first */
}
