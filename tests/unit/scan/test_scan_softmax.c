/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax-sum and count/sum against doubles, one pair at a time, and against themselves: any threads, level
 * and budget must give the same bytes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "scan/scan.h"
#include "support/support.h"

enum { NQ = 83, NB = 1003 };

typedef struct scene {
    float *v;
    wn_pool *pool;
    wni_queries queries, base;
    int64_t rows[NB];
    double *score; /* (NQ, NB) canonical scores */
    double add[NB], weights[NB];
} scene;

static void scene_open(wn_ctx *ctx, scene *s, int64_t d, int listed, int l2)
{
    const wni_kernels *k = wni_kernels_of(ctx);
    wni_mat q = {0}, b = {0};

    s->v = ts_normal(NB + NQ, d, 5);
    ts_ok(ctx, wn_pool_wrap(ctx, s->v, NB + NQ, d, WN_F32, WN_L2, &s->pool));
    for (int64_t i = 0; i < NB; i++) {
        s->rows[i] = (i * 7 + 3) % NB;
        s->add[i] = 2 * wni_rand_unit(3, 1, (uint64_t)i) - 1;
        s->weights[i] = wni_rand_unit(3, 2, (uint64_t)i);
    }
    s->add[11] = -INFINITY;
    s->queries = (wni_queries){s->pool, NULL, NB - 40, NQ}; /* 40 of them in the base */
    s->base = (wni_queries){s->pool, listed ? s->rows : NULL, 0, NB};
    ts_ok(ctx, wni_mat_gather(ctx, s->pool, NULL, NB + NQ, &q));
    ts_ok(ctx, wni_mat_gather(ctx, s->pool, s->base.rows, NB, &b));
    s->score = malloc(NQ * NB * sizeof *s->score);
    for (int64_t i = 0; i < NQ; i++)
        for (int64_t j = 0; j < NB; j++) {
            const float *row = wni_mat_row(&b, j);
            float x = k->dot(wni_mat_row(&q, NB - 40 + i), row, q.ld);

            if (l2) x -= k->dot(row, row, q.ld) / 2;
            s->score[i * NB + j] = (double)x;
        }
    wni_mat_free(ctx, &q);
    wni_mat_free(ctx, &b);
}

static void scene_close(scene *s)
{
    wn_pool_free(s->pool);
    free(s->v);
    free(s->score);
}

static int is_self(const scene *s, int64_t q, int64_t b)
{
    return (s->base.rows ? s->base.rows[b] : b) == NB - 40 + q;
}

/* Contexts that must agree: threads 1, 2, 8 x levels, the last with hardly any memory left. */
static int ways(void)
{
    return 3 * ((int)ts_best_isa() + 1) + 1;
}

static void *ballast;

static wn_ctx *way_open(int way)
{
    static const int threads[] = {1, 2, 8};
    wn_ctx_options opt;
    wn_ctx *ctx;

    ballast = NULL;
    if (way < ways() - 1) return ts_ctx(threads[way % 3], way / 3);
    wn_ctx_options_init(&opt);
    opt.threads = 2;
    opt.memory_bytes = (int64_t)64 << 20;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    ballast = wni_alloc(ctx, (int64_t)56 << 20, 1); /* base blocks of 1 or 2 MB */
    assert_non_null(ballast);
    return ctx;
}

static void way_close(wn_ctx *ctx)
{
    wni_free(ctx, ballast);
    wn_ctx_free(ctx);
}

static void close_to(double got, double want, double slack)
{
    if (got == want) return; /* infinities */
    if (!(fabs(got - want) <= slack)) fail_msg("got %.17g, expected %.17g", got, want);
}

