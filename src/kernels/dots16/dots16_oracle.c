/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/variants.h"

static double number(uint16_t bf16)
{
    const uint32_t bits = (uint32_t)bf16 << 16;
    float v;

    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

static float product(const uint16_t *panels, const uint16_t *x, int64_t ld, int c)
{
    const uint16_t *panel = panels + (int64_t)(c / WNI_PANEL8) * ld * WNI_PANEL8;
    double sum = 0;

    for (int64_t i = 0; i < ld; i++)
        sum += number(x[i]) * number(panel[(i / 2 * WNI_PANEL8 + c % WNI_PANEL8) * 2 + i % 2]);
    return (float)sum;
}

static void lift(int keep, float lower, float *need, float *best)
{
    if (keep == 1 && lower > *need) *need = lower;
    if (keep != 2) return;
    if (lower > *best) {
        *need = *best > *need ? *best : *need;
        *best = lower;
    } else if (lower > *need)
        *need = lower;
}

int64_t wni_dots16_oracle(const wni_group8 *group, const uint16_t *panels, const uint16_t *x,
                          int64_t m, int64_t ld, const wni_rows8 *rows, const wni_hits8 *hits)
{
    int64_t count = 0;

    for (int64_t r = 0; r < m; r++) {
        float upper[WNI_GROUP8], lower[WNI_GROUP8], need[WNI_GROUP8], s = rows->scale[r];
        int reached = 0;

        for (int c = 0; c < WNI_GROUP8; c++) {
            float dot = product(panels, x + r * ld, ld, c);

            upper[c] = fmaf(s, fmaf(group->scale[c], dot, group->spread[c]), group->high[c]);
            lower[c] = fmaf(s, fmaf(group->scale[c], dot, -group->spread[c]), group->low[c]);
            need[c] = rows->need[r];
            if (group->other) need[c] = fminf(need[c], group->other[c] + rows->own[r]);
            reached |= upper[c] >= need[c];
        }
        if (!reached) continue;
        for (int c = 0; c < WNI_GROUP8; c++) {
            const int32_t *known = rows->known ? rows->known + 2 * r : NULL,
                          number = group->first + c;

            if (known && (known[0] == number || known[1] == number)) continue;
            lift(rows->keep, lower[c], &rows->need[r], rows->keep == 2 ? &rows->best[r] : NULL);
        }
        for (int c = 0; c < WNI_GROUP8; c++) {
            if (rows->keep) need[c] = rows->need[r];
            if (!(upper[c] >= need[c])) continue;
            hits->row[count] = rows->first + (int32_t)r;
            hits->column[count] = group->first + c;
            hits->upper[count] = upper[c];
            hits->lower[count++] = lower[c];
        }
    }
    return count;
}
