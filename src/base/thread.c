/* SPDX-License-Identifier: Apache-2.0
 *
 * One pool of threads per context. A parallel call cuts [0, n) into ranges whose bounds depend on n and
 * grain alone; threads take the next range from a counter. Since ranges are taken in ascending order, all
 * ranges before a failing one have been taken too, so the first failure by position does not depend on
 * timing.
 */
#include "base/thread.h"
#include "base/os.h"

struct wni_threads {
    wn_ctx *ctx;
    int64_t pid; /* threads do not survive a fork: the child starts its own */
    int32_t started;
    wni_lock *lock;
    wni_cond *work, *idle;
    int64_t generation; /* of the call in progress */
    int32_t busy;       /* threads that have not finished it */
    int32_t stop;

    /* The call in progress. */
    int64_t n, grain;
    wni_range_fn fn;
    void *arg;
    atomic_llong next;
    atomic_llong failed_at; /* lowest position that failed; INT64_MAX = none */
    wn_status status;       /* of that position, under lock */

    struct wni_worker {
        wni_threads *pool;
        int32_t id;
        wni_thread *thread;
    } * worker; /* (threads - 1), ids from 1 */
};

static _Thread_local int64_t range_position = -1;
static _Thread_local int32_t range_worker;

int64_t wni_range_position(void)
{
    return range_position;
}

bool wni_on_calling_thread(void)
{
    return range_worker == 0;
}

static void run_ranges(wni_threads *pool, int32_t worker, bool caller)
{
    int64_t begin;

    range_worker = worker;
    while ((begin = atomic_fetch_add(&pool->next, pool->grain)) < pool->n) {
        wn_status st;

        if (caller) wni_poll_callback(pool->ctx);
        if (atomic_load_explicit(&pool->ctx->cancelled, memory_order_relaxed) ||
            begin > atomic_load(&pool->failed_at))
            break;
        range_position = begin;
        st = pool->fn(pool->ctx, pool->arg, worker, begin, wni_min(begin + pool->grain, pool->n));
        range_position = -1;
        if (st != WN_OK) {
            wni_lock_take(pool->lock);
            if (begin < atomic_load(&pool->failed_at)) {
                atomic_store(&pool->failed_at, begin);
                pool->status = st;
            }
            wni_lock_give(pool->lock);
        }
    }
    range_worker = 0;
}

static void worker_main(void *arg)
{
    struct wni_worker *me = arg;
    wni_threads *pool = me->pool;
    int64_t seen = 0;

    wni_lock_take(pool->lock);
    for (;;) {
        while (pool->generation == seen && !pool->stop)
            wni_cond_wait(pool->work, pool->lock);
        if (pool->stop) break;
        seen = pool->generation;
        wni_lock_give(pool->lock);
        run_ranges(pool, me->id, false);
        wni_lock_take(pool->lock);
        if (--pool->busy == 0) wni_cond_wake_all(pool->idle);
    }
    wni_lock_give(pool->lock);
}

/* A pool that came over by fork: its threads are not here, and its locks may be held and its conditions
 * waited for by them for ever, so only the memory goes. */
static void threads_forget(wni_threads *pool)
{
    wn_ctx *ctx = pool->ctx;

    wni_free(ctx, pool->worker);
    wni_free(ctx, pool);
}

void wni_threads_free(wni_threads *pool)
{
    if (!pool) return;
    if (pool->pid != wni_os_pid()) {
        threads_forget(pool);
        return;
    }
    if (pool->lock) {
        wni_lock_take(pool->lock);
        pool->stop = 1;
        if (pool->work) wni_cond_wake_all(pool->work);
        wni_lock_give(pool->lock);
        for (int32_t i = 0; i < pool->started; i++)
            wni_thread_join(pool->worker[i].thread);
    }
    wni_cond_free(pool->work);
    wni_cond_free(pool->idle);
    wni_lock_free(pool->lock);
    threads_forget(pool);
}

