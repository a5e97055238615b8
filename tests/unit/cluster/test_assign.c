/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows to centres that are there: against a plain search, and against the clustering's own labels.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { N = 700, D = 9, K = 12 };

static wn_tree *learn(wn_ctx *ctx, const wn_pool *pool, const char *method, const char *k)
{
    const wn_method *m = wn_method_find("cluster", method);
    wn_cluster_input in = {.struct_size = sizeof in, .pool = pool};
    wn_tree *tree;
    union {
        wn_kmeans_params flat;
        wn_hkmeans_params deep;
    } p;

    wn_params_init(m, &p);
    ts_ok(ctx, wn_params_set(ctx, m, &p, "k", k));
    ts_ok(ctx, wn_cluster_run(ctx, m, &in, &p, &tree));
    return tree;
}

static wn_tree *assign(wn_ctx *ctx, const wn_pool *pool, const wn_tree *to)
{
    wn_cluster_input in = {.struct_size = sizeof in, .pool = pool, .tree = to};
    wn_tree *tree;

    ts_ok(ctx, wn_cluster_assign(ctx, &in, NULL, &tree));
    return tree;
}

static void own_rows_keep_their_labels(void **state)
{
    float *x = ts_blobs(N, D, 5, 0.4, 3, NULL);

    (void)state;
    for (int metric = WN_L2; metric <= WN_COSINE; metric++)
        for (int deep = 0; deep < 2; deep++) {
            wn_ctx *ctx = ts_ctx(2, -1);
            wn_pool *pool;
            wn_tree *tree, *again;
            ts_ok(ctx, wn_pool_wrap(ctx, x, N, D, WN_F32, (wn_metric)metric, &pool));
            tree = learn(ctx, pool, deep ? "hkmeans" : "kmeans", deep ? "12,3" : "12");
            again = assign(ctx, pool, tree);
            assert_int_equal(again->levels, tree->levels);
            assert_memory_equal(again->level[0]->labels, tree->level[0]->labels, N * 4);
            assert_memory_equal(again->level[0]->sizes, tree->level[0]->sizes, K * 8);
            if (deep) assert_memory_equal(again->level[1]->labels, tree->level[1]->labels, K * 4);
            wn_tree_free(tree);
            wn_tree_free(again);
            wn_pool_free(pool);
            assert_true(wn_ctx_live_bytes(ctx) >= 0);
            wn_ctx_free(ctx);
        }
    free(x);
}

static void new_rows_go_to_the_nearest_centre(void **state)
{
    float *x = ts_blobs(N, D, 5, 0.4, 3, NULL), *y = ts_blobs(N, D, 6, 0.9, 8, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *pool, *fresh;
    wn_tree *tree, *labelled;
    double inertia = 0;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, x, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, y, N, D, WN_F32, WN_L2, &fresh));
    tree = learn(ctx, pool, "kmeans", "12");
    labelled = assign(ctx, fresh, tree);
    for (int i = 0; i < N; i++) {
        double best = INFINITY, own = 0;
        for (int c = 0; c < K; c++) {
            double sum = 0;
            for (int j = 0; j < D; j++) {
                double diff = (double)y[i * D + j] - tree->level[0]->centers[c * D + j];
                sum += diff * diff;
            }
            if (sum < best) best = sum;
            if (c == labelled->level[0]->labels[i]) own = sum;
        }
        assert_true(own <= best * (1 + 1e-5));
        inertia += own;
    }
    assert_true(fabs(labelled->level[0]->report.inertia - inertia) < 1e-4 * inertia);
    wn_tree_free(tree);
    wn_tree_free(labelled);
    wn_pool_free(pool);
    wn_pool_free(fresh);
    wn_ctx_free(ctx);
    free(x);
    free(y);
}

static void bad_input(void **state)
{
    static const float x[4 * 3] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_cluster_input in = {.struct_size = sizeof in};
    wn_pool *wide, *narrow;
    wn_tree *tree, *out;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, x, 4, 3, WN_F32, WN_L2, &wide));
    ts_ok(ctx, wn_pool_wrap(ctx, x, 6, 2, WN_F32, WN_L2, &narrow));
    tree = learn(ctx, wide, "kmeans", "2");
    in.pool = narrow;
    assert_int_equal(wn_cluster_assign(ctx, &in, NULL, &out), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "no tree"));
    in.tree = tree;
    assert_int_equal(wn_cluster_assign(ctx, &in, NULL, &out), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "3 columns, the rows 2"));
    wn_tree_free(tree);
    wn_pool_free(wide);
    wn_pool_free(narrow);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_rows_keep_their_labels),
        cmocka_unit_test(new_rows_go_to_the_nearest_centre),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
