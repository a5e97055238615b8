/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/fused.h"
#include "kernels/variants.h"

/* The integers of one row and 16 columns. */
static void panel_sums(const int8_t *codes, const uint8_t *x, int64_t ld, int32_t *sum)
{
    for (int64_t i = 0; i < ld; i += 4, codes += 4 * WNI_PANEL8)
        for (int64_t c = 0; c < WNI_PANEL8; c++)
            sum[c] += x[i] * codes[4 * c] + x[i + 1] * codes[4 * c + 1] +
                      x[i + 2] * codes[4 * c + 2] + x[i + 3] * codes[4 * c + 3];
}

int64_t wni_most8_base(const wni_group8 *group, int64_t panels, const uint8_t *x, const int32_t *at,
                       int64_t m, int64_t ld, const float *scale, const int32_t *skip,
                       const float *need, float *most, const wni_pairs8 *hits)
{
    int64_t count = 0;

    for (int64_t i = 0; i < m; i++) {
        const int32_t r = at[i];

        most[i] = -INFINITY;
        for (int64_t p = 0; p < panels * WNI_PANEL8; p += WNI_PANEL8) {
            int32_t sum[WNI_PANEL8];

            for (int64_t c = 0; c < WNI_PANEL8; c++)
                sum[c] = group->start[p + c];
            panel_sums(group->codes + p * ld, x + r * ld, ld, sum);
            for (int64_t c = 0; c < WNI_PANEL8; c++) {
                float upper = wni_fused(
                    scale[r], wni_fused(group->scale[p + c], (float)sum[c], group->spread[p + c]),
                    group->high[p + c]);

                if (group->first + p + c == skip[r]) continue;
                if (upper >= need[r]) {
                    hits->row[count] = (int32_t)i;
                    hits->column[count++] = (int32_t)(group->first + p + c);
                } else if (upper > most[i])
                    most[i] = upper;
            }
        }
    }
    return count;
}
