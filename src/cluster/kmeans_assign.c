/* SPDX-License-Identifier: Apache-2.0
 *
 * Assignment of every row to its centre, and what the centres' lengths mean for it.
 */
#include <math.h>

#include "cluster/kmeans_impl.h"

#define SUB ((int64_t)4096) /* positions of one range where no row is read */

wn_status wni_km_centers_changed(wni_km *km)
{
    km->cmax2 = 0;
    km->cmin2 = INFINITY;
    for (int32_t c = 0; c < km->k; c++) {
        const float *v = wni_mat_row(&km->centers, c);
        double sum = 0;

        for (int64_t j = 0; j < km->rows.d; j++)
            sum += (double)v[j] * v[j];
        km->cmax2 = fmax(km->cmax2, sum * (1 + 1e-10));
        km->cmin2 = fmin(km->cmin2, sum * (1 - 1e-10));
    }
    return wni_mat_half_norms(km->ctx, &km->centers, km->half);
}

/* ---- one chunk without bounds ---------------------------------------------------------------------- */

struct step {
    wni_km *km;
    int64_t first; /* row of the chunk */
};

/* Reads the winners of a scan: new labels and changes. */
static wn_status take_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct step *s = arg;
    wni_km *km = s->km;
    int64_t count = 0;

    (void)ctx;
    (void)worker;
    for (int64_t p = begin; p < end; p++) {
        int64_t row = s->first + p;

        if (km->labels[row] != km->at[p]) {
            km->change[begin + count++] = (wni_km_change){row, km->labels[row], km->at[p]};
            km->labels[row] = km->at[p];
        }
    }
    km->count[begin / SUB] = count;
    return WN_OK;
}

static wn_status assign_chunk(wni_km *km, int64_t first, int64_t n, int64_t *changed)
{
    wni_queries queries = {km->rows.pool, NULL, first, n};
    struct step s = {km, first};
    int64_t changes = 0;
    wn_status st = WN_OK;

    WNI_TRY(wni_scan_argmin(km->ctx, &queries, &km->centers, km->l2 ? km->half : NULL, km->at,
                            km->score, NULL));
    WNI_TRY(wni_parallel(km->ctx, n, SUB, take_range, &s));
    for (int64_t sub = 0; sub * SUB < n; sub++)
        for (int64_t i = 0; i < km->count[sub]; i++)
            km->change[changes++] = km->change[sub * SUB + i];
    *changed += changes;
    WNI_TRY(wni_km_apply(km, km->change, changes));
done:
    return st;
}

wn_status wni_km_assign(wni_km *km, int64_t *changed)
{
    wn_status st = WN_OK;

    *changed = 0;
    if (km->opt.bounds) {
        WNI_TRY(wni_km_play(km, changed));
    } else {
        for (int64_t first = 0; first < km->rows.n; first += WNI_KM_CHUNK)
            WNI_TRY(assign_chunk(km, first, wni_min(WNI_KM_CHUNK, km->rows.n - first), changed));
        km->computed += (double)km->rows.n * km->k;
    }
    km->possible += (double)km->rows.n * km->k;
    km->assigned = 1;
done:
    return st;
}
