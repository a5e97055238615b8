/* SPDX-License-Identifier: Apache-2.0
 *
 * k-means against the slow twin, bit for bit, and by hand.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "cluster/kmeans_impl.h"
#include "ref/ref_kmeans.h"
#include "support/support.h"

/* ---- small helpers -------------------------------------------------------------------------------- */

static wn_pool *wrap(wn_ctx *ctx, const float *x, int64_t n, int64_t d, wn_metric metric)
{
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, x, n, d, WN_F32, metric, &pool));
    return pool;
}

/* The rows as k-means sees them. */
static float *as_read(wn_ctx *ctx, const wn_pool *pool)
{
    int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool), ld = (d + 15) / 16 * 16;
    float *x = malloc((size_t)(n * d) * sizeof *x), *row = malloc((size_t)ld * sizeof *row);

    for (int64_t i = 0; i < n; i++) {
        ts_ok(ctx, wn_pool_read(ctx, pool, i, 1, row, ld));
        memcpy(x + i * d, row, (size_t)d * sizeof *x);
    }
    free(row);
    return x;
}

static wn_kmeans_params defaults(int64_t k)
{
    wn_kmeans_params p;

    wn_params_init(wn_method_find("cluster", "kmeans"), &p);
    p.k = k;
    return p;
}

static wn_tree *fit(wn_ctx *ctx, const wn_pool *pool, const wn_kmeans_params *p,
                    const float *weights, const float *start)
{
    wn_cluster_input in = {sizeof in, pool, weights, start, NULL};
    wn_tree *tree;

    ts_ok(ctx, wn_kmeans(ctx, &in, p, &tree));
    assert_int_equal(tree->levels, 1);
    return tree;
}

static void same_partition(const wn_partition *a, const wn_partition *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->k, b->k);
    assert_memory_equal(a->labels, b->labels, (size_t)a->n * sizeof *a->labels);
    assert_memory_equal(a->sizes, b->sizes, (size_t)a->k * sizeof *a->sizes);
    assert_memory_equal(a->centers, b->centers, (size_t)(a->k * a->d) * sizeof *a->centers);
    assert_int_equal(a->report.iterations, b->report.iterations);
    assert_int_equal(a->report.empty_repaired, b->report.empty_repaired);
    assert_memory_equal(&a->report.inertia, &b->report.inertia, sizeof(double));
}

static void near(double a, double b, double relative)
{
    if (!(fabs(a - b) <= relative * fmax(fabs(a), fabs(b))))
        fail_msg("%.17g and %.17g differ by more than %g", a, b, relative);
}

/* ---- bit for bit against the twin ------------------------------------------------------------------ */

static void against_twin(const float *x, int64_t n, int64_t d, int32_t k, wn_metric metric,
                         const float *weights, double tol, int32_t max_iter)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *pool = wrap(ctx, x, n, d, metric);
    float *rows = as_read(ctx, pool), *start = malloc((size_t)(k * d) * sizeof *start);
    ref_kmeans ref;

    for (int32_t c = 0; c < k; c++)
        memcpy(start + c * d, rows + wni_rand_below(5, 77, (uint64_t)c, n) * d,
               (size_t)d * sizeof *start);
    ref_kmeans_run(rows, n, d, weights, start, k, metric == WN_COSINE, max_iter, tol, &ref);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    /* Without bounds, as it finds best, with bounds; 3 to 5: through the filter, whatever it costs; 5: no bounds. */
    for (int way = 0; way < 6; way++) {
        int bounds = way > 0 && way < 5;
        wn_kmeans_params p = defaults(k);
        wn_tree *tree;
        wn_partition *got;

        ctx = ts_ctx(2, way == 4 ? WN_ISA_BASE : -1);
        pool = wrap(ctx, x, n, d, metric);
        p.tol = tol;
        p.max_iter = max_iter;
        p.bounds = bounds;
        ctx->filter_always = way >= 3;
        ctx->bounds_always = way >= 2;
        tree = fit(ctx, pool, &p, weights, start);
        got = tree->level[0];
        assert_int_equal(got->report.iterations, ref.iterations);
        assert_int_equal(got->report.converged, ref.converged);
        assert_int_equal(got->report.empty_repaired, ref.empty_repaired);
        assert_memory_equal(got->labels, ref.labels, (size_t)n * sizeof *ref.labels);
        assert_memory_equal(got->sizes, ref.sizes, (size_t)k * sizeof *ref.sizes);
        assert_memory_equal(got->centers, ref.centers, (size_t)(k * d) * sizeof *ref.centers);
        near(got->report.inertia, ref.inertia, 1e-5);
        if (!bounds) assert_true(got->report.skipped_share == 0);
        if (way >= 3)
            assert_true(wn_ctx_filter_counts(ctx).rows + wn_ctx_filter_counts(ctx).plain > 0);
        wn_tree_free(tree);
        wn_pool_free(pool);
        wn_ctx_free(ctx);
    }
    ref_kmeans_free(&ref);
    free(start);
    free(rows);
}

