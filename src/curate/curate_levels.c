/* SPDX-License-Identifier: Apache-2.0
 *
 * Cluster sizes per level, in rows, before and after the selection.
 */
#include "curate/curate_impl.h"

static wn_status level_new(wni_curate *cu, int64_t k, wni_curate_level **out)
{
    wni_curate_level *level;
    wn_status st = WN_OK;

    WNI_NEW0(cu->ctx, level, 1);
    *out = level;
    level->k = k;
    WNI_NEW0(cu->ctx, level->rows, k);
    WNI_NEW0(cu->ctx, level->selected, k);
    WNI_NEW0(cu->ctx, level->order, k);
done:
    return st;
}

void wni_curate_levels_free(wni_curate *cu)
{
    for (int32_t t = 0; t < WN_TREE_LEVELS; t++) {
        wni_curate_level *level = cu->level[t];

        if (!level) continue;
        wni_free(cu->ctx, level->rows);
        wni_free(cu->ctx, level->selected);
        wni_free(cu->ctx, level->order);
        wni_free(cu->ctx, level);
    }
}

/* k * sum of squared shares: 1 = all equal, k = all in one. */
static double imbalance(const int64_t *sizes, int64_t k)
{
    double total = 0, squares = 0;

    for (int64_t c = 0; c < k; c++)
        total += (double)sizes[c];
    for (int64_t c = 0; c < k; c++)
        squares += (double)sizes[c] * (double)sizes[c];
    return total > 0 ? (double)k * squares / (total * total) : 0;
}

static void level_show(wni_curate_level *level)
{
    int64_t k = level->k, points = wni_min(k, WNI_CURATE_POINTS);

    for (int64_t c = 0; c < k; c++)
        level->order[c] = (wni_keyed){~(uint64_t)level->rows[c], c};
    wni_keyed_sort(level->order, k);
    for (int64_t b = 0; b < points; b++) {
        int64_t from = b * k / points, to = (b + 1) * k / points;
        double before = 0, after = 0;

        for (int64_t i = from; i < to; i++) {
            before += (double)level->rows[level->order[i].row];
            after += (double)level->selected[level->order[i].row];
        }
        level->before[b] = before / (double)(to - from);
        level->after[b] = after / (double)(to - from);
    }
    level->shown = (wni_report_level){
        .clusters = k,
        .smallest = level->rows[level->order[k - 1].row],
        .median = level->rows[level->order[k / 2].row],
        .largest = level->rows[level->order[0].row],
        .imbalance_before = imbalance(level->rows, k),
        .imbalance_after = imbalance(level->selected, k),
        .before = level->before,
        .after = level->after,
        .n = (int32_t)points,
    };
}

wn_status wni_curate_levels(wni_curate *cu)
{
    const wn_curation *c = cu->result;
    wn_status st = WN_OK;

    for (int32_t t = 0; t < c->tree->levels; t++) {
        const wn_partition *p = c->tree->level[t];
        const wni_curate_level *finer = t ? cu->level[t - 1] : NULL;

        WNI_TRY(level_new(cu, p->k, &cu->level[t]));
        for (int64_t i = 0; i < p->n; i++) {
            int32_t at = p->labels[i];
            if (at < 0) continue;
            cu->level[t]->rows[at] += finer ? finer->rows[i] : 1;
            cu->level[t]->selected[at] +=
                finer ? finer->selected[i] : c->selection->why[c->left[i]].copies;
        }
        level_show(cu->level[t]);
    }
done:
    return st;
}
