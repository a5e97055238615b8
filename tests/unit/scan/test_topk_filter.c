/* SPDX-License-Identifier: Apache-2.0
 *
 * The k nearest and pairs above a floor have the same bytes with the filter as without it, on data made to
 * break it, one pool against another and a pool against itself.
 */
#include <stdlib.h>
#include <string.h>

#include "scan/scan.h"
#include "support/support.h"
#include "unit/scan/hard_rows.h"
#include "winnow/graph.h"

static float *rows_of(enum kind kind, uint64_t seed, int64_t n, int64_t d)
{
    float *v = malloc((size_t)(n * d) * sizeof *v);

    assert_non_null(v);
    for (int64_t i = 0; i < n * d; i++)
        v[i] = value(kind, seed, i / d, i % d, d);
    return v;
}

enum way { PLAIN, ALWAYS, WIDE, BY_ITSELF }; /* WIDE: in bf16 */

static wn_ctx *open_ctx(int threads, int isa, enum way way)
{
    wn_ctx *ctx = ts_ctx(threads, isa);

    ctx->filter_always = way == ALWAYS ? 1 : way == WIDE ? 2 : 0;
    ctx->opt.no_filter = way == PLAIN;
    return ctx;
}

typedef struct found {
    int64_t *at;
    float *score;
} found;

static void drop(found *f)
{
    free(f->at);
    free(f->score);
}

/* nq rows of q (NULL = the base itself) against nb rows of b. */
static found topk(wn_ctx *ctx, float *q, int64_t nq, float *b, int64_t nb, int64_t d, int64_t k,
                  int l2)
{
    wn_pool *base, *queries = NULL;
    wni_queries from, to;
    found f;

    if (!q) nq = nb;
    f.at = malloc((size_t)(nq * k) * sizeof *f.at);
    f.score = malloc((size_t)(nq * k) * sizeof *f.score);
    ts_ok(ctx, wn_pool_wrap(ctx, b, nb, d, WN_F32, WN_L2, &base));
    if (q) ts_ok(ctx, wn_pool_wrap(ctx, q, nq, d, WN_F32, WN_L2, &queries));
    to = (wni_queries){base, NULL, 0, nb};
    from = (wni_queries){q ? queries : base, NULL, 0, nq};
    ts_ok(ctx, wni_scan_topk(ctx, &from, &to, k, l2, !q, f.at, f.score));
    wn_pool_free(base);
    wn_pool_free(queries);
    return f;
}

static void same(const found *a, const found *b, int64_t n, int64_t k, const char *what, int kind,
                 int64_t d)
{
    for (int64_t i = 0; i < n * k; i++)
        if (a->at[i] != b->at[i] || memcmp(&a->score[i], &b->score[i], sizeof *a->score) != 0)
            fail_msg("%s, kind %d, d %d, k %d, row %d: found %d at %a, expected %d at %a", what,
                     kind, (int)d, (int)k, (int)(i / k), (int)a->at[i], (double)a->score[i],
                     (int)b->at[i], (double)b->score[i]);
}

static const int64_t dims[] = {1, 3, 20, 130, 530};
static const int64_t ks[] = {1, 7, 60};
static const int thread_counts[] = {1, 2, 8};

static void topk_is_the_same(void **state)
{
    enum { NQ = 40, NB = 450 };
    int64_t candidates = 0;

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t s = 0; s < sizeof dims / sizeof *dims; s++)
            for (int isa = s > 2; isa <= (int)ts_best_isa(); isa++) { /* the base is slow */
                const int64_t d = dims[s], k = ks[(s + (size_t)kind) % 3];
                const int threads = thread_counts[(kind + isa) % 3],
                          l2 = (int)(s + (size_t)isa) % 2;
                float *q = rows_of((enum kind)kind, 1, NQ, d);
                float *b = rows_of((enum kind)kind, 2, NB, d);
                wn_ctx *plain = open_ctx(1, -1, PLAIN);
                found want = topk(plain, q, NQ, b, NB, d, k, l2);

                assert_int_equal(wn_ctx_filter_counts(plain).candidates, 0);
                for (int way = ALWAYS; way <= WIDE; way++) {
                    wn_ctx *ctx = open_ctx(threads, isa, (enum way)way);
                    found got = topk(ctx, q, NQ, b, NB, d, k, l2);

                    same(&got, &want, NQ, k, way == WIDE ? "two pools, bf16" : "two pools", kind,
                         d);
                    candidates += wn_ctx_filter_counts(ctx).candidates;
                    drop(&got);
                    wn_ctx_free(ctx);
                }
                drop(&want);
                free(q), free(b);
                wn_ctx_free(plain);
            }
    assert_true(candidates > 10000);
}