static void test_twin_random(void **state)
{
    static const int64_t shape[][3] = {{1, 1, 1},    {2, 1, 2},     {50, 1, 7},  {300, 3, 11},
                                       {400, 17, 9}, {257, 40, 30}, {90, 64, 90}};

    (void)state;
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++)
        for (int metric = 0; metric < 2; metric++) {
            float *x = ts_normal(shape[i][0], shape[i][1], 3 + i);
            against_twin(x, shape[i][0], shape[i][1], (int32_t)shape[i][2], metric, NULL, 0, 40);
            free(x);
        }
}

static void test_twin_blobs(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int tol = 0; tol < 2; tol++) {
            float *x = ts_blobs(600, 12, 10, 0.1, 9, NULL);
            against_twin(x, 600, 12, 14, metric, NULL, tol ? 1e-3 : 0, 30);
            free(x);
        }
}

/* Rows on a lattice: equal scores everywhere, so the tie rule decides. */
static void test_twin_ties(void **state)
{
    float x[400 * 2];

    (void)state;
    for (int i = 0; i < 400; i++) {
        x[2 * i] = (float)(i % 20);
        x[2 * i + 1] = (float)(i / 20 + 1);
    }
    for (int32_t k = 2; k < 40; k += 7)
        for (int metric = 0; metric < 2; metric++)
            against_twin(x, 400, 2, k, metric, NULL, 0, 30);
}

/* Far from the origin all scores of a row agree in their first digits: bounds must not trust the rest. */
static void test_twin_nearly_tied(void **state)
{
    (void)state;
    for (int shift = 0; shift < 3; shift++)
        for (int metric = 0; metric < 2; metric++) {
            float *x = ts_normal(400, 8, 21);
            for (int64_t i = 0; i < 400 * 8; i++)
                x[i] = (shift == 0   ? 100.0f + x[i]
                        : shift == 1 ? 1000.0f + 0.01f * x[i]
                                     : 1e-3f * x[i]);
            against_twin(x, 400, 8, 20, metric, NULL, 0, 25);
            against_twin(x, 400, 8, 70, metric, NULL, 0, 25);
            free(x);
        }
}

static void test_twin_duplicates(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int32_t distinct = 1; distinct < 30; distinct += 4) {
            float *few = ts_normal(distinct, 5, 31), *x = malloc(200 * 5 * sizeof *x);
            for (int64_t i = 0; i < 200; i++)
                memcpy(x + i * 5, few + i % distinct * 5, 5 * sizeof *x);
            against_twin(x, 200, 5, 12, metric, NULL, 0, 30);
            free(few);
            free(x);
        }
}

static void test_twin_weights(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++) {
        float *x = ts_blobs(300, 7, 6, 0.5, 41, NULL), weights[300];
        for (int i = 0; i < 300; i++)
            weights[i] = i % 5 == 0 ? 0 : (float)wni_rand_unit(1, 2, (uint64_t)i) * 1e3f;
        against_twin(x, 300, 7, 9, metric, weights, 0, 30);
        against_twin(x, 300, 7, 9, metric, weights, 1e-2, 30);
        free(x);
    }
}

/* Many groups of centres, and rows whose squares are near the ends of what a float holds. */
static void test_twin_groups(void **state)
{
    static const float scale[] = {1, 1e-16f, 1e17f};

    (void)state;
    for (int i = 0; i < 3; i++)
        for (int metric = 0; metric < 2; metric++)
            for (int blobs = 0; blobs < 2; blobs++) {
                float *x = blobs ? ts_blobs(1500, 48, 30, 0.6, 47, NULL) : ts_normal(700, 48, 48);
                int64_t n = blobs ? 1500 : 700;

                for (int64_t j = 0; j < n * 48; j++)
                    x[j] *= scale[i];
                against_twin(x, n, 48, 75, metric, NULL, 0, 30);
                free(x);
            }
}

/* More centres in a group than are looked at together, few of them in question or nearly all. */
static void test_twin_large_groups(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int shift = 0; shift < 2; shift++) {
            float *x = ts_blobs(900, 8, 40, 0.3, 52, NULL);

            for (int64_t j = 0; j < 900 * 8 && shift; j++)
                x[j] = 1000 + x[j];
            against_twin(x, 900, 8, 300, metric, NULL, 0, 12);
            against_twin(x, 300 * 8 / 3, 3, 290, metric, NULL, 0, 12);
            free(x);
        }
}

