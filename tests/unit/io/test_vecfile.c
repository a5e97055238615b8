/* SPDX-License-Identifier: Apache-2.0
 *
 * Every vector format, from bytes built by hand: the right numbers from good files, mapped and by pread;
 * one clear line from bad ones.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"
#include "support/vecbytes.h"
#include "base/ctx_impl.h"
#include "base/os.h"

/* A context; not mapped: its budget is taken, so that pools are read by pread. */
static wn_ctx *ctx_for(int mapped, int64_t *taken)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    *taken = mapped ? 0 : wni_budget_left(ctx);
    wni_account(ctx, *taken);
    return ctx;
}

static wn_status open_one(wn_ctx *ctx, const char *path, const wn_pool_options *opt, wn_pool **pool)
{
    return wn_pool_open(ctx, &path, 1, opt, pool);
}

/* Opens and compares every row, three ways. x (n, d) are the numbers that must come out. */
static void expect_rows(const char *path, const wn_pool_options *opt, wn_dtype dtype, const int *x,
                        int64_t n, int64_t d)
{
    size_t item = wn_dtype_bytes(dtype);
    float *got = malloc((size_t)(n * (d + 3)) * sizeof *got);
    unsigned char *raw = malloc((size_t)(n * d) * item);
    ts_bytes want = {0};

    ts_put_numbers(&want, x, (size_t)(n * d), dtype, 0);
    for (int mapped = 0; mapped < 2; mapped++) {
        int64_t taken;
        wn_ctx *ctx = ctx_for(mapped, &taken);
        wn_pool *pool;
        ts_ok(ctx, open_one(ctx, path, opt, &pool));
        assert_int_equal(wn_pool_rows(pool), n);
        assert_int_equal(wn_pool_dim(pool), d);
        assert_int_equal(wn_pool_dtype(pool), dtype);
        for (int64_t first = 0; first<n; first += n> 2 ? 2 : 1) {
            int64_t m = n - first;
            ts_ok(ctx, wn_pool_read(ctx, pool, first, m, got, d + 3));
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < d + 3; j++)
                    if (got[i * (d + 3) + j] != (j < d ? (float)x[(first + i) * d + j] : 0))
                        fail_msg("%s: row %d column %d: %g", path, (int)(first + i), (int)j,
                                 (double)got[i * (d + 3) + j]);
            ts_ok(ctx, wn_pool_read_raw(ctx, pool, first, m, raw));
            assert_memory_equal(raw, want.v + (size_t)(first * d) * item, (size_t)(m * d) * item);
        }
        wn_pool_free(pool);
        wni_account(ctx, -taken);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
    }
    ts_bytes_free(&want);
    free(got);
    free(raw);
}

static const char *write_bytes(const char *name, ts_bytes *b)
{
    const char *path = ts_path(name);

    ts_write_file(path, b->v, b->n);
    ts_bytes_free(b);
    return path;
}

static int *numbers(int64_t n, int64_t d)
{
    int *x = malloc((size_t)(n * d) * sizeof *x);

    for (int64_t i = 0; i < n * d; i++)
        x[i] = (int)((i * 7 + i / d) % 127);
    return x;
}

static int *transposed(const int *x, int64_t n, int64_t d)
{
    int *t = malloc((size_t)(n * d) * sizeof *t);

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            t[j * n + i] = x[i * d + j];
    return t;
}

/* ---- good files ------------------------------------------------------------------------------ */

/* The very bytes that numpy 1.26 writes for np.save(p, np.arange(6, dtype='<f4').reshape(3, 2)). */
static void npy_bytes_of_numpy(void **state)
{
    static const char dict[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
    static const int x[6] = {0, 1, 2, 3, 4, 5};
    unsigned char file[152] = "\x93NUMPY\x01\x00\x76\x00";

    (void)state;
    memset(file + 10, ' ', 117);
    memcpy(file + 10, dict, sizeof dict - 1);
    file[127] = '\n';
    for (int i = 0; i < 6; i++) {
        float f = (float)i;
        memcpy(file + 128 + 4 * i, &f, 4);
    }
    ts_write_file(ts_path("numpy.npy"), file, sizeof file);
    expect_rows(ts_path("numpy.npy"), NULL, WN_F32, x, 3, 2);
}

static void npy_of_every_type_order_and_version(void **state)
{
    static const struct {
        const char *descr;
        wn_dtype dtype;
        int big;
    } types[] = {{"<f4", WN_F32, 0}, {">f4", WN_F32, 1}, {"<f2", WN_F16, 0}, {">f2", WN_F16, 1},
                 {"<f8", WN_F64, 0}, {">f8", WN_F64, 1}, {"|i1", WN_I8, 0},  {"<i1", WN_I8, 0},
                 {"|u1", WN_U8, 0},  {"<i4", WN_I32, 0}, {">i4", WN_I32, 1}, {"=f4", WN_F32, 0}};
    const int64_t n = 7, d = 5;
    int *x = numbers(n, d), *t = transposed(x, n, d);

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (int version = 1; version <= 3; version++)
            for (int fortran = 0; fortran < 2; fortran++) {
                ts_bytes b = {0};
                ts_put_npy(&b, version, types[i].descr, fortran, "(7, 5)");
                ts_put_numbers(&b, fortran ? t : x, 35, types[i].dtype, types[i].big);
                expect_rows(write_bytes("any.npy", &b), NULL, types[i].dtype, x, n, d);
            }
    free(x);
    free(t);
}

/* Headers that numpy wrote once or may write: data at 80 (before 1.14), keys in another order, Python 2. */
static void npy_headers_of_all_ages(void **state)
{
    static const char *const dicts[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (7L, 5L), }",
        "{\"shape\":(7,5),\"descr\":\"<f4\",\"fortran_order\":False}",
        "{'fortran_order': False, 'shape': (7, 5,), 'descr': '<f4',}"};
    int *x = numbers(7, 5);
    ts_bytes b = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        ts_put_npy_dict(&b, 1, dicts[i]);
        ts_put_numbers(&b, x, 35, WN_F32, 0);
        expect_rows(write_bytes("age.npy", &b), NULL, WN_F32, x, 7, 5);
    }
    ts_put(&b, "\x93NUMPY\x01\x00\x3d\x00", 10); /* data at 71: no alignment at all */
    ts_put_text(&b, "{'descr': '<f4', 'fortran_order': False, 'shape': (7, 5), } \n");
    assert_int_equal(b.n, 71);
    ts_put_numbers(&b, x, 35, WN_F32, 0);
    expect_rows(write_bytes("odd.npy", &b), NULL, WN_F32, x, 7, 5);
    free(x);
}