/* A system that grants fewer threads than asked for makes a smaller pool, not an error. */
static wn_status threads_start(wn_ctx *ctx)
{
    wni_threads *pool = ctx->pool;

    if (pool && pool->pid == wni_os_pid()) return WN_OK;
    if (pool) {
        threads_forget(pool);
        ctx->pool = NULL;
    }
    pool = wni_calloc(ctx, 1, sizeof *pool);
    if (!pool) return WN_E_NOMEM;
    pool->ctx = ctx;
    pool->pid = wni_os_pid();
    pool->lock = wni_lock_new();
    pool->work = wni_cond_new();
    pool->idle = wni_cond_new();
    pool->worker = wni_calloc(ctx, ctx->threads, sizeof *pool->worker);
    if (!pool->lock || !pool->work || !pool->idle || !pool->worker) {
        wni_threads_free(pool);
        return wni_nomem(ctx, sizeof *pool);
    }
    for (int32_t i = 0; i < ctx->threads - 1; i++) {
        pool->worker[i].pool = pool;
        pool->worker[i].id = i + 1;
        pool->worker[i].thread = wni_thread_start(worker_main, &pool->worker[i]);
        if (!pool->worker[i].thread) break;
        pool->started++;
    }
    ctx->pool = pool;
    return WN_OK;
}

/* The end of a parallel call on the calling thread: a cancel that was noticed inside becomes the result,
 * and its flag comes down whatever the result, so that it does not stop the next call. */
static wn_status leave(wn_ctx *ctx, wn_status st)
{
    if (st == WN_OK || st == WN_E_CANCELLED) {
        wn_status cancelled = wni_poll_finish(ctx);
        return cancelled != WN_OK ? cancelled : st;
    }
    atomic_store(&ctx->cancelled, 0);
    return st;
}

/* Same ranges, same order, no pool: one thread, one range, or a call from inside a range. */
static wn_status run_serial(wn_ctx *ctx, int64_t n, int64_t grain, wni_range_fn fn, void *arg)
{
    bool nested = range_position >= 0;
    wn_status st = WN_OK;

    for (int64_t begin = 0; begin < n && st == WN_OK; begin += grain) {
        if ((st = wni_poll(ctx)) != WN_OK) break;
        if (!nested) range_position = begin;
        st = fn(ctx, arg, nested ? range_worker : 0, begin, wni_min(begin + grain, n));
        if (!nested) range_position = -1;
    }
    return nested ? st : leave(ctx, st);
}

wn_status wni_parallel(wn_ctx *ctx, int64_t n, int64_t grain, wni_range_fn fn, void *arg)
{
    wni_threads *pool;
    wn_status st;

    grain = wni_max(grain, 1);
    if (n <= 0) return WN_OK;
    if (ctx->threads == 1 || n <= grain || range_position >= 0)
        return run_serial(ctx, n, grain, fn, arg);
    if ((st = threads_start(ctx)) != WN_OK) return st;

    if ((st = wni_poll(ctx)) != WN_OK) return st;
    pool = ctx->pool;
    wni_lock_take(ctx->error_lock);
    ctx->error_at = INT64_MAX;
    wni_lock_give(ctx->error_lock);
    wni_lock_take(pool->lock);
    pool->n = n;
    pool->grain = grain;
    pool->fn = fn;
    pool->arg = arg;
    pool->status = WN_OK;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->failed_at, INT64_MAX);
    pool->busy = pool->started;
    pool->generation++;
    wni_cond_wake_all(pool->work);
    wni_lock_give(pool->lock);

    run_ranges(pool, 0, true);

    wni_lock_take(pool->lock);
    while (pool->busy > 0)
        if (wni_cond_wait_for(pool->idle, pool->lock, 10000000)) {
            wni_lock_give(pool->lock);
            wni_poll_callback(ctx);
            wni_lock_take(pool->lock);
        }
    st = pool->status;
    wni_lock_give(pool->lock);

    wni_lock_take(ctx->error_lock);
    ctx->error_at = -1;
    wni_lock_give(ctx->error_lock);
    return leave(ctx, st);
}
