/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_stratified: every allocation with every pick, what is refused, weights, and known answers by hand.
 * What the parts do is tested with the parts.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/small_tree.h"
#include "support/support.h"
#include "base/rng.h"

enum { N = 300, D = 6, K = 7, TARGET = 40, NEAR = 8 };

typedef struct inputs {
    wn_select_input in;
    float *v, *t;
    wn_tree *tree;
    wn_labels *labels;
    wn_scores *scores;
    wn_graph *graph;
    wn_pool *pool, *target;
    int64_t quota[K];
} inputs;

static void make(wn_ctx *ctx, inputs *x)
{
    int32_t label[N];
    int64_t class[N];
    wn_graph_input gin = {.struct_size = sizeof gin};
    wn_graph_knn_params gp;

    memset(x, 0, sizeof *x);
    x->v = ts_blobs(N, D, K, 0.4, 3, label);
    x->t = ts_blobs(TARGET, D, K, 0.4, 3, NULL);
    for (int64_t i = 0; i < N; i++)
        class[i] = i % 31 == 0 ? -1 : label[i];
    label[5] = -1;
    ts_ok(ctx, wn_pool_wrap(ctx, x->v, N, D, WN_F32, WN_L2, &x->pool));
    ts_ok(ctx, wn_pool_wrap(ctx, x->t, TARGET, D, WN_F32, WN_L2, &x->target));
    x->tree = ts_tree(ctx, x->v, N, D, label, K, WN_L2);
    ts_ok(ctx, wn_labels_from_ints(ctx, class, N, &x->labels));
    ts_ok(ctx, wn_scores_new(ctx, N, &x->scores));
    for (int64_t i = 0; i < N; i++)
        x->scores->v[i] = (float)wni_rand_unit(2, 2, (uint64_t)i);
    wn_params_init(wn_method_find("graph", "knn"), &gp);
    gp.k = NEAR;
    gin.pool = x->pool;
    ts_ok(ctx, wn_graph_knn(ctx, &gin, &gp, &x->graph));
    for (int c = 0; c < K; c++)
        x->quota[c] = c % 3 ? 4 : 5;
    x->in = (wn_select_input){.struct_size = sizeof x->in,
                              .pool = x->pool,
                              .scores = x->scores,
                              .graph = x->graph,
                              .target = x->target,
                              .quota = x->quota,
                              .n_quota = K,
                              .groups = x->labels};
}

static void drop(inputs *x)
{
    wn_tree_free(x->tree);
    wn_labels_free(x->labels);
    wn_scores_free(x->scores);
    wn_graph_free(x->graph);
    wn_pool_free(x->pool);
    wn_pool_free(x->target);
    free(x->v);
    free(x->t);
}

static wn_select_stratified_params params(int64_t size, int allocate, int pick)
{
    wn_select_stratified_params p;

    wn_params_init(wn_method_find("select", "stratified"), &p);
    p.size = size;
    p.allocate = allocate;
    p.pick = pick;
    p.min_score = 0.2;
    return p;
}

static void sound(const inputs *x, const wn_selection *s, int64_t size,
                  const wn_select_stratified_params *p)
{
    int64_t at = 0;
    double sum = 0;

    assert_int_equal(s->size, size);
    for (int64_t i = 0; i < s->n; i++) {
        const wn_why *why = &s->why[i];
        int32_t group = x->in.groups ? x->labels->v[i] : x->tree->level[0]->labels[i];
        assert_int_equal(why->cluster, group);
        assert_int_equal(why->copies, why->rule == WN_WHY_KEPT);
        assert_int_equal(why->rule == WN_WHY_NO_CLUSTER, group < 0);
        if (why->rule == WN_WHY_LIMIT && p->pick == WN_PICK_THRESHOLD)
            assert_true((double)x->scores->v[i] < 0.2);
        if (why->rule == WN_WHY_COVERED) {
            assert_int_equal(s->why[why->partner].rule, WN_WHY_KEPT);
            assert_int_equal(s->why[why->partner].cluster, group);
        } else {
            assert_int_equal(why->partner, -1);
            assert_true(isnan(why->similarity));
        }
        if (!why->copies) continue;
        assert_int_equal(s->rows[at], i);
        if (p->random_share == 0) assert_true(s->weights[at] == 1);
        sum += (double)s->weights[at++];
    }
    assert_int_equal(at, size);
    assert_true(fabs(sum - (double)size) < 1e-3 * (double)size);
}

