/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries against a base, where only scores from some floor on matter and the floor of a query may rise on the
 * way: the k nearest, pairs above a threshold. The twin for rows against themselves is scan_self.h.
 */
#ifndef WNI_SCAN_ABOVE_H
#define WNI_SCAN_ABOVE_H

#include "scan/scan.h"

typedef struct wni_above {
    const wni_queries *queries, *base;
    int l2;       /* score: the canonical dot, less |base row|^2 / 2 when l2 */
    float *floor; /* (queries n) of the caller, who raises floor[q] in `take`, and no other */
    int64_t
        warm; /* base rows whose scores are all computed first, to give floors; 0 when they stand */
    /* Base rows b[0..n) with their scores for query q: all that reach floor[q], perhaps more; none that is no
     * number. Calls for one query come from one worker at a time. */
    wn_status (*take)(wn_ctx *ctx, const struct wni_above *above, int worker, int64_t q,
                      const int64_t *b, const float *score, int64_t n);
    void *arg;
} wni_above;

/* Cost: one pass over the base; n x base n dot products, through the filter where that pays. */
wn_status wni_scan_above(wn_ctx *ctx, const wni_above *above);

#endif
