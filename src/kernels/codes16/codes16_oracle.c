/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/variants.h"

static float tree(float lane[WNI_LANES])
{
    for (int half = WNI_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* v rounded to 8 significant bits, ties to even, by arithmetic alone. */
static float rounded(float v)
{
    int exponent;
    const double part = frexp((double)v, &exponent);

    return (float)ldexp(rint(ldexp(part, 8)), exponent - 8);
}

void wni_codes16_oracle(const float *x, const float *mean, int64_t ld, uint16_t *codes, float *out)
{
    float error2[WNI_LANES] = {0}, y2[WNI_LANES] = {0}, x2[WNI_LANES] = {0}, ym[WNI_LANES] = {0};
    float top = 0, scale = 0;

    for (int64_t i = 0; i < ld; i++)
        if (!(fabsf(x[i] - mean[i]) <= top)) top = fabsf(x[i] - mean[i]);
    if (top >= 0x1p-40f && top <= 0x1p40f) {
        int exponent;

        frexpf(top, &exponent);
        scale = ldexpf(1, exponent - 1);
    }
    for (int64_t i = 0; i < ld; i++) {
        const int64_t l = i % WNI_LANES;
        const float y = x[i] - mean[i], v = scale > 0 ? y / scale : 0;
        const float code = fabsf(v) < 0x1p-60f ? 0 : rounded(v), error = y - code * scale;
        uint32_t bits;

        memcpy(&bits, &code, sizeof bits);
        codes[i] = (uint16_t)(bits >> 16);
        error2[l] = fmaf(error, error, error2[l]);
        y2[l] = fmaf(y, y, y2[l]);
        x2[l] = fmaf(x[i], x[i], x2[l]);
        ym[l] = fmaf(y, mean[i], ym[l]);
    }
    out[WNI_CODES8_SCALE] = scale;
    out[WNI_CODES8_ERROR2] = tree(error2);
    out[WNI_CODES8_Y2] = tree(y2);
    out[WNI_CODES8_X2] = tree(x2);
    out[WNI_CODES8_YMEAN] = tree(ym);
    out[WNI_CODES8_TOP] = top;
}
