/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_graph_descent against the exact graph, and its parts against slow twins.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/descent_impl.h"
#include "support/support.h"

static const wn_graph_descent_params small = {.struct_size = sizeof small,
                                              .k = 10,
                                              .trees = 3,
                                              .leaf = 64,
                                              .max_iter = 12,
                                              .tol = 0.001,
                                              .sample = 0};

static wn_graph *descent(wn_ctx *ctx, const wn_pool *pool, const wn_graph_descent_params *p)
{
    wn_graph_input in = {.struct_size = sizeof in, .pool = pool};
    wn_graph *g;

    ts_ok(ctx, wn_graph_descent(ctx, &in, p, &g));
    return g;
}

static wn_graph *exact(wn_ctx *ctx, const wn_pool *pool, int64_t k)
{
    wn_graph_input in = {.struct_size = sizeof in, .pool = pool};
    wn_graph_knn_params p = {.struct_size = sizeof p, .k = k};
    wn_graph *g;

    ts_ok(ctx, wn_graph_knn(ctx, &in, &p, &g));
    return g;
}

/* Every row has k different others, in order, with the distances that a graph stores. */
static void is_a_graph(wn_ctx *ctx, const wn_pool *pool, const wn_graph *g, int64_t k)
{
    const wni_kernels *oracle = wni_kernels_oracle();
    int64_t n = wn_pool_rows(pool), ld = wni_ld(wn_pool_dim(pool));
    float *v = aligned_alloc(64, (size_t)(n * ld) * sizeof *v);

    ts_ok(ctx, wn_pool_read(ctx, pool, 0, n, v, ld));
    assert_int_equal(g->n, n);
    assert_int_equal(g->edges, n * k);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(g->indptr[i + 1], (i + 1) * k);
        for (int64_t j = i * k; j < (i + 1) * k; j++) {
            int64_t at = g->indices[j];
            assert_true(at >= 0 && at < n && at != i);
            for (int64_t h = i * k; h < j; h++)
                assert_int_not_equal(g->indices[h], at);
            if (j > i * k)
                assert_true(g->distances[j] > g->distances[j - 1] ||
                            (g->distances[j] == g->distances[j - 1] && at > g->indices[j - 1]));
            assert_true(g->distances[j] ==
                        wni_graph_distance(oracle, g->metric, v + i * ld, v + at * ld, ld));
        }
    }
    free(v);
}

/* The share of neighbours no farther than the exact k-th. */
static double recall_of(const wn_graph *g, const wn_graph *truth, int64_t k)
{
    int64_t found = 0;

    for (int64_t i = 0; i < g->n; i++)
        for (int64_t j = 0; j < k; j++)
            found += g->distances[i * k + j] <= truth->distances[i * k + k - 1];
    return (double)found / (double)(g->n * k);
}

enum { BLOBS, NOISE, FAR, COPIES, ONE, SHAPES };

static float *rows_of(int shape, int64_t n, int64_t d)
{
    float *v = shape == BLOBS ? ts_blobs(n, d, 20, 0.5, 5, NULL) : ts_normal(n, d, 3);

    for (int64_t i = 0; i < n * d; i++) {
        if (shape == FAR) v[i] = 300 + 0.25f * v[i];
        if (shape == COPIES && i / d >= 40) v[i] = v[(i / d % 40) * d + i % d];
        if (shape == ONE) v[i] = 1.5f;
    }
    return v;
}

static void finds_the_neighbours(void **state)
{
    enum { N = 4000, D = 12, K = 10 };
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int shape = 0; shape < SHAPES; shape++)
        for (int metric = 0; metric < 2; metric++) {
            float *v = rows_of(shape, N, D);
            wn_graph *g, *truth;
            wn_pool *pool;
            double recall;
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, (wn_metric)metric, &pool));
            g = descent(ctx, pool, &small);
            truth = exact(ctx, pool, K);
            is_a_graph(ctx, pool, g, K);
            recall = recall_of(g, truth, K);
            /* Directions of the far shape differ by less than a float tells. */
            if (recall < 0.97 && !(shape == FAR && metric == WN_COSINE))
                fail_msg("shape %d, metric %d: recall %.4f", shape, metric, recall);
            wn_graph_free(g);
            wn_graph_free(truth);
            wn_pool_free(pool);
            free(v);
        }
    wn_ctx_free(ctx);
}

