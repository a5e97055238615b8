/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fused.h"
#include "kernels/variants.h"

float wni_l2sq_base(const float *a, const float *b, int64_t ld)
{
    float lane[WNI_LANES] = {0};

    for (int64_t i = 0; i < ld; i += WNI_LANES)
        for (int l = 0; l < WNI_LANES; l++) {
            float difference = a[i + l] - b[i + l];

            lane[l] = wni_fused(difference, difference, lane[l]);
        }
    for (int half = WNI_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}
