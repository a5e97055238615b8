/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_measure_selection: the same fits made by hand, the intervals worked out apart, repeats, weights, rankings,
 * and a planted case in which the selection must win.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "measure/spread.h"
#include "support/support.h"

#define NEAR(a, b, by) assert_true(fabs((a) - (b)) <= (by))

enum { N = 600, D = 6, K = 4, TRAIN = 400, HELD = 200 };

typedef struct world {
    wn_ctx *ctx;
    float *v;
    wn_pool *pool;
    wn_labels *labels;
    int64_t heldout[HELD];
    wn_measure_input in;
    wn_measure_selection_params p;
} world;

/* Overlapping blobs; rows from TRAIN on are held out; of the others each `flip`-th has a wrong class. */
static void begin(world *w, int flip)
{
    int64_t classes[N];
    int32_t blob[N];

    memset(w, 0, sizeof *w);
    w->ctx = ts_ctx(2, -1);
    w->v = ts_blobs(N, D, K, 1.2, 8, blob);
    for (int64_t i = 0; i < N; i++)
        classes[i] = 10 * ((blob[i] + (flip && i < TRAIN && i % flip == 0)) % K);
    for (int64_t i = 0; i < HELD; i++)
        w->heldout[i] = TRAIN + i;
    ts_ok(w->ctx, wn_labels_from_ints(w->ctx, classes, N, &w->labels));
    ts_ok(w->ctx, wn_pool_wrap(w->ctx, w->v, N, D, WN_F32, WN_L2, &w->pool));
    w->in = (wn_measure_input){.struct_size = sizeof w->in, .pool = w->pool, .labels = w->labels};
    w->in.heldout = w->heldout;
    w->in.n_heldout = HELD;
    wn_params_init(wn_method_find("measure", "selection"), &w->p);
}

static void end(world *w)
{
    wn_labels_free(w->labels);
    wn_pool_free(w->pool);
    wn_ctx_free(w->ctx);
    free(w->v);
}

static wn_measurement *run(world *w, const wn_chosen *chosen, int32_t n)
{
    wn_measurement *m;

    w->in.chosen = chosen;
    w->in.n_chosen = n;
    ts_ok(w->ctx, wn_measure_selection(w->ctx, &w->in, &w->p, &m));
    return m;
}

static double cell(const wn_measurement *m, int64_t row, const char *column)
{
    const wn_value *v = wn_measurement_cell(m, row, column);

    if (!v) fail_msg("no cell %s in row %lld", column, (long long)row);
    return v->x;
}

/* A fit and its share of right answers, straight from the family learn. */
static double by_hand(world *w, const int64_t *rows, int64_t n)
{
    wn_learn_input in = {.struct_size = sizeof in, .pool = w->pool, .labels = w->labels};
    wn_model *model;
    double accuracy;

    in.rows = rows;
    in.n_rows = n;
    ts_ok(w->ctx, wn_learn_logistic(w->ctx, &in, NULL, &model));
    ts_ok(w->ctx, wn_model_accuracy(w->ctx, model, w->pool, w->heldout, 0, HELD, w->labels,
                                    &accuracy, NULL));
    wn_model_free(model);
    return accuracy;
}

