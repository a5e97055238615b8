/* SPDX-License-Identifier: Apache-2.0
 *
 * Hierarchical k-means: levels, resampling against an obvious twin, split, evenness.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cluster/hkmeans_impl.h"
#include "ref/ref_kmeans.h"
#include "support/support.h"

static wn_pool *wrap(wn_ctx *ctx, const float *x, int64_t n, int64_t d, wn_metric metric)
{
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, x, n, d, WN_F32, metric, &pool));
    return pool;
}

static wn_hkmeans_params defaults(wn_ctx *ctx, const char *k)
{
    const wn_method *method = wn_method_find("cluster", "hkmeans");
    wn_hkmeans_params p;

    wn_params_init(method, &p);
    if (k) ts_ok(ctx, wn_params_set(ctx, method, &p, "k", k));
    return p;
}

static wn_tree *fit(wn_ctx *ctx, const wn_pool *pool, const wn_hkmeans_params *p,
                    const float *weights)
{
    wn_cluster_input in = {sizeof in, pool, weights, NULL, NULL};
    wn_tree *tree;

    ts_ok(ctx, wn_hkmeans(ctx, &in, p, &tree));
    return tree;
}

/* Every level labels the one below by its nearest centres, and counts right. */
static void consistent(wn_ctx *ctx, const wn_pool *pool, const wn_tree *tree, int first_level)
{
    int cosine = wn_pool_metric(pool) == WN_COSINE;

    for (int32_t t = 0; t < tree->levels; t++) {
        const wn_partition *p = tree->level[t];
        int64_t *sizes = calloc((size_t)p->k, sizeof *sizes), ld = (p->d + 15) / 16 * 16;
        float *row = malloc((size_t)ld * sizeof *row);
        double inertia = 0;

        assert_int_equal(p->n, t == 0 ? wn_pool_rows(pool) : tree->level[t - 1]->k);
        for (int64_t i = 0; i < p->n; i++) {
            const float *x = row;

            if (t == 0)
                ts_ok(ctx, wn_pool_read(ctx, pool, i, 1, row, ld));
            else
                x = tree->level[t - 1]->centers + i * p->d;
            assert_in_range(p->labels[i], 0, p->k - 1);
            if (t >= first_level)
                assert_int_equal(p->labels[i], ref_nearest(x, p->centers, p->k, p->d, cosine));
            sizes[p->labels[i]]++;
            for (int64_t j = 0; j < p->d; j++)
                inertia += pow((double)x[j] - p->centers[p->labels[i] * p->d + j], 2);
        }
        for (int32_t c = 0; c < p->k; c++) {
            double norm2 = 0;
            assert_int_equal(sizes[c], p->sizes[c]);
            for (int64_t j = 0; j < p->d; j++)
                norm2 += (double)p->centers[c * p->d + j] * p->centers[c * p->d + j];
            if (cosine) assert_true(fabs(norm2 - 1) < 1e-6);
        }
        assert_true(fabs(inertia - p->report.inertia) <= 1e-5 * inertia);
        free(row);
        free(sizes);
    }
}

static void test_levels(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_blobs(1500, 6, 40, 0.4, 5, NULL);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int resample = 0; resample < 2; resample++) {
            wn_pool *pool = wrap(ctx, x, 1500, 6, metric);
            wn_hkmeans_params p = defaults(ctx, "60,12,3");
            wn_tree *tree;

            p.resample = resample;
            p.resample_steps = 3;
            tree = fit(ctx, pool, &p, NULL);
            assert_int_equal(tree->levels, 3);
            assert_int_equal(tree->level[0]->k, 60);
            assert_int_equal(tree->level[2]->k, 3);
            consistent(ctx, pool, tree, 0);
            wn_tree_free(tree);
            wn_pool_free(pool);
        }
    free(x);
    wn_ctx_free(ctx);
}

