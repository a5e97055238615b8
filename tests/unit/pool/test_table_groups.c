/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows by the value of a column, against the values as they were written; names found again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "pool/table_groups.h"
#include "support/support.h"

static wn_table *table_of(wn_ctx *ctx, const char *lines)
{
    const char *path = ts_path("t.jsonl");
    wn_table_options opt;
    wn_table *t;

    ts_write_file(path, lines, strlen(lines));
    wn_table_options_init(&opt);
    ts_ok(ctx, wn_table_build(ctx, &path, 1, ":memory:", &opt, &t));
    return t;
}

static void expect(const wni_table_groups *g, int64_t n, const int32_t *group, int64_t groups,
                   const char *const *names)
{
    assert_int_equal(g->groups, groups);
    assert_memory_equal(g->group, group, (size_t)n * sizeof *group);
    assert_int_equal(g->name_start[0], 0);
    for (int64_t i = 0; i < groups; i++) {
        assert_int_equal(g->name_start[i + 1] - g->name_start[i], strlen(names[i]));
        assert_memory_equal(g->names + g->name_start[i], names[i], strlen(names[i]));
        assert_int_equal(wni_table_groups_find(g->names, g->name_start, groups, g->type, names[i]),
                         strchr(names[i], '.') && g->type == WNI_GROUP_REAL ? -2 : i);
    }
}

static int64_t find(const wni_table_groups *g, const char *text)
{
    return wni_table_groups_find(g->names, g->name_start, g->groups, g->type, text);
}

static void texts(void **state)
{
    static const int32_t group[] = {3, 2, -1, 3, 0, 4, 1};
    static const char *const names[] = {"", "a", "ab", "b", "\xc3\xa9"};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t = table_of(ctx, "{\"g\":\"b\"}\n{\"g\":\"ab\"}\n{\"g\":null}\n{\"g\":\"b\"}\n"
                                "{\"g\":\"\"}\n{\"g\":\"\xc3\xa9\"}\n{\"g\":\"a\"}\n");
    wni_table_groups g;

    (void)state;
    ts_ok(ctx, wni_table_groups_read(ctx, t, 0, &g));
    assert_int_equal(g.type, WNI_GROUP_TEXT);
    expect(&g, 7, group, 5, names);
    assert_int_equal(find(&g, "A"), -1);
    assert_int_equal(find(&g, "abc"), -1);
    assert_int_equal(find(&g, "zz\xff"), -1);
    wni_table_groups_free(ctx, &g);
    wn_table_free(t);
    wn_ctx_free(ctx);
}

static void integers(void **state)
{
    static const int32_t group[] = {2, 0, 1, -1, 2};
    static const char *const names[] = {"-7", "0", "900000000000000001"};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t = table_of(ctx, "{\"g\":900000000000000001}\n{\"g\":-7}\n{\"g\":0}\n{}\n"
                                "{\"g\":900000000000000001}\n");
    wni_table_groups g;

    (void)state;
    ts_ok(ctx, wni_table_groups_read(ctx, t, 0, &g));
    assert_int_equal(g.type, WNI_GROUP_INTEGER);
    expect(&g, 5, group, 3, names);
    assert_int_equal(find(&g, "7"), -1);
    assert_int_equal(find(&g, "1"), -1);
    assert_int_equal(find(&g, "-0"), -2);
    assert_int_equal(find(&g, "00"), -2);
    assert_int_equal(find(&g, "-7.0"), -2);
    assert_int_equal(find(&g, " 0"), -2);
    assert_int_equal(find(&g, ""), -2);
    assert_int_equal(find(&g, "-"), -2);
    wni_table_groups_free(ctx, &g);
    wn_table_free(t);
    wn_ctx_free(ctx);
}

/* Doubles that print alike with fewer digits are not one group. */
static void reals(void **state)
{
    static const int32_t group[] = {3, 0, 1, 2, 3, -1};
    static const char *const names[] = {"-3", "0.10000000000000001", "0.10000000000000002", "42"};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t = table_of(ctx, "{\"g\":42.0}\n{\"g\":-3}\n{\"g\":0.1}\n"
                                "{\"g\":0.10000000000000002}\n{\"g\":42}\n{\"g\":null}\n");
    wni_table_groups g;

    (void)state;
    ts_ok(ctx, wni_table_groups_read(ctx, t, 0, &g));
    assert_int_equal(g.type, WNI_GROUP_REAL);
    expect(&g, 6, group, 4, names);
    assert_int_equal(find(&g, "4"), -1);
    assert_int_equal(find(&g, "0.1"), -2);
    wni_table_groups_free(ctx, &g);
    wn_table_free(t);
    wn_ctx_free(ctx);
}

/* Many rows, many names; and no name at all. */
static void many(void **state)
{
    enum { N = 3000, NAMES = 700 };
    char *lines = malloc(N * 64), *p = lines;
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_table_groups g;
    wn_table *t;

    (void)state;
    for (int i = 0; i < N; i++)
        p += sprintf(p, "{\"g\":\"name %d\", \"none\": null, \"x\": 1}\n", i * 11 % NAMES);
    t = table_of(ctx, lines);
    ts_ok(ctx, wni_table_groups_read(ctx, t, wn_table_column_find(t, "g"), &g));
    assert_int_equal(g.groups, NAMES);
    for (int i = 0; i < N; i++) {
        char name[32];
        sprintf(name, "name %d", i * 11 % NAMES);
        assert_int_equal(find(&g, name), g.group[i]);
    }
    wni_table_groups_free(ctx, &g);
    if (wn_table_column_find(t, "none") >= 0) {
        ts_ok(ctx, wni_table_groups_read(ctx, t, wn_table_column_find(t, "none"), &g));
        assert_int_equal(g.groups, 0);
        for (int i = 0; i < N; i++)
            assert_int_equal(g.group[i], -1);
        assert_int_equal(find(&g, "name 1"), -1);
        wni_table_groups_free(ctx, &g);
    }
    wn_table_free(t);
    wn_ctx_free(ctx);
    free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts), cmocka_unit_test(integers),
                                       cmocka_unit_test(reals), cmocka_unit_test(many)};
    int failed;

    ts_tmp();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    ts_tmp_remove();
    return failed;
}
