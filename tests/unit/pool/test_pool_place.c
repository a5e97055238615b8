/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows in place: which pools have them, and that they are what reading gives; then k-means and scans over the same
 * rows in pools of all kinds.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "pool/pool_use.h"
#include "scan/scan.h"
#include "support/support.h"

enum {
    ALIGNED,
    OFF_A_LINE, /* 4 bytes behind the begin of one */
    HALVES,     /* f16 */
    MAPPED,
    SHARDS,
    BY_PREAD,
    A_VIEW,  /* of rows that lie the other way round */
    RELABEL, /* of a pool with the other metric */
    KINDS
};

typedef struct scene {
    wn_ctx *ctx;
    void *memory;
    int64_t *rows, taken;
    wn_pool *parent, *pool;
} scene;

/* Rows whose numbers f16 holds. */
static float *coarse(int64_t n, int64_t d)
{
    float *v = ts_blobs(n, d, 9, 0.5, 3, NULL);

    for (int64_t i = 0; i < n * d; i++)
        v[i] = rintf(v[i] * 16) / 16;
    return v;
}

static uint16_t half_of(float v) /* of a multiple of 1/16 below 64 */
{
    int e;
    float m = frexpf(fabsf(v), &e);

    if (v == 0) return 0;
    return (uint16_t)((v < 0) << 15 | (e + 14) << 10 | (int)(m * 2048 - 1024));
}

static void open_scene(scene *s, int kind, const float *v, int64_t n, int64_t d, wn_metric metric)
{
    const int64_t third = n / 3;
    const char *paths[3] = {ts_path("p0.npy"), ts_path("p1.npy"), ts_path("p2.npy")};
    wn_pool_options opt;
    float *to;

    memset(s, 0, sizeof *s);
    s->ctx = ts_ctx(2, -1);
    s->memory = aligned_alloc(64, (size_t)(n * d * 4 + 127) / 64 * 64);
    s->rows = malloc((size_t)n * sizeof *s->rows);
    to = s->memory;
    to += kind == OFF_A_LINE;
    wn_pool_options_init(&opt);
    opt.metric = metric;
    for (int64_t i = 0; i < n; i++) {
        s->rows[i] = n - 1 - i;
        memcpy(to + (kind == A_VIEW ? n - 1 - i : i) * d, v + i * d, (size_t)d * sizeof *v);
    }
    for (int64_t i = 0; kind == HALVES && i < n * d; i++)
        ((uint16_t *)s->memory)[i] = half_of(v[i]);
    switch (kind) {
    case MAPPED:
    case BY_PREAD:
        ts_write_npy(paths[0], v, n, d);
        if (kind == BY_PREAD) wni_account(s->ctx, s->taken = wni_budget_left(s->ctx));
        ts_ok(s->ctx, wn_pool_open(s->ctx, paths, 1, &opt, &s->pool));
        wni_account(s->ctx, -s->taken);
        break;
    case SHARDS:
        for (int i = 0; i < 3; i++)
            ts_write_npy(paths[i], v + i * third * d, i < 2 ? third : n - 2 * third, d);
        ts_ok(s->ctx, wn_pool_open(s->ctx, paths, 3, &opt, &s->pool));
        break;
    case A_VIEW:
        ts_ok(s->ctx, wn_pool_wrap(s->ctx, to, n, d, WN_F32, metric, &s->parent));
        ts_ok(s->ctx, wn_pool_view(s->ctx, s->parent, s->rows, n, &s->pool));
        break;
    case RELABEL:
        ts_ok(s->ctx, wn_pool_wrap(s->ctx, to, n, d, WN_F32, !metric, &s->parent));
        ts_ok(s->ctx, wn_pool_with_metric(s->ctx, s->parent, metric, &s->pool));
        break;
    default:
        ts_ok(s->ctx,
              wn_pool_wrap(s->ctx, to, n, d, kind == HALVES ? WN_F16 : WN_F32, metric, &s->pool));
    }
}

static void close_scene(scene *s)
{
    wn_pool_free(s->pool);
    wn_pool_free(s->parent);
    wn_ctx_free(s->ctx);
    free(s->memory);
    free(s->rows);
}

