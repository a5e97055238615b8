/* SPDX-License-Identifier: Apache-2.0
 *
 * `graph truth` against a slow twin, and the file that other tools read.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/graph_impl.h"
#include "io/outdir.h"
#include "support/support.h"
#include "winnow/job.h"

static wn_status truth(wn_ctx *ctx, const char *pool, const char *queries, const char *k,
                       const char *metric, const char *out)
{
    wn_job *job;
    wn_status st;

    ts_ok(ctx, wn_job_new(ctx, "graph", "truth", &job));
    ts_ok(ctx, wn_job_set(job, "k", k));
    ts_ok(ctx, wn_job_set(job, "metric", metric));
    ts_ok(ctx, wn_job_set(job, "force", "1"));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path(pool)));
    if (queries) ts_ok(ctx, wn_job_input(job, "queries", ts_path(queries)));
    ts_ok(ctx, wn_job_output(job, ts_path(out)));
    st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static void *load(wn_ctx *ctx, const char *name, const char *descr, int64_t m, int64_t k)
{
    int64_t shape[2];
    void *data;

    ts_ok(ctx, wni_npy_load(ctx, ts_path(name), descr, 2, shape, &data));
    assert_int_equal(shape[0], m);
    assert_int_equal(shape[1], k);
    return data;
}

/* The .ibin says the same as the arrays: squared distances, or inner products of unit rows. */
static void check_ibin(const int64_t *at, const float *distance, int64_t m, int64_t k, int squared)
{
    unsigned char *b = malloc((size_t)(8 + 8 * m * k + 1));
    FILE *f = fopen(ts_path("out/groundtruth.ibin"), "rb");
    uint32_t head[2];

    assert_non_null(f);
    assert_int_equal(fread(b, 1, (size_t)(8 + 8 * m * k + 1), f), 8 + 8 * m * k);
    fclose(f);
    memcpy(head, b, 8);
    assert_int_equal(head[0], m);
    assert_int_equal(head[1], k);
    for (int64_t i = 0; i < m * k; i++) {
        int32_t id;
        float d;
        memcpy(&id, b + 8 + 4 * i, 4);
        memcpy(&d, b + 8 + 4 * (m * k + i), 4);
        assert_int_equal(id, at[i]);
        assert_true(d == (squared ? distance[i] * distance[i] : 1 - distance[i]));
    }
    free(b);
}

static void twin(wn_ctx *ctx, const float *v, int64_t n, const float *q, int64_t m, int64_t d,
                 wn_metric metric, int64_t k)
{
    const wni_kernels *oracle = wni_kernels_oracle();
    const int64_t ld = wni_ld(d);
    float *rows = aligned_alloc(64, (size_t)(n * ld) * sizeof *rows);
    float *query = aligned_alloc(64, (size_t)(m * ld) * sizeof *query);
    int64_t *at = load(ctx, "out/indices.npy", "<i8", m, k);
    float *distance = load(ctx, "out/distances.npy", "<f4", m, k);
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, metric, &pool));
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, n, rows, ld));
    wn_pool_free(pool);
    ts_ok(ctx, wn_pool_wrap(ctx, q, m, d, WN_F32, metric, &pool));
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, m, query, ld));
    wn_pool_free(pool);
    for (int64_t i = 0; i < m; i++) {
        char *taken = calloc((size_t)n, 1);
        for (int64_t j = 0; j < k; j++) { /* the nearest that is left */
            int64_t best = -1;
            float least = INFINITY;
            for (int64_t c = 0; c < n; c++) {
                float x = wni_graph_distance(oracle, metric, query + i * ld, rows + c * ld, ld);
                if (taken[c] || !(x < least)) continue;
                least = x;
                best = c;
            }
            taken[best] = 1;
            assert_int_equal(at[i * k + j], best);
            assert_true(distance[i * k + j] == least);
        }
        free(taken);
    }
    check_ibin(at, distance, m, k, metric == WN_L2);
    wni_free(ctx, at);
    wni_free(ctx, distance);
    free(rows);
    free(query);
}

enum { NORMAL, TIES, FAR, SHAPES };

