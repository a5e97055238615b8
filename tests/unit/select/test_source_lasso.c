/* SPDX-License-Identifier: Apache-2.0
 *
 * The lasso against its optimality conditions, and planted sources that a target is made of.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "select/lasso.h"

/* At the optimum the slope of every coefficient is lambda against its sign, or within lambda where it is 0. */
static void lasso_is_optimal(void **state)
{
    enum { K = 12, L = 40 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *x = ts_normal(K, L, 3), *noise = ts_normal(1, L, 4), y[L];
    double nu[K], explained, square = 0, left = 0, lambda = 0;
    int32_t sweeps, zeros = 0;

    (void)state;
    for (int j = 0; j < L; j++)
        y[j] = 2 * x[j] - 1.5f * x[5 * L + j] + 0.1f * noise[j];
    ts_ok(ctx, wni_lasso(ctx, x, y, K, L, 0.1, nu, &explained, &sweeps));
    for (int i = 0; i < K; i++) {
        double b = 0;
        for (int j = 0; j < L; j++)
            b += (double)x[i * L + j] * y[j];
        lambda = fabs(b) > lambda ? fabs(b) : lambda;
    }
    lambda *= 0.1;
    for (int i = 0; i < K; i++) {
        double slope = 0;
        for (int j = 0; j < L; j++) {
            double r = y[j];
            for (int m = 0; m < K; m++)
                r -= nu[m] * x[m * L + j];
            slope += x[i * L + j] * r;
            if (i == 0) {
                left += r * r;
                square += (double)y[j] * y[j];
            }
        }
        if (nu[i] != 0)
            assert_float_equal(slope, nu[i] > 0 ? lambda : -lambda, 1e-6);
        else
            assert_true(fabs(slope) <= lambda + 1e-6);
        zeros += nu[i] == 0;
    }
    assert_float_equal(explained, 1 - left / square, 1e-6);
    assert_true(nu[0] > 1.5 && nu[5] < -1);
    assert_in_range(zeros, 5, K - 2);
    ts_ok(ctx, wni_lasso(ctx, x, y, K, L, 1, nu, &explained, &sweeps));
    for (int i = 0; i < K; i++)
        assert_true(fabs(nu[i]) < 1e-9);
    free(x);
    free(noise);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- sources ------------------------------------------------------------------------------------------ */

enum { SOURCES = 5, EACH = 400, N = SOURCES * EACH, D = 10, TARGET = 600 };

typedef struct planted {
    wn_ctx *ctx;
    float *v, *w;
    wn_pool *pool, *target;
    wn_labels *labels, *groups, *target_labels;
    wn_select_input in;
} planted;

/* The class of a row of source s is the sign of column 2 s (with a little of the next one); of the target that
 * of columns 2 and 6 together: sources 1 and 3. */
static void set_up(planted *t, int threads)
{
    int64_t label[N], group[N], of_target[TARGET];

    memset(t, 0, sizeof *t);
    t->ctx = ts_ctx(threads, -1);
    t->v = ts_normal(N, D, 1);
    t->w = ts_normal(TARGET, D, 2);
    for (int64_t i = 0; i < N; i++) {
        int64_t s = i % SOURCES;
        group[i] = s;
        label[i] = t->v[i * D + 2 * s] + 0.2f * t->v[i * D + 2 * s + 1] > 0;
    }
    for (int64_t i = 0; i < TARGET; i++)
        of_target[i] = t->w[i * D + 2] + t->w[i * D + 6] > 0;
    ts_ok(t->ctx, wn_pool_wrap(t->ctx, t->v, N, D, WN_F32, WN_L2, &t->pool));
    ts_ok(t->ctx, wn_pool_wrap(t->ctx, t->w, TARGET, D, WN_F32, WN_L2, &t->target));
    ts_ok(t->ctx, wn_labels_from_ints(t->ctx, label, N, &t->labels));
    ts_ok(t->ctx, wn_labels_from_ints(t->ctx, group, N, &t->groups));
    ts_ok(t->ctx, wn_labels_from_ints(t->ctx, of_target, TARGET, &t->target_labels));
    t->in = (wn_select_input){.struct_size = sizeof t->in,
                              .pool = t->pool,
                              .labels = t->labels,
                              .groups = t->groups,
                              .target = t->target,
                              .target_labels = t->target_labels};
}

static void tear_down(planted *t)
{
    wn_labels_free(t->labels);
    wn_labels_free(t->groups);
    wn_labels_free(t->target_labels);
    wn_pool_free(t->pool);
    wn_pool_free(t->target);
    free(t->v);
    free(t->w);
    wn_ctx_free(t->ctx);
}

static wn_select_source_lasso_params params(int64_t size)
{
    wn_select_source_lasso_params p;

    wn_params_init(wn_method_find("select", "source_lasso"), &p);
    p.size = size;
    p.penalty = 0.1;
    return p;
}

static double note(const wn_selection *s, const char *key, const char *name)
{
    for (int64_t i = 0; i < s->n_notes; i++)
        if (strcmp(s->notes[i].key, key) == 0 &&
            (!name || (s->notes[i].name && strcmp(s->notes[i].name, name) == 0)))
            return s->notes[i].value;
    fail_msg("no note %s %s", key, name ? name : "");
    return 0;
}

static void planted_sources_are_relevant(void **state)
{
    wn_select_source_lasso_params p = params(300);
    wn_selection *s;
    planted t;

    (void)state;
    set_up(&t, 2);
    for (p.power = 1; p.power <= 2; p.power++) {
        double ratio;
        ts_ok(t.ctx, wn_select_source_lasso(t.ctx, &t.in, &p, &s));
        assert_int_equal(s->size, 300);
        assert_true(note(s, "explained", NULL) > 0.6);
        for (int g = 0; g < SOURCES; g++) {
            char name[2] = {(char)('0' + g), 0};
            double relevance = note(s, "relevance", name);
            if (g == 1 || g == 3)
                assert_true(relevance > 0.2);
            else
                assert_true(fabs(relevance) < 0.05);
        }
        assert_true(note(s, "taken", "1") + note(s, "taken", "3") >= 270);
        ratio = note(s, "relevance", "1") / note(s, "relevance", "3");
        if (p.power == 2) ratio *= ratio;
        assert_float_equal(note(s, "taken", "1") / note(s, "taken", "3"), ratio, 0.05);
        wn_selection_free(s);
    }
    /* What the relevant sources cannot give comes from the others; a floor is kept. */
    p = params(1000);
    ts_ok(t.ctx, wn_select_source_lasso(t.ctx, &t.in, &p, &s));
    assert_int_equal(s->size, 1000);
    assert_float_equal(note(s, "taken", "1"), EACH, 0);
    assert_float_equal(note(s, "taken", "3"), EACH, 0);
    wn_selection_free(s);
    p = params(300);
    p.floor = 20;
    ts_ok(t.ctx, wn_select_source_lasso(t.ctx, &t.in, &p, &s));
    assert_true(note(s, "taken", "0") >= 20 && note(s, "taken", "4") >= 20);
    for (int64_t i = 0; i < N; i++)
        assert_int_equal(s->why[i].cluster, i % SOURCES);
    wn_selection_free(s);
    tear_down(&t);
}

/* A source of one class has no task: it is told, and nothing is taken while others have rows. */
static void a_source_without_a_task(void **state)
{
    wn_select_source_lasso_params p = params(200);
    wn_selection *s;
    planted t;

    (void)state;
    set_up(&t, 1);
    for (int64_t i = 0; i < N; i += SOURCES) {
        int32_t *c = &t.labels->v[i];
        t.labels->sizes[*c]--;
        *c = 0;
        t.labels->sizes[0]++;
    }
    ts_ok(t.ctx, wn_select_source_lasso(t.ctx, &t.in, &p, &s));
    assert_float_equal(note(s, "sources_without_task", NULL), 1, 0);
    assert_float_equal(note(s, "relevance", "0"), 0, 0);
    assert_float_equal(note(s, "taken", "0"), 0, 0);
    assert_int_equal(s->why[0].rule, WN_WHY_OFF_TARGET);
    wn_selection_free(s);
    tear_down(&t);
}

static void bad_input(void **state)
{
    wn_select_source_lasso_params p = params(N + 1);
    int64_t other[TARGET], same[N] = {0};
    wn_labels *strange, *one;
    wn_pool *empty;
    wn_selection *s;
    planted t;

    (void)state;
    set_up(&t, 1);
    assert_int_equal(wn_select_source_lasso(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "size is 2001 but 2000 rows"));
    p = params(10);
    for (int64_t i = 0; i < TARGET; i++)
        other[i] = 1 + i % 2;
    ts_ok(t.ctx, wn_labels_from_ints(t.ctx, other, TARGET, &strange));
    t.in.target_labels = strange;
    assert_int_equal(wn_select_source_lasso(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "share 1 class, expected at least 2"));
    t.in.target_labels = t.target_labels;
    ts_ok(t.ctx, wn_labels_from_ints(t.ctx, same, N, &one));
    t.in.groups = one;
    assert_int_equal(wn_select_source_lasso(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "all rows are in one group"));
    t.in.groups = t.groups;
    p.penalty = 1;
    assert_int_equal(wn_select_source_lasso(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "no source has to do with the target"));
    ts_ok(t.ctx, wn_pool_wrap(t.ctx, t.w, 0, D, WN_F32, WN_L2, &empty));
    t.in.target = empty;
    t.in.target_labels = NULL;
    assert_int_equal(wn_select_source_lasso(t.ctx, &t.in, &p, &s), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "target-labels"));
    wn_pool_free(empty);
    wn_labels_free(strange);
    wn_labels_free(one);
    tear_down(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lasso_is_optimal), cmocka_unit_test(planted_sources_are_relevant),
        cmocka_unit_test(a_source_without_a_task), cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
