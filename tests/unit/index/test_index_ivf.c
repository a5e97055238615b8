/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind ivf against the exact one: all lists are the exact answer, few are nearly so; rows that are equal,
 * gone or added; the same bytes everywhere.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "index/ivf_impl.h"
#include "support/index_case.h"

enum { N = 3000, D = 24, Q = 40, K = 10 };

static void fails(wn_ctx *ctx, wn_status st, wn_status expected, const char *text)
{
    if (st != expected || !strstr(wn_ctx_error(ctx), text))
        fail_msg("expected %s with '%s', found %s: %s", wn_status_name(expected), text,
                 wn_status_name(st), wn_ctx_error(ctx));
}

static void same_hits(const wn_hits *a, const wn_hits *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->k, b->k);
    assert_memory_equal(a->indices, b->indices, sizeof(int64_t) * (size_t)(a->n * a->k));
    assert_memory_equal(a->distances, b->distances, sizeof(float) * (size_t)(a->n * a->k));
    assert_memory_equal(a->counts, b->counts, sizeof(int64_t) * (size_t)a->n);
}

/* The ranking of centres against one that sorts all of them. */
static void nearest_centres(void **state)
{
    enum { C = 700, M = 50, DIM = 9, MOST = 30 };
    wn_ctx *ctx = ts_ctx(1, -1);
    const wni_kernels *kernels = wni_kernels_of(ctx);
    float *v = ts_normal(C, DIM, 1), *x = ts_normal(M, DIM, 2), half[C], score[M * MOST];
    float *scores = malloc(WNI_NEAR_SCORES * sizeof *scores);
    int64_t at[M * MOST];
    wni_mat centers, rows;

    (void)state;
    ts_ok(ctx, wni_mat_new(ctx, C, DIM, &centers));
    ts_ok(ctx, wni_mat_new(ctx, M, DIM, &rows));
    for (int64_t i = 0; i < C; i++) /* every centre twice, so that there are ties */
        memcpy(wni_mat_row(&centers, i), v + i / 2 * DIM, DIM * sizeof *v);
    for (int64_t i = 0; i < M; i++)
        memcpy(wni_mat_row(&rows, i), x + i * DIM, DIM * sizeof *x);
    ts_ok(ctx, wni_mat_half_norms(ctx, &centers, half));
    wni_near_centers(kernels, &centers, half, rows.v, M, MOST, at, score, scores);
    for (int64_t i = 0; i < M; i++) {
        const float *row = wni_mat_row(&rows, i);
        float last = INFINITY;
        int64_t last_at = -1;

        for (int64_t r = 0; r < MOST; r++) {
            float best = -INFINITY;
            int64_t best_at = -1;

            for (int64_t c = 0; c < C; c++) {
                const float s = kernels->dot(row, wni_mat_row(&centers, c), centers.ld) - half[c];
                if (s > best && (s < last || (s == last && c > last_at))) {
                    best = s;
                    best_at = c;
                }
            }
            assert_int_equal(at[i * MOST + r], best_at);
            assert_memory_equal(&score[i * MOST + r], &best, sizeof best);
            last = best;
            last_at = best_at;
        }
    }
    wni_mat_free(ctx, &centers);
    wni_mat_free(ctx, &rows);
    free(scores);
    free(v);
    free(x);
    wn_ctx_free(ctx);
}

