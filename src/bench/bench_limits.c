/* SPDX-License-Identifier: Apache-2.0
 *
 * What the machine can do at most: multiply-adds in registers, bytes from memory.
 */
#include "base/os.h"
#include "bench/bench_impl.h"

#define ROUNDS       4
#define MEMORY_BYTES ((int64_t)128 << 20) /* beyond the caches of most machines */
#define CHUNK        16384                /* numbers of one dot product */

static double f32_peak(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    float out[16];

    (void)size;
    return 2 * (double)meter->kernels->peak_f32(ROUNDS * calls, data, out);
}

static double i8_peak(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    uint8_t a[64];
    int8_t b[64];
    int32_t out[16];

    (void)size;
    for (int j = 0; j < 64; j++) {
        a[j] = (uint8_t)(j * 3);
        b[j] = (int8_t)(data[j] > 0 ? j : -j);
    }
    return 2 * (double)meter->kernels->peak_i8(ROUNDS * calls, a, b, out);
}

typedef struct read_arg {
    const wni_meter *meter;
    const float *v;
    float *sums; /* keeps the work from being nothing */
} read_arg;

static wn_status fill_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    float *v = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        v[i] = (float)(i % 7);
    return WN_OK;
}

/* Both halves of a chunk in one product: two streams, each a line at a time. */
static wn_status read_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const read_arg *r = arg;

    (void)ctx;
    (void)worker;
    for (int64_t c = begin; c < end; c++)
        r->sums[c] =
            r->meter->kernels->dot(r->v + 2 * c * CHUNK, r->v + (2 * c + 1) * CHUNK, CHUNK);
    return WN_OK;
}

static wn_status memory(wni_meter *meter)
{
    wn_ctx *ctx = meter->ctx;
    const int64_t bytes = wni_min(MEMORY_BYTES, wni_budget_left(ctx) / 4);
    const int64_t chunks = wni_max(bytes / (2 * CHUNK * (int64_t)sizeof(float)), 1);
    const int64_t begin = wni_os_now_ns();
    read_arg arg = {meter, NULL, NULL};
    float *v = NULL;
    double best = 0;
    wn_status st;

    WNI_NEW(ctx, v, 2 * chunks * CHUNK);
    WNI_NEW(ctx, arg.sums, chunks);
    WNI_TRY(wni_parallel(ctx, 2 * chunks * CHUNK, CHUNK, fill_range, v));
    arg.v = v;
    do {
        const int64_t start = wni_os_now_ns();
        double took;

        WNI_TRY(wni_parallel(ctx, chunks, 8, read_range, &arg));
        took = (double)wni_max(wni_os_now_ns() - start, 1);
        if ((double)(2 * chunks * CHUNK * 4) / took > best)
            best = (double)(2 * chunks * CHUNK * 4) / took;
    } while ((double)(wni_os_now_ns() - begin) < meter->seconds * 1e9);
    WNI_TRY(wni_bench_add(meter, "limit", WNI_LIMIT_MEMORY, "128 MiB", "GB/s", NULL, best));
done:
    wni_free(ctx, v);
    wni_free(ctx, arg.sums);
    return st;
}

wn_status wni_bench_limits(wni_meter *meter)
{
    wn_status st =
        wni_bench_each(meter, "limit", WNI_LIMIT_F32, "in registers", "GFLOP/s", NULL, f32_peak, 0);

    if (st == WN_OK && meter->ctx->isa >= WN_ISA_VNNI)
        st =
            wni_bench_each(meter, "limit", WNI_LIMIT_I8, "in registers", "Gop/s", NULL, i8_peak, 0);
    return st == WN_OK ? memory(meter) : st;
}