static void places(void **state)
{
    /* rows as such, and each of them: f32 in memory, under L2, in whole lines */
    static const int together[KINDS] = {1, 1, 0, 1, 1, 0, 0, 1},
                     each[KINDS] = {1, 1, 0, 1, 1, 0, 1, 1};
    const int64_t n = 90;

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (int64_t d = 32; d <= 33; d++)
            for (int metric = WN_L2; metric <= WN_COSINE; metric++) {
                const int64_t ld = wni_ld(d), numbers[4] = {80, 3, 4, 3};
                const int may = metric == WN_L2 && d == ld;
                float *v = coarse(n, d), *want = malloc((size_t)(n * ld) * sizeof *want);
                float *room = malloc((size_t)(n * ld) * sizeof *room);
                const float *rows, *at[4];
                scene s;

                open_scene(&s, kind, v, n, d, (wn_metric)metric);
                ts_ok(s.ctx, wn_pool_read(s.ctx, s.pool, 0, n, want, ld));
                rows = wni_pool_rows_in_place(s.pool, 4, 20);
                assert_int_equal(rows != NULL, may && together[kind]);
                if (rows) assert_memory_equal(rows, want + 4 * ld, (size_t)(20 * ld) * 4);
                /* beyond a shard, beyond the pool */
                rows = wni_pool_rows_in_place(s.pool, 20, 20);
                assert_int_equal(rows != NULL, may && together[kind] && kind != SHARDS);
                assert_null(wni_pool_rows_in_place(s.pool, 71, 20));
                assert_null(wni_pool_rows_in_place(s.pool, -1, 2));
                assert_null(wni_pool_rows_in_place(s.pool, 0, 0));

                ts_ok(s.ctx, wni_pool_take(s.ctx, s.pool, 20, 20, room, ld, &rows));
                assert_int_equal(rows != room, may && together[kind] && kind != SHARDS);
                assert_memory_equal(rows, want + 20 * ld, (size_t)(20 * ld) * 4);
                ts_ok(s.ctx, wni_pool_take_each(s.ctx, s.pool, numbers, 4, room, ld, at));
                assert_int_equal(at[0] != room, may && each[kind]);
                for (int i = 0; i < 4; i++)
                    assert_memory_equal(at[i], want + numbers[i] * ld, (size_t)ld * 4);
                assert_int_equal(wni_pool_take(s.ctx, s.pool, 80, 11, room, ld, &rows), WN_E_USAGE);
                assert_non_null(strstr(wn_ctx_error(s.ctx), "90 rows"));
                assert_int_equal(
                    wni_pool_take_each(s.ctx, s.pool, (int64_t[]){5, 90}, 2, room, ld, at),
                    WN_E_USAGE);
                close_scene(&s);
                free(room);
                free(want);
                free(v);
            }
}

/* Everything that k-means with bounds and without, a graph of pairs and a search find, in one buffer. */
static void results(scene *s, int64_t n, int64_t d, int64_t k, unsigned char *out)
{
    const wni_queries some = {s->pool, NULL, 3, n / 2}, all = {s->pool, NULL, 0, n};
    float *score = malloc((size_t)(n * k) * sizeof *score);
    int64_t *at = malloc((size_t)(n * k) * sizeof *at);

    for (int bounds = 0; bounds < 2; bounds++)
        for (int always = 0; always < 2; always++) {
            wn_cluster_input in = {.struct_size = sizeof in, .pool = s->pool};
            wn_kmeans_params p;
            wn_tree *tree;

            s->ctx->filter_always = always;
            wn_params_init(wn_method_find("cluster", "kmeans"), &p);
            p.k = k;
            p.bounds = bounds;
            p.max_iter = 8;
            ts_ok(s->ctx, wn_kmeans(s->ctx, &in, &p, &tree));
            memcpy(out, tree->level[0]->labels, (size_t)n * sizeof(int32_t));
            out += n * (int64_t)sizeof(int32_t);
            memcpy(out, tree->level[0]->centers, (size_t)(k * d) * sizeof(float));
            out += k * d * (int64_t)sizeof(float);
            wn_tree_free(tree);
            ts_ok(s->ctx, wni_scan_topk(s->ctx, &some, &all, k, 1, bounds, at, score));
            memcpy(out, at, (size_t)(some.n * k) * sizeof *at);
            out += some.n * k * (int64_t)sizeof *at;
            ts_ok(s->ctx, wni_scan_nearest(s->ctx, &some, &all, 1, NULL, at, score));
            memcpy(out, score, (size_t)some.n * sizeof *score);
            out += some.n * (int64_t)sizeof *score;
        }
    free(score);
    free(at);
}

static void same_bytes_from_any_pool(void **state)
{
    const int64_t n = 3000, k = 70;

    (void)state;
    for (int64_t d = 20; d <= 48; d += 28)
        for (int metric = WN_L2; metric <= WN_COSINE; metric++) {
            const size_t bytes =
                4 * ((size_t)(n + k * d) * 4 + (size_t)(n / 2 * k) * 8 + (size_t)(n / 2) * 4);
            unsigned char *want = malloc(bytes), *got = malloc(bytes);
            float *v = coarse(n, d);

            for (int kind = 0; kind < KINDS; kind++) {
                scene s;

                open_scene(&s, kind, v, n, d, (wn_metric)metric);
                results(&s, n, d, k, kind ? got : want);
                if (kind) assert_memory_equal(got, want, bytes);
                close_scene(&s);
            }
            free(v);
            free(got);
            free(want);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(same_bytes_from_any_pool),
    };
    return cmocka_run_group_tests_name("pool_place", tests, NULL, ts_tidy);
}
