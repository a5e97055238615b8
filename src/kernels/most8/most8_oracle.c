/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/variants.h"

int64_t wni_most8_oracle(const wni_group8 *group, int64_t panels, const uint8_t *x,
                         const int32_t *at, int64_t m, int64_t ld, const float *scale,
                         const int32_t *skip, const float *need, float *most,
                         const wni_pairs8 *hits)
{
    int64_t count = 0;

    for (int64_t i = 0; i < m; i++) {
        const int32_t r = at[i];

        most[i] = -INFINITY;
        for (int64_t c = 0; c < panels * WNI_PANEL8; c++) {
            const int8_t *panel = group->codes + c / WNI_PANEL8 * ld * WNI_PANEL8;
            int32_t sum = group->start[c];
            float upper;

            if (group->first + c == skip[r]) continue;
            for (int64_t j = 0; j < ld; j++)
                sum += (int32_t)x[r * ld + j] *
                       panel[(j / 4 * WNI_PANEL8 + c % WNI_PANEL8) * 4 + j % 4];
            upper =
                fmaf(scale[r], fmaf(group->scale[c], (float)sum, group->spread[c]), group->high[c]);
            if (upper >= need[r]) {
                hits->row[count] = (int32_t)i;
                hits->column[count++] = (int32_t)(group->first + c);
            } else if (upper > most[i])
                most[i] = upper;
        }
    }
    return count;
}
