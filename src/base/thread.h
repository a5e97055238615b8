/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread pool behind wni_parallel(); the rest of the library uses ctx_impl.h.
 */
#ifndef WNI_THREAD_H
#define WNI_THREAD_H

#include "base/ctx_impl.h"

void wni_threads_free(wni_threads *pool); /* NULL ok */

/* First position of the range that this thread works on; -1 outside a parallel call. */
int64_t wni_range_position(void);

/* Worker 0 of a range is always the thread that made the call. */
bool wni_on_calling_thread(void);

/* Asks the cancel callback if it is time; only on the calling thread. */
void wni_poll_callback(wn_ctx *ctx);
/* Turns a raised flag into WN_E_CANCELLED, once. */
wn_status wni_poll_finish(wn_ctx *ctx);

#endif
