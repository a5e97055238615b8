/* SPDX-License-Identifier: Apache-2.0
 *
 * curate balanced, in memory: the invariants between its parts, against planted duplicates.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { N = 600, D = 12 };

/* Blobs of very different size, cosine; every tenth row repeats an earlier one byte for byte, and some
 * repeat one nearly. copy_of (N): the row repeated, -1 = none; planted (N): 1 exact, 2 near. */
static float *planted_rows(int64_t *copy_of, int *planted)
{
    float *v = ts_blobs(N, D, 6, 0.4, 77, NULL), *noise = ts_normal(N, D, 5);

    for (int64_t i = 0; i < N; i++) {
        copy_of[i] = -1;
        planted[i] = 0;
        if (i < 20 || (i % 10 != 3 && i % 15 != 7)) continue;
        planted[i] = i % 10 == 3 ? 1 : 2;
        copy_of[i] = (i * 7) % (i / 2) / 10 * 10; /* a number that ends in 0 is never planted ... */
        if (copy_of[i] % 15 == 7) copy_of[i] = 0; /* ... but for these */
        memcpy(v + i * D, v + copy_of[i] * D, D * sizeof *v);
        if (planted[i] == 2)
            for (int j = 0; j < D; j++)
                v[i * D + j] += 1e-3f * noise[i * D + j];
    }
    free(noise);
    return v;
}

static wn_curation *curate(wn_ctx *ctx, const float *v, int64_t n, int64_t d,
                           const wn_curate_balanced_params *params)
{
    wn_curate_input in = {.struct_size = sizeof in};
    wn_curation *c;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_COSINE, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_curate_balanced(ctx, &in, params, &c));
    wn_pool_free(pool);
    return c;
}

static wn_curate_balanced_params some(int64_t size)
{
    wn_curate_balanced_params p;

    wn_params_init(wn_method_find("curate", "balanced"), &p);
    p.size = size;
    p.min_similarity = 0.999;
    p.k = (wn_list){2, {20, 4}};
    p.resample_steps = 2;
    p.max_iter = 8;
    p.seed = 3;
    return p;
}

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;

    for (int j = 0; j < D; j++) {
        ab += (double)a[j] * b[j];
        aa += (double)a[j] * a[j];
        bb += (double)b[j] * b[j];
    }
    return ab / sqrt(aa * bb);
}

static void parts_agree(void **state)
{
    int64_t copy_of[N], counts[WN_WHY_COUNT] = {0}, copies = 0;
    int planted[N];
    float *v = planted_rows(copy_of, planted);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_curate_balanced_params p = some(100);
    wn_curation *c = curate(ctx, v, N, D, &p);
    const wn_selection *s = c->selection;

    (void)state;
    assert_int_equal(s->n, N);
    assert_int_equal(s->size, 100);
    for (int64_t i = 0; i < N; i++) {
        const wn_why *why = &s->why[i];

        assert_in_range(why->rule, 0, WN_WHY_COUNT - 1);
        counts[why->rule]++;
        copies += why->copies;
        assert_int_equal(why->copies > 0, why->rule == WN_WHY_KEPT);
        if (planted[i] == 1) assert_int_equal(why->rule, WN_WHY_EXACT_DUPLICATE);
        if (planted[i] == 2) assert_int_equal(why->rule, WN_WHY_NEAR_DUPLICATE);
        if (why->rule == WN_WHY_EXACT_DUPLICATE || why->rule == WN_WHY_NEAR_DUPLICATE) {
            const wn_why *to;
            assert_in_range(why->partner, 0, i - 1);
            to = &s->why[why->partner];
            if (why->rule == WN_WHY_EXACT_DUPLICATE) {
                assert_memory_equal(v + i * D, v + why->partner * D, D * sizeof *v);
                assert_int_not_equal(to->rule, WN_WHY_EXACT_DUPLICATE);
            } else {
                assert_true(to->rule == WN_WHY_KEPT || to->rule == WN_WHY_QUOTA);
                assert_true(cosine(v + i * D, v + why->partner * D) > p.min_similarity - 1e-6);
                assert_true(fabs(why->similarity - cosine(v + i * D, v + why->partner * D)) < 1e-5);
            }
            assert_int_equal(why->cluster, to->cluster);
        } else {
            assert_int_equal(why->partner, -1);
        }
        assert_in_range(why->cluster, 0, 19);
    }
    assert_true(counts[WN_WHY_EXACT_DUPLICATE] > 30 && counts[WN_WHY_NEAR_DUPLICATE] > 10);
    assert_int_equal(copies, 100);
    assert_int_equal(counts[WN_WHY_EXACT_DUPLICATE], N - c->exact->kept);
    assert_int_equal(counts[WN_WHY_NEAR_DUPLICATE], N - c->near->kept);
    assert_int_equal(counts[WN_WHY_KEPT] + counts[WN_WHY_QUOTA], c->n_left);
    for (int64_t j = 0; j < c->n_left; j++) {
        if (j) assert_true(c->left[j] > c->left[j - 1]);
        assert_int_equal(s->why[c->left[j]].cluster, c->tree->level[0]->labels[j]);
    }
    for (int64_t i = 0; i < s->size; i++) {
        if (i) assert_true(s->rows[i] > s->rows[i - 1]);
        assert_int_equal(s->why[s->rows[i]].rule, WN_WHY_KEPT);
    }
    assert_int_equal(c->tree->levels, 2);
    wn_curation_free(c);
    wn_ctx_free(ctx);
    free(v);
}

