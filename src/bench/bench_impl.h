/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share.
 */
#ifndef WNI_BENCH_IMPL_H
#define WNI_BENCH_IMPL_H

#include "base/ctx_impl.h"
#include "kernels/kernels.h"
#include "winnow/bench.h"

#define WNI_BENCH_ROWS    64   /* query rows of a tile */
#define WNI_BENCH_COLUMNS 256  /* base rows of a tile */
#define WNI_BENCH_LD      4096 /* the longest row */

/* Names of limits: those of their lines. */
#define WNI_LIMIT_F32    "f32 multiply-add"
#define WNI_LIMIT_I8     "8-bit multiply-add"
#define WNI_LIMIT_MEMORY "memory read"

typedef struct wni_meter {
    wn_ctx *ctx;
    const wni_kernels *kernels;
    double seconds;
    wn_bench *bench;
    int64_t room;
    float **
        scratch; /* (threads) each WNI_BENCH_ROWS + WNI_BENCH_COLUMNS rows of WNI_BENCH_LD numbers */
} wni_meter;

/* Does something `calls` times and returns the operations done. `data` is the worker's scratch. */
typedef double (*wni_bench_fn)(const wni_meter *meter, float *data, int64_t size, int64_t calls);

/* Measures fn on all threads at once and adds a line; size goes to fn. */
wn_status wni_bench_each(wni_meter *meter, const char *group, const char *name, const char *shape,
                         const char *unit, const char *limit, wni_bench_fn fn, int64_t size);
/* Adds a line of something measured: `rate` in 10^9 units a second. */
wn_status wni_bench_add(wni_meter *meter, const char *group, const char *name, const char *shape,
                        const char *unit, const char *limit, double rate);
/* Measures a call that uses the threads itself. */
wn_status wni_bench_whole(wni_meter *meter, const char *name, const char *shape, const char *unit,
                          const char *limit, wn_status (*fn)(wni_meter *meter, void *arg),
                          void *arg, double work);

wn_status wni_bench_limits(wni_meter *meter);
wn_status wni_bench_kernels(wni_meter *meter);
wn_status wni_bench_scans(wni_meter *meter);

#endif
