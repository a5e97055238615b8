/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the k nearest share.
 */
#ifndef WNI_TOPK_IMPL_H
#define WNI_TOPK_IMPL_H

#include "scan/filter_pause.h"
#include "scan/scan_impl.h"

typedef struct wni_topk_scan {
    const wni_kernels *kernels;
    const wni_queries *queries, *base;
    wni_block_bias bias; /* of the block in memory; v is NULL without l2 */
    int skip_self;
    int64_t k;
    int64_t *at;   /* (n, k), heaps until the end, as score is */
    float *score;  /* (n, k) */
    int64_t *size; /* (n) entries of each heap */
    wni_filter_pause pause;
} wni_topk_scan;

/* A tile of scores (m, lds) of queries q0.. against base rows b0..b0+n into the heaps. */
wn_status wni_topk_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                        int64_t n, const float *scores, int64_t lds);

/* All queries against one block of the base through the filter. *ran = 0, with WN_OK and nothing done, when
 * f32 is to be taken instead. */
wn_status wni_topk_filtered(wn_ctx *ctx, wni_topk_scan *t, const wni_mat *block, int64_t first,
                            int *ran);

#endif
