/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/fixmath.h"
#include "kernels/variants.h"

static double scaled(const float *s, const float *bias, const double *add, int64_t j, double scale)
{
    double t = (double)(s[j] - (bias ? bias[j] : 0)) * scale;

    return add ? t + add[j] : t;
}

void wni_expsum_oracle(const float *s, const float *bias, const double *add, int64_t n,
                       double scale, double *top, double *sum)
{
    for (int64_t j = 0; j < n; j += WNI_LANES) {
        double lane[WNI_LANES], most = *top;

        for (int l = 0; l < WNI_LANES; l++) {
            lane[l] = j + l < n ? scaled(s, bias, add, j + l, scale) : -INFINITY;
            most = lane[l] > most ? lane[l] : most;
        }
        if (most > *top) *sum *= wni_exp_fixed(*top - most);
        *top = most;
        for (int l = 0; l < WNI_LANES; l++)
            lane[l] = wni_exp_fixed(lane[l] - most);
        for (int half = WNI_LANES / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++)
                lane[l] += lane[l + half];
        *sum += lane[0];
    }
}

void wni_exps_oracle(const float *s, const float *bias, const double *add, int64_t n, double scale,
                     double shift, float *p)
{
    for (int64_t j = 0; j < n; j++)
        p[j] = (float)wni_exp_fixed(scaled(s, bias, add, j, scale) - shift);
}
