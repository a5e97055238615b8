/* SPDX-License-Identifier: Apache-2.0
 *
 * Sources may start at any byte, hence memcpy.
 */
#include <string.h>

#include "kernels/variants.h"

void wni_widen_f16_base(const void *src, float *dst, int64_t count)
{
    const unsigned char *p = src;

    for (int64_t i = 0; i < count; i++) {
        uint16_t h;
        uint32_t sign, rest, bits;
        float x;

        memcpy(&h, p + 2 * i, sizeof h);
        sign = (uint32_t)(h & 0x8000) << 16;
        rest = h & 0x7fff;
        if (rest >= 0x7c00) {
            bits = 0x7f800000u | rest << 13;        /* its fraction stays in place */
            if (rest > 0x7c00) bits |= 0x00400000u; /* a NaN is quiet, as the hardware makes it */
        } else if (rest >= 0x0400) {
            bits = (rest << 13) + ((127 - 15) << 23);
        } else {
            x = (float)rest * 0x1p-24f;
            memcpy(&bits, &x, sizeof bits);
        }
        bits |= sign;
        memcpy(dst + i, &bits, sizeof bits);
    }
}

void wni_widen_bf16_base(const void *src, float *dst, int64_t count)
{
    const unsigned char *p = src;

    for (int64_t i = 0; i < count; i++) {
        uint16_t h;
        uint32_t bits;

        memcpy(&h, p + 2 * i, sizeof h);
        bits = (uint32_t)h << 16;
        memcpy(dst + i, &bits, sizeof bits);
    }
}

void wni_widen_i8_base(const void *src, float *dst, int64_t count)
{
    const int8_t *p = src;

    for (int64_t i = 0; i < count; i++)
        dst[i] = (float)p[i];
}

void wni_widen_u8_base(const void *src, float *dst, int64_t count)
{
    const uint8_t *p = src;

    for (int64_t i = 0; i < count; i++)
        dst[i] = (float)p[i];
}

void wni_widen_f64_base(const void *src, float *dst, int64_t count)
{
    const unsigned char *p = src;

    for (int64_t i = 0; i < count; i++) {
        double x;

        memcpy(&x, p + 8 * i, sizeof x);
        dst[i] = (float)x;
    }
}

void wni_widen_i32_base(const void *src, float *dst, int64_t count)
{
    const unsigned char *p = src;

    for (int64_t i = 0; i < count; i++) {
        int32_t x;

        memcpy(&x, p + 4 * i, sizeof x);
        dst[i] = (float)x;
    }
}
