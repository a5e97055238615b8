/* SPDX-License-Identifier: Apache-2.0
 *
 * The k nearest base rows of each query. The output arrays are the heaps until the last tile.
 */
#include <math.h>

#include "ds/topk.h"
#include "scan/scan_impl.h"
#include "scan/scan_self.h"

typedef struct topk {
    const wni_kernels *kernels;
    const wni_queries *queries, *base;
    wni_block_bias bias;
    int l2, skip_self;
    int64_t k;
    int64_t *at;
    float *score;
    int64_t *size; /* (n) entries of each heap */
} topk;

static wn_status topk_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                           int64_t n, const float *scores, int64_t lds)
{
    const topk *t = self;
    const float *bias = t->l2 ? t->bias.v + (b0 - t->bias.first) : NULL;
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
    const topk *t = arg;

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

static void offer(const topk *t, const wni_self *scan, int64_t q, int64_t b, float score)
{
    if (isnan(score)) return;
    wni_topk_push(t->score + q * t->k, t->at + q * t->k, t->k, &t->size[q], score, b);
    if (t->size[q] == t->k) scan->floor[q] = t->score[q * t->k];
}

static wn_status take_pairs(wn_ctx *ctx, const wni_self *scan, int worker, int64_t i,
                            const int64_t *j, const float *value, int64_t n)
{
    const topk *t = scan->arg;
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

static wn_status topk_self(wn_ctx *ctx, topk *t)
{
    wni_self scan = {.rows = t->queries, .l2 = t->l2, .take = take_pairs, .arg = t};
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

wn_status wni_scan_topk(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base, int64_t k,
                        int l2, int skip_self, int64_t *at, float *score)
{
    static const wni_epilogue epilogue = {topk_tile, NULL, NULL};
    topk self = {wni_kernels_of(ctx), queries, base, {NULL, 0}, l2, skip_self, k, at, score, NULL};
    wn_status st;

    WNI_NEW0(ctx, self.size, queries->n);
    if (skip_self && same_rows(queries, base))
        WNI_TRY(topk_self(ctx, &self));
    else
        WNI_TRY(wni_scan_stream(ctx, queries, base, &epilogue, &self, l2 ? &self.bias : NULL));
    WNI_TRY(wni_parallel(ctx, queries->n, wni_max(65536 / k, 1), sort_range, &self));
done:
    wni_free(ctx, self.size);
    return st;
}