static void reported_recall_is_true(void **state)
{
    enum { N = 1500, D = 24, K = 10 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 3);
    wn_graph_descent_params p = small;
    wn_graph *g, *other, *truth;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    truth = exact(ctx, pool, K);
    p.trees = 2;
    p.max_iter = 0; /* far from all */
    p.sample = 100000;
    g = descent(ctx, pool, &p);
    is_a_graph(ctx, pool, g, K);
    assert_int_equal(g->recall_rows, N);
    assert_true(fabs(g->recall - recall_of(g, truth, K)) < 1e-12);
    assert_true(g->recall > 0.05 && g->recall < 0.9);
    wn_graph_free(g);
    p.sample = 40;
    g = descent(ctx, pool, &p);
    assert_int_equal(g->recall_rows, 40);
    assert_true(fabs(g->recall - recall_of(g, truth, K)) < 0.2);
    p.seed = 1;
    other = descent(ctx, pool, &p);
    assert_memory_not_equal(g->indices, other->indices, (size_t)g->edges * sizeof *g->indices);
    wn_graph_free(other);
    wn_graph_free(g);
    p.sample = 0;
    g = descent(ctx, pool, &p);
    assert_int_equal(g->recall_rows, 0);
    wn_graph_free(g);
    wn_graph_free(truth);
    wn_pool_free(pool);
    free(v);
    wn_ctx_free(ctx);
}

/* One leaf holds everything: the exact graph, also for the smallest pools. */
static void small_pools_are_exact(void **state)
{
    static const struct {
        int64_t n, d, k;
    } cases[] = {{2, 1, 1}, {3, 5, 2}, {40, 3, 39}, {150, 7, 12}, {64, 1, 5}};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        float *v = ts_normal(cases[c].n, cases[c].d, 7);
        wn_graph_descent_params p = small;
        wn_graph *g, *truth;
        wn_pool *pool;
        p.k = cases[c].k;
        p.leaf = 256;
        ts_ok(ctx, wn_pool_wrap(ctx, v, cases[c].n, cases[c].d, WN_F32, WN_L2, &pool));
        g = descent(ctx, pool, &p);
        truth = exact(ctx, pool, p.k);
        assert_memory_equal(g->indices, truth->indices, (size_t)g->edges * sizeof *g->indices);
        assert_memory_equal(g->distances, truth->distances,
                            (size_t)g->edges * sizeof *g->distances);
        wn_graph_free(g);
        wn_graph_free(truth);
        wn_pool_free(pool);
        free(v);
    }
    wn_ctx_free(ctx);
}

/* On a line: 0 1 3 3 7. */
static void by_hand(void **state)
{
    static const float v[] = {0, 1, 3, 3, 7};
    static const int64_t indices[] = {1, 2, 0, 2, 3, 1, 2, 1, 2, 3};
    static const float distances[] = {1, 3, 1, 2, 0, 2, 0, 2, 4, 4};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_graph_descent_params p = small;
    wn_pool *pool;
    wn_graph *g;

    (void)state;
    p.k = 2;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 5, 1, WN_F32, WN_L2, &pool));
    g = descent(ctx, pool, &p);
    assert_memory_equal(g->indices, indices, sizeof indices);
    assert_memory_equal(g->distances, distances, sizeof distances);
    wn_graph_free(g);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* Lists longer than what a leaf holds, and more of them than are joined. */
