/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels on data that stays in a core's own caches. Each function takes its inputs from the scratch.
 */
#include <math.h>
#include <string.h>

#include "bench/bench_impl.h"

#define D 256 /* of the kernels that are measured at one length */

/* A tile as the scan engine cuts it: `size` columns of which the last line is filled up. */
static double dots(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    const int64_t ld = wni_ld(size), m = wni_min(WNI_BENCH_ROWS, 131072 / ld / 4 * 4);
    float out[WNI_BENCH_ROWS * WNI_BENCH_COLUMNS];

    for (int64_t c = 0; c < calls; c++)
        meter->kernels->dots(data, m, data + m * ld, WNI_BENCH_COLUMNS, ld, out, WNI_BENCH_COLUMNS);
    return 2.0 * (double)(calls * m * WNI_BENCH_COLUMNS * size);
}

static double odd_dots(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    const int64_t ld = wni_ld(size);
    float out[61 * 253];

    for (int64_t c = 0; c < calls; c++)
        meter->kernels->dots(data, 61, data + 61 * ld, 253, ld, out, 253);
    return 2.0 * (double)(calls * 61 * 253 * size);
}

static double l2sq(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    float out[WNI_BENCH_COLUMNS];

    for (int64_t c = 0; c < calls; c++)
        meter->kernels->l2sq_at(data, data + size, size, NULL, WNI_BENCH_COLUMNS, out);
    return 4.0 * (double)(calls * WNI_BENCH_COLUMNS * size);
}

static double outer(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    const int64_t n = 20; /* weights of the rows: in [-1, 1], so sums stay small */
    float *acc = data + WNI_BENCH_COLUMNS * (size + n);

    for (int64_t c = 0; c < calls; c++)
        meter->kernels->outer(acc, data, n, n, data + WNI_BENCH_COLUMNS * n, WNI_BENCH_COLUMNS,
                              size);
    return 2.0 * (double)(calls * n * WNI_BENCH_COLUMNS * size);
}

enum { GROUP_ROWS = 60 }; /* whole blocks, as tiles of rows are */

/* One group of 64 columns and no row that needs any of them. */
static double filter_group(const wni_meter *meter, float *data, int64_t size, int64_t calls,
                           int wide)
{
    uint8_t *x = (uint8_t *)data;
    int8_t *codes = (int8_t *)(data + WNI_BENCH_ROWS * size);
    float numbers[WNI_GROUP8] __attribute__((aligned(64))) = {0};
    float scale[GROUP_ROWS], need[GROUP_ROWS], best[GROUP_ROWS];
    int32_t start[WNI_GROUP8] __attribute__((aligned(64))) = {0}, mark[GROUP_ROWS];
    int64_t passed = 0;
    const wni_group8 group = {.codes = codes,
                              .start = start,
                              .scale = numbers,
                              .spread = numbers,
                              .high = numbers,
                              .low = numbers,
                              .lift = start};
    const wni_rows8 rows = {
        .scale = scale, .need = need, .best = best, .mark = mark, .passed = &passed};
    const wni_hits8 none = {NULL, NULL, NULL, NULL};

    for (int i = 0; i < GROUP_ROWS; i++) {
        scale[i] = 1;
        mark[i] = INT32_MAX;
        need[i] = best[i] = INFINITY;
    }
    for (int64_t c = 0; c < calls; c++)
        if (wide)
            meter->kernels->dots16(&group, (uint16_t *)(data + WNI_BENCH_ROWS * size),
                                   (uint16_t *)data, GROUP_ROWS, size, &rows, &none);
        else
            meter->kernels->dots8(&group, x, GROUP_ROWS, size, &rows, &none);
    return 2.0 * (double)(calls * GROUP_ROWS * WNI_GROUP8 * size);
}

