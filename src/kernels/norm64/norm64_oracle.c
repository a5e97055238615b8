/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/variants.h"

double wni_norm64_oracle(const float *x, int64_t d, int32_t *most)
{
    double lane[8] = {0};

    *most = 0;
    for (int64_t j = 0; j < d; j++) {
        int32_t bits;

        memcpy(&bits, x + j, sizeof bits);
        bits &= 0x7fffffff;
        if (bits > *most) *most = bits;
        lane[j % 8] += (double)x[j] * (double)x[j];
    }
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}