/* More rows than one chunk of the assignment. */
static void test_chunks(void **state)
{
    int64_t n = 140000;
    float *x = ts_blobs(n, 2, 5, 0.4, 51, NULL);

    (void)state;
    against_twin(x, n, 2, 4, WN_L2, NULL, 0, 4);
    free(x);
}

/* Bounds must pay where clusters are clear. */
static void test_bounds_skip(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_blobs(4000, 8, 20, 0.05, 61, NULL);
    wn_pool *pool = wrap(ctx, x, 4000, 8, WN_L2);
    wn_kmeans_params p = defaults(40);
    wn_tree *tree;

    (void)state;
    p.tol = 0;
    tree = fit(ctx, pool, &p, NULL, NULL);
    assert_true(tree->level[0]->report.iterations > 4);
    assert_true(tree->level[0]->report.skipped_share > 0.5);
    assert_true(tree->level[0]->report.skipped_share < 1);
    wn_tree_free(tree);
    wn_pool_free(pool);
    free(x);
    wn_ctx_free(ctx);
}

/* Where centres move far at first, the bounds that would skip little then are not made; the result is the same. */
static void test_bounds_that_do_not_pay(void **state)
{
    float *x = ts_normal(3000, 64, 62);
    wn_kmeans_params p = defaults(50);

    (void)state;
    p.tol = 0;
    p.max_iter = 9;
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
        wn_ctx *ctx = ts_ctx(2, isa);
        wn_pool *pool = wrap(ctx, x, 3000, 64, WN_L2);
        wn_tree *forecast, *always;

        forecast = fit(ctx, pool, &p, NULL, NULL);
        ctx->bounds_always = 1;
        always = fit(ctx, pool, &p, NULL, NULL);
        assert_true(forecast->level[0]->report.skipped_share <
                    always->level[0]->report.skipped_share);
        same_partition(forecast->level[0], always->level[0]);
        wn_tree_free(forecast);
        wn_tree_free(always);
        wn_pool_free(pool);
        wn_ctx_free(ctx);
    }
    free(x);
}

/* ---- same bytes ------------------------------------------------------------------------------------- */

static void test_same_bytes(void **state)
{
    static const int32_t threads[] = {1, 2, 8};
    float *x = ts_blobs(5000, 20, 30, 0.7, 71, NULL), *weights = malloc(5000 * sizeof *weights);

    (void)state;
    for (int i = 0; i < 5000; i++)
        weights[i] = (float)(1 + i % 7);
    for (int32_t init = WN_INIT_AUTO; init <= WN_INIT_RANDOM; init++)
        for (int metric = 0; metric < 2; metric++) {
            wn_tree *first = NULL;
            wn_ctx *first_ctx = NULL;
            wn_pool *first_pool = NULL;

            for (int run = 0; run < 5; run++) {
                /* all thread counts at the best ISA, then the lower ISAs */
                wn_ctx *ctx = ts_ctx(threads[run % 3], run < 3 ? -1 : run - 3);
                wn_pool *pool = wrap(ctx, x, 5000, 20, metric);
                wn_kmeans_params p = defaults(60);
                wn_tree *tree;

                p.init = init;
                p.seed = 7;
                p.max_iter = 6;
                tree = fit(ctx, pool, &p, init == WN_INIT_PP ? weights : NULL, NULL);
                if (!first) {
                    first = tree;
                    first_ctx = ctx;
                    first_pool = pool;
                    continue;
                }
                same_partition(first->level[0], tree->level[0]);
                if (run < 3) /* levels have bounds of their own */
                    assert_true(first->level[0]->report.skipped_share ==
                                tree->level[0]->report.skipped_share);
                wn_tree_free(tree);
                wn_pool_free(pool);
                wn_ctx_free(ctx);
            }
            wn_tree_free(first);
            wn_pool_free(first_pool);
            wn_ctx_free(first_ctx);
        }
    free(weights);
    free(x);
}

/* Picks in batches have the distribution of picks one by one: the last of four, over all orders of the three
 * before it, against 20,000 seeds. */
