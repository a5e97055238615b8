/* SPDX-License-Identifier: Apache-2.0
 *
 * What the families need of a pool beyond the public header.
 */
#ifndef WNI_POOL_USE_H
#define WNI_POOL_USE_H

#include "base/ctx_impl.h"
#include "winnow/method.h"
#include "winnow/pool.h"

/* "a.npy: row 17 (row 5 of the file)": where a row of any pool lies, into buf; returns buf. */
const char *wni_pool_row_text(const wn_pool *pool, int64_t row, char *buf, size_t bytes);

/* At least the largest norm of a row as stored, of rows that passed a strict wn_pool_check; else +Inf. Nothing is
 * read. */
double wni_pool_norm_bound(const wn_pool *pool);

/* wni_budget_need for work on a pool: mapped files count against the budget only as long as there is room
 * for them. When `bytes` more would not fit beside them they are let go, and rows are read by pread from
 * then on, with the same result. Only from the calling thread, while no other reads the pool. */
wn_status wni_pool_need(wn_ctx *ctx, const wn_pool *pool, int64_t bytes, const char *what);
/* Lets mapped files go whatever the budget: the rows are read by pread from then on, and a process that reads many
 * of them does not grow. Only from the calling thread, while no other reads the pool. */
wn_status wni_pool_unmap(wn_ctx *ctx, const wn_pool *pool);
/* wni_pool_need for a run of a method, on a pool or (NULL) without one: refuses at once what its estimate says
 * would not fit. A budget of just its peak is enough. */
wn_status wni_pool_need_run(wn_ctx *ctx, const wn_pool *pool, const wn_method *method,
                            const wn_estimate *estimate);

/* The first row where it lies, when the rows are f32 numbers that are read as they are, one behind the other in
 * memory; else NULL. Valid until the next wni_pool_need. */
const float *wni_pool_in_place(const wn_pool *pool);
/* Rows [first, first + n) where they lie, (n, d) row-major, when they are f32 numbers that are read as they are, one
 * behind the other in memory, and d is a whole number of lines: rows as kernels read them, but for where the lines
 * begin. Else NULL, also where wn_pool_read would fail. Any thread; valid until the next wni_pool_need. */
const float *wni_pool_rows_in_place(const wn_pool *pool, int64_t first, int64_t n);

/* wn_pool_read and wn_pool_gather that copy nothing where rows may be read in place: *rows, (n, ld), is where they
 * lie, else `room`, (n, ld), with the rows in it; of the second each row has a place of its own, at[i] of (ld). */
wn_status wni_pool_take(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n, float *room,
                        int64_t ld, const float **rows);
wn_status wni_pool_take_each(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t n,
                             float *room, int64_t ld, const float **at);

#endif
