/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of rows: every row in one, none too long, the same bytes however they were made.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "index/lists.h"
#include "kernels/kernels.h"
#include "support/support.h"

static void whole(const wni_lists *l, const wni_lists_params *p)
{
    unsigned char *seen = calloc((size_t)l->n, 1);

    assert_int_equal(l->start[0], 0);
    assert_int_equal(l->start[l->n_lists], l->n);
    for (int32_t i = 0; i < l->n_lists; i++) {
        const int64_t size = l->start[i + 1] - l->start[i];

        assert_in_range(size, 1, p->longest);
        for (int64_t r = l->start[i]; r < l->start[i + 1]; r++) {
            assert_in_range(l->order[r], 0, l->n - 1);
            assert_int_equal(seen[l->order[r]]++, 0);
            if (r > l->start[i]) assert_true(l->order[r] > l->order[r - 1]);
        }
    }
    assert_int_equal(l->cell_list[0], 0);
    assert_int_equal(l->cell_list[l->n_cells], l->n_lists);
    for (int32_t c = 0; c < l->n_cells; c++)
        assert_true(l->cell_list[c + 1] > l->cell_list[c]);
    assert_int_equal(l->cells.n, l->n_cells);
    assert_int_equal(l->centers.n, l->n_lists);
    free(seen);
}

/* Without splitting a list is what a search through all centres says. */
static void nearest(wn_ctx *ctx, const wn_pool *pool, const wni_lists *l)
{
    const wni_kernels *kernels = wni_kernels_of(ctx);
    const int64_t ld = l->centers.ld;
    float *x = aligned_alloc(64, (size_t)ld * sizeof *x);

    for (int32_t i = 0; i < l->n_lists; i++)
        for (int64_t r = l->start[i]; r < l->start[i + 1]; r++) {
            float best = -INFINITY, score;
            int64_t at = -1;

            ts_ok(ctx, wn_pool_read(ctx, pool, l->order[r], 1, x, ld));
            for (int64_t c = 0; c < l->n_lists; c++) {
                const float *center = wni_mat_row(&l->centers, c);

                score = kernels->dot(x, center, ld) - kernels->dot(center, center, ld) / 2;
                if (score > best) {
                    best = score;
                    at = c;
                }
            }
            assert_int_equal(at, i);
        }
    free(x);
}

static void every_row_once(void **state)
{
    static const struct {
        int64_t n, d, cells, target, longest, sample;
    } cases[] = {{1, 1, 1, 1, 1, 8},       {2, 3, 2, 1, 1, 8},      {50, 2, 50, 1, 1, 8},
                 {500, 7, 9, 60, 100, 8},  {900, 20, 1, 10, 20, 8}, {900, 20, 30, 30, 900, 4},
                 {700, 16, 4, 5, 9, 1000}, {3000, 4, 2, 3, 6, 2}};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (int metric = 0; metric < 2; metric++) {
            float *v = ts_blobs(cases[c].n, cases[c].d, 5, 0.5, c, NULL);
            const wni_lists_params p = {
                cases[c].cells, cases[c].target, cases[c].longest, cases[c].sample, 10, c};
            wni_lists lists;
            wn_pool *pool;

            ts_ok(ctx,
                  wn_pool_wrap(ctx, v, cases[c].n, cases[c].d, WN_F32, (wn_metric)metric, &pool));
            ts_ok(ctx, wni_lists_make(ctx, pool, &p, &lists));
            whole(&lists, &p);
            if (p.longest == cases[c].n) nearest(ctx, pool, &lists);
            wni_lists_free(ctx, &lists);
            wn_pool_free(pool);
            free(v);
        }
    wn_ctx_rest(ctx);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Rows that no k-means can part, and one far away from a thousand equal ones. */
static void equal_rows(void **state)
{
    enum { N = 1001, D = 4 };
    const wni_lists_params p = {8, 20, 40, 64, 10, 1};
    wn_ctx *ctx = ts_ctx(2, -1);
    float v[N * D];
    wni_lists lists;
    wn_pool *pool;

    (void)state;
    for (int last = 0; last < 2; last++) {
        for (int i = 0; i < N * D; i++)
            v[i] = last && i / D == N - 1 ? 9.0f : 1.0f;
        ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
        ts_ok(ctx, wni_lists_make(ctx, pool, &p, &lists));
        whole(&lists, &p);
        assert_in_range(lists.n_lists, (N + 39) / 40, N / 20 + 8);
        wni_lists_free(ctx, &lists);
        wn_pool_free(pool);
    }
    wn_ctx_free(ctx);
}

/* Blobs far apart: no list mixes two of them. */
static void planted(void **state)
{
    enum { N = 4000, D = 12, K = 10 };
    const wni_lists_params p = {30, 40, 80, 64, 10, 3};
    wn_ctx *ctx = ts_ctx(2, -1);
    int32_t labels[N];
    float *v = ts_blobs(N, D, K, 0.02, 11, labels);
    wni_lists lists;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wni_lists_make(ctx, pool, &p, &lists));
    whole(&lists, &p);
    for (int32_t l = 0; l < lists.n_lists; l++)
        for (int64_t r = lists.start[l]; r < lists.start[l + 1]; r++)
            assert_int_equal(labels[lists.order[r]], labels[lists.order[lists.start[l]]]);
    assert_true(lists.n_lists < 3 * N / 40);
    wni_lists_free(ctx, &lists);
    wn_pool_free(pool);
    free(v);
    wn_ctx_free(ctx);
}

