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

#endif
