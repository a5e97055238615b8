/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_measure_graph: exact graphs have recall 1 under both metrics and with ties; what is spoilt is counted.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { N = 300, D = 8, K = 6 };

static wn_measurement *run(wn_ctx *ctx, const wn_pool *pool, const wn_graph *graph, int64_t k,
                           int64_t sample)
{
    wn_measure_input in = {.struct_size = sizeof in, .pool = pool, .graph = graph};
    wn_measure_graph_params p;
    wn_measurement *m;

    wn_params_init(wn_method_find("measure", "graph"), &p);
    p.k = k;
    p.sample = sample;
    ts_ok(ctx, wn_measure_graph(ctx, &in, &p, &m));
    return m;
}

static double real(const wn_measurement *m, const char *name)
{
    const wn_value *v = wn_measurement_find(m, NULL, name);

    if (!v) fail_msg("no value %s", name);
    return v->x;
}

static wn_graph *exact(wn_ctx *ctx, const wn_pool *pool)
{
    wn_graph_input in = {.struct_size = sizeof in, .pool = pool};
    wn_graph_knn_params p;
    wn_graph *graph;

    wn_params_init(wn_method_find("graph", "knn"), &p);
    p.k = K;
    ts_ok(ctx, wn_graph_knn(ctx, &in, &p, &graph));
    return graph;
}

static void exact_graphs(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 5, 0.4, 6, NULL);

    (void)state;
    for (int64_t i = 0; i < 20 * D; i++) /* copies: ties */
        v[100 * D + i] = v[140 * D + i] = v[i];
    for (int metric = 0; metric < 2; metric++) {
        wn_measurement *m;
        wn_graph *graph;
        wn_pool *pool;
        ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, metric, &pool));
        graph = exact(ctx, pool);
        m = run(ctx, pool, graph, 0, 0);
        assert_true(real(m, "recall") == 1);
        assert_true(real(m, "rows_all_found") == 1);
        assert_true(fabs(real(m, "distance_ratio") - 1) < 1e-9);
        assert_int_equal(wn_measurement_find(m, NULL, "largest_degree")->i, K);
        assert_null(
            wn_measurement_find(m, NULL, "recall_low")); /* all rows: nothing is left to chance */
        wn_measurement_free(m);
        m = run(ctx, pool, graph, 3, 50);
        assert_true(real(m, "recall") == 1 && real(m, "recall_low") == 1);
        assert_int_equal(wn_measurement_find(m, NULL, "rows_judged")->i, 50);
        wn_measurement_free(m);
        wn_graph_free(graph);
        wn_pool_free(pool);
    }
    free(v);
    wn_ctx_free(ctx);
}

/* On a line every row's neighbours are known: some are replaced, some rows have none. */
static void spoilt(void **state)
{
    enum { M = 8 };
    float line[M];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_measurement *m;
    wn_graph *graph;
    wn_pool *pool;

    (void)state;
    for (int i = 0; i < M; i++)
        line[i] =
            (float)(i *
                    i); /* gaps 1 3 5 ...: the nearest two of i > 1 are i - 1 and i - 2, i + 1 */
    ts_ok(ctx, wn_pool_wrap(ctx, line, M, 1, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_graph_new(ctx, M, 3, WN_L2, &graph));
    graph->indptr[0] = 0;
    graph->indptr[1] = 2; /* row 0: 1 (true, at 1) and 7 (at 49; true is 2, at 4) */
    for (int i = 2; i <= M; i++)
        graph->indptr[i] = 2;
    graph->indptr[M] = 3; /* row 7: 6 */
    graph->indices[0] = 1;
    graph->indices[1] = 7;
    graph->indices[2] = 6;
    m = run(ctx, pool, graph, 0, 0);
    assert_int_equal(wn_measurement_find(m, NULL, "rows_judged")->i, 2);
    assert_int_equal(wn_measurement_find(m, NULL, "rows_without_neighbours")->i, 6);
    assert_int_equal(wn_measurement_find(m, NULL, "smallest_degree")->i, 0);
    assert_true(real(m, "recall") == 0.75);
    assert_true(real(m, "rows_all_found") == 0.5);
    assert_true(real(m, "nearest_found") == 1);
    assert_true(fabs(real(m, "mean_distance") - (1 + 49 + 13) / 3.0) < 1e-12);
    assert_true(fabs(real(m, "distance_ratio") - (1 + 49 + 13) / (1 + 4 + 13.0)) < 1e-12);
    wn_measurement_free(m);
    {
        wn_measure_input in = {.struct_size = sizeof in, .pool = pool, .graph = graph};
        wn_measure_graph_params p;
        wn_params_init(wn_method_find("measure", "graph"), &p);
        p.k = M;
        assert_int_equal(wn_measure_graph(ctx, &in, &p, &m), WN_E_DATA);
        assert_non_null(strstr(wn_ctx_error(ctx), "at most 7 neighbours"));
    }
    graph->indices[0] = 6; /* its nearest is gone: within k = 1 none is right */
    m = run(ctx, pool, graph, 1, 0);
    assert_true(real(m, "recall") == 0.5);
    assert_true(real(m, "nearest_found") == 0.5);
    wn_measurement_free(m);
    wn_graph_free(graph);
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void bad_input(void **state)
{
    static const float v[] = {1, 2, 3};
    wn_measure_input in = {.struct_size = sizeof in};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_measurement *m;
    wn_graph *graph;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 3, 1, WN_F32, WN_L2, &pool));
    in.pool = pool;
    assert_int_equal(wn_measure_graph(ctx, &in, NULL, &m), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "no graph given"));
    ts_ok(ctx, wn_graph_new(ctx, 2, 0, WN_L2, &graph));
    in.graph = graph;
    assert_int_equal(wn_measure_graph(ctx, &in, NULL, &m), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "graph is of 2 rows, expected 3"));
    wn_graph_free(graph);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_graphs),
        cmocka_unit_test(spoilt),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
