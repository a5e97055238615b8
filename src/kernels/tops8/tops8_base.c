/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fused.h"
#include "kernels/variants.h"

/* The integers of one row and 16 columns. */
static void panel_sums(const int8_t *codes, const uint8_t *x, int64_t ld, int32_t *sum)
{
    for (int64_t i = 0; i < ld; i += 4, codes += 4 * WNI_PANEL8) {
        int32_t x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];

        for (int64_t c = 0; c < WNI_PANEL8; c++)
            sum[c] += x0 * codes[4 * c] + x1 * codes[4 * c + 1] + x2 * codes[4 * c + 2] +
                      x3 * codes[4 * c + 3];
    }
}

void wni_tops8_base(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                    const float *scale, float *top)
{
    for (int64_t r = 0; r < m; r++)
        for (int64_t p = 0; p < WNI_GROUP8; p += WNI_PANEL8) {
            int32_t sum[WNI_PANEL8];
            float most = 0;

            for (int64_t c = 0; c < WNI_PANEL8; c++)
                sum[c] = group->start[p + c];
            panel_sums(group->codes + p * ld, x + r * ld, ld, sum);
            for (int64_t c = 0; c < WNI_PANEL8; c++) {
                float upper = wni_fused(
                    scale[r], wni_fused(group->scale[p + c], (float)sum[c], group->spread[p + c]),
                    group->high[p + c]);

                if (c == 0 || upper > most) most = upper;
            }
            top[p / WNI_PANEL8 * m + r] = most;
        }
}
