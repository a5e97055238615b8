/* SPDX-License-Identifier: Apache-2.0
 *
 * Mean, deviation and 95 % intervals of a few numbers.
 */
#ifndef WNI_SPREAD_H
#define WNI_SPREAD_H

#include <stdint.h>

typedef struct wni_spread {
    int32_t n;
    double mean;
    double sd; /* of a sample; NaN for n = 1 */
} wni_spread;

wni_spread wni_spread_of(const double *v /* (n) */, int32_t n);

/* The 97.5 % point of Student's t with df degrees of freedom, df >= 1; four digits. */
double wni_student(int32_t df);

/* Half the width of the 95 % interval of the mean; NaN for n = 1. */
double wni_spread_half(const wni_spread *s);

/* Half the width of the 95 % interval of a.mean - b.mean, b of at least 2: Welch's. When `a` is one number it
 * is taken to scatter as `b` does. */
double wni_spread_apart(const wni_spread *a, const wni_spread *b);

#endif
