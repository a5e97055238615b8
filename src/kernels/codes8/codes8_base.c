/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/fused.h"
#include "kernels/variants.h"

/* Adding and taking away 1.5 * 2^23 rounds |v| < 2^22 to the nearest even whole number. */
static float nearest(float v)
{
    const float shift = 0x1.8p23f;
    volatile float sum = v + shift; /* volatile: the two steps must stay two */

    return sum - shift;
}

static float tree(float lane[WNI_LANES])
{
    for (int half = WNI_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

void wni_codes8_base(const float *x, const float *mean, int64_t ld, uint8_t *codes, float *out)
{
    float error2[WNI_LANES] = {0}, y2[WNI_LANES] = {0}, x2[WNI_LANES] = {0}, ym[WNI_LANES] = {0};
    float top = 0, scale = 0, inverse = 0;

    for (int64_t i = 0; i < ld; i++)
        top = fmaxf(top, fabsf(x[i] - mean[i]));
    if (top >= 0x1p-40f && top <= 0x1p40f) {
        scale = top / 127;
        inverse = 127 / top;
    }
    for (int64_t i = 0; i < ld; i += WNI_LANES)
        for (int l = 0; l < WNI_LANES; l++) {
            float v = x[i + l], m = mean[i + l], y = v - m;
            float code = scale > 0 ? nearest(y * inverse) : 0, error = wni_fused(-scale, code, y);

            codes[i + l] = (uint8_t)((int)code + 128);
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
