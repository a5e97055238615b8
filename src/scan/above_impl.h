/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of scan_above share.
 */
#ifndef WNI_ABOVE_IMPL_H
#define WNI_ABOVE_IMPL_H

#include "scan/filter_width.h"
#include "scan/scan_above.h"
#include "scan/scan_impl.h"

typedef struct wni_above_scan {
    const wni_kernels *kernels;
    const wni_above *above;
    wni_block_bias bias; /* of the block in memory; v is NULL without l2 */
    wni_filter_pause pause;
    wni_filter_width width;
} wni_above_scan;

/* A tile of scores (m, lds) of queries q0.. against base rows b0..b0+n, handed on. */
wn_status wni_above_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                         int64_t n, const float *scores, int64_t lds);

/* All queries against one block of the base through the filter. *ran = 0, with WN_OK and nothing done, when
 * f32 is to be taken instead. */
wn_status wni_above_filtered(wn_ctx *ctx, wni_above_scan *s, const wni_mat *block, int64_t first,
                             int *ran);

#endif