static void like_fits_by_hand(void **state)
{
    int64_t rows[60], ranking[60], subset[60], all[TRAIN];
    double random[5], mean = 0;
    wn_chosen chosen = {"mine", ranking, NULL, 60};
    wn_measurement *m;
    world w;

    (void)state;
    begin(&w, 0);
    for (int64_t i = 0; i < 60; i++) {
        rows[i] = 5 * i + 2;
        ranking[59 - i] = rows[i]; /* in any order */
    }
    m = run(&w, &chosen, 1);
    assert_int_equal(m->rows, 1);
    assert_true(cell(m, 0, "accuracy") == by_hand(&w, rows, 60));
    for (int s = 0; s < 5; s++) {
        ts_ok(w.ctx,
              wni_rand_subset(w.ctx, 0, wni_stream("measure-selection", s, 0), TRAIN, 60, subset));
        mean += (random[s] = by_hand(&w, subset, 60)) / 5;
    }
    NEAR(cell(m, 0, "random"), mean, 1e-12);
    NEAR(cell(m, 0, "random_sd"), wni_spread_of(random, 5).sd, 1e-12);
    NEAR(cell(m, 0, "random_high") - mean, 2.7764 * cell(m, 0, "random_sd") / sqrt(5), 1e-12);
    NEAR(cell(m, 0, "difference"), cell(m, 0, "accuracy") - mean, 1e-12);
    NEAR(cell(m, 0, "difference_high") - cell(m, 0, "difference"),
         2.7764 * cell(m, 0, "random_sd") * sqrt(1.2), 1e-12);
    assert_true(isnan(cell(m, 0, "sd")) && isnan(cell(m, 0, "low")));
    assert_true(cell(m, 0, "random_together") > 0.25);
    for (int64_t i = 0; i < TRAIN; i++)
        all[i] = i;
    assert_true(wn_measurement_find(m, NULL, "whole_accuracy")->x == by_hand(&w, all, TRAIN));
    assert_int_equal(wn_measurement_find(m, NULL, "rows_to_train_on")->i, TRAIN);
    assert_int_equal(wn_measurement_find(m, NULL, "rows_to_judge_on")->i, HELD);
    wn_measurement_free(m);
    end(&w);
}

/* Prefixes of a ranking are the selections of that size; one recipe twice has a spread of its own. */
static void budgets_and_repeats(void **state)
{
    int64_t a[50], b[50];
    wn_chosen ranking = {"rank", a, NULL, 50};
    wn_chosen apart[3] = {{"small", a, NULL, 20}, {"twice", a, NULL, 50}, {"twice", b, NULL, 50}};
    wn_measurement *m, *n;
    double values[2];
    wni_spread spread;
    world w;

    (void)state;
    begin(&w, 0);
    for (int64_t i = 0; i < 50; i++) {
        a[i] = (7 * i * i + 3 * i) % 397;
        b[i] = 399 - 3 * i;
    }
    w.p.whole = 0;
    w.p.budgets = (wn_list){2, {20, 50}};
    m = run(&w, &ranking, 1);
    w.p.budgets.count = 0;
    n = run(&w, apart, 3);
    assert_null(wn_measurement_find(m, NULL, "whole_accuracy"));
    assert_int_equal(m->rows, 2);
    assert_int_equal(n->rows, 2);
    assert_true(cell(m, 0, "accuracy") == cell(n, 0, "accuracy"));
    assert_true(cell(m, 0, "random") == cell(n, 0, "random"));
    assert_int_equal(wn_measurement_cell(n, 1, "draws")->i, 2);
    assert_non_null(wn_measurement_find(m, "rank 20", "accuracy"));
    assert_non_null(wn_measurement_find(n, "small", "accuracy"));
    values[0] = cell(m, 1, "accuracy");
    values[1] = 2 * cell(n, 1, "accuracy") - values[0];
    spread = wni_spread_of(values, 2);
    NEAR(cell(n, 1, "sd"), spread.sd, 1e-9);
    NEAR(cell(n, 1, "high") - cell(n, 1, "accuracy"), 12.7062 * spread.sd / sqrt(2), 1e-9);
    wn_measurement_free(m);
    wn_measurement_free(n);
    end(&w);
}

