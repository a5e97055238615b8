/* SPDX-License-Identifier: Apache-2.0
 *
 * What the variants of codes16 share.
 */
#ifndef WNI_CODES16_SCALE_H
#define WNI_CODES16_SCALE_H

#include <string.h>

#include "kernels/variants.h"

/* The power of two just below top, and one over it; both 0 when top is out of range. */
static inline void wni_codes16_scale(float top, float *scale, float *inverse)
{
    uint32_t bits;

    *scale = *inverse = 0;
    if (!(top >= 0x1p-40f && top <= 0x1p40f)) return;
    memcpy(&bits, &top, sizeof bits);
    bits &= 0x7f800000u;
    memcpy(scale, &bits, sizeof bits);
    bits = (254u << 23) - bits;
    memcpy(inverse, &bits, sizeof bits);
}

#endif