static void all_lists_are_exact(void **state)
{
    static const char *const metrics[] = {"l2", "cosine"};
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL), *q = ts_blobs(Q, D, 30, 0.4, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int m = 0; m < 2; m++) {
        const char *params[] = {"metric", metrics[m], "lists", "50", NULL};
        const char *flat[] = {"metric", metrics[m], NULL};
        char name[2][32];
        wn_hits *hits, *truth;

        snprintf(name[0], sizeof name[0], "ivf-%s", metrics[m]);
        snprintf(name[1], sizeof name[1], "exact-%s", metrics[m]);
        ts_ok(ctx, ts_index(ctx, "ivf", v, N, D, params, name[0]));
        ts_ok(ctx, ts_index(ctx, "flat", v, N, D, flat, name[1]));
        ts_ok(ctx, ts_index_search(ctx, name[1], q, Q, D, K, 0, 1, &truth));
        ts_ok(ctx, ts_index_search(ctx, name[0], q, Q, D, K, 1000000, 1, &hits));
        same_hits(hits, truth);
        assert_int_equal(hits->report.compared, (int64_t)N * Q);
        wn_hits_free(hits);
        ts_ok(ctx, ts_index_search(ctx, name[0], q, Q, D, K, 0, 0.9, &hits));
        assert_true(ts_recall(hits, truth) >= 0.9);
        assert_true(hits->report.compared < (int64_t)N * Q / 4);
        wn_hits_free(hits);
        /* one query at a time */
        for (int64_t i = 0; i < 5; i++) {
            wn_hits *one;
            ts_ok(ctx, ts_index_search(ctx, name[0], q, Q, D, K, 3, 1, &hits));
            ts_ok(ctx, ts_index_search(ctx, name[0], q + i * D, 1, D, K, 3, 1, &one));
            assert_memory_equal(one->indices, hits->indices + i * K, K * sizeof(int64_t));
            wn_hits_free(one);
            wn_hits_free(hits);
        }
        wn_hits_free(truth);
    }
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

static void codes(void **state)
{
    static const char *const code[] = {"f16", "i8"};
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL), *q = ts_blobs(Q, D, 30, 0.4, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_hits *hits, *truth;

    (void)state;
    ts_ok(ctx, ts_index(ctx, "flat", v, N, D, NULL, "codes-flat"));
    ts_ok(ctx, ts_index_search(ctx, "codes-flat", q, Q, D, K, 0, 1, &truth));
    for (int c = 0; c < 2; c++) {
        const char *params[] = {"code", code[c], NULL};

        ts_ok(ctx, ts_index(ctx, "ivf", v, N, D, params, code[c]));
        ts_ok(ctx, ts_index_search(ctx, code[c], q, Q, D, K, 1000000, 1, &hits));
        assert_true(ts_recall(hits, truth) >= 0.99);
        assert_true(hits->report.verified > 0);
        wn_hits_free(hits);
    }
    wn_hits_free(truth);
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

/* Deleted rows never come back, k do as long as there are k; added ones are found. */
static void rows_that_go_and_come(void **state)
{
    float *v = ts_blobs(2 * N, D, 30, 0.4, 3, NULL), *q = ts_blobs(Q, D, 30, 0.4, 3, NULL);
    static int64_t gone[N];
    static float left[2 * N * D];
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t n_gone = 0, n_left = 0;
    wn_hits *hits, *truth;

    (void)state;
    for (int64_t i = 0; i < 2 * N; i++)
        if (i < N && i % 100 != 7)
            gone[n_gone++] = i;
        else
            memcpy(left + n_left++ * D, v + i * D, D * sizeof *v);
    ts_ok(ctx, ts_index(ctx, "ivf", v, N, D, NULL, "life"));
    ts_ok(ctx, ts_index_delete(ctx, "life", gone, n_gone / 2));
    ts_ok(ctx, ts_index_search(ctx, "life", q, Q, D, K, 4, 1, &hits));
    for (int64_t i = 0; i < Q * K; i++)
        assert_true(hits->indices[i] > gone[n_gone / 2 - 1] || hits->indices[i] % 100 == 7);
    assert_int_equal(hits->report.short_hits, 0);
    wn_hits_free(hits);
    ts_ok(ctx, ts_index_delete(ctx, "life", gone + n_gone / 2, n_gone - n_gone / 2));
    ts_ok(ctx, ts_index_search(ctx, "life", q, Q, D, K, 1, 1, &hits));
    for (int64_t i = 0; i < Q * K; i++)
        assert_int_equal(hits->indices[i] % 100, 7);
    assert_int_equal(hits->report.short_hits, 0);
    wn_hits_free(hits);
    ts_ok(ctx, ts_index_add(ctx, "life", v + N * D, N, D));
    ts_ok(ctx, ts_index(ctx, "flat", left, n_left, D, NULL, "life-flat"));
    ts_ok(ctx, ts_index_search(ctx, "life-flat", q, Q, D, K, 0, 1, &truth));
    for (int again = 0; again < 2; again++) {
        ts_ok(ctx, ts_index_search(ctx, "life", q, Q, D, K, 0, 0.95, &hits));
        assert_true(ts_recall(hits, truth) >= 0.9);
        wn_hits_free(hits);
        ts_ok(ctx, ts_index_search(ctx, "life", q, Q, D, K, 1000000, 0.95, &hits));
        assert_memory_equal(hits->distances, truth->distances, Q * K * sizeof(float));
        wn_hits_free(hits);
        if (!again) ts_ok(ctx, ts_index_compact(ctx, "life"));
    }
    wn_hits_free(truth);
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

/* A thousand rows that are one point, and some that are not. */
static void equal_rows(void **state)
{
    const char *params[] = {"lists", "40", NULL};
    float *v = ts_normal(N, D, 5);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_hits *hits;

    (void)state;
    for (int64_t i = 0; i < N - 100; i++)
        memcpy(v + i * D, v, D * sizeof *v);
    ts_ok(ctx, ts_index(ctx, "ivf", v, N, D, params, "equal"));
    ts_ok(ctx, ts_index_search(ctx, "equal", v + (N - 3) * D, 3, D, K, 0, 0.95, &hits));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hits->indices[i * K], N - 3 + i);
        assert_true(hits->distances[i * K] == 0);
    }
    wn_hits_free(hits);
    ts_ok(ctx, ts_index_search(ctx, "equal", v, 1, D, K, 1000000, 1, &hits));
    for (int i = 0; i < K; i++)
        assert_int_equal(hits->indices[i], i);
    wn_hits_free(hits);
    free(v);
    wn_ctx_free(ctx);
}

