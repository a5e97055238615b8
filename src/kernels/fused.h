/* SPDX-License-Identifier: Apache-2.0
 *
 * A fused multiply-add in plain double arithmetic that compilers can vectorise for any processor: much
 * faster than a call of fmaf() per element where the target has no such instruction.
 *
 * The product of two floats is exact in double. The sum is rounded to odd in double (the error of the
 * addition is known exactly, boldo2008), after which rounding to float gives what one rounding would have.
 */
#ifndef WNI_FUSED_H
#define WNI_FUSED_H

#include <stdint.h>
#include <string.h>

static inline float wni_fused(float a, float b, float c)
{
    double p = (double)a * (double)b, z = (double)c;
    double s = p + z;
    double part = s - p;
    double error = (p - (s - part)) + (z - part);
    int64_t bits, error_bits, inexact, even;

    memcpy(&bits, &s, sizeof bits);
    memcpy(&error_bits, &error, sizeof error_bits);
    /* The error is NaN where s is not finite: then s stands. */
    inexact = -(int64_t)((error < 0) | (error > 0));
    even = (bits & 1) - 1;
    /* One step away from zero when the error has the sign of s, towards zero otherwise. */
    bits += inexact & even & (((bits ^ error_bits) >> 63) | 1);
    memcpy(&s, &bits, sizeof s);
    return (float)s;
}

#endif
