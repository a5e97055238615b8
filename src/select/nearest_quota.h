/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole-number quotas nearest to the ones that are wanted: a quadratic programme with bounds and a sum.
 */
#ifndef WNI_NEAREST_QUOTA_H
#define WNI_NEAREST_QUOTA_H

#include "base/ctx_impl.h"

/* x (k): of all whole numbers low[i] <= x[i] <= high[i] with sum `total` those of the least
 * sum of (want[i] - x[i])^2; at a tie the smaller i gets the unit. want finite, below 2^52 in size;
 * 0 <= low <= high, sum of low <= total <= sum of high < 2^62. Exact: the projection onto the bounded simplex,
 * clamp(want - t, low, high), rounded down, and the units that are left go where one more costs least.
 * O(k) for each of some 100 steps; 16 k bytes. */
wn_status wni_nearest_quota(wn_ctx *ctx, const double *want, const int64_t *low,
                            const int64_t *high, int64_t k, int64_t total, int64_t *x);

#endif
