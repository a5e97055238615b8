/* SPDX-License-Identifier: Apache-2.0
 *
 * The context: threads, memory budget, instruction set, callbacks and the last error.
 * Every call takes one. A context serves one call at a time; two contexts share nothing.
 */
#ifndef WINNOW_CTX_H
#define WINNOW_CTX_H

#include "winnow/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wn_ctx wn_ctx;

/* Levels of the processor. From WN_ISA_VNNI on, scans look through 8-bit codes first and verify in f32 what
 * could matter; the results are the same bytes. From WN_ISA_BF16 on they look again in bf16
 * where 8 bits leave too much in question; WN_ISA_AMX has the codes in tiles. WN_ISA_AVX512 and below are f32
 * alone. ARM64 has the levels WN_ISA_BASE and WN_ISA_NEON, both f32 alone. */
typedef enum wn_isa {
    WN_ISA_BASE = 0,
    WN_ISA_AVX2,
    WN_ISA_AVX512,
    WN_ISA_VNNI,
    WN_ISA_BF16,
    WN_ISA_AMX,
    WN_ISA_COUNT,
    WN_ISA_NEON = 1
} wn_isa;

typedef enum wn_log_level { WN_LOG_WARN = 0, WN_LOG_INFO, WN_LOG_DEBUG } wn_log_level;

/* Where memory comes from. `alloc` returns storage aligned to 64 bytes, or NULL. It may be called
 * from any thread of the context's pool. */
typedef struct wn_allocator {
    void *(*alloc)(void *user, size_t bytes);
    void (*free)(void *user, void *ptr);
    void *user;
} wn_allocator;

typedef struct wn_ctx_options {
    uint32_t struct_size; /* sizeof(wn_ctx_options) of the caller */
    int32_t threads;      /* 0 = the processors this process may use (affinity, container quota) */
    int64_t memory_bytes; /* budget for what winnow allocates and maps; 0 = 3/4 of what is there;
                           * less than 64 MiB counts as 64 MiB */
    int32_t isa;          /* wn_isa, a cap; -1 = WN_ISA of the environment, else the best */

    wn_allocator allocator; /* all zero = the C library */

    /* All callbacks run on the thread that made the call, with the `user` given here. NULL = none.
     * `cancel` is polled at least ten times a second; nonzero stops the call with WN_E_CANCELLED. */
    void *user;
    void (*log)(void *user, wn_log_level level, const char *text);
    void (*progress)(void *user, const char *stage, int64_t done, int64_t total);
    int (*cancel)(void *user);

    int32_t no_filter; /* nonzero: every score in f32 from the start; slower, the same bytes */
} wn_ctx_options;

/* What the filter of the scan engine did since the context was made. Depends on threads and timing a
 * little; results never do. */
typedef struct wn_filter_counts {
    int64_t rows;       /* query rows compared through 8-bit codes */
    int64_t verified;   /* of these, rows for which more than one base row had to be verified */
    int64_t candidates; /* f32 scores that were needed for the verification */
    int64_t plain;      /* query rows given back to f32, because the filter would not have paid */
} wn_filter_counts;

/* Fills `options` with the defaults of this library, `struct_size` included. */
WN_API void wn_ctx_options_init(wn_ctx_options *options);

/* Makes a context. NULL options = defaults. On failure *out is NULL: WN_E_NOMEM, or WN_E_USAGE when
 * an option (or WN_ISA in the environment) is out of range. Threads start at the first parallel call. */
WN_API wn_status wn_ctx_new(const wn_ctx_options *options, wn_ctx **out);

/* Stops the threads and frees the context; NULL is allowed. Objects made with it must be gone. */
WN_API void wn_ctx_free(wn_ctx *ctx);

/* Stops the threads; the next parallel call starts them again. For a context that is kept for its objects. */
WN_API void wn_ctx_rest(wn_ctx *ctx);

/* Text of the last failure, one line, never NULL; valid until the next failing call. */
WN_API const char *wn_ctx_error(const wn_ctx *ctx);

/* Threads that calls use, the memory budget, and what winnow allocated within it. */
WN_API int32_t wn_ctx_threads(const wn_ctx *ctx);
WN_API int64_t wn_ctx_memory_bytes(const wn_ctx *ctx);
WN_API int64_t wn_ctx_peak_bytes(const wn_ctx *ctx); /* the most that was allocated at one time */
WN_API int64_t wn_ctx_live_bytes(const wn_ctx *ctx); /* what is allocated now */
WN_API wn_isa wn_ctx_isa(const wn_ctx *ctx);         /* the level in use */
WN_API const char *wn_isa_name(wn_isa isa);          /* "?" = no level of this kind of processor */
WN_API wn_filter_counts wn_ctx_filter_counts(const wn_ctx *ctx);

#ifdef __cplusplus
}
#endif
#endif
