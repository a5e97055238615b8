/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a pool, for src/pool only.
 */
#ifndef WNI_POOL_IMPL_H
#define WNI_POOL_IMPL_H

#include "io/vecfile.h"
#include "pool/pool_use.h"
#include "winnow/pool.h"

/* What a strict check that found nothing says of the rows from then on. */
typedef struct wni_passed {
    atomic_int yes;  /* 1; -1 = it is being written */
    double max_norm; /* as stored */
} wni_passed;

struct wn_pool {
    wn_ctx *ctx;
    int64_t n, d;
    wn_dtype dtype;
    wn_metric metric;
    wni_passed *passed; /* apart, since readers hold const pools */

    /* A pool of its own: files, or one stretch of the caller's memory. */
    wni_vecfile *shard; /* (n_shards) */
    int64_t *start;     /* (n_shards + 1) first row of each shard, then n */
    int32_t n_shards;
    int32_t in_files;

    /* A view: row r is row rows[r] of the parent, or row r where rows is NULL. */
    const wn_pool *parent;
    const int64_t *rows; /* (n), borrowed */
};

/* Rows as stored, not scaled under WN_COSINE; else as wn_pool_read. */
wn_status wni_pool_read_stored(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n,
                               float *out, int64_t ld);

/* Rows [first, first + n) as stored where they lie, (n, d) row-major, or NULL; n >= 1 rows of the pool. */
const float *wni_pool_stored_in_place(const wn_pool *pool, int64_t first, int64_t n);

/* The shard of a row of a root: the last one that starts at or before it. */
int32_t wni_pool_shard_of(const wn_pool *root, int64_t row);

/* Nonzero when rows of any file lie scattered, so that few large reads are better than many small. */
int wni_pool_by_column(const wn_pool *pool);

#endif
