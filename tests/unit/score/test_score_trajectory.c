/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_score_el2n, wn_score_forgetting and wn_score_aum: small matrices by hand, and a slow twin.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/support.h"

static wn_scores *run(wn_ctx *ctx, const char *name, const float *v, int64_t n, int64_t t,
                      const void *params)
{
    wn_score_input in = {.struct_size = sizeof in};
    wn_scores *s;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, t, WN_F32, WN_L2, &pool));
    in.losses = pool;
    ts_ok(ctx, wn_score_run(ctx, wn_method_find("score", name), &in, params, &s));
    assert_int_equal(s->n, n);
    wn_pool_free(pool);
    return s;
}

static void el2n_by_hand(void **state)
{
    const float v[] = {1.0f, 0.5f, 0.0f, 0.25f, 0.25f, 1.0f};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_score_el2n_params p;
    wn_scores *s;

    (void)state;
    s = run(ctx, "el2n", v, 2, 3, NULL);
    assert_true(s->v[0] == 0.5f && s->v[1] == 0.5f);
    wn_scores_free(s);
    wn_params_init(wn_method_find("score", "el2n"), &p);
    p.epochs = 2;
    s = run(ctx, "el2n", v, 2, 3, &p);
    assert_true(s->v[0] == 0.75f && s->v[1] == 0.25f);
    wn_scores_free(s);
    p.keep = WN_KEEP_EASY;
    s = run(ctx, "el2n", v, 2, 3, &p);
    assert_true(s->v[0] == -0.75f && s->v[1] == -0.25f);
    wn_scores_free(s);
    wn_ctx_free(ctx);
}

static void forgetting_by_hand(void **state)
{
    const float v[][5] = {{-1, 1, 2, 3, 4},     /* learnt once and for all */
                          {1, -1, 1, -1, 1},    /* forgotten twice */
                          {-1, -1, -1, -1, -1}, /* never learnt */
                          {1, 1, 1, 1, -1},     /* forgotten at the end */
                          {0, 0, 0, 0, 0}};     /* a margin of 0 is not learnt */
    const float want[] = {0, 2, 5, 1, 5};
    const uint8_t flag[] = {0, 1, 2, 1, 2};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_score_forgetting_params p;
    float losses[25];
    wn_scores *s;

    (void)state;
    s = run(ctx, "forgetting", v[0], 5, 5, NULL);
    for (int i = 0; i < 5; i++) {
        assert_true(s->v[i] == want[i]);
        assert_int_equal(s->flags[i], flag[i]);
    }
    assert_string_equal(s->flag_names[2], "never-learnt");
    wn_scores_free(s);
    wn_params_init(wn_method_find("score", "forgetting"), &p);
    p.keep = WN_KEEP_EASY;
    p.values = 1; /* losses: log 2 - margin is below log 2 where the margin is above 0 */
    for (int i = 0; i < 25; i++)
        losses[i] = 0.69315f - v[i / 5][i % 5];
    s = run(ctx, "forgetting", losses, 5, 5, &p);
    for (int i = 0; i < 5; i++)
        assert_true(s->v[i] == -want[i] || (want[i] == 0 && s->v[i] == 0));
    wn_scores_free(s);
    wn_ctx_free(ctx);
}

static void aum_by_hand(void **state)
{
    const float v[] = {-3, 1, 2, 4, 5, 6};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_score_aum_params p;
    wn_scores *s;

    (void)state;
    s = run(ctx, "aum", v, 2, 3, NULL);
    assert_true(s->v[0] == 0 && s->v[1] == 5);
    wn_scores_free(s);
    wn_params_init(wn_method_find("score", "aum"), &p);
    p.epochs = 1;
    p.keep = WN_KEEP_HARD;
    s = run(ctx, "aum", v, 2, 3, &p);
    assert_true(s->v[0] == 3 && s->v[1] == -4);
    wn_scores_free(s);
    wn_ctx_free(ctx);
}

