/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters: defaults, text in and out, bounds, names.
 */
#include <stdio.h>
#include <string.h>

#include "support/support.h"
#include "base/param.h"

#define TRY_PARAMS(P)                                     \
    P(i64, k, 256, 1, 1000000000, "count")                \
    P(i32, steps, 25, 0, 100, "small count")              \
    P(u64, seed, 7, 0, 0, "seed")                         \
    P(f64, tol, 1e-4, 0, 1, "real")                       \
    P(bool, fast, 1, 0, 1, "switch")                      \
    P(choice, pick, 1, "random|closest|far-away", 0, "c") \
    P(list, levels, "30,3", 1, 1000, "list")              \
    P(text, column, "gloss", 0, 63, "text")
WN_PARAM_STRUCT(try_params, TRY_PARAMS);
WN_PARAM_TABLE(try_params, TRY_PARAMS);

static const wn_method method = {.family = "try",
                                 .name = "it",
                                 .params = wni_param_rows,
                                 .n_params = WN_PARAM_COUNT,
                                 .params_bytes = sizeof(try_params)};

static void defaults_come_from_the_list(void **state)
{
    try_params p;

    (void)state;
    wn_params_init(&method, &p);
    assert_int_equal(p.struct_size, sizeof p);
    assert_int_equal(p.k, 256);
    assert_int_equal(p.steps, 25);
    assert_int_equal(p.seed, 7);
    assert_true(p.tol == 1e-4);
    assert_int_equal(p.fast, 1);
    assert_int_equal(p.pick, 1);
    assert_int_equal(p.levels.count, 2);
    assert_int_equal(p.levels.at[0], 30);
    assert_string_equal(p.column, "gloss");
}

static void text_goes_in_and_comes_back(void **state)
{
    static char long_text[WN_TEXT_MAX + 1];
    static const struct {
        const char *name, *in, *out;
    } good[] = {
        {"k", "1024", "1024"},
        {"k", "10K", "10000"},
        {"k", "1.5M", "1500000"},
        {"k", "1e6", "1000000"},
        {"seed", "18446744073709551615", "18446744073709551615"},
        {"tol", "0.1", "0.1"},
        {"tol", "1e-7", "1e-07"},
        {"fast", "no", "false"},
        {"pick", "far-away", "far-away"},
        {"pick", "far_away", "far-away"},
        {"levels", "3000", NULL},
        {"levels", "300,30,3", "300,30,3"},
        {"levels", "", ""},
        {"column", "a b", "a b"},
        {"steps", "0", "0"},
    };
    static const struct {
        const char *name, *in, *says;
    } bad[] = {
        {"k", "0", "expected 1 to"},
        {"k", "1.5", "whole number"},
        {"k", "", "whole number"},
        {"k", "12x", "whole number"},
        {"k", "1e300", "whole number"},
        {"seed", "-1", "whole number"},
        {"tol", "nan", "expected 0 to 1"},
        {"tol", "2", "expected 0 to 1"},
        {"tol", "x", "a number"},
        {"fast", "maybe", "true or false"},
        {"pick", "fa", "one of random|closest|far-away"},
        {"levels", "1,,2", "commas"},
        {"levels", "1,", "commas"},
        {"levels", "0", "expected 1 to"},
        {"levels", "1,2,3,4,5,6,7,8,9", "at most 8"},
        {"levle", "1", "did you mean 'levels'?"},
        {"zzzzzzzz", "1", "has no parameter"},
        {"column", long_text, "at most 1023"},
    };
    wn_ctx *ctx = ts_ctx(1, -1);
    try_params p, before;
    char text[256];

    memset(long_text, 'x', WN_TEXT_MAX);
    (void)state;
    wn_params_init(&method, &p);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!good[i].out) { /* above the bound of an entry */
            assert_int_equal(wn_params_set(ctx, &method, &p, good[i].name, good[i].in), WN_E_USAGE);
            continue;
        }
        ts_ok(ctx, wn_params_set(ctx, &method, &p, good[i].name, good[i].in));
        assert_true(wn_params_text(&method, &p, good[i].name, text, sizeof text) >= 0);
        assert_string_equal(text, good[i].out);
        ts_ok(ctx, wn_params_set(ctx, &method, &p, good[i].name, text));
        ts_ok(ctx, wn_params_check(ctx, &method, &p));
    }
    before = p;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(wn_params_set(ctx, &method, &p, bad[i].name, bad[i].in), WN_E_USAGE);
        if (!strstr(wn_ctx_error(ctx), bad[i].says))
            fail_msg("%s=%s: '%s' lacks '%s'", bad[i].name, bad[i].in, wn_ctx_error(ctx),
                     bad[i].says);
        assert_memory_equal(&p, &before, sizeof p);
    }
    wn_ctx_free(ctx);
}

/* A caller compiled against an older header passes a shorter struct. */
static void shorter_struct_keeps_later_defaults(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    try_params given, full;

    (void)state;
    wn_params_init(&method, &given);
    given.k = 5;
    given.tol = 0.5;
    given.struct_size = offsetof(try_params, tol);
    ts_ok(ctx, wni_params_complete(ctx, &method, &given, &full));
    assert_int_equal(full.k, 5);
    assert_true(full.tol == 1e-4);
    given.struct_size = 0;
    assert_int_equal(wni_params_complete(ctx, &method, &given, &full), WN_E_USAGE);
    given.struct_size = sizeof given;
    given.pick = 9;
    assert_int_equal(wni_params_complete(ctx, &method, &given, &full), WN_E_USAGE);
    ts_ok(ctx, wni_params_complete(ctx, &method, NULL, &full));
    assert_int_equal(full.k, 256);
    wn_ctx_free(ctx);
}

static void nearest_name(void **state)
{
    static const char *const words[] = {"seed", "size", "threads", "min-similarity"};

    (void)state;
    assert_string_equal(wn_nearest("sead", words, 4), "seed");
    assert_string_equal(wn_nearest("sede", words, 4), "seed");
    assert_string_equal(wn_nearest("min-similarty", words, 4), "min-similarity");
    assert_string_equal(wn_nearest("thraeds", words, 4), "threads");
    assert_string_equal(wn_nearest("size", words, 4), "size");
    assert_null(wn_nearest("banana", words, 4));
    assert_null(wn_nearest("", words, 0));
}

static void reals_in_a_text(void **state)
{
    static const char *const bad[] = {"",    ",",    "1,",  "1,,2", "x",
                                      "1;2", "1 ,2", "nan", "inf",  "1,2,3,4"};
    double v[3];

    (void)state;
    assert_int_equal(wni_reals_of_text("0.5", v, 3), 1);
    assert_true(v[0] == 0.5);
    assert_int_equal(wni_reals_of_text("1e-3,-2,0.25", v, 3), 3);
    assert_true(v[0] == 1e-3 && v[1] == -2 && v[2] == 0.25);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(wni_reals_of_text(bad[i], v, 3), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_come_from_the_list),
        cmocka_unit_test(text_goes_in_and_comes_back),
        cmocka_unit_test(shorter_struct_keeps_later_defaults),
        cmocka_unit_test(nearest_name),
        cmocka_unit_test(reals_in_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
