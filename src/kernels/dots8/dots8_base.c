/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/dots8/dots8_row.h"

/* The integers of one row and 16 columns. */
static void panel(const int8_t *codes, const uint8_t *x, int64_t ld, int32_t *sum)
{
    for (int64_t i = 0; i < ld; i += 4, codes += 4 * WNI_PANEL8) {
        int32_t x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];

        for (int64_t c = 0; c < WNI_PANEL8; c++)
            sum[c] += x0 * codes[4 * c] + x1 * codes[4 * c + 1] + x2 * codes[4 * c + 2] +
                      x3 * codes[4 * c + 3];
    }
}

int64_t wni_dots8_base(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                       const wni_rows8 *rows, const wni_hits8 *hits)
{
    int64_t count = 0;

    for (int64_t r = 0; r < m; r++) {
        float dot[WNI_GROUP8];
        int32_t sum[WNI_GROUP8];

        for (int c = 0; c < WNI_GROUP8; c++)
            sum[c] = group->start[c];
        for (int c = 0; c < WNI_GROUP8; c += WNI_PANEL8)
            panel(group->codes + c * ld, x + r * ld, ld, sum + c);
        for (int c = 0; c < WNI_GROUP8; c++)
            dot[c] = (float)sum[c];
        count = wni_dots8_row(group, rows, r, dot, hits, count);
    }
    return count;
}
