/* SPDX-License-Identifier: Apache-2.0
 *
 * Seam for tests: a mask that makes hashes collide.
 */
#ifndef WNI_DEDUP_EXACT_H
#define WNI_DEDUP_EXACT_H

#include "winnow/dedup.h"

/* wn_dedup_exact with only these bits of each hash in use. */
wn_status wni_dedup_exact_masked(wn_ctx *ctx, const wn_pool *pool, int verify, uint64_t mask,
                                 wn_dedup **out);

#endif