static void same(const wni_lists *a, const wni_lists *b)
{
    assert_int_equal(a->n_lists, b->n_lists);
    assert_int_equal(a->n_cells, b->n_cells);
    assert_memory_equal(a->start, b->start, (size_t)(a->n_lists + 1) * sizeof *a->start);
    assert_memory_equal(a->order, b->order, (size_t)a->n * sizeof *a->order);
    assert_memory_equal(a->cell_list, b->cell_list, (size_t)(a->n_cells + 1) * sizeof(int32_t));
    assert_memory_equal(a->centers.v, b->centers.v,
                        (size_t)(a->n_lists * a->centers.ld) * sizeof(float));
}

static void same_bytes_everywhere(void **state)
{
    static const int threads[] = {1, 2, 8};
    enum { N = 60000, D = 33 };
    const wni_lists_params p = {60, 200, 400, 16, 4, 5};

    (void)state;
    for (int metric = 0; metric < 2; metric++) {
        float *v = ts_blobs(N, D, 6, 0.7, 2, NULL);
        wn_ctx *first_ctx = ts_ctx(1, 0);
        wni_lists first = {0}, lists;

        for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
            for (int t = 0; t < 3; t++) {
                wn_ctx *ctx = ts_ctx(threads[t], isa);
                wn_pool *pool;
                if (t == 1) ctx->budget_bytes = (int64_t)24 << 20; /* several batches */
                ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, (wn_metric)metric, &pool));
                if (first.n == 0) {
                    ts_ok(first_ctx, wni_lists_make(first_ctx, pool, &p, &first));
                } else {
                    ts_ok(ctx, wni_lists_make(ctx, pool, &p, &lists));
                    same(&first, &lists);
                    wni_lists_free(ctx, &lists);
                }
                wn_pool_free(pool);
                wn_ctx_free(ctx);
            }
        wni_lists_free(first_ctx, &first);
        wn_ctx_free(first_ctx);
        free(v);
    }
}

/* Rows to places, some of them to more than one. */
static void rows_to_places(void **state)
{
    enum { N = 300, D = 5, M = 700 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1), out[M * D];
    wni_keyed pairs[M];
    wn_pool *pool;

    (void)state;
    for (int64_t i = 0; i < M; i++)
        pairs[i] = (wni_keyed){(uint64_t)wni_rand_below(1, 2, (uint64_t)i, N), i};
    wni_keyed_sort(pairs, M);
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wni_lists_fetch(ctx, pool, pairs, M, out, D));
    for (int64_t i = 0; i < M; i++)
        assert_memory_equal(out + pairs[i].row * D, v + (int64_t)pairs[i].key * D, D * sizeof *v);
    wn_pool_free(pool);
    free(v);
    wn_ctx_free(ctx);
}

static void no_memory_anywhere(void **state)
{
    enum { N = 400, D = 6 };
    const wni_lists_params p = {4, 20, 40, 16, 3, 5};
    float *v = ts_blobs(N, D, 6, 0.7, 2, NULL);

    (void)state;
    for (int64_t at = 0;; at++) {
        ts_alloc alloc = {.fail_at = at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wni_lists lists = {0};
        wn_pool *pool = NULL;
        wn_status st = wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool);
        bool done = alloc.count > at;

        if (st == WN_OK) st = wni_lists_make(ctx, pool, &p, &lists);
        done = alloc.count <= at;
        if (!done) assert_int_equal(st, WN_E_NOMEM);
        wni_lists_free(ctx, &lists);
        wn_pool_free(pool);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
        if (done) break;
    }
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_once), cmocka_unit_test(equal_rows),
        cmocka_unit_test(planted),        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(rows_to_places), cmocka_unit_test(no_memory_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
