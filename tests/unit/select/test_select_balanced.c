/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_balanced on trees made by hand: exact totals, balance at every level, picks, repeats.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "kernels/kernels.h"

/* A tree over n rows: levels of the given cluster counts, labels at random, centres at random. */
static wn_tree *random_tree(wn_ctx *ctx, int64_t n, int64_t d, const int32_t *k, int32_t levels,
                            wn_metric metric, uint64_t seed)
{
    float *centers = ts_normal(k[0], d, seed + 77);
    wn_tree *tree;

    ts_ok(ctx, wn_tree_new(ctx, metric, &tree));
    for (int32_t t = 0; t < levels; t++) {
        int64_t items = t ? k[t - 1] : n;
        wn_partition *p;
        ts_ok(ctx, wn_partition_new(ctx, items, k[t], d, &p));
        tree->level[tree->levels++] = p;
        for (int64_t i = 0; i < items; i++) { /* squared: sizes that differ much, some empty */
            double u = wni_rand_unit(seed, 50 + (uint64_t)t, (uint64_t)i);
            p->labels[i] = (int32_t)(u * u * k[t]);
            p->sizes[p->labels[i]]++;
        }
    }
    memcpy(tree->level[0]->centers, centers, (size_t)(k[0] * d) * sizeof *centers);
    free(centers);
    return tree;
}

static wn_selection *run(wn_ctx *ctx, const float *v, int64_t n, int64_t d, const wn_tree *tree,
                         const wn_select_balanced_params *p)
{
    wn_select_input in = {.struct_size = sizeof in, .tree = tree};
    wn_selection *s;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_L2, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_select_balanced(ctx, &in, p, &s));
    wn_pool_free(pool);
    return s;
}

static wn_select_balanced_params params(int64_t size, int pick, int64_t max_repeat)
{
    wn_select_balanced_params p;

    wn_params_init(wn_method_find("select", "balanced"), &p);
    p.size = size;
    p.pick = pick;
    p.max_repeat = max_repeat;
    return p;
}

/* What every selection keeps: total, order, agreement of rows and reasons. */
static void sound(const wn_selection *s, const wn_tree *tree, int64_t size, int64_t max_repeat)
{
    int64_t at = 0;

    assert_int_equal(s->size, size);
    for (int64_t i = 0; i < s->n; i++) {
        assert_in_range(s->why[i].copies, 0, max_repeat);
        assert_int_equal(s->why[i].rule, s->why[i].copies                ? WN_WHY_KEPT
                                         : tree->level[0]->labels[i] < 0 ? WN_WHY_NO_CLUSTER
                                                                         : WN_WHY_QUOTA);
        assert_int_equal(s->why[i].cluster, tree->level[0]->labels[i]);
        assert_int_equal(s->why[i].partner, -1);
        assert_true(isnan(s->why[i].similarity));
        for (int32_t c = 0; c < s->why[i].copies; c++) {
            assert_int_equal(s->rows[at], i);
            assert_true(s->weights[at] == 1);
            at++;
        }
    }
    assert_int_equal(at, size);
}

