/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays and sorts that leave memory: the same contents with and without a file, and nothing left behind.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "io/scratch.h"
#include "support/support.h"

static int entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(dir);
    return count;
}

static int compare(const void *a, const void *b)
{
    const wni_keyed *x = a, *y = b;

    return x->key != y->key ? (x->key < y->key ? -1 : 1) : (x->row > y->row) - (x->row < y->row);
}

/* One list sorted in memory, in a few parts and in many, against qsort. */
static void spills_sort(void **state)
{
    enum { N = 60000 };
    static wni_keyed v[N], want[N];
    static const int64_t memory[] = {(int64_t)1 << 30, 400000, 100000, 1};
    int64_t parts_before = 0;

    (void)state;
    for (int64_t i = 0; i < N; i++) {
        v[i].key = wni_rand_u64(1, 1, (uint64_t)i);
        if (i % 5 == 0) v[i].key = (uint64_t)(i % 3) << 62; /* keys that very many share */
        if (i % 7 == 0) v[i].key = UINT64_MAX;
        v[i].row = (i * 7919) % N;
    }
    memcpy(want, v, sizeof v);
    qsort(want, N, sizeof *want, compare);
    for (size_t m = 0; m < sizeof memory / sizeof memory[0]; m++) {
        wn_ctx *ctx = ts_ctx(2, -1);
        wni_spill *spill;
        int64_t n, at, part;
        wni_keyed *got;

        ts_ok(ctx, wni_spill_new(ctx, ts_tmp(), N, memory[m], &spill));
        assert_int_equal(entries(ts_tmp()), 0); /* the file has no name */
        part = wni_spill_parts(spill);
        assert_true(m == 0 ? part == 1 : part > 1 && part >= parts_before);
        parts_before = part;
        for (int64_t i = 0; i < N; i += 1000)
            ts_ok(ctx, wni_spill_add(spill, v + i, 1000));
        assert_int_equal(wni_spill_add(spill, v, 1), WN_E_INTERNAL);
        for (int round = 0; round < 2; round++) {
            for (at = 0;; at += n) {
                ts_ok(ctx, wni_spill_next(spill, &got, &n));
                if (!got) break;
                assert_memory_equal(got, want + at, (size_t)n * sizeof *got);
                if (at) assert_true(want[at].key != want[at - 1].key);
            }
            assert_int_equal(at, N);
            wni_spill_rewind(spill);
        }
        wni_spill_free(spill);
        wn_ctx_free(ctx);
    }
}

static void spills_may_be_empty(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_spill *spill;
    wni_keyed *got;
    int64_t n;

    (void)state;
    ts_ok(ctx, wni_spill_new(ctx, ts_tmp(), 0, 0, &spill));
    ts_ok(ctx, wni_spill_next(spill, &got, &n));
    assert_int_equal(n, 0);
    ts_ok(ctx, wni_spill_next(spill, &got, &n));
    assert_null(got);
    wni_spill_free(spill);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void stores_keep_what_is_added(void **state)
{
    static const int64_t memory[] = {(int64_t)1 << 30, 100000, 1};
    enum { N = 300000 };

    (void)state;
    for (size_t m = 0; m < sizeof memory / sizeof memory[0]; m++) {
        wn_ctx *ctx = ts_ctx(1, -1);
        wni_store *store;
        void *data, *again;
        int64_t at = 0;

        ts_ok(ctx, wni_store_new(ctx, ts_tmp(), memory[m], &store));
        while (at < N) { /* pieces of 1, 2, 4, ... up to more than the buffer */
            static int64_t piece[65536];
            int64_t size = wni_min(wni_rand_below(2, 1, (uint64_t)at, 65536) + 1, N - at);

            for (int64_t i = 0; i < size; i++)
                piece[i] = at + i;
            ts_ok(ctx, wni_store_add(store, piece, size * 8));
            at += size;
            assert_int_equal(wni_store_bytes(store), at * 8);
        }
        ts_ok(ctx, wni_store_data(store, &data));
        ts_ok(ctx, wni_store_data(store, &again));
        assert_ptr_equal(data, again);
        for (int64_t i = 0; i < N; i++)
            if (((int64_t *)data)[i] != i) fail_msg("item %lld is wrong", (long long)i);
        ((int64_t *)data)[N - 1] = 7; /* it may be written */
        wni_store_free(store);
        assert_int_equal(entries(ts_tmp()), 0);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
    }
}

static void a_missing_folder_is_told(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_scratch *file;

    (void)state;
    assert_int_equal(wni_scratch_new(ctx, ts_path("nowhere"), &file), WN_E_IO);
    assert_null(file);
    assert_non_null(strstr(wn_ctx_error(ctx), "nowhere"));
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
        cmocka_unit_test(spills_sort),
        cmocka_unit_test(spills_may_be_empty),
        cmocka_unit_test(stores_keep_what_is_added),
        cmocka_unit_test(a_missing_folder_is_told),
    };

    return cmocka_run_group_tests_name("io: scratch", tests, NULL, teardown);
}