static void every_combination(void **state)
{
    wn_ctx *one = ts_ctx(1, 0);
    inputs x;

    (void)state;
    make(one, &x);
    for (int allocate = WN_SHARE_PROPORTIONAL; allocate <= WN_SHARE_QUOTA; allocate++)
        for (int pick = WN_PICK_RANDOM; pick < WN_PICK_COUNT; pick++)
            for (int variant = 0; variant < 4; variant++) {
                wn_ctx *many = ts_ctx(8, -1);
                wn_select_stratified_params p = params(60, allocate, pick);
                wn_selection *a, *b;
                if (variant == 1) p.random_share = 0.3;
                if (variant == 2) p.cap = 0.5;
                if (variant == 3) {
                    p.size = 0;
                    p.fraction = 0.2;
                }
                x.in.groups = variant % 2 ? NULL : x.labels;
                x.in.tree = variant % 2 ? x.tree : NULL;
                ts_ok(one, wn_select_stratified(one, &x.in, &p, &a));
                ts_ok(many, wn_select_stratified(many, &x.in, &p, &b));
                sound(&x, a, 60, &p);
                assert_memory_equal(a->rows, b->rows, 60 * sizeof *a->rows);
                assert_memory_equal(a->weights, b->weights, 60 * sizeof *a->weights);
                assert_memory_equal(a->why, b->why, N * sizeof *a->why);
                wn_selection_free(a);
                wn_selection_free(b);
                wn_ctx_free(many);
            }
    drop(&x);
    assert_int_equal(wn_ctx_live_bytes(one), 0);
    wn_ctx_free(one);
}

/* From scores alone: the highest are taken. Without a size the limits and the quotas say how many. */
static void by_hand(void **state)
{
    static float score[] = {5, 1, 9, 2, 7, 3, 8, 4};
    static const int64_t class[] = {0, 0, 0, 1, 1, 1, 1, 1};
    int64_t quota[] = {1, 3};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_scores scores = {.ctx = ctx, .n = 8, .v = score};
    wn_select_input in = {.struct_size = sizeof in, .n = 8, .scores = &scores};
    wn_select_stratified_params p = params(3, WN_SHARE_PROPORTIONAL, WN_PICK_TOP);
    wn_labels *groups;
    wn_selection *s;

    (void)state;
    ts_ok(ctx, wn_labels_from_ints(ctx, class, 8, &groups));
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_memory_equal(s->rows, ((int64_t[]){2, 4, 6}), 3 * sizeof *s->rows);
    assert_int_equal(s->why[0].cluster, -1);
    assert_int_equal(s->why[0].rule, WN_WHY_SCORE);
    wn_selection_free(s);

    in.groups = groups;
    p.size = 0;
    p.allocate = WN_SHARE_QUOTA;
    in.quota = quota;
    in.n_quota = 2;
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s)); /* 9; 8 7 4 */
    assert_int_equal(s->size, 4);
    assert_memory_equal(s->rows, ((int64_t[]){2, 4, 6, 7}), 4 * sizeof *s->rows);
    wn_selection_free(s);
    p.size = 2; /* as 1 : 3, so 0.5 and 1.5: the unit left goes by lot */
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_int_equal(s->size, 2);
    assert_true(s->why[6].copies == 1 && s->why[2].copies + s->why[4].copies == 1);
    wn_selection_free(s);

    p = params(0, WN_SHARE_PROPORTIONAL, WN_PICK_THRESHOLD);
    p.min_score = 4;
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_memory_equal(s->rows, ((int64_t[]){0, 2, 4, 6, 7}), 5 * sizeof *s->rows);
    assert_int_equal(s->why[1].rule, WN_WHY_LIMIT);
    wn_selection_free(s);
    p.min_score = 100;
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_int_equal(s->size, 0);
    wn_selection_free(s);
    p.pick = WN_PICK_BAND; /* of three rows the middle one, of five those at 1 to 3 */
    p.band_low = 0.34;
    p.band_high = 0.66;
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_memory_equal(s->rows, ((int64_t[]){0, 4, 5, 7}), 4 * sizeof *s->rows);
    wn_selection_free(s);
    wn_labels_free(groups);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Three heaps on a line; a target beside the third; a wide heap far away is the most complex. */
