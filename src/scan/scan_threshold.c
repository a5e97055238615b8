/* SPDX-License-Identifier: Apache-2.0
 *
 * Every pair whose score reaches a floor. Workers keep what they find; at the end the pairs are counted per
 * query and put in their places.
 */
#include <string.h>

#include "scan/scan_impl.h"

#define ROOM_MIN 1024

typedef struct threshold {
    const wni_kernels *kernels;
    float floor;
    int lower;
    wni_pairs *found; /* (threads) */
} threshold;

/* Twice the new room must fit: at the end all pairs stand in memory a second time. */
static wn_status grow(wn_ctx *ctx, wni_pairs *pairs, int64_t need, int64_t query)
{
    int64_t room = wni_max(wni_max(pairs->room / 2 * 3, need), ROOM_MIN);
    char have[24];
    wni_pair *v;

    if (room > wni_budget_left(ctx) / (2 * (int64_t)sizeof *v))
        return wni_fail(
            ctx, WN_E_BUDGET,
            "pairs of similar rows outgrow the memory budget of %s near row %lld: raise "
            "--memory, or the similarity from which rows count as a pair",
            wni_bytes_text(ctx->budget_bytes, have), (long long)query);
    v = wni_grow(ctx, pairs->v, pairs->n, room, sizeof *v);
    if (!v) return WN_E_NOMEM;
    pairs->v = v;
    pairs->room = room;
    return WN_OK;
}

static wn_status threshold_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m,
                                int64_t b0, int64_t n, const float *scores, int64_t lds)
{
    const threshold *t = self;
    wni_pairs *pairs = &t->found[worker];
    int32_t hits[WNI_SCAN_COLUMNS];

    for (int64_t i = 0; i < m; i++) {
        const int64_t q = q0 + i, allowed = t->lower ? wni_min(q - b0, n) : n;
        int64_t count;

        if (allowed <= 0) continue;
        count = t->kernels->over(scores + i * lds, NULL, allowed, t->floor, hits);
        if (pairs->n + count > pairs->room) {
            wn_status st = grow(ctx, pairs, pairs->n + count, q);

            if (st != WN_OK) return st;
        }
        for (int64_t h = 0; h < count; h++)
            pairs->v[pairs->n++] = (wni_pair){q, b0 + hits[h], scores[i * lds + hits[h]]};
    }
    return WN_OK;
}

static int threshold_wants(void *self, int64_t q0, int64_t m, int64_t b0, int64_t n)
{
    const threshold *t = self;

    (void)n;
    return !t->lower || b0 < q0 + m - 1;
}

/* Heap sort by base row: a query's pairs come in runs, one per block of the base. */
static void sort_pairs(wni_pair *v, int64_t n)
{
    int sorted = 1;

    for (int64_t i = 1; i < n && sorted; i++)
        sorted = v[i - 1].base < v[i].base;
    if (sorted) return;
    for (int64_t build = n / 2, end = n; end > 1;) {
        wni_pair x;
        int64_t i;

        if (build > 0) {
            i = --build;
            x = v[i];
        } else {
            i = 0;
            x = v[--end];
            v[end] = v[0];
        }
        for (int64_t child; (child = 2 * i + 1) < end; i = child) {
            if (child + 1 < end && v[child + 1].base > v[child].base) child++;
            if (v[child].base <= x.base) break;
            v[i] = v[child];
        }
        v[i] = x;
    }
}

/* The workers' pairs into `out`, ordered by query then base row. */
static wn_status order(wn_ctx *ctx, const threshold *t, int64_t n, wni_pairs *out)
{
    int64_t *start = NULL; /* (n + 1) where each query's pairs go; then where they end */
    int64_t total = 0;
    wn_status st;

    for (int w = 0; w < ctx->threads; w++)
        total += t->found[w].n;
    WNI_TRY(wni_budget_need(ctx, total * (int64_t)sizeof *out->v + (n + 1) * (int64_t)sizeof *start,
                            "the list of similar pairs"));
    WNI_NEW0(ctx, start, n + 1);
    WNI_NEW(ctx, out->v, total);
    out->n = out->room = total;
    for (int w = 0; w < ctx->threads; w++)
        for (int64_t i = 0; i < t->found[w].n; i++)
            start[t->found[w].v[i].query + 1]++;
    for (int64_t q = 0; q < n; q++)
        start[q + 1] += start[q];
    for (int w = 0; w < ctx->threads; w++)
        for (int64_t i = 0; i < t->found[w].n; i++)
            out->v[start[t->found[w].v[i].query]++] = t->found[w].v[i];
    for (int64_t q = 0, first = 0; q < n; first = start[q++])
        sort_pairs(out->v + first, start[q] - first);
done:
    wni_free(ctx, start);
    return st;
}

wn_status wni_scan_threshold(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                             float floor, int lower, wni_pairs *out)
{
    static const wni_epilogue epilogue = {threshold_tile, NULL, threshold_wants};
    threshold self = {wni_kernels_of(ctx), floor, lower, NULL};
    wn_status st;

    memset(out, 0, sizeof *out);
    WNI_NEW0(ctx, self.found, ctx->threads);
    WNI_TRY(wni_scan_stream(ctx, queries, base, &epilogue, &self, NULL));
    WNI_TRY(order(ctx, &self, queries->n, out));
done:
    for (int w = 0; self.found && w < ctx->threads; w++)
        wni_free(ctx, self.found[w].v);
    wni_free(ctx, self.found);
    if (st != WN_OK) wni_pairs_free(ctx, out);
    return st;
}

void wni_pairs_free(wn_ctx *ctx, wni_pairs *pairs)
{
    wni_free(ctx, pairs->v);
    memset(pairs, 0, sizeof *pairs);
}
