/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels: small loops with one body per instruction set, all with the same bits.
 *
 * Canonical order. A dot product has 16 lanes; lane l takes elements l, l + 16, l + 32, ... with one
 * fused multiply-add each, starting from +0; then lanes l and l + 8 are added, then l and l + 4, l and
 * l + 2, l and l + 1. Squared L2 does the same with the rounded difference a - b times itself. Rows are
 * padded with zeros to ld, a multiple of 16, and start on 64-byte lines.
 *
 * Kernels never allocate, never fail and keep no state.
 */
#ifndef WNI_KERNELS_H
#define WNI_KERNELS_H

#include <stdint.h>

#include "winnow/ctx.h"

/* A query in the units of 8-bit rows, finer by a power of two. */
typedef struct wni_query_i8 {
    const int16_t *q;         /* (ld), at most 127 * 256 in size */
    const int8_t *high, *low; /* (ld) q = 256 high + low */
    uint32_t sum;             /* of q, mod 2^32 */
    uint32_t constant;
    int32_t shift;
    float unit;
} wni_query_i8;

/* What codes8 measures of a row: scale = top / 127 (0 when top is out of range), and the sums of
 * (y - scale * code)^2, y^2, x^2 and y * mean; then top. */
enum {
    WNI_CODES8_SCALE,
    WNI_CODES8_ERROR2,
    WNI_CODES8_Y2,
    WNI_CODES8_X2,
    WNI_CODES8_YMEAN,
    WNI_CODES8_TOP,
    WNI_CODES8_STATS
};

/* dots8. With I the exact sum over i < ld of (x[i] - 128) * code of the column, row scale s and column c:
 *
 *     upper = fma(s, fma(scale[c], (float)I, spread[c]), high[c])
 *     lower = fma(s, fma(scale[c], (float)I, -spread[c]), low[c])
 *
 * A row none of whose columns has upper >= need[row] is passed over. Of any other row need is raised first:
 * keep 1: to the largest lower; keep 2: best[row] and need[row] become the largest and second largest of
 * themselves and the lowers; keep 0: not at all. Lowers of the row's `known` columns do not count. Then its
 * columns with upper >= need[row] are hits.
 * With `other`, where columns are of use to themselves too, a column's need is min(need[row], other[c] +
 * own[row]) in all of this; keep is 0 then.
 *
 * With a head, a variant may first look at the first `head` dimensions, I' of them, and pass over a row that has no
 * upper to reach with I' + rest[row] * rest[c] for I: the outcome is the same, since
 * rest[row] * rest[c] >= |I - I'| + ld 2^-10, which is more than I' and I lose when they become f32.
 *
 * A row's mark is what I must reach in whole numbers, a column's lift what is added to I before: so I need not become
 * an upper to be ruled out. With marks, a variant may pass over a row that has I + lift[c] < mark[row] in all its
 * columns (with a head I' for I; with `other` also I + lift_other[c] < mark_other[row]). The outcome is the same: where
 * an upper reaches need, one of these does not hold (marks8, lifts8). */
enum { WNI_GROUP8 = 64, WNI_PANEL8 = 16 };
typedef struct wni_group8 {
    const int8_t *codes; /* (4, ld / 4, 16, 4): panels of 16 columns, 4 dimensions of each a line */
    const int32_t *start;                     /* (64) -128 x the sum of the column's codes */
    const float *scale, *spread, *high, *low; /* (64) no NaN; 64-byte lines */
    int32_t first;                            /* number of column 0 in the hits */
    const float *other; /* (64) no NaN, not -inf, a sum with own no less than -FLT_MAX; or NULL */
    int64_t head;       /* dimensions, a multiple of 16 below ld; 0 = no head */
    const int32_t *head_start; /* (64) start of the first `head` codes alone; 64-byte lines */
    const float *rest;         /* (64) finite; 64-byte lines */
    const int32_t *lift, *lift_other; /* (64) below 2^29 in size; NULL = no marks, no `other` */
    const int8_t *next; /* codes of the group that comes next, to be fetched meanwhile; or NULL */
} wni_group8;
typedef struct wni_rows8 {
    const float *scale;   /* (m) finite */
    float *need, *best;   /* (m) no NaN; best >= need, used by keep 2 only */
    const int32_t *known; /* (m, 2) numbers of columns, -1 = none; or NULL */
    int32_t first;        /* number of row 0 in the hits */
    int keep;
    const float *own;                 /* (m) finite; used with `other` only */
    const float *rest;                /* (m) finite; used with a head only */
    const int32_t *mark, *mark_other; /* (m) with marks; with `other` too */
    int64_t *passed; /* += rows that the head or the marks did not pass over; with these only */
} wni_rows8;
typedef struct wni_hits8 {
    int32_t *row, *column; /* room for 64 m */
    float *upper, *lower;
} wni_hits8;

