/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading ahead: where it is of no use there is none; starting, moving and stopping in any order; and rows are the
 * same beside it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/pool_ahead.h"
#include "support/support.h"

enum { N = 60000, D = 50, HALF = N / 2 };

static wn_pool *open_files(wn_ctx *ctx, const float *x)
{
    const char *paths[2];
    char first[512];
    wn_pool *pool;

    snprintf(first, sizeof first, "%s", ts_path("a.npy"));
    paths[0] = first;
    ts_write_npy(paths[0], x, HALF, D);
    paths[1] = ts_path("b.npy");
    ts_write_npy(paths[1], x + (int64_t)HALF * D, HALF, D);
    ts_ok(ctx, wn_pool_open(ctx, paths, 2, NULL, &pool));
    return pool;
}

static void none_where_of_no_use(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(N, D, 1);
    int64_t rows[3] = {2, 1, 0};
    wn_pool *pool = open_files(ctx, x), *memory, *view, *unit;
    wni_ahead *ahead = (wni_ahead *)8;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, x, N, D, WN_F32, WN_L2, &memory));
    ts_ok(ctx, wni_ahead_start(ctx, memory, 0, N, 0, &ahead));
    assert_null(ahead);
    ts_ok(ctx, wn_pool_view(ctx, pool, rows, 3, &view));
    ts_ok(ctx, wni_ahead_start(ctx, view, 0, 3, 0, &ahead));
    assert_null(ahead);
    ts_ok(ctx, wni_ahead_start(ctx, pool, 5, 100, 0, &ahead)); /* few bytes */
    assert_null(ahead);
    wni_ahead_at(NULL, 3);
    wni_ahead_stop(ctx, NULL);
    ts_ok(ctx, wn_pool_with_metric(ctx, pool, WN_COSINE, &unit)); /* the same rows */
    ts_ok(ctx, wni_ahead_start(ctx, unit, 0, N, 0, &ahead));
    assert_non_null(ahead);
    wni_ahead_stop(ctx, ahead);
    wn_pool_free(unit);
    wn_pool_free(view);
    wn_pool_free(memory);
    wn_pool_free(pool);
    ts_tmp_remove();
    free(x);
    wn_ctx_free(ctx);
}

static void any_order(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = ts_normal(N, D, 2), row[D];
    wn_pool *pool = open_files(ctx, x);
    int64_t live = wn_ctx_live_bytes(ctx);

    (void)state;
    for (int way = 0; way < 40; way++) {
        wni_ahead *ahead;

        ts_ok(ctx, wni_ahead_start(ctx, pool, way * 100, N - way * 100, way << 16, &ahead));
        assert_non_null(ahead);
        for (int64_t i = 0; i < way; i++) { /* forward, backward, past the end */
            int64_t at = way % 3 == 0 ? i * 1500 : way % 3 == 1 ? N - 1 - i * 1500 : N - 1;

            wni_ahead_at(ahead, at + (way % 3 == 2) * N);
            ts_ok(ctx, wn_pool_read(ctx, pool, at, 1, row, D));
            assert_memory_equal(row, x + at * D, sizeof row);
        }
        wni_ahead_stop(ctx, ahead);
        assert_int_equal(wn_ctx_live_bytes(ctx), live);
    }
    wn_pool_free(pool);
    ts_tmp_remove();
    free(x);
    wn_ctx_free(ctx);
}

static void no_memory_is_said(void **state)
{
    float *x = ts_normal(N, D, 3);
    wn_status st = WN_E_NOMEM;

    (void)state;
    for (int64_t fail_at = 0; st != WN_OK && fail_at < 200; fail_at++) {
        ts_alloc alloc = {.fail_at = fail_at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 2);
        const char *path = ts_path("c.npy");
        wni_ahead *ahead = NULL;
        wn_pool *pool = NULL;

        if (fail_at == 0) ts_write_npy(path, x, N, D);
        st = wn_pool_open(ctx, &path, 1, NULL, &pool);
        if (st == WN_OK) {
            st = wni_ahead_start(ctx, pool, 0, N, 0, &ahead);
            if (st != WN_OK) assert_null(ahead);
        }
        if (st != WN_OK) assert_int_equal(st, WN_E_NOMEM);
        wni_ahead_stop(ctx, ahead);
        wn_pool_free(pool);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
    }
    assert_int_equal(st, WN_OK);
    ts_tmp_remove();
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_where_of_no_use),
        cmocka_unit_test(any_order),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
