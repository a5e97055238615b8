/* SPDX-License-Identifier: Apache-2.0
 *
 * Transcendental functions of our own for numbers that decide something: the same bits on every machine,
 * whatever its libm. Plain IEEE double arithmetic, no contraction.
 */
#ifndef WNI_FIXMATH_H
#define WNI_FIXMATH_H

#include <stdint.h>

/* Natural logarithm of a finite x > 0; error below 2 ulp. */
double wni_log_fixed(double x);

/* e^x of any x but NaN; error below 2 ulp. Below -708 it is 0, above 709.7 it is Inf. */
double wni_exp_fixed(double x);
/* The same for x[0..n) in place, several at a time. */
void wni_exp_fixed_n(double *x, int64_t n);

#endif
