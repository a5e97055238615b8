/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_dedup_semantic against comparing every pair of rows, its invariants, and what must not show in the
 * result: block sizes, sketches, threads, instruction sets.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "dedup/dedup_semantic.h"
#include "base/ctx_impl.h"
#include "kernels/kernels.h"

typedef struct result {
    int64_t *partner;
    float *similarity;
    int64_t pairs;
} result;

/* Rows in clumps: copies with noise of several sizes, so that thresholds cut through the clumps. */
static float *clumps(int64_t n, int64_t d, uint64_t seed)
{
    float *v = ts_normal(n, d, seed);

    for (int64_t i = 1; i < n; i++) {
        double noise = 0.05 + 0.4 * wni_rand_unit(seed, 9, (uint64_t)i);
        int64_t from = wni_rand_below(seed, 10, (uint64_t)i, i);
        if (wni_rand_unit(seed, 11, (uint64_t)i) < 0.3) continue;
        for (int64_t j = 0; j < d; j++)
            v[i * d + j] = (float)(v[from * d + j] + noise * v[i * d + j]);
    }
    return v;
}

/* The rules as they are written down, with canonical scores. Zero rows compare with nothing. */
static result twin(wn_ctx *ctx, const float *rows, int64_t n, int64_t d, wn_dedup_rule rule,
                   double threshold)
{
    int64_t ld = (d + 15) / 16 * 16;
    float *v = aligned_alloc(64, (size_t)(n * ld + 16) * sizeof *v), floor = (float)threshold;
    result r = {malloc((size_t)n * sizeof *r.partner + 8),
                malloc((size_t)n * sizeof *r.similarity + 8), 0};
    const wni_kernels *kern = wni_kernels_of(ctx);
    wn_pool *pool, *cosine;

    ts_ok(ctx, wn_pool_wrap(ctx, rows, n, d, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_with_metric(ctx, pool, WN_COSINE, &cosine));
    ts_ok(ctx, wn_pool_read(ctx, cosine, 0, n, v, ld));
    for (int64_t i = 0; i < n; i++) {
        float best = 0;
        r.partner[i] = i;
        r.similarity[i] = 1;
        if (kern->dot(v + i * ld, v + i * ld, ld) == 0) continue;
        for (int64_t j = 0; j < i; j++) {
            float s = kern->dot(v + i * ld, v + j * ld, ld);
            if (kern->dot(v + j * ld, v + j * ld, ld) == 0) continue;
            if (rule == WN_DEDUP_GROUPS && r.partner[j] != j) continue;
            r.pairs++;
            if (s < floor || (r.partner[i] != i && s <= best)) continue;
            best = s;
            r.partner[i] = j;
            r.similarity[i] = s > 1 ? 1 : s < -1 ? -1 : s;
        }
    }
    wn_pool_free(cosine);
    wn_pool_free(pool);
    free(v);
    return r;
}

static void result_free(result r)
{
    free(r.partner);
    free(r.similarity);
}

static wn_dedup *run(wn_ctx *ctx, const float *rows, int64_t n, int64_t d, wn_metric metric,
                     const wn_dedup_semantic_params *p, const wni_simjoin_tune *tune)
{
    wn_dedup_input in = {.struct_size = sizeof in};
    wn_dedup *dedup;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, rows, n, d, WN_F32, metric, &pool));
    in.pool = pool;
    if (tune)
        ts_ok(ctx, wni_dedup_semantic_tuned(ctx, &in, p, tune, &dedup));
    else
        ts_ok(ctx, wn_dedup_semantic(ctx, &in, p, &dedup));
    wn_pool_free(pool);
    return dedup;
}

static wn_dedup_semantic_params params(double min_similarity, int rule)
{
    wn_dedup_semantic_params p;

    wn_params_init(wn_method_find("dedup", "semantic"), &p);
    p.min_similarity = min_similarity;
    p.rule = rule;
    return p;
}

