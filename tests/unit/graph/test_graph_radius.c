/* SPDX-License-Identifier: Apache-2.0
 *
 * graph radius against a slow twin that measures every pair.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph_impl.h"
#include "support/support.h"

static wn_graph *radius_graph(wn_ctx *ctx, const wn_pool *pool, double radius)
{
    wn_graph_input in = {.struct_size = sizeof in, .pool = pool};
    wn_graph_radius_params p = {.struct_size = sizeof p, .radius = radius};
    wn_graph *g;

    ts_ok(ctx, wn_graph_radius(ctx, &in, &p, &g));
    return g;
}

/* Row i's neighbours: those within, nearest first, then by number. */
static void check(wn_ctx *ctx, const wn_pool *pool, float radius, const wn_graph *g)
{
    const int64_t n = wn_pool_rows(pool), ld = wni_ld(wn_pool_dim(pool));
    const wni_kernels *oracle = wni_kernels_oracle();
    float *v = aligned_alloc(64, (size_t)((n + 1) * ld) * sizeof *v);
    char *seen = malloc((size_t)n + 1);

    ts_ok(ctx, wn_pool_read(ctx, pool, 0, n, v, ld));
    assert_int_equal(g->n, n);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = g->indptr[i], end = g->indptr[i + 1];
        int64_t within = 0;

        memset(seen, 0, (size_t)n);
        for (int64_t j = 0; j < n; j++) {
            const float l2sq = oracle->l2sq(v + i * ld, v + j * ld, ld);
            within += j != i && (g->metric == WN_COSINE ? l2sq / 2 : sqrtf(l2sq)) <= radius;
        }
        assert_int_equal(end - at, within);
        for (int64_t e = at; e < end; e++) {
            const int64_t j = g->indices[e];
            const float l2sq = oracle->l2sq(v + i * ld, v + j * ld, ld);

            assert_true(j != i && j >= 0 && j < n && !seen[j]);
            seen[j] = 1;
            assert_true(g->distances[e] == (g->metric == WN_COSINE ? l2sq / 2 : sqrtf(l2sq)));
            assert_true(g->distances[e] <= radius);
            if (e > at)
                assert_true(g->distances[e - 1] < g->distances[e] ||
                            (g->distances[e - 1] == g->distances[e] && g->indices[e - 1] < j));
        }
    }
    assert_int_equal(g->indptr[n], g->edges);
    free(v);
    free(seen);
}

static void equals_the_twin(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 70, 500};
    static const int64_t dims[] = {1, 9, 40};

    (void)state;
    for (int s = 0; s < 5; s++)
        for (int t = 0; t < 3; t++)
            for (int metric = 0; metric < 2; metric++)
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    const int64_t n = sizes[s], d = dims[t];
                    wn_ctx *ctx = ts_ctx(1 + isa % 3, isa);
                    float *v = ts_normal(n + 1, d, 3), radius;
                    wn_pool *pool;
                    wn_graph *g;

                    for (int64_t i = 0; i < n / 5 * d; i++) /* twins of the last rows */
                        v[i] = v[(n - 1 - i / d) * d + i % d];
                    ctx->filter_always = isa % 2;
                    /* A distance that occurs: it counts. */
                    radius = metric ? 0.05f : sqrtf((float)d);
                    if (!metric && n > 1) {
                        float far = 0;
                        for (int64_t j = 0; j < d; j++)
                            far = fmaf(v[j] - v[d + j], v[j] - v[d + j], far);
                        if (d == 1) radius = sqrtf(far);
                    }
                    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, (wn_metric)metric, &pool));
                    g = radius_graph(ctx, pool, (double)radius);
                    check(ctx, pool, radius, g);
                    wn_graph_free(g);
                    wn_pool_free(pool);
                    wn_ctx_free(ctx);
                    free(v);
                }
}

/* On a line 0 1 3 3 7, within 2. */
static void by_hand(void **state)
{
    static const float v[] = {0, 1, 3, 3, 7};
    static const int64_t indptr[] = {0, 1, 4, 6, 8, 8}, indices[] = {1, 0, 2, 3, 3, 1, 2, 1};
    static const float distances[] = {1, 1, 2, 2, 0, 2, 0, 2};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *pool;
    wn_graph *g;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 5, 1, WN_F32, WN_L2, &pool));
    g = radius_graph(ctx, pool, 2);
    assert_memory_equal(g->indptr, indptr, sizeof indptr);
    assert_memory_equal(g->indices, indices, sizeof indices);
    assert_memory_equal(g->distances, distances, sizeof distances);
    wn_graph_free(g);
    g = radius_graph(ctx, pool, 0); /* copies alone */
    assert_int_equal(g->edges, 2);
    wn_graph_free(g);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void bad_input(void **state)
{
    enum { N = 3000 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = calloc(N, sizeof *v);
    wn_graph_input in = {.struct_size = sizeof in};
    wn_graph_radius_params p = {.struct_size = sizeof p, .radius = -1};
    wn_pool *pool;
    wn_graph *g;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, 1, WN_F32, WN_L2, &pool));
    in.pool = pool;
    assert_int_equal(wn_graph_radius(ctx, &in, &p, &g), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "radius"));
    p.radius = 1; /* all rows are the same: 4.5 million pairs */
    ctx->budget_bytes = wn_ctx_live_bytes(ctx) + ((int64_t)16 << 20);
    assert_int_equal(wn_graph_radius(ctx, &in, &p, &g), WN_E_BUDGET);
    assert_non_null(strstr(wn_ctx_error(ctx), "pairs of similar rows outgrow the memory budget"));
    assert_null(g);
    wn_pool_free(pool);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_twin),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