static void bf16_from_void(void **state)
{
    static const char *const descrs[] = {"|V2", "<V2"};
    int *x = numbers(7, 5);
    wn_pool_options opt;

    (void)state;
    wn_pool_options_init(&opt);
    opt.dtype = WN_BF16;
    for (int i = 0; i < 2; i++) {
        ts_bytes b = {0};
        ts_put_npy(&b, 1, descrs[i], 0, "(7, 5)");
        ts_put_numbers(&b, x, 35, WN_BF16, 0);
        expect_rows(write_bytes("bf.npy", &b), &opt, WN_BF16, x, 7, 5);
    }
    free(x);
}

/* Rows longer than the read buffer, and columns longer than it in Fortran order. */
static void long_rows_and_columns(void **state)
{
    const int64_t d = 20011;
    int *x = numbers(3, d), *t = transposed(x, 3, d);
    ts_bytes b = {0};

    (void)state;
    ts_put_npy(&b, 1, ">f8", 0, "(3, 20011)");
    ts_put_numbers(&b, x, (size_t)(3 * d), WN_F64, 1);
    expect_rows(write_bytes("long.npy", &b), NULL, WN_F64, x, 3, d);
    for (int64_t wide = 16382; wide <= 16384; wide++) { /* around the buffer, with the prefix */
        for (int i = 0; i < 2; i++) {
            ts_put_le(&b, (uint64_t)wide, 4);
            ts_put_numbers(&b, x + i * wide, (size_t)wide, WN_F32, 0);
        }
        expect_rows(write_bytes("long.fvecs", &b), NULL, WN_F32, x, 2, wide);
    }
    ts_put_npy(&b, 1, "<f4", 1, "(20011, 3)");
    ts_put_numbers(&b, x, (size_t)(3 * d), WN_F32, 0);
    {
        const char *path = write_bytes("tall.npy", &b);
        int64_t taken;
        for (int mapped = 0; mapped < 2; mapped++) {
            wn_ctx *ctx = ctx_for(mapped, &taken);
            float *got = malloc((size_t)(3 * d) * sizeof *got);
            wn_pool *pool;
            ts_ok(ctx, open_one(ctx, path, NULL, &pool));
            ts_ok(ctx, wn_pool_read(ctx, pool, 1, d - 1, got, 3));
            for (int64_t i = 0; i < d - 1; i++)
                for (int64_t j = 0; j < 3; j++)
                    assert_true(got[i * 3 + j] == (float)x[j * d + i + 1]);
            wn_pool_free(pool);
            wni_account(ctx, -taken);
            wn_ctx_free(ctx);
            free(got);
        }
    }
    free(x);
    free(t);
}

static void every_sample_reads(void **state)
{
    static const int x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const wn_dtype types[] = {WN_F32, WN_F64, WN_F16, WN_F32, WN_F32, WN_F32, WN_U8, WN_I32,
                                     WN_F32, WN_U8,  WN_I8,  WN_I32, WN_F16, WN_F32, WN_F32};
    const char *name;
    ts_bytes b;
    int i;

    (void)state;
    for (i = 0; ts_vec_sample(i, &name, &b); i++)
        expect_rows(write_bytes(name, &b), NULL, types[i], x, 3, 4);
    assert_int_equal(i, 15);
}

static void raw_with_dtype_and_dim(void **state)
{
    int *x = numbers(7, 5);
    wn_pool_options opt;
    ts_bytes b = {0};

    (void)state;
    wn_pool_options_init(&opt);
    opt.dim = 5;
    for (int dtype = 0; dtype < WN_DTYPE_COUNT; dtype++) {
        opt.dtype = dtype;
        ts_put_numbers(&b, x, 35, (wn_dtype)dtype, 0);
        /* np.memmap writes no header, whatever the file is called. */
        expect_rows(write_bytes(dtype % 2 ? "r.npy" : "r.bin", &b), &opt, (wn_dtype)dtype, x, 7, 5);
    }
    free(x);
}

