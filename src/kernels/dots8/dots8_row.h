/* SPDX-License-Identifier: Apache-2.0
 *
 * What the base variants of dots8 and dots16 share: from the 64 products of a row to its hits.
 */
#ifndef WNI_DOTS8_ROW_H
#define WNI_DOTS8_ROW_H

#include "kernels/fused.h"
#include "kernels/variants.h"

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

/* Row r with its products in dot (64); returns the hits there are then. */
static inline int64_t wni_dots8_row(const wni_group8 *group, const wni_rows8 *rows, int64_t r,
                                    const float *dot, const wni_hits8 *hits, int64_t count)
{
    float upper[WNI_GROUP8], lower[WNI_GROUP8], s = rows->scale[r];
    int reached = 0;

    for (int c = 0; c < WNI_GROUP8; c++) {
        float scale = group->scale[c], spread = group->spread[c];

        upper[c] = wni_fused(s, wni_fused(scale, dot[c], spread), group->high[c]);
        lower[c] = wni_fused(s, wni_fused(scale, dot[c], -spread), group->low[c]);
        reached |= upper[c] >= need_of(group, rows, r, c);
    }
    if (!reached) return count;
    lift(rows->keep, rows->known ? rows->known + 2 * r : 0, group->first, lower, &rows->need[r],
         rows->keep == 2 ? &rows->best[r] : 0);
    for (int c = 0; c < WNI_GROUP8; c++) {
        if (!(upper[c] >= need_of(group, rows, r, c))) continue;
        hits->row[count] = rows->first + (int32_t)r;
        hits->column[count] = group->first + c;
        hits->upper[count] = upper[c];
        hits->lower[count++] = lower[c];
    }
    return count;
}

#endif