static void same_as(const wn_dedup *dedup, result want, int64_t n)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < n; i++) {
        if (dedup->partner[i] != want.partner[i])
            fail_msg("row %lld: partner %lld, expected %lld", (long long)i,
                     (long long)dedup->partner[i], (long long)want.partner[i]);
        assert_true(dedup->similarity[i] == want.similarity[i]);
        kept += want.partner[i] == i;
    }
    assert_int_equal(dedup->kept, kept);
    assert_int_equal(dedup->report.pairs_compared, want.pairs);
}

static void like_all_pairs_in_any_blocks(void **state)
{
    /* straight and with sketches of 16 and 32 numbers; blocks of all sizes, also of one row */
    static const wni_simjoin_tune tunes[] = {{0, 0, 0},     {0, 0, -1},    {1, 1, -1},
                                             {7, 5, -1},    {64, 100, -1}, {0, 0, 16},
                                             {13, 200, 16}, {130, 3, 32},  {100, 64, 32}};
    static const double thresholds[] = {0.95, 0.8, 0.3, 0, -1};
    static const int64_t shapes[][2] = {{300, 70}, {150, 33}, {3, 64}, {2, 40}, {1, 40}, {0, 40}};

    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++)
            for (int rule = 0; rule < 2; rule++) {
                wn_ctx *ctx = ts_ctx(1, -1); /* one thread: the pool of threads is memory too */
                int64_t n = shapes[s][0], d = shapes[s][1];
                float *v = clumps(n, d, 3);
                wn_dedup_semantic_params p = params(thresholds[t], rule);
                result want = twin(ctx, v, n, d, (wn_dedup_rule)rule, thresholds[t]);
                for (size_t u = 0; u < sizeof tunes / sizeof *tunes; u++) {
                    wn_dedup *dedup;
                    if (n < 3 && tunes[u].sketch_dims > 0) continue;
                    dedup = run(ctx, v, n, d, WN_L2, &p, &tunes[u]);
                    same_as(dedup, want, n);
                    wn_dedup_free(dedup);
                    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
                }
                result_free(want);
                free(v);
                wn_ctx_free(ctx);
            }
}

static void groups_do_not_chain(void **state)
{
    /* Rows on a circle, 5 degrees apart: each is close to its neighbours, the ends are not alike. */
    enum { N = 40, D = 2 };
    float v[N * D];
    double threshold = cos(12 * 3.14159265358979 / 180);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_semantic_params p = params(threshold, WN_DEDUP_GROUPS);
    wn_dedup *dedup;

    (void)state;
    for (int i = 0; i < N; i++) {
        v[2 * i] = (float)cos(5 * i * 3.14159265358979 / 180);
        v[2 * i + 1] = (float)sin(5 * i * 3.14159265358979 / 180);
    }
    dedup = run(ctx, v, N, D, WN_COSINE, &p, NULL);
    for (int i = 0; i < N; i++) /* 0 stands for 5 and 10 degrees, 15 for 20 and 25, ... */
        assert_int_equal(dedup->partner[i], i - i % 3);
    assert_true(dedup->report.worst_similarity >= (double)(float)threshold);
    wn_dedup_free(dedup);
    p.rule = WN_DEDUP_EARLIER;
    dedup = run(ctx, v, N, D, WN_COSINE, &p, NULL);
    for (int i = 0; i < N; i++) /* each is close to the one before it: only the first stays */
        assert_int_equal(dedup->partner[i], i ? i - 1 : 0);
    wn_dedup_free(dedup);
    wn_ctx_free(ctx);
}

