/* SPDX-License-Identifier: Apache-2.0
 *
 * Searching an open index: which rows are allowed, which way is taken in each segment, exact distances of the
 * candidates, and one list of hits out of all segments.
 */
#include <math.h>
#include <string.h>

#include "ds/topk.h"
#include "index/index_search.h"
#include "kernels/kernels.h"
#include "pool/pool_ahead.h"
#include "pool/pool_use.h"

#define BLOCK_BYTES_MAX ((int64_t)64 << 20) /* of candidates in memory at a time */
#define GATHER          16                  /* candidates read at a time */

typedef struct search {
    const wn_index *index;
    const wn_index_query *query;
    const wn_pool *queries; /* all, under the metric of the index */
    wn_hits *hits;
    int64_t k, want, effort;
    double rerank;
    const wn_filter *filter;
    uint8_t *route; /* (segments) routes taken, one bit each */

    /* The block of queries and the segment in progress. */
    const wni_segment *s;
    const wn_pool *block;
    int64_t first, n;
    wni_found found;
    float *score;  /* (block, k) minus the squared distance */
    int64_t *ids;  /* (block, k) */
    int64_t *size; /* (block) */
    float *slots;  /* (threads, slot) a query, GATHER rows */
    int64_t slot, ld;
    const wni_kernels *kernels;
    int64_t *verified; /* (threads) */
} search;

enum { ROUTE_KIND = 1, ROUTE_MATCHES = 2, ROUTE_AGAIN = 4 };

/* ---- what was asked --------------------------------------------------------------------------------------- */

static int64_t live_rows(const wn_index *index)
{
    int64_t rows = 0;

    for (int32_t i = 0; i < index->n_segments; i++)
        rows += index->segment[i].n - index->segment[i].n_dead;
    return rows;
}

int64_t wni_index_effort(const wn_index *index, double recall)
{
    const int32_t n = index->n_marks;
    const double *r = index->mark_recall;
    const int64_t *e = index->mark_effort;

    for (int32_t i = 0; i < n; i++) {
        if (r[i] < recall) continue;
        if (i == 0 || !(r[i] > r[i - 1])) return e[i];
        return e[i - 1] +
               (int64_t)ceil((double)(e[i] - e[i - 1]) * (recall - r[i - 1]) / (r[i] - r[i - 1]));
    }
    return n ? e[n - 1] : 0;
}

static wn_status check_query(wn_ctx *ctx, const wn_index *index, const wn_index_query *q)
{
    const int64_t rows = live_rows(index);

    if (!q->queries) return wni_fail(ctx, WN_E_USAGE, "search: there are no queries");
    if (wn_pool_dim(q->queries) != index->d)
        return wni_fail(ctx, WN_E_DATA,
                        "search: the queries have %lld columns, the index %s has %lld; make them "
                        "with the model that made its rows",
                        (long long)wn_pool_dim(q->queries), index->path, (long long)index->d);
    if (q->k < 1)
        return wni_fail(ctx, WN_E_USAGE, "search: k is %lld, expected 1 or more", (long long)q->k);
    if (q->k > rows)
        return wni_fail(ctx, WN_E_DATA,
                        "search: k is %lld but the index %s has %lld row%s; lower --k",
                        (long long)q->k, index->path, (long long)rows, rows == 1 ? "" : "s");
    if (q->effort < 0 || !(q->recall > 0 && q->recall <= 1))
        return wni_fail(ctx, WN_E_USAGE,
                        "search: effort %lld and recall %g, expected an effort from 0 and a recall "
                        "above 0 and up to 1",
                        (long long)q->effort, q->recall);
    return WN_OK;
}

/* ---- exact distances of candidates ------------------------------------------------------------------------- */

static void keep(const search *s, int64_t q, float key, int64_t position)
{
    wni_topk_push(s->score + q * s->k, s->ids + q * s->k, s->k, &s->size[q], -key,
                  wni_segment_id(s->s, position));
}

