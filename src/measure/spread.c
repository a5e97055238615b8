/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "measure/spread.h"

wni_spread wni_spread_of(const double *v, int32_t n)
{
    wni_spread s = {n, 0, 0};
    double square = 0;

    for (int32_t i = 0; i < n; i++)
        s.mean += v[i];
    s.mean /= n;
    for (int32_t i = 0; i < n; i++)
        square += (v[i] - s.mean) * (v[i] - s.mean);
    s.sd = n > 1 ? sqrt(square / (n - 1)) : NAN;
    return s;
}

double wni_student(int32_t df)
{
    static const double t[] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060,
                               2.2622,  2.2281, 2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199,
                               2.1098,  2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639,
                               2.0595,  2.0555, 2.0518, 2.0484, 2.0452, 2.0423};
    const int32_t listed = (int32_t)(sizeof t / sizeof t[0]);

    if (df <= listed) return t[df - 1];
    return 1.959964 + 2.37227 / df + 2.8225 / ((double)df * df); /* the normal's and two terms */
}

double wni_spread_half(const wni_spread *s)
{
    return s->n > 1 ? wni_student(s->n - 1) * s->sd / sqrt(s->n) : NAN;
}

double wni_spread_apart(const wni_spread *a, const wni_spread *b)
{
    double vb = b->sd * b->sd / b->n, va, df;

    if (a->n == 1) return wni_student(b->n - 1) * b->sd * sqrt(1 + 1.0 / b->n);
    va = a->sd * a->sd / a->n;
    if (va + vb == 0) return 0;
    df = (va + vb) * (va + vb) / (va * va / (a->n - 1) + vb * vb / (b->n - 1));
    return wni_student(df > 1 ? (int32_t)df : 1) * sqrt(va + vb); /* rounding may take df below 1 */
}
