/* SPDX-License-Identifier: Apache-2.0
 *
 * Transcendental functions of our own for numbers that decide something: the same bits on every machine,
 * whatever its libm. Plain IEEE double arithmetic, no contraction.
 */
#ifndef WNI_FIXMATH_H
#define WNI_FIXMATH_H

/* Natural logarithm of a finite x > 0; error below 2 ulp. */
double wni_log_fixed(double x);

#endif
