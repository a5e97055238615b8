/* SPDX-License-Identifier: Apache-2.0
 *
 * The methods of `batch` that draw by scores and groups: wni_method_batch_weighted, _balanced, _random_subset,
 * _curriculum. What a batch may hold is checked row by row.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

static wn_sampler *sampler(wn_ctx *ctx, const char *method, const wn_batch_input *in,
                           const void *params)
{
    wn_sampler *s = NULL;

    ts_ok(ctx, wn_sampler_new(ctx, wn_method_find("batch", method), in, params, &s));
    return s;
}

/* All rows of an epoch in order, padded batches apart; returns how many. */
static int64_t epoch_rows(wn_ctx *ctx, const wn_sampler *s, int64_t epoch, int64_t *rows)
{
    int64_t all = 0, count;

    for (int64_t b = 0; b < wn_sampler_batches(s, epoch); b++) {
        ts_ok(ctx, wn_sampler_batch(s, epoch, b, rows + all, &count));
        all += count;
    }
    return all;
}

static void refused(wn_ctx *ctx, const char *method, const wn_batch_input *in, const void *params,
                    wn_status status, const char *text)
{
    wn_sampler *s;

    assert_int_equal(wn_sampler_new(ctx, wn_method_find("batch", method), in, params, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void weighted(void **state)
{
    enum { N = 1000, SIZE = 50000 };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_scores *scores;
    wn_batch_input in = {.struct_size = sizeof in, .n = N};
    wn_batch_weighted_params p;
    int64_t *rows = malloc((SIZE + 256) * sizeof *rows), heavy = 0;
    static const int64_t some[] = {5, 6, 600};
    wn_sampler *s;

    (void)state;
    ts_ok(ctx, wn_scores_new(ctx, N, &scores));
    for (int i = 0; i < N; i++)
        scores->v[i] = i < 500 ? 0 : i < 510 ? 49 : 1; /* half of all on ten rows */
    wn_params_init(wn_method_find("batch", "weighted"), &p);
    refused(ctx, "weighted", &in, &p, WN_E_USAGE, "no scores given");
    in.scores = scores;
    s = sampler(ctx, "weighted", &in, &p);
    assert_int_equal(epoch_rows(ctx, s, 0, rows), N); /* as many as there are */
    wn_sampler_free(s);
    p.draws = SIZE;
    s = sampler(ctx, "weighted", &in, &p);
    assert_int_equal(epoch_rows(ctx, s, 0, rows), SIZE);
    for (int i = 0; i < SIZE; i++) {
        assert_in_range(rows[i], 500, N - 1);
        heavy += rows[i] < 510;
    }
    assert_in_range(heavy, SIZE / 2 - 700, SIZE / 2 + 700); /* sd 112 */
    wn_sampler_free(s);
    in.rows = some; /* of 5, 6 and 600 only the last has a weight */
    in.n_rows = 3;
    p.draws = 10;
    s = sampler(ctx, "weighted", &in, &p);
    assert_int_equal(epoch_rows(ctx, s, 0, rows), 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rows[i], 600);
    wn_sampler_free(s);
    in.n_rows = 2;
    refused(ctx, "weighted", &in, &p, WN_E_DATA, "all 2 weights are 0");
    in.rows = NULL;
    scores->v[17] = -2;
    refused(ctx, "weighted", &in, &p, WN_E_DATA, "entry 17: found -2");
    in.n = N + 1;
    refused(ctx, "weighted", &in, &p, WN_E_DATA, "the scores are of 1000 rows, expected 1001");
    wn_scores_free(scores);
    free(rows);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Groups of 1, 4, 95 rows and none; in every stretch of three draws each group comes once. */
static void balanced(void **state)
{
    enum { N = 110, EPOCHS = 10 };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_labels *groups;
    wn_batch_input in = {.struct_size = sizeof in, .n = N};
    wn_batch_balanced_params p;
    int64_t v[N], rows[N + 256], times[N] = {0};
    wn_sampler *s;

    (void)state;
    for (int i = 0; i < N; i++)
        v[i] = i < 1 ? 3 : i < 5 ? 8 : i < 100 ? 9 : -1;
    ts_ok(ctx, wn_labels_from_ints(ctx, v, N, &groups));
    wn_params_init(wn_method_find("batch", "balanced"), &p);
    p.batch_size = 12;
    refused(ctx, "balanced", &in, &p, WN_E_USAGE, "found 0 of the inputs tree and groups");
    in.groups = groups;
    p.draws = 57;
    s = sampler(ctx, "balanced", &in, &p);
    for (int e = 0; e < EPOCHS; e++) {
        assert_int_equal(epoch_rows(ctx, s, e, rows), 57);
        for (int i = 0; i < 57; i++)
            times[rows[i]]++;
        for (int i = 0; i < 57; i += 3) {
            int seen = 0;
            for (int j = i; j < i + 3; j++)
                seen |= 1 << groups->v[rows[j]];
            assert_int_equal(seen, 7);
        }
    }
    /* 190 turns each: of one row all, of four 47 or 48 each, of 95 exactly two each. */
    assert_int_equal(times[0], 190);
    for (int i = 1; i < 5; i++)
        assert_in_range(times[i], 47, 48);
    for (int i = 5; i < 100; i++)
        assert_int_equal(times[i], 2);
    for (int i = 100; i < N; i++)
        assert_int_equal(times[i], 0);
    wn_sampler_free(s);
    p.draws = 0;
    s = sampler(ctx, "balanced", &in, &p);
    assert_int_equal(epoch_rows(ctx, s, 0, rows), 100);
    wn_sampler_free(s);
    for (int i = 0; i < N; i++)
        groups->v[i] = -1;
    refused(ctx, "balanced", &in, &p, WN_E_DATA, "none of 110 rows is in a group");
    for (int i = 0; i < N; i++)
        groups->v[i] = 2;
    refused(ctx, "balanced", &in, &p, WN_E_DATA, "all rows are in one group, expected two or more");
    groups->v[9] = 3;
    refused(ctx, "balanced", &in, &p, WN_E_DATA, "row 9 has the group 3, expected -1 to 2");
    wn_labels_free(groups);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void random_subset(void **state)
{
    enum { N = 1000 };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_batch_input in = {.struct_size = sizeof in, .n = N};
    wn_batch_random_subset_params p;
    int64_t rows[N + 256];
    int times[N] = {0}, both = 0;
    wn_sampler *s;

    (void)state;
    wn_params_init(wn_method_find("batch", "random_subset"), &p);
    p.fraction = 0.3;
    s = sampler(ctx, "random_subset", &in, &p);
    for (int e = 0; e < 3; e++) {
        assert_int_equal(epoch_rows(ctx, s, e, rows), 300);
        for (int i = 0; i < 300; i++)
            assert_int_equal(times[rows[i]]++, 0); /* three subsets, none overlaps */
    }
    assert_int_equal(epoch_rows(ctx, s, 3, rows), 300);
    for (int i = 0; i < 300; i++)
        both += times[rows[i]];
    assert_in_range(both, 230, 299); /* a new order: 270 expected, sd 4.4 */
    wn_sampler_free(s);
    p.disjoint = 0;
    memset(times, 0, sizeof times);
    s = sampler(ctx, "random_subset", &in, &p);
    for (int e = 0; e < 2; e++) {
        int inside[N] = {0};
        assert_int_equal(epoch_rows(ctx, s, e, rows), 300);
        for (int i = 0; i < 300; i++) {
            assert_int_equal(inside[rows[i]]++, 0);
            times[rows[i]]++;
        }
    }
    both = 0;
    for (int i = 0; i < N; i++)
        both += times[i] == 2;
    assert_in_range(both, 50, 130); /* 90 expected, sd 6.7 */
    wn_sampler_free(s);
    in.n = 100;
    p.fraction = 0.29; /* 0.29 x 100 is a little less than 29 */
    s = sampler(ctx, "random_subset", &in, &p);
    assert_int_equal(epoch_rows(ctx, s, 0, rows), 29);
    wn_sampler_free(s);
    p.fraction = 1e-9; /* never none */
    s = sampler(ctx, "random_subset", &in, &p);
    assert_int_equal(epoch_rows(ctx, s, 0, rows), 1);
    wn_sampler_free(s);
    wn_ctx_free(ctx);
}

static void curriculum(void **state)
{
    enum { N = 200 };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_scores *scores;
    wn_batch_input in = {.struct_size = sizeof in, .n = N};
    wn_batch_curriculum_params p;
    int64_t rows[N + 256];
    wn_sampler *s;

    (void)state;
    ts_ok(ctx, wn_scores_new(ctx, N, &scores));
    for (int i = 0; i < N; i++)
        scores->v[i] = (float)((i * 77) % N / 2); /* each value twice */
    in.scores = scores;
    wn_params_init(wn_method_find("batch", "curriculum"), &p);
    p.start = 0.5;
    p.grow_epochs = 4;
    for (p.easy = 0; p.easy < 2; p.easy++)
        for (p.order = 0; p.order < 2; p.order++)
            for (p.pacing = 0; p.pacing < 2; p.pacing++) {
                /* 200 x (1/2 + e/8); 200 x sqrt(1/4 + 3 e/16) */
                static const int64_t sizes[2][6] = {{100, 125, 150, 175, 200, 200},
                                                    {100, 132, 158, 180, 200, 200}};
                s = sampler(ctx, "curriculum", &in, &p);
                for (int e = 0; e < 6; e++) {
                    int64_t size = sizes[p.pacing][e], rising = 0;
                    int taken[N] = {0};
                    assert_int_equal(epoch_rows(ctx, s, e, rows), size);
                    for (int64_t i = 0; i < size; i++) {
                        float x = scores->v[rows[i]];
                        assert_int_equal(taken[rows[i]]++, 0);
                        assert_true(p.easy ? x <= (float)((size - 1) / 2)
                                           : x >= (float)((N - size) / 2));
                        if (i == 0) continue;
                        rising +=
                            p.easy ? scores->v[rows[i - 1]] <= x : scores->v[rows[i - 1]] >= x;
                        if (p.order && x == scores->v[rows[i - 1]])
                            assert_true(rows[i - 1] < rows[i]);
                    }
                    if (p.order)
                        assert_int_equal(rising, size - 1);
                    else
                        assert_in_range(rising, size / 4, 3 * size / 4);
                }
                wn_sampler_free(s);
            }
    wn_params_init(wn_method_find("batch", "curriculum"), &p);
    p.grow_epochs = 2; /* 0.2 + 0.8 / 2 is a little more than 0.6 */
    s = sampler(ctx, "curriculum", &in, &p);
    assert_int_equal(epoch_rows(ctx, s, 1, rows), 120);
    wn_sampler_free(s);
    p.grow_epochs = 0;
    s = sampler(ctx, "curriculum", &in, &p);
    assert_int_equal(epoch_rows(ctx, s, 0, rows), N);
    wn_sampler_free(s);
    wn_scores_free(scores);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(weighted), cmocka_unit_test(balanced),
                                       cmocka_unit_test(random_subset),
                                       cmocka_unit_test(curriculum)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