/* Siblings that are not full differ by one row at most, and none has more than a full one could not. */
static void balanced_at_every_level(void **state)
{
    static const int32_t k[] = {60, 12, 3};
    enum { N = 1000, D = 4 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);

    (void)state;
    for (int levels = 1; levels <= 3; levels++)
        for (int64_t size = 1; size <= 3 * N; size = size * 3 + 1) {
            int64_t repeat = size > N ? 3 : 1;
            wn_tree *tree = random_tree(ctx, N, D, k, levels, WN_L2, (uint64_t)levels);
            wn_select_balanced_params p = params(size, WN_PICK_RANDOM, repeat);
            wn_selection *s = run(ctx, v, N, D, tree, &p);
            int64_t got[60] = {0}, room[60] = {0};

            sound(s, tree, size, repeat);
            for (int64_t i = 0; i < N; i++) {
                got[tree->level[0]->labels[i]] += s->why[i].copies;
                room[tree->level[0]->labels[i]] += repeat;
            }
            for (int t = 0; t < levels; t++) {
                int64_t up_got[60] = {0}, up_room[60] = {0};
                for (int a = 0; a < k[t]; a++)
                    for (int b = 0; b < k[t]; b++) {
                        const int32_t *up = t + 1 < levels ? tree->level[t + 1]->labels : NULL;
                        if (up && up[a] != up[b]) continue;
                        /* a could take one more: then b has at most one more than a */
                        if (got[a] < room[a]) assert_true(got[b] <= got[a] + 1);
                    }
                for (int a = 0; t + 1 < levels && a < k[t]; a++) {
                    up_got[tree->level[t + 1]->labels[a]] += got[a];
                    up_room[tree->level[t + 1]->labels[a]] += room[a];
                }
                memcpy(got, up_got, sizeof got);
                memcpy(room, up_room, sizeof room);
            }
            wn_selection_free(s);
            wn_tree_free(tree);
        }
    free(v);
    wn_ctx_free(ctx);
}

static void all_rows_when_all_are_asked_for(void **state)
{
    static const int32_t k[] = {20, 4};
    enum { N = 200, D = 3 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_tree *tree = random_tree(ctx, N, D, k, 2, WN_L2, 5);

    (void)state;
    for (int64_t repeat = 1; repeat <= 4; repeat += 3) {
        wn_select_balanced_params p = params(N * repeat, WN_PICK_FARTHEST, repeat);
        wn_selection *s = run(ctx, v, N, D, tree, &p);
        sound(s, tree, N * repeat, repeat);
        for (int64_t i = 0; i < N; i++)
            assert_int_equal(s->why[i].copies, repeat);
        wn_selection_free(s);
    }
    wn_tree_free(tree);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Within a cluster no row that was left out is nearer (farther) than one that was taken. */
static void picks_by_distance(void **state)
{
    static const int32_t k[] = {7};
    enum { N = 300, D = 20, LD = 32 };
    wn_ctx *ctx = ts_ctx(2, -1);
    const wni_kernels *kern = wni_kernels_of(ctx);
    float *v = ts_normal(N, D, 1), *score = malloc(N * sizeof *score);
    float *x = aligned_alloc(64, LD * sizeof *x), *c = aligned_alloc(64, LD * sizeof *c);

    (void)state;
    memcpy(v + 10 * D, v + 11 * D, D * sizeof *v); /* a tie */
    for (int metric = 0; metric < 2; metric++)
        for (int pick = WN_PICK_CLOSEST; pick <= WN_PICK_FARTHEST; pick++) {
            wn_tree *tree = random_tree(ctx, N, D, k, 1, (wn_metric)metric, 9);
            wn_select_balanced_params p = params(100, pick, 1);
            wn_pool *pool;
            wn_selection *s;
            tree->level[0]->labels[10] = tree->level[0]->labels[11];
            s = run(ctx, v, N, D, tree, &p);
            sound(s, tree, 100, 1);
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, (wn_metric)metric, &pool));
            for (int64_t i = 0; i < N; i++) {
                memset(c, 0, LD * sizeof *c);
                memcpy(c, tree->level[0]->centers + tree->level[0]->labels[i] * D, D * sizeof *c);
                ts_ok(ctx, wn_pool_read(ctx, pool, i, 1, x, LD));
                score[i] = metric ? -kern->dot(x, c, LD) : kern->l2sq(x, c, LD);
                if (pick == WN_PICK_FARTHEST) score[i] = -score[i];
            }
            for (int64_t i = 0; i < N; i++)
                for (int64_t j = 0; j < N; j++)
                    if (s->why[i].cluster == s->why[j].cluster && s->why[i].copies &&
                        !s->why[j].copies)
                        assert_true(score[i] < score[j] || (score[i] == score[j] && i < j));
            wn_pool_free(pool);
            wn_selection_free(s);
            wn_tree_free(tree);
        }
    free(v);
    free(x);
    free(c);
    free(score);
    wn_ctx_free(ctx);
}

