/* SPDX-License-Identifier: Apache-2.0
 *
 * Calibration of score-based selection (ayed2023): a part of each group's rows is drawn uniformly and
 * weighted for all that were not taken by score, so that weighted sums over the selection are unbiased for
 * sums over the pool (horvitz1952).
 */
#ifndef WNI_CALIBRATE_H
#define WNI_CALIBRATE_H

#include "select/pick.h"

/* Of a group's quota q and open rows m, share in [0, 1]: how many are drawn. ceil(share * q), at least 1
 * where share > 0 and 0 < q, so that no row left over has chance 0. */
int64_t wni_random_part(double share, int64_t quota);

/* Picks as `p` says, but of each group only the first quota - random part by its rule; then the random part
 * among the rows left open. Weight of a row taken by rule: 1; of a row drawn: (m - a) / r with m open rows of
 * the group before, a taken by rule, r drawn: each of the m - a others is drawn with chance r / (m - a).
 * All weights are then scaled by (rows taken) / (open rows of the groups with a quota), so that they average
 * 1. E[sum over taken of weight x f] = (rows taken) x mean of f over those open rows, for every f.
 * rule (n) as in wni_pick_rows; weights (n): set for rows taken. Groups with quota 0 are not estimated. */
wn_status wni_pick_calibrated(wn_ctx *ctx, const wni_picking *p, double share, uint8_t *rule,
                              float *weights);

#endif
