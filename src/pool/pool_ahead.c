/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/pool_ahead.h"

#include "base/os.h"
#include "pool/pool_impl.h"

#define WORTH_BYTES ((int64_t)8 << 20)
#define STEP_BYTES  ((int64_t)4 << 20) /* of one request */
#define WINDOW_BYTES \
    ((int64_t)48 << 20) /* asked for and not yet come to, beside the reader's block */

struct wni_ahead {
    const wn_pool *root;
    int64_t step, window; /* rows */
    int64_t next, end;    /* rows not asked for yet */
    wni_lock *lock;
    wni_cond *moved;
    int64_t at; /* under lock, like stop */
    int stop;
    wni_thread *thread;
};

/* Rows [first, first + n) of a root, from however many shards. */
static void ask(const wn_pool *root, int64_t first, int64_t n)
{
    for (int32_t s = 0; s < root->n_shards && n > 0; s++) {
        int64_t here = wni_min(n, root->start[s + 1] - first);

        if (here <= 0) continue;
        wni_vecfile_ahead(&root->shard[s], first - root->start[s], here);
        first += here;
        n -= here;
    }
}

static void ahead_main(void *arg)
{
    wni_ahead *a = arg;

    wni_lock_take(a->lock);
    while (!a->stop && a->next < a->end) {
        int64_t n = wni_min(a->step, a->end - a->next);

        a->next = wni_max(a->next, a->at); /* what the reader has passed is of no use */
        if (a->next >= a->end) break;
        n = wni_min(n, a->end - a->next);
        if (a->next - a->at > a->window) {
            wni_cond_wait(a->moved, a->lock);
            continue;
        }
        wni_lock_give(a->lock);
        ask(a->root, a->next, n);
        wni_lock_take(a->lock);
        a->next += n;
    }
    wni_lock_give(a->lock);
}

wn_status wni_ahead_start(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n,
                          int64_t block_bytes, wni_ahead **out)
{
    int64_t row_bytes = pool->d * (int64_t)wn_dtype_bytes(pool->dtype);
    wni_ahead *a = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    while (pool->parent && !pool->rows) /* other metric, same rows */
        pool = pool->parent;
    if (pool->parent || !pool->in_files || n * row_bytes < WORTH_BYTES || wni_pool_by_column(pool))
        return WN_OK;
    WNI_NEW0(ctx, a, 1);
    a->root = pool;
    a->step = wni_max(STEP_BYTES / row_bytes, 1);
    a->window = (WINDOW_BYTES + block_bytes) / row_bytes;
    a->next = a->at = first;
    a->end = first + n;
    a->lock = wni_lock_new();
    a->moved = wni_cond_new();
    if (a->lock && a->moved) a->thread = wni_thread_start(ahead_main, a);
    if (!a->thread) { /* as well without */
        wni_ahead_stop(ctx, a);
        a = NULL;
    }
    *out = a;
done:
    return st;
}

void wni_ahead_at(wni_ahead *a, int64_t row)
{
    if (!a) return;
    wni_lock_take(a->lock);
    if (row > a->at) {
        a->at = row;
        wni_cond_wake_all(a->moved);
    }
    wni_lock_give(a->lock);
}

void wni_ahead_stop(wn_ctx *ctx, wni_ahead *a)
{
    if (!a) return;
    if (a->thread) {
        wni_lock_take(a->lock);
        a->stop = 1;
        wni_cond_wake_all(a->moved);
        wni_lock_give(a->lock);
        wni_thread_join(a->thread);
    }
    wni_cond_free(a->moved);
    wni_lock_free(a->lock);
    wni_free(ctx, a);
}

#define FETCH_BYTES 512 /* of a row; the processor goes on by itself */

void wni_pool_fetch(const wn_pool *pool, const int64_t *rows, int64_t n)
{
    const wn_pool *root = pool;

    while (root->parent)
        root = root->parent;
    for (int64_t i = 0; i < n; i++) {
        const wni_vecfile *v = root->shard;
        const unsigned char *row;
        int64_t at = rows[i], bytes;

        for (const wn_pool *p = pool; p->parent; p = p->parent)
            if (p->rows) at = p->rows[at];
        if (at < 0 || at >= root->n) continue;
        while (at >= root->start[v - root->shard + 1])
            v++;
        if (!v->map.data) wni_vecfile_ahead(v, at - root->start[v - root->shard], 1);
        if (!v->map.data || wni_vecfile_by_column(v)) continue;
        row = v->map.data + (at - root->start[v - root->shard]) * v->row_stride;
        bytes = wni_min(v->prefix + v->d * v->col_stride, FETCH_BYTES);
        for (int64_t b = 0; b < bytes; b += 64)
            __builtin_prefetch(row + b);
    }
}
