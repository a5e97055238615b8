/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores made from the centres of a tree: prototypicality, margin and complexity, in double and pair by pair.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/small_tree.h"

enum { N = 400, D = 19, K = 12, PARENTS = 4 };

static float *v;
static int32_t labels[N], parents[K], coarse[N];

/* Two levels: twelve clusters, the last empty, some rows in none; four parents. */
static wn_tree *make_tree(wn_ctx *ctx, wn_metric metric)
{
    wn_tree *tree;

    for (int32_t c = 0; c < K; c++)
        parents[c] = c % PARENTS;
    for (int64_t i = 0; i < N; i++) {
        labels[i] = (int32_t)wni_rand_below(3, 4, (uint64_t)i, K) - 1;
        coarse[i] = labels[i] < 0 ? -1 : parents[labels[i]];
    }
    tree = ts_tree(ctx, v, N, D, labels, K, metric);
    ts_tree_level(ctx, tree, parents, PARENTS);
    return tree;
}

/* Minus the Euclidean distance, or the cosine, in double. */
static double similarity(wn_metric metric, const float *a, const float *b)
{
    double dot = 0, aa = 0, bb = 0, l2sq = 0;

    for (int64_t j = 0; j < D; j++) {
        dot += (double)a[j] * (double)b[j];
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
        l2sq += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    }
    return metric == WN_COSINE ? dot / sqrt(aa * bb) : -sqrt(l2sq);
}

static wn_score_input input(wn_ctx *ctx, const wn_tree *tree, wn_pool **pool)
{
    wn_score_input in = {.struct_size = sizeof in, .tree = tree};

    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, pool));
    in.pool = *pool;
    return in;
}

static void near(double found, double expected, const char *what, int64_t at)
{
    if (!(fabs(found - expected) <= 1e-5 * (1 + fabs(expected))))
        fail_msg("%s %lld: found %.9g, expected %.9g", what, (long long)at, found, expected);
}

/* Rows in no cluster have the lowest score and say so. */
static void check_flags(const wn_scores *s)
{
    float lowest = INFINITY;

    assert_int_equal(s->n_flags, 2);
    assert_string_equal(s->flag_names[1], "no-cluster");
    for (int64_t i = 0; i < N; i++)
        lowest = fminf(lowest, s->v[i]);
    for (int64_t i = 0; i < N; i++) {
        assert_int_equal(s->flags[i], labels[i] < 0);
        if (labels[i] < 0) assert_true(s->v[i] == lowest);
    }
}

static void prototypicality(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int level = 1; level <= 2; level++) {
            wn_tree *tree = make_tree(ctx, (wn_metric)metric);
            wn_score_prototypicality_params p = {.struct_size = sizeof p, .level = level};
            wn_pool *pool;
            wn_score_input in = input(ctx, tree, &pool);
            wn_scores *s;
            ts_ok(ctx, wn_score_prototypicality(ctx, &in, &p, &s));
            assert_int_equal(s->n, N);
            for (int64_t i = 0; i < N; i++) {
                int32_t c = level == 1 ? labels[i] : coarse[i];
                if (c >= 0)
                    near(s->v[i],
                         similarity((wn_metric)metric, v + i * D,
                                    tree->level[level - 1]->centers + c * D),
                         "row", i);
            }
            check_flags(s);
            wn_scores_free(s);
            wn_pool_free(pool);
            wn_tree_free(tree);
        }
    wn_ctx_free(ctx);
}

static void margin(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int level = 1; level <= 2; level++) {
            wn_tree *tree = make_tree(ctx, (wn_metric)metric);
            const wn_partition *at = tree->level[level - 1];
            wn_score_margin_params p = {.struct_size = sizeof p, .level = level};
            wn_pool *pool;
            wn_score_input in = input(ctx, tree, &pool);
            wn_scores *s;
            ts_ok(ctx, wn_score_margin(ctx, &in, &p, &s));
            for (int64_t i = 0; i < N; i++) {
                double first = -INFINITY, second = -INFINITY;
                for (int32_t c = 0; c < at->k; c++) {
                    double x = similarity((wn_metric)metric, v + i * D, at->centers + c * D);
                    if (level == 1 && at->sizes[c] == 0) continue;
                    second = fmax(second, fmin(first, x));
                    first = fmax(first, x);
                }
                near(s->v[i], first - second, "row", i);
            }
            assert_null(s->flags);
            wn_scores_free(s);
            wn_pool_free(pool);
            wn_tree_free(tree);
        }
    wn_ctx_free(ctx);
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* Distances, as the tree: Euclidean, or 1 - cosine. */
static double distance(wn_metric metric, const float *a, const float *b)
{
    return metric == WN_COSINE ? 1 - similarity(metric, a, b) : -similarity(metric, a, b);
}