/* A row of weight 2 is a row that stands twice; rows without a class are left out. */
static void weights_are_repeats(void **state)
{
    int64_t once[40], often[60];
    float weights[40];
    wn_chosen chosen[2] = {{"weights", once, weights, 40}, {"repeats", often, NULL, 60}};
    wn_measurement *m;
    world w;

    (void)state;
    begin(&w, 0);
    for (int64_t i = 0, at = 0; i < 40; i++) {
        once[i] = 9 * i + 4;
        weights[i] = i < 20 ? 2 : 1;
        for (int c = 0; c < (i < 20 ? 2 : 1); c++)
            often[at++] = once[i];
    }
    m = run(&w, chosen, 2);
    assert_true(cell(m, 0, "accuracy") == cell(m, 1, "accuracy"));
    assert_true(cell(m, 1, "rows") == 40);
    wn_measurement_free(m);
    w.labels->v[once[0]] = -1;
    m = run(&w, chosen, 2);
    assert_true(cell(m, 0, "rows") == 39);
    assert_int_equal(wn_measurement_find(m, NULL, "rows_to_train_on")->i, TRAIN - 1);
    wn_measurement_free(m);
    end(&w);
}

/* Every second class is wrong: the right ones are the better training set, and the interval says so. */
static void right_labels_beat_chance(void **state)
{
    int64_t right[150], wrong[130];
    wn_chosen chosen[2] = {{"right", right, NULL, 150}, {"wrong", wrong, NULL, 130}};
    wn_measurement *m;
    world w;

    (void)state;
    begin(&w, 2);
    for (int64_t i = 0; i < 150; i++)
        right[i] = 2 * i + 1;
    for (int64_t i = 0; i < 130; i++)
        wrong[i] = 2 * i;
    m = run(&w, chosen, 2);
    assert_true(cell(m, 0, "difference_low") > 0);
    assert_true(cell(m, 1, "difference_high") < 0);
    assert_true(cell(m, 0, "balanced_accuracy") > cell(m, 0, "random_balanced_accuracy"));
    wn_measurement_free(m);
    end(&w);
}

/* Rows of one class teach one answer; so do random rows when there are so few. */
static void one_class_only(void **state)
{
    int64_t rows[10], n = 0, one[] = {7}, of_class = 0;
    wn_chosen chosen[2] = {{"class", rows, NULL, 10}, {"row", one, NULL, 1}};
    wn_measurement *m;
    world w;

    (void)state;
    begin(&w, 0);
    for (int64_t i = 0; i < TRAIN && n < 10; i++)
        if (w.labels->v[i] == 2) rows[n++] = i;
    for (int64_t i = TRAIN; i < N; i++)
        of_class += w.labels->v[i] == 2;
    m = run(&w, chosen, 2);
    assert_true(cell(m, 0, "accuracy") == (double)of_class / HELD);
    assert_true(cell(m, 0, "balanced_accuracy") == 0.25);
    NEAR(cell(m, 1, "random_balanced_accuracy"), 0.25, 1e-12);
    assert_true(cell(m, 1, "random_together") > 0.1);
    wn_measurement_free(m);
    end(&w);
}

/* Other rows to judge on; their classes go by name, whatever their numbers. */
static void a_test_pool(void **state)
{
    int64_t rows[80], values[HELD];
    wn_chosen chosen = {"mine", rows, NULL, 80};
    wn_measurement *m, *n;
    wn_pool *test;
    wn_labels *names;
    world w;

    (void)state;
    begin(&w, 0);
    for (int64_t i = 0; i < 80; i++)
        rows[i] = 3 * i;
    m = run(&w, &chosen, 1);
    for (int64_t i = 0; i < HELD; i++)
        values[i] = w.labels->values[w.labels->v[TRAIN + i]];
    values[0] = 5; /* one more class than the pool has: 10 20 30 are numbered 2 3 4 there */
    ts_ok(w.ctx, wn_labels_from_ints(w.ctx, values, HELD, &names));
    ts_ok(w.ctx, wn_pool_wrap(w.ctx, w.v + TRAIN * D, HELD, D, WN_F32, WN_L2, &test));
    w.in.heldout = NULL;
    w.in.n_heldout = 0;
    w.in.test = test;
    w.in.test_labels = names;
    n = run(&w, &chosen, 1);
    assert_int_equal(wn_measurement_find(n, NULL, "rows_to_judge_on")->i, HELD - 1);
    NEAR(cell(n, 0, "accuracy") * (HELD - 1), cell(m, 0, "accuracy") * HELD, 1.001);
    wn_measurement_free(m);
    wn_measurement_free(n);
    wn_labels_free(names);
    wn_pool_free(test);
    end(&w);
}

