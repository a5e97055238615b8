/* SPDX-License-Identifier: Apache-2.0
 *
 * 8 bits or bf16, for scans that verify as they go (scan_above, scan_self). What a pair costs is counted, in f32 pairs:
 * a share for its bound and VERIFY_PRODUCTS for a score verified out of order. Where 8 bits verify so much that bf16
 * may be cheaper, the next part of the block is bounded in bf16 as a trial, and the rest in whichever was cheaper.
 * It decides on speed only.
 *
 * Measured on one core of a Zen 5 (8 bits 4.2 times as fast as f32, bf16 2.1 times), top 10 of 40,000 rows about eight
 * points for 6,000 queries, times over that of f32: d 256 in 8 bits 0.83, in bf16 0.74, by itself 0.76; d 768 0.84,
 * 0.61, 0.60. A self scan of 20,000 such rows, d 256: 1.16, 0.75, 0.88. Rows farther apart stay in 8 bits: 0.44 at
 * d 256, bf16 0.64.
 */
#ifndef WNI_FILTER_WIDTH_H
#define WNI_FILTER_WIDTH_H

#include "scan/filter.h"
#include "scan/filter_pause.h"

typedef struct wni_filter_width {
    atomic_llong pairs, verified; /* by the filter in use since the last look */
    wni_filter_pause pause;       /* of trials */
    wni_filter *narrow, *wide;    /* of the block in memory; wide NULL until it is tried */
    double cost;                  /* of a pair in 8 bits, when bf16 is on trial */
    int settled;                  /* no more looks at this block */
} wni_filter_width;

/* How many of `pairs` may be verified before f32 would have been cheaper. */
int64_t wni_width_worth(const wni_filter *f, int64_t pairs);

/* A new block: packs it as far as it may take `share` of what is left of the budget (1 / share). The filter to use, or
 * NULL for f32, is *f. `rows` is how many rows will be bounded against each of its rows. In 8 bits it is like
 * `like`, when that is not NULL. */
wn_status wni_width_start(wn_ctx *ctx, wni_filter_width *w, const wni_mat *base, const float *bias,
                          int64_t rows, int64_t share, const wni_filter *like, wni_filter **f);
/* What became of some pairs; any worker. */
void wni_width_saw(wni_filter_width *w, int64_t pairs, int64_t verified);
void wni_width_forget(wni_filter_width *w); /* what it saw */
/* Between parallel parts: *f may become the other filter; then *changed. */
wn_status wni_width_look(wn_ctx *ctx, wni_filter_width *w, int64_t share, wni_filter **f,
                         int *changed);
void wni_width_end(wn_ctx *ctx, wni_filter_width *w);

#endif
