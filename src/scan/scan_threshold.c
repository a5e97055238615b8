/* SPDX-License-Identifier: Apache-2.0
 *
 * Every pair whose score reaches a floor. Workers keep what they find in chunks of their own; at the end the
 * chunks are put together as they are and sorted in place, so that a pair is in memory once.
 */
#include <math.h>
#include <string.h>

#include "scan/scan_above.h"
#include "scan/scan_impl.h"
#include "scan/scan_self.h"

typedef struct threshold {
    float floor;
    wni_pairs *found; /* (threads) each full but for its last chunk */
} threshold;

static wn_status add_chunk(wn_ctx *ctx, wni_pairs *pairs, int64_t query)
{
    const int64_t bytes = WNI_PAIRS_CHUNK * (int64_t)sizeof(wni_pair);
    wni_pair *chunk;

    if (bytes > wni_budget_left(ctx)) {
        char have[24];

        return wni_fail(
            ctx, WN_E_BUDGET,
            "pairs of similar rows outgrow the memory budget of %s near row %lld: raise "
            "--memory, or the similarity from which rows count as a pair",
            wni_bytes_text(ctx->budget_bytes, have), (long long)query);
    }
    if (pairs->chunks == pairs->room) {
        const int64_t room = wni_max(2 * pairs->room, 16);
        wni_pair **grown = wni_grow(ctx, pairs->chunk, pairs->chunks, room, sizeof *grown);

        if (!grown) return WN_E_NOMEM;
        pairs->chunk = grown;
        pairs->room = room;
    }
    chunk = wni_alloc(ctx, WNI_PAIRS_CHUNK, sizeof *chunk);
    if (!chunk) return WN_E_NOMEM;
    pairs->chunk[pairs->chunks++] = chunk;
    return WN_OK;
}

wn_status wni_pairs_add(wn_ctx *ctx, wni_pairs *pairs, int64_t query, int64_t base, float score)
{
    if (pairs->n == pairs->chunks * WNI_PAIRS_CHUNK) {
        wn_status st = add_chunk(ctx, pairs, query);

        if (st != WN_OK) return st;
    }
    *wni_pairs_at(pairs, pairs->n++) = (wni_pair){(uint32_t)query, (uint32_t)base, score};
    return WN_OK;
}

static wn_status take_rows(wn_ctx *ctx, const wni_above *above, int worker, int64_t q,
                           const int64_t *b, const float *score, int64_t n)
{
    const threshold *t = above->arg;
    wn_status st = WN_OK;

    for (int64_t h = 0; h < n && st == WN_OK; h++)
        if (score[h] >= t->floor) st = wni_pairs_add(ctx, &t->found[worker], q, b[h], score[h]);
    return st;
}

static wn_status take_pairs(wn_ctx *ctx, const wni_self *scan, int worker, int64_t i,
                            const int64_t *j, const float *value, int64_t n)
{
    const threshold *t = scan->arg;
    wn_status st = WN_OK;

    for (int64_t h = 0; h < n && st == WN_OK; h++)
        if (value[h] >= t->floor)
            st =
                wni_pairs_add(ctx, &t->found[worker], wni_max(i, j[h]), wni_min(i, j[h]), value[h]);
    return st;
}

/* ---- one list --------------------------------------------------------------------------------------- */

/* Moves the last pairs of `from`, a partly filled list, into the gap at the end of `to` until either is done. */
static void fill(wni_pairs *to, wni_pairs *from)
{
    while (from->n > 0 && to->n < to->chunks * WNI_PAIRS_CHUNK)
        *wni_pairs_at(to, to->n++) = *wni_pairs_at(from, --from->n);
}

/* All chunks into `out`, which is then one list without gaps. */
static wn_status join(wn_ctx *ctx, wni_pairs *lists, int n_lists, wni_pairs *out)
{
    int64_t chunks = 0;
    wn_status st = WN_OK;

    for (int w = 0; w < n_lists; w++)
        chunks += lists[w].chunks;
    WNI_NEW(ctx, out->chunk, chunks);
    out->room = chunks;
    for (int w = 0; w < n_lists; w++) {
        wni_pairs *from = &lists[w];

        fill(out, from);
        while (from->chunks > 0 && (from->chunks - 1) * WNI_PAIRS_CHUNK >= from->n)
            wni_free(ctx, from->chunk[--from->chunks]);
        if (from->chunks == 0) continue; /* else there is no gap in `out` */
        memcpy(out->chunk + out->chunks, from->chunk, (size_t)from->chunks * sizeof *out->chunk);
        out->chunks += from->chunks;
        out->n += from->n;
        from->chunks = from->n = 0;
    }
done:
    return st;
}

