/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fused.h"
#include "kernels/variants.h"

/* Lanes are kept as doubles that hold floats. */
float wni_l2sq_base(const float *a, const float *b, int64_t ld)
{
    wni_f64x2 sum[WNI_LANES / 2] = {{0}};
    float lane[WNI_LANES];

    for (int64_t i = 0; i < ld; i += WNI_LANES)
        for (int l = 0; l < WNI_LANES / 2; l++) {
            const float *x = a + i + 2 * l, *y = b + i + 2 * l;
            wni_f64x2 difference = {x[0] - y[0], x[1] - y[1]};

            sum[l] = wni_fused2(difference, difference, sum[l]);
        }
    for (int l = 0; l < WNI_LANES; l++)
        lane[l] = (float)sum[l / 2][l % 2];
    for (int half = WNI_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}
