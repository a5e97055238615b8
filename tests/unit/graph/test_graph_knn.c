/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_graph_knn against a slow twin that measures every pair, and the folder form of a graph.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/graph_impl.h"
#include "io/outdir.h"
#include "pool/graph_io.h"
#include "support/support.h"

static wn_graph *knn(wn_ctx *ctx, const wn_pool *pool, int64_t k)
{
    wn_graph_input in = {.struct_size = sizeof in, .pool = pool};
    wn_graph_knn_params p = {.struct_size = sizeof p, .k = k};
    wn_graph *g;

    ts_ok(ctx, wn_graph_knn(ctx, &in, &p, &g));
    return g;
}

/* Every pair, by insertion into a sorted list. */
static void twin(wn_ctx *ctx, const wn_pool *pool, const wn_graph *g, int64_t k)
{
    const wni_kernels *oracle = wni_kernels_oracle();
    int64_t n = wn_pool_rows(pool), ld = wni_ld(wn_pool_dim(pool));
    float *v = aligned_alloc(64, (size_t)(n * ld) * sizeof *v);
    int64_t *at = malloc((size_t)(k + 1) * sizeof *at);
    float *distance = malloc((size_t)(k + 1) * sizeof *distance);

    ts_ok(ctx, wn_pool_read(ctx, pool, 0, n, v, ld));
    assert_int_equal(g->n, n);
    assert_int_equal(g->edges, n * k);
    assert_int_equal(g->metric, wn_pool_metric(pool));
    for (int64_t i = 0; i < n; i++) {
        int64_t size = 0;
        for (int64_t j = 0; j < n; j++) {
            float x = oracle->l2sq(v + i * ld, v + j * ld, ld);
            int64_t place = size;
            if (j == i) continue;
            x = wn_pool_metric(pool) == WN_COSINE ? x / 2 : sqrtf(x);
            while (place > 0 && x < distance[place - 1])
                place--;
            if (place == k) continue;
            memmove(at + place + 1, at + place, (size_t)(size - place) * sizeof *at);
            memmove(distance + place + 1, distance + place,
                    (size_t)(size - place) * sizeof *distance);
            at[place] = j;
            distance[place] = x;
            size += size < k;
        }
        assert_int_equal(g->indptr[i], i * k);
        for (int64_t j = 0; j < k; j++)
            if (g->indices[i * k + j] != at[j] || g->distances[i * k + j] != distance[j])
                fail_msg("row %lld, neighbour %lld: found %lld at %.9g, expected %lld at %.9g",
                         (long long)i, (long long)j, (long long)g->indices[i * k + j],
                         (double)g->distances[i * k + j], (long long)at[j], (double)distance[j]);
    }
    assert_int_equal(g->indptr[n], n * k);
    free(v);
    free(at);
    free(distance);
}

enum { NORMAL, TIES, COPIES, FAR, SHAPES };

/* TIES: small whole numbers. COPIES: few distinct rows. FAR: small differences far from the origin, where
 * dot products have lost the digits that decide. */
static float *rows_of(int shape, int64_t n, int64_t d)
{
    float *v = ts_normal(n, d, 3);

    for (int64_t i = 0; i < n * d; i++) {
        if (shape == TIES) v[i] = (float)(1 + wni_rand_below(1, 2, (uint64_t)i, 3));
        if (shape == COPIES && i / d >= 9) v[i] = v[(i / d % 9) * d + i % d];
        if (shape == FAR) v[i] = 300 + 0.25f * v[i];
    }
    return v;
}

static void equals_the_twin(void **state)
{
    static const struct {
        int64_t n, d, k;
    } cases[] = {{2, 1, 1}, {3, 5, 2}, {40, 1, 39}, {40, 7, 12}, {333, 20, 5}, {700, 33, 15}};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (int shape = 0; shape < SHAPES; shape++)
            for (int metric = 0; metric < 2; metric++) {
                float *v = rows_of(shape, cases[c].n, cases[c].d);
                wn_pool *pool;
                wn_graph *g;
                ts_ok(ctx, wn_pool_wrap(ctx, v, cases[c].n, cases[c].d, WN_F32, (wn_metric)metric,
                                        &pool));
                g = knn(ctx, pool, cases[c].k);
                twin(ctx, pool, g, cases[c].k);
                wn_graph_free(g);
                wn_pool_free(pool);
                free(v);
            }
    wn_ctx_free(ctx);
}

