/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest rows of a few queries, one distance at a time.
 */
#include <math.h>

#include "ds/topk.h"
#include "graph/graph_impl.h"
#include "scan/scan.h"

#define TILE_BYTES ((int64_t)1 << 20) /* of rows of the pool in memory at a time */
#define GRAIN      4                  /* queries of a range: a tile stays in L2 for all of them */

typedef struct exact {
    const wni_kernels *kernels;
    const wn_pool *pool;
    int64_t k, ld;
    wni_mat queries;  /* (m, d) */
    float *tile;      /* (tile rows, ld) */
    int64_t first, n; /* rows of the pool in the tile */
    int64_t *size;    /* (m) entries of each heap */
    int64_t *at;      /* (m, k) */
    float *nearness;  /* (m, k) minus the distance */
} exact;

static int64_t tile_rows(const wn_pool *pool)
{
    return wni_max(TILE_BYTES / (wni_ld(wn_pool_dim(pool)) * (int64_t)sizeof(float)), 16);
}

int64_t wni_graph_exact_bytes(const wn_ctx *ctx, const wn_pool *pool, int64_t m)
{
    const int64_t row_bytes = wni_ld(wn_pool_dim(pool)) * (int64_t)sizeof(float);

    (void)ctx;
    return (m + tile_rows(pool)) * row_bytes + m * (int64_t)sizeof(int64_t) + 4096;
}

static wn_status read_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const exact *e = arg;

    (void)worker;
    return wn_pool_read(ctx, e->pool, e->first + begin, end - begin, e->tile + begin * e->ld,
                        e->ld);
}

static wn_status query_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const exact *e = arg;
    const wn_metric metric = wn_pool_metric(e->pool);

    (void)worker;
    for (int64_t j = 0; j < e->n; j++)
        for (int64_t q = begin; q < end; q++) {
            const int64_t row = e->first + j;
            float distance;

            distance = wni_graph_distance(e->kernels, metric, wni_mat_row(&e->queries, q),
                                          e->tile + j * e->ld, e->ld);
            if (!isfinite(distance)) return wni_graph_overflow(ctx, row);
            wni_topk_push(e->nearness + q * e->k, e->at + q * e->k, e->k, &e->size[q], -distance,
                          row);
        }
    return WN_OK;
}

wn_status wni_graph_exact(wn_ctx *ctx, const wn_pool *queries, const int64_t *rows, int64_t m,
                          const wn_pool *pool, int64_t k, int64_t *at, float *distance)
{
    exact e = {.kernels = wni_kernels_of(ctx),
               .pool = pool,
               .k = k,
               .ld = wni_ld(wn_pool_dim(pool)),
               .at = at,
               .nearness = distance};
    const int64_t n = wn_pool_rows(pool), room = wni_min(tile_rows(pool), n);
    wn_status st;

    WNI_TRY(wni_mat_gather(ctx, queries, rows, m, &e.queries));
    WNI_NEW(ctx, e.tile, room * e.ld);
    WNI_NEW0(ctx, e.size, m);
    for (e.first = 0; e.first < n; e.first += room) {
        e.n = wni_min(room, n - e.first);
        WNI_TRY(wni_parallel(ctx, e.n, 64, read_range, &e));
        WNI_TRY(wni_parallel(ctx, m, GRAIN, query_range, &e));
    }
    for (int64_t q = 0; q < m; q++) {
        wni_topk_sort(distance + q * k, at + q * k, k);
        for (int64_t i = 0; i < k; i++)
            distance[q * k + i] = 0.0f - distance[q * k + i];
    }
done:
    wni_mat_free(ctx, &e.queries);
    wni_free(ctx, e.tile);
    wni_free(ctx, e.size);
    return st;
}
