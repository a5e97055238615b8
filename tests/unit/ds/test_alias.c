/* SPDX-License-Identifier: Apache-2.0
 *
 * Alias tables: the columns hold exactly what the weights say, and draws follow them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "ds/alias.h"

static uint64_t threshold_of(const wni_alias *a, int64_t i)
{
    const uint32_t *cell = a->cell + i * a->words;

    return (uint64_t)cell[1] << 32 | cell[0];
}

static int64_t alias_of(const wni_alias *a, int64_t i)
{
    const uint32_t *cell = a->cell + i * a->words;

    return a->words == 4 ? (int64_t)((uint64_t)cell[3] << 32 | cell[2]) : cell[2];
}

/* The chance of each entry, added up from the columns in long double; within rounding and n 2^-60 of its share. */
static void columns_hold_the_weights(const wni_alias *a, const float *w)
{
    long double *chance = calloc((size_t)a->n, sizeof *chance), sum = 0;

    for (int64_t i = 0; i < a->n; i++) {
        long double own = (long double)threshold_of(a, i) / (long double)a->total;
        assert_true(threshold_of(a, i) <= a->total);
        assert_in_range(alias_of(a, i), 0, a->n - 1);
        chance[i] += own / (long double)a->n;
        chance[alias_of(a, i)] += (1 - own) / (long double)a->n;
        sum += (long double)w[i];
    }
    for (int64_t i = 0; i < a->n; i++) {
        long double share = (long double)w[i] / sum;
        if (fabsl(chance[i] - share) > 1e-15L + (long double)a->n * 0x1p-60L)
            fail_msg("entry %lld of %lld: %Lg, expected %Lg", (long long)i, (long long)a->n,
                     chance[i], share);
        if (w[i] == 0) assert_true(chance[i] == 0);
        if (w[i] > 0) assert_true(chance[i] > 0);
    }
    free(chance);
}

static void tables_are_exact(void **state)
{
    static const int64_t sizes[] = {1, 2, 3, 10, 101, 5000, 70000};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int shape = 0; shape < 6; shape++)
            for (int words = 0; words <= 4; words += 4) {
                int64_t n = sizes[s];
                float *w = malloc((size_t)n * sizeof *w);
                wni_alias a;
                for (int64_t i = 0; i < n; i++) {
                    double u = wni_rand_unit(3, (uint64_t)shape, (uint64_t)i);
                    w[i] = (float)(shape == 0   ? 1
                                   : shape == 1 ? u
                                   : shape == 2 ? (u < 0.9 ? 0 : u)
                                   : shape == 3 ? 1 / (1e-6 + u * u)
                                   : shape == 4 ? (i == n / 2 ? 1e30 : 1e-30)
                                                : (double)(i % 3 == 0) * 1e-40);
                }
                w[0] = shape == 5 ? 1e-40f : 1; /* not all are 0 */
                ts_ok(ctx, wni_alias_build(ctx, w, n, words, &a));
                columns_hold_the_weights(&a, w);
                wni_alias_free(ctx, &a);
                free(w);
            }
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Both forms of a cell draw the same; frequencies follow the weights; any stretch is part of one sequence. */
static void draws_follow_the_weights(void **state)
{
    enum { N = 50, DRAWS = 200000 };
    float w[N], sum = 0;
    int64_t *rows = malloc(DRAWS * sizeof *rows), *other = malloc(DRAWS * sizeof *rows);
    int64_t count[N] = {0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_alias a, b;
    double chi2 = 0;

    (void)state;
    for (int i = 0; i < N; i++)
        sum += w[i] = i == 7 ? 0 : (float)(1 + i % 10);
    ts_ok(ctx, wni_alias_build(ctx, w, N, 3, &a));
    ts_ok(ctx, wni_alias_build(ctx, w, N, 4, &b));
    wni_alias_draw(&a, 1, 2, 0, DRAWS, rows);
    wni_alias_draw(&b, 1, 2, 0, DRAWS, other);
    assert_memory_equal(rows, other, DRAWS * sizeof *rows);
    for (int64_t at = 0; at < 500; at += 37) {
        wni_alias_draw(&a, 1, 2, at, 130, other);
        assert_memory_equal(rows + at, other, 130 * sizeof *rows);
    }
    for (int i = 0; i < DRAWS; i++)
        count[rows[i]]++;
    assert_int_equal(count[7], 0);
    for (int i = 0; i < N; i++) {
        double each = (double)DRAWS * (double)(w[i] / sum);
        if (each > 0) chi2 += ((double)count[i] - each) * ((double)count[i] - each) / each;
    }
    print_message("chi2 %.1f of 48\n", chi2);
    assert_true(chi2 > 15 && chi2 < 110); /* sd 9.8 */
    wni_alias_free(ctx, &a);
    wni_alias_free(ctx, &b);
    free(rows);
    free(other);
    wn_ctx_free(ctx);
}

static void bad_weights(void **state)
{
    float w[200000] = {0};
    wn_ctx *ctx = ts_ctx(2, -1);
    wni_alias a;

    (void)state;
    assert_int_equal(wni_alias_build(ctx, w, 200000, 0, &a), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "all 200000 weights are 0"));
    w[150000] = -1;
    w[170000] = NAN;
    assert_int_equal(wni_alias_build(ctx, w, 200000, 0, &a), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "entry 150000: found -1, expected a number from 0"));
    w[150000] = INFINITY;
    assert_int_equal(wni_alias_build(ctx, w, 200000, 0, &a), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "entry 150000: found inf"));
    assert_int_equal(wni_alias_bytes(1000), 12000);
    assert_int_equal(wni_alias_bytes((int64_t)1 << 32), (int64_t)16 << 32);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables_are_exact),
                                       cmocka_unit_test(draws_follow_the_weights),
                                       cmocka_unit_test(bad_weights)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
