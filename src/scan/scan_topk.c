/* SPDX-License-Identifier: Apache-2.0
 *
 * The k nearest base rows of each query. The output arrays are the heaps until the last tile.
 */
#include <math.h>

#include "ds/topk.h"
#include "scan/scan_self.h"
#include "scan/topk_impl.h"

wn_status wni_topk_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                        int64_t n, const float *scores, int64_t lds)
{
    const wni_topk_scan *t = self;
    const float *bias = t->bias.v ? t->bias.v + (b0 - t->bias.first) : NULL;
    int32_t hits[WNI_SCAN_COLUMNS];

    (void)ctx;
    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        const int64_t q = q0 + i, own = t->skip_self ? wni_queries_row(t->queries, q) : -1;
        float *score = t->score + q * t->k;
        int64_t *at = t->at + q * t->k;
        float floor = t->size[q] < t->k ? -INFINITY : score[0];
        int64_t count = t->kernels->over(scores + i * lds, bias, n, floor, hits);

        for (int64_t h = 0; h < count; h++) {
            const int64_t j = hits[h], b = b0 + j;

            if (own >= 0 && wni_queries_row(t->base, b) == own) continue;
            wni_topk_push(score, at, t->k, &t->size[q], scores[i * lds + j] - (bias ? bias[j] : 0),
                          b);
        }
    }
    return WN_OK;
}

static wn_status sort_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const wni_topk_scan *t = arg;

    (void)ctx;
    (void)worker;
    for (int64_t q = begin; q < end; q++) {
        wni_topk_sort(t->score + q * t->k, t->at + q * t->k, t->size[q]);
        for (int64_t i = t->size[q]; i < t->k; i++) {
            t->score[q * t->k + i] = -INFINITY;
            t->at[q * t->k + i] = -1;
        }
    }
    return WN_OK;
}

/* ---- a pool against itself: each pair once -------------------------------------------------------- */

static void offer(const wni_topk_scan *t, const wni_self *scan, int64_t q, int64_t b, float score)
{
    if (isnan(score) || score < scan->floor[q]) return;
    wni_topk_push(t->score + q * t->k, t->at + q * t->k, t->k, &t->size[q], score, b);
    if (t->size[q] == t->k) scan->floor[q] = t->score[q * t->k];
}

static wn_status take_pairs(wn_ctx *ctx, const wni_self *scan, int worker, int64_t i,
                            const int64_t *j, const float *value, int64_t n)
{
    const wni_topk_scan *t = scan->arg;
    const int64_t *rows =
        scan->rows->rows; /* may name a row twice: that one is no neighbour of itself */

    (void)ctx;
    (void)worker;
    for (int64_t h = 0; h < n; h++) {
        if (rows && rows[i] == rows[j[h]]) continue;
        offer(t, scan, i, j[h], scan->half ? value[h] - scan->half[j[h]] : value[h]);
        offer(t, scan, j[h], i, scan->half ? value[h] - scan->half[i] : value[h]);
    }
    return WN_OK;
}

static wn_status topk_self(wn_ctx *ctx, wni_topk_scan *t, int l2)
{
    wni_self scan = {.rows = t->queries, .l2 = l2, .take = take_pairs, .arg = t};
    wn_status st;

    WNI_NEW(ctx, scan.floor, t->queries->n);
    for (int64_t q = 0; q < t->queries->n; q++)
        scan.floor[q] = -INFINITY;
    WNI_TRY(wni_scan_self(ctx, &scan));
done:
    wni_free(ctx, scan.floor);
    return st;
}

static int same_rows(const wni_queries *a, const wni_queries *b)
{
    return a->pool == b->pool && a->rows == b->rows && a->first == b->first && a->n == b->n;
}

/* ---- against another pool -------------------------------------------------------------------------- */

static wn_status topk_block(wn_ctx *ctx, void *arg, const wni_mat *block, int64_t first,
                            float *half_norms)
{
    static const wni_epilogue epilogue = {wni_topk_tile, NULL, NULL};
    wni_topk_scan *t = arg;
    int ran;
    wn_status st;

    t->bias = (wni_block_bias){half_norms, first};
    wni_progress(ctx, "compare rows", first, t->base->n);
    WNI_TRY(wni_topk_filtered(ctx, t, block, first, &ran));
    if (!ran) WNI_TRY(wni_scan_block(ctx, t->queries, block, first, &epilogue, t));
done:
    return st;
}

wn_status wni_scan_topk(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base, int64_t k,
                        int l2, int skip_self, int64_t *at, float *score)
{
    wni_topk_scan t = {.kernels = wni_kernels_of(ctx),
                       .queries = queries,
                       .base = base,
                       .skip_self = skip_self,
                       .k = k,
                       .at = at,
                       .score = score};
    wn_status st;

    WNI_TRY(wni_scan_agree(ctx, queries, base));
    WNI_NEW0(ctx, t.size, queries->n);
    if (skip_self && same_rows(queries, base))
        WNI_TRY(topk_self(ctx, &t, l2));
    else if (queries->n > 0)
        WNI_TRY(wni_scan_blocks(ctx, base, l2, topk_block, &t));
    WNI_TRY(wni_parallel(ctx, queries->n, wni_max(65536 / k, 1), sort_range, &t));
done:
    wni_free(ctx, t.size);
    return st;
}