static void fetch(const search *s, const int64_t *at)
{
    int64_t n = 0;

    while (n < s->want && at[n] >= 0)
        n++;
    wni_pool_fetch(s->s->rows, at, n);
}

static wn_status merge_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const search *s = arg;
    float *x = s->slots + worker * s->slot, *rows = x + s->ld;
    const int64_t want = s->want;
    wn_status st;

    for (int64_t q = begin; q < end; q++) {
        const int64_t *at = s->found.at + q * want;
        const float *key = s->found.key + q * want;
        int64_t near[GATHER], m = 0;

        /* Candidates lie anywhere: those of the next query come while this one is compared. */
        if (!s->found.exact && q == begin) fetch(s, at);
        if (!s->found.exact && q + 1 < end) fetch(s, at + want);
        if (!s->found.exact && (st = wn_pool_read(ctx, s->block, q, 1, x, s->ld)) != WN_OK)
            return st;
        for (int64_t i = 0; i <= want; i++) {
            if (i < want && at[i] < 0) continue;
            if (i < want && s->found.exact) {
                keep(s, q, key[i], at[i]);
                continue;
            }
            if (i < want) near[m++] = at[i];
            if (m < GATHER && i < want) continue;
            if (m == 0) continue;
            if ((st = wn_pool_gather(ctx, s->s->rows, near, m, rows, s->ld)) != WN_OK) return st;
            for (int64_t j = 0; j < m; j++) {
                const float *row = rows + j * s->ld;
                if (s->s->row_sums && wni_row_sum(row, s->index->d) != s->s->row_sums[near[j]])
                    return wni_segment_damaged(ctx, s->index, s->s, "rows.npy",
                                               "the checksum of a row does not match");
                keep(s, q, s->kernels->l2sq(x, row, s->ld), near[j]);
            }
            s->verified[worker * 8] += m;
            m = 0;
        }
    }
    return WN_OK;
}

/* ---- one segment ------------------------------------------------------------------------------------------- */

/* Queries for which a kind found fewer than there are: the matches are scanned for them. */
static wn_status search_again(wn_ctx *ctx, search *s, const wni_ask *ask)
{
    int64_t *rows = NULL, m = 0, most = wni_min(s->k, ask->n_allowed);
    wni_found found = {0};
    wn_pool *few = NULL;
    wni_ask again = *ask;
    wn_status st = WN_OK;

    WNI_NEW(ctx, rows, ask->n);
    for (int64_t q = 0; q < ask->n; q++) {
        int64_t have = 0;
        for (int64_t i = 0; i < ask->want && have < most; i++)
            have += s->found.at[q * ask->want + i] >= 0;
        if (have < most) rows[m++] = q;
    }
    if (m == 0) goto done;
    s->route[s->s - s->index->segment] |= ROUTE_AGAIN;
    WNI_TRY(wn_pool_view(ctx, ask->queries, rows, m, &few));
    WNI_NEW(ctx, found.at, m * ask->want);
    WNI_NEW(ctx, found.key, m * ask->want);
    again.queries = few;
    again.n = m;
    again.absent = NULL;
    WNI_TRY(wni_index_scan_rows(ctx, s->index, s->s, &again, &found));
    s->found.compared += found.compared;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < ask->want; j++) {
            s->found.at[rows[i] * ask->want + j] = found.at[i * ask->want + j];
            s->found.key[rows[i] * ask->want + j] = found.key[i * ask->want + j];
        }
done:
    wn_pool_free(few);
    wni_free(ctx, rows);
    wni_free(ctx, found.at);
    wni_free(ctx, found.key);
    return st;
}