static void members_by_name(void **state)
{
    static const int x[4] = {1, 2, 3, 4}, y[4] = {5, 6, 7, 8};
    static const char json[] =
        "{\"a:b\":{\"dtype\":\"I8\",\"shape\":[2,2],\"data_offsets\":[0,4]},"
        "\"c\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[4,12]}}";
    ts_member m[2] = {{.name = "l14.npy"}, {.name = "b32.npy"}};
    wn_pool_options opt;
    wn_pool *pool;
    wn_ctx *ctx = ts_ctx(1, -1);
    ts_bytes b = {0}, data = {0};

    (void)state;
    wn_pool_options_init(&opt);
    ts_put_npy(&m[0].data, 1, "<f4", 0, "(2, 2)");
    ts_put_numbers(&m[0].data, x, 4, WN_F32, 0);
    ts_put_npy(&m[1].data, 1, "<f2", 0, "(2, 2)");
    ts_put_numbers(&m[1].data, y, 4, WN_F16, 0);
    ts_put_zip(&b, m, 2, 0);
    (void)write_bytes("two.npz", &b);
    expect_rows(ts_path("two.npz:l14"), NULL, WN_F32, x, 2, 2);
    expect_rows(ts_path("two.npz:b32.npy"), NULL, WN_F16, y, 2, 2);
    opt.member = "b32";
    expect_rows(ts_path("two.npz"), &opt, WN_F16, y, 2, 2);
    expect_rows(ts_path("two.npz:l14"), &opt, WN_F32, x, 2, 2); /* the nearer word counts */
    expect_rows(ts_path("tw*.npz:l14"), NULL, WN_F32, x, 2, 2);
    assert_int_equal(open_one(ctx, ts_path("two.npz"), NULL, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "found 2 members"));
    assert_non_null(strstr(wn_ctx_error(ctx), "l14 b32"));
    assert_int_equal(open_one(ctx, ts_path("two.npz:l15"), NULL, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "'l15'"));

    ts_put_numbers(&data, x, 4, WN_I8, 0);
    ts_put_numbers(&data, y, 4, WN_BF16, 0);
    ts_put_safetensors(&b, json, data.v, data.n);
    ts_bytes_free(&data);
    (void)write_bytes("two.safetensors", &b);
    expect_rows(ts_path("two.safetensors:a:b"), NULL, WN_I8, x, 2, 2);
    expect_rows(ts_path("two.safetensors:c"), NULL, WN_BF16, y, 2, 2);
    assert_int_equal(open_one(ctx, ts_path("two.safetensors"), NULL, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "found 2 two-dimensional tensors"));
    assert_int_equal(open_one(ctx, ts_path("two.safetensors:d"), NULL, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "there are: a:b c"));
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
    ts_bytes_free(&m[0].data);
    ts_bytes_free(&m[1].data);
}

/* Cropped and truncated files: --rows takes the beginning, over shards too. */
static void rows_crops(void **state)
{
    int *x = numbers(7, 5);
    const char *paths[2];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool_options opt;
    wn_pool *pool;
    ts_bytes b = {0};
    float got[35];

    (void)state;
    wn_pool_options_init(&opt);
    opt.rows = 3;
    ts_put_le(&b, 1000000, 4); /* a header larger than the file */
    ts_put_le(&b, 5, 4);
    ts_put_numbers(&b, x, 35, WN_F32, 0);
    expect_rows(write_bytes("crop.fbin", &b), &opt, WN_F32, x, 3, 5);
    ts_put_npy(&b, 1, "<f4", 0, "(90, 5)");
    ts_put_numbers(&b, x, 17, WN_F32, 0);
    paths[0] = write_bytes("crop.npy", &b);
    expect_rows(paths[0], &opt, WN_F32, x, 3, 5);
    assert_int_equal(open_one(ctx, paths[0], NULL, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "--rows 3"));

    ts_put_npy(&b, 1, "<f4", 0, "(3, 5)");
    ts_put_numbers(&b, x, 15, WN_F32, 0);
    paths[0] = write_bytes("r0.npy", &b);
    ts_put_npy(&b, 1, "<f4", 0, "(4, 5)");
    ts_put_numbers(&b, x + 15, 20, WN_F32, 0);
    paths[1] = write_bytes("r1.npy", &b);
    for (opt.rows = 1; opt.rows <= 7; opt.rows++) {
        ts_ok(ctx, wn_pool_open(ctx, paths, 2, &opt, &pool));
        assert_int_equal(wn_pool_rows(pool), opt.rows);
        assert_int_equal(wn_pool_shards(pool), opt.rows > 3 ? 2 : 1);
        ts_ok(ctx, wn_pool_read(ctx, pool, 0, opt.rows, got, 5));
        for (int i = 0; i < opt.rows * 5; i++)
            assert_true(got[i] == (float)x[i]);
        wn_pool_free(pool);
    }
    assert_int_equal(wn_pool_open(ctx, paths, 2, &opt, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "asks for 8 rows, the files have 7"));
    wn_ctx_free(ctx);
    free(x);
}

static void put_at(int fd, int64_t at, const ts_bytes *b)
{
    assert_int_equal(pwrite(fd, b->v, b->n, (off_t)at), (ssize_t)b->n);
}

/* A .npz whose first member is larger than 4 GiB, as np.savez writes it; a sparse file, so it costs no
 * disk. Both members are read, one at offsets that do not fit 32 bits. */