static void other_types_of_rows(void **state)
{
    enum { N = 200, D = 24 };
    wn_ctx *ctx = ts_ctx(1, -1);
    uint16_t half[N * D];
    int8_t small[N * D];

    (void)state;
    for (int64_t i = 0; i < N * D; i++) { /* f16: sign, exponents 12 to 18, any mantissa */
        uint64_t bits = wni_rand_u64(5, 6, (uint64_t)i);
        half[i] = (uint16_t)((bits & 0x83ff) | (12 + (bits >> 20) % 7) << 10);
        small[i] = (int8_t)(bits >> 40);
    }
    for (int metric = 0; metric < 2; metric++)
        for (int type = 0; type < 2; type++) {
            wn_pool *pool;
            wn_graph *g;
            ts_ok(ctx, wn_pool_wrap(ctx, type ? (void *)small : (void *)half, N, D,
                                    type ? WN_I8 : WN_F16, (wn_metric)metric, &pool));
            g = knn(ctx, pool, 10);
            twin(ctx, pool, g, 10);
            wn_graph_free(g);
            wn_pool_free(pool);
        }
    wn_ctx_free(ctx);
}

/* On a line: 0 1 3 3 7. */
static void by_hand(void **state)
{
    static const float v[] = {0, 1, 3, 3, 7};
    static const int64_t indices[] = {1, 2, 0, 2, 3, 1, 2, 1, 2, 3};
    static const float distances[] = {1, 3, 1, 2, 0, 2, 0, 2, 4, 4};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;
    wn_graph *g;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 5, 1, WN_F32, WN_L2, &pool));
    g = knn(ctx, pool, 2);
    assert_memory_equal(g->indices, indices, sizeof indices);
    assert_memory_equal(g->distances, distances, sizeof distances);
    wn_graph_free(g);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void same_bytes_everywhere(void **state)
{
    static const int threads[] = {1, 2, 8};
    enum { N = 3000, D = 33, K = 15 };

    (void)state;
    for (int shape = 0; shape < SHAPES; shape += FAR) {
        float *v = rows_of(shape, N, D);
        wn_graph *first = NULL;
        wn_ctx *first_ctx = ts_ctx(1, 0);
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
            for (int t = 0; t < 3; t++) {
                wn_ctx *ctx = ts_ctx(threads[t], isa);
                wn_pool *pool;
                wn_graph *g;
                if (t == 2) ctx->budget_bytes = (int64_t)4 << 20; /* several blocks */
                ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
                g = knn(first ? ctx : first_ctx, pool, K);
                if (first) {
                    assert_memory_equal(g->indices, first->indices, N * K * sizeof *g->indices);
                    assert_memory_equal(g->distances, first->distances,
                                        N * K * sizeof *g->distances);
                    wn_graph_free(g);
                } else {
                    first = g;
                }
                wn_pool_free(pool);
                wn_ctx_free(ctx);
            }
        wn_graph_free(first);
        wn_ctx_free(first_ctx);
        free(v);
    }
}

