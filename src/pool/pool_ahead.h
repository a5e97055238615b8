/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading ahead. A thread that asks the system for the next rows of a pool in files while the kernels work on
 * the present ones, so that a scan runs at the speed of the disk or of the kernels. It fills the system's
 * cache only: what readers get, and how much memory the process takes, does not depend on it.
 */
#ifndef WNI_POOL_AHEAD_H
#define WNI_POOL_AHEAD_H

#include "base/ctx_impl.h"
#include "winnow/pool.h"

typedef struct wni_ahead wni_ahead;

/* For a reader that goes through rows [first, first + n) in about ascending order and holds `block_bytes` of
 * them at a time. *out is NULL, with WN_OK, where it would be of no use: a pool in memory, a view with rows of its
 * own, few bytes, files by column. WN_E_NOMEM. */
wn_status wni_ahead_start(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n,
                          int64_t block_bytes, wni_ahead **out);
/* The reader has come to `row`; any thread. NULL ok. */
void wni_ahead_at(wni_ahead *ahead, int64_t row);
/* Ends the thread, which takes the time of one request to the system at most. NULL ok. */
void wni_ahead_stop(wn_ctx *ctx, wni_ahead *ahead);

/* For a reader that will gather these rows soon: those that lie in memory are on their way to the processor, those
 * of a file that is not mapped on theirs from the disk. Any thread; nothing else happens. */
void wni_pool_fetch(const wn_pool *pool, const int64_t *rows, int64_t n);

#endif
