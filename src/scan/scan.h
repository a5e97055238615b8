/* SPDX-License-Identifier: Apache-2.0
 *
 * The scan engine: every query row against every base row, and something small done with each score
 * before it is forgotten. It reads and widens tiles, blocks for cache, splits over threads and calls the
 * `dots` kernel; an epilogue consumes each tile of scores. The n x k matrix never exists.
 *
 * The score of a query x and a base row c is the canonical dot(x, c), minus bias[c] when there is one;
 * with bias = |c|^2 / 2 the highest score is the nearest base row under L2. Larger is nearer; ties go to
 * the smaller base row number. Results do not depend on threads, ISA, tiling or memory.
 */
#ifndef WNI_SCAN_H
#define WNI_SCAN_H

#include "base/ctx_impl.h"
#include "winnow/pool.h"

/* A dense f32 matrix in the padded form that kernels read: (n, ld) row-major, columns d..ld zero. */
typedef struct wni_mat {
    float *v;
    int64_t n, d, ld;
} wni_mat;

wn_status wni_mat_new(wn_ctx *ctx, int64_t n, int64_t d, wni_mat *out); /* zeroed */
void wni_mat_free(wn_ctx *ctx, wni_mat *m);
static inline float *wni_mat_row(const wni_mat *m, int64_t i)
{
    return m->v + i * m->ld;
}
/* Rows of a pool (rows NULL = all from 0) as a matrix of n rows. */
wn_status wni_mat_gather(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t n,
                         wni_mat *out);
/* half_norms[i] = canonical dot(row, row) / 2: the bias for L2. */
wn_status wni_mat_half_norms(wn_ctx *ctx, const wni_mat *m, float *half_norms);

/* The queries: rows of a pool. Position q of the scan is row rows[q], or first + q when rows is NULL. */
typedef struct wni_queries {
    const wn_pool *pool;
    const int64_t *rows; /* (n) or NULL */
    int64_t first, n;
} wni_queries;

/* What happens with the scores. `tile` gets the scores (m, lds) of queries q0..q0+m against base rows
 * b0..b0+n; calls for one query come from one worker at a time with ascending b0. `rows_done` (or NULL)
 * gets the padded query rows themselves after their last tile against this base block. `wants` (or NULL)
 * returns 0 to skip a tile. All run inside a parallel range. */
typedef struct wni_epilogue {
    wn_status (*tile)(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                      int64_t n, const float *scores, int64_t lds);
    wn_status (*rows_done)(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m,
                           const float *rows, int64_t ld);
    int (*wants)(void *self, int64_t q0, int64_t m, int64_t b0, int64_t n);
} wni_epilogue;

/* The engine, once over a resident base: base row i is number base_first + i to the epilogue. */
wn_status wni_scan_block(wn_ctx *ctx, const wni_queries *queries, const wni_mat *base,
                         int64_t base_first, const wni_epilogue *epilogue, void *self);

/* The same against a pool, in blocks that fit the budget, each read once per call. Base row b is row
 * base->rows[b] (or first + b) of its pool, and number b to the epilogue. */
wn_status wni_scan_pool(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                        const wni_epilogue *epilogue, void *self);

/* Bytes that a scan of `queries` rows against n rows of d may take beside its results, when its caller holds `held`
 * more than now: as much of the budget as it would then, and what it needs in any case. The first is for all scans
 * against a pool but self scans, whose twin is in scan_self.h; the second for argmin against a resident base. */
int64_t wni_scan_bytes(const wn_ctx *ctx, int64_t queries, int64_t n, int64_t d, int64_t held);
int64_t wni_scan_argmin_bytes(const wn_ctx *ctx, int64_t queries, int64_t n, int64_t d,
                              int64_t held);

/* ---- ready epilogues --------------------------------------------------------------------------- */

/* argmin: the nearest base row of each query. at (n) base row numbers, score (n) and second (n, may be
 * NULL) the best and second best score. bias (base n) or NULL. */
wn_status wni_scan_argmin(wn_ctx *ctx, const wni_queries *queries, const wni_mat *base,
                          const float *bias, int32_t *at, float *score, float *second);

/* The same with what a caller knows: `packed` is the base made ready for the filter (filter.h; NULL = made
 * here when it pays), `hint` and `hint_second` (n, may be NULL) base rows for each query that are likely the
 * best and the second best, such as the last iteration's; -1 = none. None of them changes a result.
 * second_at (n, may be NULL; only together with `second`) gets a base row whose score is second[q], to be the
 *  next call's hint_second, or -1 where none is known; it may be the same array as hint_second. A query whose
 * best score is not above `floor` may get at = -1, score = -inf; not to be used together with hints or `second`. */
