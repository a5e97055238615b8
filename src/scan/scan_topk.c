/* SPDX-License-Identifier: Apache-2.0
 *
 * The k nearest base rows of each query. The output arrays are the heaps until the end; a query's floor is its
 * k-th best score so far.
 */
#include <math.h>

#include "ds/topk.h"
#include "scan/scan_above.h"
#include "scan/scan_impl.h"
#include "scan/scan_self.h"

#define WARM 256 /* base rows that fill heaps, 4 k if that is more */

typedef struct topk {
    const wni_queries *queries, *base;
    int skip_self;
    int64_t k;
    int64_t *at;   /* (n, k) */
    float *score;  /* (n, k) */
    float *floor;  /* (n) */
    int64_t *size; /* (n) entries of each heap */
} topk;

static void offer(const topk *t, int64_t q, int64_t b, float score)
{
    if (isnan(score) || score < t->floor[q]) return;
    wni_topk_push(t->score + q * t->k, t->at + q * t->k, t->k, &t->size[q], score, b);
    if (t->size[q] == t->k) t->floor[q] = t->score[q * t->k];
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

static wn_status take_pairs(wn_ctx *ctx, const wni_self *scan, int worker, int64_t i,
                            const int64_t *j, const float *value, int64_t n)
{
    const topk *t = scan->arg;
    const int64_t *rows =
        scan->rows->rows; /* a row that is named twice is no neighbour of itself */

    (void)ctx;
    (void)worker;
    for (int64_t h = 0; h < n; h++) {
        if (rows && rows[i] == rows[j[h]]) continue;
        offer(t, i, j[h], scan->half ? value[h] - scan->half[j[h]] : value[h]);
        offer(t, j[h], i, scan->half ? value[h] - scan->half[i] : value[h]);
    }
    return WN_OK;
}

/* ---- against other rows ------------------------------------------------------------------------- */

static wn_status take_rows(wn_ctx *ctx, const wni_above *above, int worker, int64_t q,
                           const int64_t *b, const float *score, int64_t n)
{
    const topk *t = above->arg;
    const int64_t own = t->skip_self ? wni_queries_row(t->queries, q) : -1;

    (void)ctx;
    (void)worker;
    for (int64_t h = 0; h < n; h++)
        if (own < 0 || wni_queries_row(t->base, b[h]) != own) offer(t, q, b[h], score[h]);
    return WN_OK;
}

static int same_rows(const wni_queries *a, const wni_queries *b)
{
    return a->pool == b->pool && a->rows == b->rows && a->first == b->first && a->n == b->n;
}

wn_status wni_scan_topk(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base, int64_t k,
                        int l2, int skip_self, int64_t *at, float *score)
{
    topk t = {queries, base, skip_self, k, at, score, NULL, NULL};
    wni_self self = {.rows = queries, .l2 = l2, .take = take_pairs, .arg = &t};
    wni_above above = {.queries = queries, .base = base, .l2 = l2, .take = take_rows, .arg = &t};
    wn_status st;

    WNI_NEW0(ctx, t.size, queries->n);
    WNI_NEW(ctx, t.floor, queries->n);
    for (int64_t q = 0; q < queries->n; q++)
        t.floor[q] = -INFINITY;
    self.floor = above.floor = t.floor;
    self.warm = above.warm = wni_max(WARM, 4 * k);
    if (skip_self && same_rows(queries, base))
        WNI_TRY(wni_scan_self(ctx, &self));
    else
        WNI_TRY(wni_scan_above(ctx, &above));
    WNI_TRY(wni_parallel(ctx, queries->n, wni_max(65536 / k, 1), sort_range, &t));
done:
    wni_free(ctx, t.size);
    wni_free(ctx, t.floor);
    return st;
}
