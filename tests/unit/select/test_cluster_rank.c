/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_cluster_rank against lists sorted by hand, and a rare kind of low quality that is not lost.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"

static wn_scores *make_scores(wn_ctx *ctx, int64_t n, uint64_t seed)
{
    wn_scores *s;

    ts_ok(ctx, wn_scores_new(ctx, n, &s));
    for (int64_t i = 0; i < n; i++) /* many ties */
        s->v[i] = (float)wni_rand_below(seed, 9, (uint64_t)i, 20);
    return s;
}

static wn_tree *make_tree(wn_ctx *ctx, int64_t n, int32_t k, int64_t d, int holes)
{
    wn_tree *tree;

    ts_ok(ctx, wn_tree_new(ctx, WN_L2, &tree));
    tree->levels = 1;
    ts_ok(ctx, wn_partition_new(ctx, n, k, d, &tree->level[0]));
    for (int64_t i = 0; i < n; i++) {
        double u = wni_rand_unit(3, 7, (uint64_t)i);
        int32_t c = holes && i % 11 == 0 ? -1 : (int32_t)(u * u * k);
        tree->level[0]->labels[i] = c;
        if (c >= 0) tree->level[0]->sizes[c]++;
    }
    return tree;
}

static wn_select_cluster_rank_params params(int64_t size, int64_t per_cluster, int64_t k)
{
    wn_select_cluster_rank_params p;

    wn_params_init(wn_method_find("select", "cluster_rank"), &p);
    p.size = size;
    p.per_cluster = per_cluster;
    p.k = k;
    return p;
}

/* Row a goes before row b. */
static int better(const wn_scores *s, int64_t a, int64_t b)
{
    return s->v[a] > s->v[b] || (s->v[a] == s->v[b] && a < b);
}

static void same_as_sorted_lists(void **state)
{
    enum { N = 300, K = 9, D = 2 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);
    wn_scores *scores = make_scores(ctx, N, 4);
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    for (int holes = 0; holes < 2; holes++)
        for (int64_t per = 0; per < 4; per++)
            for (int64_t size = 30; size < 260; size += 50) {
                wn_tree *tree = make_tree(ctx, N, K, D, holes);
                const int32_t *of = tree->level[0]->labels;
                wn_select_input in = {
                    .struct_size = sizeof in, .pool = pool, .tree = tree, .scores = scores};
                wn_select_cluster_rank_params p = params(size, per, 0);
                int sure[N] = {0};
                int64_t rest = size, before;
                wn_selection *s;

                ts_ok(ctx, wn_select_cluster_rank(ctx, &in, &p, &s));
                assert_int_equal(s->size, size);
                for (int64_t i = 0; i < N; i++) {
                    before = 0;
                    for (int64_t j = 0; j < N; j++)
                        before += of[j] == of[i] && better(scores, j, i);
                    sure[i] = of[i] >= 0 && before < per;
                    rest -= sure[i];
                }
                for (int64_t i = 0; i < N; i++) {
                    int kept;
                    before = 0;
                    for (int64_t j = 0; j < N; j++)
                        before += of[j] >= 0 && !sure[j] && better(scores, j, i);
                    kept = of[i] >= 0 && (sure[i] || before < rest);
                    assert_int_equal(s->why[i].copies, kept);
                    assert_int_equal(s->why[i].cluster, of[i]);
                    assert_int_equal(s->why[i].rule, kept        ? WN_WHY_KEPT
                                                     : of[i] < 0 ? WN_WHY_NO_CLUSTER
                                                                 : WN_WHY_SCORE);
                }
                wn_selection_free(s);
                wn_tree_free(tree);
            }
    wn_pool_free(pool);
    wn_scores_free(scores);
    free(v);
    wn_ctx_free(ctx);
}

/* Blob 1 has ten rows, all of low quality; the top alone loses it, with its cluster's best it stays. */
static void a_rare_kind_is_not_lost(void **state)
{
    enum { N = 500, D = 4, RARE = 10 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);
    wn_scores *scores = make_scores(ctx, N, 5);
    wn_pool *pool;

    (void)state;
    for (int64_t i = 0; i < RARE; i++) {
        for (int j = 0; j < D; j++)
            v[i * D + j] = v[i * D + j] * 0.1f + 30;
        scores->v[i] = -1.0f - (float)i;
    }
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    for (int64_t per = 0; per < 2; per++) {
        wn_select_input in = {.struct_size = sizeof in, .pool = pool, .scores = scores};
        wn_select_cluster_rank_params p = params(50, per, 0);
        int64_t rare = 0;
        wn_selection *s;
        ts_ok(ctx, wn_select_cluster_rank(ctx, &in, &p, &s));
        for (int64_t i = 0; i < RARE; i++)
            rare += s->why[i].copies;
        if (per == 0) assert_int_equal(rare, 0);
        if (per == 1) assert_in_range(rare, 1, RARE);
        if (per == 1) assert_int_equal(s->why[0].copies, 1); /* the best of them */
        wn_selection_free(s);
    }
    wn_pool_free(pool);
    wn_scores_free(scores);
    free(v);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_select_input *in, const wn_select_cluster_rank_params *p,
                    wn_status status, const char *text)
{
    wn_selection *s;

    assert_int_equal(wn_select_cluster_rank(ctx, in, p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    enum { N = 44, D = 3 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_select_cluster_rank_params p = params(45, 1, 0);
    wn_scores *scores = make_scores(ctx, N, 1), *few = make_scores(ctx, N - 1, 1);
    wn_tree *tree = make_tree(ctx, N, 4, D, 1);
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    refused(ctx, &in, &p, WN_E_USAGE, "no scores is given");
    in.scores = few;
    refused(ctx, &in, &p, WN_E_DATA, "scores are of 43 rows, expected 44");
    in.scores = scores;
    refused(ctx, &in, &p, WN_E_DATA, "size is 45 but 44 rows");
    p = params(20, 1, 45);
    refused(ctx, &in, &p, WN_E_DATA, "k is 45 but there are 44 rows");
    p = params(3, 1, 5);
    refused(ctx, &in, &p, WN_E_DATA, "of each of 5 clusters are 5 rows, more than the size 3");
    in.tree = tree;
    p = params(44, 1, 0);
    refused(ctx, &in, &p, WN_E_DATA, "40 rows are in a cluster of the tree");
    wn_pool_free(pool);
    wn_scores_free(scores);
    wn_scores_free(few);
    wn_tree_free(tree);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_sorted_lists),
                                       cmocka_unit_test(a_rare_kind_is_not_lost),
                                       cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