/* Rows in any order against two panels of columns, none of which any row needs. */
static double most8(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    enum { PANELS = 2, COLUMNS = PANELS * WNI_PANEL8 };
    uint8_t *x = (uint8_t *)data;
    const int8_t *codes = (int8_t *)(data + WNI_BENCH_ROWS * size);
    float numbers[COLUMNS] __attribute__((aligned(64))) = {0}, most[WNI_BENCH_ROWS];
    float scale[WNI_BENCH_ROWS], need[WNI_BENCH_ROWS];
    int32_t start[COLUMNS] __attribute__((aligned(64))) = {0};
    int32_t at[WNI_BENCH_ROWS], skip[WNI_BENCH_ROWS];
    const wni_group8 group = {
        .codes = codes, .start = start, .scale = numbers, .spread = numbers, .high = numbers};
    const wni_pairs8 none = {NULL, NULL};

    for (int i = 0; i < WNI_BENCH_ROWS; i++) {
        at[i] = i * 7 % WNI_BENCH_ROWS;
        skip[i] = -1;
        scale[i] = 1;
        need[i] = INFINITY;
    }
    for (int64_t c = 0; c < calls; c++)
        meter->kernels->most8(&group, PANELS, x, at, WNI_BENCH_ROWS, size, scale, skip, need, most,
                              &none);
    return 2.0 * (double)(calls * WNI_BENCH_ROWS * COLUMNS * size);
}

static double dots8(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    return filter_group(meter, data, size, calls, 0);
}

static double dots16(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    return filter_group(meter, data, size, calls, 1);
}

static double codes8(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    uint8_t codes[WNI_BENCH_LD];
    float stats[WNI_CODES8_STATS];

    for (int64_t c = 0; c < calls; c++)
        for (int64_t i = 0; i < WNI_BENCH_ROWS; i++)
            meter->kernels->codes8(data + (i + 1) * size, data, size, codes, stats);
    return (double)(calls * WNI_BENCH_ROWS * size);
}

static double best(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    float value, second;
    int64_t at;

    for (int64_t c = 0; c < calls; c++)
        for (int64_t i = 0; i < WNI_BENCH_ROWS; i++)
            meter->kernels->best(data + (i + 1) * size, data, size, &value, &at, &second);
    return (double)(calls * WNI_BENCH_ROWS * size);
}

static double over(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    int32_t at[WNI_BENCH_COLUMNS];

    for (int64_t c = 0; c < calls; c++)
        for (int64_t i = 0; i < WNI_BENCH_ROWS; i++)
            meter->kernels->over(data + (i + 1) * size, data, size, 1.9f, at);
    return (double)(calls * WNI_BENCH_ROWS * size);
}

static double expsum(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    double top = -1e300, sum = 0;

    for (int64_t c = 0; c < calls; c++)
        for (int64_t i = 0; i < WNI_BENCH_ROWS; i++)
            meter->kernels->expsum(data + i * size, NULL, NULL, size, 10, &top, &sum);
    return (double)(calls * WNI_BENCH_ROWS * size);
}

static double exps(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    float p[WNI_BENCH_COLUMNS];

    for (int64_t c = 0; c < calls; c++)
        for (int64_t i = 0; i < WNI_BENCH_ROWS; i++)
            meter->kernels->exps(data + i * size, NULL, NULL, size, 10, 12, p);
    return (double)(calls * WNI_BENCH_ROWS * size);
}

static double norm64(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    int32_t most;

    for (int64_t c = 0; c < calls; c++)
        for (int64_t i = 0; i < WNI_BENCH_ROWS; i++)
            (void)meter->kernels->norm64(data + i * size, size, &most);
    return (double)(calls * WNI_BENCH_ROWS * size);
}

static double fixsum(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    int64_t acc[D] = {0};
    double scale[D];

    for (int64_t j = 0; j < size; j++)
        scale[j] = 0x1p30;
    for (int64_t c = 0; c < calls; c++)
        for (int64_t i = 0; i < WNI_BENCH_ROWS; i++)
            meter->kernels->fixsum(acc, data + i * size, scale, 1, 1, size);
    return (double)(calls * WNI_BENCH_ROWS * size);
}

