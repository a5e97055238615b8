/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "base/os.h"
#include "base/thread.h"

#define POLL_NS    10000000 /* 10 ms: ten times finer than what is promised */
#define BUDGET_MIN ((int64_t)64 << 20)

static void *libc_alloc(void *user, size_t bytes)
{
    (void)user;
    return aligned_alloc(WNI_ALIGN, (bytes + WNI_ALIGN - 1) / WNI_ALIGN * WNI_ALIGN);
}

static void libc_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

void wn_ctx_options_init(wn_ctx_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->isa = -1;
}

#if defined(__aarch64__)
static const char *const isa_names[] = {"base", "neon"};
#else
static const char *const isa_names[] = {"base", "avx2", "avx512", "vnni", "bf16", "amx"};
#endif
#define ISA_NAMES (sizeof isa_names / sizeof *isa_names)

const char *wn_isa_name(wn_isa isa)
{
    return (unsigned)isa < ISA_NAMES ? isa_names[isa] : "?";
}

/* The level to use: what the processor has, capped by the option or else by WN_ISA; -1 = no such level. */
static int isa_choose(int32_t cap)
{
    int best = (int)wni_os_isa();
    const char *env = wni_os_env("WN_ISA");

    if (cap < 0 && env && *env) {
        for (int i = 0; i < (int)ISA_NAMES; i++)
            if (strcmp(env, isa_names[i]) == 0) cap = i;
        if (cap < 0) return -1;
    }
    if (cap >= WN_ISA_COUNT) return -1;
    return cap < 0 || cap > best ? best : cap;
}

wn_status wn_ctx_new(const wn_ctx_options *options, wn_ctx **out)
{
    wn_ctx_options opt;
    wn_ctx *ctx;
    int isa;

    *out = NULL;
    wn_ctx_options_init(&opt);
    if (options) {
        size_t bytes = options->struct_size < sizeof opt ? options->struct_size : sizeof opt;
        memcpy(&opt, options, bytes);
        opt.struct_size = sizeof opt;
    }
    isa = isa_choose(opt.isa);
    if (isa < 0 || opt.threads < 0 || opt.threads > 4096 || opt.memory_bytes < 0) return WN_E_USAGE;
    if (!opt.allocator.alloc) opt.allocator = (wn_allocator){libc_alloc, libc_free, NULL};

    ctx = opt.allocator.alloc(opt.allocator.user, sizeof *ctx);
    if (!ctx) return WN_E_NOMEM;
    memset(ctx, 0, sizeof *ctx);
    ctx->opt = opt;
    ctx->isa = (wn_isa)isa;
    ctx->threads = opt.threads ? opt.threads : wni_os_processors();
    ctx->budget_bytes = opt.memory_bytes ? opt.memory_bytes : wni_os_memory_bytes() / 4 * 3;
    ctx->budget_bytes = wni_max(ctx->budget_bytes, BUDGET_MIN);
    ctx->poll_ns = POLL_NS;
    ctx->error_at = -1;
    ctx->error_lock = wni_lock_new();
    if (!ctx->error_lock) {
        opt.allocator.free(opt.allocator.user, ctx);
        return WN_E_NOMEM;
    }
    *out = ctx;
    return WN_OK;
}

void wn_ctx_free(wn_ctx *ctx)
{
    if (!ctx) return;
    wni_threads_free(ctx->pool);
    wni_lock_free(ctx->error_lock);
    ctx->opt.allocator.free(ctx->opt.allocator.user, ctx);
}

void wn_ctx_rest(wn_ctx *ctx)
{
    wni_threads_free(ctx->pool);
    ctx->pool = NULL;
}

const char *wn_ctx_error(const wn_ctx *ctx)
{
    return ctx->error;
}

int32_t wn_ctx_threads(const wn_ctx *ctx)
{
    return ctx->threads;
}

int64_t wn_ctx_memory_bytes(const wn_ctx *ctx)
{
    return ctx->budget_bytes;
}

int64_t wn_ctx_peak_bytes(const wn_ctx *ctx)
{
    return atomic_load(&ctx->peak_bytes);
}

int64_t wn_ctx_live_bytes(const wn_ctx *ctx)
{
    return atomic_load(&ctx->live_bytes);
}

wn_isa wn_ctx_isa(const wn_ctx *ctx)
{
    return ctx->isa;
}

wn_filter_counts wn_ctx_filter_counts(const wn_ctx *ctx)
{
    return (wn_filter_counts){atomic_load(&ctx->filter_rows), atomic_load(&ctx->filter_verified),
                              atomic_load(&ctx->filter_candidates),
                              atomic_load(&ctx->filter_plain)};
}

/* ---- errors -------------------------------------------------------------------------------- */

static void fail_text(wn_ctx *ctx, int64_t at, const char *format, va_list args)
{
    wni_lock_take(ctx->error_lock);
    /* Outside a parallel call error_at is -1 and the newest text stands; inside, the lowest position. */
    if (ctx->error_at < 0 || at < ctx->error_at) {
        vsnprintf(ctx->error, sizeof ctx->error, format, args);
        for (char *c = ctx->error; *c; c++)
            if (*c == '\n' || *c == '\r') *c = ' ';
        if (ctx->error_at >= 0) ctx->error_at = at;
    }
    wni_lock_give(ctx->error_lock);
}

wn_status wni_fail(wn_ctx *ctx, wn_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_text(ctx, wni_range_position(), format, args);
    va_end(args);
    return status;
}

wn_status wni_fail_at(wn_ctx *ctx, int64_t at, wn_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_text(ctx, at, format, args);
    va_end(args);
    return status;
}