static void heaps(void **state)
{
    static const float v[] = {0, 1, 2, 0.5f, 10, 10.1f, 10.2f, 10.25f, 100, 110, 120, 130};
    static const float t[] = {101, 125, 9.5f};
    static const int64_t class[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_select_stratified_params p = params(3, WN_SHARE_TARGET, WN_PICK_CLOSEST);
    wn_select_input in = {.struct_size = sizeof in};
    wn_labels *groups;
    wn_pool *pool, *target;
    wn_selection *s;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 12, 1, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, t, 3, 1, WN_F32, WN_L2, &target));
    ts_ok(ctx, wn_labels_from_ints(ctx, class, 12, &groups));
    in.pool = pool;
    in.target = target;
    in.groups = groups;
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s)); /* means 0.875, 10.1375, 115 */
    assert_memory_equal(s->rows, ((int64_t[]){5, 9, 10}), 3 * sizeof *s->rows);
    assert_int_equal(s->why[0].rule, WN_WHY_OFF_TARGET);
    assert_int_equal(s->why[4].rule, WN_WHY_SCORE);
    wn_selection_free(s);
    p.pick = WN_PICK_FARTHEST;
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_memory_equal(s->rows, ((int64_t[]){4, 8, 11}), 3 * sizeof *s->rows);
    wn_selection_free(s);
    /* spread 0.625 x (9.275 + 114.125) / 2 = 38.6, 0.09 x 57.1 = 5, 10 x 109.5 = 1095 */
    p = params(4, WN_SHARE_COMPLEXITY, WN_PICK_K_CENTER);
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_memory_equal(s->rows, ((int64_t[]){8, 9, 10, 11}), 4 * sizeof *s->rows);
    wn_selection_free(s);
    p.floor = 1;
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_int_equal(s->why[8].copies + s->why[9].copies + s->why[10].copies + s->why[11].copies,
                     2);
    wn_selection_free(s);
    p = params(2, WN_SHARE_PROPORTIONAL, WN_PICK_HERDING);
    in.groups = NULL; /* mean 42: 10.25 is nearest to it, then 84 - 10.25 = 73.75 to 100 */
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    assert_memory_equal(s->rows, ((int64_t[]){7, 8}), 2 * sizeof *s->rows);
    wn_selection_free(s);
    wn_labels_free(groups);
    wn_pool_free(pool);
    wn_pool_free(target);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_select_input *in, const wn_select_stratified_params *p,
                    wn_status status, const char *text)
{
    wn_selection *s;

    assert_int_equal(wn_select_stratified(ctx, in, p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void what_is_missing(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_select_stratified_params p = params(5, 0, 0);
    wn_select_input in = {.struct_size = sizeof in, .n = -1};
    inputs x;

    (void)state;
    make(ctx, &x);
    refused(ctx, &in, &p, WN_E_USAGE, "found no rows: give a pool, --scores, --groups or --graph");
    in.pool = x.pool;
    for (int pick = WN_PICK_TOP; pick <= WN_PICK_THRESHOLD; pick++) {
        p.pick = pick;
        refused(ctx, &in, &p, WN_E_USAGE, "which needs scores: give --scores");
    }
    p.pick = WN_PICK_GRAPH_CUT;
    refused(ctx, &in, &p, WN_E_USAGE, "pick is graph-cut, which needs neighbours: give --graph");
    p = params(5, WN_SHARE_EQUAL, 0);
    refused(ctx, &in, &p, WN_E_USAGE,
            "allocate is equal, which needs groups: give --groups or --tree");
    in.groups = x.labels;
    p.allocate = WN_SHARE_TARGET;
    refused(ctx, &in, &p, WN_E_USAGE, "allocate is target, which needs the pool and a target");
    p.allocate = WN_SHARE_QUOTA;
    refused(ctx, &in, &p, WN_E_USAGE, "which needs quotas: give --quota");
    in.quota = x.quota;
    in.n_quota = 3;
    refused(ctx, &in, &p, WN_E_DATA, "found 3 quotas for 7 groups");
    in.n_quota = K;
    x.quota[2] = -4;
    refused(ctx, &in, &p, WN_E_DATA, "the quota of group 2 is -4");
    x.quota[2] = 200;
    p.size = 0;
    refused(ctx, &in, &p, WN_E_DATA, "the quota of group 2 is 200, expected 0 to");
    p.floor = 2;
    refused(ctx, &in, &p, WN_E_USAGE, "so floor and cap have no use");
    p.floor = 0;
    x.quota[2] = 1000;
    refused(ctx, &in, &p, WN_E_DATA, "add up to 1027 but 300 rows are there");
    in.pool = NULL;
    in.scores = x.scores;
    in.n = N;
    p = params(5, 0, WN_PICK_CLOSEST);
    refused(ctx, &in, &p, WN_E_USAGE, "pick is closest, which needs vectors: give the pool");
    p = params(5, WN_SHARE_COMPLEXITY, 0);
    refused(ctx, &in, &p, WN_E_USAGE, "allocate is complexity, which needs vectors");
    in.tree = x.tree;
    refused(ctx, &in, &p, WN_E_USAGE, "found groups and a tree, expected one of them");
    in.tree = NULL;
    p = params(0, 0, 0);
    refused(ctx, &in, &p, WN_E_USAGE, "how many rows? give --size or --fraction");
    p = params(5, 0, 0);
    p.fraction = 0.5;
    refused(ctx, &in, &p, WN_E_USAGE, "found size 5 and fraction 0.5, expected one of them");
    p = params(N + 1, 0, 0);
    refused(ctx, &in, &p, WN_E_DATA, "size is 301 but 300 rows are there");
    p = params(N, 0, 0); /* ten rows are in no group */
    refused(ctx, &in, &p, WN_E_DATA, "size is 300 but 290 rows are there");
    p = params(5, 0, WN_PICK_BAND);
    p.band_low = 0.8;
    refused(ctx, &in, &p, WN_E_USAGE, "band_low is 0.8, above band_high 0.75");
    drop(&x);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Rows in no group, groups that are all one point, values whose squares overflow. */
static void hopeless(void **state)
{
    enum { ROWS = 40 };
    static float v[ROWS * D];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_select_stratified_params p = params(5, 0, 0);
    wn_select_input in = {.struct_size = sizeof in};
    int64_t class[ROWS];
    wn_labels *none, *two;
    wn_selection *s;
    wn_pool *pool;

    (void)state;
    for (int i = 0; i < ROWS; i++)
        class[i] = -1;
    ts_ok(ctx, wn_labels_from_ints(ctx, class, ROWS, &none));
    for (int i = 0; i < ROWS; i++)
        class[i] = i % 2;
    ts_ok(ctx, wn_labels_from_ints(ctx, class, ROWS, &two));
    ts_ok(ctx, wn_pool_wrap(ctx, v, ROWS, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    in.groups = none;
    refused(ctx, &in, &p, WN_E_DATA, "no row is there to choose from: all are in no group");
    wn_labels_free(none);
    for (int i = 0; i < ROWS; i++)
        class[i] = 7;
    ts_ok(ctx, wn_labels_from_ints(ctx, class, ROWS, &none));
    in.groups = none;
    refused(ctx, &in, &p, WN_E_DATA, "all rows are in one group, '7', expected two or more");
    in.groups = two;
    p.allocate = WN_SHARE_COMPLEXITY;
    refused(ctx, &in, &p, WN_E_DATA, "every group has the share 0");
    for (int i = 0; i < ROWS * D; i++)
        v[i] = (i / D % 2 ? 1e25f : -1e25f) * (float)(i % 7 + 1);
    refused(ctx, &in, &p, WN_E_DATA, "so far from others that the distance is not finite");
    p = params(5, 0, WN_PICK_K_CENTER);
    ts_ok(ctx, wn_select_stratified(ctx, &in, &p, &s));
    for (int i = 0; i < ROWS; i++) /* only a copy is at a distance that is finite */
        if (s->why[i].partner != -1)
            assert_memory_equal(v + i * D, v + s->why[i].partner * D, D * sizeof *v);
    wn_selection_free(s);
    wn_pool_free(pool);
    wn_labels_free(none);
    wn_labels_free(two);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void every_allocation_may_fail(void **state)
{
    wn_ctx *made = ts_ctx(1, -1);
    inputs x;

    (void)state;
    make(made, &x);
    for (int pick = WN_PICK_RANDOM; pick < WN_PICK_COUNT; pick++) {
        wn_status st = WN_E_NOMEM;
        for (int64_t fail_at = 0; st != WN_OK; fail_at++) {
            ts_alloc alloc = {.fail_at = fail_at};
            wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
            wn_select_stratified_params p = params(60, pick % 5, pick);
            wn_selection *s = NULL;
            if (pick % 2) p.random_share = 0.5;
            st = wn_select_stratified(ctx, &x.in, &p, &s);
            if (st != WN_OK) {
                assert_int_equal(st, WN_E_NOMEM);
                assert_null(s);
            }
            wn_selection_free(s);
            assert_int_equal(wn_ctx_live_bytes(ctx), 0);
            wn_ctx_free(ctx);
            assert_int_equal(alloc.live, 0);
            assert_in_range(fail_at, 0, 1000);
        }
    }
    drop(&x);
    wn_ctx_free(made);
}

/* What the estimate says is enough, for every pick. */
static void estimates_hold(void **state)
{
    wn_ctx *made = ts_ctx(1, -1);
    const wn_method *method = wn_method_find("select", "stratified");
    const wn_select_ops *ops = method->ops;
    inputs x;

    (void)state;
    make(made, &x);
    ts_ok(made, wn_pool_check(made, x.pool, 1, NULL)); /* that is the family's */
    ts_ok(made, wn_pool_check(made, x.target, 1, NULL));
    for (int pick = WN_PICK_RANDOM; pick < WN_PICK_COUNT; pick++)
        for (int allocate = 0; allocate <= WN_SHARE_QUOTA; allocate++) {
            wn_ctx *ctx = ts_ctx(1, -1);
            wn_select_stratified_params p = params(60, allocate, pick);
            wn_estimate estimate;
            wn_selection *s;
            p.random_share = allocate == 1 ? 0.5 : 0;
            ts_ok(ctx, ops->estimate(ctx, &x.in, &p, &estimate));
            ts_ok(ctx, wn_select_stratified(ctx, &x.in, &p, &s));
            if (wn_ctx_peak_bytes(ctx) > estimate.peak_bytes)
                fail_msg("pick %d allocate %d: %lld bytes, estimated %lld", pick, allocate,
                         (long long)wn_ctx_peak_bytes(ctx), (long long)estimate.peak_bytes);
            wn_selection_free(s);
            wn_ctx_free(ctx);
        }
    drop(&x);
    wn_ctx_free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_combination),
                                       cmocka_unit_test(by_hand),
                                       cmocka_unit_test(heaps),
                                       cmocka_unit_test(what_is_missing),
                                       cmocka_unit_test(hopeless),
                                       cmocka_unit_test(every_allocation_may_fail),
                                       cmocka_unit_test(estimates_hold)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
