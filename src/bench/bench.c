/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock, the list of results, and the order of things.
 */
#include <string.h>

#include "base/os.h"
#include "base/rng.h"
#include "bench/bench_impl.h"

#define ROOM 64 /* lines at most */

#define RANGE_NS 4000000 /* of one range: the clock's own time is nothing, cancelling is noticed */

wn_status wni_bench_add(wni_meter *meter, const char *group, const char *name, const char *shape,
                        const char *unit, const char *limit, double rate)
{
    wn_bench *bench = meter->bench;
    wn_bench_line *line = bench->lines + bench->n;

    if (bench->n == meter->room) return wni_fail(meter->ctx, WN_E_INTERNAL, "more lines than room");
    *line = (wn_bench_line){group, name, shape, unit, rate, NULL, 0};
    for (int64_t i = 0; limit && i < bench->n; i++)
        if (strcmp(bench->lines[i].group, "limit") == 0 &&
            strcmp(bench->lines[i].name, limit) == 0) {
            line->limit = bench->lines[i].name;
            line->share = rate / bench->lines[i].rate;
        }
    bench->n++;
    return WN_OK;
}

typedef struct each {
    const wni_meter *meter;
    wni_bench_fn fn;
    int64_t size, calls;
    double *work; /* (threads) operations of a range */
} each;

static wn_status each_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const each *e = arg;

    (void)ctx;
    for (int64_t i = begin; i < end; i++)
        e->work[i] = e->fn(e->meter, e->meter->scratch[worker], e->size, e->calls);
    return WN_OK;
}

wn_status wni_bench_each(wni_meter *meter, const char *group, const char *name, const char *shape,
                         const char *unit, const char *limit, wni_bench_fn fn, int64_t size)
{
    wn_ctx *ctx = meter->ctx;
    const int64_t begin = wni_os_now_ns();
    each e = {meter, fn, size, 1, NULL};
    double best = 0;
    wn_status st;

    WNI_NEW(ctx, e.work, ctx->threads);
    do {
        const int64_t start = wni_os_now_ns();
        double work = 0, took;

        WNI_TRY(wni_parallel(ctx, ctx->threads, 1, each_range, &e));
        took = (double)wni_max(wni_os_now_ns() - start, 1);
        for (int t = 0; t < ctx->threads; t++)
            work += e.work[t];
        if (took < RANGE_NS) {
            e.calls *= 2;
            continue; /* too short to count */
        }
        if (work / took > best) best = work / took;
    } while (best == 0 || (double)(wni_os_now_ns() - begin) < meter->seconds * 1e9);
    WNI_TRY(wni_bench_add(meter, group, name, shape, unit, limit, best));
done:
    wni_free(ctx, e.work);
    return st;
}

wn_status wni_bench_whole(wni_meter *meter, const char *name, const char *shape, const char *unit,
                          const char *limit, wn_status (*fn)(wni_meter *meter, void *arg),
                          void *arg, double work)
{
    const int64_t begin = wni_os_now_ns();
    double best = 0;

    do {
        const int64_t start = wni_os_now_ns();
        wn_status st = fn(meter, arg);
        double took = (double)wni_max(wni_os_now_ns() - start, 1);

        if (st != WN_OK) return st;
        if (work / took > best) best = work / took;
    } while ((double)(wni_os_now_ns() - begin) < meter->seconds * 1e9);
    return wni_bench_add(meter, "scan", name, shape, unit, limit, best);
}

wn_status wn_bench_run(wn_ctx *ctx, double seconds, wn_bench **out)
{
    const int64_t size = (WNI_BENCH_ROWS + WNI_BENCH_COLUMNS) * (int64_t)WNI_BENCH_LD;
    const uint64_t stream = wni_stream("bench scratch", 0, 0);
    wni_meter meter = {ctx, wni_kernels_of(ctx), seconds > 0 ? seconds : 0.1, NULL, ROOM, NULL};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_budget_need(ctx, ctx->threads * size * (int64_t)sizeof(float), "the bench"));
    WNI_NEW0(ctx, meter.bench, 1);
    meter.bench->ctx = ctx;
    WNI_NEW(ctx, meter.bench->lines, ROOM);
    WNI_NEW0(ctx, meter.scratch, ctx->threads);
    for (int t = 0; t < ctx->threads; t++) {
        WNI_NEW(ctx, meter.scratch[t], size);
        for (int64_t i = 0; i < size; i += 4) { /* four numbers of (-1, 1] from one draw */
            uint64_t bits = wni_rand_u64(1, stream, (uint64_t)i);

            for (int j = 0; j < 4; j++)
                meter.scratch[t][i + j] = (float)((int)(bits >> (16 * j) & 0xffff) - 32767) / 32768;
        }
    }
    wni_progress(ctx, "limits", 0, 3);
    WNI_TRY(wni_bench_limits(&meter));
    wni_progress(ctx, "kernels", 1, 3);
    WNI_TRY(wni_bench_kernels(&meter));
    wni_progress(ctx, "scans", 2, 3);
    WNI_TRY(wni_bench_scans(&meter));
    wni_progress(ctx, "scans", 3, 3);
    *out = meter.bench;
    meter.bench = NULL;
done:
    for (int t = 0; meter.scratch && t < ctx->threads; t++)
        wni_free(ctx, meter.scratch[t]);
    wni_free(ctx, meter.scratch);
    wn_bench_free(meter.bench);
    return st;
}

void wn_bench_free(wn_bench *bench)
{
    if (!bench) return;
    wni_free(bench->ctx, bench->lines);
    wni_free(bench->ctx, bench);
}
