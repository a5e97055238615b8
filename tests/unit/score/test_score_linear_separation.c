/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_score_linear_separation on planted noise of two kinds, and the mixture of two normals under it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "score/two_normals.h"
#include "support/support.h"

static void the_mixture_finds_its_parts(void **state)
{
    enum { N = 20000 };
    float *v = ts_normal(N, 1, 2);
    wni_two_normals m;

    (void)state;
    for (int i = 0; i < N; i++)
        v[i] = i % 4 ? 0.5f + 0.2f * v[i] : 3 + 0.5f * v[i];
    wni_two_normals_fit(v, N, &m);
    assert_true(fabs(m.mean[0] - 0.5) < 0.02 && fabs(m.mean[1] - 3) < 0.05);
    assert_true(fabs(m.share[0] - 0.75) < 0.01 && fabs(m.share[0] + m.share[1] - 1) < 1e-6);
    assert_true(fabs(sqrt(m.variance[0]) - 0.2) < 0.02);
    assert_true(fabs(sqrt(m.variance[1]) - 0.5) < 0.05);
    for (double x = -5, before = 2; x < 9; x += 0.01) {
        double p = wni_two_normals_low(&m, x);
        assert_true(p >= 0 && p <= 1 && p <= before);
        before = p;
    }
    assert_true(wni_two_normals_low(&m, 0.5) > 0.999 && wni_two_normals_low(&m, 3) < 0.001);
    for (int i = 0; i < N; i++)
        v[i] = 7;
    wni_two_normals_fit(v, N, &m);
    assert_true(wni_two_normals_low(&m, 7) == 1);
    v[0] = 8; /* two values */
    wni_two_normals_fit(v, 2, &m);
    assert_true(wni_two_normals_low(&m, 7) > 0.99 && wni_two_normals_low(&m, 8) < 0.01);
    free(v);
}

enum { N = 3000, D = 10, K = 5 };

typedef struct world {
    float *x;
    int64_t *y;
    int8_t *kind; /* 0 clean, 1 wrong label, 2 foreign */
    float *losses;
} world;

/* Blobs of which a fifth has a wrong label, and foreign rows from one side, with labels by chance. */
static world make_world(void)
{
    world w = {NULL, malloc(N * sizeof *w.y), malloc(N), malloc(N * 2 * sizeof *w.losses)};
    int32_t *truth = malloc(N * sizeof *truth);

    w.x = ts_blobs(N, D, K, 0.5, 8, truth);
    for (int i = 0; i < N; i++) {
        double u = wni_rand_unit(6, 1, (uint64_t)i);
        w.kind[i] = (int8_t)(u < 0.2 ? 1 : u < 0.35 ? 2 : 0);
        w.y[i] = truth[i];
        if (w.kind[i]) w.y[i] = (truth[i] + 1 + wni_rand_below(6, 2, (uint64_t)i, K - 1)) % K;
        for (int j = 0; w.kind[i] == 2 && j < D; j++)
            w.x[i * D + j] = 0.5f * w.x[i * D + j] + (j < 2 ? 4 : 0);
        w.losses[2 * i] = (w.kind[i] ? 2 : 0.2f) + 0.1f * (float)(i % 7);
        w.losses[2 * i + 1] = w.losses[2 * i];
    }
    free(truth);
    return w;
}

static void free_world(world *w)
{
    free(w->x);
    free(w->y);
    free(w->kind);
    free(w->losses);
}