static void npz_beyond_4_gib(void **state)
{
    const int64_t n = 70000, d = 65536;
    const char *path = ts_path("huge.npz");
    ts_bytes local = {0}, npy = {0}, second = {0}, end = {0};
    uint64_t size, at[2], start, full = 0xffffffffu;
    static const int x[4] = {1, 2, 3, 4};
    unsigned char *row = malloc((size_t)d);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    (void)state;
    assert_true(fd >= 0);
    ts_put_npy(&npy, 1, "|u1", 0, "(70000, 65536)");
    size = npy.n + (uint64_t)(n * d);
    at[0] = 0;
    for (int i = 0; i < 2; i++) {
        if (i == 1) {
            ts_put_npy(&second, 1, "<f4", 0, "(2, 2)");
            ts_put_numbers(&second, x, 4, WN_F32, 0);
        }
        local.n = 0;
        ts_put_le(&local, 0x04034b50u, 4);
        ts_put_le(&local, 45, 2);
        ts_put_le(&local, 0, 12);
        ts_put_le(&local, full, 4);
        ts_put_le(&local, full, 4);
        ts_put_le(&local, 5, 2);
        ts_put_le(&local, 20, 2);
        ts_put_text(&local, i ? "b.npy" : "a.npy");
        ts_put_le(&local, 1, 2);
        ts_put_le(&local, 16, 2);
        ts_put_le(&local, i ? second.n : size, 8);
        ts_put_le(&local, i ? second.n : size, 8);
        put_at(fd, (int64_t)at[i], &local);
        put_at(fd, (int64_t)(at[i] + local.n), i ? &second : &npy);
        if (i == 0) at[1] = local.n + size;
    }
    memset(row, 7, (size_t)d);
    assert_int_equal(pwrite(fd, row, (size_t)d, (off_t)(at[1] - (uint64_t)d)), d);
    start = at[1] + local.n + second.n;
    for (int i = 0; i < 2; i++) { /* only the fields that are full stand in the extra field */
        ts_put_le(&end, 0x02014b50u, 4);
        ts_put_le(&end, 45, 2);
        ts_put_le(&end, 45, 2);
        ts_put_le(&end, 0, 12);
        ts_put_le(&end, i ? second.n : full, 4);
        ts_put_le(&end, i ? second.n : full, 4);
        ts_put_le(&end, 5, 2);
        ts_put_le(&end, i ? 12 : 20, 2);
        ts_put_le(&end, 0, 10);
        ts_put_le(&end, i ? full : 0, 4);
        ts_put_text(&end, i ? "b.npy" : "a.npy");
        ts_put_le(&end, 1, 2);
        ts_put_le(&end, i ? 8 : 16, 2);
        ts_put_le(&end, i ? at[1] : size, 8);
        if (i == 0) ts_put_le(&end, size, 8);
    }
    size = end.n;
    ts_put_le(&end, 0x06064b50u, 4);
    ts_put_le(&end, 44, 8);
    ts_put_le(&end, 45, 2);
    ts_put_le(&end, 45, 2);
    ts_put_le(&end, 0, 8);
    ts_put_le(&end, 2, 8);
    ts_put_le(&end, 2, 8);
    ts_put_le(&end, size, 8);
    ts_put_le(&end, start, 8);
    ts_put_le(&end, 0x07064b50u, 4);
    ts_put_le(&end, 0, 4);
    ts_put_le(&end, start + size, 8);
    ts_put_le(&end, 1, 4);
    ts_put_le(&end, 0x06054b50u, 4);
    ts_put_le(&end, 0, 4);
    ts_put_le(&end, 2, 2);
    ts_put_le(&end, 2, 2);
    ts_put_le(&end, size, 4);
    ts_put_le(&end, full, 4);
    ts_put_le(&end, 0, 2);
    put_at(fd, (int64_t)start, &end);
    close(fd);

    ts_ok(ctx, open_one(ctx, ts_path("huge.npz:a"), NULL, &pool));
    assert_int_equal(wn_pool_rows(pool), n);
    ts_ok(ctx, wn_pool_read_raw(ctx, pool, n - 1, 1, row));
    for (int64_t j = 0; j < d; j++)
        assert_int_equal(row[j], 7);
    ts_ok(ctx, wn_pool_read_raw(ctx, pool, n - 2, 1, row));
    assert_int_equal(row[d - 1], 0);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    expect_rows(ts_path("huge.npz:b"), NULL, WN_F32, x, 2, 2);
    assert_int_equal(unlink(path), 0);
    ts_bytes_free(&local);
    ts_bytes_free(&npy);
    ts_bytes_free(&second);
    ts_bytes_free(&end);
    free(row);
}

/* A pool that does not fit the budget is checked within it: 600 MB of f16 (a sparse file of zeros) against
 * 256 MiB. */
static void memory_does_not_grow_with_the_file(void **state)
{
    const char *path = ts_path("large.npy");
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool_report report;
    int64_t before, after;
    wn_pool *pool;
    ts_bytes b = {0};

    (void)state;
    ts_put_npy(&b, 1, "<f2", 0, "(300000, 1000)");
    (void)write_bytes("large.npy", &b);
    assert_int_equal(truncate(path, 128 + 600000000), 0);
    before = wni_os_peak_rss_bytes();
    ts_ok(ctx, open_one(ctx, path, NULL, &pool));
    ts_ok(ctx, wn_pool_check(ctx, pool, 0, &report));
    after = wni_os_peak_rss_bytes();
    assert_int_equal(report.zero_rows, 300000);
    assert_in_range(after - before, 0, 64 << 20);
    assert_in_range(wn_ctx_peak_bytes(ctx), 1, 64 << 20);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    assert_int_equal(unlink(path), 0);
}

