/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fused.h"
#include "kernels/variants.h"

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

static void lift(int keep, const int32_t *known, int32_t first, const float *lower, float *need,
                 float *best)
{
    for (int32_t c = 0; keep && c < WNI_GROUP8; c++) {
        float loser = lower[c];

        if (known && (known[0] == first + c || known[1] == first + c)) continue;
        if (keep == 2 && lower[c] > *best) {
            loser = *best;
            *best = lower[c];
        }
        if (loser > *need) *need = loser;
    }
}

static float need_of(const wni_group8 *g, const wni_rows8 *rows, int64_t r, int c)
{
    float other = g->other ? g->other[c] + rows->own[r] : rows->need[r];

    return other < rows->need[r] ? other : rows->need[r];
}

int64_t wni_dots8_base(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                       const wni_rows8 *rows, const wni_hits8 *hits)
{
    int64_t count = 0;

    for (int64_t r = 0; r < m; r++) {
        float upper[WNI_GROUP8], lower[WNI_GROUP8], s = rows->scale[r];
        int32_t sum[WNI_GROUP8];
        int reached = 0;

        for (int c = 0; c < WNI_GROUP8; c++)
            sum[c] = group->start[c];
        for (int c = 0; c < WNI_GROUP8; c += WNI_PANEL8)
            panel(group->codes + c * ld, x + r * ld, ld, sum + c);
        for (int c = 0; c < WNI_GROUP8; c++) {
            float dot = (float)sum[c], scale = group->scale[c], spread = group->spread[c];

            upper[c] = wni_fused(s, wni_fused(scale, dot, spread), group->high[c]);
            lower[c] = wni_fused(s, wni_fused(scale, dot, -spread), group->low[c]);
            reached |= upper[c] >= need_of(group, rows, r, c);
        }
        if (!reached) continue;
        lift(rows->keep, rows->known ? rows->known + 2 * r : 0, group->first, lower, &rows->need[r],
             rows->keep == 2 ? &rows->best[r] : 0);
        for (int c = 0; c < WNI_GROUP8; c++) {
            if (!(upper[c] >= need_of(group, rows, r, c))) continue;
            hits->row[count] = rows->first + (int32_t)r;
            hits->column[count] = group->first + c;
            hits->upper[count] = upper[c];
            hits->lower[count++] = lower[c];
        }
    }
    return count;
}
