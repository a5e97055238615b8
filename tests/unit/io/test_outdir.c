/* SPDX-License-Identifier: Apache-2.0
 *
 * Outputs are complete or not there; arrays come back as they were written; patterns expand sorted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"
#include "io/npy_header.h"
#include "io/outdir.h"

static const int64_t numbers[6] = {5, -1, 1 << 20, 0, INT64_MAX, INT64_MIN};

static void write_one(wn_ctx *ctx, const char *path, int force)
{
    const int64_t flat[1] = {6}, table[2] = {3, 2};
    wni_out *out;

    ts_ok(ctx, wni_out_begin(ctx, path, 0, force, &out));
    assert_int_not_equal(access(path, F_OK), force ? -1 : 0);
    ts_ok(ctx, wni_out_npy(out, "a.npy", "<i8", 8, flat, 1, numbers));
    ts_ok(ctx, wni_out_npy(out, "below/deep/b.npy", "<i8", 8, table, 2, numbers));
    ts_ok(ctx, wni_out_text(out, "manifest.json", "{\"winnow\": \"1\", \"family\": \"f\"}"));
    ts_ok(ctx, wni_out_text(out, "scratch", "x"));
    ts_ok(ctx, wni_out_remove(out, "scratch"));
    ts_ok(ctx, wni_out_commit(out));
    assert_int_equal(access(path, F_OK), 0);
}

static int entries(const char *pattern)
{
    char command[2048], line[16] = "";
    FILE *p;

    snprintf(command, sizeof command, "ls -d %s/%s 2>/dev/null | wc -l", ts_tmp(), pattern);
    p = popen(command, "r");
    assert_non_null(fgets(line, sizeof line, p));
    pclose(p);
    return atoi(line);
}

static void folder_appears_whole(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t shape[2];
    void *data;
    wni_out *out;

    (void)state;
    write_one(ctx, ts_path("o1"), 0);
    assert_int_equal(entries("o1*"), 1);
    assert_int_not_equal(access(ts_path("o1/scratch"), F_OK), 0);
    ts_ok(ctx, wni_npy_load(ctx, ts_path("o1/below/deep/b.npy"), "<i4 <i8", 2, shape, &data));
    assert_int_equal(shape[0], 3);
    assert_int_equal(shape[1], 2);
    assert_memory_equal(data, numbers, sizeof numbers);
    wni_free(ctx, data);

    assert_int_equal(wni_out_begin(ctx, ts_path("o1"), 0, 0, &out), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "exists already"));
    write_one(ctx, ts_path("o1"), 1);
    assert_int_equal(entries("o1*"), 1);

    ts_ok(ctx, wni_out_begin(ctx, ts_path("o2/"), 0, 0, &out));
    ts_ok(ctx, wni_out_text(out, "x", "x"));
    assert_int_equal(entries("o2*"), 1);
    wni_out_abort(out);
    assert_int_equal(entries("o2*"), 0);

    assert_int_equal(wni_out_begin(ctx, ts_path("no/such/o"), 0, 0, &out), WN_E_DATA);
    assert_int_equal(wni_out_begin(ctx, "", 0, 0, &out), WN_E_USAGE);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void force_spares_what_winnow_did_not_make(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_out *out;

    (void)state;
    mkdir(ts_path("home"), 0777);
    ts_write_file(ts_path("home/thesis.tex"), "x", 1);
    assert_int_equal(wni_out_begin(ctx, ts_path("home"), 0, 1, &out), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "winnow did not make it"));
    assert_int_equal(wni_out_begin(ctx, ts_path("home"), 1, 1, &out), WN_E_DATA);
    assert_int_equal(access(ts_path("home/thesis.tex"), F_OK), 0);
    ts_write_file(ts_path("home/manifest.json"), "{\"name\": \"an app\"}", 18);
    assert_int_equal(wni_out_begin(ctx, ts_path("home"), 0, 1, &out), WN_E_DATA);
    assert_int_equal(access(ts_path("home/thesis.tex"), F_OK), 0);
    mkdir(ts_path("empty"), 0777);
    write_one(ctx, ts_path("empty"), 1);
    wn_ctx_free(ctx);
}

static void file_output_with_companion(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    const float rows[4] = {1, 2, 3, 4};
    wni_npy_writer *w;
    int64_t shape[2], bytes;
    uint64_t hash, again;
    size_t size;
    void *data;
    wni_out *out;

    (void)state;
    for (int round = 0; round < 2; round++) {
        ts_ok(ctx, wni_out_begin(ctx, ts_path("v.npy"), 1, round, &out));
        ts_ok(ctx, wni_npy_writer_new(out, NULL, "<f4", 4, 2, 2, &w));
        ts_ok(ctx, wni_npy_writer_add(w, 1, rows));
        ts_ok(ctx, wni_npy_writer_add(w, 1, rows + 2));
        assert_int_equal(wni_npy_writer_add(w, 1, rows), WN_E_INTERNAL);
        ts_ok(ctx, wni_npy_writer_end(w, 1));
        ts_ok(ctx, wni_out_text(out, "manifest.json", "{}"));
        ts_ok(ctx, wni_out_commit(out));
        assert_int_equal(entries("v.npy*"), 2);
    }
    assert_int_equal(access(ts_path("v.npy.manifest.json"), F_OK), 0);
    ts_ok(ctx, wni_npy_load(ctx, ts_path("v.npy"), "<f4", 2, shape, &data));
    assert_memory_equal(data, rows, sizeof rows);
    wni_free(ctx, data);
    ts_ok(ctx, wni_file_hash(ctx, ts_path("v.npy"), &bytes, &hash));
    assert_int_equal(bytes, 144);
    ts_ok(ctx, wni_file_hash(ctx, ts_path("v.npy.manifest.json"), &bytes, &again));
    assert_true(hash != again);

    ts_ok(ctx, wni_out_begin(ctx, ts_path("w.npy"), 1, 0, &out));
    ts_ok(ctx, wni_npy_writer_new(out, NULL, "<f4", 4, 2, 2, &w));
    assert_int_equal(wni_npy_writer_end(w, 1), WN_E_INTERNAL); /* no row came */
    wni_out_abort(out);

    /* The manifest of a run that was killed just before its file came into place is no obstacle. */
    ts_write_file(ts_path("z.npy.manifest.json"), "{\"winnow\": \"1\", \"family\": \"f\"}", 30);
    ts_ok(ctx, wni_out_begin(ctx, ts_path("z.npy"), 1, 0, &out));
    ts_ok(ctx, wni_out_text(out, "manifest.json", "{\"winnow\": \"2\"}"));
    ts_ok(ctx, wni_out_text(out, NULL, "data"));
    ts_ok(ctx, wni_out_commit(out));
    data = ts_read_file(ts_path("z.npy.manifest.json"), &size);
    assert_int_equal(size, 15);
    free(data);

    /* A companion's name that is taken: found at once for the manifest, at commit for others. */
    ts_write_file(ts_path("x.npy.manifest.json"), "mine", 4);
    assert_int_equal(wni_out_begin(ctx, ts_path("x.npy"), 1, 0, &out), WN_E_DATA);
    ts_write_file(ts_path("y.npy.ids.txt"), "mine", 4);
    ts_ok(ctx, wni_out_begin(ctx, ts_path("y.npy"), 1, 0, &out));
    ts_ok(ctx, wni_out_text(out, "ids.txt", "ours"));
    ts_ok(ctx, wni_out_text(out, "manifest.json", "{}"));
    ts_ok(ctx, wni_out_text(out, NULL, "data"));
    assert_int_equal(wni_out_commit(out), WN_E_DATA);
    assert_int_equal(entries("y.npy*"), 1);
    data = ts_read_file(ts_path("y.npy.ids.txt"), &size);
    assert_memory_equal(data, "mine", 4);
    free(data);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void load_refuses_what_it_did_not_expect(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t shape[2];
    size_t bytes;
    void *data;
    char *raw;

    (void)state;
    write_one(ctx, ts_path("o3"), 0);
    assert_int_equal(wni_npy_load(ctx, ts_path("o3/a.npy"), "<i4", 1, shape, &data), WN_E_DATA);
    assert_int_equal(wni_npy_load(ctx, ts_path("o3/a.npy"), "<i8", 2, shape, &data), WN_E_DATA);
    assert_int_equal(wni_npy_load(ctx, ts_path("o3/none.npy"), "<i8", 1, shape, &data), WN_E_DATA);
    raw = ts_read_file(ts_path("o3/a.npy"), &bytes);
    for (size_t cut = 0; cut < bytes; cut++) {
        ts_write_file(ts_path("cut.npy"), raw, cut);
        assert_int_equal(wni_npy_load(ctx, ts_path("cut.npy"), "<i8", 1, shape, &data), WN_E_DATA);
        assert_null(data);
    }
    free(raw);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void headers_numpy_writes_and_others(void **state)
{
    static const struct {
        const char *dict;
        int ok, dims, fortran, structured;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }   \n", 1, 2, 0, 0},
        {"{'shape': (3,), 'fortran_order': True, 'descr': '>f8'}\n", 1, 1, 1, 0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", 1, 0, 0, 0},
        {"{'descr': [('a', '<i8'), ('b', '<f4')], 'fortran_order': False, 'shape': (7L,), }\n", 1,
         1, 0, 1},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), 'extra': 1}\n", 0, 0, 0, 0},
        {"{'descr': '<f4', 'fortran_order': False}\n", 0, 0, 0, 0},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}\n", 0, 0, 0, 0},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3, 2)}\n", 0, 0, 0, 0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2)}\n", 0, 0, 0, 0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2)}\n", 0, 0, 0,
         0},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)} trailing\n", 0, 0, 0, 0},
        {"", 0, 0, 0, 0},
    };
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[256] = "\x93NUMPY\x01";
        size_t length = strlen(cases[i].dict);
        wni_npy_header h;
        head[7] = 0;
        head[8] = (char)length;
        memcpy(head + 10, cases[i].dict, length);
        assert_int_equal(wni_npy_header_parse(ctx, "f", head, 10 + length, &h),
                         cases[i].ok ? WN_OK : WN_E_DATA);
        if (cases[i].ok) {
            assert_int_equal(h.dims, cases[i].dims);
            assert_int_equal(h.fortran_order, cases[i].fortran);
            assert_int_equal(h.structured, cases[i].structured);
            assert_int_equal(h.data_at, 10 + length);
        }
    }
    wn_ctx_free(ctx);
}

static void patterns_expand_sorted(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    const char *pattern, *both[2];
    int32_t count;
    char **paths;

    (void)state;
    ts_write_file(ts_path("e_2.npy"), "", 0);
    ts_write_file(ts_path("e_10.npy"), "", 0);
    pattern = ts_path("e_*.npy");
    ts_ok(ctx, wni_paths_expand(ctx, &pattern, 1, &paths, &count));
    assert_int_equal(count, 2);
    assert_non_null(strstr(paths[0], "e_10.npy"));
    assert_null(paths[2]);
    wni_paths_free(ctx, paths);
    both[0] = ts_path("e_2.npy");
    both[1] = ts_path("x_*.npy");
    assert_int_equal(wni_paths_expand(ctx, both, 2, &paths, &count), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "matches no file"));
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static int teardown(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_appears_whole),
        cmocka_unit_test(force_spares_what_winnow_did_not_make),
        cmocka_unit_test(file_output_with_companion),
        cmocka_unit_test(load_refuses_what_it_did_not_expect),
        cmocka_unit_test(headers_numpy_writes_and_others),
        cmocka_unit_test(patterns_expand_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
