/* SPDX-License-Identifier: Apache-2.0
 *
 * Assignment without bounds: every row against every centre. The centre that a row has, which it often keeps, is what
 * the others must beat: the filter then passes over most of them after their first dimensions.
 */
#include "cluster/kmeans_impl.h"
#include "scan/filter_argmin.h"

#define SUB ((int64_t)4096) /* positions of one range where no row is read */

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

static wn_status dense_chunk(wni_km *km, wni_argmin_base *base, int64_t first, int64_t n,
                             int64_t *changed)
{
    wni_queries queries = {km->rows.pool, NULL, first, n};
    struct step s = {km, first};
    wn_status st = WN_OK;

    base->hint = km->labels + first;
    WNI_TRY(wni_scan_argmin_with(km->ctx, &queries, base, km->at, km->score, NULL));
    WNI_TRY(wni_parallel(km->ctx, n, SUB, take_range, &s));
    WNI_TRY(wni_km_apply_ranges(km, n, SUB, changed));
done:
    return st;
}

wn_status wni_km_dense(wni_km *km, int64_t *changed)
{
    wni_argmin_base base = {.base = &km->centers, .bias = km->l2 ? km->half : NULL};
    wni_filter *packed = NULL;
    wn_status st = WN_OK;

    if (wni_filter_argmin_pays(km->ctx, km->rows.n, km->k, km->rows.ld, 0))
        WNI_TRY(wni_filter_new(km->ctx, base.base, base.bias, &packed));
    base.packed = packed;
    for (int64_t first = 0; first < km->rows.n; first += WNI_KM_CHUNK)
        WNI_TRY(dense_chunk(km, &base, first, wni_min(WNI_KM_CHUNK, km->rows.n - first), changed));
    km->computed += (double)km->rows.n * km->k;
done:
    wni_filter_free(km->ctx, packed);
    return st;
}
