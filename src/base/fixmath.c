/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "base/fixmath.h"

/* x = m * 2^e with m in [sqrt(1/2), sqrt(2)); log x = e log 2 + 2 atanh(s), s = (m - 1) / (m + 1),
 * |s| < 0.1716, by its odd series; the last term kept is below 2^-56 of the sum. */
double wni_log_fixed(double x)
{
    const double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    uint64_t bits;
    int e = 0;
    double m, s, s2, sum;

    if (x < 0x1p-1022) { /* denormal */
        x *= 0x1p54;
        e = -54;
    }
    memcpy(&bits, &x, sizeof bits);
    e += (int)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    memcpy(&m, &bits, sizeof m);
    if (m > 0x1.6a09e667f3bcdp0) {
        m *= 0.5;
        e++;
    }
    s = (m - 1.0) / (m + 1.0);
    s2 = s * s;
    sum = 0.0;
    for (int k = 21; k >= 3; k -= 2)
        sum = (sum + 1.0 / k) * s2;
    return e * ln2_high + (2.0 * s + (2.0 * s * sum + e * ln2_low));
}

/* x = k log 2 + r, |r| <= log 2 / 2; e^r by its series to r^13, the even and the odd powers apart; then
 * k goes into the exponent. Without branches, so that compilers take several at a time. */
static inline double exp_of(double x)
{
    const double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    const double magic = 0x1.8p52; /* added, it leaves a whole number in the low bits */
    double bounded = x < -709.0 ? -709.0 : x > 709.0 ? 709.0 : x;
    double shifted = bounded * 0x1.71547652b82fep0 + magic, k = shifted - magic;
    double high = bounded - k * ln2_high, r = high - k * ln2_low, r2 = r * r, even, odd, power;
    double lost = (high - r) - k * ln2_low; /* what rounding took from r */
    uint64_t bits, one = 0x3ff0000000000000u;

    even = 1.0 / 479001600;
    even = even * r2 + 1.0 / 3628800;
    even = even * r2 + 1.0 / 40320;
    even = even * r2 + 1.0 / 720;
    even = even * r2 + 1.0 / 24;
    even = even * r2 + 0.5;
    odd = 1.0 / 6227020800;
    odd = odd * r2 + 1.0 / 39916800;
    odd = odd * r2 + 1.0 / 362880;
    odd = odd * r2 + 1.0 / 5040;
    odd = odd * r2 + 1.0 / 120;
    odd = odd * r2 + 1.0 / 6;
    memcpy(&bits, &shifted, sizeof bits);
    bits = one + (bits << 52);
    memcpy(&power, &bits, sizeof power);
    power *= 1.0 + (r + (lost + (even * r2 + odd * (r2 * r))));
    return x < -708.0 ? 0.0 : power;
}

double wni_exp_fixed(double x)
{
    return x > 709.0 ? exp_of(x - 1.0) * 0x1.5bf0a8b145769p1 : exp_of(x);
}

void wni_exp_fixed_n(double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = wni_exp_fixed(x[i]);
}
