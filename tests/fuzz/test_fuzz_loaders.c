/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaders against damaged files: one small valid file per format, thousands of seeded mutations. A loader
 * may accept what is left or refuse it in words; whatever it accepts must lie within the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "support/vecbytes.h"
#include "base/ctx_impl.h"
#include "base/rng.h"

#define CASES    700 /* per format */
#define MAX_ROOM 8192

typedef struct fuzz {
    uint64_t seed, next;
} fuzz;

static int64_t pick(fuzz *f, int64_t n)
{
    return wni_rand_below(f->seed, 1, f->next++, n);
}

/* Numbers that headers get wrong. */
static uint64_t strange(fuzz *f, size_t size)
{
    switch (pick(f, 8)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return UINT64_MAX;
    case 3:
        return (uint64_t)INT64_MAX;
    case 4:
        return 0x80000000u;
    case 5:
        return size;
    case 6:
        return size - (uint64_t)pick(f, 16);
    default:
        return (uint64_t)1 << pick(f, 64);
    }
}

static void put_strange(fuzz *f, ts_bytes *b, int64_t at)
{
    int64_t width = (int64_t)1 << pick(f, 4);
    uint64_t value = strange(f, b->n);

    for (int64_t i = 0; i < width && at + i < (int64_t)b->n; i++)
        b->v[at + i] = (unsigned char)(value >> 8 * i);
}

static void mutate(fuzz *f, ts_bytes *b)
{
    static const char letters[] = "0123456789()[]{}'\",:<>|fiuOV TrueFalse-.eE\\\n";
    int64_t at = pick(f, (int64_t)b->n), length, to;

    switch (pick(f, 8)) {
    case 0: /* bits, anywhere */
        b->v[at] ^= (unsigned char)(1 << pick(f, 8));
        break;
    case 1: /* a byte, mostly where headers are */
        b->v[at % 160 % (int64_t)b->n] = (unsigned char)pick(f, 256);
        break;
    case 2: /* the file is cut */
        b->n = (size_t)at;
        break;
    case 3:
        put_strange(f, b, at % 80);
        break;
    case 4: /* the end holds the directory of a zip */
        put_strange(f, b, (int64_t)b->n - 1 - at % 120 % (int64_t)b->n);
        break;
    case 5: /* text of a dict or of JSON */
        for (int64_t i = 0; i < 3; i++)
            b->v[(at + i) % 150 % (int64_t)b->n] =
                (unsigned char)letters[pick(f, (int64_t)sizeof letters - 1)];
        break;
    case 6: /* a piece is doubled or lost */
        length = pick(f, 40);
        to = pick(f, (int64_t)b->n);
        length = wni_min(length, (int64_t)b->n - wni_max(at, to));
        memmove(b->v + to, b->v + at, (size_t)length);
        break;
    default: /* more than there should be */
        length = 1 + pick(f, 64);
        for (int64_t i = 0; i < length && b->n < MAX_ROOM; i++)
            b->v[b->n++] = (unsigned char)pick(f, 256);
    }
}

static void random_options(fuzz *f, wn_pool_options *opt)
{
    wn_pool_options_init(opt);
    opt->metric = (int32_t)pick(f, 2);
    if (pick(f, 4) == 0) opt->rows = 1 + pick(f, 5);
    if (pick(f, 8) == 0) opt->dtype = (int32_t)pick(f, WN_DTYPE_COUNT);
    if (pick(f, 8) == 0) opt->dim = 1 + pick(f, 6);
    if (pick(f, 8) == 0) opt->member = "emb";
}

static void expected_status(wn_ctx *ctx, const char *name, uint64_t seed, wn_status st)
{
    if (st == WN_OK) return;
    if (st != WN_E_DATA && st != WN_E_USAGE && st != WN_E_IO)
        fail_msg("%s seed %d: status %s: %s", name, (int)seed, wn_status_name(st),
                 wn_ctx_error(ctx));
    if (strlen(wn_ctx_error(ctx)) < 10) fail_msg("%s: no text", name);
}

/* Every row of what was accepted is read, in all the ways there are. */
static void read_all(wn_ctx *ctx, wn_pool *pool, const char *name, const fuzz *f, size_t file_bytes)
{
    int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool), rows[3] = {n - 1, 0, n / 2};
    size_t bytes = (size_t)(n * d) * wn_dtype_bytes(wn_pool_dtype(pool));
    wn_pool_report report;
    float *out;

    if (n < 1 || d < 1 || bytes > file_bytes)
        fail_msg("%s seed %d: accepted %lld x %lld in %zu bytes", name, (int)f->seed, (long long)n,
                 (long long)d, file_bytes);
    out = malloc((size_t)(wni_max(n, 3) * (d + 1)) * 2 * sizeof *out);
    expected_status(ctx, name, f->seed, wn_pool_read(ctx, pool, 0, n, out, d + 1));
    expected_status(ctx, name, f->seed, wn_pool_read_raw(ctx, pool, 0, n, out));
    expected_status(ctx, name, f->seed, wn_pool_gather(ctx, pool, rows, 3, out, d));
    expected_status(ctx, name, f->seed, wn_pool_check(ctx, pool, 0, &report));
    expected_status(ctx, name, f->seed, wn_pool_check(ctx, pool, 1, NULL));
    free(out);
}

static void damaged_files_are_read_or_refused(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t accepted = 0, refused = 0;
    const char *name;
    ts_bytes b;

    (void)state;
    for (int i = 0; ts_vec_sample(i, &name, &b); i++) {
        unsigned char room[MAX_ROOM];
        const char *path = ts_path(name);
        assert_true(b.n < MAX_ROOM / 2);
        for (uint64_t c = 0; c < CASES; c++) {
            fuzz f = {(uint64_t)i * 100000 + c, 0};
            ts_bytes file = {room, b.n, MAX_ROOM};
            wn_pool_options opt;
            wn_pool *pool = NULL;
            int64_t taken = 0;
            wn_status st;
            memcpy(room, b.v, b.n);
            for (int64_t m = pick(&f, 4); m >= 0 && file.n > 0; m--)
                mutate(&f, &file);
            random_options(&f, &opt);
            (void)remove(path); /* some file systems wait for the disk when a file is overwritten */
            ts_write_file(path, file.v, file.n);
            if (c % 2) taken = wni_budget_left(ctx); /* nothing left: not mapped, read by pread */
            wni_account(ctx, taken);
            st = wn_pool_open(ctx, &path, 1, &opt, &pool);
            wni_account(ctx, -taken);
            expected_status(ctx, name, f.seed, st);
            if (st == WN_OK) {
                read_all(ctx, pool, name, &f, file.n);
                accepted++;
            } else {
                assert_null(pool);
                refused++;
            }
            wn_pool_free(pool);
            assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        }
        ts_bytes_free(&b);
    }
    print_message("%d files accepted, %d refused\n", (int)accepted, (int)refused);
    assert_true(accepted > 500 && refused > 2000); /* both ends are exercised */
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files_are_read_or_refused)};

    return cmocka_run_group_tests_name("fuzz_loaders", tests, NULL, ts_tidy);
}