/* Mapped files count against the budget and come back. */
static void mapped_files_count(void **state)
{
    float *v = ts_normal(50000, 100, 1);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;

    (void)state;
    ts_write_npy(ts_path("count.npy"), v, 50000, 100);
    ts_ok(ctx, open_one(ctx, ts_path("count.npy"), NULL, &pool));
    assert_true(wn_ctx_live_bytes(ctx) >= 20000000);
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
    free(v);
}

/* ---- bad files -------------------------------------------------------------------------------- */

/* Each word must stand in the one line of the error, and the file's name. */
static void expect_fail(const char *name, ts_bytes *b, const wn_pool_options *opt, wn_status status,
                        const char *const words[3])
{
    const char *path = ts_path(name);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool = (wn_pool *)ctx;
    float *row;
    wn_status st;

    if (b) (void)write_bytes(name, b);
    st = open_one(ctx, path, opt, &pool);
    if (st == WN_OK) { /* some errors show when rows are read */
        row = malloc((size_t)(wn_pool_rows(pool) * wn_pool_dim(pool)) * sizeof *row);
        st = wn_pool_read(ctx, pool, 0, wn_pool_rows(pool), row, wn_pool_dim(pool));
        wn_pool_free(pool);
        free(row);
    } else {
        assert_null(pool);
    }
    if (st != status) fail_msg("%s: status %s: %s", name, wn_status_name(st), wn_ctx_error(ctx));
    if (!strstr(wn_ctx_error(ctx), name)) fail_msg("%s not in: %s", name, wn_ctx_error(ctx));
    for (int i = 0; i < 3 && words[i]; i++)
        if (!strstr(wn_ctx_error(ctx), words[i]))
            fail_msg("'%s' not in: %s", words[i], wn_ctx_error(ctx));
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

#define FAIL(name, b, opt, ...) \
    expect_fail(name, b, opt, WN_E_DATA, (const char *const[3]){__VA_ARGS__})

static void bad_npy(void **state)
{
    static const struct {
        const char *descr, *shape, *words[3];
    } plain[] = {
        {"|O", "(3, 4)", {"Python objects", "pickle", "ssl-data-curation"}},
        {"<i8", "(3, 4)", {"element type <i8", "f2 f4 f8 i1 u1 i4", "astype"}},
        {"|b1", "(3, 4)", {"element type |b1", "astype"}},
        {"f4", "(3, 4)", {"element type f4"}},
        {"<c8", "(3, 4)", {"element type <c8"}},
        {"|V2", "(3, 4)", {"2-byte void", "--dtype bf16"}},
        {"<f4", "(12,)", {"shape (12,)", "reshape(-1, columns)"}},
        {"<f4", "()", {"0 dimensions", "expected 2"}},
        {"<f4", "(3, 2, 2)", {"3 dimensions", "reshape"}},
        {"<f4", "(0, 4)", {"shape (0, 4)", "at least one row"}},
        {"<f4", "(3, 0)", {"shape (3, 0)", "at least one row"}},
        {"<f4", "(4, 4)", {"4 rows of 4 columns of f32, 64 bytes", "16 are missing", "--rows 3"}},
        {"<f4", "(2, 4)", {"16 bytes more", "--rows 2"}},
        {"<f4", "(3, 70000)", {"at most", "65536 columns"}},
        {"<f4", "(9000000000000000000, 2)", {"at most"}},
        {"<f4", "(1000000000000, 60000)", {"are missing"}},
        {"<f4", "(99999999999999999999999, 2)", {"header"}},
        {"<f4", "(-3, 4)", {"header"}},
    };
    wn_pool_options opt;
    ts_bytes b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        for (int fortran = 0; fortran < 2; fortran++) {
            ts_put_npy(&b, 1, plain[i].descr, fortran, plain[i].shape);
            ts_put(&b, "123456789012345678901234567890123456789012345678", 48);
            if (fortran && strcmp(plain[i].shape, "(4, 4)") == 0) {
                ts_bytes_free(&b); /* its first rows cannot be read: no hint */
                continue;
            }
            expect_fail("bad.npy", &b, NULL, WN_E_DATA, plain[i].words);
        }
    ts_put_npy_dict(&b, 1,
                    "{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, "
                    "'shape': (3, 2), }");
    FAIL("rec.npy", &b, NULL, "records", "one field");
    ts_put_npy_dict(&b, 1, "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (3,), }");
    FAIL("rec.npy", &b, NULL, "Python objects");
    ts_put_npy_dict(&b, 1, "{'descr': '<f4', 'shape': (3, 2), }");
    FAIL("dict.npy", &b, NULL, "header");
    ts_put_npy_dict(&b, 1, "__import__('os').system('true')");
    FAIL("dict.npy", &b, NULL, "header");
    ts_put_npy_dict(&b, 9, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }");
    FAIL("version.npy", &b, NULL, "version 9.0");

    ts_put_text(&b, "0000000000000000000000000000000000000000");
    FAIL("memmap.npy", &b, NULL, "is not .npy", "np.memmap", "--dtype and --dim");
    ts_put(&b, "\x93NUMPY\x01\x00\xff\x7f{'descr'", 18);
    FAIL("lying.npy", &b, NULL, "header says it has 32767 bytes", "room for 8");
    ts_put(&b, "\x93NUMPY\x02\x00\x00\x00\x00\xf0{'descr'", 20);
    FAIL("lying.npy", &b, NULL, "header says it has 4026531840 bytes");
    ts_put(&b, "\x93NUMPY", 6);
    FAIL("cut.npy", &b, NULL, "header");
    ts_put(&b, "", 0);
    FAIL("empty.npy", &b, NULL, "the file is empty");
    ts_put(&b, "\x93NUMPY\x02\x00\x00\x00\x02\x00{", 13);
    for (int i = 0; i < 140000; i++)
        ts_put(&b, " ", 1);
    FAIL("wide.npy", &b, NULL, "header says it has 131084 bytes", "at most 65536");

    wn_pool_options_init(&opt);
    opt.dtype = WN_F16;
    ts_put_npy(&b, 1, "<f4", 0, "(1, 2)");
    ts_put(&b, "12345678", 8);
    FAIL("type.npy", &b, &opt, "holds f32", "--dtype says f16");
    opt.dtype = -1;
    opt.dim = 3;
    FAIL("type.npy", NULL, &opt, "2 columns", "--dim says 3");
    opt.dim = 0;
    opt.member = "emb";
    expect_fail("type.npy", NULL, &opt, WN_E_USAGE, (const char *const[3]){"one array", "'emb'"});
}

static void bad_xvecs_and_bigann(void **state)
{
    const char *name;
    ts_bytes b = {0};

    (void)state;
    (void)ts_vec_sample(5, &name, &b);
    b.v[20] = 5; /* d of the second row */
    FAIL("d.fvecs", &b, NULL, "row 1 says it has 5 columns", "expected 4");
    (void)ts_vec_sample(5, &name, &b);
    b.n -= 3;
    FAIL("cut.fvecs", &b, NULL, "found 57 bytes", "multiple of 20", "--rows 2");
    ts_put_le(&b, 0, 4);
    FAIL("zero.bvecs", &b, NULL, "0 columns");
    ts_put_le(&b, 0x01000000, 4); /* big-endian 1 */
    FAIL("order.ivecs", &b, NULL, "16777216 columns", "little-endian");
    ts_put_le(&b, 4, 3);
    FAIL("short.fvecs", &b, NULL, "3 bytes", "truncated");

    (void)ts_vec_sample(8, &name, &b);
    b.v[0] = 200;
    FAIL("more.fbin", &b, NULL, "200 rows of 4 columns of f32, 3200 bytes", "3152 are missing",
         "--rows 3");
    (void)ts_vec_sample(8, &name, &b);
    ts_put(&b, "12", 2);
    FAIL("tail.fbin", &b, NULL, "2 bytes more");
    (void)ts_vec_sample(11, &name, &b);
    for (int i = 0; i < 12; i++)
        ts_put_le(&b, 0, 4);
    FAIL("gt.ibin", &b, NULL, "ground truth", "3 queries, 4 neighbours");
    ts_put_le(&b, 3, 7);
    FAIL("short.u8bin", &b, NULL, "7 bytes");
    ts_put_le(&b, 0, 8);
    FAIL("none.i8bin", &b, NULL, "shape (0, 0)");
    ts_put_le(&b, UINT64_MAX, 8);
    FAIL("vast.fbin", &b, NULL, "at most");
}

static void bad_npz(void **state)
{
    ts_member m[1] = {{.name = "emb.npy", .method = 8}};
    const char *name;
    ts_bytes b = {0};

    (void)state;
    ts_put_npy(&m[0].data, 1, "<f4", 0, "(3, 4)");
    ts_put(&m[0].data, "123456789012345678901234567890123456789012345678", 48);
    ts_put_zip(&b, m, 1, 0);
    FAIL("packed.npz", &b, NULL, "emb: is compressed (zip method 8)", "np.savez instead");
    m[0].method = 0;
    m[0].data.n -= 5;
    ts_put_zip(&b, m, 1, 0);
    FAIL("cut.npz", &b, NULL, "5 are missing");
    ts_bytes_free(&m[0].data);
    ts_put_npy(&m[0].data, 1, "|O", 0, "(3, 4)");
    ts_put_zip(&b, m, 1, 0);
    FAIL("object.npz", &b, NULL, "found 0 members", "emb");
    ts_bytes_free(&m[0].data);
    (void)ts_vec_sample(3, &name, &b);
    b.n -= 30;
    FAIL("end.npz", &b, NULL, "no end of the zip directory", "truncated");
    ts_put(&b, "PK\3\4 not a zip", 14);
    FAIL("not.npz", &b, NULL, "truncated or damaged");
    ts_put_zip(&b, NULL, 0, 0);
    FAIL("nothing.npz", &b, NULL, "found 0 members");
}

/* Whole files, then byte by byte what a reader must not believe. Of the older form the root's header is at 96,
 * its index at 136, symbols at 184, names at 232, the dataset at 280. */
static void bad_hdf5(void **state)
{
    static const struct {
        int newer, at, bytes;
        uint64_t value;
        const char *words[3];
    } cases[] = {
        {0, 8, 1, 9, {"of a form that is not read (superblock 9)", "h5repack"}},
        {0, 13, 1, 4, {"of a form that is not read"}},
        {0, 64, 8, 1 << 20, {"lies outside the file", "truncated"}},
        {0, 64, 8, 8, {"found no object header"}},
        {0, 136, 1, 'X', {"found no index of a group"}},
        {0, 136 + 32, 8, 136, {"found no symbols of a group"}},
        {0, 184, 1, 'X', {"found no symbols of a group"}},
        {0, 184 + 8, 8, 999, {"a name lies outside its group"}},
        {0, 232 + 8, 8, (uint64_t)1 << 40, {"found no names of a group"}},
        {0, 280 + 16 + 8 + 1, 1, 1, {"found 0 datasets that may be the vectors", "from: emb"}},
        {0, 280 + 16 + 8 + 8, 8, 400, {"400 rows of 4 columns", "are missing"}},
        {0, 280 + 16 + 8 + 8, 8, UINT64_MAX, {"lies outside the file"}},
        {0, 280 + 16 + 2, 2, 2000, {"found 0 datasets"}},      /* a message beyond its header */
        {0, 280 + 16 + 32 + 8, 1, 0x13, {"found 0 datasets"}}, /* text */
        {0, 280 + 16 + 64 + 8 + 1, 1, 2, {"in chunks, maybe compressed", "h5repack"}},
        {0, 280 + 16 + 64 + 8 + 2, 8, UINT64_MAX, {"no rows were written"}},
        {0, 280 + 16 + 64 + 8 + 2, 8, 1 << 20, {"lies outside the file"}},
        {1, 48, 1, 'X', {"found no object header"}},
        {1, 54, 1, 200, {"lies outside the file"}},
        {1, 48 + 7 + 4 + 2, 1, 100, {"a link is cut"}},
    };
    const char *name;
    ts_bytes b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char file[32];
        (void)ts_vec_sample(13 + cases[i].newer, &name, &b);
        for (int j = 0; j < cases[i].bytes; j++)
            b.v[cases[i].at + j] = (unsigned char)(cases[i].value >> 8 * j);
        snprintf(file, sizeof file, "bad%zu.hdf5", i);
        expect_fail(file, &b, NULL, WN_E_DATA, cases[i].words);
    }
    for (int newer = 0; newer < 2; newer++) {
        (void)ts_vec_sample(13 + newer, &name, &b);
        b.n -= 5;
        FAIL("cut.hdf5", &b, NULL, "");
        (void)ts_vec_sample(13 + newer, &name, &b);
        b.n = 60;
        FAIL("cut.h5", &b, NULL, "lies outside the file", "copy it again");
    }
    ts_put_text(&b, "not a file of this kind");
    FAIL("not.hdf5", &b, NULL, "is not HDF5");
}