static void topk_of_itself_is_the_same(void **state)
{
    enum { N = 450 };
    int64_t candidates = 0;

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t s = 0; s < sizeof dims / sizeof *dims; s++)
            for (int isa = s > 2; isa <= (int)ts_best_isa(); isa++) { /* the base is slow */
                const int64_t d = dims[s], k = ks[(s + (size_t)kind) % 3];
                const int threads = thread_counts[(kind + isa) % 3],
                          l2 = (int)(s + (size_t)isa) % 2;
                float *b = rows_of((enum kind)kind, 2, N, d);
                wn_ctx *plain = open_ctx(1, -1, PLAIN);
                found want = topk(plain, NULL, 0, b, N, d, k, l2);

                for (int way = ALWAYS; way <= WIDE; way++) {
                    wn_ctx *ctx = open_ctx(threads, isa, (enum way)way);
                    found got;

                    if (isa % 2) /* several blocks of long rows */
                        ctx->budget_bytes = (int64_t)6 << 20;
                    got = topk(ctx, NULL, 0, b, N, d, k, l2);
                    same(&got, &want, N, k, way == WIDE ? "one pool, bf16" : "one pool", kind, d);
                    candidates += wn_ctx_filter_counts(ctx).candidates;
                    drop(&got);
                    wn_ctx_free(ctx);
                }
                drop(&want);
                free(b);
                wn_ctx_free(plain);
            }
    assert_true(candidates > 10000);
}

static void pairs_are_the_same(void **state)
{
    enum { N = 300 };

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t s = 0; s < sizeof dims / sizeof *dims; s++)
            for (int isa = s > 2; isa <= (int)ts_best_isa(); isa++) {
                const int64_t d = dims[s], lower = isa % 2;
                float *b = rows_of((enum kind)kind, 2, N, d), floor;
                wn_ctx *plain = open_ctx(1, -1, PLAIN);
                wn_ctx *ctx = open_ctx(thread_counts[(kind + isa) % 3], isa,
                                       (isa + (int)s) / 2 % 2 ? WIDE : ALWAYS);
                found order = topk(plain, NULL, 0, b, N, d, 5, 0); /* a floor that pairs reach */
                wni_queries rows, again;
                wn_pool *pool, *pool_again;
                wni_pairs want, got;

                floor = order.score[5 * (N / 2) + 4];
                ts_ok(plain, wn_pool_wrap(plain, b, N, d, WN_F32, WN_L2, &pool));
                ts_ok(ctx, wn_pool_wrap(ctx, b, N, d, WN_F32, WN_L2, &pool_again));
                rows = (wni_queries){pool, NULL, 0, N};
                again = (wni_queries){pool_again, NULL, 0, N};
                ts_ok(plain, wni_scan_threshold(plain, &rows, &rows, floor, (int)lower, &want));
                ts_ok(ctx, wni_scan_threshold(ctx, &again, &again, floor, (int)lower, &got));
                assert_int_equal(got.n, want.n);
                for (int64_t i = 0; i < want.n; i++)
                    assert_memory_equal(wni_pairs_at(&got, i), wni_pairs_at(&want, i),
                                        sizeof(wni_pair));
                wni_pairs_free(plain, &want), wni_pairs_free(ctx, &got);
                wn_pool_free(pool), wn_pool_free(pool_again);
                wn_ctx_free(plain), wn_ctx_free(ctx);
                drop(&order);
                free(b);
            }
}

/* As it is used: the filter tries, gives up where it does not pay, tries again. */
static void left_to_itself_it_is_the_same(void **state)
{
    enum { N = 2500, D = 40, K = 9 };

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        float *q = rows_of((enum kind)kind, 1, 400, D), *b = rows_of((enum kind)kind, 2, N, D);
        wn_ctx *plain = open_ctx(2, -1, PLAIN), *ctx = open_ctx(2, -1, BY_ITSELF);
        found want = topk(plain, q, 400, b, N, D, K, 1), got = topk(ctx, q, 400, b, N, D, K, 1);

        same(&got, &want, 400, K, "two pools", kind, D);
        drop(&got), drop(&want);
        want = topk(plain, NULL, 0, b, N, D, K, 1), got = topk(ctx, NULL, 0, b, N, D, K, 1);
        same(&got, &want, N, K, "one pool", kind, D);
        drop(&got), drop(&want);
        free(q), free(b);
        wn_ctx_free(plain), wn_ctx_free(ctx);
    }
}

