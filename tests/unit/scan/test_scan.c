/* SPDX-License-Identifier: Apache-2.0
 *
 * The scan engine against a slow twin: one pair at a time, with the oracle's dot product.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "scan/scan.h"
#include "support/support.h"

/* ---- data ---------------------------------------------------------------------------------- */

enum {
    NORMAL,
    TIES,
    TWINS,
    KINDS
}; /* TIES: small integers. TWINS: every row stands there thrice */

/* A table of numbers, repeated: its length is a prime, so that rows differ. */
static float *rows_of(int kind, int64_t n, int64_t d, uint64_t seed)
{
    enum { TABLE = 9973 };
    float *table = ts_normal(1, TABLE, seed), *v = malloc((size_t)((n + 1) * d) * sizeof *v);

    for (int64_t j = 0; kind == TIES && j < TABLE; j++)
        table[j] = (float)(wni_rand_below(seed, 9, (uint64_t)j, 3) - 1);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            v[i * d + j] = kind == TWINS && i >= (n + 2) / 3 ? v[i % ((n + 2) / 3) * d + j]
                                                             : table[(i * d + j) % TABLE];
    free(table);
    return v;
}

/* The queries and the base of one case: two pools, or rows of the same one. */
typedef struct scene {
    float *qv, *bv;
    wn_pool *qp, *bp;
    wni_queries queries, base;
    int64_t *qrows, *brows;
} scene;

static void scene_open(wn_ctx *ctx, scene *s, int kind, wn_metric metric, int64_t nq, int64_t nb,
                       int64_t d, int same)
{
    const int64_t rows = 2 + wni_max(nb, same ? nq : 0);

    memset(s, 0, sizeof *s);
    s->bv = rows_of(kind, rows, d, 1);
    ts_ok(ctx, wn_pool_wrap(ctx, s->bv, rows, d, WN_F32, metric, &s->bp));
    s->base = (wni_queries){s->bp, NULL, 2, nb};
    if (same) {
        s->queries = (wni_queries){s->bp, NULL, 2, nq};
        return;
    }
    /* Row lists: reversed queries, a base with its halves exchanged. */
    s->qv = rows_of(kind, nq, d, 2);
    ts_ok(ctx, wn_pool_wrap(ctx, s->qv, nq, d, WN_F32, metric, &s->qp));
    s->qrows = malloc((size_t)(nq + 1) * sizeof *s->qrows);
    s->brows = malloc((size_t)(nb + 1) * sizeof *s->brows);
    for (int64_t i = 0; i < nq; i++)
        s->qrows[i] = nq - 1 - i;
    for (int64_t i = 0; i < nb; i++)
        s->brows[i] = (i + nb / 2) % nb;
    s->queries = (wni_queries){s->qp, s->qrows, 0, nq};
    s->base = (wni_queries){s->bp, s->brows, 0, nb};
}

static void scene_close(scene *s)
{
    wn_pool_free(s->qp);
    wn_pool_free(s->bp);
    free(s->qv);
    free(s->bv);
    free(s->qrows);
    free(s->brows);
}

/* ---- the twin ------------------------------------------------------------------------------ */

static float *read_rows(wn_ctx *ctx, const wni_queries *q)
{
    int64_t ld = wni_ld(wn_pool_dim(q->pool));
    float *v = aligned_alloc(64, (size_t)((q->n + 1) * ld) * sizeof *v);

    for (int64_t i = 0; i < q->n; i++)
        ts_ok(ctx,
              wn_pool_read(ctx, q->pool, q->rows ? q->rows[i] : q->first + i, 1, v + i * ld, ld));
    return v;
}

/* (nq, nb) scores. */
static float *twin_scores(wn_ctx *ctx, const scene *s, int l2)
{
    const wni_kernels *k = wni_kernels_oracle();
    int64_t ld = wni_ld(wn_pool_dim(s->base.pool)), nb = s->base.n;
    float *q = read_rows(ctx, &s->queries), *b = read_rows(ctx, &s->base);
    float *score = malloc((size_t)(s->queries.n * nb + 1) * sizeof *score);

    for (int64_t i = 0; i < s->queries.n; i++)
        for (int64_t j = 0; j < nb; j++) {
            score[i * nb + j] = k->dot(q + i * ld, b + j * ld, ld);
            if (l2) score[i * nb + j] -= k->dot(b + j * ld, b + j * ld, ld) / 2;
        }
    free(q);
    free(b);
    return score;
}