static void hdf5_by_name(void **state)
{
    static const int x[4] = {1, 2, 3, 4};
    wn_ctx *ctx = ts_ctx(1, -1);
    ts_bytes b = {0}, data = {0};
    wn_pool *pool;

    (void)state;
    for (int newer = 0; newer < 2; newer++) {
        ts_put_numbers(&data, x, 4, WN_F32, 0);
        ts_put_hdf5(&b, newer, "train", 2, 2, data.v, data.n);
        (void)write_bytes("ann.hdf5", &b);
        expect_rows(ts_path("ann.hdf5"), NULL, WN_F32, x, 2, 2);
        expect_rows(ts_path("ann.hdf5:train"), NULL, WN_F32, x, 2, 2);
        expect_rows(ts_path("ann.hdf5:/train"), NULL, WN_F32, x, 2, 2);
        assert_int_equal(open_one(ctx, ts_path("ann.hdf5:test"), NULL, &pool), WN_E_DATA);
        assert_non_null(strstr(wn_ctx_error(ctx), "found no dataset 'test'; there are: train"));
        assert_int_equal(open_one(ctx, ts_path("ann.hdf5:train/x"), NULL, &pool), WN_E_DATA);
        ts_bytes_free(&data);
        /* The mark is enough, whatever the name. */
        ts_put_numbers(&data, x, 4, WN_F32, 0);
        ts_put_hdf5(&b, newer, "vectors", 2, 2, data.v, data.n);
        expect_rows(write_bytes("vectors.bin", &b), NULL, WN_F32, x, 2, 2);
        ts_bytes_free(&data);
    }
    wn_ctx_free(ctx);
}