static void graphs_are_the_same(void **state)
{
    enum { N = 400 };

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t s = 0; s < sizeof dims / sizeof *dims; s++)
            for (int isa = s > 2; isa <= (int)ts_best_isa(); isa++) { /* the base is slow */
                const int64_t d = dims[s], k = ks[(s + (size_t)kind) % 3];
                const wn_metric metric = kind == WITH_ZEROS || (kind + isa) % 2 ? WN_L2 : WN_COSINE;
                float *b = rows_of((enum kind)kind, 2, N, d);
                wn_ctx *plain = open_ctx(1, -1, PLAIN);
                wn_ctx *ctx = open_ctx(thread_counts[(kind + isa) % 3], isa,
                                       (isa + (int)s) % 2 ? WIDE : ALWAYS);
                wn_graph_knn_params p = {.struct_size = sizeof p, .k = k};
                wn_graph_input in = {.struct_size = sizeof in}, on = in;
                wn_pool *pool, *again;
                wn_graph *want = NULL, *got = NULL;
                wn_status expected;

                ts_ok(plain, wn_pool_wrap(plain, b, N, d, WN_F32, metric, &pool));
                ts_ok(ctx, wn_pool_wrap(ctx, b, N, d, WN_F32, metric, &again));
                in.pool = pool;
                on.pool = again;
                expected = wn_graph_knn(plain, &in, &p, &want);
                assert_int_equal(wn_graph_knn(ctx, &on, &p, &got), expected);
                if (expected == WN_OK) {
                    assert_memory_equal(got->indices, want->indices,
                                        (size_t)(N * k) * sizeof *got->indices);
                    assert_memory_equal(got->distances, want->distances,
                                        (size_t)(N * k) * sizeof *got->distances);
                } else /* rows too far apart, rows without a direction: the same words */
                    assert_string_equal(wn_ctx_error(ctx), wn_ctx_error(plain));
                wn_graph_free(want), wn_graph_free(got);
                wn_pool_free(pool), wn_pool_free(again);
                wn_ctx_free(plain), wn_ctx_free(ctx);
                free(b);
            }
}

/* Rows about eight points: 8 bits leave too much in question, bf16 does not. */
static float *near_one_of_eight(uint64_t seed, int64_t n, int64_t d)
{
    float *v = malloc((size_t)(n * d) * sizeof *v);

    assert_non_null(v);
    for (int64_t i = 0; i < n * d; i++)
        v[i] = (float)(wni_rand_unit(5, 1, (uint64_t)(i / d % 8 * d + i % d)) * 4 +
                       wni_rand_unit(seed, 2, (uint64_t)i));
    return v;
}

static void bf16_is_taken_where_it_helps(void **state)
{
    enum { NQ = 4200, NB = 12000, D = 256, K = 5 };
    float *q = near_one_of_eight(1, NQ, D), *b = near_one_of_eight(2, NB, D);
    wn_ctx *plain = open_ctx(2, -1, PLAIN);
    found want = topk(plain, q, NQ, b, NB, D, K, 1), got;

    (void)state;
    for (int isa = WN_ISA_VNNI; isa <= (int)ts_best_isa(); isa++) {
        wn_ctx *ctx = open_ctx(2, isa, BY_ITSELF);

        got = topk(ctx, q, NQ, b, NB, D, K, 1);
        same(&got, &want, NQ, K, "near rows", 0, D);
        if (isa >= WN_ISA_BF16)
            assert_true(wn_ctx_filter_counts(ctx).plain < NQ / 4);
        else
            assert_int_equal(wn_ctx_filter_counts(ctx).plain, NQ);
        drop(&got);
        wn_ctx_free(ctx);
    }
    drop(&want);
    want = topk(plain, NULL, 0, b, NB, D, K, 1);
    {
        wn_ctx *ctx = open_ctx(2, -1, BY_ITSELF);

        got = topk(ctx, NULL, 0, b, NB, D, K, 1);
        same(&got, &want, NB, K, "near rows, one pool", 0, D);
        wn_ctx_free(ctx);
    }
    drop(&got), drop(&want);
    wn_ctx_free(plain);
    free(q), free(b);
}

static void real_features(void **state)
{
    enum { N = 3000, D = 256, K = 10 };
    const char *path = ts_shared("cifar10_256_f16.npy");
    wn_ctx *ctx, *plain;
    wn_pool *pool;
    found want, got;
    float *v;

    (void)state;
    if (!path) {
        print_message("no ../shared/data: skipped\n");
        skip();
    }
    ctx = open_ctx(2, -1, BY_ITSELF), plain = open_ctx(2, -1, PLAIN);
    v = malloc((size_t)N * D * sizeof *v);
    ts_ok(ctx, wn_pool_open(ctx, &path, 1, NULL, &pool));
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, N, v, D));
    want = topk(plain, NULL, 0, v, N, D, K, 1), got = topk(ctx, NULL, 0, v, N, D, K, 1);
    same(&got, &want, N, K, "real rows", 0, D);
    drop(&got), drop(&want);
    want = topk(plain, v, 500, v, N, D, K, 0), got = topk(ctx, v, 500, v, N, D, K, 0);
    same(&got, &want, 500, K, "real rows", 0, D);
    drop(&got), drop(&want);
    wn_pool_free(pool);
    wn_ctx_free(plain), wn_ctx_free(ctx);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topk_is_the_same),
        cmocka_unit_test(topk_of_itself_is_the_same),
        cmocka_unit_test(pairs_are_the_same),
        cmocka_unit_test(left_to_itself_it_is_the_same),
        cmocka_unit_test(graphs_are_the_same),
        cmocka_unit_test(real_features),
        cmocka_unit_test(bf16_is_taken_where_it_helps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