static void planted_noise_is_told_apart(void **state)
{
    world w = make_world();
    wn_labels *labels;

    (void)state;
    for (int given = 0; given < 2; given++) {
        wn_score_input in = {.struct_size = sizeof in};
        int64_t table[3][3] = {{0}}, total[3] = {0};
        wn_ctx *ctx = ts_ctx(2, -1);
        wn_pool *pool, *losses;
        wn_scores *s;
        float least_clean = INFINITY;
        int64_t below = 0;
        ts_ok(ctx, wn_labels_from_ints(ctx, w.y, N, &labels));
        ts_ok(ctx, wn_pool_wrap(ctx, w.x, N, D, WN_F32, WN_L2, &pool));
        ts_ok(ctx, wn_pool_wrap(ctx, w.losses, N, 2, WN_F32, WN_L2, &losses));
        in.pool = pool;
        in.labels = labels;
        if (given) in.losses = losses;
        ts_ok(ctx, wn_score_linear_separation(ctx, &in, NULL, &s));
        for (int i = 0; i < N; i++) {
            assert_in_range(s->flags[i], 0, 2);
            table[w.kind[i]][s->flags[i]]++;
            total[w.kind[i]]++;
            assert_true(s->v[i] >= 0 && s->v[i] <= 1);
            if (s->flags[i] == 0 && s->v[i] < least_clean) least_clean = s->v[i];
        }
        for (int kind = 0; kind < 3; kind++)
            print_message("%s losses, kind %d: clean %d noisy %d outlier %d\n",
                          given ? "given" : "own", kind, (int)table[kind][0], (int)table[kind][1],
                          (int)table[kind][2]);
        assert_true(table[0][0] * 100 >= total[0] * 80);
        assert_true(table[1][1] * 100 >= total[1] * 90);
        assert_true(table[2][2] * 100 >= total[2] * 85);
        for (int i = 0; i < N; i++)
            below += w.kind[i] > 0 && s->v[i] < least_clean;
        assert_true(below * 100 >= (total[1] + total[2]) * 90);
        wn_scores_free(s);
        wn_pool_free(pool);
        wn_pool_free(losses);
        wn_labels_free(labels);
        wn_ctx_free(ctx);
    }
    free_world(&w);
}

/* Two folds and four rows of large loss: for some seeds one model would see none of them. */
static void a_kind_in_one_fold(void **state)
{
    enum { ROWS = 24 };
    float x[ROWS], loss[ROWS];
    int64_t y[ROWS];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_score_linear_separation_params p;
    wn_score_input in = {.struct_size = sizeof in};
    wn_labels *labels;
    wn_pool *pool, *losses;
    int inside = 0;

    (void)state;
    for (int i = 0; i < ROWS; i++) {
        y[i] = i % 2;
        x[i] = (float)i;
        loss[i] = i % 6 == 5 ? 5.0f + 0.01f * (float)i : 0.01f * (float)i;
    }
    ts_ok(ctx, wn_labels_from_ints(ctx, y, ROWS, &labels));
    ts_ok(ctx, wn_pool_wrap(ctx, x, ROWS, 1, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, loss, ROWS, 1, WN_F32, WN_L2, &losses));
    in.pool = pool;
    in.labels = labels;
    in.losses = losses;
    wn_params_init(wn_method_find("score", "linear_separation"), &p);
    p.folds = 2;
    for (p.seed = 0; p.seed < 40; p.seed++) {
        int all = 1;
        wn_scores *s;
        ts_ok(ctx, wn_score_linear_separation(ctx, &in, &p, &s));
        for (int i = 0; i < ROWS; i++) /* without a separator the scores are those of the losses */
            all &= fabsf(s->v[i] - (loss[23] - loss[i]) / (loss[23] - loss[0])) < 1e-6f;
        inside += all;
        wn_scores_free(s);
    }
    assert_in_range(inside, 1, 40);
    wn_pool_free(pool);
    wn_pool_free(losses);
    wn_labels_free(labels);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_score_input *in, wn_status status, const char *text)
{
    wn_scores *s;

    assert_int_equal(wn_score_linear_separation(ctx, in, NULL, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    const float x[] = {1, 2, 3, 4, 5, 6};
    wn_score_input in = {.struct_size = sizeof in};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_labels *none, *one, *two;
    wn_pool *pool, *few;

    (void)state;
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){-1, -1, -1, -1, -1, -1}, 6, &none));
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){1, 1, 1, 1, 1, 1}, 6, &one));
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){0, 1, 0, 1, 0, 1}, 6, &two));
    ts_ok(ctx, wn_pool_wrap(ctx, x, 6, 1, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, x, 5, 1, WN_F32, WN_L2, &few));
    in.pool = pool;
    refused(ctx, &in, WN_E_USAGE, "no labels is given");
    in.labels = one;
    refused(ctx, &in, WN_E_DATA, "found 1 class in the labels");
    in.labels = none;
    refused(ctx, &in, WN_E_DATA, "found 0 classes in the labels");
    in.labels = two;
    in.losses = few;
    refused(ctx, &in, WN_E_DATA, "losses are of 5 rows, expected 6");
    wn_pool_free(pool);
    wn_pool_free(few);
    wn_labels_free(none);
    wn_labels_free(one);
    wn_labels_free(two);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_mixture_finds_its_parts),
                                       cmocka_unit_test(planted_noise_is_told_apart),
                                       cmocka_unit_test(a_kind_in_one_fold),
                                       cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests_name("score linear_separation", tests, NULL, NULL);
}
