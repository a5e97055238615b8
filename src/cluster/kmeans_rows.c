/* SPDX-License-Identifier: Apache-2.0
 *
 * Streaming rows of a pool in tiles of padded f32, split over threads by blocks.
 */
#include "cluster/kmeans_impl.h"
#include "pool/pool_ahead.h"
#include "pool/pool_use.h"

#define BLOCK_FLOATS ((int64_t)1 << 20) /* about a millisecond of reading */
#define TILE_FLOATS  ((int64_t)1 << 15) /* fits the first cache levels */

wn_status wni_km_rows_init(wn_ctx *ctx, const wn_pool *pool, const float *weights,
                           wni_km_rows *rows)
{
    wn_status st = WN_OK;

    *rows = (wni_km_rows){.ctx = ctx, .pool = pool, .weights = weights};
    rows->kern = wni_kernels_of(ctx);
    rows->n = wn_pool_rows(pool);
    rows->d = wn_pool_dim(pool);
    rows->ld = wni_ld(rows->d);
    rows->block = wni_max(16, wni_min(4096, BLOCK_FLOATS / rows->ld));
    rows->blocks = (rows->n + rows->block - 1) / rows->block;
    rows->tile = wni_max(4, wni_min(256, TILE_FLOATS / rows->ld));
    WNI_NEW(ctx, rows->scratch, wn_ctx_threads(ctx) * rows->tile * rows->ld);
done:
    return st;
}

void wni_km_rows_free(wni_km_rows *rows)
{
    if (rows->ctx) wni_free(rows->ctx, rows->scratch);
    rows->scratch = NULL;
}

struct visit {
    const wni_km_rows *rows;
    const int64_t *list;
    int64_t first;
    wni_km_visit_fn fn;
    wni_ahead *ahead;
    void *arg;
};

static wn_status visit_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct visit *v = arg;
    const wni_km_rows *rows = v->rows;
    float *room = rows->scratch + worker * rows->tile * rows->ld;
    wn_status st = WN_OK;

    for (int64_t p = begin; p < end; p += rows->tile) {
        int64_t m = wni_min(rows->tile, end - p);
        const float *x = room;

        if (v->list)
            WNI_TRY(wn_pool_gather(ctx, rows->pool, v->list + p, m, room, rows->ld));
        else {
            wni_ahead_at(v->ahead, v->first + p);
            WNI_TRY(wni_pool_take(ctx, rows->pool, v->first + p, m, room, rows->ld, &x));
        }
        WNI_TRY(v->fn(rows, v->arg, worker, p, m, x));
    }
done:
    return st;
}

wn_status wni_km_visit(const wni_km_rows *rows, const int64_t *list, int64_t first, int64_t n,
                       wni_km_visit_fn fn, void *arg)
{
    struct visit v = {rows, list, first, fn, NULL, arg};
    wn_status st = WN_OK;

    if (!list) WNI_TRY(wni_ahead_start(rows->ctx, rows->pool, first, n, 0, &v.ahead));
    WNI_TRY(wni_parallel(rows->ctx, n, rows->block, visit_range, &v));
done:
    wni_ahead_stop(rows->ctx, v.ahead);
    return st;
}
