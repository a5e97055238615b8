/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

void wni_most8_oracle(const wni_group8 *group, int64_t panels, const uint8_t *x, int64_t m,
                      int64_t ld, const float *scale, const int32_t *skip, float *most)
{
    for (int64_t r = 0; r < m; r++) {
        most[r] = -INFINITY;
        for (int64_t c = 0; c < panels * WNI_PANEL8; c++) {
            const int8_t *panel = group->codes + c / WNI_PANEL8 * ld * WNI_PANEL8;
            int32_t sum = group->start[c];
            float upper;

            if (group->first + c == skip[r]) continue;
            for (int64_t i = 0; i < ld; i++)
                sum += (int32_t)x[r * ld + i] *
                       panel[(i / 4 * WNI_PANEL8 + c % WNI_PANEL8) * 4 + i % 4];
            upper =
                fmaf(scale[r], fmaf(group->scale[c], (float)sum, group->spread[c]), group->high[c]);
            if (upper > most[r]) most[r] = upper;
        }
    }
}