static void lse_and_gradient_are_the_sums(void **state)
{
    static const int64_t dims[] = {3, 33, 700};
    static const double scales[] = {0.2, 3, -1};

    (void)state;
    for (int c = 0; c < 6; c++) {
        const int64_t d = dims[c % 3], ld = wni_ld(d);
        const int l2 = c & 1, listed = c >= 3, skip = c % 4 > 1, added = c != 2;
        wni_softmax how = {scales[c % 3], NULL, l2, skip};
        double lse[NQ], first_lse[NQ];
        wni_mat first_out = {0};
        wn_ctx *keep = ts_ctx(1, -1);
        scene s;

        for (int way = 0; way < ways(); way++) {
            wn_ctx *ctx = way_open(way);
            wni_mat out;

            scene_open(ctx, &s, d, listed, l2);
            how.add = added ? s.add : NULL;
            ts_ok(ctx, wni_mat_new(ctx, NQ, d, &out));
            ts_ok(ctx, wni_scan_lse(ctx, &s.queries, &s.base, &how, lse));
            ts_ok(ctx, wni_scan_softmax(ctx, &s.queries, &s.base, &how, lse, &out));
            if (way == 0) {
                memcpy(first_lse, lse, sizeof lse);
                ts_ok(keep, wni_mat_new(keep, NQ, d, &first_out));
                memcpy(first_out.v, out.v, (size_t)(NQ * ld) * sizeof *out.v);
                for (int64_t q = 0; q < NQ; q++) {
                    long double sum = 0, top = -INFINITY;
                    double *mean = calloc((size_t)d, sizeof *mean), t[NB];

                    for (int64_t b = 0; b < NB; b++) {
                        t[b] = s.score[q * NB + b] * how.scale + (added ? s.add[b] : 0);
                        if (skip && is_self(&s, q, b)) t[b] = -INFINITY;
                        if (t[b] > (double)top) top = t[b];
                    }
                    for (int64_t b = 0; b < NB; b++)
                        sum += expl(t[b] - top);
                    close_to(lse[q], (double)(top + logl(sum)), 1e-12 * (1 + fabs(lse[q])));
                    for (int64_t b = 0; b < NB; b++)
                        for (int64_t j = 0; j < d; j++)
                            mean[j] +=
                                exp(t[b] - lse[q]) * (double)s.v[(listed ? s.rows[b] : b) * d + j];
                    for (int64_t j = 0; j < d; j++)
                        close_to((double)wni_mat_row(&out, q)[j], mean[j], 2e-5);
                    free(mean);
                }
            } else {
                assert_memory_equal(lse, first_lse, sizeof lse);
                assert_memory_equal(out.v, first_out.v, (size_t)(NQ * ld) * sizeof *out.v);
            }
            wni_mat_free(ctx, &out);
            scene_close(&s);
            way_close(ctx);
        }
        wni_mat_free(keep, &first_out);
        wn_ctx_free(keep);
    }
}

/* scale * out is the derivative of lse to the query. */
static void the_gradient_is_one(void **state)
{
    enum { D = 6, N = 50 };
    const double h = 1e-3;
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 8), x[2 * D];
    wni_softmax how = {2, NULL, 1, 0};
    wn_pool *pool, *moved;
    wni_mat out;
    double lse[2], at;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wni_mat_new(ctx, 1, D, &out));
    for (int j = 0; j < D; j++) {
        const wni_queries all = {pool, NULL, 0, N}, one = {pool, NULL, 4, 1};

        memcpy(x, v + 4 * D, D * sizeof *x);
        memcpy(x + D, x, D * sizeof *x);
        x[j] -= (float)h;
        x[D + j] += (float)h;
        ts_ok(ctx, wn_pool_wrap(ctx, x, 2, D, WN_F32, WN_L2, &moved));
        ts_ok(ctx, wni_scan_lse(ctx, &(wni_queries){moved, NULL, 0, 2}, &all, &how, lse));
        wn_pool_free(moved);
        at = (lse[1] - lse[0]) / ((double)x[D + j] - (double)x[j]);
        ts_ok(ctx, wni_scan_lse(ctx, &one, &all, &how, lse));
        memset(out.v, 0, (size_t)out.ld * sizeof *out.v);
        ts_ok(ctx, wni_scan_softmax(ctx, &one, &all, &how, lse, &out));
        close_to(how.scale * (double)out.v[j], at, 1e-4);
    }
    wni_mat_free(ctx, &out);
    wn_pool_free(pool);
    free(v);
    wn_ctx_free(ctx);
}

