/* SPDX-License-Identifier: Apache-2.0
 *
 * Sharing a budget over groups, exact to the unit: the same for all, in proportion to rows or to weights,
 * between floors and caps.
 */
#ifndef WNI_ALLOCATE_H
#define WNI_ALLOCATE_H

#include "base/ctx_impl.h"

/* The core. share[i] lies in low[i]..high[i] and the shares add up to the budget: each is
 * clamp(t * weight[i], low[i], high[i]) for the one t that makes the sum right, rounded down, and the units
 * that rounding leaves go one each to the largest remainders, ties in the order of the random keys
 * (seed, stream, id[i]), then to the smaller i. With equal weights and low = 0 this is water-filling.
 * A group of weight 0 gets low[i]. id NULL = i.
 * Needs 0 <= low <= high, sums of high and of weight and the budget below 2^62, and
 * sum(low) <= budget <= sum of high where weight > 0 and low elsewhere. O(groups x rounds); few rounds. */
typedef struct wni_sharing {
    int64_t groups, budget;
    const int64_t *weight; /* (groups) >= 0; NULL = all 1 */
    const int64_t *low;    /* (groups); NULL = all 0 */
    const int64_t *high;   /* (groups) */
    const int64_t *id;     /* (groups) distinct; NULL = 0, 1, ... */
    uint64_t seed, stream;
} wni_sharing;
wn_status wni_share(wn_ctx *ctx, const wni_sharing *s, int64_t *share);

/* Weights as whole numbers in the same proportions (to 2^-30 of the largest or better): what is above 0
 * stays above 0. weights (groups) finite and >= 0. */
void wni_share_weights(const double *weights, int64_t groups, int64_t *whole);

typedef enum wni_allocate_rule {
    WNI_ALLOCATE_PROPORTIONAL = 0, /* to the rows of each group */
    WNI_ALLOCATE_EQUAL,
    WNI_ALLOCATE_WEIGHTS, /* complexity, target match: what overflows a full group goes to the others */
    WNI_ALLOCATE_QUOTA /* given; the size is their sum */
} wni_allocate_rule;

/* What a method asks for. */
typedef struct wni_allocation {
    const char *what; /* "select stratified": errors start with it */
    wni_allocate_rule rule;
    int64_t groups;
    const int64_t *rows;      /* (groups) that each can give */
    const double *weights;    /* (groups) finite, >= 0; for WEIGHTS */
    const int64_t *quota;     /* (groups) for QUOTA */
    const char *const *names; /* (groups) for errors; NULL = their numbers */
    int64_t size;
    double floor,
        cap; /* of every group: below 1 a share of the size, else rows; 0 = none. A group that has
                        * fewer rows than the floor gives all it has. */
    uint64_t seed;
    uint64_t stream;
} wni_allocation;

/* share (groups). WN_E_DATA says what does not fit: the size, the floors, the caps, a quota. */
wn_status wni_allocate(wn_ctx *ctx, const wni_allocation *a, int64_t *share);

#endif
