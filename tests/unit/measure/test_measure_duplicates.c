/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_measure_duplicates against all pairs in double, with planted copies, and its refusals.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/support.h"

enum { N = 500, D = 9 };

static wn_measurement *run(wn_ctx *ctx, const float *v, int64_t n, int64_t d, const char *at,
                           int64_t sample, const wn_chosen *chosen, int32_t n_chosen)
{
    wn_measure_input in = {.struct_size = sizeof in, .chosen = chosen, .n_chosen = n_chosen};
    wn_measure_duplicates_params p;
    wn_measurement *m;
    wn_pool *pool;

    wn_params_init(wn_method_find("measure", "duplicates"), &p);
    snprintf(p.at, sizeof p.at, "%s", at);
    p.sample = sample;
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_L2, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_measure_duplicates(ctx, &in, &p, &m));
    wn_pool_free(pool);
    return m;
}

static double cosine(const float *x, const float *y, int64_t d)
{
    double xy = 0, xx = 0, yy = 0;

    for (int64_t i = 0; i < d; i++) {
        xy += (double)x[i] * (double)y[i];
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
    }
    return xy / sqrt(xx * yy);
}

/* Of judged rows, those with another of rows at least so similar. */
static int64_t twin(const float *v, const int64_t *judged, int64_t m, const int64_t *rows,
                    int64_t n, double at)
{
    int64_t found = 0;

    for (int64_t i = 0; i < m; i++) {
        int hit = 0;
        for (int64_t j = 0; j < n; j++)
            hit |= rows[j] != judged[i] && cosine(v + judged[i] * D, v + rows[j] * D, D) >= at;
        found += hit;
    }
    return found;
}

static void like_all_pairs(void **state)
{
    static const double at[] = {0.999, 0.97, 0.9};
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 20, 0.5, 2, NULL);
    int64_t all[N], half[N / 2], sample[100];
    wn_chosen chosen = {"half", half, NULL, N / 2};
    wn_measurement *m;

    (void)state;
    for (int64_t i = 0; i < 40; i++) /* copies of another length */
        for (int64_t c = 0; c < D; c++)
            v[(N - 1 - i) * D + c] = 3 * v[i * D + c];
    for (int64_t i = 0; i < N; i++)
        all[i] = i;
    for (int64_t i = 0; i < N / 2; i++)
        half[i] = 2 * i;
    m = run(ctx, v, N, D, "0.999,0.97,0.9", 0, NULL, 0);
    assert_int_equal(m->rows, 3);
    for (int a = 0; a < 3; a++)
        assert_int_equal(wn_measurement_cell(m, a, "rows_with_duplicate")->i,
                         twin(v, all, N, all, N, at[a]));
    assert_true(wn_measurement_cell(m, 0, "rows_with_duplicate")->i >= 80);
    wn_measurement_free(m);

    m = run(ctx, v, N, D, "0.999,0.97,0.9", 0, &chosen, 1);
    for (int a = 0; a < 3; a++)
        assert_int_equal(wn_measurement_cell(m, a, "rows_with_duplicate")->i,
                         twin(v, half, N / 2, half, N / 2, at[a]));
    wn_measurement_free(m);

    m = run(ctx, v, N, D, "0.9", 100, NULL, 0);
    ts_ok(ctx, wni_rand_subset(ctx, 0, wni_stream("measure-duplicates", 0, 0), N, 100, sample));
    assert_int_equal(wn_measurement_find(m, NULL, "rows_judged")->i, 100);
    assert_true(wn_measurement_find(m, NULL, "share_at_0.9")->x ==
                (double)twin(v, sample, 100, all, N, 0.9) / 100);
    wn_measurement_free(m);
    free(v);
    wn_ctx_free(ctx);
}

static void edges(void **state)
{
    static const float v[] = {1, 0, 0, 0, 0, 0, 2, 0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_measurement *m = run(ctx, v, 4, 2, "0.999", 0, NULL, 0);

    (void)state;
    assert_int_equal(wn_measurement_find(m, NULL, "rows_without_direction")->i, 2);
    assert_int_equal(wn_measurement_cell(m, 0, "rows_with_duplicate")->i, 2);
    wn_measurement_free(m);
    m = run(ctx, v, 1, 2, "0.5", 0, NULL, 0);
    assert_int_equal(wn_measurement_cell(m, 0, "rows_with_duplicate")->i, 0);
    wn_measurement_free(m);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void bad_cosines(void **state)
{
    static const float v[] = {1, 2};
    static const char *const bad[] = {"",     "0",      "1.5", "-0.5",
                                      "0.9;", "0.9,,1", "x",   "1,1,1,1,1,1,1,1,1"};
    wn_measure_input in = {.struct_size = sizeof in};
    wn_measure_duplicates_params p;
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_measurement *m;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, 1, WN_F32, WN_L2, &pool));
    in.pool = pool;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wn_params_init(wn_method_find("measure", "duplicates"), &p);
        snprintf(p.at, sizeof p.at, "%s", bad[i]);
        assert_int_equal(wn_measure_duplicates(ctx, &in, &p, &m), WN_E_USAGE);
        assert_non_null(strstr(wn_ctx_error(ctx), "numbers above 0 and up to 1"));
    }
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_all_pairs),
        cmocka_unit_test(edges),
        cmocka_unit_test(bad_cosines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
