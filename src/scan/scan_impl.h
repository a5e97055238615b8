/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the scan engine share.
 */
#ifndef WNI_SCAN_IMPL_H
#define WNI_SCAN_IMPL_H

#include "kernels/kernels.h"
#include "pool/pool_ahead.h"
#include "scan/scan.h"

/* Most base rows that one call of an epilogue's `tile` sees. */
#define WNI_SCAN_COLUMNS 256

/* Half squared norms of the base block in memory: row b has v[b - first]. */
typedef struct wni_block_bias {
    float *v;
    int64_t first;
} wni_block_bias;

/* The rows of `base`, read once, in blocks that fit the budget: `use` gets each on the calling thread, base row
 * i of the block is number first + i; half_norms as wni_mat_half_norms gives them, NULL when not asked for. */
typedef wn_status (*wni_block_fn)(wn_ctx *ctx, void *arg, const wni_mat *block, int64_t first,
                                  float *half_norms);
wn_status wni_scan_blocks(wn_ctx *ctx, const wni_queries *base, int half_norms, wni_block_fn use,
                          void *arg);

/* Rows of such a block of a base of n rows, with so much of the budget left. */
int64_t wni_scan_block_rows(int64_t left, int64_t n, int64_t d);

/* What a filter of n rows may take with its tiles when so much is left, in either width or both. */
int64_t wni_filter_share(const wn_ctx *ctx, int64_t queries, int64_t n, int64_t d, int64_t left);

/* wni_scan_pool that keeps `bias` (or NULL) up to date for the epilogue while it runs. */
wn_status wni_scan_stream(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                          const wni_epilogue *epilogue, void *self, wni_block_bias *bias);

/* WN_E_USAGE when the columns of both differ in number. */
wn_status wni_scan_agree(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base);

/* Positions q0..q0+m of the queries as f32 into out (m, ld). */
wn_status wni_queries_read(wn_ctx *ctx, const wni_queries *queries, int64_t q0, int64_t m,
                           float *out, int64_t ld);

/* The same without a copy where the rows may be read in place (pool_use.h): *x is where they lie, else `room`. */
wn_status wni_queries_take(wn_ctx *ctx, const wni_queries *queries, int64_t q0, int64_t m,
                           float *room, int64_t ld, const float **x);

/* Where they lie, when kernels may take them all from there, for a matrix that nobody writes to; else NULL. */
float *wni_queries_in_place(const wni_queries *queries, int64_t q0, int64_t m);

/* Reads ahead of a pass over the queries in their order; see pool_ahead.h. */
wn_status wni_queries_ahead(wn_ctx *ctx, const wni_queries *queries, wni_ahead **out);

/* Row of the pool that position q stands for. */
static inline int64_t wni_queries_row(const wni_queries *queries, int64_t q)
{
    return queries->rows ? queries->rows[q] : queries->first + q;
}

#endif
