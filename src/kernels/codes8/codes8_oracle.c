/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

static float tree(float lane[WNI_LANES])
{
    for (int half = WNI_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

void wni_codes8_oracle(const float *x, const float *mean, int64_t ld, uint8_t *codes, float *out)
{
    float error2[WNI_LANES] = {0}, y2[WNI_LANES] = {0}, x2[WNI_LANES] = {0}, ym[WNI_LANES] = {0};
    float top = 0, scale = 0, inverse = 0;

    for (int64_t i = 0; i < ld; i++)
        if (!(fabsf(x[i] - mean[i]) <= top)) top = fabsf(x[i] - mean[i]);
    if (top >= 0x1p-40f && top <= 0x1p40f) {
        scale = top / 127;
        inverse = 127 / top;
    }
    for (int64_t i = 0; i < ld; i++) {
        int64_t l = i % WNI_LANES;
        float y = x[i] - mean[i], code = scale > 0 ? rintf(y * inverse) : 0;
        float error = fmaf(-scale, code, y);

        codes[i] = (uint8_t)((int)code + 128);
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