static void equals_the_twin(void **state)
{
    static const struct {
        int64_t n, m, d, k;
    } cases[] = {{1, 1, 1, 1}, {2, 3, 5, 2}, {30, 4, 1, 30}, {300, 70, 20, 7}, {500, 33, 9, 25}};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (int shape = 0; shape < SHAPES; shape++)
            for (int metric = 0; metric < 2; metric++) {
                const int64_t n = cases[c].n, m = cases[c].m, d = cases[c].d;
                float *v = ts_normal(n + m, d, 3);
                char k[16];
                for (int64_t i = 0; i < (n + m) * d; i++) {
                    if (shape == TIES) v[i] = (float)(1 + wni_rand_below(1, 2, (uint64_t)i, 3));
                    if (shape == FAR) v[i] = 300 + 0.25f * v[i]; /* dot products lose the digits */
                }
                snprintf(k, sizeof k, "%lld", (long long)cases[c].k);
                ts_write_npy(ts_path("pool.npy"), v, n, d);
                ts_write_npy(ts_path("queries.npy"), v + n * d, m, d);
                ts_ok(ctx,
                      truth(ctx, "pool.npy", "queries.npy", k, metric ? "cosine" : "l2", "out"));
                twin(ctx, v, n, v + n * d, m, d, (wn_metric)metric, cases[c].k);
                free(v);
            }
    wn_ctx_free(ctx);
}

/* On a line: rows 0 1 3 3 7, queries 3 and 6. */
static void by_hand(void **state)
{
    static const float v[] = {0, 1, 3, 3, 7}, q[] = {3, 6};
    static const int64_t indices[] = {2, 3, 1, 4, 2, 3};
    static const float distances[] = {0, 0, 2, 1, 3, 3};
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t *at;
    float *distance;

    (void)state;
    ts_write_npy(ts_path("pool.npy"), v, 5, 1);
    ts_write_npy(ts_path("queries.npy"), q, 2, 1);
    ts_ok(ctx, truth(ctx, "pool.npy", "queries.npy", "3", "l2", "out"));
    at = load(ctx, "out/indices.npy", "<i8", 2, 3);
    distance = load(ctx, "out/distances.npy", "<f4", 2, 3);
    assert_memory_equal(at, indices, sizeof indices);
    assert_memory_equal(distance, distances, sizeof distances);
    check_ibin(at, distance, 2, 3, 1);
    wni_free(ctx, at);
    wni_free(ctx, distance);
    wn_ctx_free(ctx);
}

/* What was written is known for what it is when it is given as a pool. */
static void not_taken_for_vectors(void **state)
{
    static const float v[] = {0, 1, 3, 3, 7};
    wn_ctx *ctx = ts_ctx(1, -1);
    const char *path = ts_path("out/groundtruth.ibin");
    wn_pool *pool;

    (void)state;
    ts_write_npy(ts_path("pool.npy"), v, 5, 1);
    ts_ok(ctx, truth(ctx, "pool.npy", "pool.npy", "3", "l2", "out"));
    assert_int_equal(wn_pool_open(ctx, &path, 1, NULL, &pool), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "ground truth (5 queries, 3 neighbours"));
    wn_ctx_free(ctx);
}

static void bad_input(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    float v[60] = {0};

    (void)state;
    for (int i = 0; i < 60; i++)
        v[i] = (float)(i % 7);
    ts_write_npy(ts_path("pool.npy"), v, 20, 3);
    ts_write_npy(ts_path("wide.npy"), v, 15, 4);
    ts_write_npy(ts_path("few.npy"), v, 2, 3);
    assert_int_equal(truth(ctx, "pool.npy", "few.npy", "21", "l2", "bad"), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "k is 21 but the pool has 20 rows; lower --k"));
    assert_int_equal(truth(ctx, "pool.npy", "wide.npy", "2", "l2", "bad"), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "wide.npy"));
    assert_int_equal(truth(ctx, "pool.npy", NULL, "2", "l2", "bad"), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "queries"));
    v[4] = NAN;
    ts_write_npy(ts_path("few.npy"), v, 2, 3);
    assert_int_equal(truth(ctx, "pool.npy", "few.npy", "2", "l2", "bad"), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "NaN"));
    for (int i = 0; i < 6; i++)
        v[i] = i % 2 ? 3e38f : -3e38f;
    ts_write_npy(ts_path("few.npy"), v, 2, 3);
    assert_int_equal(truth(ctx, "pool.npy", "few.npy", "2", "l2", "bad"), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "is so far from others"));
    wn_ctx_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    ts_tmp();
    return 0;
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
        cmocka_unit_test(equals_the_twin),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(not_taken_for_vectors),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
