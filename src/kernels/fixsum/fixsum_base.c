/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/variants.h"

/* Adding 1.5 * 2^52 leaves the rounded integer in the low bits of the double. */
void wni_fixsum_base(int64_t *acc, const float *x, const double *scale, double weight, int64_t sign,
                     int64_t d)
{
    const double magic = 6755399441055744.0;
    const int64_t flip = sign < 0 ? -1 : 0;
    int64_t magic_bits;

    memcpy(&magic_bits, &magic, sizeof magic_bits);
    for (int64_t j = 0; j < d; j++) {
        double t = (double)x[j] * weight * scale[j] + magic;
        int64_t bits;

        memcpy(&bits, &t, sizeof bits);
        acc[j] += ((bits - magic_bits) ^ flip) - flip;
    }
}