static void repeats_are_even(void **state)
{
    enum { N = 12, D = 1 };
    static const int32_t k[] = {2};
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_tree *tree = random_tree(ctx, N, D, k, 1, WN_L2, 1);
    wn_select_balanced_params p = params(20, WN_PICK_RANDOM, 5);
    wn_selection *s;

    (void)state;
    for (int64_t i = 0; i < N; i++)
        tree->level[0]->labels[i] = i >= 3; /* 3 rows and 9 rows, 10 each */
    s = run(ctx, v, N, D, tree, &p);
    sound(s, tree, 20, 5);
    for (int64_t i = 0; i < 3; i++)
        assert_in_range(s->why[i].copies, 3, 4);
    for (int64_t i = 3; i < N; i++)
        assert_in_range(s->why[i].copies, 1, 2);
    wn_selection_free(s);
    wn_tree_free(tree);
    free(v);
    wn_ctx_free(ctx);
}

/* Over many seeds each row of a cluster is taken equally often. */
static void random_picks_are_fair(void **state)
{
    enum { N = 10, D = 1, SEEDS = 2000 };
    static const int32_t k[] = {1};
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_tree *tree = random_tree(ctx, N, D, k, 1, WN_L2, 1);
    int hits[N] = {0};

    (void)state;
    for (int seed = 0; seed < SEEDS; seed++) {
        wn_select_balanced_params p = params(3, WN_PICK_RANDOM, 1);
        wn_selection *s;
        p.seed = (uint64_t)seed;
        s = run(ctx, v, N, D, tree, &p);
        for (int i = 0; i < N; i++)
            hits[i] += s->why[i].copies;
        wn_selection_free(s);
    }
    for (int i = 0; i < N; i++) /* 600 expected, sd 20 */
        assert_in_range(hits[i], 500, 700);
    wn_tree_free(tree);
    free(v);
    wn_ctx_free(ctx);
}

static void same_bytes_everywhere(void **state)
{
    static const int32_t k[] = {50, 8};
    static const int threads[] = {1, 2, 8};
    enum { N = 20000, D = 33 };
    float *v = ts_normal(N, D, 1);

    (void)state;
    for (int pick = 0; pick < 3; pick++) {
        wn_ctx *first_ctx = ts_ctx(1, 0);
        wn_tree *tree = random_tree(first_ctx, N, D, k, 2, WN_COSINE, 3);
        wn_select_balanced_params p = params(777, pick, 1);
        wn_selection *first = run(first_ctx, v, N, D, tree, &p);
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
            for (int t = 0; t < 3; t++) {
                wn_ctx *ctx = ts_ctx(threads[t], isa);
                wn_selection *s = run(ctx, v, N, D, tree, &p);
                assert_memory_equal(s->rows, first->rows, 777 * sizeof(int64_t));
                assert_memory_equal(s->why, first->why, N * sizeof(wn_why));
                wn_selection_free(s);
                wn_ctx_free(ctx);
            }
        wn_selection_free(first);
        wn_tree_free(tree);
        wn_ctx_free(first_ctx);
    }
    free(v);
}

