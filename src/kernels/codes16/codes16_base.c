/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/codes16/codes16_scale.h"
#include "kernels/fused.h"

static float tree(float lane[WNI_LANES])
{
    for (int half = WNI_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* The bits of the nearest bf16, ties to even, in the upper half; tiny numbers are 0. */
static uint32_t nearest(float v)
{
    uint32_t bits;

    if (fabsf(v) < 0x1p-60f) return 0;
    memcpy(&bits, &v, sizeof bits);
    return (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
}

void wni_codes16_base(const float *x, const float *mean, int64_t ld, uint16_t *codes, float *out)
{
    float error2[WNI_LANES] = {0}, y2[WNI_LANES] = {0}, x2[WNI_LANES] = {0}, ym[WNI_LANES] = {0};
    float top = 0, scale, inverse;

    for (int64_t i = 0; i < ld; i++)
        top = fmaxf(top, fabsf(x[i] - mean[i]));
    wni_codes16_scale(top, &scale, &inverse);
    for (int64_t i = 0; i < ld; i += WNI_LANES)
        for (int l = 0; l < WNI_LANES; l++) {
            const float v = x[i + l], m = mean[i + l], y = v - m;
            const uint32_t bits = scale > 0 ? nearest(y * inverse) : 0;
            float code, error;

            memcpy(&code, &bits, sizeof code);
            error = wni_fused(-scale, code, y);
            codes[i + l] = (uint16_t)(bits >> 16);
            error2[l] = wni_fused(error, error, error2[l]);
            y2[l] = wni_fused(y, y, y2[l]);
            x2[l] = wni_fused(v, v, x2[l]);
            ym[l] = wni_fused(y, m, ym[l]);
        }
    out[WNI_CODES8_SCALE] = scale;
    out[WNI_CODES8_ERROR2] = tree(error2);
    out[WNI_CODES8_Y2] = tree(y2);
    out[WNI_CODES8_X2] = tree(x2);
    out[WNI_CODES8_YMEAN] = tree(ym);
    out[WNI_CODES8_TOP] = top;
}
