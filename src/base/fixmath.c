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
