/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

void wni_fixsum_oracle(int64_t *acc, const float *x, const double *scale, double weight,
                       int64_t sign, int64_t d)
{
    for (int64_t j = 0; j < d; j++)
        acc[j] += sign * (int64_t)rint((double)x[j] * weight * scale[j]);
}
