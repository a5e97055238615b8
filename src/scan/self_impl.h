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
    wni_mat rows; /* (n, d) where the pool has them, or in `copy` */
    wni_mat copy; /* room for a block; v is NULL until it is used */
    int64_t first;
    int64_t stripes, stripe; /* how many, and rows of each, a multiple of 64 */
    wni_filter *filter;      /* of its rows, one of those in width; NULL = f32 */
    int framed;              /* its 8-bit filter has the mean and the turn of that of `left` */
    wni_filter_width width;
} wni_self_block;

typedef struct wni_self_work wni_self_work;
typedef struct wni_self_codes wni_self_codes;

typedef struct wni_self_scan {
    const wni_kernels *kernels;
    wni_self *scan;
    wni_self_block *left, *right; /* the same block when pairs are within it */
    int64_t round;
    wni_self_work *work;   /* (threads) */
    int64_t tile_rows;     /* of the filter */
    int64_t block_rows;    /* at most */
    wni_filter *frame;     /* stripped: mean and turn of what 8-bit filter `left` had, or NULL */
    wni_self_codes *codes; /* of `left`, for right blocks that are framed; or NULL */
    int alike;             /* no half, and all floors are the same and stand */
    wni_filter_pause pause;
} wni_self_scan;

/* Scratch of every worker, and its bytes. */
wn_status wni_self_work_new(wn_ctx *ctx, wni_self_scan *s);
void wni_self_work_free(wn_ctx *ctx, wni_self_scan *s);
int64_t wni_self_work_bytes(const wn_ctx *ctx);

/* Rows [i0, i1) of `left` against rows [j0, j1) of `right`; above the diagonal only when they are the same. */
wn_status wni_self_stripes(wn_ctx *ctx, wni_self_scan *s, int worker, int64_t i0, int64_t i1,
                           int64_t j0, int64_t j1);

/* The rows of `left` in codes, room for `rows` of them in tiles of tile_rows, for 8-bit filters like f. */
wn_status wni_self_codes_new(wn_ctx *ctx, const wni_filter *f, int64_t rows, int64_t tile_rows,
                             wni_self_codes **out);
void wni_self_codes_free(wn_ctx *ctx, wni_self_codes *c); /* NULL ok */
int64_t wni_self_codes_bytes(const wni_filter *f, int64_t rows, int64_t tile_rows);
/* Another block, none of it coded yet, in stripes of so many rows. */
void wni_self_codes_begin(wni_self_codes *c, int64_t stripe);
/* The m rows from i, with t->x set, lent to t in place of its own arrays: coded now (returns 0), or already there
 * (returns 1) with need and own as they were. */
int wni_self_codes_load(wni_self_codes *c, const wni_filter *f, wni_filter_tile *t, int64_t i,
                        int64_t m);

#endif