static double minhash(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    uint32_t x[128], a[128], b[128], low[128];

    memcpy(x, data, sizeof x);
    memcpy(a, data + 128, sizeof a);
    memcpy(b, data + 256, sizeof b);
    for (int64_t c = 0; c < calls; c++)
        meter->kernels->minhash(x, 128, a, b, size, low);
    return (double)(calls * 128 * size);
}

static double widen_f16(const wni_meter *meter, float *data, int64_t size, int64_t calls)
{
    float *to = data + WNI_BENCH_COLUMNS * size;

    for (int64_t c = 0; c < calls; c++)
        meter->kernels->widen_f16(data, to, WNI_BENCH_ROWS * size);
    return (double)(calls * WNI_BENCH_ROWS * size);
}

wn_status wni_bench_kernels(wni_meter *meter)
{
    static const struct {
        const char *name, *shape, *unit, *limit;
        wni_bench_fn fn;
        int64_t size;
        wn_isa from;
    } lines[] = {
        {"dots", "64 x 256, d 16", "GFLOP/s", WNI_LIMIT_F32, dots, 16, WN_ISA_BASE},
        {"dots", "64 x 256, d 33", "GFLOP/s", WNI_LIMIT_F32, dots, 33, WN_ISA_BASE},
        {"dots", "64 x 256, d 100", "GFLOP/s", WNI_LIMIT_F32, dots, 100, WN_ISA_BASE},
        {"dots", "64 x 256, d 256", "GFLOP/s", WNI_LIMIT_F32, dots, 256, WN_ISA_BASE},
        {"dots", "61 x 253, d 256", "GFLOP/s", WNI_LIMIT_F32, odd_dots, 256, WN_ISA_BASE},
        {"dots", "64 x 256, d 768", "GFLOP/s", WNI_LIMIT_F32, dots, 768, WN_ISA_BASE},
        {"dots", "32 x 256, d 4096", "GFLOP/s", WNI_LIMIT_F32, dots, 4096, WN_ISA_BASE},
        {"dots8", "60 x 64, d 128", "Gop/s", WNI_LIMIT_I8, dots8, 128, WN_ISA_VNNI},
        {"dots8", "60 x 64, d 768", "Gop/s", WNI_LIMIT_I8, dots8, 768, WN_ISA_VNNI},
        {"dots16", "60 x 64, d 256", "GFLOP/s", NULL, dots16, 256, WN_ISA_BF16},
        {"most8", "64 x 32, d 128", "Gop/s", WNI_LIMIT_I8, most8, 128, WN_ISA_VNNI},
        {"l2sq_at", "1 x 256, d 256", "GFLOP/s", WNI_LIMIT_F32, l2sq, D, WN_ISA_BASE},
        {"outer", "20 x 256, d 256", "GFLOP/s", WNI_LIMIT_F32, outer, D, WN_ISA_BASE},
        {"best", "256 scores", "G/s", NULL, best, D, WN_ISA_BASE},
        {"over", "256 scores", "G/s", NULL, over, D, WN_ISA_BASE},
        {"expsum", "256 scores", "G/s", NULL, expsum, D, WN_ISA_BASE},
        {"exps", "256 scores", "G/s", NULL, exps, D, WN_ISA_BASE},
        {"norm64", "d 256", "G/s", NULL, norm64, D, WN_ISA_BASE},
        {"fixsum", "d 256", "G/s", NULL, fixsum, D, WN_ISA_BASE},
        {"codes8", "d 256", "G/s", NULL, codes8, D, WN_ISA_VNNI},
        {"widen_f16", "16384 numbers", "G/s", NULL, widen_f16, D, WN_ISA_BASE},
        {"minhash", "128 values of 128", "G/s", NULL, minhash, 128, WN_ISA_BASE},
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        wn_status st;

        if (meter->ctx->isa < lines[i].from) continue;
        st = wni_bench_each(meter, "kernel", lines[i].name, lines[i].shape, lines[i].unit,
                            lines[i].limit, lines[i].fn, lines[i].size);
        if (st != WN_OK) return st;
    }
    return WN_OK;
}
