/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_prototypes: far and near rows of given clusters, duplicates out first, the random part.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"

enum { D = 5 };

static wn_tree *make_tree(wn_ctx *ctx, int64_t n, int32_t k, wn_metric metric)
{
    float *centers = ts_normal(k, D, 8);
    wn_tree *tree;

    ts_ok(ctx, wn_tree_new(ctx, metric, &tree));
    tree->levels = 1;
    ts_ok(ctx, wn_partition_new(ctx, n, k, D, &tree->level[0]));
    for (int64_t i = 0; i < n; i++) {
        int32_t c = i % 13 == 0 ? -1 : (int32_t)wni_rand_below(3, 7, (uint64_t)i, k);
        tree->level[0]->labels[i] = c;
        if (c >= 0) tree->level[0]->sizes[c]++;
    }
    for (int32_t c = 0; c < k; c++) {
        double sum = 0;
        for (int j = 0; j < D; j++)
            sum += (double)centers[c * D + j] * (double)centers[c * D + j];
        for (int j = 0; j < D; j++)
            tree->level[0]->centers[c * D + j] =
                metric ? (float)((double)centers[c * D + j] / sqrt(sum)) : centers[c * D + j];
    }
    free(centers);
    return tree;
}

static wn_select_prototypes_params params(int64_t size, int keep, int64_t k)
{
    wn_select_prototypes_params p;

    wn_params_init(wn_method_find("select", "prototypes"), &p);
    p.size = size;
    p.keep = keep;
    p.k = k;
    return p;
}

static double distance(const float *x, const float *c, int cosine)
{
    double dot = 0, xx = 0, l2 = 0;

    for (int j = 0; j < D; j++) {
        dot += (double)x[j] * (double)c[j];
        xx += (double)x[j] * (double)x[j];
        l2 += ((double)x[j] - (double)c[j]) * ((double)x[j] - (double)c[j]);
    }
    return cosine ? 1 - dot / sqrt(xx) : sqrt(l2);
}

static void far_or_near_rows_of_a_tree(void **state)
{
    enum { N = 400, K = 6, SIZE = 90 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int keep = 0; keep < 2; keep++) {
            wn_tree *tree = make_tree(ctx, N, K, (wn_metric)metric);
            const wn_partition *fine = tree->level[0];
            wn_select_input in = {.struct_size = sizeof in, .tree = tree};
            wn_select_prototypes_params p = params(SIZE, keep, 0);
            double worst_in = keep == WN_KEEP_HARD ? INFINITY : -INFINITY, best_out = -worst_in;
            wn_pool *pool;
            wn_selection *s;

            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, (wn_metric)metric, &pool));
            in.pool = pool;
            ts_ok(ctx, wn_select_prototypes(ctx, &in, &p, &s));
            assert_int_equal(s->size, SIZE);
            for (int64_t i = 0; i < N; i++) {
                int32_t c = fine->labels[i];
                double far;
                assert_int_equal(s->why[i].cluster, c);
                if (c < 0) {
                    assert_int_equal(s->why[i].rule, WN_WHY_NO_CLUSTER);
                    continue;
                }
                assert_int_equal(s->why[i].rule, s->why[i].copies ? WN_WHY_KEPT : WN_WHY_SCORE);
                far = distance(v + i * D, fine->centers + c * D, metric);
                if (keep == WN_KEEP_HARD && s->why[i].copies) worst_in = fmin(worst_in, far);
                if (keep == WN_KEEP_HARD && !s->why[i].copies) best_out = fmax(best_out, far);
                if (keep == WN_KEEP_EASY && s->why[i].copies) worst_in = fmax(worst_in, far);
                if (keep == WN_KEEP_EASY && !s->why[i].copies) best_out = fmin(best_out, far);
            }
            assert_true(keep == WN_KEEP_HARD ? worst_in >= best_out - 1e-5
                                             : worst_in <= best_out + 1e-5);
            for (int64_t i = 0; i < SIZE; i++)
                assert_true(s->weights[i] == 1);
            wn_selection_free(s);
            wn_pool_free(pool);
            wn_tree_free(tree);
        }
    free(v);
    wn_ctx_free(ctx);
}