/* What one would do by hand with the four parts. */
static void recipe_equals_its_parts(void **state)
{
    float *v = ts_blobs(300, D, 5, 0.3, 12, NULL);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_curate_balanced_params p = some(50);
    wn_hkmeans_params hp;
    wn_select_balanced_params sp;
    wn_cluster_input cin = {.struct_size = sizeof cin};
    wn_select_input sin = {.struct_size = sizeof sin};
    wn_selection *s;
    wn_tree *tree;
    wn_pool *pool;
    wn_curation *c;

    (void)state;
    p.min_similarity = 1; /* nothing is that similar here */
    c = curate(ctx, v, 300, D, &p);
    assert_int_equal(c->n_left, 300);
    ts_ok(ctx, wn_pool_wrap(ctx, v, 300, D, WN_F32, WN_COSINE, &pool));
    wn_params_init(wn_method_find("cluster", "hkmeans"), &hp);
    hp.k = p.k;
    hp.resample_steps = p.resample_steps;
    hp.max_iter = p.max_iter;
    hp.seed = p.seed;
    cin.pool = sin.pool = pool;
    ts_ok(ctx, wn_hkmeans(ctx, &cin, &hp, &tree));
    wn_params_init(wn_method_find("select", "balanced"), &sp);
    sp.size = p.size;
    sp.seed = p.seed;
    sin.tree = tree;
    ts_ok(ctx, wn_select_balanced(ctx, &sin, &sp, &s));
    assert_memory_equal(s->rows, c->selection->rows, (size_t)s->size * sizeof *s->rows);
    assert_memory_equal(s->why, c->selection->why, (size_t)s->n * sizeof *s->why);
    wn_selection_free(s);
    wn_tree_free(tree);
    wn_pool_free(pool);
    wn_curation_free(c);
    wn_ctx_free(ctx);
    free(v);
}

static void same_bytes_everywhere(void **state)
{
    static const int threads[] = {1, 2, 8};
    int64_t copy_of[N];
    int planted[N];
    float *v = planted_rows(copy_of, planted);
    wn_curate_balanced_params p = some(120);
    wn_ctx *first = ts_ctx(1, WN_ISA_BASE);
    wn_curation *a = curate(first, v, N, D, &p);

    (void)state;
    for (int t = 0; t < 3; t++)
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
            wn_ctx *ctx = ts_ctx(threads[t], isa);
            wn_curation *b = curate(ctx, v, N, D, &p);
            assert_int_equal(a->selection->size, b->selection->size);
            assert_memory_equal(a->selection->rows, b->selection->rows,
                                (size_t)b->selection->size * sizeof(int64_t));
            assert_memory_equal(a->selection->weights, b->selection->weights,
                                (size_t)b->selection->size * sizeof(float));
            assert_memory_equal(a->selection->why, b->selection->why, N * sizeof(wn_why));
            wn_curation_free(b);
            wn_ctx_free(ctx);
        }
    p.seed = 4;
    {
        wn_curation *b = curate(first, v, N, D, &p);
        assert_memory_not_equal(a->selection->rows, b->selection->rows,
                                (size_t)b->selection->size * sizeof(int64_t));
        wn_curation_free(b);
    }
    wn_curation_free(a);
    wn_ctx_free(first);
    free(v);
}

