/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast this machine runs the loops that everything rests on, beside what it can do at most.
 */
#ifndef WINNOW_BENCH_H
#define WINNOW_BENCH_H

#include "winnow/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One measurement. Texts are constants of the library. */
typedef struct wn_bench_line {
    const char *group; /* "limit", "kernel", "scan" */
    const char *name;  /* "dots" */
    const char *shape; /* "64 x 256, d 100" */
    const char
        *unit; /* "GFLOP/s", "Gop/s" (8-bit), "GB/s", "G/s" (elements); units of 10^9 a second */
    double rate;
    const char *limit; /* name of the limit that it is held against, NULL = none */
    double share;      /* of that limit; 0 without one */
} wn_bench_line;

typedef struct wn_bench {
    wn_ctx *ctx;
    int64_t n;
    wn_bench_line *lines; /* (n) limits first */
} wn_bench;

/* Runs every line on the context's threads, at its level, for about `seconds` each (0 = 0.1), and keeps the
 * fastest repetition. Scans are counted as 2 n k d operations, whatever the filter saves. Gives a result that
 * wn_bench_free takes. Memory: 128 MiB, or a quarter of the budget where that is less, and 6 MiB a thread.
 * Errors: WN_E_NOMEM, WN_E_BUDGET, WN_E_CANCELLED. */
WN_API wn_status wn_bench_run(wn_ctx *ctx, double seconds, wn_bench **out);
WN_API void wn_bench_free(wn_bench *bench); /* NULL ok */

#ifdef __cplusplus
}
#endif
#endif