/* Without resampling the finest level is k-means itself. */
static void test_no_resampling_is_kmeans(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(700, 5, 6);
    wn_pool *pool = wrap(ctx, x, 700, 5, WN_L2);
    wn_hkmeans_params hp = defaults(ctx, "35");
    wn_kmeans_params kp;
    wn_cluster_input in = {sizeof in, pool, NULL, NULL, NULL};
    wn_tree *a, *b;

    (void)state;
    hp.resample_steps = 0;
    wn_params_init(wn_method_find("cluster", "kmeans"), &kp);
    kp.k = 35;
    a = fit(ctx, pool, &hp, NULL);
    ts_ok(ctx, wn_kmeans(ctx, &in, &kp, &b));
    assert_int_equal(a->levels, 1);
    assert_memory_equal(a->level[0]->centers, b->level[0]->centers, 35 * 5 * sizeof(float));
    assert_memory_equal(a->level[0]->labels, b->level[0]->labels, 700 * sizeof(int32_t));
    wn_tree_free(a);
    wn_tree_free(b);
    wn_pool_free(pool);
    free(x);
    wn_ctx_free(ctx);
}

/* One round by hand: take the members, k-means on them alone, assign all rows to its centres. */
static void test_round_against_twin(void **state)
{
    enum { n = 500, d = 4, k = 12, size = 7 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_blobs(n, d, 9, 0.5, 7, NULL), *members = malloc((size_t)k * size * d * sizeof *x);
    wn_pool *pool = wrap(ctx, x, n, d, WN_L2), *few;
    wn_hkmeans_params p = defaults(ctx, "12");
    wni_km_opt opt = {.k = k, .bounds = 1, .init = WN_INIT_PP, .round = 1};
    wn_tree *before, *after;
    unsigned char taken[n] = {0};
    wn_partition *b;
    int64_t m = 0;
    wni_km *km;

    (void)state;
    p.resample_size = size;
    p.resample_steps = 0;
    before = fit(ctx, pool, &p, NULL);
    p.resample_steps = 1;
    after = fit(ctx, pool, &p, NULL);
    b = before->level[0];
    for (int32_t c = 0; c < k; c++)
        for (int s = 0; s < size; s++) {
            int64_t best = -1;
            double least = INFINITY;
            for (int64_t i = 0; i < n; i++) {
                double l2sq = 0;
                if (b->labels[i] != c || taken[i]) continue;
                for (int64_t j = 0; j < d; j++)
                    l2sq += pow((double)x[i * d + j] - b->centers[c * d + j], 2);
                if (l2sq < least) {
                    least = l2sq;
                    best = i;
                }
            }
            if (best >= 0) taken[best] = 1;
        }
    for (int64_t i = 0; i < n; i++)
        if (taken[i]) memcpy(members + m++ * d, x + i * d, d * sizeof *x);
    few = wrap(ctx, members, m, d, WN_L2);
    opt.max_iter = p.max_iter;
    opt.tol = p.tol;
    ts_ok(ctx, wni_km_new(ctx, few, &opt, &km));
    ts_ok(ctx, wni_km_lloyd(km));
    for (int32_t c = 0; c < k; c++)
        assert_memory_equal(after->level[0]->centers + c * d, wni_mat_row(&km->centers, c),
                            d * sizeof(float));
    consistent(ctx, pool, after, 0);
    wni_km_free(km);
    wn_pool_free(few);
    wn_tree_free(before);
    wn_tree_free(after);
    wn_pool_free(pool);
    free(members);
    free(x);
    wn_ctx_free(ctx);
}

/* Members of a round: as many as the cluster has or the size says, all of the cluster, ties to the
 * smaller row. */
static void test_members(void **state)
{
    static const float x[] = {0, 1, -1, 2, -2, 100, 101, 99}, start[] = {0, 100};
    static const int64_t closest[] = {0, 1, 2, 5, 6, 7};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *pool = wrap(ctx, x, 8, 1, WN_L2);
    wn_hkmeans_params p = defaults(ctx, "2");
    wni_km_opt opt = {.k = 2, .max_iter = 5, .bounds = 1, .start = start, .start_ld = 1};
    int64_t *rows, n, seen[8] = {0};
    wni_km *km;

    (void)state;
    p.resample_size = 3;
    ts_ok(ctx, wni_km_new(ctx, pool, &opt, &km));
    ts_ok(ctx, wni_km_lloyd(km));
    ts_ok(ctx, wni_hk_members(km, &p, 0, &rows, &n));
    assert_int_equal(n, 6);
    assert_memory_equal(rows, closest, sizeof closest);
    wni_free(ctx, rows);
    p.resample_size = 2;
    ts_ok(ctx, wni_hk_members(km, &p, 0, &rows, &n));
    assert_int_equal(n, 4);
    assert_int_equal(rows[1], 1); /* as far as row 2 */
    assert_int_equal(rows[3], 6); /* as far as row 7 */
    wni_free(ctx, rows);

    p.resample = 1;
    for (int64_t round = 0; round < 200; round++) {
        int64_t low = 0;
        ts_ok(ctx, wni_hk_members(km, &p, round, &rows, &n));
        assert_int_equal(n, 4);
        for (int64_t i = 0; i < n; i++) {
            if (i) assert_true(rows[i] > rows[i - 1]);
            low += rows[i] < 5;
            seen[rows[i]]++;
        }
        assert_int_equal(low, 2);
        wni_free(ctx, rows);
    }
    for (int i = 0; i < 8; i++) /* 2 of 5 in 200 rounds: 80 +- 7; 2 of 3: 133 +- 7 */
        assert_in_range(seen[i], i < 5 ? 50 : 100, i < 5 ? 110 : 166);
    wni_km_free(km);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void test_shares(void **state)
{
    static const int64_t even[] = {10, 10, 10, 10}, odd[] = {100, 0, 1, 50, 49};
    int64_t share[400], sizes[400];

    (void)state;
    wni_hk_shares(even, 4, 6, share); /* two are left over: the first take them */
    assert_int_equal(share[0] + share[1], 4);
    assert_int_equal(share[2] + share[3], 2);
    wni_hk_shares(odd, 5, 20, share);
    assert_int_equal(share[1], 0);
    assert_int_equal(share[2], 1);
    assert_in_range(share[0], 9, 11);
    for (uint64_t trial = 0; trial < 300; trial++) {
        int64_t clusters = 1 + wni_rand_below(1, 1, trial, 400), n = 0, full = 0, k, sum = 0;

        for (int64_t c = 0; c < clusters; c++) {
            sizes[c] = wni_rand_below(2, trial, (uint64_t)c, trial % 3 ? 40 : 3);
            n += sizes[c];
            full += sizes[c] > 0;
        }
        if (n == 0) continue;
        k = full + wni_rand_below(3, 1, trial, n - full + 1);
        wni_hk_shares(sizes, clusters, k, share);
        for (int64_t c = 0; c < clusters; c++) {
            double exact =
                n == full ? 0 : (double)(k - full) * (double)(sizes[c] - 1) / (double)(n - full);
            if (sizes[c] == 0)
                assert_int_equal(share[c], 0);
            else
                assert_in_range(share[c], 1, sizes[c]);
            if (sizes[c] > 0) assert_true(fabs((double)share[c] - 1 - exact) < 1);
            sum += share[c];
        }
        assert_int_equal(sum, k);
    }
}

static void test_split(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_blobs(2000, 5, 15, 0.3, 8, NULL);

    (void)state;
    for (int metric = 0; metric < 2; metric++) {
        wn_pool *pool = wrap(ctx, x, 2000, 5, metric);
        wn_hkmeans_params p = defaults(ctx, "203,20");
        wn_tree *tree;

        p.split = 9;
        p.resample_steps = 2;
        tree = fit(ctx, pool, &p, NULL);
        assert_int_equal(tree->level[0]->k, 203);
        consistent(ctx, pool, tree, 1); /* rows are nearest within their coarse cluster */
        for (int32_t c = 0; c < 203; c++)
            assert_true(tree->level[0]->sizes[c] > 0);
        wn_tree_free(tree);
        wn_pool_free(pool);
    }
    free(x);
    wn_ctx_free(ctx);
}

static void test_levels_from_rows(void **state)
{
    static const struct {
        int64_t n;
        int32_t levels;
        int32_t k[3];
    } cases[] = {{1, 1, {1}},     {79, 1, {1}},         {120, 1, {3}},
                 {3999, 1, {99}}, {4000, 2, {100, 10}}, {40000, 3, {1000, 100, 10}}};
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(40000, 2, 9);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wn_pool *pool = wrap(ctx, x, cases[i].n, 2, WN_L2);
        wn_hkmeans_params p = defaults(ctx, NULL);
        wn_tree *tree;

        p.resample_steps = 0;
        p.max_iter = 1;
        tree = fit(ctx, pool, &p, NULL);
        assert_int_equal(tree->levels, cases[i].levels);
        for (int32_t t = 0; t < tree->levels; t++)
            assert_int_equal(tree->level[t]->k, cases[i].k[t]);
        wn_tree_free(tree);
        wn_pool_free(pool);
    }
    free(x);
    wn_ctx_free(ctx);
}

static void test_same_bytes(void **state)
{
    static const int32_t threads[] = {1, 2, 8};
    float *x = ts_blobs(3000, 9, 20, 0.6, 10, NULL), *weights = malloc(3000 * sizeof *weights);

    (void)state;
    for (int i = 0; i < 3000; i++)
        weights[i] = (float)(1 + i % 3);
    for (int mode = 0; mode < 4; mode++) { /* plain, cosine, split, weights and chance */
        wn_ctx *ctx[5];
        wn_pool *pool[5];
        wn_tree *tree[5];

        for (int run = 0; run < 5; run++) {
            wn_hkmeans_params p;

            ctx[run] = ts_ctx(threads[run % 3], run < 3 ? -1 : run - 3);
            pool[run] = wrap(ctx[run], x, 3000, 9, mode == 1 ? WN_COSINE : WN_L2);
            p = defaults(ctx[run], "150,15");
            p.resample_steps = 2;
            p.seed = 3;
            p.split = mode == 2 ? 6 : 0;
            p.resample = mode == 3;
            tree[run] = fit(ctx[run], pool[run], &p, mode == 3 ? weights : NULL);
            for (int32_t t = 0; t < 2; t++) {
                const wn_partition *a = tree[0]->level[t], *b = tree[run]->level[t];
                wn_cluster_report want;

                assert_memory_equal(a->labels, b->labels, (size_t)a->n * sizeof *a->labels);
                assert_memory_equal(a->sizes, b->sizes, (size_t)a->k * sizeof *a->sizes);
                assert_memory_equal(a->centers, b->centers,
                                    (size_t)(a->k * a->d) * sizeof *a->centers);
                want = a->report;
                if (run >= 3)
                    want.skipped_share = b->report.skipped_share; /* may differ by level */
                assert_memory_equal(&want, &b->report, sizeof want);
            }
        }
        for (int run = 0; run < 5; run++) {
            wn_tree_free(tree[run]);
            wn_pool_free(pool[run]);
            wn_ctx_free(ctx[run]);
        }
    }
    free(weights);
    free(x);
}

/* Nine tenths of the rows in one spot: resampling must move centres out of it. */
static void test_resampling_spreads(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = malloc(10000 * 2 * sizeof *x), *normal = ts_normal(9000, 2, 11);
    wn_pool *pool;
    int inside[2] = {0};

    (void)state;
    for (int i = 0; i < 10000; i++)
        for (int j = 0; j < 2; j++)
            x[2 * i + j] = i < 9000 ? 0.05f * normal[2 * i + j]
                                    : (float)(4 * wni_rand_unit(1, 2, (uint64_t)(2 * i + j)) - 2);
    pool = wrap(ctx, x, 10000, 2, WN_L2);
    for (int run = 0; run < 2; run++) {
        wn_hkmeans_params p = defaults(ctx, "200");
        wn_tree *tree;

        p.resample_steps = run ? 10 : 0;
        tree = fit(ctx, pool, &p, NULL);
        for (int32_t c = 0; c < 200; c++) {
            const float *v = tree->level[0]->centers + 2 * c;
            inside[run] += v[0] * v[0] + v[1] * v[1] < 0.04f;
        }
        wn_tree_free(tree);
    }
    if (!(inside[1] * 10 < inside[0] * 9))
        fail_msg("%d centres in the dense spot before, %d after", inside[0], inside[1]);
    wn_pool_free(pool);
    free(normal);
    free(x);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, wn_cluster_input *in, const wn_hkmeans_params *p,
                    wn_status expected, const char *words)
{
    wn_tree *tree = (wn_tree *)8;

    assert_int_equal(wn_hkmeans(ctx, in, p, &tree), expected);
    assert_null(tree);
    if (!strstr(wn_ctx_error(ctx), words))
        fail_msg("\"%s\" does not say \"%s\"", wn_ctx_error(ctx), words);
}

static void test_refusals(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(100, 3, 12), start[30] = {0};
    wn_pool *pool = wrap(ctx, x, 100, 3, WN_L2);
    wn_cluster_input in = {sizeof in, pool, NULL, NULL, NULL};
    wn_hkmeans_params p = defaults(ctx, "10,10");

    (void)state;
    refused(ctx, &in, &p, WN_E_USAGE, "level 2 has 10 clusters and level 1 below it 10");
    p = defaults(ctx, "10,20");
    refused(ctx, &in, &p, WN_E_USAGE, "finest level first");
    p = defaults(ctx, "101,20");
    refused(ctx, &in, &p, WN_E_DATA, "k = 101 clusters need at least as many rows");
    p = defaults(ctx, "20,5");
    p.split = 20;
    refused(ctx, &in, &p, WN_E_USAGE, "split = 20 coarse clusters must be fewer than the 20");
    p = defaults(ctx, "10");
    p.split = 2;
    in.init_centers = start;
    refused(ctx, &in, &p, WN_E_USAGE, "init_centers");
    wn_pool_free(pool);
    free(x);
    wn_ctx_free(ctx);
}

static void test_few_distinct(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *few = ts_normal(4, 3, 13), x[80 * 3];

    (void)state;
    for (int i = 0; i < 80; i++)
        memcpy(x + i * 3, few + i % 4 * 3, 3 * sizeof *x);
    for (int split = 0; split < 3; split += 2)
        for (int metric = 0; metric < 2; metric++) {
            wn_pool *pool = wrap(ctx, x, 80, 3, metric);
            wn_hkmeans_params p = defaults(ctx, "12,3");
            wn_tree *tree;

            p.split = split;
            tree = fit(ctx, pool, &p, NULL);
            assert_true(tree->level[0]->report.inertia < 1e-10);
            for (int i = 0; i < 80; i++)
                assert_int_equal(tree->level[0]->labels[i], tree->level[0]->labels[i % 4]);
            wn_tree_free(tree);
            wn_pool_free(pool);
        }
    free(few);
    wn_ctx_free(ctx);
}

static void test_estimate_holds(void **state)
{
    (void)state;
    for (int split = 0; split < 50; split += 20)
        for (int threads = 1; threads < 9; threads += 7) {
            wn_ctx *ctx = ts_ctx(threads, -1);
            float *x = ts_normal(8000, 24, 14);
            wn_pool *pool = wrap(ctx, x, 8000, 24, WN_L2);
            wn_hkmeans_params p = defaults(ctx, "1200,100,10");
            const wn_cluster_ops *ops = wn_method_find("cluster", "hkmeans")->ops;
            wn_cluster_input in = {sizeof in, pool, NULL, NULL, NULL};
            wn_estimate estimate;
            wn_tree *tree;

            p.split = split;
            p.max_iter = 2;
            p.resample_steps = 2;
            ts_ok(ctx, ops->estimate(ctx, &in, &p, &estimate));
            tree = fit(ctx, pool, &p, NULL);
            if (wn_ctx_peak_bytes(ctx) > estimate.peak_bytes)
                fail_msg("split=%d threads=%d: peak %lld, stated %lld", split, threads,
                         (long long)wn_ctx_peak_bytes(ctx), (long long)estimate.peak_bytes);
            wn_tree_free(tree);
            wn_pool_free(pool);
            free(x);
            wn_ctx_free(ctx);
        }
}

static void test_allocation_failures(void **state)
{
    float *x = ts_blobs(90, 3, 4, 0.3, 15, NULL), weights[90];

    (void)state;
    for (int i = 0; i < 90; i++)
        weights[i] = 1 + (float)(i % 2);
    for (int split = 0; split < 3; split += 2) {
        wn_status st = WN_E_NOMEM;
        int64_t fail_at;

        for (fail_at = 0; st != WN_OK && fail_at < 5000; fail_at++) {
            ts_alloc alloc = {.fail_at = fail_at};
            wn_ctx *ctx = ts_ctx_failing(&alloc, 2);
            wn_pool *pool = NULL;
            wn_cluster_input in = {.struct_size = sizeof in, .weights = weights};
            wn_hkmeans_params p = defaults(ctx, "9,3");
            wn_tree *tree = NULL;

            p.split = split;
            p.resample_steps = 1;
            st = wn_pool_wrap(ctx, x, 90, 3, WN_F32, WN_L2, &pool);
            if (st == WN_OK) {
                in.pool = pool;
                st = wn_hkmeans(ctx, &in, &p, &tree);
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
        assert_true(fail_at > 30);
    }
    free(x);
}

/* The rows of a round are copied while that leaves enough for clustering them, else viewed; same result. */
static void test_copy_leaves_enough(void **state)
{
    enum { N = 1500, D = 512 };
    const wni_km_opt opt = {.k = 500, .max_iter = 1, .init = WN_INIT_PP, .bounds = 1};
    const int64_t copy = (int64_t)N * D * 4;
    float *x = ts_normal(N, D, 31), *centers = NULL;
    int64_t peak = 0;

    (void)state;
    for (int tight = 0; tight < 2; tight++) {
        wn_ctx *ctx = ts_ctx(1, -1);
        wn_hkmeans_params p = defaults(ctx, "500");
        wn_pool *pool = wrap(ctx, x, N, D, WN_L2);
        wni_km *km;

        p.resample_steps = 1;
        p.resample_size = N;
        /* The copy is less than a quarter of what is left, and fits beside what is used in the end, but not
         * beside what the clustering may use. */
        if (tight) ctx->budget_bytes = peak + copy;
        ts_ok(ctx, wni_hk_level(ctx, pool, &opt, &p, &km));
        if (tight) {
            assert_true(wn_ctx_peak_bytes(ctx) < peak - copy / 2);
            assert_memory_equal(km->centers.v, centers, (size_t)500 * D * 4);
        } else {
            peak = wn_ctx_peak_bytes(ctx);
            centers = malloc((size_t)500 * D * 4);
            memcpy(centers, km->centers.v, (size_t)500 * D * 4);
        }
        wni_km_free(km);
        wn_pool_free(pool);
        wn_ctx_free(ctx);
    }
    free(centers);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_no_resampling_is_kmeans),
        cmocka_unit_test(test_round_against_twin),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_levels_from_rows),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_resampling_spreads),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_few_distinct),
        cmocka_unit_test(test_estimate_holds),
        cmocka_unit_test(test_copy_leaves_enough),
        cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
