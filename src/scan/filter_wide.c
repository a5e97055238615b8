/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows in bf16, for the filter that is tried where 8 bits leave too much in question: the numbers of its bound are
 * measured as for codes.
 */
#include <math.h>
#include <string.h>

#include "scan/filter_impl.h"

#define PIECE 1024 /* coordinates whose differences stand on the stack */

/* The nearest bf16, ties to even; v is at most 2 in size. */
static uint16_t bf16_of(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static float number(uint16_t bf16)
{
    const uint32_t bits = (uint32_t)bf16 << 16;
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

void wni_filter_wide_codes(const wni_filter *f, const float *x, uint16_t *codes, float *stat)
{
    float y[PIECE] __attribute__((aligned(WNI_ALIGN)));
    float error[PIECE] __attribute__((aligned(WNI_ALIGN)));
    double error2 = 0, y2 = 0, ymean = 0;
    float top = 0, scale = 0, per = 0;

    for (int64_t i = 0; i < f->ld; i++) {
        const float v = fabsf(x[i] - f->mean[i]);

        top = v > top || v != v ? v : top;
    }
    if (top >= 0x1p-40f && top <= 0x1p40f) {
        int exponent;

        frexpf(top, &exponent);
        scale = ldexpf(1, exponent - 1);
        per = ldexpf(1, 1 - exponent);
    }
    for (int64_t at = 0; at < f->ld; at += PIECE) {
        const int64_t n = wni_min(PIECE, f->ld - at);

        for (int64_t i = 0; i < n; i++) {
            float v;

            y[i] = x[at + i] - f->mean[at + i];
            v = scale > 0 ? y[i] * per : 0;
            codes[at + i] = fabsf(v) < 0x1p-60f ? 0 : bf16_of(v);
            error[i] = codes[at + i] ? (v - number(codes[at + i])) * scale : y[i];
        }
        error2 += (double)f->kernels->dot(error, error, n);
        y2 += (double)f->kernels->dot(y, y, n);
        ymean += (double)f->kernels->dot(y, f->mean + at, n);
    }
    stat[WNI_CODES8_SCALE] = scale;
    stat[WNI_CODES8_ERROR2] = (float)error2;
    stat[WNI_CODES8_Y2] = (float)y2;
    stat[WNI_CODES8_X2] = f->kernels->dot(x, x, f->ld);
    stat[WNI_CODES8_YMEAN] = (float)ymean;
    stat[WNI_CODES8_TOP] = top;
}
