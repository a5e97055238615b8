/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_measure_coverage against a line of points worked out by hand and against all pairs in double.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/support.h"

static double real(const wn_measurement *m, const char *group, const char *name)
{
    const wn_value *v = wn_measurement_find(m, group, name);

    if (!v) fail_msg("no value %s of %s", name, group ? group : "none");
    return v->x;
}

static wn_measurement *run(wn_ctx *ctx, const float *v, int64_t n, int64_t d, wn_metric metric,
                           const wn_chosen *chosen, int32_t n_chosen, int32_t random)
{
    wn_measure_input in = {.struct_size = sizeof in, .chosen = chosen, .n_chosen = n_chosen};
    wn_measure_coverage_params p;
    wn_measurement *m;
    wn_pool *pool;

    wn_params_init(wn_method_find("measure", "coverage"), &p);
    p.random = random;
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, metric, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_measure_coverage(ctx, &in, &p, &m));
    wn_pool_free(pool);
    return m;
}

static void a_line_by_hand(void **state)
{
    static const float line[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const int64_t ends[] = {9, 0, 9}; /* any order, repeats */
    wn_chosen chosen = {"ends", ends, NULL, 3};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_measurement *m = run(ctx, line, 10, 1, WN_L2, &chosen, 1, 0);

    (void)state;
    /* 0 1 2 3 4 4 3 2 1 0 */
    assert_true(real(m, NULL, "mean") == 2);
    assert_true(real(m, NULL, "q50") == 2);
    assert_true(real(m, NULL, "q90") == 4);
    assert_true(real(m, NULL, "q99") == 4);
    assert_true(real(m, NULL, "max") == 4);
    assert_int_equal(wn_measurement_find(m, NULL, "chosen")->i, 2);
    assert_int_equal(wn_measurement_find(m, NULL, "farthest_row")->i, 4);
    assert_int_equal(m->rows, 1);
    assert_string_equal(wn_measurement_cell(m, 0, "selection")->text, "ends");
    assert_true(wn_measurement_cell(m, 0, "mean")->x == 2);
    assert_null(wn_measurement_cell(m, 0, "random_mean"));
    assert_null(wn_measurement_cell(m, 1, "mean"));
    wn_measurement_free(m);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* mean q50 q90 q99 max */
static void twin(const float *v, int64_t n, int64_t d, wn_metric metric, const int64_t *rows,
                 int64_t m, double stat[5])
{
    double *best = malloc((size_t)n * sizeof *best), sum = 0;
    static const int q[] = {50, 90, 99, 100};

    for (int64_t i = 0; i < n; i++) {
        best[i] = INFINITY;
        for (int64_t j = 0; j < m; j++) {
            double xy = 0, xx = 0, yy = 0, dist;
            for (int64_t c = 0; c < d; c++) {
                double x = (double)v[i * d + c], y = (double)v[rows[j] * d + c];
                xy += x * y;
                xx += x * x;
                yy += y * y;
            }
            dist = metric == WN_COSINE ? 1 - xy / sqrt(xx * yy) : sqrt(fmax(xx + yy - 2 * xy, 0));
            best[i] = fmin(best[i], dist);
        }
        sum += best[i];
    }
    qsort(best, (size_t)n, sizeof *best, by_value);
    stat[0] = sum / (double)n;
    for (int s = 0; s < 4; s++)
        stat[s + 1] = best[(n * q[s] + 99) / 100 - 1];
    free(best);
}

static void like_all_pairs(void **state)
{
    enum { N = 701, D = 17, M = 23 };
    static const char *const names[] = {"mean", "q50", "q90", "q99", "max"};
    static const char *const chance[] = {"random_mean", "random_q50", "random_q90", "random_q99",
                                         "random_max"};
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 9, 0.5, 3, NULL);
    int64_t first[M], second[5] = {700, 3, 3, 8, 8};
    wn_chosen chosen[2] = {{"first", first, NULL, M}, {"second", second, NULL, 5}};

    (void)state;
    for (int i = 0; i < M; i++)
        first[i] = 30 * i + 1;
    for (int metric = 0; metric < 2; metric++) {
        wn_measurement *m = run(ctx, v, N, D, metric, chosen, 2, 2);
        for (int s = 0; s < 2; s++) {
            double want[5], mean[5] = {0};
            int64_t size = wn_measurement_find(m, chosen[s].name, "chosen")->i;
            assert_int_equal(size, s ? 3 : M);
            twin(v, N, D, metric, chosen[s].rows, chosen[s].n, want);
            for (int i = 0; i < 5; i++)
                assert_true(fabs(real(m, chosen[s].name, names[i]) - want[i]) < 1e-5);
            for (int r = 0; r < 2; r++) {
                int64_t subset[M];
                ts_ok(ctx, wni_rand_subset(ctx, 0, wni_stream("measure-coverage", r, 0), N, size,
                                           subset));
                twin(v, N, D, metric, subset, size, want);
                for (int i = 0; i < 5; i++)
                    mean[i] += want[i] / 2;
            }
            for (int i = 0; i < 5; i++)
                assert_true(fabs(real(m, chosen[s].name, chance[i]) - mean[i]) < 1e-5);
        }
        wn_measurement_free(m);
    }
    free(v);
    wn_ctx_free(ctx);
}

/* Chosen rows lie at distance 0 from themselves, also where scores round; so do their duplicates. */
static void all_rows_cover_all(void **state)
{
    enum { N = 60, D = 3 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 4);
    int64_t rows[N];
    wn_chosen chosen = {"all", rows, NULL, N};

    (void)state;
    for (int64_t i = 0; i < N * D; i++)
        v[i] = 1000 + v[i] * 1e-3f;
    for (int64_t i = 0; i < N; i++)
        rows[i] = i;
    for (int metric = 0; metric < 2; metric++) {
        wn_measurement *m = run(ctx, v, N, D, metric, &chosen, 1, 1);
        assert_true(real(m, NULL, "max") == 0);
        assert_true(real(m, NULL, "random_max") == 0);
        wn_measurement_free(m);
    }
    chosen.n = 1;
    for (int metric = 0; metric < 2; metric++) { /* one row of one */
        wn_measurement *m = run(ctx, v, 1, D, metric, &chosen, 1, 1);
        assert_true(real(m, NULL, "mean") == 0);
        wn_measurement_free(m);
    }
    for (int64_t i = 0; i < N; i++)
        memcpy(v + i * D, v, D * sizeof *v);
    for (int metric = 0; metric < 2; metric++) { /* one of many equal ones */
        wn_measurement *m = run(ctx, v, N, D, metric, &chosen, 1, 0);
        assert_true(real(m, NULL, "max") < 1e-6);
        assert_int_equal(wn_measurement_find(m, NULL, "farthest_row")->i >= 0, 1);
        wn_measurement_free(m);
    }
    free(v);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_measure_input *in, wn_status want, const char *mentions)
{
    wn_measurement *m = NULL;

    assert_int_equal(wn_measure_coverage(ctx, in, NULL, &m), want);
    assert_null(m);
    if (!strstr(wn_ctx_error(ctx), mentions))
        fail_msg("no '%s' in: %s", mentions, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    static const float v[6] = {0, 1, 2, 3, 4, 5};
    static const int64_t rows[] = {0, 6};
    static const float weights[] = {1, -1};
    wn_chosen chosen = {"mine", rows, NULL, 2};
    wn_measure_input in = {.struct_size = sizeof in, .chosen = &chosen, .n_chosen = 1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;

    (void)state;
    refused(ctx, &in, WN_E_USAGE, "no pool given");
    ts_ok(ctx, wn_pool_wrap(ctx, v, 6, 1, WN_F32, WN_L2, &pool));
    in.pool = pool;
    refused(ctx, &in, WN_E_DATA, "entry 1 of the selection mine is row 6, expected 0 to 5");
    chosen.n = 0;
    refused(ctx, &in, WN_E_DATA, "the selection mine has no rows");
    chosen = (wn_chosen){"mine", (const int64_t[]){0, 1}, weights, 2};
    refused(ctx, &in, WN_E_DATA, "entry 1 of the selection mine has the weight -1");
    in.chosen = NULL;
    refused(ctx, &in, WN_E_USAGE, "no selection given");
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_by_hand),
        cmocka_unit_test(like_all_pairs),
        cmocka_unit_test(all_rows_cover_all),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
