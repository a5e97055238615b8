/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimal transport against its definition, and planted mixtures that are found again.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "select/sinkhorn.h"

/* ---- transport --------------------------------------------------------------------------------------- */

enum { M = 5, T = 4 };

static void matrix(wn_ctx *ctx, const float *v, int64_t n, int64_t d, wni_mat *out)
{
    ts_ok(ctx, wni_mat_new(ctx, n, d, out));
    for (int64_t i = 0; i < n; i++)
        memcpy(wni_mat_row(out, i), v + i * d, (size_t)d * sizeof *v);
}

/* At the end the plan exp((f + g - C) / eps) a b has the margins a and b, and the value is its cost with the
 * entropy; from any other potentials the dual is lower. */
static void transport_is_what_it_says(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(M, 2, 1), *y = ts_normal(T, 2, 2);
    double a[M], b[T], log_a[M], log_b[T], f[M], g[T] = {0}, value, primal = 0, sum_a = 0;
    const double eps = 0.3;
    wni_mat mx, my;
    wni_costs c;

    (void)state;
    for (int i = 0; i < M; i++)
        sum_a += a[i] = 1 + i;
    for (int i = 0; i < M; i++)
        log_a[i] = log(a[i] /= sum_a);
    for (int j = 0; j < T; j++)
        log_b[j] = log(b[j] = 1.0 / T);
    matrix(ctx, x, M, 2, &mx);
    matrix(ctx, y, T, 2, &my);
    ts_ok(ctx, wni_costs_new(ctx, &mx, &my, 2, &c));
    for (int i = 0; i < M; i++)
        for (int j = 0; j < T; j++) {
            double dx = x[2 * i] - y[2 * j], dy = x[2 * i + 1] - y[2 * j + 1];
            assert_float_equal(c.rows[i * T + j], 2 * (dx * dx + dy * dy), 1e-4);
            assert_true(c.columns[j * M + i] == c.rows[i * T + j]);
        }
    ts_ok(ctx, wni_sinkhorn(ctx, &c, log_a, log_b, eps, 5000, 1e-12, f, g, &value));
    for (int i = 0; i < M; i++) {
        double margin = 0;
        for (int j = 0; j < T; j++) {
            double cost = c.rows[i * T + j], p = exp((f[i] + g[j] - cost) / eps) * a[i] * b[j];
            margin += p;
            primal += p * cost + eps * p * log(p / (a[i] * b[j]));
        }
        assert_float_equal(margin, a[i], 1e-9);
    }
    for (int j = 0; j < T; j++) {
        double margin = 0;
        for (int i = 0; i < M; i++)
            margin += exp((f[i] + g[j] - (double)c.rows[i * T + j]) / eps) * a[i] * b[j];
        assert_float_equal(margin, b[j], 1e-9);
    }
    assert_float_equal(primal, value, 1e-9);
    wni_costs_free(ctx, &c);
    wni_mat_free(ctx, &mx);
    wni_mat_free(ctx, &my);
    free(x);
    free(y);
    wn_ctx_free(ctx);
}

/* One potential does what two do. */
static void transport_to_itself(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    float *x = ts_normal(M, 3, 4);
    double log_a[M], f[M], g[M] = {0}, h[M] = {0}, value, own;
    wni_mat mx;
    wni_costs c, both;

    (void)state;
    for (int i = 0; i < M; i++)
        log_a[i] = log((1.0 + i) / 15);
    matrix(ctx, x, M, 3, &mx);
    ts_ok(ctx, wni_costs_new(ctx, &mx, NULL, 1, &c));
    ts_ok(ctx, wni_costs_new(ctx, &mx, &mx, 1, &both));
    ts_ok(ctx, wni_sinkhorn(ctx, &both, log_a, log_a, 0.5, 5000, 1e-12, f, g, &value));
    ts_ok(ctx, wni_sinkhorn_self(ctx, &c, log_a, 0.5, 5000, 1e-12, h, &own));
    assert_float_equal(own, value, 1e-8);
    wni_costs_free(ctx, &c);
    wni_costs_free(ctx, &both);
    wni_mat_free(ctx, &mx);
    free(x);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- mixtures ---------------------------------------------------------------------------------------- */

enum { N = 4000, D = 5, SOURCES = 4, TARGETS = 2000 };

/* Source s is N(3 e_s, 1); the target mixes them by `share`. */
static void fill(float *v, int64_t n, uint64_t seed, const double *share, int64_t *of)
{
    float *noise = ts_normal(n, D, seed);

    for (int64_t i = 0; i < n; i++) {
        double u = wni_rand_unit(seed, 77, (uint64_t)i);
        int s = (int)(i % SOURCES);
        if (share)
            for (s = 0; s < SOURCES - 1 && u >= share[s]; s++)
                u -= share[s];
        for (int j = 0; j < D; j++)
            v[i * D + j] = noise[i * D + j] + (j == s ? 3 : 0);
        if (of) of[i] = s;
    }
    free(noise);
}

static wn_select_mixture_projektor_params params(int64_t size)
{
    wn_select_mixture_projektor_params p;

    wn_params_init(wn_method_find("select", "mixture_projektor"), &p);
    p.size = size;
    p.repeats = 2;
    p.tol = 1e-3;
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

static wn_selection *mix(wn_ctx *ctx, const double *share, int64_t size, wn_metric metric)
{
    wn_select_mixture_projektor_params p = params(size);
    float *v = malloc(N * D * sizeof *v), *w = malloc(TARGETS * D * sizeof *w);
    int64_t *of = malloc(N * sizeof *of);
    wn_select_input in = {.struct_size = sizeof in};
    wn_pool *pool, *target;
    wn_labels *groups;
    wn_selection *s;

    fill(v, N, 1, NULL, of);
    fill(w, TARGETS, 2, share, NULL);
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, metric, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, w, TARGETS, D, WN_F32, metric, &target));
    ts_ok(ctx, wn_labels_from_ints(ctx, of, N, &groups));
    in.pool = pool;
    in.target = target;
    in.groups = groups;
    ts_ok(ctx, wn_select_mixture_projektor(ctx, &in, &p, &s));
    for (int64_t i = 0; i < N; i++)
        assert_int_equal(s->why[i].cluster, of[i]);
    wn_labels_free(groups);
    wn_pool_free(pool);
    wn_pool_free(target);
    free(v);
    free(w);
    free(of);
    return s;
}