/* A chain under the other rule: a partner may be a dropped row, and the cluster is still that of the row at
 * its end. */
static void earlier_rule_chains(void **state)
{
    float v[40 * 2];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_curate_balanced_params p = some(2);
    wn_curation *c;

    (void)state;
    for (int i = 0; i < 40; i++) { /* an arc: neighbours 3 degrees apart, cos 3 = 0.99863 */
        v[2 * i] = (float)cos(i * 3 * 3.14159265358979 / 180);
        v[2 * i + 1] = (float)sin(i * 3 * 3.14159265358979 / 180);
    }
    p.k = (wn_list){1, {1}};
    p.rule = WN_DEDUP_EARLIER;
    p.min_similarity = 0.998;
    p.size = 1;
    c = curate(ctx, v, 40, 2, &p);
    assert_int_equal(c->n_left, 1);
    assert_int_equal(c->selection->rows[0], 0);
    for (int i = 1; i < 40; i++) {
        assert_int_equal(c->selection->why[i].rule, WN_WHY_NEAR_DUPLICATE);
        assert_int_equal(c->selection->why[i].partner, i - 1);
        assert_int_equal(c->selection->why[i].cluster, 0);
    }
    wn_curation_free(c);
    p.rule = WN_DEDUP_GROUPS;
    p.size = 10;
    c = curate(ctx, v, 40, 2, &p);
    assert_true(c->n_left >= 10 && c->n_left <= 20);
    wn_curation_free(c);
    wn_ctx_free(ctx);
}

static void repeats_fill_the_size(void **state)
{
    float *v = ts_normal(5, D, 1);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_curate_balanced_params p = some(12);
    wn_curation *c;
    int64_t copies = 0;

    (void)state;
    p.k = (wn_list){1, {2}};
    p.max_repeat = 3;
    c = curate(ctx, v, 5, D, &p);
    assert_int_equal(c->selection->size, 12);
    for (int i = 0; i < 5; i++) {
        assert_in_range(c->selection->why[i].copies, 1, 3);
        copies += c->selection->why[i].copies;
    }
    assert_int_equal(copies, 12);
    wn_curation_free(c);
    wn_ctx_free(ctx);
    free(v);
}

static void tiny_pools(void **state)
{
    const float v[] = {1, 2, 3, 4};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_curate_balanced_params p;
    wn_curation *c;

    (void)state;
    wn_params_init(wn_method_find("curate", "balanced"), &p);
    p.size = 1;
    c = curate(ctx, v, 1, 4, &p); /* one row */
    assert_int_equal(c->selection->rows[0], 0);
    wn_curation_free(c);
    c = curate(ctx, v, 2, 1, &p); /* one dimension: under cosine both point the same way */
    assert_int_equal(c->n_left, 1);
    assert_int_equal(c->selection->why[1].rule, WN_WHY_NEAR_DUPLICATE);
    wn_curation_free(c);
    wn_ctx_free(ctx);
}

/* Levels asked for that the rows cannot fill: fewer, not an error, also when only the rows left are few. */
static void few_rows_have_few_levels(void **state)
{
    enum { MANY = 4000, DISTINCT = 300 };
    static const struct {
        int64_t n, size;
        int levels, expect;
        int64_t k[3];
    } cases[] = {{60, 30, 2, 1, {1}},       {60, 30, 8, 1, {1}},       {39, 30, 2, 1, {1}},
                 {DISTINCT, 30, 1, 1, {3}}, {DISTINCT, 30, 2, 1, {7}}, {MANY, 30, 3, 1, {7}}};
    float *v = ts_normal(MANY, D, 21);
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int64_t i = DISTINCT; i < MANY; i++)
        memcpy(v + i * D, v + (i % DISTINCT) * D, D * sizeof *v);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wn_curate_balanced_params p = some(cases[i].size);
        wn_curation *c;

        p.k = (wn_list){0};
        p.levels = cases[i].levels;
        c = curate(ctx, v, cases[i].n, D, &p);
        assert_int_equal(c->n_left, cases[i].n < DISTINCT ? cases[i].n : DISTINCT);
        assert_int_equal(c->tree->levels, cases[i].expect);
        for (int t = 0; t < c->tree->levels; t++)
            assert_int_equal(c->tree->level[t]->k, cases[i].k[t]);
        wn_curation_free(c);
    }
    wn_ctx_free(ctx);
    free(v);
}

