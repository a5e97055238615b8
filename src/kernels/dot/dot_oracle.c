/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

float wni_dot_oracle(const float *a, const float *b, int64_t ld)
{
    float lane[WNI_LANES] = {0};

    for (int64_t i = 0; i < ld; i++)
        lane[i % WNI_LANES] = fmaf(a[i], b[i], lane[i % WNI_LANES]);
    for (int half = WNI_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] = lane[l] + lane[l + half];
    return lane[0];
}