/* Outliers and their copies: without dedup the copies take the places of hard rows. */
static void duplicates_go_first(void **state)
{
    enum { N = 600, FAR = 20, COPIES = 5, SIZE = 60 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 4, 0.1, 3, NULL), *other = ts_normal(FAR, D, 77);
    wn_pool *pool;

    (void)state;
    for (int64_t i = 0; i < FAR * COPIES; i++) {
        memcpy(v + i * D, other + i % FAR * D, D * sizeof *v);
        for (int j = 0; j < D; j++)
            v[i * D + j] *= 3 + 0.001f * (float)i; /* another length, the same direction */
    }
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool));
    for (int dedup = 0; dedup < 2; dedup++) {
        wn_select_input in = {.struct_size = sizeof in, .pool = pool};
        wn_select_prototypes_params p = params(SIZE, WN_KEEP_HARD, 4);
        int64_t copies = 0;
        wn_selection *s;

        p.dedup = dedup;
        p.min_similarity = 0.9999;
        ts_ok(ctx, wn_select_prototypes(ctx, &in, &p, &s));
        assert_int_equal(s->size, SIZE);
        for (int64_t i = FAR; i < FAR * COPIES; i++) {
            copies += s->why[i].copies;
            if (!dedup) continue;
            assert_int_equal(s->why[i].rule, WN_WHY_NEAR_DUPLICATE);
            assert_int_equal(s->why[i].partner, i % FAR);
            assert_true(s->why[i].similarity >= 0.9999f);
            assert_int_equal(s->why[i].cluster, s->why[i % FAR].cluster);
        }
        if (dedup) assert_int_equal(copies, 0);
        if (!dedup) assert_in_range(copies, SIZE / 2, SIZE);
        wn_selection_free(s);
    }
    wn_pool_free(pool);
    free(other);
    free(v);
    wn_ctx_free(ctx);
}

/* A tenth is drawn and stands for the easy rows: the weights add up to the size. */
static void a_random_part_is_weighted(void **state)
{
    enum { N = 300, SIZE = 50 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_select_prototypes_params p = params(SIZE, WN_KEEP_HARD, 5);
    wn_selection *plain, *mixed;
    double sum = 0;
    int64_t same = 0;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_select_prototypes(ctx, &in, &p, &plain));
    p.random_share = 0.1;
    ts_ok(ctx, wn_select_prototypes(ctx, &in, &p, &mixed));
    assert_int_equal(mixed->size, SIZE);
    for (int64_t i = 0; i < SIZE; i++)
        sum += (double)mixed->weights[i];
    for (int64_t i = 0; i < N; i++)
        same += plain->why[i].copies && mixed->why[i].copies;
    assert_true(fabs(sum - SIZE) < 1e-3);
    assert_in_range(same, SIZE - 5, SIZE);
    wn_selection_free(plain);
    wn_selection_free(mixed);
    wn_pool_free(pool);
    free(v);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_select_input *in, const wn_select_prototypes_params *p,
                    wn_status status, const char *text)
{
    wn_selection *s;

    assert_int_equal(wn_select_prototypes(ctx, in, p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    enum { N = 26 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_select_prototypes_params p = params(27, 0, 3);
    wn_tree *tree = make_tree(ctx, N, 3, WN_L2);
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    refused(ctx, &in, &p, WN_E_USAGE, "no pool is given");
    in.pool = pool;
    refused(ctx, &in, &p, WN_E_DATA, "size is 27 but 26 rows");
    p = params(5, 0, 27);
    refused(ctx, &in, &p, WN_E_DATA, "k is 27 but there are 26 rows");
    for (int i = 1; i < N; i++)
        memcpy(v + i * D, v, D * sizeof *v);
    p = params(5, 0, 3);
    p.dedup = 1;
    refused(ctx, &in, &p, WN_E_DATA, "of 26 rows 25 are near duplicates and 1 are left");
    in.tree = tree;
    refused(ctx, &in, &p, WN_E_USAGE, "leave one of them out");
    p.dedup = 0;
    p.size = 25;
    refused(ctx, &in, &p, WN_E_DATA, "24 rows are in a cluster of the tree");
    wn_pool_free(pool);
    wn_tree_free(tree);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(far_or_near_rows_of_a_tree), cmocka_unit_test(duplicates_go_first),
        cmocka_unit_test(a_random_part_is_weighted), cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
