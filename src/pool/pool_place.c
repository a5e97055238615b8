/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows where they lie. A pool of f32 rows that is mapped or the caller's memory need not be copied to be read: what
 * wn_pool_read would write is there already.
 */
#include "pool/pool_impl.h"

/* Row `row` of a shard as it lies, when that is how it is read; the rows behind it follow at once. */
static const float *place(const wni_vecfile *v, int64_t row)
{
    const unsigned char *at = v->map.data;

    if (!at || v->dtype != WN_F32 || v->swap || v->prefix || wni_vecfile_by_column(v) ||
        v->row_stride != v->d * (int64_t)sizeof(float) || (uintptr_t)at % sizeof(float))
        return NULL;
    return (const float *)(const void *)(at + row * v->row_stride);
}

const float *wni_pool_in_place(const wn_pool *pool)
{
    if (pool->metric == WN_COSINE) return NULL;
    while (pool->parent && !pool->rows)
        pool = pool->parent;
    return pool->parent || pool->n_shards != 1 ? NULL : place(pool->shard, 0);
}

const float *wni_pool_stored_in_place(const wn_pool *pool, int64_t first, int64_t n)
{
    int32_t s;

    while (pool->parent && !pool->rows)
        pool = pool->parent;
    if (pool->parent) return NULL;
    s = wni_pool_shard_of(pool, first);
    return first + n <= pool->start[s + 1] ? place(&pool->shard[s], first - pool->start[s]) : NULL;
}

const float *wni_pool_rows_in_place(const wn_pool *pool, int64_t first, int64_t n)
{
    if (pool->metric == WN_COSINE || wni_ld(pool->d) != pool->d || first < 0 || n < 1 ||
        n > pool->n - first)
        return NULL;
    return wni_pool_stored_in_place(pool, first, n);
}

wn_status wni_pool_take(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n, float *room,
                        int64_t ld, const float **rows)
{
    *rows = ld == pool->d ? wni_pool_rows_in_place(pool, first, n) : NULL;
    if (*rows) return WN_OK;
    *rows = room;
    return wn_pool_read(ctx, pool, first, n, room, ld);
}

/* Where row `row` of a pool lies, or NULL. */
static const float *row_at(const wn_pool *pool, int64_t row)
{
    int32_t s;

    if (row < 0 || row >= pool->n) return NULL;
    for (; pool->parent; pool = pool->parent)
        if (pool->rows) row = pool->rows[row];
    s = wni_pool_shard_of(pool, row);
    return place(&pool->shard[s], row - pool->start[s]);
}

wn_status wni_pool_take_each(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t n,
                             float *room, int64_t ld, const float **at)
{
    int64_t i = 0;

    if (pool->metric != WN_COSINE && pool->d == ld)
        for (; i < n; i++)
            if (!(at[i] = row_at(pool, rows[i]))) break;
    if (i == n) return WN_OK;
    for (i = 0; i < n; i++)
        at[i] = room + i * ld;
    return wn_pool_gather(ctx, pool, rows, n, room, ld);
}
