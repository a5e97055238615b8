/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_measure_balance: entropies known by hand, classes that are missed, rows without a class.
 */
#include <math.h>
#include <string.h>

#include "support/support.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-12)

static double real(const wn_measurement *m, const char *group, const char *name)
{
    const wn_value *v = wn_measurement_find(m, group, name);

    if (!v) fail_msg("no value %s", name);
    return v->x;
}

static wn_measurement *run(wn_ctx *ctx, const int64_t *classes, int64_t n, const wn_chosen *chosen,
                           int32_t n_chosen)
{
    wn_measure_input in = {
        .struct_size = sizeof in, .n = n, .chosen = chosen, .n_chosen = n_chosen};
    wn_labels *labels;
    wn_measurement *m;

    ts_ok(ctx, wn_labels_from_ints(ctx, classes, n, &labels));
    in.labels = labels;
    ts_ok(ctx, wn_measure_balance(ctx, &in, NULL, &m));
    wn_labels_free(labels);
    return m;
}

static void by_hand(void **state)
{
    /* classes 3, 5, 7, 9 with 4, 2, 1, 1 rows: 1.75 bits; one row has none */
    static const int64_t classes[] = {3, 3, 3, 3, 5, 5, 7, 9, -1};
    static const int64_t even[] = {0, 4, 6, 7}, skew[] = {4, 4, 5, 0, 8};
    wn_chosen chosen[2] = {{"even", even, NULL, 4}, {"skew", skew, NULL, 5}};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_measurement *m = run(ctx, classes, 9, chosen, 2);

    (void)state;
    assert_int_equal(wn_measurement_find(m, NULL, "rows")->i, 9);
    assert_int_equal(wn_measurement_find(m, NULL, "rows_without_class")->i, 1);
    assert_int_equal(wn_measurement_find(m, NULL, "classes")->i, 4);
    NEAR(real(m, NULL, "pool_entropy_bits"), 1.75);
    NEAR(real(m, NULL, "pool_evenness"), 1.75 / 2);
    NEAR(real(m, NULL, "pool_largest_share"), 0.5);

    NEAR(real(m, "even", "entropy_bits"), 2);
    NEAR(real(m, "even", "evenness"), 1);
    NEAR(real(m, "even", "largest_share"), 0.25);
    NEAR(real(m, "even", "total_variation"), 0.25);
    /* 1/4 (log 1/2 + log 1 + log 2 + log 2) */
    NEAR(real(m, "even", "divergence_bits"), 0.25);
    assert_int_equal(wn_measurement_find(m, "even", "classes_missed")->i, 0);

    /* 5 three times, 3 once */
    NEAR(real(m, "skew", "entropy_bits"), -0.75 * log2(0.75) + 0.25 * 2);
    NEAR(real(m, "skew", "total_variation"), 0.5);
    NEAR(real(m, "skew", "divergence_bits"), 0.75 * log2(3) + 0.25 * log2(0.5));
    assert_int_equal(wn_measurement_find(m, "skew", "classes_missed")->i, 2);
    assert_int_equal(wn_measurement_find(m, "skew", "chosen")->i, 5);
    assert_int_equal(wn_measurement_find(m, "skew", "chosen_without_class")->i, 1);

    assert_int_equal(m->rows, 8);
    assert_string_equal(wn_measurement_cell(m, 5, "selection")->text, "skew");
    assert_string_equal(wn_measurement_cell(m, 5, "class")->text, "5");
    assert_int_equal(wn_measurement_cell(m, 5, "pool_rows")->i, 2);
    assert_int_equal(wn_measurement_cell(m, 5, "chosen_rows")->i, 3);
    NEAR(wn_measurement_cell(m, 5, "lift")->x, 3);
    NEAR(wn_measurement_cell(m, 6, "lift")->x, 0);
    wn_measurement_free(m);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void edges(void **state)
{
    static const int64_t one[] = {4, 4, 4}, none[] = {-1, -1}, rows[] = {1};
    wn_chosen chosen = {"r", rows, NULL, 1};
    wn_measure_input in = {.struct_size = sizeof in, .n = 2, .chosen = &chosen, .n_chosen = 1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_measurement *m = run(ctx, one, 3, &chosen, 1);
    wn_labels *labels;

    (void)state;
    NEAR(real(m, NULL, "entropy_bits"), 0);
    NEAR(real(m, NULL, "evenness"), 1); /* one class cannot be uneven */
    wn_measurement_free(m);

    ts_ok(ctx, wn_labels_from_ints(ctx, none, 2, &labels));
    in.labels = labels;
    assert_int_equal(wn_measure_balance(ctx, &in, NULL, &m), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no row of the pool has a class"));
    in.n = 3;
    assert_int_equal(wn_measure_balance(ctx, &in, NULL, &m), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "labels are of 2 rows, expected 3"));
    in.labels = NULL;
    assert_int_equal(wn_measure_balance(ctx, &in, NULL, &m), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "no labels given"));
    wn_labels_free(labels);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(edges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
