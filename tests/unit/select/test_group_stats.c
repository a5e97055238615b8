/* SPDX-License-Identifier: Apache-2.0
 *
 * Means, complexity and target match of groups against loops over everything in f64.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "select/group_stats.h"

enum { N = 3000, D = 19, K = 30, M = 200 };

static double distance(const float *a, const float *b, wn_metric metric)
{
    double l2sq = 0;

    for (int j = 0; j < D; j++)
        l2sq += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return metric == WN_COSINE ? l2sq / 2 : sqrt(l2sq); /* of unit vectors */
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return a < b ? -1 : a > b;
}

static void like_plain_loops(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int near = 1; near <= 64; near *= 8) {
            wn_ctx *ctx = ts_ctx(2, -1);
            float *v = ts_blobs(N, D, 5, 0.7, 3, NULL), *t = ts_blobs(M, D, 5, 0.7, 3, NULL);
            float means[K * D], center[K * D];
            double complexity[K], match[K], want_match[K] = {0};
            int64_t count[K], there = 0;
            int32_t group[N];
            wni_grouping g = {N, K, group};
            wn_pool *pool, *target;
            for (int64_t i = 0; i < N; i++) { /* group 7 has no row, group 9 one */
                group[i] = (int32_t)wni_rand_below(1, 1, (uint64_t)i, K + 1) - 1;
                if (group[i] == 7 || group[i] == 9) group[i] = 3;
            }
            group[100] = 9;
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, (wn_metric)metric, &pool));
            ts_ok(ctx, wn_pool_wrap(ctx, t, M, D, WN_F32, (wn_metric)metric, &target));
            ts_ok(ctx, wni_group_means(ctx, pool, &g, means, count));
            if (metric == WN_COSINE) { /* the rows as the pool reads them */
                wni_unit_rows(v, N, D);
                wni_unit_rows(t, M, D);
            }
            for (int c = 0; c < K; c++) {
                int64_t rows = 0;
                double mean[D] = {0};
                for (int64_t i = 0; i < N; i++)
                    for (int j = 0; group[i] == c && j < D; j++)
                        mean[j] += (double)v[i * D + j];
                for (int64_t i = 0; i < N; i++)
                    rows += group[i] == c;
                assert_int_equal(count[c], rows);
                there += rows > 0;
                for (int j = 0; j < D; j++)
                    assert_true(fabs((double)means[c * D + j] -
                                     (rows ? mean[j] / (double)rows : 0)) < 1e-6);
            }
            memcpy(center, means, sizeof center);
            if (metric == WN_COSINE) wni_unit_rows(center, K, D);
            ts_ok(ctx, wni_group_complexity(ctx, pool, &g, center, count, near, complexity));
            for (int c = 0; c < K; c++) {
                double spread = 0, others[K], between = 0, want;
                int64_t m = 0, used;
                for (int64_t i = 0; i < N; i++)
                    if (group[i] == c) spread += distance(v + i * D, center + c * D, metric);
                for (int b = 0; b < K; b++)
                    if (b != c && count[b])
                        others[m++] = distance(center + c * D, center + b * D, metric);
                qsort(others, (size_t)m, sizeof *others, ascending);
                used = near < m ? near : m;
                for (int64_t b = 0; b < used; b++)
                    between += others[b] / (double)used;
                want = count[c] ? spread / (double)count[c] * between : 0;
                assert_true(fabs(complexity[c] - want) <= 1e-5 * (want + 0.1));
                if (count[c] == 0) assert_true(complexity[c] == 0);
            }
            ts_ok(ctx, wni_group_match(ctx, target, K, center, count, match));
            for (int64_t i = 0; i < M; i++) {
                int at = -1;
                for (int c = 0; c < K; c++)
                    if (count[c] && (at < 0 || distance(t + i * D, center + c * D, metric) <
                                                   distance(t + i * D, center + at * D, metric)))
                        at = c;
                want_match[at]++;
            }
            assert_memory_equal(match, want_match, sizeof match);
            assert_int_equal(there, K - 1);
            wn_pool_free(pool);
            wn_pool_free(target);
            free(v);
            free(t);
            wn_ctx_free(ctx);
        }
}

/* Without a row, and with one group only: no division by nothing. */
static void edges(void **state)
{
    static const float v[] = {1, 3};
    wn_ctx *ctx = ts_ctx(1, -1);
    int32_t none[] = {-1, -1};
    wni_grouping g = {2, 2, none};
    float means[2];
    int64_t count[2];
    double out[2];
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, 1, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wni_group_means(ctx, pool, &g, means, count));
    assert_true(means[0] == 0 && count[0] == 0);
    ts_ok(ctx, wni_group_complexity(ctx, pool, &g, means, count, 20, out));
    assert_true(out[0] == 0 && out[1] == 0);
    ts_ok(ctx, wni_group_match(ctx, pool, 2, means, count, out));
    assert_true(out[0] == 0 && out[1] == 0);
    g = (wni_grouping){2, 1, NULL};
    ts_ok(ctx, wni_group_means(ctx, pool, &g, means, count));
    assert_true(means[0] == 2 && count[0] == 2);
    ts_ok(ctx, wni_group_complexity(ctx, pool, &g, means, count, 20, out));
    assert_true(out[0] == 1); /* its spread */
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_plain_loops), cmocka_unit_test(edges)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