static void invariants_of_groups(void **state)
{
    enum { N = 600, D = 48 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = clumps(N, D, 8);
    wn_dedup_semantic_params p = params(0.9, WN_DEDUP_GROUPS);
    wn_dedup *dedup = run(ctx, v, N, D, WN_L2, &p, NULL);

    (void)state;
    for (int64_t i = 0; i < N; i++) {
        int64_t partner = dedup->partner[i];
        if (partner == i) continue;
        assert_true(partner < i && dedup->partner[partner] == partner);
        assert_true(dedup->similarity[i] >= 0.9f);
        assert_true(dedup->similarity[i] >= (float)dedup->report.worst_similarity);
    }
    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < i; j++) {
            double a = 0, b = 0, ab = 0;
            if (dedup->partner[i] != i || dedup->partner[j] != j) continue;
            for (int64_t k = 0; k < D; k++) {
                a += (double)v[i * D + k] * v[i * D + k];
                b += (double)v[j * D + k] * v[j * D + k];
                ab += (double)v[i * D + k] * v[j * D + k];
            }
            assert_true(ab / sqrt(a * b) < 0.9 + 1e-6);
        }
    assert_in_range(dedup->kept, 50, N - 50); /* the data has both */
    wn_dedup_free(dedup);
    free(v);
    wn_ctx_free(ctx);
}

static void many_copies_stay_cheap(void **state)
{
    enum { N = 10000, D = 32 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);
    wn_dedup_semantic_params p = params(0.99, WN_DEDUP_GROUPS);

    (void)state;
    for (int64_t i = 0; i < N * D; i++)
        v[i] = (float)(1 + (i % D) + 1e-3 * v[i]);
    for (int rule = 0; rule < 2; rule++) {
        wn_dedup *dedup;
        p.rule = rule;
        dedup = run(ctx, v, N, D, WN_COSINE, &p, NULL);
        assert_int_equal(dedup->kept, 1);
        wn_dedup_free(dedup);
    }
    /* Fifty million pairs as a list would be over a gigabyte. */
    assert_true(wn_ctx_peak_bytes(ctx) < (int64_t)64 << 20);
    free(v);
    wn_ctx_free(ctx);
}