static void count_warning(void *user, wn_log_level level, const char *text)
{
    int *warned = user;

    if (level == WN_LOG_WARN && strstr(text, "losses")) warned[0]++;
}

/* Values that can hardly be margins are asked about; margins are not. */
static void losses_for_margins(void **state)
{
    const float losses[] = {3, 1, 2, 0.5f}, margins[] = {-3, 1, 2, 4};
    int warned = 0;
    wn_ctx_options opt;
    wn_score_aum_params hard;
    wn_score_forgetting_params of_losses;
    wn_ctx *ctx;

    (void)state;
    wn_ctx_options_init(&opt);
    opt.log = count_warning;
    opt.user = &warned;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    wn_params_init(wn_method_find("score", "aum"), &hard);
    hard.keep = WN_KEEP_HARD;
    wn_params_init(wn_method_find("score", "forgetting"), &of_losses);
    of_losses.values = 1;
    wn_scores_free(run(ctx, "aum", margins, 2, 2, NULL));
    wn_scores_free(run(ctx, "aum", margins, 2, 2, &hard));
    wn_scores_free(run(ctx, "forgetting", margins, 2, 2, NULL));
    wn_scores_free(run(ctx, "forgetting", losses, 2, 2, &of_losses));
    assert_int_equal(warned, 0);
    wn_scores_free(run(ctx, "aum", losses, 2, 2, NULL));
    wn_scores_free(run(ctx, "aum", losses, 2, 2, &hard));
    wn_scores_free(run(ctx, "forgetting", losses, 2, 2, NULL));
    assert_int_equal(warned, 3);
    wn_ctx_free(ctx);
}

/* Many rows in many ranges, against counting one by one. */
static void the_slow_twin_agrees(void **state)
{
    enum { N = 20000, T = 17 };
    float *v = ts_normal(N, T, 9);
    wn_ctx *ctx = ts_ctx(3, -1);
    wn_scores *forgotten = run(ctx, "forgetting", v, N, T, NULL),
              *aum = run(ctx, "aum", v, N, T, NULL);

    (void)state;
    for (int i = 0; i < N; i++) {
        int events = 0, ever = 0;
        double sum = 0;
        for (int e = 0; e < T; e++) {
            events += e && v[i * T + e - 1] > 0 && !(v[i * T + e] > 0);
            ever |= v[i * T + e] > 0;
            sum += (double)v[i * T + e];
        }
        assert_true(forgotten->v[i] == (float)(ever ? events : T));
        assert_true(fabs((double)aum->v[i] - sum / T) < 1e-6);
    }
    wn_scores_free(forgotten);
    wn_scores_free(aum);
    free(v);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const char *name, const wn_score_input *in, const void *params,
                    wn_status status, const char *text)
{
    wn_scores *s;

    assert_int_equal(wn_score_run(ctx, wn_method_find("score", name), in, params, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    const float v[] = {1, 2, 3, -0.5f};
    wn_score_input in = {.struct_size = sizeof in};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_score_el2n_params p;
    wn_labels *labels;
    wn_pool *pool;

    (void)state;
    refused(ctx, "el2n", &in, NULL, WN_E_USAGE, "no losses is given");
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, 2, WN_F32, WN_L2, &pool));
    in.losses = pool;
    refused(ctx, "el2n", &in, NULL, WN_E_DATA, "row 1 has -0.5 in column 1");
    wn_params_init(wn_method_find("score", "el2n"), &p);
    p.epochs = 3;
    refused(ctx, "el2n", &in, &p, WN_E_DATA, "epochs is 3 but the matrix has 2 columns");
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){0, 1, 0}, 3, &labels));
    in.labels = labels;
    refused(ctx, "aum", &in, NULL, WN_E_DATA, "3");
    wn_labels_free(labels);
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(el2n_by_hand),       cmocka_unit_test(forgetting_by_hand),
        cmocka_unit_test(aum_by_hand),        cmocka_unit_test(the_slow_twin_agrees),
        cmocka_unit_test(losses_for_margins), cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests_name("score from trajectories", tests, NULL, NULL);
}