static void complexity(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int nearest = 3; nearest < 30; nearest += 20) {
            wn_tree *tree = make_tree(ctx, (wn_metric)metric);
            const wn_partition *at = tree->level[0];
            wn_score_complexity_params p = {.struct_size = sizeof p, .nearest = nearest};
            float intra[K], inter[K];
            double mean[K] = {0}, far[K] = {0};
            wn_pool *pool;
            wn_score_input in = input(ctx, tree, &pool);
            wn_scores *s;
            p.level = 1;
            ts_ok(ctx, wn_score_complexity(ctx, &in, &p, &s));
            ts_ok(ctx, wn_cluster_complexity(ctx, pool, tree, 1, nearest, intra, inter));
            for (int64_t i = 0; i < N; i++)
                if (labels[i] >= 0)
                    mean[labels[i]] +=
                        distance((wn_metric)metric, v + i * D, at->centers + labels[i] * D) /
                        (double)at->sizes[labels[i]];
            for (int32_t c = 0; c < K; c++) {
                double others[K], sum = 0;
                int n = 0;
                if (at->sizes[c] == 0) {
                    assert_true(intra[c] == 0 && inter[c] == 0);
                    continue;
                }
                for (int32_t o = 0; o < K; o++)
                    if (o != c && at->sizes[o])
                        others[n++] =
                            -distance((wn_metric)metric, at->centers + c * D, at->centers + o * D);
                qsort(others, (size_t)n, sizeof *others, descending);
                for (int j = 0; j < n && j < nearest; j++)
                    sum -= others[j];
                far[c] = sum / (double)(n < nearest ? n : nearest);
                near(intra[c], mean[c], "intra", c);
                near(inter[c], far[c], "inter", c);
            }
            for (int64_t i = 0; i < N; i++)
                if (labels[i] >= 0) near(s->v[i], mean[labels[i]] * far[labels[i]], "row", i);
            check_flags(s);
            wn_scores_free(s);
            wn_pool_free(pool);
            wn_tree_free(tree);
        }
    wn_ctx_free(ctx);
}

/* On a line: clusters 0 2 | 7 | 20; centres 1, 7, 20. */
static void by_hand(void **state)
{
    static const float line[] = {0, 2, 7, 20, 4};
    static const int32_t of[] = {0, 0, 1, 2, -1};
    static const float margins[] = {7 - 1, 5 - 1, 6, 13, 0}; /* 4 lies midway between 1 and 7 */
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_tree *tree = ts_tree(ctx, line, 5, 1, of, 3, WN_L2);
    wn_score_input in = {.struct_size = sizeof in, .tree = tree};
    float intra[3], inter[3];
    wn_pool *pool;
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, line, 5, 1, WN_F32, WN_L2, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_score_margin(ctx, &in, NULL, &s));
    assert_memory_equal(s->v, margins, sizeof margins);
    wn_scores_free(s);
    ts_ok(ctx, wn_cluster_complexity(ctx, pool, tree, 1, 1, intra, inter));
    assert_memory_equal(intra, ((float[]){1, 0, 0}), sizeof intra);
    assert_memory_equal(inter, ((float[]){6, 6, 13}), sizeof inter);
    wn_pool_free(pool);
    wn_tree_free(tree);
    wn_ctx_free(ctx);
}

static void without_lone_rows_there_are_no_flags(void **state)
{
    static const float line[] = {0, 2, 7};
    static const int32_t of[] = {0, 0, 1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_tree *tree = ts_tree(ctx, line, 3, 1, of, 2, WN_L2);
    wn_score_input in = {.struct_size = sizeof in, .tree = tree};
    wn_scores *s;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, line, 3, 1, WN_F32, WN_L2, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_score_prototypicality(ctx, &in, NULL, &s));
    assert_memory_equal(s->v, ((float[]){-1, -1, 0}), 3 * sizeof(float));
    assert_null(s->flags);
    wn_scores_free(s);
    wn_pool_free(pool);
    wn_tree_free(tree);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, wn_status st, wn_status want, wn_scores *const *s,
                    const char *text)
{
    if (st != want || *s || !strstr(wn_ctx_error(ctx), text))
        fail_msg("expected %s with '%s', found %s: %s", wn_status_name(want), text,
                 wn_status_name(st), wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_tree *tree = make_tree(ctx, WN_L2), *lone;
    wn_score_prototypicality_params p = {.struct_size = sizeof p, .level = 3};
    wn_pool *pool, *other;
    wn_score_input in = input(ctx, tree, &pool);
    wn_scores *s;

    (void)state;
    refused(ctx, wn_score_prototypicality(ctx, &in, &p, &s), WN_E_DATA, &s,
            "level is 3 but the tree has 2 levels");
    in.tree = lone = ts_tree(ctx, v, N, D, (int32_t[N]){0}, 2, WN_L2);
    refused(ctx, wn_score_margin(ctx, &in, NULL, &s), WN_E_DATA, &s, "has 1 cluster with rows");
    refused(ctx, wn_score_complexity(ctx, &in, NULL, &s), WN_E_DATA, &s, "has 1 cluster with rows");
    wn_tree_free(lone);
    in.tree = NULL;
    refused(ctx, wn_score_prototypicality(ctx, &in, NULL, &s), WN_E_USAGE, &s, "no tree is given");
    in.tree = tree;
    in.pool = NULL;
    refused(ctx, wn_score_prototypicality(ctx, &in, NULL, &s), WN_E_USAGE, &s, "no pool is given");
    ts_ok(ctx, wn_pool_wrap(ctx, v, N - 1, D, WN_F32, WN_L2, &other));
    in.pool = other;
    refused(ctx, wn_score_prototypicality(ctx, &in, NULL, &s), WN_E_DATA, &s,
            "made from 400 rows of 19 columns, the pool has 399 of 19");
    in.pool = pool;
    for (int64_t i = 0; i < N; i++)
        tree->level[0]->labels[i] = -1;
    refused(ctx, wn_score_prototypicality(ctx, &in, NULL, &s), WN_E_DATA, &s,
            "no row is in a cluster");
    in.struct_size = 0;
    refused(ctx, wn_score_prototypicality(ctx, &in, NULL, &s), WN_E_USAGE, &s, "struct_size");
    refused(ctx, wn_score_run(ctx, wn_method_find("cluster", "kmeans"), &in, NULL, &s), WN_E_USAGE,
            &s, "not a method of the family score");
    wn_pool_free(pool);
    wn_pool_free(other);
    wn_tree_free(tree);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    v = ts_blobs(N, D, K, 0.8, 1, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(v);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prototypicality),
        cmocka_unit_test(margin),
        cmocka_unit_test(complexity),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(without_lone_rows_there_are_no_flags),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
