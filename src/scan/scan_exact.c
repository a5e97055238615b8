/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact k nearest base rows by canonical distance. The scan proposes a few more than k by their scores;
 * these are measured and sorted. A score carries the rounding error of a dot product, so a row that it left out
 * might still be nearer: where the error bound does not rule that out, the query is compared with every base row
 * by distance.
 */
#include <math.h>

#include "ds/topk.h"
#include "pool/pool_use.h"
#include "scan/scan_impl.h"

#define SPARE           8                   /* rows proposed beyond k */
#define GATHER          16                  /* proposals read at a time */
#define BLOCK_BYTES_MAX ((int64_t)32 << 20) /* of proposals in memory at a time */
#define DOUBT_TILE      256                 /* base rows read at a time for queries in doubt */

typedef struct exact {
    const wni_kernels *kernels;
    const wni_queries *queries, *base;
    int64_t k, wide, ld, first;
    int64_t *at;     /* (block, wide) proposals */
    float *score;    /* (block, wide) */
    int64_t *out_at; /* (n, k) */
    float *out_key;  /* (n, k) */
    uint8_t *doubt;  /* (block) */
    float *slots;    /* (threads, slot) a query, then rows */
    int64_t slot;
} exact;

/* Whether a base row c that was not proposed could lie within `farthest2` (squared) of x. Of such a row the true
 * score (|x|^2 - |x - c|^2) / 2 is at least `reach`, and the one computed at least that less the error of a dot
 * product of |x| and |c| and of |c|^2 / 2; `lowest` is the score of the worst proposal. */
static int in_doubt(int64_t ld, double norm2, double farthest2, double lowest)
{
    const double gamma = ((double)ld / 16 + 8) * 0x1p-23, tiny = (double)ld * 0x1p-147;
    double norm = sqrt(norm2) * (1 + gamma), c, reach, error;

    farthest2 = farthest2 * (1 + gamma) + tiny;
    c = norm + sqrt(farthest2);
    if (!isfinite(lowest) || !(c * c < 1e37)) return 1;
    reach = (norm2 * (1 - gamma) - tiny - farthest2) / 2;
    error = gamma * (norm * c + c * c / 2) + tiny;
    return !(lowest < reach - error);
}

static void finish(const exact *e, int64_t q, int64_t size)
{
    int64_t *at = e->out_at + q * e->k;
    float *key = e->out_key + q * e->k;

    wni_topk_sort(key, at, size);
    for (int64_t i = 0; i < e->k; i++) {
        if (i < size)
            key[i] = 0.0f - key[i];
        else
            at[i] = -1, key[i] = INFINITY;
    }
}

static wn_status measure_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const exact *e = arg;
    float *slot = e->slots + worker * e->slot, *rows = slot + e->ld;
    wn_status st;

    for (int64_t i = begin; i < end; i++) {
        const int64_t q = e->first + i, *at = e->at + i * e->wide;
        int64_t found = e->wide, size = 0, numbers[GATHER];
        const float *x, *row[GATHER];

        while (found > 0 && at[found - 1] < 0)
            found--;
        if ((st = wni_queries_take(ctx, e->queries, q, 1, slot, e->ld, &x)) != WN_OK) return st;
        for (int64_t j = 0; j < found; j += GATHER) {
            const int64_t m = wni_min(GATHER, found - j);
            for (int64_t r = 0; r < m; r++)
                numbers[r] = wni_queries_row(e->base, at[j + r]);
            st = wni_pool_take_each(ctx, e->base->pool, numbers, m, rows, e->ld, row);
            if (st != WN_OK) return st;
            for (int64_t r = 0; r < m; r++) {
                float key = e->kernels->l2sq(x, row[r], e->ld);
                if (isfinite(key))
                    wni_topk_push(e->out_key + q * e->k, e->out_at + q * e->k, e->k, &size, -key,
                                  at[j + r]);
            }
        }
        /* Scores that are no numbers are not proposed, distances that are none not kept. */
        e->doubt[i] = size < wni_min(e->k, e->base->n);
        finish(e, q, size);
        if (!e->doubt[i] && e->wide < e->base->n)
            e->doubt[i] = (uint8_t)in_doubt(e->ld, e->kernels->dot(x, x, e->ld),
                                            e->out_key[q * e->k + e->k - 1],
                                            e->score[i * e->wide + e->wide - 1]);
    }
    return WN_OK;
}