typedef struct wni_argmin_base {
    const wni_mat *base;
    const float *bias; /* (base n) or NULL */
    const struct wni_filter *packed;
    const int32_t *hint, *hint_second; /* (queries n) or NULL */
    int32_t *second_at;                /* (queries n) or NULL */
    const float *floor;                /* (queries n) or NULL */
} wni_argmin_base;
wn_status wni_scan_argmin_with(wn_ctx *ctx, const wni_queries *queries, const wni_argmin_base *base,
                               int32_t *at, float *score, float *second);

/* The same against a pool: bias is made from the rows when `l2` is nonzero. Without a base row at = -1.
 * With `limit` (n) not NULL query q is compared only with base rows b < limit[q]. */
wn_status wni_scan_nearest(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base, int l2,
                           const int64_t *limit, int64_t *at, float *score);

/* topk: the k nearest base rows of each query, nearest first; at (n, k) int64 with -1 past the end,
 * score (n, k). bias made when `l2`. `skip_self` leaves out the base row with the query's own source row
 * number (only where both are of the same pool). */
wn_status wni_scan_topk(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base, int64_t k,
                        int l2, int skip_self, int64_t *at, float *score);

/* The k nearest base rows of each query by canonical squared distance, whatever the metric of the pools (rows of
 * unit length under cosine): at (n, k) base row numbers, nearest first, at a tie the smaller, -1 past the end;
 * key (n, k) the squared distances, +Inf past the end. Exact: what the scores leave in doubt is compared by
 * distance. WN_E_DATA when a distance is not finite. */
wn_status wni_scan_exact(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                         int64_t k, int64_t *at, float *key);

/* threshold: every pair with score >= floor, ordered by query then base row. The list is kept in chunks of
 * 12 bytes a pair, which stand in memory once. */
#define WNI_PAIRS_CHUNK 16384 /* pairs */
typedef struct wni_pair {
    uint32_t query, base; /* scan positions */
    float score;
} wni_pair;
typedef struct wni_pairs {
    wni_pair **chunk;
    int64_t n, chunks, room;
} wni_pairs;
static inline wni_pair *wni_pairs_at(const wni_pairs *pairs, int64_t i)
{
    return &pairs->chunk[i / WNI_PAIRS_CHUNK][i % WNI_PAIRS_CHUNK];
}
/* For workers that find pairs on their own: a list each, which starts zeroed, and at the end one list of all,
 * ordered; the chunks move into it. Errors as below. */
wn_status wni_pairs_add(wn_ctx *ctx, wni_pairs *pairs, int64_t query, int64_t base, float score);
wn_status wni_pairs_join(wn_ctx *ctx, wni_pairs *lists, int n_lists, int64_t queries,
                         wni_pairs *out);
/* lower != 0: only pairs with base < query (scan positions; both sides the same rows), each computed once.
 * Fails with WN_E_BUDGET when the pairs outgrow the budget, saying near which query; WN_E_USAGE beyond 2^32
 * rows. */
wn_status wni_scan_threshold(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                             float floor, int lower, wni_pairs *out);
void wni_pairs_free(wn_ctx *ctx, wni_pairs *pairs);

/* softmax-sum: with t(q, b) = scale * score(q, b) + add[b] in double,
 *   lse[q] = log of the sum over b of e^t(q, b),   the sum carried with its running maximum;
 *   out[q] += sum over b of e^(t(q, b) - shift[q]) * row b, in f32, b ascending, one fused multiply-add each.
 * With shift = lse the factors are the softmax p(q, b), and scale * out[q] is the gradient of lse[q] to the
 * query under a dot product. With the sides exchanged and add = log w - lse of the rows that are then the
 * base, out is what lse's weighted by w have as their gradient to a base row, over scale.
 * Base rows are added sixteen at a time and e^ is wni_exp_fixed: the same bits for any threads, ISA, budget.
 * Error: lse within a few ulp of double; out within n * 2^-24 of the sum of its terms' sizes. */
typedef struct wni_softmax {
    double scale;      /* 1 / temperature; any finite number */
    const double *add; /* (base n) or NULL = 0; -inf leaves a base row out */
    int l2;            /* the score has the base row's half norm taken off */
    int skip_self;     /* leave out the base row with the query's own source row number */
} wni_softmax;
/* lse (n) doubles; -inf where no base row takes part. */
wn_status wni_scan_lse(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                       const wni_softmax *how, double *lse);
/* shift (n); out (n, ld) of the pool's columns, added to: zero it first. A query whose shift is not finite
 * is left as it is. */
wn_status wni_scan_softmax(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                           const wni_softmax *how, const double *shift, const wni_mat *out);

/* count/sum: per query how many base rows score >= floor[q] (one floor for all when `each` is 0), and the
 * sum of their weights, in double, ascending. weights (base n); sum (n) NULL = not wanted, with weights NULL
 * the scores themselves are summed. */
typedef struct wni_counting {
    const float *floor; /* (n) with `each`, else (1) */
    int each, l2, skip_self;
    const double *weights;
} wni_counting;
wn_status wni_scan_count(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                         const wni_counting *how, int64_t *count, double *sum);

#endif