static wn_status search_segment(wn_ctx *ctx, search *s, int32_t number)
{
    const wni_allowed *allowed = &s->filter->segment[number];
    wni_ask ask = {.queries = s->block,
                   .n = s->n,
                   .want = s->want,
                   .k = s->k,
                   .all = wn_pool_rows(s->queries),
                   .effort = s->effort,
                   .allowed = allowed->bits,
                   .slots = allowed->slots,
                   .may_leave = 1,
                   .n_allowed = allowed->n,
                   .cover = &allowed->cover};
    const wni_index_kind *kind;
    wn_status st = WN_OK;

    s->s = &s->index->segment[number];
    kind = s->s->kind;
    if (allowed->n == 0) return WN_OK;
    if (s->filter->absent_of == s->s) ask.absent = s->filter->absent + s->first;
    s->found.exact = 0;
    if (kind->cost && (double)ask.n_allowed <= kind->cost(s->index, s->s, &ask)) {
        s->route[number] |= ROUTE_MATCHES;
        WNI_TRY(wni_index_scan_rows(ctx, s->index, s->s, &ask, &s->found));
    } else {
        s->route[number] |= ROUTE_KIND;
        WNI_TRY(kind->search(ctx, s->index, s->s, &ask, &s->found));
        WNI_TRY(search_again(ctx, s, &ask));
    }
    WNI_TRY(wni_parallel(ctx, s->n, 32, merge_range, s));
done:
    return st;
}

/* ---- all ---------------------------------------------------------------------------------------------------- */

static wn_status finish_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const search *s = arg;
    const int64_t k = s->k;

    (void)ctx;
    (void)worker;
    for (int64_t q = begin; q < end; q++) {
        int64_t *ids = s->hits->indices + (s->first + q) * k, size = s->size[q];
        float *distances = s->hits->distances + (s->first + q) * k;

        wni_topk_sort(s->score + q * k, s->ids + q * k, size);
        for (int64_t i = 0; i < k; i++) {
            float key = i < size ? 0.0f - s->score[q * k + i] : INFINITY;
            ids[i] = i < size ? s->ids[q * k + i] : -1;
            distances[i] = s->index->metric == WN_COSINE ? key / 2 : sqrtf(key);
        }
        s->hits->counts[s->first + q] = size;
    }
    return WN_OK;
}

static wn_status search_block(wn_ctx *ctx, search *s, const int64_t *numbers)
{
    wn_pool *block = NULL;
    wn_status st;

    WNI_TRY(wn_pool_view(ctx, s->queries, numbers + s->first, s->n, &block));
    s->block = block;
    memset(s->size, 0, (size_t)s->n * sizeof *s->size);
    for (int32_t i = 0; i < s->index->n_segments; i++)
        WNI_TRY(search_segment(ctx, s, i));
    WNI_TRY(wni_parallel(ctx, s->n, 256, finish_range, s));
    for (int64_t q = 0; q < s->n; q++)
        s->hits->report.short_hits += s->size[q] < s->k;
done:
    wn_pool_free(block);
    return st;
}

static void describe_route(const search *s, wn_search_report *report)
{
    int taken = 0;
    const bool all = report->matching == report->rows;

    for (int32_t i = 0; i < s->index->n_segments; i++)
        if (s->index->segment[i].kind == s->index->method->ops || !(s->route[i] & ROUTE_KIND))
            taken |= s->route[i];
    snprintf(report->route, sizeof report->route, "%s%s%s%s",
             taken & ROUTE_KIND ? s->index->method->name : "",
             taken & ROUTE_KIND && !all ? ", filtered" : "",
             taken & (ROUTE_MATCHES | ROUTE_AGAIN) ? taken & ROUTE_KIND ? ", and " : "" : "",
             taken & (ROUTE_MATCHES | ROUTE_AGAIN) ? "exact scan of the matches" : "");
    if (!report->route[0])
        snprintf(report->route, sizeof report->route, "%s",
                 report->matching ? "exact scan" : "none: nothing matches");
}