static void bad_safetensors(void **state)
{
    static const struct {
        const char *json, *words[3];
    } cases[] = {
        {"{\"a\":{\"dtype\":\"I64\",\"shape\":[1,1],\"data_offsets\":[0,8]}}",
         {"found 0 two-dimensional"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,4]}}",
         {"does not take the 4 bytes"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]}}",
         {"bytes 8 to 16", "has 8", "truncated"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,0]}}", {"bytes 8 to 0"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,-2],\"data_offsets\":[0,8]}}", {"damaged"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2.5],\"data_offsets\":[0,8]}}", {"damaged"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2]}}", {"damaged"}},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}",
         {"does not take"}},
        {"{\"a\":[1,2],\"b\":7}", {"found 0 two-dimensional", "a b"}},
        {"[1]", {"not a JSON object"}},
        {"{\"a\":", {"not a JSON object"}},
        {"{\"a\":1,\"a\":1}", {"not a JSON object"}},
    };
    ts_bytes b = {0};
    wn_pool_options opt;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ts_put_safetensors(&b, cases[i].json, "12345678", 8);
        expect_fail("bad.safetensors", &b, NULL, WN_E_DATA, cases[i].words);
    }
    wn_pool_options_init(&opt);
    opt.member = "a";
    ts_put_safetensors(&b, cases[0].json, "12345678", 8);
    FAIL("type.safetensors", &b, &opt, "element type I64", "convert");
    ts_put_safetensors(&b, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
                       "12345678", 8);
    FAIL("flat.safetensors", &b, &opt, "found 1 dimensions");
    ts_put_le(&b, 1 << 30, 8);
    ts_put_text(&b, "{}");
    FAIL("lying.safetensors", &b, NULL, "1073741824 bytes", "room for 2");
    ts_put_le(&b, 1, 5);
    FAIL("short.safetensors", &b, NULL, "5 bytes");
}