static void refused(const float *v, int64_t n, const wn_curate_balanced_params *p, wn_status want,
                    const char *const *words)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_curate_input in = {.struct_size = sizeof in};
    wn_curation *c = NULL;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, D, WN_F32, WN_COSINE, &pool));
    in.pool = pool;
    assert_int_equal(wn_curate_balanced(ctx, &in, p, &c), want);
    assert_null(c);
    for (; *words; words++)
        if (!strstr(wn_ctx_error(ctx), *words))
            fail_msg("'%s' is not in: %s", *words, wn_ctx_error(ctx));
    assert_null(strchr(wn_ctx_error(ctx), '\n'));
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void bad_input_is_told(void **state)
{
    int64_t copy_of[N];
    int planted[N];
    float *v = planted_rows(copy_of, planted);
    wn_curate_balanced_params p = some(N + 1);

    (void)state;
    refused(v, N, &p, WN_E_DATA,
            (const char *const[]){"size is 601", "600 rows", "lower --size", "--max-repeat", NULL});
    p = some(N - 1); /* the duplicates are what makes this too many */
    refused(v, N, &p, WN_E_DATA,
            (const char *const[]){"size is 599", "of 600 rows", "exact", "near", "are left",
                                  "raise --min-similarity (0.999)", NULL});
    p = some(10);
    p.k.at[0] = N + 5;
    refused(v, N, &p, WN_E_DATA, (const char *const[]){"k is 605", "600 rows", NULL});
    p.k.at[0] = N - 1;
    refused(v, N, &p, WN_E_DATA, (const char *const[]){"k is 599", "are left", "lower --k", NULL});
    p = some(10);
    p.min_similarity = 2;
    refused(v, N, &p, WN_E_USAGE, (const char *const[]){"min_similarity", NULL});
    p = some(10);
    refused(v, 0, &p, WN_E_DATA, (const char *const[]){"no rows", NULL});
    v[7 * D + 3] = NAN;
    refused(v, N, &p, WN_E_DATA, (const char *const[]){"NaN", "7", NULL});
    memset(v + 7 * D, 0, D * sizeof *v);
    refused(v, N, &p, WN_E_DATA, (const char *const[]){"7", NULL});
    free(v);
}

static void failed_allocations_are_clean(void **state)
{
    float *v = ts_blobs(60, D, 3, 0.3, 2, NULL);
    wn_curate_balanced_params p = some(9);
    int done = 0;

    (void)state;
    memcpy(v + 50 * D, v, D * sizeof *v);
    memcpy(v + 51 * D, v + D, D * sizeof *v);
    v[51 * D] += 1e-4f;
    p.k = (wn_list){2, {4, 2}};
    for (int64_t at = 0; !done; at++) {
        ts_alloc alloc = {.fail_at = at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wn_curate_input in = {.struct_size = sizeof in};
        wn_curation *c = NULL;
        wn_pool *pool = NULL;
        wn_status st = wn_pool_wrap(ctx, v, 60, D, WN_F32, WN_COSINE, &pool);

        in.pool = pool;
        if (st == WN_OK) st = wn_curate_balanced(ctx, &in, &p, &c);
        done = st == WN_OK;
        if (!done) {
            assert_int_equal(st, WN_E_NOMEM);
            assert_null(c);
        }
        wn_curation_free(c);
        wn_pool_free(pool);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
    }
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_agree),
        cmocka_unit_test(recipe_equals_its_parts),
        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(earlier_rule_chains),
        cmocka_unit_test(repeats_fill_the_size),
        cmocka_unit_test(tiny_pools),
        cmocka_unit_test(few_rows_have_few_levels),
        cmocka_unit_test(bad_input_is_told),
        cmocka_unit_test(failed_allocations_are_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
