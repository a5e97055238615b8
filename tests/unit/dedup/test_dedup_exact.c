/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_dedup_exact against comparing every pair of rows.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "dedup/dedup_exact.h"

static wn_dedup *run(wn_ctx *ctx, const void *rows, int64_t n, int64_t d, wn_dtype dtype,
                     int verify, uint64_t mask)
{
    wn_dedup *dedup;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, rows, n, d, dtype, WN_L2, &pool));
    ts_ok(ctx, wni_dedup_exact_masked(ctx, pool, verify, mask, &dedup));
    wn_pool_free(pool);
    return dedup;
}

/* First row with the same bytes, by looking at all of them. */
static int64_t twin(const unsigned char *rows, int64_t i, size_t bytes)
{
    for (int64_t j = 0; j < i; j++)
        if (memcmp(rows + (size_t)j * bytes, rows + (size_t)i * bytes, bytes) == 0) return j;
    return i;
}

static void like_all_pairs(void **state)
{
    static const uint64_t masks[] = {UINT64_MAX, 7, 0}; /* 7 and 0: hashes that collide */

    (void)state;
    for (int threads = 1; threads <= 8; threads += 7)
        for (size_t m = 0; m < 3; m++)
            for (int64_t n = 0; n <= 600; n += n < 3 ? 1 : 199) {
                wn_ctx *ctx = ts_ctx(threads, -1);
                int64_t d = 3, kept = 0;
                uint8_t *v = calloc((size_t)(n * d) + 1, 1);
                wn_dedup *dedup;
                for (int64_t i = 0; i < n * d; i++)
                    v[i] = (uint8_t)wni_rand_below(5, 1, (uint64_t)i, 6);
                dedup = run(ctx, v, n, d, WN_U8, 1, masks[m]);
                for (int64_t i = 0; i < n; i++) {
                    int64_t want = twin(v, i, (size_t)d);
                    assert_int_equal(dedup->partner[i], want);
                    assert_true(dedup->similarity[i] == 1);
                    kept += want == i;
                }
                assert_int_equal(dedup->kept, kept);
                wn_dedup_free(dedup);
                free(v);
                assert_int_equal(wn_ctx_live_bytes(ctx), 0);
                wn_ctx_free(ctx);
            }
}

/* Rows longer than a range, many ranges, and one group that holds every row. */
static void long_rows_and_one_group(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t n = 300, d = 5000;
    float *v = calloc((size_t)(n * d), sizeof *v);
    wn_dedup *dedup = run(ctx, v, n, d, WN_F32, 1, UINT64_MAX);

    (void)state;
    assert_int_equal(dedup->kept, 1);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(dedup->partner[i], 0);
    wn_dedup_free(dedup);
    v[7 * d + d - 1] = -0.0f; /* other bytes, though an equal number */
    dedup = run(ctx, v, n, d, WN_F32, 1, UINT64_MAX);
    assert_int_equal(dedup->kept, 2);
    assert_int_equal(dedup->partner[7], 7);
    wn_dedup_free(dedup);
    free(v);
    wn_ctx_free(ctx);
}

static void verify_off_trusts_the_hash(void **state)
{
    static const uint8_t v[] = {1, 2, 3};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup *dedup = run(ctx, v, 3, 1, WN_U8, 0, 0);

    (void)state;
    assert_int_equal(dedup->kept, 1); /* all hashes made equal, nobody looked */
    wn_dedup_free(dedup);
    dedup = run(ctx, v, 3, 1, WN_U8, 1, 0);
    assert_int_equal(dedup->kept, 3);
    wn_dedup_free(dedup);
    wn_ctx_free(ctx);
}

static void through_the_family(void **state)
{
    static const float v[] = {1, 2, 3, 4, 1, 2};
    const wn_method *method = wn_method_find("dedup", "exact");
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_dedup_input in = {.struct_size = sizeof in};
    wn_dedup_exact_params params = {.struct_size = sizeof params, .verify = 7};
    wn_dedup *dedup;
    wn_pool *pool;

    (void)state;
    assert_non_null(method);
    ts_ok(ctx, wn_pool_wrap(ctx, v, 3, 2, WN_F32, WN_L2, &pool));
    assert_int_equal(wn_dedup_run(ctx, method, &in, NULL, &dedup), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "no pool is given"));
    in.pool = pool;
    assert_int_equal(wn_dedup_exact(ctx, &in, &params, &dedup), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "verify"));
    assert_int_equal(wn_dedup_run(ctx, wn_method_find("select", "balanced"), &in, NULL, &dedup),
                     WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "expected one of dedup"));
    ts_ok(ctx, wn_dedup_exact(ctx, &in, NULL, &dedup));
    assert_int_equal(dedup->partner[2], 0);
    assert_int_equal(dedup->kept, 2);
    wn_dedup_free(dedup);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_all_pairs), cmocka_unit_test(long_rows_and_one_group),
        cmocka_unit_test(verify_off_trusts_the_hash), cmocka_unit_test(through_the_family)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