wn_status wni_nomem(wn_ctx *ctx, size_t bytes)
{
    char text[24];

    return wni_fail(ctx, WN_E_NOMEM, "out of memory: an allocation of %s failed",
                    wni_bytes_text((int64_t)bytes, text));
}

/* ---- memory -------------------------------------------------------------------------------- */

void wni_account(wn_ctx *ctx, int64_t bytes)
{
    long long live = atomic_fetch_add(&ctx->live_bytes, (long long)bytes) + (long long)bytes;
    long long peak = atomic_load(&ctx->peak_bytes);

    while (live > peak && !atomic_compare_exchange_weak(&ctx->peak_bytes, &peak, live))
        ;
}

/* Each block has its size in the line before it, so that free knows what returns to the budget. */
void *wni_alloc(wn_ctx *ctx, int64_t count, size_t bytes)
{
    size_t total;
    unsigned char *p;

    if (count < 0 || __builtin_mul_overflow((size_t)count, bytes, &total) ||
        total > (size_t)PTRDIFF_MAX - 2 * WNI_ALIGN) {
        wni_fail(ctx, WN_E_NOMEM, "out of memory: %lld entries of %zu bytes cannot be addressed",
                 (long long)count, bytes);
        return NULL;
    }
    p = ctx->opt.allocator.alloc(ctx->opt.allocator.user, total + WNI_ALIGN);
    if (!p) {
        wni_nomem(ctx, total);
        return NULL;
    }
    memcpy(p, &total, sizeof total);
    wni_account(ctx, (int64_t)total);
    return p + WNI_ALIGN;
}

void *wni_calloc(wn_ctx *ctx, int64_t count, size_t bytes)
{
    void *p = wni_alloc(ctx, count, bytes);

    if (p) memset(p, 0, (size_t)count * bytes);
    return p;
}

void *wni_grow(wn_ctx *ctx, void *old, int64_t old_count, int64_t new_count, size_t bytes)
{
    void *p = wni_alloc(ctx, new_count, bytes);

    if (p && old) {
        memcpy(p, old, (size_t)wni_min(old_count, new_count) * bytes);
        wni_free(ctx, old);
    }
    return p;
}

void wni_free(wn_ctx *ctx, void *p)
{
    unsigned char *block = p;
    size_t total;

    if (!block) return;
    block -= WNI_ALIGN;
    memcpy(&total, block, sizeof total);
    wni_account(ctx, -(int64_t)total);
    ctx->opt.allocator.free(ctx->opt.allocator.user, block);
}

char *wni_strdup(wn_ctx *ctx, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = wni_alloc(ctx, (int64_t)bytes, 1);

    if (copy) memcpy(copy, text, bytes);
    return copy;
}

char *wni_format(wn_ctx *ctx, const char *format, ...)
{
    va_list args;
    char *text;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = wni_alloc(ctx, (int64_t)length + 1, 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    return text;
}

int64_t wni_budget_left(const wn_ctx *ctx)
{
    return wni_max(ctx->budget_bytes - (int64_t)atomic_load(&ctx->live_bytes), 0);
}

/* With `more` 0.005 what is shown is never less than what there is. */
static const char *bytes_text(int64_t bytes, double more, char *buf)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double x = (double)bytes;
    int u = 0;

    while (x >= 1024 && u < 5) {
        x /= 1024;
        u++;
    }
    snprintf(buf, 24, u ? "%.2f %s" : "%.0f %s", u ? x + more : x, unit[u]);
    return buf;
}

const char *wni_bytes_text(int64_t bytes, char *buf)
{
    return bytes_text(bytes, 0, buf);
}

wn_status wni_budget_need(wn_ctx *ctx, int64_t bytes, const char *what)
{
    char need[24], have[24];

    if (bytes <= wni_budget_left(ctx)) return WN_OK;
    return wni_fail(ctx, WN_E_BUDGET,
                    "%s needs %s, the memory budget is %s: raise --memory to what it needs", what,
                    bytes_text(bytes + (int64_t)atomic_load(&ctx->live_bytes), 0.005, need),
                    wni_bytes_text(ctx->budget_bytes, have));
}

/* ---- log, progress, cancel -------------------------------------------------------------------- */

void wni_log(wn_ctx *ctx, wn_log_level level, const char *format, ...)
{
    char text[WNI_ERROR_MAX];
    va_list args;

    if (!ctx->opt.log) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ctx->opt.log(ctx->opt.user, level, text);
}

void wni_progress(wn_ctx *ctx, const char *stage, int64_t done, int64_t total)
{
    if (ctx->opt.progress && wni_range_position() < 0)
        ctx->opt.progress(ctx->opt.user, stage, done, total);
}

wn_status wni_poll(wn_ctx *ctx)
{
    if (wni_on_calling_thread()) wni_poll_callback(ctx);
    if (wni_range_position() >= 0)
        return atomic_load_explicit(&ctx->cancelled, memory_order_relaxed) ? WN_E_CANCELLED : WN_OK;
    return wni_poll_finish(ctx);
}

void wni_poll_callback(wn_ctx *ctx)
{
    int64_t now;

    if (!ctx->opt.cancel) return;
    now = wni_os_now_ns();
    if (ctx->last_poll_ns && now - ctx->last_poll_ns < ctx->poll_ns) return;
    ctx->last_poll_ns = now;
    if (ctx->opt.cancel(ctx->opt.user)) atomic_store(&ctx->cancelled, 1);
}

/* Takes the flag down as the news leaves on its way to the caller, so that the context stays usable. */
wn_status wni_poll_finish(wn_ctx *ctx)
{
    if (!atomic_exchange(&ctx->cancelled, 0)) return WN_OK;
    return wni_fail(ctx, WN_E_CANCELLED, "stopped as asked");
}