static void spreads(void **state)
{
    static const double a[] = {1, 2, 3, 4}, b[] = {10, 10.5, 11, 11.5, 14};
    wni_spread s = wni_spread_of(a, 4), t = wni_spread_of(b, 5);

    (void)state;
    NEAR(s.mean, 2.5, 1e-15);
    NEAR(s.sd, sqrt(5.0 / 3), 1e-15);
    NEAR(wni_spread_half(&s), 3.1824 * sqrt(5.0 / 3) / 2, 1e-12);
    /* Welch: se 0.948683, df 6.99 */
    NEAR(wni_spread_apart(&s, &t), 2.4469 * sqrt(5.0 / 12 + t.sd * t.sd / 5), 1e-12);
    NEAR(wni_student(31), 2.0395, 1e-4);
    NEAR(wni_student(60), 2.0003, 1e-4);
    NEAR(wni_student(1000000), 1.95997, 1e-5);
    assert_true(isnan(wni_spread_of(a, 1).sd));
}

static void refused(world *w, wn_status want, const char *mentions)
{
    wn_measurement *m = NULL;

    assert_int_equal(wn_measure_selection(w->ctx, &w->in, &w->p, &m), want);
    assert_null(m);
    if (!strstr(wn_ctx_error(w->ctx), mentions))
        fail_msg("no '%s' in: %s", mentions, wn_ctx_error(w->ctx));
}

static void bad_input(void **state)
{
    int64_t rows[] = {1, 2, 3, 4, 401};
    wn_chosen chosen = {"mine", rows, NULL, 5};
    world w;

    (void)state;
    begin(&w, 0);
    w.in.chosen = &chosen;
    w.in.n_chosen = 1;
    refused(&w, WN_E_DATA, "the selection mine has row 401, which is held out");
    chosen.n = 4;
    w.p.budgets = (wn_list){1, {5}};
    refused(&w, WN_E_DATA, "the budget 5 is more than the 4 rows");
    w.p.budgets.at[0] = 3;
    refused(&w, WN_E_DATA, "ascending order, so its first 3 are no choice");
    w.p.budgets.count = 0;
    w.in.test = w.pool;
    refused(&w, WN_E_USAGE, "--test needs --test-labels");
    w.in.test_labels = w.labels;
    refused(&w, WN_E_USAGE, "found --heldout and --test");
    w.in.test = NULL;
    w.in.test_labels = NULL;
    w.in.heldout = NULL;
    w.in.n_heldout = 0;
    refused(&w, WN_E_USAGE, "nothing to judge on");
    w.in.heldout = w.heldout;
    w.in.n_heldout = HELD;
    {
        int64_t same[TRAIN + HELD] = {0};
        wn_labels *one, *both = w.labels;
        ts_ok(w.ctx, wn_labels_from_ints(w.ctx, same, TRAIN + HELD, &one));
        w.in.labels = one;
        refused(&w, WN_E_DATA, "all labels are of class '0', expected two classes or more");
        w.in.labels = both;
        wn_labels_free(one);
    }
    for (int64_t i = 0; i < HELD; i++)
        w.labels->v[TRAIN + i] = -1;
    refused(&w, WN_E_DATA, "none of the 200 rows to judge on has a class");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_fits_by_hand),
        cmocka_unit_test(budgets_and_repeats),
        cmocka_unit_test(weights_are_repeats),
        cmocka_unit_test(right_labels_beat_chance),
        cmocka_unit_test(one_class_only),
        cmocka_unit_test(a_test_pool),
        cmocka_unit_test(spreads),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