static int64_t twin_best(const float *score, int64_t n, float *value, float *second)
{
    int64_t at = -1;

    *value = *second = -INFINITY;
    for (int64_t j = 0; j < n; j++)
        if (at < 0 || score[j] > *value) {
            at = j;
            *value = score[j];
        }
    for (int64_t j = 0; j < n; j++)
        if (j != at && score[j] > *second) *second = score[j];
    *second += 0.0f;
    return at;
}

/* ---- ways to run --------------------------------------------------------------------------- */

/* Contexts that must agree: threads 1, 2, 8 x levels, the last with hardly any memory left. */
static int ways(void)
{
    return 3 * ((int)ts_best_isa() + 1) + 1;
}

static wn_status nothing(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    (void)ctx, (void)arg, (void)worker, (void)begin, (void)end;
    return WN_OK;
}

/* Bytes that the context holds once its threads run: what is left when everything is freed. */
static int64_t settled_bytes(wn_ctx *ctx)
{
    ts_ok(ctx, wni_parallel(ctx, 2, 1, nothing, NULL));
    return wn_ctx_live_bytes(ctx);
}

static void close_clean(wn_ctx *ctx, int64_t settled)
{
    assert_int_equal(wn_ctx_live_bytes(ctx), settled);
    wn_ctx_free(ctx);
}

static void *ballast;
static int64_t way_bytes;

static wn_ctx *way_open(int way)
{
    static const int threads[] = {1, 2, 8};
    wn_ctx_options opt;
    wn_ctx *ctx;

    ballast = NULL;
    if (way < ways() - 1) {
        ctx = ts_ctx(threads[way % 3], way / 3);
        way_bytes = settled_bytes(ctx);
        return ctx;
    }
    wn_ctx_options_init(&opt);
    opt.threads = 2;
    opt.memory_bytes = (int64_t)64 << 20;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    way_bytes = settled_bytes(ctx);
    ballast = wni_alloc(ctx, (int64_t)56 << 20, 1); /* base blocks of 2 MB */
    assert_non_null(ballast);
    return ctx;
}

static void way_close(wn_ctx *ctx)
{
    wni_free(ctx, ballast);
    close_clean(ctx, way_bytes);
}