static void test_picks_by_rejection(void **state)
{
    enum { ROWS = 6, SEEDS = 20000 };
    static const float x[ROWS] = {0, 1, 3, 4, 10, 15}, weights[ROWS] = {1, 1, 2, 1, 0.5f, 1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool = wrap(ctx, x, ROWS, 1, WN_L2);
    double p[ROWS] = {0};
    int seen[ROWS] = {0};

    (void)state;
    for (int order = 0; order < ROWS * ROWS * ROWS; order++) {
        int at[3] = {order % ROWS, order / ROWS % ROWS, order / ROWS / ROWS};
        double d2[ROWS], total = 0, chance = 1;

        for (int i = 0; i < ROWS; i++)
            d2[i] = 1;
        for (int c = 0; c < 3; c++) {
            total = 0;
            for (int i = 0; i < ROWS; i++)
                total += weights[i] * d2[i];
            chance *= weights[at[c]] * d2[at[c]] / total;
            for (int i = 0; i < ROWS; i++) {
                double v = pow((double)x[i] - x[at[c]], 2);
                d2[i] = c == 0 || v < d2[i] ? v : d2[i];
            }
        }
        if (!(chance > 0)) continue;
        total = 0;
        for (int i = 0; i < ROWS; i++)
            total += weights[i] * d2[i];
        for (int i = 0; i < ROWS; i++)
            p[i] += chance * weights[i] * d2[i] / total;
    }
    for (int seed = 0; seed < SEEDS; seed++) {
        wni_km_opt opt = {.k = 4, .max_iter = 1, .init = WN_INIT_PP, .weights = weights};
        wni_km *km;

        opt.seed = (uint64_t)seed;
        ts_ok(ctx, wni_km_new(ctx, pool, &opt, &km));
        for (int i = 0; i < ROWS; i++)
            seen[i] += *wni_mat_row(&km->centers, 3) == x[i];
        wni_km_free(km);
    }
    for (int i = 0; i < ROWS; i++) {
        double mean = SEEDS * p[i], sd = sqrt(mean * (1 - p[i]));

        if (fabs(seen[i] - mean) > 4 * sd + 1)
            fail_msg("row %d was the last pick %d times, expected %.0f", i, seen[i], mean);
    }
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void test_seed_matters(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    float *x = ts_normal(500, 4, 81);
    wn_pool *pool = wrap(ctx, x, 500, 4, WN_L2);

    (void)state;
    for (int32_t init = WN_INIT_PP; init <= WN_INIT_RANDOM; init++) {
        wn_kmeans_params p = defaults(20);
        wn_tree *a, *b;

        p.init = init;
        p.max_iter = 1;
        a = fit(ctx, pool, &p, NULL, NULL);
        p.seed = 1;
        b = fit(ctx, pool, &p, NULL, NULL);
        assert_memory_not_equal(a->level[0]->centers, b->level[0]->centers, 20 * 4 * sizeof(float));
        wn_tree_free(a);
        wn_tree_free(b);
    }
    wn_pool_free(pool);
    free(x);
    wn_ctx_free(ctx);
}

/* ---- what comes out is consistent -------------------------------------------------------------------- */

static void consistent(wn_ctx *ctx, const wn_pool *pool, const wn_partition *p)
{
    float *rows = as_read(ctx, pool);
    int cosine = wn_pool_metric(pool) == WN_COSINE;
    int64_t *sizes = calloc((size_t)p->k, sizeof *sizes);
    double inertia = 0, imbalance = 0;

    for (int64_t i = 0; i < p->n; i++) {
        assert_int_equal(p->labels[i],
                         ref_nearest(rows + i * p->d, p->centers, p->k, p->d, cosine));
        sizes[p->labels[i]]++;
        for (int64_t j = 0; j < p->d; j++) {
            double diff = (double)rows[i * p->d + j] - p->centers[p->labels[i] * p->d + j];
            inertia += diff * diff;
        }
    }
    for (int32_t c = 0; c < p->k; c++) {
        double norm2 = 0;
        assert_int_equal(sizes[c], p->sizes[c]);
        imbalance += (double)p->k * pow((double)sizes[c] / (double)p->n, 2);
        for (int64_t j = 0; j < p->d; j++)
            norm2 += (double)p->centers[c * p->d + j] * p->centers[c * p->d + j];
        if (cosine) near(norm2, 1, 1e-6);
    }
    near(inertia, p->report.inertia, 1e-5);
    near(imbalance, p->report.imbalance, 1e-9);
    free(sizes);
    free(rows);
}

static void test_consistent(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_blobs(900, 10, 12, 0.8, 91, NULL);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int32_t init = WN_INIT_PP; init <= WN_INIT_RANDOM; init++)
            for (int32_t max_iter = 1; max_iter < 50; max_iter *= 6) {
                wn_pool *pool = wrap(ctx, x, 900, 10, metric);
                wn_kmeans_params p = defaults(25);
                wn_tree *tree;

                p.init = init;
                p.max_iter = max_iter;
                tree = fit(ctx, pool, &p, NULL, NULL);
                consistent(ctx, pool, tree->level[0]);
                for (int32_t c = 0; c < 25; c++)
                    assert_true(tree->level[0]->sizes[c] > 0);
                wn_tree_free(tree);
                wn_pool_free(pool);
            }
    free(x);
    wn_ctx_free(ctx);
}

/* Well separated blobs: every seeding but the random one must find them all. */
static void test_finds_blobs(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    int32_t truth[3000];
    float *x = ts_blobs(3000, 16, 30, 0.01, 101, truth);
    wn_pool *pool = wrap(ctx, x, 3000, 16, WN_L2);

    (void)state;
    for (int32_t init = WN_INIT_PP; init <= WN_INIT_PARALLEL; init++) {
        wn_kmeans_params p = defaults(30);
        wn_tree *tree;
        int32_t of[30];

        p.init = init;
        tree = fit(ctx, pool, &p, NULL, NULL);
        memset(of, -1, sizeof of);
        for (int i = 0; i < 3000; i++) {
            int32_t *c = &of[truth[i]];
            if (*c < 0) *c = tree->level[0]->labels[i];
            assert_int_equal(*c, tree->level[0]->labels[i]);
        }
        near(tree->level[0]->report.inertia, 3000 * 16 * 1e-4, 0.1);
        wn_tree_free(tree);
    }
    wn_pool_free(pool);
    free(x);
    wn_ctx_free(ctx);
}

/* Enough centres for the batched k-means++ over the candidates of k-means||. */
static void test_many_centers(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(6000, 3, 111);
    wn_pool *pool = wrap(ctx, x, 6000, 3, WN_L2);
    double inertia[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        wn_kmeans_params p = defaults(2100);
        wn_tree *tree;

        p.init = i ? WN_INIT_RANDOM : WN_INIT_AUTO;
        p.max_iter = 1;
        tree = fit(ctx, pool, &p, NULL, NULL);
        inertia[i] = tree->level[0]->report.inertia;
        consistent(ctx, pool, tree->level[0]);
        wn_tree_free(tree);
    }
    assert_true(inertia[0] < inertia[1]);
    wn_pool_free(pool);
    free(x);
    wn_ctx_free(ctx);
}

/* By hand: 0 1 | 10 11 from the centres 0 and 1. */
static void test_by_hand(void **state)
{
    static const float x[] = {0, 1, 10, 11}, start[] = {0, 1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool = wrap(ctx, x, 4, 1, WN_L2);
    wn_kmeans_params p = defaults(2);
    wn_tree *tree;
    wn_partition *got;

    (void)state;
    p.tol = 0;
    tree = fit(ctx, pool, &p, NULL, start);
    got = tree->level[0];
    assert_true(got->centers[0] == 0.5f && got->centers[1] == 10.5f);
    assert_int_equal(got->labels[1], 0);
    assert_int_equal(got->labels[2], 1);
    assert_true(got->report.inertia == 1.0);
    assert_true(got->report.imbalance == 1.0);
    assert_int_equal(got->report.converged, 1);
    assert_int_equal(got->report.iterations, 2);
    wn_tree_free(tree);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* A weight of 3 is the row three times; a weight of 0 is no row at all for the centres. */
static void test_weights_are_copies(void **state)
{
    static const float x[] = {0, 2, 9, 12, 500}, weights[] = {3, 1, 1, 2, 0}, start[] = {0, 9};
    static const float copies[] = {0, 0, 0, 2, 9, 12, 12};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *a = wrap(ctx, x, 5, 1, WN_L2), *b = wrap(ctx, copies, 7, 1, WN_L2);
    wn_kmeans_params p = defaults(2);
    wn_tree *ta = fit(ctx, a, &p, weights, start), *tb = fit(ctx, b, &p, NULL, start);

    (void)state;
    assert_memory_equal(ta->level[0]->centers, tb->level[0]->centers, 2 * sizeof(float));
    assert_true(ta->level[0]->centers[0] == 0.5f && ta->level[0]->centers[1] == 11.0f);
    assert_true(ta->level[0]->report.inertia == tb->level[0]->report.inertia);
    assert_int_equal(ta->level[0]->labels[4], 1);
    wn_tree_free(ta);
    wn_tree_free(tb);
    wn_pool_free(a);
    wn_pool_free(b);
    wn_ctx_free(ctx);
}

/* Two start centres far from every row lose all of them and get the two farthest rows. */
static void test_repair(void **state)
{
    static const float x[] = {0, 1, 2, 10, 11, 30}, start[] = {1, 1000, 2000};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool = wrap(ctx, x, 6, 1, WN_L2);
    wn_kmeans_params p = defaults(3);
    wn_tree *tree = fit(ctx, pool, &p, NULL, start);

    (void)state;
    assert_int_equal(tree->level[0]->report.empty_repaired, 2);
    for (int32_t c = 0; c < 3; c++)
        assert_true(tree->level[0]->sizes[c] > 0);
    assert_true(tree->level[0]->centers[1] == 30.0f); /* the farthest goes to the first empty one */
    assert_true(tree->level[0]->centers[2] == 10.5f);
    wn_tree_free(tree);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* Fewer distinct rows than clusters: every row at its centre, some clusters stay empty, no endless repair. */
static void test_few_distinct(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *few = ts_normal(3, 6, 121), x[60 * 6];

    (void)state;
    for (int i = 0; i < 60; i++)
        memcpy(x + i * 6, few + i % 3 * 6, 6 * sizeof *x);
    for (int metric = 0; metric < 2; metric++)
        for (int32_t init = WN_INIT_PP; init <= WN_INIT_RANDOM; init++) {
            wn_pool *pool = wrap(ctx, x, 60, 6, metric);
            wn_kmeans_params p = defaults(10);
            wn_tree *tree;
            int64_t used = 0;

            p.init = init;
            tree = fit(ctx, pool, &p, NULL, NULL);
            consistent(ctx, pool, tree->level[0]);
            for (int32_t c = 0; c < 10; c++)
                used += tree->level[0]->sizes[c] > 0;
            /* Random rows may miss one of the three; then a far row is taken in. */
            assert_int_equal(used, 3);
            assert_true(tree->level[0]->report.inertia < 1e-10);
            assert_true(tree->level[0]->report.iterations < 10);
            wn_tree_free(tree);
            wn_pool_free(pool);
        }
    free(few);
    wn_ctx_free(ctx);
}

/* Opposite unit rows in one cluster have no mean direction: the centre stays. */
static void test_cancelling_directions(void **state)
{
    static const float x[] = {1, 0, -1, 0}, start[] = {0, 1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool = wrap(ctx, x, 2, 2, WN_COSINE);
    wn_kmeans_params p = defaults(1);
    wn_tree *tree = fit(ctx, pool, &p, NULL, start);

    (void)state;
    assert_true(tree->level[0]->centers[0] == 0 && tree->level[0]->centers[1] == 1);
    wn_tree_free(tree);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void test_one_cluster_and_all(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(40, 3, 131);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int64_t k = 1; k <= 40; k += 39) {
            wn_pool *pool = wrap(ctx, x, 40, 3, metric);
            wn_kmeans_params p = defaults(k);
            wn_tree *tree = fit(ctx, pool, &p, NULL, NULL);

            consistent(ctx, pool, tree->level[0]);
            if (k == 40) assert_true(tree->level[0]->report.inertia < 1e-10);
            wn_tree_free(tree);
            wn_pool_free(pool);
        }
    free(x);
    wn_ctx_free(ctx);
}

/* ---- refusals ---------------------------------------------------------------------------------------- */

static void refused(wn_ctx *ctx, wn_cluster_input *in, const wn_kmeans_params *p,
                    wn_status expected, const char *words)
{
    wn_tree *tree = (wn_tree *)8;

    assert_int_equal(wn_kmeans(ctx, in, p, &tree), expected);
    assert_null(tree);
    if (!strstr(wn_ctx_error(ctx), words))
        fail_msg("\"%s\" does not say \"%s\"", wn_ctx_error(ctx), words);
    assert_null(strchr(wn_ctx_error(ctx), '\n'));
}

static void test_refusals(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(30, 4, 141), weights[30], start[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    wn_pool *pool = wrap(ctx, x, 30, 4, WN_L2), *unit = wrap(ctx, x, 30, 4, WN_COSINE), *bad;
    wn_cluster_input in = {sizeof in, pool, NULL, NULL, NULL};
    wn_kmeans_params p = defaults(31);

    (void)state;
    refused(ctx, &in, &p, WN_E_DATA, "k = 31 clusters need at least as many rows, the pool has 30");
    p.k = 0;
    refused(ctx, &in, &p, WN_E_USAGE, "k");
    p.k = 2;
    p.init = 9;
    refused(ctx, &in, &p, WN_E_USAGE, "init");
    p = defaults(2);

    in.struct_size = 0;
    refused(ctx, &in, &p, WN_E_USAGE, "struct_size");
    in = (wn_cluster_input){sizeof in, NULL, NULL, NULL, NULL};
    refused(ctx, &in, &p, WN_E_USAGE, "pool is NULL");

    for (int i = 0; i < 30; i++)
        weights[i] = 0;
    in = (wn_cluster_input){sizeof in, pool, weights, NULL, NULL};
    refused(ctx, &in, &p, WN_E_DATA, "the weights of all 30 rows are zero");
    weights[17] = -1;
    refused(ctx, &in, &p, WN_E_DATA, "weight of row 17 is -1");
    weights[17] = NAN;
    refused(ctx, &in, &p, WN_E_DATA, "weight of row 17");
    weights[17] = INFINITY;
    refused(ctx, &in, &p, WN_E_DATA, "weight of row 17 is inf");

    start[5] = NAN;
    in = (wn_cluster_input){sizeof in, pool, NULL, start, NULL};
    refused(ctx, &in, &p, WN_E_DATA, "start centre 1");
    start[4] = start[5] = start[6] = start[7] = 0;
    in = (wn_cluster_input){sizeof in, unit, NULL, start, NULL};
    refused(ctx, &in, &p, WN_E_DATA, "start centre 1 is all zeros");
    start[4] = 1e25f;
    in = (wn_cluster_input){sizeof in, pool, NULL, start, NULL};
    refused(ctx, &in, &p, WN_E_DATA, "overflows");

    bad = wrap(ctx, x, 30, 4, WN_L2);
    in = (wn_cluster_input){sizeof in, bad, NULL, NULL, NULL};
    x[4 * 11] = 1e19f;
    refused(ctx, &in, &p, WN_E_DATA, "row 11 of the pool in memory is too long");
    { /* named where it lies, not where a view has it */
        const int64_t odd[15] = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29};
        const int64_t late[10] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
        const char *path = ts_path("long.npy");
        wn_pool *file, *half, *view;
        ts_write_npy(path, x, 30, 4);
        ts_ok(ctx, wn_pool_open(ctx, &path, 1, NULL, &file));
        ts_ok(ctx, wn_pool_view(ctx, file, odd, 15, &half));
        ts_ok(ctx, wn_pool_view(ctx, half, late, 10, &view));
        in.pool = view;
        refused(ctx, &in, &p, WN_E_DATA, "long.npy: row 11 is too long");
        in.pool = bad;
        wn_pool_free(view);
        wn_pool_free(half);
        wn_pool_free(file);
        ts_tmp_remove();
    }
    x[4 * 11] = NAN;
    refused(ctx, &in, &p, WN_E_DATA, "11");
    wn_pool_free(bad);

    bad = wrap(ctx, x, 0, 4, WN_L2);
    in.pool = bad;
    refused(ctx, &in, &p, WN_E_DATA, "the pool has 0");
    wn_pool_free(bad);
    wn_pool_free(unit);
    wn_pool_free(pool);
    free(x);
    wn_ctx_free(ctx);
}

static void test_budget(void **state)
{
    wn_ctx_options opt;
    float *x = ts_normal(1300, 4096, 151);
    wn_ctx *ctx;
    wn_pool *pool;
    wn_cluster_input in = {.struct_size = sizeof in};
    wn_kmeans_params p = defaults(1200);

    (void)state;
    wn_ctx_options_init(&opt);
    opt.threads = 2;
    opt.memory_bytes = (int64_t)64 << 20;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    pool = wrap(ctx, x, 1300, 4096, WN_L2);
    in.pool = pool;
    refused(ctx, &in, &p, WN_E_BUDGET, "memory");
    wn_pool_free(pool);
    assert_true(wn_ctx_live_bytes(ctx) < 4096); /* what the threads keep */
    wn_ctx_free(ctx);
    free(x);
}

/* The peak that the estimate states before the run is not exceeded by the run. */
static void test_estimate_holds(void **state)
{
    static const int64_t shape[][3] = {
        {20, 2, 3}, {5000, 40, 100}, {20000, 8, 1500}, {3000, 300, 7}};

    (void)state;
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++)
        for (int32_t init = WN_INIT_PP; init <= WN_INIT_RANDOM; init++)
            for (int threads = 1; threads < 9; threads += 7) {
                wn_ctx *ctx = ts_ctx(threads, -1);
                float *x = ts_normal(shape[i][0], shape[i][1], 5);
                wn_pool *pool = wrap(ctx, x, shape[i][0], shape[i][1], WN_L2);
                wn_kmeans_params p = defaults(shape[i][2]);
                const wn_cluster_ops *ops = wn_method_find("cluster", "kmeans")->ops;
                wn_cluster_input in = {sizeof in, pool, NULL, NULL, NULL};
                wn_estimate estimate;
                wn_tree *tree;

                p.init = init;
                p.max_iter = 2;
                ts_ok(ctx, ops->estimate(ctx, &in, &p, &estimate));
                tree = fit(ctx, pool, &p, NULL, NULL);
                if (wn_ctx_peak_bytes(ctx) > estimate.peak_bytes)
                    fail_msg("n=%lld d=%lld k=%lld init=%d threads=%d: peak %lld, stated %lld",
                             (long long)shape[i][0], (long long)shape[i][1], (long long)shape[i][2],
                             (int)init, threads, (long long)wn_ctx_peak_bytes(ctx),
                             (long long)estimate.peak_bytes);
                wn_tree_free(tree);
                wn_pool_free(pool);
                free(x);
                wn_ctx_free(ctx);
            }
}

/* Every allocation fails once; nothing leaks and the error is the right one. */
static void test_allocation_failures(void **state)
{
    float *x = ts_blobs(120, 5, 4, 0.3, 161, NULL);

    (void)state;
    for (int32_t init = WN_INIT_PP; init <= WN_INIT_RANDOM; init++) {
        wn_status st = WN_E_NOMEM;
        int64_t fail_at;

        for (fail_at = 0; st != WN_OK && fail_at < 2000; fail_at++) {
            ts_alloc alloc = {.fail_at = fail_at};
            wn_ctx *ctx = ts_ctx_failing(&alloc, 2);
            wn_pool *pool = NULL;
            wn_cluster_input in = {.struct_size = sizeof in};
            wn_kmeans_params p = defaults(8);
            wn_tree *tree = NULL;

            p.init = init;
            st = wn_pool_wrap(ctx, x, 120, 5, WN_F32, WN_L2, &pool);
            if (st == WN_OK) {
                in.pool = pool;
                st = wn_kmeans(ctx, &in, &p, &tree);
            }
            if (st != WN_OK) {
                assert_int_equal(st, WN_E_NOMEM);
                assert_null(tree);
            }
            wn_tree_free(tree);
            wn_pool_free(pool);
            wn_ctx_free(ctx);
            assert_int_equal(alloc.live, 0);
        }
        assert_int_equal(st, WN_OK);
        assert_true(fail_at > 10);
    }
    free(x);
}

static int polls_left;

static int stop_after(void *user)
{
    (void)user;
    return polls_left-- <= 0;
}

static void test_cancel(void **state)
{
    float *x = ts_normal(20000, 16, 171);
    int stopped = 0, finished = 0;

    (void)state;
    for (int polls = 0; polls < 400 && !finished; polls = polls * 2 + 1) {
        wn_ctx_options opt;
        wn_ctx *ctx;
        wn_pool *pool;
        wn_cluster_input in = {.struct_size = sizeof in};
        wn_kmeans_params p = defaults(50);
        wn_tree *tree = NULL;
        wn_status st;

        wn_ctx_options_init(&opt);
        opt.threads = 2;
        opt.cancel = stop_after;
        assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
        polls_left = polls;
        pool = wrap(ctx, x, 20000, 16, WN_L2);
        in.pool = pool;
        st = wn_kmeans(ctx, &in, &p, &tree);
        if (st == WN_OK)
            finished = 1;
        else
            assert_int_equal(st, WN_E_CANCELLED);
        stopped += st == WN_E_CANCELLED;
        wn_tree_free(tree);
        wn_pool_free(pool);
        assert_int_equal(wn_ctx_live_bytes(ctx) > 1 << 20, 0); /* only the threads' own remain */
        wn_ctx_free(ctx);
    }
    assert_true(stopped > 0);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twin_random),
        cmocka_unit_test(test_twin_blobs),
        cmocka_unit_test(test_twin_ties),
        cmocka_unit_test(test_twin_nearly_tied),
        cmocka_unit_test(test_twin_duplicates),
        cmocka_unit_test(test_twin_weights),
        cmocka_unit_test(test_twin_groups),
        cmocka_unit_test(test_twin_large_groups),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_bounds_skip),
        cmocka_unit_test(test_bounds_that_do_not_pay),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_picks_by_rejection),
        cmocka_unit_test(test_seed_matters),
        cmocka_unit_test(test_consistent),
        cmocka_unit_test(test_finds_blobs),
        cmocka_unit_test(test_many_centers),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_weights_are_copies),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_few_distinct),
        cmocka_unit_test(test_cancelling_directions),
        cmocka_unit_test(test_one_cluster_and_all),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_estimate_holds),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
