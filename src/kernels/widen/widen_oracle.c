/* SPDX-License-Identifier: Apache-2.0
 *
 * Value by value from the definition of each format.
 */
#include <math.h>
#include <string.h>

#include "kernels/variants.h"

static uint16_t u16_at(const void *src, int64_t i)
{
    const unsigned char *p = (const unsigned char *)src + 2 * i;

    return (uint16_t)(p[0] | p[1] << 8);
}

static float from_bits(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Sign and upper payload of a NaN, made quiet. */
static float nan_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return from_bits((uint32_t)(bits >> 63) << 31 | 0x7fc00000u |
                     (uint32_t)(bits >> 29 & 0x3fffff));
}

void wni_widen_f16_oracle(const void *src, float *dst, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint16_t h = u16_at(src, i);
        int exponent = h >> 10 & 31, fraction = h & 1023;
        float x;

        if (exponent == 31)
            x = fraction ? from_bits(0x7fc00000u | (uint32_t)fraction << 13) : INFINITY;
        else if (exponent == 0)
            x = ldexpf((float)fraction, -24);
        else
            x = ldexpf((float)(fraction + 1024), exponent - 25);
        dst[i] = copysignf(x, h >> 15 ? -1.0f : 1.0f);
    }
}

void wni_widen_bf16_oracle(const void *src, float *dst, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        dst[i] = from_bits((uint32_t)u16_at(src, i) << 16);
}

void wni_widen_i8_oracle(const void *src, float *dst, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        dst[i] = (float)((const int8_t *)src)[i];
}

void wni_widen_u8_oracle(const void *src, float *dst, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        dst[i] = (float)((const uint8_t *)src)[i];
}

void wni_widen_f64_oracle(const void *src, float *dst, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double x;

        memcpy(&x, (const char *)src + 8 * i, sizeof x);
        dst[i] = isnan(x) ? nan_of(x) : (float)x;
    }
}

void wni_widen_i32_oracle(const void *src, float *dst, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int32_t x;

        memcpy(&x, (const char *)src + 4 * i, sizeof x);
        dst[i] = (float)x;
    }
}
