/* SPDX-License-Identifier: Apache-2.0
 *
 * What groups of rows look like: means, spread, distance to each other, how much of a target falls into them.
 */
#ifndef WNI_GROUP_STATS_H
#define WNI_GROUP_STATS_H

#include "select/pick.h"

/* means (k, d) row-major: of the rows of each group as the pool reads them (unit rows under WN_COSINE); zero for
 * a group without rows. count (k) their rows. One pass; sums in f64 in the order of the rows. */
wn_status wni_group_means(wn_ctx *ctx, const wn_pool *pool, const wni_grouping *g, float *means,
                          int64_t *count);

/* Scales rows of (k, d) to unit length; zero rows stay. */
void wni_unit_rows(float *rows, int64_t k, int64_t d);

/* abbas2024: complexity (k) = mean distance of the group's rows to its centre x mean distance of the centre to
 * the `near` nearest centres of other groups with rows (all, when there are fewer). Distance: 1 - cosine under
 * WN_COSINE, else Euclidean. 0 for groups with less than two rows; a single group gets its spread. centers (k, d),
 * of unit length under WN_COSINE. One pass. */
wn_status wni_group_complexity(wn_ctx *ctx, const wn_pool *pool, const wni_grouping *g,
                               const float *centers, const int64_t *count, int64_t near,
                               double *complexity);

/* match (k): rows of the target whose nearest centre, of the groups with rows, is the group's. */
wn_status wni_group_match(wn_ctx *ctx, const wn_pool *target, int32_t k, const float *centers,
                          const int64_t *count, double *match);

/* Upper bound of what any of these allocates; m rows of a target. */
int64_t wni_group_stats_bytes(wn_ctx *ctx, int64_t d, int64_t k, int64_t m);

#endif