static void known_sums(void **state)
{
    float v[] = {0, 1, 2, 3}, floor = 2;
    const double weights[] = {10, 20, 40, 80};
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_softmax how = {1, NULL, 0, 0};
    wni_counting counting = {&floor, 0, 0, 0, weights};
    double add[] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY}, lse[4], sum[4];
    int64_t count[4];
    wni_queries all;
    wni_mat out;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 4, 1, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wni_mat_new(ctx, 4, 1, &out));
    all = (wni_queries){pool, NULL, 0, 4};
    ts_ok(ctx, wni_scan_lse(ctx, &all, &all, &how, lse));
    close_to(lse[0], log(4), 1e-15);
    close_to(lse[1], log(1 + exp(1) + exp(2) + exp(3)), 1e-14);
    ts_ok(ctx, wni_scan_softmax(ctx, &all, &all, &how, lse, &out));
    close_to((double)wni_mat_row(&out, 0)[0], 1.5, 1e-6);

    /* Nobody takes part: no sum, and nothing is added. */
    how.add = add;
    ts_ok(ctx, wni_scan_lse(ctx, &all, &all, &how, lse));
    assert_true(lse[3] == -INFINITY);
    wni_mat_row(&out, 3)[0] = 7;
    ts_ok(ctx, wni_scan_softmax(ctx, &all, &all, &how, lse, &out));
    assert_true(wni_mat_row(&out, 3)[0] == 7);
    /* No base, no queries. */
    all.n = 0;
    ts_ok(ctx, wni_scan_lse(ctx, &(wni_queries){pool, NULL, 0, 4}, &all, &how, lse));
    assert_true(lse[0] == -INFINITY);
    ts_ok(ctx, wni_scan_lse(ctx, &all, &(wni_queries){pool, NULL, 0, 4}, &how, lse));
    ts_ok(ctx, wni_scan_softmax(ctx, &all, &all, &how, lse, &out));
    all.n = 4;

    /* Query 1 scores 0 1 2 3: two reach 2, of weight 40 + 80. */
    ts_ok(ctx, wni_scan_count(ctx, &all, &all, &counting, count, sum));
    assert_true(count[0] == 0 && sum[0] == 0);
    assert_true(count[1] == 2 && sum[1] == 120);
    assert_true(count[3] == 3 && sum[3] == 140);
    counting.weights = NULL;
    counting.skip_self = 1;
    ts_ok(ctx, wni_scan_count(ctx, &all, &all, &counting, count, sum));
    assert_true(count[2] == 2 && sum[2] == 2 + 6);
    assert_true(count[3] == 2 && sum[3] == 3 + 6);
    wni_mat_free(ctx, &out);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void counts_are_the_twin(void **state)
{
    (void)state;
    for (int c = 0; c < 8; c++) {
        const int l2 = c & 1, listed = c & 2, each = c & 4, skip = c % 3 == 0;
        int64_t count[NQ], first_count[NQ];
        double sum[NQ], first_sum[NQ];
        float floor[NQ];
        scene s;

        for (int way = 0; way < ways(); way++) {
            wn_ctx *ctx = way_open(way);
            wni_counting how = {floor, each, l2, skip, NULL};

            scene_open(ctx, &s, 20, listed, l2);
            how.weights = c % 4 ? s.weights : NULL;
            /* Floors that some scores meet exactly. */
            for (int64_t q = 0; q < NQ; q++)
                floor[q] = (float)s.score[q * NB + 77];
            ts_ok(ctx, wni_scan_count(ctx, &s.queries, &s.base, &how, count, sum));
            if (way == 0) {
                memcpy(first_count, count, sizeof count);
                memcpy(first_sum, sum, sizeof sum);
                for (int64_t q = 0; q < NQ; q++) {
                    int64_t n = 0;
                    double total = 0;

                    for (int64_t b = 0; b < NB; b++) {
                        double x = s.score[q * NB + b];

                        if (x < (double)floor[each ? q : 0] || (skip && is_self(&s, q, b)))
                            continue;
                        n++;
                        total += how.weights ? how.weights[b] : x;
                    }
                    assert_int_equal(count[q], n);
                    assert_true(sum[q] == total);
                }
                ts_ok(ctx, wni_scan_count(ctx, &s.queries, &s.base, &how, count, NULL));
            }
            assert_memory_equal(count, first_count, sizeof count);
            assert_memory_equal(sum, first_sum, sizeof sum);
            scene_close(&s);
            way_close(ctx);
        }
    }
}

static void every_allocation_may_fail(void **state)
{
    float *v = ts_normal(300, 20, 3), floor = 0;
    const wni_softmax how = {1, NULL, 1, 1};
    const wni_counting counting = {&floor, 0, 1, 1, NULL};

    (void)state;
    for (int threads = 1; threads < 3; threads++)
        for (int what = 0; what < 3; what++)
            for (int64_t fail_at = 0;; fail_at++) {
                ts_alloc alloc = {0, fail_at, 0};
                wn_ctx *ctx = ts_ctx_failing(&alloc, threads);
                wn_pool *pool = NULL;
                wni_queries all;
                wni_mat out = {0};
                double sums[300] = {0};
                int64_t count[300];
                wn_status st = wn_pool_wrap(ctx, v, 300, 20, WN_F32, WN_L2, &pool);

                all = (wni_queries){pool, NULL, 0, 300};
                if (st == WN_OK) st = wni_mat_new(ctx, 300, 20, &out);
                if (st == WN_OK && what == 0)
                    st = wni_scan_lse(ctx, &all, &all, &how, sums);
                else if (st == WN_OK && what == 1)
                    st = wni_scan_softmax(ctx, &all, &all, &how, sums, &out);
                else if (st == WN_OK)
                    st = wni_scan_count(ctx, &all, &all, &counting, count, sums);
                wni_mat_free(ctx, &out);
                wn_pool_free(pool);
                if (alloc.count <= fail_at) assert_int_equal(st, WN_OK);
                if (st != WN_OK) assert_int_equal(st, WN_E_NOMEM);
                wn_ctx_free(ctx);
                assert_int_equal(alloc.live, 0);
                if (alloc.count <= fail_at) break;
                assert_true(fail_at < 1000);
            }
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lse_and_gradient_are_the_sums),
        cmocka_unit_test(the_gradient_is_one),
        cmocka_unit_test(known_sums),
        cmocka_unit_test(counts_are_the_twin),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests_name("scan_softmax", tests, NULL, NULL);
}