/* Rows and columns; room for all of them. */
typedef struct wni_pairs8 {
    int32_t *row, *column;
} wni_pairs8;

/* A row's number x times a column's y, bounded by a sum of one number for each. Whatever the numbers
 * row and column, and weight > 0,
 *
 *     x y >= (x column - weight/2 (x - row)^2)
 *            + (row (y - column) - (y - column)^2 / (2 weight)),
 *
 * since what is left out is (sqrt(weight) (x - row) + (y - column) / sqrt(weight))^2 / 2. It is near
 * where row and column are the usual numbers, and weight is how much y varies over how much x does. */
typedef struct wni_product8 {
    float row, column, weight; /* row, column below 2^60 in size, weight in [2^-60, 2^60] */
} wni_product8;

/* marks8 and lifts8. With a head the rest of a sum counts for no more than R = rest[row] scale[row] times
 * C = rest[c] scale[c] in a score. By the bound above, of -R for x, that is at most P + Q, P of the row
 * alone and Q of the column; without a head P = Q = 0. So an upper reaches need (with `other` what its
 * column needs, when need is `own`) only where, but for roundings,
 *
 *     I or I' >= a u + b v - spread[c] u,   a = (need - P - origin) b,   b = 1 / scale[row],
 *                                           v = (origin + other[c] - high[c] - Q) u,   u = 1 / scale[c].
 *
 * Both products are bounded as above; mark is what belongs to the row, rounded down, lift what belongs to
 * the column with its sign changed, rounded up. For roundings, of these sums and of upper itself, each of
 * them relative 2^-24 and fewer than 32 in all, 2^-18 of terms that are larger than what is rounded is
 * taken off, or added to P and Q: weight (|x| + |row|)^2 and (|y| + |column|)^2 / weight for each
 * product, together at least twice the size of the product and of every part of its bound; spread u; P;
 * and, for a need near P + origin + other, (|origin| + |other|) u most, with most >= b: they may cancel,
 * but what is rounded when P is taken off does not.
 *
 * A row with scale 0 has the mark -2^30 (look at it), or 2^31 - 1 where need is +inf; a column with
 * scale 0 has the lift 2^28, or any -2^28 where high is -inf or other +inf. Marks do not exceed 2^27,
 * nor lifts 2^28 + 1 in size, for |I| < 2^27. */
typedef struct wni_guess8 {
    wni_product8 need, high, rest; /* a u, b v, -R C; rest.column is not negative */
    float origin, most;
} wni_guess8;

/* Sums that peak_f32 and peak_i8 keep in registers at a time. */
enum { WNI_PEAK_COPIES = 24 };

typedef struct wni_kernels {
#define WNI_KERNEL(ret, name, args) ret(*name) args;
#include "kernels/kernels.def"
#undef WNI_KERNEL
} wni_kernels;

/* The table of a level; slots without a variant at that level hold the next lower one. */
const wni_kernels *wni_kernels_at(wn_isa isa);
/* The table of a context. */
const wni_kernels *wni_kernels_of(const wn_ctx *ctx);
/* The slow, obvious twins; for tests. */
const wni_kernels *wni_kernels_oracle(void);

#endif
