/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows against themselves, each unordered pair once: graphs of neighbours, pairs of duplicates.
 *
 * The score of the pair (i, j) for row i is the canonical dot(i, j) - half[j], for row j it is
 * dot(i, j) - half[i]; half is |row|^2 / 2 under `l2`, else 0 and not there. A pair is handed on unless its
 * score for i is below floor[i] and its score for j is below floor[j]; pairs that are below may come too.
 * Which worker gets a pair, and when, depends on threads and memory; what is kept may not.
 */
#ifndef WNI_SCAN_SELF_H
#define WNI_SCAN_SELF_H

#include "scan/scan.h"

typedef enum wni_self_value {
    WNI_SELF_DOT, /* the canonical dot product */
    WNI_SELF_L2SQ /* the canonical squared distance, from the differences */
} wni_self_value;

typedef struct wni_self {
    const wni_queries *rows;
    int l2;
    wni_self_value value;
    float *floor; /* (n) of the caller, who raises those of i and j[...] in `take`, and no others */
    int64_t
        warm; /* others whose scores each row has in f32 first, to give floors; 0 when they stand */
    float *half; /* (n) or NULL; set by the scan for all rows whose pairs are handed on */
    /* Pairs of i with j[0..n), their values; no two workers are in a call with a row in common. */
    wn_status (*take)(wn_ctx *ctx, const struct wni_self *scan, int worker, int64_t i,
                      const int64_t *j, const float *value, int64_t n);
    void *arg;
} wni_self;

/* Cost: n (n - 1) / 2 dot products; the pool is read (blocks + 1) / 2 times, in blocks of 8 to 64 MB. */
wn_status wni_scan_self(wn_ctx *ctx, wni_self *scan);
/* Bytes that it may take, when its caller holds `held` more than now: as much of the budget as it would then, and what
 * it needs in any case. */
int64_t wni_scan_self_bytes(const wn_ctx *ctx, int64_t n, int64_t d, int64_t held);

#endif