/* The shares of a known mixture come back within 0.06, under both metrics. */
static void planted_shares_are_found(void **state)
{
    static const double shares[][SOURCES] = {
        {0.25, 0.25, 0.25, 0.25}, {0.6, 0.3, 0.1, 0}, {0, 0, 1, 0}};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (size_t c = 0; c < 3; c++)
        for (int metric = c == 1 ? 0 : 1; metric < 2; metric++) {
            wn_selection *s = mix(ctx, shares[c], 800, (wn_metric)metric);
            double sum = 0;
            int64_t taken = 0;
            for (int g = 0; g < SOURCES; g++) {
                char name[2] = {(char)('0' + g), 0};
                double weight = note(s, "weight", name);
                assert_float_equal(weight, shares[c][g], 0.06);
                assert_float_equal(note(s, "taken", name), weight * 800, 1);
                taken += (int64_t)note(s, "taken", name);
                sum += weight;
            }
            assert_float_equal(sum, 1, 1e-9);
            assert_int_equal(taken, 800);
            assert_int_equal(s->size, 800);
            assert_true(note(s, "gap", NULL) <= 0.0015);
            assert_true(note(s, "divergence", NULL) < 0.05);
            wn_selection_free(s);
        }
    wn_ctx_free(ctx);
}

/* What a source cannot give goes to the others that the target wants. */
static void full_sources_overflow(void **state)
{
    static const double share[SOURCES] = {0.5, 0.5, 0, 0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_selection *s = mix(ctx, share, 2200, WN_L2);

    (void)state;
    assert_int_equal(s->size, 2200);
    assert_float_equal(note(s, "taken", "0"), 1000, 0);
    assert_float_equal(note(s, "taken", "1"), 1000, 0);
    wn_selection_free(s);
    wn_ctx_free(ctx);
}

static void bad_input(void **state)
{
    enum { ROWS = 30 };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_select_mixture_projektor_params p = params(10);
    int64_t same[ROWS] = {0}, two[ROWS];
    float *v = ts_normal(ROWS, D, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_pool *pool, *empty;
    wn_labels *one, *groups;
    wn_selection *s;

    (void)state;
    for (int i = 0; i < ROWS; i++)
        two[i] = i % 2 ? i % 3 : -1;
    ts_ok(ctx, wn_pool_wrap(ctx, v, ROWS, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 0, D, WN_F32, WN_L2, &empty));
    ts_ok(ctx, wn_labels_from_ints(ctx, same, ROWS, &one));
    ts_ok(ctx, wn_labels_from_ints(ctx, two, ROWS, &groups));
    in.pool = in.target = pool;
    in.groups = one;
    assert_int_equal(wn_select_mixture_projektor(ctx, &in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "all rows are in one group"));
    in.groups = groups;
    in.target = empty;
    assert_int_equal(wn_select_mixture_projektor(ctx, &in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "the target has no rows"));
    in.target = pool;
    p.size = 16;
    assert_int_equal(wn_select_mixture_projektor(ctx, &in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "size is 16 but 15 rows are in a group"));
    p.size = 5;
    for (int i = 0; i < ROWS * D; i++)
        v[i] *= 1e25f;
    assert_int_equal(wn_select_mixture_projektor(ctx, &in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "squared distances overflow"));
    wn_labels_free(one);
    wn_labels_free(groups);
    wn_pool_free(pool);
    wn_pool_free(empty);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transport_is_what_it_says), cmocka_unit_test(transport_to_itself),
        cmocka_unit_test(planted_shares_are_found), cmocka_unit_test(full_sources_overflow),
        cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
