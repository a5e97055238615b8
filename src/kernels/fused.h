/* SPDX-License-Identifier: Apache-2.0
 *
 * A fused multiply-add in plain double arithmetic, for one element and for two at a time, which compilers
 * turn into what any processor has: faster than a call of fmaf() per element where it is no instruction.
 *
 * The product of two floats is exact in double. The sum is rounded to odd in double (the error of the
 * addition is known exactly); rounding that to float gives what one rounding would have (Boldo and
 * Melquiond, 2008).
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

/* The same for two at a time, in the narrowest registers that any target has. */
typedef float wni_f32x2 __attribute__((vector_size(8)));
typedef double wni_f64x2 __attribute__((vector_size(16)));
typedef int64_t wni_i64x2 __attribute__((vector_size(16)));
typedef uint64_t wni_u64x2 __attribute__((vector_size(16)));

static inline wni_f64x2 wni_fused2(wni_f64x2 a, wni_f64x2 b, wni_f64x2 c)
{
    wni_f64x2 p = a * b;
    wni_f64x2 s = p + c;
    wni_f64x2 part = s - p;
    wni_f64x2 error = (p - (s - part)) + (c - part);
    wni_i64x2 bits = (wni_i64x2)s;
    wni_i64x2 inexact = (wni_i64x2)(error < 0) | (wni_i64x2)(error > 0);
    wni_i64x2 even = (bits & 1) - 1;
    /* The sign of error / s as +1 or -1, without a 64-bit comparison, which SSE2 lacks. */
    wni_i64x2 apart = 1 - (wni_i64x2)((wni_u64x2)((wni_i64x2)error ^ bits) >> 63 << 1);

    s = (wni_f64x2)(bits + (inexact & even & apart));
    return __builtin_convertvector(__builtin_convertvector(s, wni_f32x2), wni_f64x2);
}

#endif