static void zero_rows_stand_alone(void **state)
{
    static const float v[] = {0, 0, 1, 0, 0, 0, 2, 0, 0, 1, 0, 0};
    static const int64_t want[] = {0, 1, 2, 1, 4, 5};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_semantic_params p = params(-0.5, WN_DEDUP_GROUPS);
    wn_dedup_input in = {.struct_size = sizeof in};
    wn_dedup *dedup;
    wn_pool *pool;

    (void)state;
    for (int rule = 0; rule < 2; rule++) {
        p.rule = rule;
        p.min_similarity = 0.5;
        dedup = run(ctx, v, 6, 2, WN_L2, &p, NULL);
        for (int i = 0; i < 6; i++)
            assert_int_equal(dedup->partner[i], i == 4 ? 4 : want[i]);
        assert_int_equal(dedup->report.zero_rows, 3);
        wn_dedup_free(dedup);
        p.min_similarity = -1; /* everything with a direction is alike; zero rows still are not */
        dedup = run(ctx, v, 6, 2, WN_L2, &p, NULL);
        assert_int_equal(dedup->kept, 4);
        assert_int_equal(dedup->partner[4], 1);
        wn_dedup_free(dedup);
    }
    ts_ok(ctx, wn_pool_wrap(ctx, v, 6, 2, WN_F32, WN_COSINE, &pool));
    in.pool = pool;
    assert_int_equal(wn_dedup_semantic(ctx, &in, NULL, &dedup), WN_E_DATA);
    wn_pool_free(pool);
    ts_ok(ctx, wn_pool_wrap(ctx, v, 1, 2, WN_F32, WN_L2, &pool)); /* nothing but a zero row */
    in.pool = pool;
    ts_ok(ctx, wn_dedup_semantic(ctx, &in, NULL, &dedup));
    assert_int_equal(dedup->kept, 1);
    wn_dedup_free(dedup);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void blocks_find_what_shares_a_block(void **state)
{
    enum { N = 900, D = 24 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 6, 0.12, 4, NULL);

    (void)state;
    for (int rule = 0; rule < 2; rule++) {
        wn_dedup_semantic_params p = params(0.985, rule);
        wn_dedup *all, *blocked;
        int64_t missed = 0;
        p.blocks = 1;
        all = run(ctx, v, N, D, WN_L2, &p, NULL);
        assert_true(all->report.recall == 1 && all->report.recall_sample == 0);
        p.blocks = 6;
        p.recall_sample = N;
        blocked = run(ctx, v, N, D, WN_L2, &p, NULL);
        assert_int_equal(blocked->report.blocks, 6);
        assert_int_equal(blocked->report.recall_sample, N);
        assert_true(blocked->report.pairs_compared < all->report.pairs_compared);
        for (int64_t i = 0; i < N; i++) {
            int64_t partner = blocked->partner[i];
            if (partner == i) {
                missed += all->partner[i] != i;
                continue;
            }
            assert_true(partner < i && blocked->similarity[i] >= 0.985f);
            if (rule == WN_DEDUP_GROUPS) assert_int_equal(blocked->partner[partner], partner);
        }
        /* Under `earlier` the whole pool as sample counts exactly what was lost. */
        if (rule == WN_DEDUP_EARLIER) {
            int64_t have = N - all->kept;
            assert_int_equal(blocked->report.recall_duplicates, have);
            assert_true(have > 50);
            assert_true(blocked->report.recall == (double)(have - missed) / (double)have);
        }
        wn_dedup_free(all);
        wn_dedup_free(blocked);
    }
    free(v);
    wn_ctx_free(ctx);
}

static void same_bytes_everywhere(void **state)
{
    enum { N = 1200, D = 100 };
    static const wni_simjoin_tune tune = {300, 500, 32};
    static const int threads[] = {1, 2, 8};
    float *v = clumps(N, D, 6);
    wn_dedup *first = NULL;
    wn_ctx *first_ctx = NULL;

    (void)state;
    for (int blocks = 1; blocks <= 3; blocks += 2)
        for (int rule = 0; rule < 2; rule++) {
            for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
                for (int t = 0; t < 3; t++) {
                    wn_ctx *ctx = ts_ctx(threads[t], isa);
                    wn_dedup_semantic_params p = params(0.9, rule);
                    wn_dedup *dedup;
                    p.blocks = blocks;
                    dedup = run(ctx, v, N, D, WN_L2, &p, &tune);
                    if (!first) {
                        first = dedup;
                        first_ctx = ctx;
                        continue;
                    }
                    assert_memory_equal(first->partner, dedup->partner, N * sizeof(int64_t));
                    assert_memory_equal(first->similarity, dedup->similarity, N * sizeof(float));
                    assert_memory_equal(&first->report, &dedup->report, sizeof first->report);
                    wn_dedup_free(dedup);
                    wn_ctx_free(ctx);
                }
            wn_dedup_free(first);
            wn_ctx_free(first_ctx);
            first = NULL;
        }
    free(v);
}

/* Enough rows for sketches to be considered, and rows of few directions, for which they pay. */
static void sketches_are_chosen_where_they_pay(void **state)
{
    enum { N = 4500, D = 256, K = 20 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *axes = ts_normal(K, D, 1), *coords = clumps(N, K, 2), *v = ts_normal(N, D, 3);
    wn_dedup_semantic_params p = params(0.97, WN_DEDUP_GROUPS);
    static const wni_simjoin_tune straight = {0, 0, -1};
    wn_dedup *a, *b;
    wn_pool *pool;
    wni_simjoin *join;

    (void)state;
    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < D; j++) {
            double x = 0.02 * v[i * D + j];
            for (int64_t k = 0; k < K; k++)
                x += coords[i * K + k] * axes[k * D + j];
            v[i * D + j] = (float)x;
        }
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool));
    ts_ok(ctx, wni_simjoin_new(ctx, pool, 0.97f, NULL, &join));
    assert_true(wni_simjoin_sketch_dims(join) > 0);
    wni_simjoin_free(join);
    ts_ok(ctx, wni_simjoin_new(ctx, pool, -0.5f, NULL, &join)); /* nearly every pair passes */
    assert_int_equal(wni_simjoin_sketch_dims(join), 0);
    wni_simjoin_free(join);
    wn_pool_free(pool);
    a = run(ctx, v, N, D, WN_COSINE, &p, NULL);
    b = run(ctx, v, N, D, WN_COSINE, &p, &straight);
    assert_in_range(a->kept, 500, N - 500);
    assert_memory_equal(a->partner, b->partner, N * sizeof(int64_t));
    assert_memory_equal(a->similarity, b->similarity, N * sizeof(float));
    wn_dedup_free(a);
    wn_dedup_free(b);
    free(axes);
    free(coords);
    free(v);
    wn_ctx_free(ctx);
}