static void long_lists(void **state)
{
    enum { N = 3000, D = 8, K = 90 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = rows_of(BLOBS, N, D);
    wn_graph_descent_params p = small;
    wn_graph *g, *truth;
    wn_pool *pool;

    (void)state;
    p.k = K;
    p.trees = 2;
    p.max_iter = 0;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    truth = exact(ctx, pool, K);
    g = descent(ctx, pool, &p);
    is_a_graph(ctx, pool, g, K);
    wn_graph_free(g);
    p.max_iter = 12;
    g = descent(ctx, pool, &p);
    is_a_graph(ctx, pool, g, K);
    if (recall_of(g, truth, K) < 0.95) fail_msg("recall %.4f", recall_of(g, truth, K));
    wn_graph_free(g);
    wn_graph_free(truth);
    wn_pool_free(pool);
    free(v);
    wn_ctx_free(ctx);
}

static void other_types_of_rows(void **state)
{
    enum { N = 1000, D = 8 };
    wn_ctx *ctx = ts_ctx(1, -1);
    int8_t rows[N * D];

    (void)state;
    for (int64_t i = 0; i < N * D; i++)
        rows[i] = (int8_t)(wni_rand_u64(5, 6, (uint64_t)i) >> 40);
    for (int metric = 0; metric < 2; metric++) {
        wn_pool *pool;
        wn_graph *g, *truth;
        ts_ok(ctx, wn_pool_wrap(ctx, rows, N, D, WN_I8, (wn_metric)metric, &pool));
        g = descent(ctx, pool, &small);
        truth = exact(ctx, pool, small.k);
        is_a_graph(ctx, pool, g, small.k);
        assert_true(recall_of(g, truth, small.k) > 0.97);
        wn_graph_free(g);
        wn_graph_free(truth);
        wn_pool_free(pool);
    }
    wn_ctx_free(ctx);
}

/* A power of two changes no digit, so it may change nothing else. */
static void magnitude_does_not_matter(void **state)
{
    enum { N = 1200, D = 9 };
    static const int exponents[] = {45, -45};
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 3), *w = malloc(N * D * sizeof *w);
    wn_graph *g, *other;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    g = descent(ctx, pool, &small);
    wn_pool_free(pool);
    for (int e = 0; e < 2; e++) {
        for (int64_t i = 0; i < N * D; i++)
            w[i] = ldexpf(v[i], exponents[e]);
        ts_ok(ctx, wn_pool_wrap(ctx, w, N, D, WN_F32, WN_L2, &pool));
        other = descent(ctx, pool, &small);
        assert_memory_equal(g->indices, other->indices, (size_t)g->edges * sizeof *g->indices);
        for (int64_t i = 0; i < g->edges; i++)
            assert_true(other->distances[i] == ldexpf(g->distances[i], exponents[e]));
        wn_graph_free(other);
        wn_pool_free(pool);
    }
    wn_graph_free(g);
    free(v);
    free(w);
    wn_ctx_free(ctx);
}

static void same_bytes_everywhere(void **state)
{
    static const int threads[] = {1, 2, 8};
    enum { N = 18000, D = 33 };
    float *v = rows_of(BLOBS, N, D);
    wn_ctx *first_ctx = ts_ctx(1, -1);
    wn_graph *first = NULL;

    (void)state;
    for (int isa = (int)ts_best_isa(); isa >= 0; isa--)
        for (int t = 0; t < 3; t++) {
            wn_ctx *ctx = ts_ctx(threads[t], isa);
            wn_graph_descent_params p = small;
            wn_pool *pool;
            wn_graph *g;
            if (isa != (int)ts_best_isa() && t != 1) {
                wn_ctx_free(ctx);
                continue;
            }
            p.candidates = 8; /* fewer than a list has: some are chosen */
            p.seed = 3;
            p.max_iter = 4;
            if (t == 2) ctx->budget_bytes = (int64_t)13 << 20; /* rows are read when needed */
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
            g = descent(first ? ctx : first_ctx, pool, &p);
            if (first) {
                assert_memory_equal(g->indices, first->indices,
                                    (size_t)g->edges * sizeof *g->indices);
                assert_memory_equal(g->distances, first->distances,
                                    (size_t)g->edges * sizeof *g->distances);
                wn_graph_free(g);
            } else {
                first = g;
            }
            wn_pool_free(pool);
            wn_ctx_free(ctx);
        }
    wn_graph_free(first);
    wn_ctx_free(first_ctx);
    free(v);
}

