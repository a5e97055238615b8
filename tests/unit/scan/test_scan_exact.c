/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact nearest rows of one pool in another: few queries, which are measured one by one, and many, which are
 * scanned, against a slow twin; far from the origin, where scores have lost the digits that decide.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "scan/scan.h"
#include "support/support.h"

enum { N = 700, K = 9 };

/* Rows of d = 32 are compared where they lie when there are few queries. */
static void compare(int64_t d, int threads, int isa, wn_metric metric, int64_t nq, int far,
                    int subset)
{
    float *v = ts_blobs(N, d, 5, 0.3, 3, NULL), *x = ts_blobs(nq, d, 5, 0.3, 3, NULL);
    const wni_kernels *oracle = wni_kernels_oracle();
    const int64_t ld = wni_ld(d), n = subset ? 40 : N, k = subset == 2 ? 50 : K;
    float *a = aligned_alloc(64, sizeof(float) * (size_t)(2 * ld)), *b = a + ld;
    int64_t *at = malloc(sizeof(int64_t) * (size_t)(nq * k)), rows[40];
    float *key = malloc(sizeof(float) * (size_t)(nq * k));
    wn_ctx *ctx = ts_ctx(threads, isa);
    wn_pool *pool, *queries;
    wni_queries q, base;

    for (int64_t i = 0; far && i < N * d; i++)
        v[i] = 500 + 0.01f * v[i];
    for (int64_t i = 0; far && i < nq * d; i++)
        x[i] = 500 + 0.01f * x[i];
    memcpy(v + 30 * d, v + 60 * d, sizeof(float) * d); /* a tie */
    for (int64_t i = 0; i < 40; i++)
        rows[i] = (i * 37 + 30) % N;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, d, WN_F32, metric, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, x, nq, d, WN_F32, metric, &queries));
    q = (wni_queries){queries, NULL, 0, nq};
    base = (wni_queries){pool, subset ? rows : NULL, 0, n};
    ts_ok(ctx, wni_scan_exact(ctx, &q, &base, k, at, key));
    for (int64_t i = 0; i < nq; i++) {
        float last = -1;
        int64_t last_at = -1;

        ts_ok(ctx, wn_pool_read(ctx, queries, i, 1, a, ld));
        for (int64_t j = 0; j < k; j++) {
            float best = INFINITY;
            int64_t best_at = -1;

            for (int64_t r = 0; r < n; r++) {
                float l2sq;
                ts_ok(ctx, wn_pool_read(ctx, pool, subset ? rows[r] : r, 1, b, ld));
                l2sq = oracle->l2sq(a, b, ld);
                if ((l2sq > last || (!(l2sq < last) && r > last_at)) && l2sq < best)
                    best = l2sq, best_at = r;
            }
            assert_int_equal(at[i * k + j], best_at);
            assert_memory_equal(&key[i * k + j], &best, sizeof best);
            last = best;
            last_at = best_at >= 0 ? best_at : n;
        }
    }
    wn_pool_free(pool);
    wn_pool_free(queries);
    wn_ctx_free(ctx);
    free(v);
    free(x);
    free(a);
    free(at);
    free(key);
}

static void test_few_and_many(void **state)
{
    (void)state;
    for (int64_t d = 21; d <= 32; d += 11)
        for (int threads = 1; threads <= 3; threads += 2)
            for (int metric = 0; metric < 2; metric++)
                for (int subset = 0; subset < 3; subset++) {
                    compare(d, threads, -1, metric ? WN_COSINE : WN_L2, 1, 0, subset);
                    compare(d, threads, -1, metric ? WN_COSINE : WN_L2, 12, 0, subset);
                }
}

static void test_far_from_the_origin(void **state)
{
    (void)state;
    for (int64_t d = 21; d <= 32; d += 11) {
        compare(d, 2, -1, WN_L2, 3, 1, 0);
        compare(d, 2, -1, WN_L2, 12, 1, 0);
        compare(d, 1, WN_ISA_BASE, WN_L2, 3, 1, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_few_and_many),
                                       cmocka_unit_test(test_far_from_the_origin)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