/* The definition, for queries in doubt. */
static wn_status settle_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const exact *e = arg;
    float *x = e->slots + worker * e->slot, *rows = x + e->ld;
    wn_status st;

    for (int64_t i = begin; i < end; i++) {
        const int64_t q = e->first + i;
        int64_t size = 0;

        if (!e->doubt[i]) continue;
        if ((st = wni_queries_read(ctx, e->queries, q, 1, x, e->ld)) != WN_OK) return st;
        for (int64_t b = 0; b < e->base->n; b += DOUBT_TILE) {
            const int64_t m = wni_min(DOUBT_TILE, e->base->n - b);

            if ((st = wni_poll(ctx)) != WN_OK) return st;
            if ((st = wni_queries_read(ctx, e->base, b, m, rows, e->ld)) != WN_OK) return st;
            for (int64_t r = 0; r < m; r++) {
                float key = e->kernels->l2sq(x, rows + r * e->ld, e->ld);
                if (!isfinite(key))
                    return wni_fail_at(ctx, q, WN_E_DATA,
                                       "query %lld is so far from row %lld that the distance is "
                                       "not finite in float32: scale the values down",
                                       (long long)wni_queries_row(e->queries, q),
                                       (long long)wni_queries_row(e->base, b + r));
                wni_topk_push(e->out_key + q * e->k, e->out_at + q * e->k, e->k, &size, -key,
                              b + r);
            }
        }
        finish(e, q, size);
    }
    return WN_OK;
}

/* ---- few queries ---------------------------------------------------------------------------------------- */

#define FEW       8   /* queries for which scores and candidates cost more than the distances */
#define FEW_TILE  128 /* base rows read at a time */
#define FEW_GRAIN 4096

typedef struct few {
    const wni_kernels *kernels;
    const wni_queries *base;
    const float *x; /* (n, ld) queries */
    const float
        *in_place; /* rows of the pool of the base, ld apart; NULL = they are read tile by tile */
    int64_t n, k, ld, slot;
    float *tiles;  /* (threads, slot) rows */
    int64_t *size; /* (threads, n) */
    int64_t *at;   /* (threads, n, k) */
    float *key;    /* (threads, n, k) */
} few;

/* Which worker met a row does not show in the k best of all. */
static wn_status few_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const few *f = arg;
    float *tile = f->tiles + worker * f->slot, l2sqs[FEW_TILE];
    int32_t numbers[FEW_TILE];

    for (int64_t b = begin; b < end; b += FEW_TILE) {
        const int64_t m = wni_min(FEW_TILE, end - b);
        const float *rows = tile;
        const int32_t *at = NULL;
        wn_status st = WN_OK;

        if (!f->in_place) {
            st = wni_queries_read(ctx, f->base, b, m, tile, f->ld);
        } else if (f->base->rows) {
            for (int64_t r = 0; r < m; r++)
                numbers[r] = (int32_t)f->base->rows[b + r];
            rows = f->in_place;
            at = numbers;
        } else {
            rows = f->in_place + (f->base->first + b) * f->ld;
        }
        if (st != WN_OK) return st;
        for (int64_t q = 0; q < f->n; q++) {
            const int64_t heap = worker * f->n + q;
            float *key = f->key + heap * f->k;

            f->kernels->l2sq_at(f->x + q * f->ld, rows, f->ld, at, m, l2sqs);
            for (int64_t r = 0; r < m; r++) {
                const float l2sq = l2sqs[r];

                if (!isfinite(l2sq))
                    return wni_fail_at(ctx, b + r, WN_E_DATA,
                                       "query %lld is so far from row %lld that the distance is "
                                       "not finite in float32: scale the values down",
                                       (long long)q, (long long)wni_queries_row(f->base, b + r));
                if (f->size[heap] < f->k || -l2sq >= key[0])
                    wni_topk_push(key, f->at + heap * f->k, f->k, &f->size[heap], -l2sq, b + r);
            }
        }
    }
    return WN_OK;
}

