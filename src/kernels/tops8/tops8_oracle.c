/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

void wni_tops8_oracle(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                      const float *scale, float *top)
{
    for (int64_t r = 0; r < m; r++)
        for (int64_t c = 0; c < WNI_GROUP8; c++) {
            const int8_t *panel = group->codes + c / WNI_PANEL8 * ld * WNI_PANEL8;
            float *out = top + c / WNI_PANEL8 * m + r, upper;
            int32_t sum = group->start[c];

            for (int64_t i = 0; i < ld; i++)
                sum += (int32_t)x[r * ld + i] *
                       panel[(i / 4 * WNI_PANEL8 + c % WNI_PANEL8) * 4 + i % 4];
            upper =
                fmaf(scale[r], fmaf(group->scale[c], (float)sum, group->spread[c]), group->high[c]);
            if (c % WNI_PANEL8 == 0 || upper > *out) *out = upper;
        }
}