static void bad_others(void **state)
{
    wn_pool_options opt;
    ts_bytes b = {0};

    (void)state;
    ts_put_text(&b, "hello, world");
    FAIL("some.dat", &b, NULL, "no known vector format", "--dtype and --dim");
    ts_put_text(&b, "PAR1");
    FAIL("some.parquet", &b, NULL, "does not read .parquet", "np.save");
    ts_put_text(&b, "\x1f\x8b");
    FAIL("some.fvecs.gz", &b, NULL, "unpack");
    FAIL("absent.npy", NULL, NULL, "cannot open");
    FAIL("absent*.npy", NULL, NULL, "matches no file");
    assert_int_equal(mkfifo(ts_path("pipe.npy"), 0600), 0);
    FAIL("pipe.npy", NULL, NULL, "regular file");
    FAIL("", NULL, NULL, "a folder");

    wn_pool_options_init(&opt);
    opt.dtype = WN_F32;
    opt.dim = 3;
    ts_put_text(&b, "12345678901234");
    FAIL("raw.bin", &b, &opt, "14 bytes", "multiple of 12", "--rows 1");
    ts_put_text(&b, "1234");
    FAIL("raw.bin", &b, &opt, "4 bytes", "check --dim and --dtype");
    opt.member = "x";
    expect_fail("raw.bin", NULL, &opt, WN_E_USAGE, (const char *const[3]){"only .npz"});
    opt.member = NULL;
    opt.dim = -1;
    expect_fail("", NULL, &opt, WN_E_USAGE, (const char *const[3]){"dim"});
    opt.dim = 0;
    opt.dtype = 99;
    expect_fail("", NULL, &opt, WN_E_USAGE, (const char *const[3]){"dtype"});
    opt.dtype = -1;
    opt.metric = 9;
    expect_fail("", NULL, &opt, WN_E_USAGE, (const char *const[3]){"metric"});
    opt.metric = 0;
    opt.rows = -1;
    expect_fail("", NULL, &opt, WN_E_USAGE, (const char *const[3]){"rows"});
}

static void shards_must_agree(void **state)
{
    const char *paths[2] = {ts_path("first.npy"), ts_path("other.npy")};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;
    ts_bytes b = {0};

    (void)state;
    ts_put_npy(&b, 1, "<f4", 0, "(1, 2)");
    ts_put(&b, "12345678", 8);
    (void)write_bytes("first.npy", &b);
    ts_put_npy(&b, 1, "<f4", 0, "(2, 1)");
    ts_put(&b, "12345678", 8);
    (void)write_bytes("other.npy", &b);
    assert_int_equal(wn_pool_open(ctx, paths, 2, NULL, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "other.npy: found 1 columns of f32"));
    assert_non_null(strstr(wn_ctx_error(ctx), "expected 2 columns of f32 as in"));
    assert_non_null(strstr(wn_ctx_error(ctx), "first.npy"));
    ts_put_npy(&b, 1, "<f2", 0, "(2, 2)");
    ts_put(&b, "12345678", 8);
    (void)write_bytes("other.npy", &b);
    assert_int_equal(wn_pool_open(ctx, paths, 2, NULL, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "found 2 columns of f16"));
    assert_int_equal(wn_pool_open(ctx, paths, 0, NULL, &pool), WN_E_USAGE);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void real_embeddings(void **state)
{
    const char *path = ts_shared("cifar10_256_f16.npy");
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool_report report;
    wn_pool *pool;

    (void)state;
    if (!path) {
        print_message("shared/data/cifar10_256_f16.npy is not here: skipped\n");
        wn_ctx_free(ctx);
        skip();
    }
    ts_ok(ctx, open_one(ctx, path, NULL, &pool));
    assert_int_equal(wn_pool_dim(pool), 256);
    assert_int_equal(wn_pool_dtype(pool), WN_F16);
    ts_ok(ctx, wn_pool_check(ctx, pool, 1, &report));
    assert_int_equal(report.rows, wn_pool_rows(pool));
    assert_true(report.min_norm > 0 && report.min_norm <= report.mean_norm &&
                report.mean_norm <= report.max_norm);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_bytes_of_numpy),
        cmocka_unit_test(npy_of_every_type_order_and_version),
        cmocka_unit_test(npy_headers_of_all_ages),
        cmocka_unit_test(bf16_from_void),
        cmocka_unit_test(long_rows_and_columns),
        cmocka_unit_test(every_sample_reads),
        cmocka_unit_test(raw_with_dtype_and_dim),
        cmocka_unit_test(members_by_name),
        cmocka_unit_test(rows_crops),
        cmocka_unit_test(npz_beyond_4_gib),
        cmocka_unit_test(memory_does_not_grow_with_the_file),
        cmocka_unit_test(mapped_files_count),
        cmocka_unit_test(bad_npy),
        cmocka_unit_test(bad_xvecs_and_bigann),
        cmocka_unit_test(bad_npz),
        cmocka_unit_test(bad_hdf5),
        cmocka_unit_test(hdf5_by_name),
        cmocka_unit_test(bad_safetensors),
        cmocka_unit_test(bad_others),
        cmocka_unit_test(shards_must_agree),
        cmocka_unit_test(real_embeddings),
    };
    return cmocka_run_group_tests_name("vecfile", tests, NULL, ts_tidy);
}
