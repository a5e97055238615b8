/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole scans with their epilogues: rows around planted centres, read from a pool, widened, compared on all
 * threads. The plain ones are f32 alone; behind the filter rows are compared in 8-bit codes first.
 */
#include <string.h>

#include "base/rng.h"
#include "bench/bench_impl.h"
#include "scan/scan.h"

#define D       256
#define CENTERS 1024
#define ROWS    4096 /* at level base fewer: it is a hundredth as fast */
#define K       10

typedef struct scene {
    wni_queries queries, base;
    wni_mat centers, out;
    float *half;
    int32_t *label;
    int64_t *at, *count;
    float *score, floor;
    double *lse;
} scene;

/* Sums of four uniform numbers: near enough to normal ones. */
static float noise(uint64_t stream, int64_t i)
{
    uint64_t bits = wni_rand_u64(1, stream, (uint64_t)i);
    int sum = 0;

    for (int j = 0; j < 4; j++)
        sum += (int)(bits >> (16 * j) & 0xffff) - 32768;
    return (float)sum / 37837; /* of variance 1 */
}

static wn_status argmin(wni_meter *meter, void *arg)
{
    scene *s = arg;

    return wni_scan_argmin(meter->ctx, &s->queries, &s->centers, s->half, s->label, s->score, NULL);
}

static wn_status topk(wni_meter *meter, void *arg)
{
    scene *s = arg;

    return wni_scan_topk(meter->ctx, &s->queries, &s->base, K, 1, 0, s->at, s->score);
}

static wn_status threshold(wni_meter *meter, void *arg)
{
    scene *s = arg;
    wni_pairs pairs = {0};
    wn_status st = wni_scan_threshold(meter->ctx, &s->queries, &s->base, s->floor, 0, &pairs);

    wni_pairs_free(meter->ctx, &pairs);
    return st;
}

static wn_status lse(wni_meter *meter, void *arg)
{
    const wni_softmax how = {0.1, NULL, 0, 0};
    scene *s = arg;

    return wni_scan_lse(meter->ctx, &s->queries, &s->base, &how, s->lse);
}

static wn_status softmax(wni_meter *meter, void *arg)
{
    const wni_softmax how = {0.1, NULL, 0, 0};
    scene *s = arg;

    return wni_scan_softmax(meter->ctx, &s->queries, &s->base, &how, s->lse, &s->out);
}

static wn_status count(wni_meter *meter, void *arg)
{
    scene *s = arg;
    const wni_counting how = {&s->floor, 0, 0, 0, NULL};

    return wni_scan_count(meter->ctx, &s->queries, &s->base, &how, s->count, NULL);
}

wn_status wni_bench_scans(wni_meter *meter)
{
    wn_ctx *ctx = meter->ctx;
    const int64_t n = ctx->isa == WN_ISA_BASE ? ROWS / 32 : ROWS;
    const int32_t no_filter = ctx->opt.no_filter;
    const uint64_t stream = wni_stream("bench rows", 0, 0);
    const struct {
        const char *name, *shape;
        wn_status (*fn)(wni_meter *meter, void *arg);
        double work; /* per product of a pair of rows */
        int64_t base;
        int filtered;
    } lines[] = {
        {"argmin", "d 256, k 1024", argmin, 2, CENTERS, 0},
        {"top 10", "d 256, L2", topk, 2, n, 0},
        {"threshold", "d 256", threshold, 2, n, 0},
        {"count", "d 256", count, 2, n, 0},
        {"softmax-sum", "d 256", lse, 2, n, 0},
        {"softmax gradient", "d 256", softmax, 4, n, 0},
        {"argmin, filtered", "d 256, k 1024", argmin, 2, CENTERS, 1},
        {"top 10, filtered", "d 256, L2", topk, 2, n, 1},
        {"threshold, filtered", "d 256", threshold, 2, n, 1},
    };
    float *v = NULL;
    wn_pool *pool = NULL;
    scene s;
    wn_status st;

    memset(&s, 0, sizeof s);
    WNI_TRY(wni_mat_new(ctx, CENTERS, D, &s.centers));
    WNI_TRY(wni_mat_new(ctx, n, D, &s.out));
    WNI_NEW(ctx, s.half, CENTERS);
    WNI_NEW(ctx, s.label, n);
    WNI_NEW(ctx, s.at, n * K);
    WNI_NEW(ctx, s.score, n * K);
    WNI_NEW(ctx, s.count, n);
    WNI_NEW(ctx, s.lse, n);
    WNI_NEW(ctx, v, 2 * n * D);
    for (int64_t i = 0; i < CENTERS * D; i++)
        s.centers.v[i] = noise(stream, i);
    for (int64_t i = 0; i < 2 * n; i++)
        for (int64_t j = 0; j < D; j++)
            v[i * D + j] = wni_mat_row(&s.centers, i % CENTERS)[j] +
                           0.8f * noise(stream, (CENTERS + i) * D + j);
    WNI_TRY(wni_mat_half_norms(ctx, &s.centers, s.half));
    WNI_TRY(wn_pool_wrap(ctx, v, 2 * n, D, WN_F32, WN_L2, &pool));
    s.queries = (wni_queries){pool, NULL, 0, n};
    s.base = (wni_queries){pool, NULL, n, n};
    s.floor = 200; /* of two rows of one centre about 256, of others about 0, give or take 30 */
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *limit = lines[i].filtered ? WNI_LIMIT_I8 : WNI_LIMIT_F32;

        if (lines[i].filtered && (ctx->isa < WN_ISA_VNNI || no_filter)) continue;
        ctx->opt.no_filter = !lines[i].filtered;
        WNI_TRY(wni_bench_whole(meter, lines[i].name, lines[i].shape, "GFLOP/s", limit, lines[i].fn,
                                &s, lines[i].work * (double)(n * lines[i].base * D)));
    }
done:
    ctx->opt.no_filter = no_filter;
    wn_pool_free(pool);
    wni_mat_free(ctx, &s.centers);
    wni_mat_free(ctx, &s.out);
    wni_free(ctx, s.half);
    wni_free(ctx, s.label);
    wni_free(ctx, s.at);
    wni_free(ctx, s.score);
    wni_free(ctx, s.count);
    wni_free(ctx, s.lse);
    wni_free(ctx, v);
    return st;
}
