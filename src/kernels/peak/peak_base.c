/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fused.h"
#include "kernels/variants.h"

#define PASS 4 /* pairs of lanes at a time */

int64_t wni_peak_f32_base(int64_t rounds, const float *start, float *out)
{
    const wni_f64x2 half = {0.5, 0.5}, one = {1, 1};
    float most[WNI_LANES];

    for (int i = 0; i < WNI_PEAK_COPIES * WNI_LANES; i += 2 * PASS) {
        wni_f64x2 x[PASS];

        for (int v = 0; v < PASS; v++)
            x[v] = (wni_f64x2){start[i + 2 * v], start[i + 2 * v + 1]};
        for (int64_t r = 0; r < rounds; r++)
            for (int v = 0; v < PASS; v++)
                x[v] = wni_fused2(x[v], half, one);
        for (int v = 0; v < 2 * PASS; v++) {
            float *to = most + (i + v) % WNI_LANES, y = (float)x[v / 2][v % 2];

            *to = i < WNI_LANES || y > *to ? y : *to;
        }
    }
    for (int l = 0; l < WNI_LANES; l++)
        out[l] = most[l];
    return rounds * WNI_PEAK_COPIES * WNI_LANES;
}

int64_t wni_peak_i8_base(int64_t rounds, const uint8_t *a, const int8_t *b, int32_t *out)
{
    uint32_t sum[WNI_LANES] = {0};

    for (int64_t r = 0; r < rounds; r++)
        for (int j = 0; j < WNI_LANES * 4; j++)
            sum[j / 4] += (uint32_t)(a[j] * b[j]);
    for (int l = 0; l < WNI_LANES; l++)
        out[l] = (int32_t)(WNI_PEAK_COPIES * sum[l]);
    return rounds * WNI_LANES * 4;
}