static const struct {
    int64_t nq, nb, d;
} shapes[] = {{1, 1, 1},      {2, 1, 3},     {5, 7, 1},      {3, 300, 2}, {70, 257, 16},
              {131, 600, 20}, {64, 256, 48}, {9, 6000, 100}, {30, 2, 200}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* ---- argmin -------------------------------------------------------------------------------- */

static void argmin_is_the_twin(void **state)
{
    float *twin = NULL;

    (void)state;
    for (int c = 0; c < SHAPES; c++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int l2 = 0; l2 < 2; l2++)
                for (int way = 0; way < ways(); way++) {
                    wn_ctx *ctx = way_open(way);
                    int64_t nq = shapes[c].nq, nb = shapes[c].nb;
                    scene s;
                    wni_mat mat;
                    int32_t at[131], at_again[131];
                    float score[131], second[131], *bias;

                    scene_open(ctx, &s, kind, l2 ? WN_L2 : WN_COSINE, nq, nb, shapes[c].d,
                               kind == 1);
                    if (kind == TIES && !l2) { /* zero rows have no direction */
                        scene_close(&s);
                        way_close(ctx);
                        continue;
                    }
                    if (way == 0) { /* the others must agree */
                        free(twin);
                        twin = twin_scores(ctx, &s, l2);
                    }
                    ts_ok(ctx, s.base.rows ? wni_mat_gather(ctx, s.bp, s.base.rows, nb, &mat)
                                           : wni_mat_new(ctx, nb, shapes[c].d, &mat));
                    if (!s.base.rows) ts_ok(ctx, wn_pool_read(ctx, s.bp, 2, nb, mat.v, mat.ld));
                    bias = malloc((size_t)nb * sizeof *bias);
                    ts_ok(ctx, wni_mat_half_norms(ctx, &mat, bias));
                    ts_ok(ctx, wni_scan_argmin(ctx, &s.queries, &mat, l2 ? bias : NULL, at, score,
                                               second));
                    for (int64_t q = 0; q < nq; q++) {
                        float want, want_second;

                        assert_int_equal(at[q], twin_best(twin + q * nb, nb, &want, &want_second));
                        assert_memory_equal(&score[q], &want, 4);
                        assert_memory_equal(&second[q], &want_second, 4);
                    }
                    ts_ok(ctx, wni_scan_argmin(ctx, &s.queries, &mat, l2 ? bias : NULL, at_again,
                                               score, NULL));
                    assert_memory_equal(at, at_again, (size_t)nq * sizeof *at);
                    wni_mat_free(ctx, &mat);
                    free(bias);
                    scene_close(&s);
                    way_close(ctx);
                }
    free(twin);
}

/* ---- nearest ------------------------------------------------------------------------------- */

static void nearest_is_the_twin_with_and_without_limits(void **state)
{
    float *twin = NULL;

    (void)state;
    for (int c = 0; c < SHAPES; c++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int limited = 0; limited < 2; limited++)
                for (int way = 0; way < ways(); way++) {
                    wn_ctx *ctx = way_open(way);
                    int64_t nq = shapes[c].nq, nb = shapes[c].nb, at[131], limit[131];
                    scene s;
                    float score[131];

                    scene_open(ctx, &s, kind, WN_L2, nq, nb, shapes[c].d, 0);
                    if (way == 0) { /* the others must agree */
                        free(twin);
                        twin = twin_scores(ctx, &s, 1);
                    }
                    for (int64_t q = 0; q < nq; q++) /* a whole tile of queries without any base */
                        limit[q] = q < 70 && nq > 70 ? 0 : (q * 37) % (nb + 3) - 1;
                    ts_ok(ctx, wni_scan_nearest(ctx, &s.queries, &s.base, 1, limited ? limit : NULL,
                                                at, score));
                    for (int64_t q = 0; q < nq; q++) {
                        int64_t n = limited ? wni_min(limit[q], nb) : nb;
                        float want, second;

                        assert_int_equal(at[q], twin_best(twin + q * nb, n, &want, &second));
                        assert_memory_equal(&score[q], &want, 4);
                    }
                    scene_close(&s);
                    way_close(ctx);
                }
    free(twin);
}

/* ---- topk ---------------------------------------------------------------------------------- */

static void topk_is_the_twin(void **state)
{
    static const int64_t ks[] = {1, 4, 40};
    float *twin = NULL;

    (void)state;
    for (int c = 0; c < SHAPES; c++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int same = 0; same < 2; same++)
                for (int way = 0; way < ways(); way++) {
                    wn_ctx *ctx = way_open(way);
                    int64_t nq = shapes[c].nq, nb = shapes[c].nb, k = ks[(c + kind) % 3];
                    int l2 = kind != NORMAL;
                    int64_t *at;
                    float *score;
                    scene s;

                    if (same) nq = wni_min(nq, nb);
                    at = malloc((size_t)(nq * k) * sizeof *at);
                    score = malloc((size_t)(nq * k) * sizeof *score);
                    scene_open(ctx, &s, kind, l2 ? WN_L2 : WN_COSINE, nq, nb, shapes[c].d, same);
                    if (way == 0) { /* the others must agree */
                        free(twin);
                        twin = twin_scores(ctx, &s, l2);
                    }
                    ts_ok(ctx, wni_scan_topk(ctx, &s.queries, &s.base, k, l2, same, at, score));
                    for (int64_t q = 0; q < nq; q++) {
                        float *row = twin + q * nb;
                        char *taken = calloc((size_t)nb, 1);

                        if (same) taken[q] = 1;
                        for (int64_t r = 0; r < k; r++) {
                            int64_t best = -1;

                            for (int64_t j = 0; j < nb; j++)
                                if (!taken[j] && (best < 0 || row[j] > row[best])) best = j;
                            assert_int_equal(at[q * k + r], best);
                            if (best < 0) {
                                assert_true(score[q * k + r] == -INFINITY);
                                continue;
                            }
                            assert_memory_equal(&score[q * k + r], &row[best], 4);
                            taken[best] = 1;
                        }
                        free(taken);
                    }
                    free(at);
                    free(score);
                    scene_close(&s);
                    way_close(ctx);
                }
    free(twin);
}

/* ---- threshold ----------------------------------------------------------------------------- */

static void threshold_is_the_twin(void **state)
{
    float *twin = NULL;

    (void)state;
    for (int c = 0; c < SHAPES; c++)
        for (int kind = 0; kind < KINDS; kind++)
            for (int lower = 0; lower < 2; lower++)
                for (int way = 0; way < ways(); way++) {
                    wn_ctx *ctx = way_open(way);
                    int64_t nq = shapes[c].nq, nb = shapes[c].nb, next = 0;
                    float floor;
                    wni_pairs pairs;
                    scene s;

                    if (lower) nq = nb = wni_min(nb, 300);
                    scene_open(ctx, &s, kind, WN_L2, nq, nb, shapes[c].d, lower);
                    if (way == 0) { /* the others must agree */
                        free(twin);
                        twin = twin_scores(ctx, &s, 0);
                    }
                    floor = kind == TIES ? 2 : twin[nq * nb / 2]; /* reached exactly by some */
                    ts_ok(ctx, wni_scan_threshold(ctx, &s.queries, &s.base, floor, lower, &pairs));
                    for (int64_t q = 0; q < nq; q++)
                        for (int64_t b = 0; b < (lower ? q : nb); b++) {
                            if (!(twin[q * nb + b] >= floor)) continue;
                            assert_true(next < pairs.n);
                            assert_int_equal(wni_pairs_at(&pairs, next)->query, q);
                            assert_int_equal(wni_pairs_at(&pairs, next)->base, b);
                            assert_memory_equal(&wni_pairs_at(&pairs, next)->score,
                                                &twin[q * nb + b], 4);
                            next++;
                        }
                    assert_int_equal(next, pairs.n);
                    wni_pairs_free(ctx, &pairs);
                    scene_close(&s);
                    way_close(ctx);
                }
    free(twin);
}

/* Several chunks from several workers: every pair in its place, none twice. */
static void many_pairs_come_in_order(void **state)
{
    enum { N = 700 };
    float *v = ts_normal(N, 5, 3);

    (void)state;
    for (int threads = 1; threads <= 8; threads = 3 * threads - 1)
        for (int lower = 0; lower < 2; lower++) {
            wn_ctx *ctx = ts_ctx(threads, -1);
            int64_t next = 0, settled = settled_bytes(ctx);
            wn_pool *pool;
            wni_queries all;
            wni_pairs pairs;

            ts_ok(ctx, wn_pool_wrap(ctx, v, N, 5, WN_F32, WN_L2, &pool));
            all = (wni_queries){pool, NULL, 0, N};
            ts_ok(ctx, wni_scan_threshold(ctx, &all, &all, -INFINITY, lower, &pairs));
            assert_int_equal(pairs.n, lower ? N * (N - 1) / 2 : N * N);
            for (int64_t q = 0; q < N; q++)
                for (int64_t b = 0; b < (lower ? q : N); b++, next++) {
                    assert_int_equal(wni_pairs_at(&pairs, next)->query, q);
                    assert_int_equal(wni_pairs_at(&pairs, next)->base, b);
                }
            wni_pairs_free(ctx, &pairs);
            wn_pool_free(pool);
            close_clean(ctx, settled);
        }
    free(v);
}

static void too_many_pairs_are_refused_in_words(void **state)
{
    wn_ctx_options opt;
    wn_ctx *ctx;
    wni_pairs pairs;
    wn_pool *pool;
    float *same = calloc(4000, sizeof *same);
    int64_t settled;
    wni_queries all;

    (void)state;
    for (int i = 0; i < 4000; i++)
        same[i] = 1;
    wn_ctx_options_init(&opt);
    opt.threads = 2;
    opt.memory_bytes = (int64_t)64 << 20;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    settled = settled_bytes(ctx);
    ts_ok(ctx, wn_pool_wrap(ctx, same, 4000, 1, WN_F32, WN_L2, &pool));
    all = (wni_queries){pool, NULL, 0, 4000};
    assert_int_equal(wni_scan_threshold(ctx, &all, &all, 1, 1, &pairs), WN_E_BUDGET);
    assert_non_null(
        strstr(wn_ctx_error(ctx), "pairs of similar rows outgrow the memory budget of 64"));
    assert_null(pairs.chunk);
    ts_ok(ctx, wni_scan_threshold(ctx, &all, &all, 2, 1, &pairs));
    assert_int_equal(pairs.n, 0);
    wni_pairs_free(ctx, &pairs);
    wn_pool_free(pool);
    close_clean(ctx, settled);
    free(same);
}

/* ---- the engine itself ------------------------------------------------------------------------- */

typedef struct watcher {
    int64_t next[200]; /* base row that each query expects next */
    int64_t nb;
    int skip; /* tiles of the first base rows are not wanted */
    int done[200];
    const float *rows; /* (n, d) */
} watcher;

static wn_status watch_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                            int64_t n, const float *scores, int64_t lds)
{
    watcher *w = self;

    (void)ctx;
    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        assert_int_equal(w->next[q0 + i], b0);
        w->next[q0 + i] = b0 + n;
        for (int64_t j = 0; j < n; j++) /* rows are (x, 1): the score of q and b is x(q) x(b) + 1 */
            assert_true(scores[i * lds + j] == (float)((q0 + i) % 50 * ((b0 + j) % 50) + 1));
    }
    return WN_OK;
}