static void expect(wn_ctx *ctx, wn_status st, wn_status want, const char *text)
{
    if (st != want || !strstr(wn_ctx_error(ctx), text))
        fail_msg("expected %s with '%s', found %s: %s", wn_status_name(want), text,
                 wn_status_name(st), wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    enum { N = 20, D = 3 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_graph_input in = {.struct_size = sizeof in};
    wn_graph_knn_params p = {.struct_size = sizeof p, .k = N};
    wn_pool *pool, *none;
    wn_graph *g;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 0, D, WN_F32, WN_L2, &none));
    expect(ctx, wn_graph_knn(ctx, &in, &p, &g), WN_E_USAGE, "pool is NULL");
    in.pool = pool;
    expect(ctx, wn_graph_knn(ctx, &in, &p, &g), WN_E_DATA, "k is 20 but the pool has 20 rows");
    p.k = 0;
    expect(ctx, wn_graph_knn(ctx, &in, &p, &g), WN_E_USAGE, "k");
    p.k = 1;
    in.pool = none;
    expect(ctx, wn_graph_knn(ctx, &in, &p, &g), WN_E_DATA, "the pool has 0 rows");
    assert_null(g);
    in.pool = pool;
    v[7] = NAN;
    expect(ctx, wn_graph_knn(ctx, &in, &p, &g), WN_E_DATA, "2");
    for (int64_t i = 0; i < N * D; i++)
        v[i] = (i % 7 < 3 ? -3e38f : 3e38f) / (float)(1 + i % 5);
    wn_pool_free(pool);
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    expect(ctx, wn_graph_knn(ctx, &in, &p, &g), WN_E_DATA, "is so far from others");
    assert_null(g);
    wn_pool_free(pool);
    wn_pool_free(none);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- the folder ------------------------------------------------------------------------------ */

static wn_status save(wn_ctx *ctx, const wn_graph *g, const char *path)
{
    wni_out *out;
    wn_status st = wni_out_begin(ctx, path, 0, 1, &out);

    if (st != WN_OK) return st;
    st = wni_graph_save(out, "", g);
    if (st == WN_OK) return wni_out_commit(out);
    wni_out_abort(out);
    return st;
}

static void saved_and_loaded(void **state)
{
    enum { N = 50, D = 4 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_graph *g, *again;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool));
    g = knn(ctx, pool, 6);
    ts_ok(ctx, save(ctx, g, ts_path("graph")));
    ts_ok(ctx, wn_graph_load(ctx, ts_path("graph"), &again));
    assert_int_equal(again->n, N);
    assert_int_equal(again->edges, N * 6);
    assert_int_equal(again->metric, WN_COSINE);
    assert_memory_equal(again->indptr, g->indptr, (N + 1) * sizeof *g->indptr);
    assert_memory_equal(again->indices, g->indices, N * 6 * sizeof *g->indices);
    assert_memory_equal(again->distances, g->distances, N * 6 * sizeof *g->distances);
    wn_graph_free(again);
    wn_graph_free(g);
    wn_pool_free(pool);
    free(v);
    wn_graph_free(NULL);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_graph *g, const char *text)
{
    static int number;
    wn_graph *loaded = NULL;
    char name[32];

    snprintf(name, sizeof name, "broken%d", number++);
    ts_ok(ctx, save(ctx, g, ts_path(name)));
    expect(ctx, wn_graph_load(ctx, ts_path(name), &loaded), WN_E_DATA, text);
    assert_null(loaded);
}

static void broken_folders_are_refused(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char path[1100];
    wn_graph *g, *loaded;

    (void)state;
    ts_ok(ctx, wn_graph_new(ctx, 3, 4, WN_L2, &g));
    memcpy(g->indptr, (int64_t[]){0, 2, 3, 4}, 4 * sizeof *g->indptr);
    memcpy(g->indices, (int64_t[]){1, 2, 0, 0}, 4 * sizeof *g->indices);
    memcpy(g->distances, (float[]){1, 2, 1, 2}, 4 * sizeof *g->distances);
    ts_ok(ctx, save(ctx, g, ts_path("whole")));
    ts_ok(ctx, wn_graph_load(ctx, ts_path("whole"), &loaded)); /* uneven rows are a graph too */
    wn_graph_free(loaded);
    g->indptr[1] = 4;
    refused(ctx, g, "row 1 starts at 4 and ends at 3");
    g->indptr[1] = 2;
    g->indptr[3] = 3;
    refused(ctx, g, "runs from 0 to 3, expected 0 to 4");
    g->indptr[3] = 4;
    g->indices[2] = 3;
    refused(ctx, g, "row 1 has the neighbour 3, expected 0 to 2");
    g->indices[2] = 1;
    refused(ctx, g, "row 1 is its own neighbour");
    g->indices[2] = 0;
    g->distances[1] = 0.5f;
    refused(ctx, g, "row 0 has 0.5 after 1");
    g->distances[1] = INFINITY;
    refused(ctx, g, "row 0 has the distance inf");
    g->distances[1] = -1;
    refused(ctx, g, "row 0 has the distance -1");
    g->distances[1] = 2;
    ts_ok(ctx, save(ctx, g, ts_path("broken")));
    snprintf(path, sizeof path, "%s/metric.txt", ts_path("broken"));
    ts_write_file(path, "taxicab\n", 8);
    expect(ctx, wn_graph_load(ctx, ts_path("broken"), &loaded), WN_E_DATA, "found 'taxicab'");
    remove(path);
    expect(ctx, wn_graph_load(ctx, ts_path("broken"), &loaded), WN_E_DATA, "metric.txt");
    expect(ctx, wn_graph_load(ctx, ts_path("nowhere"), &loaded), WN_E_DATA, "indptr.npy");
    wn_graph_free(g);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
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
        cmocka_unit_test(other_types_of_rows),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(saved_and_loaded),
        cmocka_unit_test(broken_folders_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