static void same_bytes_everywhere(void **state)
{
    static const int threads[] = {1, 2, 8};
    const char *params[] = {"code", "i8", "metric", "cosine", NULL};
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL);
    wn_hits *first = NULL;
    wn_ctx *first_ctx = ts_ctx(1, 0);

    (void)state;
    ts_ok(first_ctx, ts_index(first_ctx, "ivf", v, N, D, params, "first"));
    ts_ok(first_ctx, ts_index_search(first_ctx, "first", v, 300, D, K, 5, 1, &first));
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
        for (int t = 0; t < 3; t++) {
            wn_ctx *ctx = ts_ctx(threads[t], isa);
            char name[32], one[1200];
            wn_hits *hits;

            if (threads[t] != 2)
                ts_ok(ctx, ts_index_search(ctx, "first", v, 300, D, K, 5, 1, &hits));
            if (threads[t] == 2) {
                snprintf(name, sizeof name, "again%d", isa);
                ts_ok(ctx, ts_index(ctx, "ivf", v, N, D, params, name));
                snprintf(one, sizeof one, "%s", ts_path("first"));
                assert_true(ts_same_tree(one, ts_path(name)));
                ts_ok(ctx, ts_index_search(ctx, name, v, 300, D, K, 5, 1, &hits));
            }
            same_hits(hits, first);
            wn_hits_free(hits);
            wn_ctx_free(ctx);
        }
    wn_hits_free(first);
    wn_ctx_free(first_ctx);
    free(v);
}

/* Memory that is not there, at many points of building and searching: one clear status, nothing kept. */
static void no_memory(void **state)
{
    const char *params[] = {"lists", "8", "max_iter", "2", "force", "1", NULL};

    (void)state;
    ts_index_without_memory("ivf", 1100, params);
}

static void refused(void **state)
{
    const char *lists[] = {"lists", "-1", NULL}, *balance[] = {"balance", "1", NULL};
    float *v = ts_normal(50, D, 1);
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    fails(ctx, ts_index(ctx, "ivf", v, 50, D, lists, "no"), WN_E_USAGE, "lists");
    fails(ctx, ts_index(ctx, "ivf", v, 50, D, balance, "no"), WN_E_USAGE, "balance");
    free(v);
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
        cmocka_unit_test(nearest_centres), cmocka_unit_test(all_lists_are_exact),
        cmocka_unit_test(codes),           cmocka_unit_test(rows_that_go_and_come),
        cmocka_unit_test(equal_rows),      cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(no_memory),       cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