/* What a run allocates stays within what its estimate says, with rows in memory and without. */
static void within_the_estimate(void **state)
{
    enum { N = 20000, D = 40 };
    const wn_method *method = wn_method_find("graph", "descent");
    const wn_graph_ops *ops = method->ops;
    float *v = rows_of(BLOBS, N, D);

    (void)state;
    for (int64_t sample = 0; sample <= 500; sample += 500)
        for (int budget = 0; budget < 2; budget++) {
            wn_ctx *ctx = ts_ctx(2, -1);
            wn_graph_descent_params p = small;
            wn_graph_input in = {.struct_size = sizeof in};
            wn_estimate estimate;
            wn_pool *pool;
            wn_graph *g;
            p.sample = sample;
            p.recall = 1;
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
            in.pool = pool;
            ts_ok(ctx, ops->estimate(ctx, &in, &p, &estimate));
            if (budget) {
                ctx->budget_bytes = estimate.peak_bytes + (1 << 20);
                ts_ok(ctx, ops->estimate(ctx, &in, &p, &estimate));
            }
            g = descent(ctx, pool, &p);
            if (wn_ctx_peak_bytes(ctx) > estimate.peak_bytes + (1 << 19))
                fail_msg("peak %lld bytes, the estimate says %lld",
                         (long long)wn_ctx_peak_bytes(ctx), (long long)estimate.peak_bytes);
            wn_graph_free(g);
            wn_pool_free(pool);
            wn_ctx_free(ctx);
        }
    free(v);
}

/* ---- parts ------------------------------------------------------------------------------------ */

static void lists_keep_the_nearest(void **state)
{
    static const int64_t sizes[] = {1, 2, 7, 64, 65, 200};
    enum { OFFERS = 3000, NODES = 500 };

    (void)state;
    for (size_t c = 0; c < sizeof sizes / sizeof sizes[0]; c++) {
        const int64_t k = sizes[c];
        wni_near *list = malloc((size_t)k * sizeof *list);
        uint32_t best[NODES];
        int64_t place = 0;
        for (int64_t i = 0; i < k; i++)
            list[i] = WNI_NEAR_NONE & ~(wni_near)1;
        for (int64_t i = 0; i < NODES; i++)
            best[i] = UINT32_MAX;
        for (int64_t i = 0; i < OFFERS; i++) { /* a node has one distance; many tie */
            uint32_t node = (uint32_t)wni_rand_below(1, (uint64_t)k, (uint64_t)i, NODES);
            best[node] = (uint32_t)(wni_rand_u64(2, (uint64_t)k, node) % 50);
            wni_list_offer(list, k, best[node], node);
        }
        for (uint32_t bits = 0; bits < 50 && place < k; bits++)
            for (uint32_t node = 0; node < NODES && place < k; node++)
                if (best[node] == bits) {
                    assert_int_equal(list[place] >> 32, bits);
                    assert_int_equal(wni_near_node(list[place]), node);
                    place++;
                }
        assert_int_equal(place, k);
        free(list);
    }
}

/* Every node is in one leaf, and none is too large. */
static void trees_cover_the_rows(void **state)
{
    enum { N = 20000, D = 6, LEAF = 100 };

    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        wn_ctx *ctx = ts_ctx(2, -1);
        float *v = rows_of(shape, N, D);
        uint32_t *member = malloc(N * sizeof *member);
        uint8_t *start = malloc(N), *seen = calloc(N, 1);
        wni_descent s = {
            .kernels = wni_kernels_of(ctx), .n = N, .d = D, .ld = wni_ld(D), .scale = 1};
        wn_pool *pool;
        int64_t size = 0, leaves = 0;
        ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
        s.pool = pool;
        ts_ok(ctx, wni_descent_tree(ctx, &s, 1, LEAF, member, start));
        assert_int_equal(start[0], 1);
        for (int64_t i = 0; i < N; i++) {
            assert_int_equal(seen[member[i]]++, 0);
            size = start[i] ? 1 : size + 1;
            leaves += start[i] != 0;
            assert_true(size <= LEAF);
        }
        assert_true(leaves < N / 10);
        wn_pool_free(pool);
        free(v);
        free(member);
        free(start);
        free(seen);
        wn_ctx_free(ctx);
    }
}

