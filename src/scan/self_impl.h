/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of a self scan share.
 */
#ifndef WNI_SELF_IMPL_H
#define WNI_SELF_IMPL_H

#include "scan/filter.h"
#include "scan/filter_width.h"
#include "scan/scan_impl.h"
#include "scan/scan_self.h"

typedef struct wni_self_block {
    wni_mat rows; /* (n, d) */
    int64_t first;
    int64_t stripes, stripe; /* how many, and rows of each, a multiple of 64 */
    wni_filter *filter;      /* of its rows, one of those in width; NULL = f32 */
    wni_filter_width width;
} wni_self_block;

typedef struct wni_self_work wni_self_work;

typedef struct wni_self_scan {
    const wni_kernels *kernels;
    wni_self *scan;
    wni_self_block *left, *right; /* the same block when pairs are within it */
    int64_t round;
    wni_self_work *work; /* (threads) */
    int64_t tile_rows;   /* of the filter */
    wni_filter_pause pause;
} wni_self_scan;

/* Scratch of every worker, and its bytes. */
wn_status wni_self_work_new(wn_ctx *ctx, wni_self_scan *s);
void wni_self_work_free(wn_ctx *ctx, wni_self_scan *s);
int64_t wni_self_work_bytes(const wn_ctx *ctx);

/* Rows [i0, i1) of `left` against rows [j0, j1) of `right`; above the diagonal only when they are the same. */
wn_status wni_self_stripes(wn_ctx *ctx, wni_self_scan *s, int worker, int64_t i0, int64_t i1,
                           int64_t j0, int64_t j1);

#endif