/* The bound itself, on rows of every kind: it may never be below the score. */
static void sketch_bounds_hold(void **state)
{
    enum { N = 300, D = 200 };
    wn_ctx *ctx = ts_ctx(1, -1);
    const wni_kernels *kern = wni_kernels_of(ctx);
    double widest = 0;

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        float *v = kind == 0 ? ts_normal(N, D, 1) : clumps(N, D, (uint64_t)kind), *out;
        wni_sketch sketch;
        wn_pool *pool;
        wni_mat rows;
        for (int64_t i = 0; kind == 2 && i < N * D; i++)
            v[i] = 5 + 1e-4f * v[i]; /* all but parallel */
        for (int64_t i = 0; kind == 3 && i < N * D; i++)
            if (i % D >= 8) v[i] = 0; /* fewer directions than the sketch has room for */
        ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool));
        ts_ok(ctx, wni_mat_gather(ctx, pool, NULL, N, &rows));
        for (int dims = 16; dims <= 128; dims *= 2) {
            ts_ok(ctx, wni_sketch_new(ctx, pool, 0.9f, dims, &sketch));
            out = aligned_alloc(64, (size_t)(N * dims) * sizeof *out);
            wni_sketch_rows(ctx, &sketch, rows.v, N, out);
            assert_true(sketch.slack < 1e-3f);
            for (int64_t i = 0; i < N; i++)
                for (int64_t j = 0; j <= i; j++) {
                    float bound = kern->dot(out + i * dims, out + j * dims, dims);
                    float score = kern->dot(wni_mat_row(&rows, i), wni_mat_row(&rows, j), rows.ld);
                    assert_true(bound + sketch.slack >= score);
                    if (bound - score > widest) widest = bound - score;
                }
            free(out);
            wni_sketch_free(ctx, &sketch);
        }
        wni_mat_free(ctx, &rows);
        wn_pool_free(pool);
        free(v);
    }
    assert_true(widest > 0.01); /* and it is a bound, not the score */
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static int count_calls(void *user)
{
    ++*(int64_t *)user;
    return 0;
}

/* Finding directions asks before every row that it works on: with long rows each takes milliseconds. */
static void sketches_can_be_interrupted(void **state)
{
    enum { N = 300, D = 200, DIMS = 128, ROWS = DIMS - 1 };
    float *v = ts_normal(N, D, 3);
    int64_t calls = 0;
    wn_ctx_options opt;
    wni_sketch sketch;
    wn_pool *pool;
    wn_ctx *ctx;

    (void)state;
    wn_ctx_options_init(&opt);
    opt.threads = 1;
    opt.user = &calls;
    opt.cancel = count_calls;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    ctx->poll_ns = 0;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool));
    ts_ok(ctx, wni_sketch_new(ctx, pool, 0.9f, DIMS, &sketch));
    assert_true(calls >= (4 + 3 + 1) * ROWS); /* made orthonormal, multiplied, checked */
    wni_sketch_free(ctx, &sketch);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    free(v);
}