static void expect(wn_ctx *ctx, wn_status st, wn_status want, const char *text)
{
    if (st != want || !strstr(wn_ctx_error(ctx), text))
        fail_msg("expected %s with '%s', found %s: %s", wn_status_name(want), text,
                 wn_status_name(st), wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    enum { N = 20, D = 3 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_graph_input in = {.struct_size = sizeof in};
    wn_graph_descent_params p = small;
    wn_pool *pool;
    wn_graph *g;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    expect(ctx, wn_graph_descent(ctx, &in, &p, &g), WN_E_USAGE, "pool is NULL");
    in.pool = pool;
    p.k = N;
    expect(ctx, wn_graph_descent(ctx, &in, &p, &g), WN_E_DATA, "k is 20 but the pool has 20 rows");
    p.k = 0;
    expect(ctx, wn_graph_descent(ctx, &in, &p, &g), WN_E_USAGE, "k");
    p.k = 1;
    p.leaf = 1;
    expect(ctx, wn_graph_descent(ctx, &in, &p, &g), WN_E_USAGE, "leaf");
    p.leaf = 16;
    v[7] = NAN;
    expect(ctx, wn_graph_descent(ctx, &in, &p, &g), WN_E_DATA, "2");
    for (int64_t i = 0; i < N * D; i++)
        v[i] = (i % 7 < 3 ? -3e38f : 3e38f) / (float)(1 + i % 5);
    wn_pool_free(pool);
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    expect(ctx, wn_graph_descent(ctx, &in, &p, &g), WN_E_DATA, "is so far from others");
    assert_null(g);
    wn_pool_free(pool);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Stops when the lists are good enough, not much before and not at the end; the same on any number of threads. What
 * cannot be reached costs no recall. */
static void stops_at_the_goal(void **state)
{
    enum { N = 16500, D = 8 };
    static const double goals[] = {0, 0.9, 1};
    float *v = rows_of(NOISE, N, D);
    wn_ctx *ctx = ts_ctx(2, -1), *other = ts_ctx(3, -1);
    wn_graph_descent_params p = small;
    wn_graph *g[4], *truth;
    double recall[4];
    wn_pool *pool;

    (void)state;
    p.leaf = 256;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    truth = exact(ctx, pool, p.k);
    for (int i = 0; i < 4; i++) {
        p.recall = goals[i < 3 ? i : 1];
        g[i] = descent(i < 3 ? ctx : other, pool, &p);
        recall[i] = recall_of(g[i], truth, p.k);
    }
    if (recall[1] < 0.88 || recall[1] > recall[0] - 0.005 || recall[2] < recall[0] - 0.005)
        fail_msg("recall %.4f without a goal, %.4f with 0.9, %.4f with 1", recall[0], recall[1],
                 recall[2]);
    assert_memory_equal(g[1]->indices, g[3]->indices, sizeof *g[1]->indices * N * p.k);
    assert_memory_equal(g[1]->distances, g[3]->distances, sizeof *g[1]->distances * N * p.k);
    for (int i = 0; i < 4; i++)
        wn_graph_free(g[i]);
    wn_graph_free(truth);
    wn_pool_free(pool);
    wn_ctx_free(other);
    wn_ctx_free(ctx);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_at_the_goal),
        cmocka_unit_test(finds_the_neighbours),
        cmocka_unit_test(reported_recall_is_true),
        cmocka_unit_test(small_pools_are_exact),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(long_lists),
        cmocka_unit_test(other_types_of_rows),
        cmocka_unit_test(magnitude_does_not_matter),
        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(within_the_estimate),
        cmocka_unit_test(lists_keep_the_nearest),
        cmocka_unit_test(trees_cover_the_rows),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