static void refused(wn_ctx *ctx, const wn_select_input *in, const wn_select_balanced_params *p,
                    wn_status status, const char *text)
{
    wn_selection *s;

    assert_int_equal(wn_select_balanced(ctx, in, p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    static const int32_t k[] = {4, 2};
    enum { N = 30, D = 2 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_tree *tree = random_tree(ctx, N, D, k, 2, WN_L2, 2);
    wn_select_input in = {.struct_size = sizeof in};
    wn_select_balanced_params p = params(31, 0, 1);
    wn_pool *pool, *other;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, v, N / 2, D, WN_F32, WN_L2, &other));
    in.pool = pool;
    refused(ctx, &in, &p, WN_E_USAGE, "no tree is given");
    in.tree = tree;
    refused(ctx, &in, &p, WN_E_DATA, "size is 31 but 30 rows taken at most 1 time make 30");
    refused(ctx, &in, &p, WN_E_DATA, "--max-repeat 2");
    p = params(5, 0, 1);
    in.pool = other;
    refused(ctx, &in, &p, WN_E_DATA, "made from 30 rows of 2 columns, the pool has 15 of 2");
    in.pool = pool;
    tree->level[0]->labels[3] = 4;
    refused(ctx, &in, &p, WN_E_DATA, "gives number 3 the label 4, expected 0 to 3");
    tree->level[0]->labels[3] = -1; /* in no cluster: never taken */
    p = params(30, 0, 1);
    refused(ctx, &in, &p, WN_E_DATA, "size is 30 but 29 rows");
    p = params(29, 0, 1);
    wn_selection *s;
    ts_ok(ctx, wn_select_balanced(ctx, &in, &p, &s));
    sound(s, tree, 29, 1);
    assert_int_equal(s->why[3].copies, 0);
    wn_selection_free(s);
    p.pick = 3;
    refused(ctx, &in, &p, WN_E_USAGE, "pick");
    wn_pool_free(pool);
    wn_pool_free(other);
    wn_tree_free(tree);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void every_allocation_may_fail(void **state)
{
    static const int32_t k[] = {12, 3};
    enum { N = 50, D = 5 };
    float *v = ts_normal(N, D, 1);

    (void)state;
    for (int pick = 0; pick < 2; pick++) {
        wn_status st = WN_E_NOMEM;
        wn_ctx *tree_ctx = ts_ctx(1, -1);
        wn_tree *tree = random_tree(tree_ctx, N, D, k, 2, WN_COSINE, 4);
        for (int64_t fail_at = 0; st != WN_OK; fail_at++) {
            ts_alloc alloc = {.fail_at = fail_at};
            wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
            wn_select_input in = {.struct_size = sizeof in, .tree = tree};
            wn_select_balanced_params p = params(20, pick, 1);
            wn_selection *s = NULL;
            wn_pool *pool = NULL;
            st = wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool);
            in.pool = pool;
            if (st == WN_OK) st = wn_select_balanced(ctx, &in, &p, &s);
            if (st != WN_OK) {
                assert_int_equal(st, WN_E_NOMEM);
                assert_null(s);
            }
            wn_selection_free(s);
            wn_pool_free(pool);
            assert_int_equal(wn_ctx_live_bytes(ctx), 0);
            wn_ctx_free(ctx);
            assert_int_equal(alloc.live, 0);
            assert_in_range(fail_at, 0, 1000);
        }
        wn_tree_free(tree);
        wn_ctx_free(tree_ctx);
    }
    free(v);
}

static void why_names(void **state)
{
    (void)state;
    assert_string_equal(wn_why_rule_name(WN_WHY_KEPT), "kept");
    assert_string_equal(wn_why_rule_name(WN_WHY_NEAR_DUPLICATE), "near-duplicate");
    assert_string_equal(wn_why_rule_name(WN_WHY_NO_CLUSTER), "no-cluster");
    assert_string_equal(wn_why_rule_name(-1), "?");
    assert_string_equal(wn_why_rule_name(WN_WHY_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(balanced_at_every_level),
                                       cmocka_unit_test(all_rows_when_all_are_asked_for),
                                       cmocka_unit_test(picks_by_distance),
                                       cmocka_unit_test(repeats_are_even),
                                       cmocka_unit_test(random_picks_are_fair),
                                       cmocka_unit_test(same_bytes_everywhere),
                                       cmocka_unit_test(bad_input),
                                       cmocka_unit_test(every_allocation_may_fail),
                                       cmocka_unit_test(why_names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
