/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_measure_mixture_proportion: known shares are found again.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"

enum { N = 6000, TARGET = 2000, D = 6 };

static double shift_of(int component)
{
    return component ? 3.5 : 0;
}

/* Rows of the component lie around 3.5 in the first column, the others around 0; row i of the pool is of the
 * component when its number says so. */
static float *rows(int64_t n, uint64_t seed, double share, int64_t *of_component)
{
    float *v = ts_normal(n, D, seed);

    *of_component = 0;
    for (int64_t i = 0; i < n; i++) {
        int component = wni_rand_unit(seed, 9, (uint64_t)i) < share;
        v[i * D] += (float)shift_of(component);
        *of_component += component;
    }
    return v;
}

static double measured(wn_ctx *ctx, double share, wn_metric metric, const wn_scores *bounds,
                       double *truth)
{
    wn_measure_mixture_proportion_params p;
    wn_measure_input in = {.struct_size = sizeof in, .scores = bounds};
    int64_t of_pool, of_target;
    float *v = rows(N, 1, share, &of_pool), *w = rows(TARGET, 2, 1, &of_target);
    wn_pool *pool, *target;
    wn_measurement *m;
    double found;

    wn_params_init(wn_method_find("measure", "mixture_proportion"), &p);
    p.repeats = 2;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, metric, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, w, TARGET, D, WN_F32, metric, &target));
    in.pool = pool;
    in.target = target;
    ts_ok(ctx, wn_measure_mixture_proportion(ctx, &in, &p, &m));
    found = wn_measurement_find(m, NULL, "proportion")->x;
    assert_int_equal(m->rows, 4);
    assert_true(wn_measurement_find(m, NULL, "least")->x <= found);
    assert_true(wn_measurement_find(m, NULL, "most")->x >= found);
    for (int64_t i = 0; i < m->rows; i++) {
        assert_in_range(wn_measurement_cell(m, i, "half")->i, 0, 1);
        assert_true(wn_measurement_cell(m, i, "component_in_bin")->x > 0);
    }
    *truth = (double)of_pool / N;
    wn_measurement_free(m);
    wn_pool_free(pool);
    wn_pool_free(target);
    free(v);
    free(w);
    return found;
}

/* Within 0.05 from 0 to 1, under both metrics (under cosine the two sides overlap more: 0.1). */
static void planted_shares_are_found(void **state)
{
    static const double shares[] = {0, 0.1, 0.3, 0.6, 0.9, 1};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
            double truth, found = measured(ctx, shares[i], (wn_metric)metric, NULL, &truth);
            double error = metric ? 0.1 : 0.05;
            if (found < truth - error || found > truth + error)
                fail_msg("metric %d: found %g of %g", metric, found, truth);
        }
    wn_ctx_free(ctx);
}

/* 70 % of the pool look like the component, but 30 of them are of the rest of the pool: without bounds the
 * share is 0.7, with the bound 4/7 on every row it is 0.4. */
static void bounds_tell_overlap_apart(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    double truth, found;
    wn_scores *bounds;

    (void)state;
    ts_ok(ctx, wn_scores_new(ctx, N, &bounds));
    for (int64_t i = 0; i < N; i++)
        bounds->v[i] = 4.0f / 7;
    found = measured(ctx, 0.7, WN_L2, NULL, &truth);
    assert_float_equal(found, truth, 0.05);
    found = measured(ctx, 0.7, WN_L2, bounds, &truth);
    assert_float_equal(found, truth * 4 / 7, 0.05);
    wn_scores_free(bounds);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_measure_input *in, wn_status status, const char *text)
{
    wn_measurement *m;

    assert_int_equal(wn_measure_mixture_proportion(ctx, in, NULL, &m), status);
    assert_null(m);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(20, D, 1);
    wn_measure_input in = {.struct_size = sizeof in};
    wn_scores *bounds;
    wn_pool *pool, *few, *narrow;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 20, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 3, D, WN_F32, WN_L2, &few));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 20, D - 1, WN_F32, WN_L2, &narrow));
    ts_ok(ctx, wn_scores_new(ctx, 20, &bounds));
    in.pool = pool;
    refused(ctx, &in, WN_E_USAGE, "target");
    in.target = few;
    refused(ctx, &in, WN_E_DATA, "the target has 3 rows, expected at least 4");
    in.target = narrow;
    refused(ctx, &in, WN_E_DATA, "target has rows of 5 columns, the pool of 6");
    in.target = pool;
    in.scores = bounds;
    refused(ctx, &in, WN_E_DATA, "all bounds are 0");
    bounds->v[4] = 1.5f;
    refused(ctx, &in, WN_E_DATA, "the bound of row 4 is 1.5, expected 0 to 1");
    in.pool = few;
    refused(ctx, &in, WN_E_DATA, "scores are of 20 rows, expected 3");
    wn_scores_free(bounds);
    wn_pool_free(pool);
    wn_pool_free(few);
    wn_pool_free(narrow);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(planted_shares_are_found),
                                       cmocka_unit_test(bounds_tell_overlap_apart),
                                       cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
