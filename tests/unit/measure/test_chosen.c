/* SPDX-License-Identifier: Apache-2.0
 *
 * Selections as users give them: one file, a folder, a folder of folders; and what is refused.
 */
#include <string.h>
#include <sys/stat.h>

#include "io/outdir.h"
#include "measure/measure_impl.h"
#include "support/support.h"

static void write_npy(const char *name, const char *descr, size_t item, int64_t n, const void *data)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_out *out;

    ts_ok(ctx, wni_out_begin(ctx, ts_path(name), 1, 1, &out));
    ts_ok(ctx, wni_out_npy(out, NULL, descr, item, &n, 1, data));
    ts_ok(ctx, wni_out_commit(out));
    wn_ctx_free(ctx);
}

static void folder(const char *name)
{
    if (mkdir(ts_path(name), 0777)) fail_msg("cannot make %s", name);
}

static const int64_t rows[] = {7, 2, 2, 9};
static const float weights[] = {1, 0.5f, 0.5f, 2};

static int setup(void **state)
{
    (void)state;
    ts_tmp();
    write_npy("plain.npy", "<i8", 8, 4, rows);
    write_npy("short.npy", "<i4", 4, 2, (const int32_t[]){3, 1});
    folder("one");
    write_npy("one/rows.npy", "<i8", 8, 4, rows);
    write_npy("one/weights.npy", "<f4", 4, 4, weights);
    folder("many");
    folder("many/b");
    folder("many/a");
    folder("many/a/0");
    folder("many/a/1");
    write_npy("many/b/rows.npy", "<i8", 8, 4, rows);
    write_npy("many/a/0/rows.npy", "<i8", 8, 3, rows);
    write_npy("many/a/1/rows.npy", "<i8", 8, 2, rows);
    write_npy("many/a/1/weights.npy", "<f4", 4, 2, weights);
    write_npy("many/loose.npy", "<i8", 8, 2, rows);
    folder("loose");
    write_npy("loose/y.npy", "<i8", 8, 1, rows);
    write_npy("loose/x.npy", "<i8", 8, 2, rows);
    folder("empty");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

static void one_selection(void **state)
{
    static const char *const names[][2] = {
        {"plain.npy", "plain"}, {"one", "one"}, {"one/rows.npy", "one"}};
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_chosen_list list;

    (void)state;
    for (int i = 0; i < 3; i++) {
        ts_ok(ctx, wni_chosen_load(ctx, ts_path(names[i][0]), 10, &list));
        assert_int_equal(list.n, 1);
        assert_string_equal(list.v[0].name, names[i][1]);
        assert_int_equal(list.v[0].n, 4);
        assert_memory_equal(list.v[0].rows, rows, sizeof rows);
        assert_int_equal(list.v[0].weights != NULL, i > 0);
        if (i) assert_memory_equal(list.v[0].weights, weights, sizeof weights);
        wni_chosen_free(ctx, &list);
    }
    ts_ok(ctx, wni_chosen_load(ctx, ts_path("short.npy"), 10, &list));
    assert_int_equal(list.v[0].rows[0], 3);
    assert_int_equal(list.v[0].rows[1], 1);
    wni_chosen_free(ctx, &list);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void several(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_chosen_list list;

    (void)state;
    ts_ok(ctx, wni_chosen_load(ctx, ts_path("many"), 10, &list));
    assert_int_equal(list.n, 3); /* loose.npy is no folder with rows.npy */
    assert_string_equal(list.v[0].name, "a");
    assert_string_equal(list.v[1].name, "a");
    assert_string_equal(list.v[2].name, "b");
    assert_int_equal(list.v[0].n, 3);
    assert_int_equal(list.v[1].n, 2);
    assert_null(list.v[0].weights);
    assert_non_null(list.v[1].weights);
    wni_chosen_free(ctx, &list);

    ts_ok(ctx, wni_chosen_load(ctx, ts_path("loose"), 10, &list));
    assert_int_equal(list.n, 2);
    assert_string_equal(list.v[0].name, "x");
    assert_string_equal(list.v[1].name, "y");
    wni_chosen_free(ctx, &list);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const char *name, int64_t n, const char *mentions)
{
    wni_chosen_list list;

    assert_int_equal(wni_chosen_load(ctx, ts_path(name), n, &list), WN_E_DATA);
    assert_int_equal(list.n, 0);
    if (!strstr(wn_ctx_error(ctx), mentions))
        fail_msg("%s: no '%s' in: %s", name, mentions, wn_ctx_error(ctx));
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
}

static void bad_files(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    refused(ctx, "plain.npy", 9, "entry 3: found row 9, expected 0 to 8");
    refused(ctx, "many", 9, "b/rows.npy: entry 3: found row 9");
    refused(ctx, "empty", 9, "found no selection");
    refused(ctx, "nowhere", 9, "no such file or folder");
    write_npy("none.npy", "<i8", 8, 0, rows);
    refused(ctx, "none.npy", 9, "found no rows");
    write_npy("real.npy", "<f4", 4, 4, weights);
    refused(ctx, "real.npy", 9, "real.npy");
    write_npy("one/weights.npy", "<f4", 4, 3, weights);
    refused(ctx, "one", 10, "found 3 weights, expected 4");
    write_npy("one/weights.npy", "<f4", 4, 4, (const float[]){1, 1, -2, 1});
    refused(ctx, "one", 10, "entry 2: found the weight -2");
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_selection),
        cmocka_unit_test(several),
        cmocka_unit_test(bad_files),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