static wn_status watch_done(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m,
                            const float *rows, int64_t ld)
{
    watcher *w = self;

    (void)ctx;
    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        assert_int_equal(w->next[q0 + i], w->nb);
        assert_int_equal(w->done[q0 + i]++, 0);
        assert_true(rows[i * ld] == (float)((q0 + i) % 50) && rows[i * ld + 1] == 1);
        for (int64_t j = 2; j < ld; j++)
            assert_true(rows[i * ld + j] == 0);
    }
    return WN_OK;
}

static int watch_wants(void *self, int64_t q0, int64_t m, int64_t b0, int64_t n)
{
    watcher *w = self;

    if (!w->skip) return 1;
    for (int64_t i = 0; i < m && b0 < 512; i++)
        w->next[q0 + i] = b0 + n;
    return b0 >= 512;
}

static void tiles_come_in_order_and_rows_once(void **state)
{
    enum { NQ = 200, NB = 20000 };
    static watcher w;
    float *v = malloc(NB * 2 * sizeof *v);
    const wni_epilogue watch = {watch_tile, watch_done, watch_wants};

    (void)state;
    for (int i = 0; i < NB; i++) {
        v[2 * i] = (float)(i % 50);
        v[2 * i + 1] = 1;
    }
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
        for (int skip = 0; skip < 2; skip++) {
            wn_ctx *ctx = ts_ctx(2, isa);
            int64_t settled = settled_bytes(ctx);
            wn_pool *pool;
            wni_queries queries, base;
            wni_mat mat;

            ts_ok(ctx, wn_pool_wrap(ctx, v, NB, 2, WN_F32, WN_L2, &pool));
            ts_ok(ctx, wni_mat_gather(ctx, pool, NULL, NB, &mat));
            queries = (wni_queries){pool, NULL, 0, NQ};
            base = (wni_queries){pool, NULL, 0, NB};
            memset(&w, 0, sizeof w);
            w.nb = NB;
            w.skip = skip;
            ts_ok(ctx, wni_scan_block(ctx, &queries, &mat, 0, &watch, &w));
            for (int q = 0; q < NQ; q++)
                assert_int_equal(w.done[q], 1);
            wni_mat_free(ctx, &mat);
            memset(&w, 0, sizeof w);
            w.nb = NB;
            w.skip = skip;
            ts_ok(ctx, wni_scan_pool(ctx, &queries, &base, &watch, &w));
            for (int q = 0; q < NQ; q++)
                assert_int_equal(w.next[q], NB);
            wn_pool_free(pool);
            close_clean(ctx, settled);
        }
    free(v);
}