static wn_status exact_few(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                           int64_t k, int64_t *at, float *key)
{
    const int64_t threads = wn_ctx_threads(ctx), n = queries->n;
    const int64_t ld = wni_ld(wn_pool_dim(base->pool));
    few f = {.kernels = wni_kernels_of(ctx),
             .base = base,
             .n = n,
             .k = k,
             .ld = ld,
             .slot = FEW_TILE * ld};
    float *x = NULL;
    wn_status st;

    if (ld == wn_pool_dim(base->pool) && wn_pool_rows(base->pool) <= INT32_MAX)
        f.in_place = wni_pool_in_place(base->pool);
    WNI_NEW(ctx, x, n * ld);
    WNI_NEW(ctx, f.tiles, threads * f.slot);
    WNI_NEW0(ctx, f.size, threads * n);
    WNI_NEW(ctx, f.at, threads * n * k);
    WNI_NEW(ctx, f.key, threads * n * k);
    WNI_TRY(wni_queries_read(ctx, queries, 0, n, x, ld));
    f.x = x;
    WNI_TRY(wni_parallel(ctx, base->n, FEW_GRAIN, few_range, &f));
    for (int64_t q = 0; q < n; q++) {
        int64_t size = 0;

        for (int64_t w = 0; w < threads; w++)
            for (int64_t i = 0; i < f.size[w * n + q]; i++)
                wni_topk_push(key + q * k, at + q * k, k, &size, f.key[(w * n + q) * k + i],
                              f.at[(w * n + q) * k + i]);
        wni_topk_sort(key + q * k, at + q * k, size);
        for (int64_t i = 0; i < size; i++)
            key[q * k + i] = 0.0f - key[q * k + i];
    }
done:
    wni_free(ctx, x);
    wni_free(ctx, f.tiles);
    wni_free(ctx, f.size);
    wni_free(ctx, f.at);
    wni_free(ctx, f.key);
    return st;
}

wn_status wni_scan_exact(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                         int64_t k, int64_t *at, float *key)
{
    const int64_t threads = wn_ctx_threads(ctx);
    exact e = {.kernels = wni_kernels_of(ctx),
               .queries = queries,
               .base = base,
               .k = k,
               .wide = wni_min(k + SPARE, base->n),
               .ld = wni_ld(wn_pool_dim(base->pool)),
               .out_at = at,
               .out_key = key};
    int64_t room;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < queries->n * k; i++)
        at[i] = -1, key[i] = INFINITY;
    if (base->n == 0 || queries->n == 0) return WN_OK;
    if (queries->n <= FEW) return exact_few(ctx, queries, base, k, at, key);
    room = wni_min(wni_max(wni_min(wni_budget_left(ctx) / 4, BLOCK_BYTES_MAX) / (e.wide * 12), 64),
                   queries->n);
    e.slot = (DOUBT_TILE + 1) * e.ld;
    WNI_NEW(ctx, e.slots, threads * e.slot);
    WNI_NEW(ctx, e.at, room * e.wide);
    WNI_NEW(ctx, e.score, room * e.wide);
    WNI_NEW(ctx, e.doubt, room);
    for (e.first = 0; e.first < queries->n; e.first += room) {
        wni_queries block = *queries;

        block.n = wni_min(room, queries->n - e.first);
        if (block.rows)
            block.rows += e.first;
        else
            block.first += e.first;
        WNI_TRY(wni_scan_topk(ctx, &block, base, e.wide, 1, 0, e.at, e.score));
        WNI_TRY(wni_parallel(ctx, block.n, 8, measure_range, &e));
        WNI_TRY(wni_parallel(ctx, block.n, 1, settle_range, &e));
    }
done:
    wni_free(ctx, e.slots);
    wni_free(ctx, e.at);
    wni_free(ctx, e.score);
    wni_free(ctx, e.doubt);
    return st;
}
