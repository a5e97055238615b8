/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_filter_net: a target that was planted inside a noisy pool is found again.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { N = 3000, D = 12, PLANTED = 300, TARGET = 150 };

static wn_select_filter_net_params params(int64_t size)
{
    wn_select_filter_net_params p;

    wn_params_init(wn_method_find("select", "filter_net"), &p);
    p.size = size;
    return p;
}

/* Row i of the pool is of the target's kind when i % 10 == 0: shifted along the first two columns. */
static float *noisy_pool(int64_t n, uint64_t seed, int all_planted)
{
    float *v = ts_normal(n, D, seed);

    for (int64_t i = 0; i < n; i++)
        if (all_planted || i % 10 == 0) {
            v[i * D] += 4;
            v[i * D + 1] -= 3.5f;
        }
    return v;
}

/* Of 300 planted among 3,000 at least 90 % come back, by a target and by 60 trusted rows. */
static void planted_target_is_recovered(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = noisy_pool(N, 1, 0), *w = noisy_pool(TARGET, 2, 1);
    int64_t trusted[60];
    wn_pool *pool, *target;

    (void)state;
    for (int64_t i = 0; i < 60; i++)
        trusted[i] = 10 * i;
    for (int metric = 0; metric < 2; metric++)
        for (int by_rows = 0; by_rows < 2; by_rows++) {
            wn_select_input in = {.struct_size = sizeof in};
            wn_select_filter_net_params p = params(PLANTED);
            int64_t found = 0;
            wn_selection *s;
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, (wn_metric)metric, &pool));
            ts_ok(ctx, wn_pool_wrap(ctx, w, TARGET, D, WN_F32, (wn_metric)metric, &target));
            in.pool = pool;
            in.target = by_rows ? NULL : target;
            in.rows = by_rows ? trusted : NULL;
            in.n_rows = by_rows ? 60 : 0;
            ts_ok(ctx, wn_select_filter_net(ctx, &in, &p, &s));
            assert_int_equal(s->size, PLANTED);
            for (int64_t i = 0; i < s->size; i++) {
                found += s->rows[i] % 10 == 0;
                assert_true(s->weights[i] == 1);
            }
            if (found < PLANTED * 9 / 10) fail_msg("%lld of 300 found", (long long)found);
            for (int64_t i = 0; i < N; i++)
                assert_int_equal(s->why[i].rule, s->why[i].copies ? WN_WHY_KEPT : WN_WHY_SCORE);
            wn_selection_free(s);
            wn_pool_free(pool);
            wn_pool_free(target);
        }
    free(v);
    free(w);
    wn_ctx_free(ctx);
}

/* It is the head of `score trusted`: nothing that was dropped scores higher than what was kept. */
static void keeps_the_top_of_the_score(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = noisy_pool(N, 1, 0), *w = noisy_pool(TARGET, 2, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_score_input from = {.struct_size = sizeof from};
    wn_select_filter_net_params p = params(77);
    float least = 1e30f, most = -1e30f;
    double sum = 0;
    int64_t heavier = 0;
    wn_scores *scores;
    wn_selection *s;
    wn_pool *pool, *target;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, w, TARGET, D, WN_F32, WN_L2, &target));
    in.pool = from.pool = pool;
    in.target = from.target = target;
    ts_ok(ctx, wn_score_trusted(ctx, &from, NULL, &scores));
    ts_ok(ctx, wn_select_filter_net(ctx, &in, &p, &s));
    for (int64_t i = 0; i < N; i++) {
        if (s->why[i].copies && scores->v[i] < least) least = scores->v[i];
        if (!s->why[i].copies && scores->v[i] > most) most = scores->v[i];
    }
    assert_true(least >= most);
    wn_selection_free(s);
    /* With a random share the weights say so: they still average 1, and some are above it. */
    p.random_share = 0.2;
    ts_ok(ctx, wn_select_filter_net(ctx, &in, &p, &s));
    for (int64_t i = 0; i < s->size; i++)
        sum += (double)s->weights[i], heavier += s->weights[i] > 1;
    assert_int_equal(s->size, 77);
    assert_float_equal(sum, 77, 1e-3);
    assert_int_equal(heavier, 16); /* a fifth of 77, rounded up */
    wn_selection_free(s);
    wn_scores_free(scores);
    wn_pool_free(pool);
    wn_pool_free(target);
    free(v);
    free(w);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_select_input *in, int64_t size, wn_status status,
                    const char *text)
{
    wn_select_filter_net_params p = params(size);
    wn_selection *s;

    assert_int_equal(wn_select_filter_net(ctx, in, &p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    static const int64_t one[] = {3};
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(20, D, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_pool *pool, *empty;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 20, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 0, D, WN_F32, WN_L2, &empty));
    in.pool = pool;
    refused(ctx, &in, 5, WN_E_USAGE, "found neither, expected either trusted rows or a target");
    in.target = pool;
    in.rows = one;
    in.n_rows = 1;
    refused(ctx, &in, 5, WN_E_USAGE, "found both, expected either");
    in.target = NULL;
    refused(ctx, &in, 21, WN_E_DATA, "size is 21 but 20 rows");
    in.n_rows = 0;
    refused(ctx, &in, 5, WN_E_DATA, "trusted part has no rows");
    in.rows = NULL;
    in.target = empty;
    refused(ctx, &in, 5, WN_E_DATA, "target has no rows");
    wn_pool_free(pool);
    wn_pool_free(empty);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(planted_target_is_recovered),
                                       cmocka_unit_test(keeps_the_top_of_the_score),
                                       cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