/* Heap sort by base row of the pairs [first, first + n), all of one query. */
static void sort_by_base(const wni_pairs *p, int64_t first, int64_t n)
{
    int sorted = 1;

    for (int64_t i = 1; i < n && sorted; i++)
        sorted = wni_pairs_at(p, first + i - 1)->base < wni_pairs_at(p, first + i)->base;
    if (sorted) return;
    for (int64_t build = n / 2, end = n; end > 1;) {
        wni_pair x;
        int64_t i = 0;

        if (build > 0) {
            i = --build;
            x = *wni_pairs_at(p, first + i);
        } else {
            x = *wni_pairs_at(p, first + --end);
            *wni_pairs_at(p, first + end) = *wni_pairs_at(p, first);
        }
        for (int64_t child; (child = 2 * i + 1) < end; i = child) {
            if (child + 1 < end &&
                wni_pairs_at(p, first + child + 1)->base > wni_pairs_at(p, first + child)->base)
                child++;
            if (wni_pairs_at(p, first + child)->base <= x.base) break;
            *wni_pairs_at(p, first + i) = *wni_pairs_at(p, first + child);
        }
        *wni_pairs_at(p, first + i) = x;
    }
}

/* Sorts by query, each pair moved once to where the pairs of its query stand, then by base row. */
static wn_status sort(wn_ctx *ctx, const wni_pairs *p, int64_t queries)
{
    int64_t *start = NULL, *next = NULL; /* (queries + 1) where each query's pairs go */
    int64_t moves = 0;
    wn_status st;

    WNI_TRY(wni_budget_need(ctx, 2 * (queries + 1) * (int64_t)sizeof *start,
                            "the list of similar pairs"));
    WNI_NEW0(ctx, start, queries + 1);
    WNI_NEW(ctx, next, queries + 1);
    for (int64_t i = 0; i < p->n; i++)
        start[wni_pairs_at(p, i)->query + 1]++;
    for (int64_t q = 0; q < queries; q++)
        start[q + 1] += start[q];
    memcpy(next, start, (size_t)(queries + 1) * sizeof *next);
    for (int64_t q = 0; q < queries; q++) {
        while (next[q] < start[q + 1]) {
            wni_pair x = *wni_pairs_at(p, next[q]);

            while (x.query != q) {
                wni_pair *place = wni_pairs_at(p, next[x.query]++), other = *place;

                *place = x;
                x = other;
                if ((++moves & 0xffff) == 0) WNI_TRY(wni_poll(ctx));
            }
            *wni_pairs_at(p, next[q]++) = x;
        }
        if (q % 4096 == 0) WNI_TRY(wni_poll(ctx));
    }
    for (int64_t q = 0; q < queries; q++) {
        if (q % 4096 == 0) WNI_TRY(wni_poll(ctx));
        sort_by_base(p, start[q], start[q + 1] - start[q]);
    }
done:
    wni_free(ctx, start);
    wni_free(ctx, next);
    return st;
}

wn_status wni_pairs_join(wn_ctx *ctx, wni_pairs *lists, int n_lists, int64_t queries,
                         wni_pairs *out)
{
    wn_status st;

    memset(out, 0, sizeof *out);
    WNI_TRY(join(ctx, lists, n_lists, out));
    WNI_TRY(sort(ctx, out, queries));
done:
    if (st != WN_OK) wni_pairs_free(ctx, out);
    return st;
}

wn_status wni_scan_threshold(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                             float floor, int lower, wni_pairs *out)
{
    threshold t = {floor, NULL};
    wni_self self = {.rows = queries, .take = take_pairs, .arg = &t};
    wni_above above = {.queries = queries, .base = base, .take = take_rows, .arg = &t};
    float *floors = NULL;
    wn_status st;

    memset(out, 0, sizeof *out);
    if (queries->n > UINT32_MAX || base->n > UINT32_MAX)
        return wni_fail(ctx, WN_E_USAGE, "pairs of similar rows: more than 2^32 rows");
    WNI_NEW0(ctx, t.found, ctx->threads);
    WNI_NEW(ctx, floors, queries->n);
    for (int64_t q = 0; q < queries->n; q++)
        floors[q] = floor;
    self.floor = above.floor = floors;
    WNI_TRY(lower ? wni_scan_self(ctx, &self) : wni_scan_above(ctx, &above));
    WNI_TRY(wni_pairs_join(ctx, t.found, ctx->threads, queries->n, out));
done:
    for (int w = 0; t.found && w < ctx->threads; w++)
        wni_pairs_free(ctx, &t.found[w]);
    wni_free(ctx, t.found);
    wni_free(ctx, floors);
    return st;
}

void wni_pairs_free(wn_ctx *ctx, wni_pairs *pairs)
{
    for (int64_t c = 0; c < pairs->chunks; c++)
        wni_free(ctx, pairs->chunk[c]);
    wni_free(ctx, pairs->chunk);
    memset(pairs, 0, sizeof *pairs);
}