static wn_status prepare(wn_ctx *ctx, search *s, int64_t room)
{
    const int64_t threads = wn_ctx_threads(ctx);
    wn_status st = WN_OK;

    s->kernels = wni_kernels_of(ctx);
    s->ld = wni_ld(s->index->d);
    s->slot = (GATHER + 1) * s->ld;
    WNI_NEW(ctx, s->slots, threads * s->slot);
    WNI_NEW0(ctx, s->verified, threads * 8);
    WNI_NEW(ctx, s->found.at, room * s->want);
    WNI_NEW(ctx, s->found.key, room * s->want);
    WNI_NEW(ctx, s->score, room * s->k);
    WNI_NEW(ctx, s->ids, room * s->k);
    WNI_NEW(ctx, s->size, room);
    WNI_NEW0(ctx, s->route, s->index->n_segments);
done:
    return st;
}

static void add_report(const search *s, int64_t threads)
{
    wn_search_report *r = &s->hits->report;

    r->rows = live_rows(s->index);
    r->matching = s->filter->matching;
    for (int64_t w = 0; w < threads; w++)
        r->verified += s->verified[w * 8];
    r->visited = s->found.visited;
    r->compared = s->found.compared;
    r->effort = s->effort;
    describe_route(s, r);
}

static wn_status run(wn_ctx *ctx, search *s)
{
    const int64_t n = wn_pool_rows(s->queries);
    const int64_t block = wni_min(wni_budget_left(ctx) / 4, BLOCK_BYTES_MAX);
    const int64_t room = wni_max(1, wni_min(block / (s->want * 12 + s->k * 12 + 8), n));
    int64_t *numbers = NULL;
    wn_status st;

    WNI_TRY(wni_hits_new(ctx, n, s->k, s->index->metric, &s->hits));
    WNI_TRY(prepare(ctx, s, room));
    WNI_NEW(ctx, numbers, n);
    for (int64_t i = 0; i < n; i++)
        numbers[i] = i;
    for (s->first = 0; s->first < n; s->first += room) {
        s->n = wni_min(room, n - s->first);
        wni_progress(ctx, "queries", s->first, n);
        WNI_TRY(search_block(ctx, s, numbers));
    }
    wni_progress(ctx, "queries", n, n);
    add_report(s, wn_ctx_threads(ctx));
done:
    wni_free(ctx, numbers);
    wni_free(ctx, s->slots);
    wni_free(ctx, s->verified);
    wni_free(ctx, s->found.at);
    wni_free(ctx, s->found.key);
    wni_free(ctx, s->score);
    wni_free(ctx, s->ids);
    wni_free(ctx, s->size);
    wni_free(ctx, s->route);
    return st;
}

wn_status wn_index_search(wn_ctx *ctx, const wn_index *index, const wn_index_query *given,
                          wn_hits **out)
{
    wn_index_query query = {.recall = 0.95};
    const wn_index_flat_params *code = index->params; /* the first fields of every kind */
    search s = {.index = index, .query = &query};
    wn_pool *queries = NULL;
    wn_filter *filter = NULL;
    wn_status st;

    *out = NULL;
    if (given) memcpy(&query, given, (size_t)wni_min(given->struct_size, sizeof query));
    WNI_TRY(check_query(ctx, index, &query));
    WNI_TRY(wn_pool_with_metric(ctx, query.queries, index->metric, &queries));
    WNI_TRY(wni_index_check_rows(ctx, queries, "search"));
    s.queries = queries;
    s.k = query.k;
    s.want = code->code == WN_CODE_F32 ? s.k : (int64_t)ceil((double)s.k * code->rerank);
    s.want = wni_min(s.want, live_rows(index));
    s.effort = query.effort ? query.effort : wni_index_effort(index, query.recall);
    if (query.filter && query.filter->index != index) {
        st = wni_fail(ctx, WN_E_USAGE, "search: the filter was made for another index");
        goto done;
    }
    if (!query.filter && (query.where || query.window || query.tenant))
        WNI_TRY(wn_filter_new(ctx, index, query.where, query.window, query.tenant, &filter));
    s.filter = query.filter ? query.filter : filter ? filter : index->alive;
    WNI_TRY(run(ctx, &s));
    *out = s.hits;
    s.hits = NULL;
done:
    wn_hits_free(s.hits);
    wn_filter_free(filter);
    wn_pool_free(queries);
    return st;
}