static void no_queries_and_no_base(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float v[6] = {1, 2, 3, 4, 5, 6}, score[6];
    wn_pool *pool;
    wni_queries all, none;
    wni_pairs pairs;
    int64_t at[6], settled = settled_bytes(ctx);

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 3, 2, WN_F32, WN_L2, &pool));
    all = (wni_queries){pool, NULL, 0, 3};
    none = (wni_queries){pool, NULL, 3, 0};
    ts_ok(ctx, wni_scan_nearest(ctx, &none, &all, 1, NULL, at, score));
    ts_ok(ctx, wni_scan_nearest(ctx, &all, &none, 1, NULL, at, score));
    for (int i = 0; i < 3; i++)
        assert_true(at[i] == -1 && score[i] == -INFINITY);
    ts_ok(ctx, wni_scan_topk(ctx, &all, &none, 2, 0, 0, at, score));
    for (int i = 0; i < 6; i++)
        assert_true(at[i] == -1 && score[i] == -INFINITY);
    ts_ok(ctx, wni_scan_threshold(ctx, &none, &none, 0, 0, &pairs));
    assert_int_equal(pairs.n, 0);
    wni_pairs_free(ctx, &pairs);
    wn_pool_free(pool);
    close_clean(ctx, settled);
}

static void columns_must_agree(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    float v[6] = {0}, score[3];
    wn_pool *two, *three;
    int64_t at[3];

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 3, 2, WN_F32, WN_L2, &two));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, 3, WN_F32, WN_L2, &three));
    assert_int_equal(wni_scan_nearest(ctx, &(wni_queries){two, NULL, 0, 3},
                                      &(wni_queries){three, NULL, 0, 2}, 0, NULL, at, score),
                     WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "queries have 2 columns, the base has 3"));
    wn_pool_free(two);
    wn_pool_free(three);
    wn_ctx_free(ctx);
}

