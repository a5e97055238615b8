/* SPDX-License-Identifier: Apache-2.0
 *
 * Lower bounds in 16 bits: half floats of what is not negative, rounded down.
 */
#ifndef WNI_CODE16_H
#define WNI_CODE16_H

#include <stdint.h>
#include <string.h>

/* A code whose value is at most v, v >= 0: the largest one, but for v < 2^-14. All in integers, so that loops over
 * it are vectors. */
static inline uint16_t wni_code16(float v)
{
    int32_t bits, code;

    memcpy(&bits, &v, sizeof bits);
    bits = bits < 0x477fe000 ? bits : 0x477fe000; /* 65504 */
    code = (bits >> 13) - (112 << 10);
    return (uint16_t)(code > 0 ? code : 0);
}

/* Its value; 2^112 turns the exponents of one form into those of the other. */
static inline float wni_code16_value(uint16_t code)
{
    uint32_t bits = (uint32_t)code << 13;
    float v;

    memcpy(&v, &bits, sizeof v);
    return v * 0x1p112f;
}

#endif
