/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

int64_t wni_peak_f32_oracle(int64_t rounds, const float *start, float *out)
{
    for (int l = 0; l < WNI_LANES; l++)
        out[l] = -INFINITY;
    for (int i = 0; i < WNI_PEAK_COPIES * WNI_LANES; i++) {
        float x = start[i];

        for (int64_t r = 0; r < rounds; r++)
            x = fmaf(x, 0.5f, 1.0f);
        out[i % WNI_LANES] = fmaxf(out[i % WNI_LANES], x);
    }
    return rounds * WNI_PEAK_COPIES * WNI_LANES;
}

int64_t wni_peak_i8_oracle(int64_t rounds, const uint8_t *a, const int8_t *b, int32_t *out)
{
    for (int l = 0; l < WNI_LANES; l++) {
        int64_t sum = 0;

        for (int j = 4 * l; j < 4 * l + 4; j++)
            sum += rounds * a[j] * b[j];
        out[l] = (int32_t)(WNI_PEAK_COPIES * (uint32_t)sum);
    }
    return rounds * WNI_PEAK_COPIES * WNI_LANES * 4;
}