static void every_allocation_may_fail(void **state)
{
    enum { N = 120, D = 40 };
    static const wni_simjoin_tune tunes[] = {{50, 64, -1}, {50, 64, 16}};
    float *v = clumps(N, D, 2);

    (void)state;
    /* one zero row, so that the view of the others is made too */
    memset(v, 0, D * sizeof *v);
    for (int blocks = 1; blocks <= 2; blocks++)
        for (int t = 0; t < 2; t++)
            for (int rule = 0; rule < 2; rule++) {
                wn_status st = WN_E_NOMEM;
                for (int64_t fail_at = 0; st != WN_OK; fail_at++) {
                    ts_alloc alloc = {.fail_at = fail_at};
                    wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
                    wn_dedup_semantic_params p = params(0.9, rule);
                    wn_dedup_input in = {.struct_size = sizeof in};
                    wn_dedup *dedup = NULL;
                    wn_pool *pool = NULL;
                    p.blocks = blocks;
                    st = wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool);
                    in.pool = pool;
                    if (st == WN_OK) st = wni_dedup_semantic_tuned(ctx, &in, &p, &tunes[t], &dedup);
                    if (st != WN_OK) {
                        assert_int_equal(st, WN_E_NOMEM);
                        assert_null(dedup);
                    }
                    wn_dedup_free(dedup);
                    wn_pool_free(pool);
                    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
                    wn_ctx_free(ctx);
                    assert_int_equal(alloc.live, 0);
                    assert_in_range(fail_at, 0, 5000);
                }
            }
    free(v);
}

static int stop(void *user)
{
    return --*(int64_t *)user < 0;
}

static void can_be_stopped(void **state)
{
    enum { N = 3000, D = 64 };
    float *v = clumps(N, D, 2);
    wn_status st = WN_E_CANCELLED;
    int64_t stopped = 0;

    (void)state;
    for (int64_t polls = 0; st != WN_OK; polls += 1 + polls / 4) {
        int64_t left = polls;
        wn_ctx_options opt;
        wn_dedup_semantic_params p = params(0.9, WN_DEDUP_GROUPS);
        wn_dedup_input in = {.struct_size = sizeof in};
        wn_dedup *dedup;
        wn_pool *pool;
        wn_ctx *ctx;
        wn_ctx_options_init(&opt);
        opt.threads = 2;
        opt.user = &left;
        opt.cancel = stop;
        assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
        ctx->poll_ns = 0;
        ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool));
        in.pool = pool;
        st = wn_dedup_semantic(ctx, &in, &p, &dedup);
        if (st == WN_OK) wn_dedup_free(dedup);
        if (st != WN_OK) assert_int_equal(st, WN_E_CANCELLED);
        stopped += st != WN_OK;
        wn_pool_free(pool);
        wn_ctx_free(ctx);
    }
    assert_in_range(stopped, 5, 1000);
    free(v);
}

static void bad_parameters(void **state)
{
    static const float v[] = {1, 2, 3, 4};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_semantic_params p = params(0.9, 0);
    wn_dedup_input in = {.struct_size = sizeof in};
    wn_dedup *dedup;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, 2, WN_F32, WN_L2, &pool));
    in.pool = pool;
    p.blocks = 3;
    assert_int_equal(wn_dedup_semantic(ctx, &in, &p, &dedup), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "blocks is 3 but only 2 rows"));
    p = params(1.5, 0);
    assert_int_equal(wn_dedup_semantic(ctx, &in, &p, &dedup), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "min_similarity"));
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_all_pairs_in_any_blocks),
                                       cmocka_unit_test(groups_do_not_chain),
                                       cmocka_unit_test(invariants_of_groups),
                                       cmocka_unit_test(many_copies_stay_cheap),
                                       cmocka_unit_test(zero_rows_stand_alone),
                                       cmocka_unit_test(blocks_find_what_shares_a_block),
                                       cmocka_unit_test(same_bytes_everywhere),
                                       cmocka_unit_test(sketches_are_chosen_where_they_pay),
                                       cmocka_unit_test(sketch_bounds_hold),
                                       cmocka_unit_test(sketches_can_be_interrupted),
                                       cmocka_unit_test(every_allocation_may_fail),
                                       cmocka_unit_test(can_be_stopped),
                                       cmocka_unit_test(bad_parameters)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
