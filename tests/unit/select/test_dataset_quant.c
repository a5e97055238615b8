/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_dataset_quant against sums over all pairs on whole numbers, and what bins look like.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"

static wn_selection *run(wn_ctx *ctx, const float *v, int64_t n, int64_t d, int64_t size,
                         int64_t bins, int64_t step, uint64_t seed)
{
    wn_select_input in = {.struct_size = sizeof in};
    wn_select_dataset_quant_params p;
    wn_selection *s;
    wn_pool *pool;

    wn_params_init(wn_method_find("select", "dataset_quant"), &p);
    p.size = size;
    p.bins = bins;
    p.step = step;
    p.seed = seed;
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_L2, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_select_dataset_quant(ctx, &in, &p, &s));
    wn_pool_free(pool);
    return s;
}

static int64_t l2sq(const float *a, const float *b, int64_t d)
{
    int64_t sum = 0;

    for (int64_t j = 0; j < d; j++)
        sum += (int64_t)(a[j] - b[j]) * (int64_t)(a[j] - b[j]);
    return sum;
}

/* Bins by the formula, over all pairs. bin (n). */
static void slow_bins(const float *v, int64_t n, int64_t d, int64_t bins, int64_t step, int *bin)
{
    int64_t *gain = malloc((size_t)n * sizeof *gain);

    for (int64_t i = 0; i < n; i++)
        bin[i] = -1;
    for (int64_t b = 0; b < bins; b++) {
        int64_t room = n / bins + (b < n % bins);
        while (room > 0) {
            int64_t m = wni_min(step, room);
            for (int64_t i = 0; i < n; i++) {
                gain[i] = 0;
                for (int64_t p = 0; bin[i] < 0 && p < n; p++) {
                    if (bin[p] == b) gain[i] += l2sq(v + p * d, v + i * d, d);
                    if (bin[p] == -1) gain[i] -= l2sq(v + p * d, v + i * d, d);
                }
            }
            room -= m;
            for (; m > 0; m--) {
                int64_t best = -1;
                for (int64_t i = 0; i < n; i++)
                    if (bin[i] == -1 && (best < 0 || gain[i] > gain[best])) best = i;
                bin[best] = -2; /* goes in when the step is over */
            }
            for (int64_t i = 0; i < n; i++)
                if (bin[i] == -2) bin[i] = (int)b;
        }
    }
    free(gain);
}

/* Whole numbers with mean 0: everything the method computes is exact, ties included. */
static void bins_as_over_all_pairs(void **state)
{
    enum { N = 90, D = 3 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float v[N * D];
    int bin[N];

    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++)
        for (int64_t bins = 1; bins <= 7; bins += 2)
            for (int64_t step = 1; step <= 13; step += 4) {
                wn_selection *s;
                for (int64_t i = 0; i < N / 2; i++)
                    for (int64_t j = 0; j < D; j++) {
                        float x = (float)(wni_rand_below(seed, 3, (uint64_t)(i * D + j), 13) - 6);
                        v[i * D + j] = x;
                        v[(N - 1 - i) * D + j] = -x;
                    }
                s = run(ctx, v, N, D, 30, bins, step, seed);
                slow_bins(v, N, D, bins, step, bin);
                for (int64_t i = 0; i < N; i++) {
                    assert_int_equal(s->why[i].cluster, bin[i]);
                    assert_int_equal(s->why[i].rule,
                                     s->why[i].copies ? WN_WHY_KEPT : WN_WHY_NOT_DRAWN);
                }
                assert_int_equal(s->size, 30);
                wn_selection_free(s);
            }
    wn_ctx_free(ctx);
}

/* Bins have the same size and give the same share; the first holds the middle of the pool, the last its rim;
 * far from the origin they are the same. */
static void from_the_middle_to_the_rim(void **state)
{
    enum { N = 2003, D = 8, BINS = 10, SIZE = 401 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);
    wn_selection *s = run(ctx, v, N, D, SIZE, BINS, 0, 0), *far;
    double radius[BINS] = {0};
    int64_t rows[BINS] = {0}, got[BINS] = {0}, same = 0;

    (void)state;
    for (int64_t i = 0; i < N; i++) {
        double sum = 0;
        for (int j = 0; j < D; j++)
            sum += (double)v[i * D + j] * (double)v[i * D + j];
        radius[s->why[i].cluster] += sqrt(sum);
        rows[s->why[i].cluster]++;
        got[s->why[i].cluster] += s->why[i].copies;
    }
    for (int b = 0; b < BINS; b++) {
        assert_in_range(rows[b], N / BINS, N / BINS + 1);
        assert_in_range(got[b], SIZE / BINS, SIZE / BINS + 1);
        radius[b] /= (double)rows[b];
    }
    assert_true(radius[0] < 0.8 * radius[BINS - 1]);
    for (int64_t i = 0; i < N * D; i++)
        v[i] += 64;
    far = run(ctx, v, N, D, SIZE, BINS, 0, 0);
    for (int64_t i = 0; i < N; i++)
        same += s->why[i].cluster == far->why[i].cluster;
    assert_true(same > 0.97 * N);
    wn_selection_free(s);
    wn_selection_free(far);
    free(v);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_pool *pool, int64_t size, int64_t bins, wn_status status,
                    const char *text)
{
    wn_select_input in = {.struct_size = sizeof in, .pool = pool};
    wn_select_dataset_quant_params p;
    wn_selection *s;

    wn_params_init(wn_method_find("select", "dataset_quant"), &p);
    p.size = size;
    p.bins = bins;
    assert_int_equal(wn_select_dataset_quant(ctx, &in, &p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    enum { N = 9, D = 2 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_pool *pool, *none;
    wn_selection *s;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 0, D, WN_F32, WN_L2, &none));
    refused(ctx, NULL, 3, 2, WN_E_USAGE, "no pool is given");
    refused(ctx, pool, 10, 2, WN_E_DATA, "size is 10 but 9 rows");
    refused(ctx, pool, 5, 10, WN_E_DATA, "10 bins need as many rows, the pool has 9");
    refused(ctx, none, 1, 1, WN_E_DATA, "no rows to choose from");
    s = run(ctx, v, 1, D, 1, 1, 0, 0);
    assert_int_equal(s->rows[0], 0);
    wn_selection_free(s);
    s = run(ctx, v, N, D, N, N, 5, 0);
    assert_int_equal(s->size, N);
    wn_selection_free(s);
    v[4 * D] = 1e19f;
    refused(ctx, pool, 5, 2, WN_E_DATA, "row 4 lies so far from the mean");
    wn_pool_free(pool);
    wn_pool_free(none);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bins_as_over_all_pairs),
                                       cmocka_unit_test(from_the_middle_to_the_rim),
                                       cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
