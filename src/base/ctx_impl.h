/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a context and the few things every room of the library needs:
 * errors, memory, progress and cancelling, parallel loops.
 */
#ifndef WNI_CTX_IMPL_H
#define WNI_CTX_IMPL_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "winnow/ctx.h"

#define WNI_ALIGN     64 /* every allocation; one cache line, one AVX-512 register */
#define WNI_ERROR_MAX 1024

typedef struct wni_threads wni_threads;

struct wn_ctx {
    wn_ctx_options opt;
    int32_t threads;
    int64_t budget_bytes;
    wn_isa isa;
    atomic_llong live_bytes, peak_bytes;
    wni_threads *pool; /* NULL until the first parallel call */
    struct wni_lock *error_lock;
    int64_t
        error_at; /* where the kept error came from; lower wins, so that threads do not matter */
    char error[WNI_ERROR_MAX];
    atomic_int cancelled;
    atomic_llong filter_rows, filter_verified, filter_candidates,
        filter_plain;  /* wn_filter_counts */
    int filter_always; /* tests: the filter at every level and size; 2: in bf16 where it can be */
    int bounds_always; /* tests: k-means makes bounds, whatever they save */
    struct wn_folder *folders; /* folders in memory that are alive, see io/memfolder.h */
    int64_t last_folder;
    int64_t poll_ns, last_poll_ns; /* tests set poll_ns to 0: every poll asks */
};

/* ---- errors -------------------------------------------------------------------------------- */

/* Records a one-line text and returns `status`, so that `return wni_fail(...)` reads well. The text says
 * what, where (file, row), found, expected, what to do. Inside a parallel range give the position of the
 * failure to wni_fail_at: the lowest position wins, whatever the threads did. */
wn_status wni_fail(wn_ctx *ctx, wn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
wn_status wni_fail_at(wn_ctx *ctx, int64_t at, wn_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
wn_status wni_nomem(wn_ctx *ctx, size_t bytes);

/* On failure sets the local `st` and leaves by the local label `done`. */
#define WNI_TRY(call)                          \
    do {                                       \
        if ((st = (call)) != WN_OK) goto done; \
    } while (0)

/* ---- memory -------------------------------------------------------------------------------- */

/* Aligned to WNI_ALIGN; count x bytes is checked for overflow. NULL sets the error (WN_E_NOMEM). A
 * count of 0 gives a valid pointer. wni_calloc zeroes. */
void *wni_alloc(wn_ctx *ctx, int64_t count, size_t bytes);
void *wni_calloc(wn_ctx *ctx, int64_t count, size_t bytes);
/* Grows to new_count, keeping old_count entries; on failure NULL and the old block stays. */
void *wni_grow(wn_ctx *ctx, void *old, int64_t old_count, int64_t new_count, size_t bytes);
void wni_free(wn_ctx *ctx, void *p); /* NULL ok */
char *wni_strdup(wn_ctx *ctx, const char *text);
char *wni_format(wn_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* p = new zeroed/plain array of `count`, or leave by `done` with WN_E_NOMEM. */
#define WNI_NEW(ctx, p, count)                                 \
    do {                                                       \
        if (!((p) = wni_alloc((ctx), (count), sizeof *(p)))) { \
            st = WN_E_NOMEM;                                   \
            goto done;                                         \
        }                                                      \
    } while (0)
#define WNI_NEW0(ctx, p, count)                                 \
    do {                                                        \
        if (!((p) = wni_calloc((ctx), (count), sizeof *(p)))) { \
            st = WN_E_NOMEM;                                    \
            goto done;                                          \
        }                                                       \
    } while (0)

/* Counts bytes against the budget that wni_alloc did not hand out (mapped files); negative gives back. */
void wni_account(wn_ctx *ctx, int64_t bytes);

/* Bytes of the budget that are not allocated now, never below 0. */
int64_t wni_budget_left(const wn_ctx *ctx);
/* WN_E_BUDGET with both numbers and the flag to raise when `bytes` more would not fit. */
wn_status wni_budget_need(wn_ctx *ctx, int64_t bytes, const char *what);
/* "1.5 GiB" into buf (at least 24 bytes); returns buf. */
const char *wni_bytes_text(int64_t bytes, char *buf);

/* ---- log, progress, cancel -------------------------------------------------------------------- */

void wni_log(wn_ctx *ctx, wn_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Reports progress; only from the calling thread. */
void wni_progress(wn_ctx *ctx, const char *stage, int64_t done, int64_t total);
/* WN_E_CANCELLED when the caller wants to stop. Cheap: asks the callback at most every 10 ms, and only
 * from the calling thread; workers see its answer. Every loop longer than a few ms calls it. */
wn_status wni_poll(wn_ctx *ctx);

/* ---- threads ------------------------------------------------------------------------------- */

/* Work on [begin, end) of a parallel range. `worker` is 0..wn_ctx_threads()-1, for scratch only: a result
 * may never depend on it. */
typedef wn_status (*wni_range_fn)(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end);

/* Splits [0, n) into ranges of `grain` (the last may be shorter), whose bounds depend on n and grain
 * alone, and runs them on the pool; the caller works too. The first failure by position is returned and
 * stops the rest; polls for cancelling between ranges. Called inside a range it runs serially. */
wn_status wni_parallel(wn_ctx *ctx, int64_t n, int64_t grain, wni_range_fn fn, void *arg);

/* ---- small things ---------------------------------------------------------------------------- */

static inline int64_t wni_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t wni_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static inline int64_t wni_round_up(int64_t x, int64_t to)
{
    return (x + to - 1) / to * to;
}
/* Padded row length: whole 64-byte lines, as the kernels want it. */
static inline int64_t wni_ld(int64_t d)
{
    return wni_round_up(d, 16);
}

#endif