/* Allocation 0, 1, 2, ... fails: a clean error each time, until none is left to fail. */
static void every_allocation_may_fail(void **state)
{
    float *v = ts_normal(500, 20, 3);

    (void)state;
    for (int threads = 1; threads < 3; threads++)
        for (int what = 0; what < 4; what++)
            for (int64_t fail_at = 0;; fail_at++) {
                ts_alloc alloc = {0, fail_at, 0};
                wn_ctx *ctx = ts_ctx_failing(&alloc, threads);
                wn_pool *pool = NULL;
                wni_queries all;
                wni_mat mat = {0};
                wni_pairs pairs = {0};
                int32_t at32[500];
                int64_t at[1500];
                float score[1500];
                wn_status st = wn_pool_wrap(ctx, v, 500, 20, WN_F32, WN_L2, &pool);

                all = (wni_queries){pool, NULL, 0, 500};
                if (st == WN_OK && what == 0) {
                    st = wni_mat_gather(ctx, pool, NULL, 500, &mat);
                    if (st == WN_OK) st = wni_scan_argmin(ctx, &all, &mat, NULL, at32, score, NULL);
                } else if (st == WN_OK && what == 1)
                    st = wni_scan_nearest(ctx, &all, &all, 1, NULL, at, score);
                else if (st == WN_OK && what == 2)
                    st = wni_scan_topk(ctx, &all, &all, 3, 1, 1, at, score);
                else if (st == WN_OK)
                    st = wni_scan_threshold(ctx, &all, &all, 0, 1, &pairs);
                wni_pairs_free(ctx, &pairs);
                wni_mat_free(ctx, &mat);
                wn_pool_free(pool);
                if (alloc.count <= fail_at) assert_int_equal(st, WN_OK);
                if (st != WN_OK) assert_int_equal(st, WN_E_NOMEM);
                wn_ctx_free(ctx);
                assert_int_equal(alloc.live, 0);
                if (alloc.count <= fail_at) break;
                assert_true(fail_at < 1000);
            }
    free(v);
}

static int stop_when_set(void *user)
{
    return *(int *)user;
}

static void cancelling_stops_a_scan(void **state)
{
    float *v = ts_normal(2000, 8, 3), *score = malloc(2000 * sizeof *score);
    int64_t *at = malloc(2000 * sizeof *at), settled;
    wn_ctx_options opt;
    wn_ctx *ctx;
    wn_pool *pool;
    wni_queries all;
    int stop = 0;

    (void)state;
    wn_ctx_options_init(&opt);
    opt.threads = 2;
    opt.cancel = stop_when_set;
    opt.user = &stop;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    settled = settled_bytes(ctx);
    ctx->poll_ns = 0;
    stop = 1;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2000, 8, WN_F32, WN_L2, &pool));
    all = (wni_queries){pool, NULL, 0, 2000};
    assert_int_equal(wni_scan_nearest(ctx, &all, &all, 1, NULL, at, score), WN_E_CANCELLED);
    wn_pool_free(pool);
    close_clean(ctx, settled);
    free(v);
    free(at);
    free(score);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(argmin_is_the_twin),
        cmocka_unit_test(nearest_is_the_twin_with_and_without_limits),
        cmocka_unit_test(topk_is_the_twin),
        cmocka_unit_test(threshold_is_the_twin),
        cmocka_unit_test(many_pairs_come_in_order),
        cmocka_unit_test(too_many_pairs_are_refused_in_words),
        cmocka_unit_test(tiles_come_in_order_and_rows_once),
        cmocka_unit_test(no_queries_and_no_base),
        cmocka_unit_test(columns_must_agree),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(cancelling_stops_a_scan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
