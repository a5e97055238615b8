/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "select/lasso.h"

#define SWEEPS_MAX 100000

static double product(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

wn_status wni_lasso(wn_ctx *ctx, const float *x, const float *y, int32_t k, int64_t length,
                    double penalty, double *nu, double *explained, int32_t *sweeps)
{
    double *gram = NULL, *toward = NULL, lambda = 0, square = product(y, y, length), left = square;
    wn_status st;

    WNI_NEW(ctx, gram, (int64_t)k * k);
    WNI_NEW(ctx, toward, k);
    for (int32_t i = 0; i < k; i++) {
        WNI_TRY(wni_poll(ctx));
        for (int32_t j = 0; j <= i; j++)
            gram[(int64_t)i * k + j] = gram[(int64_t)j * k + i] =
                product(x + i * length, x + j * length, length);
        toward[i] = product(x + i * length, y, length);
        lambda = fabs(toward[i]) > lambda ? fabs(toward[i]) : lambda;
        nu[i] = 0;
    }
    lambda *= penalty;
    for (*sweeps = 0; *sweeps < SWEEPS_MAX; ++*sweeps) {
        double moved = 0, largest = 0;
        WNI_TRY(wni_poll(ctx));
        for (int32_t i = 0; i < k; i++) {
            double own = gram[(int64_t)i * k + i], to = toward[i], value;
            if (!(own > 0)) continue;
            for (int32_t j = 0; j < k; j++)
                if (j != i) to -= gram[(int64_t)i * k + j] * nu[j];
            value = to > lambda ? (to - lambda) / own : to < -lambda ? (to + lambda) / own : 0;
            moved = fabs(value - nu[i]) > moved ? fabs(value - nu[i]) : moved;
            largest = fabs(value) > largest ? fabs(value) : largest;
            nu[i] = value;
        }
        if (moved <= 1e-12 * largest) break;
    }
    for (int32_t i = 0; i < k; i++) {
        left -= 2 * nu[i] * toward[i];
        for (int32_t j = 0; j < k; j++)
            left += nu[i] * nu[j] * gram[(int64_t)i * k + j];
    }
    *explained = square > 0 ? 1 - left / square : 0;
    st = WN_OK;
done:
    wni_free(ctx, gram);
    wni_free(ctx, toward);
    return st;
}
