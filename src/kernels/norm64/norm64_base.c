/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/variants.h"

/* Two loops, in forms that compilers turn into vectors. */
double wni_norm64_base(const float *x, int64_t d, int32_t *most)
{
    double lane[8] = {0};
    int32_t top = 0;
    int64_t j = 0;

    for (; j + 8 <= d; j += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += (double)x[j + l] * (double)x[j + l];
    for (; j < d; j++)
        lane[j % 8] += (double)x[j] * (double)x[j];
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    for (j = 0; j < d; j++) {
        int32_t bits;

        memcpy(&bits, x + j, sizeof bits);
        bits &= 0x7fffffff;
        top = bits > top ? bits : top;
    }
    *most = top;
    return lane[0];
}
