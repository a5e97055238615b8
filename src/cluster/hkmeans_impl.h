/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of hkmeans: one level at a time.
 */
#ifndef WNI_HKMEANS_IMPL_H
#define WNI_HKMEANS_IMPL_H

#include "cluster/kmeans_impl.h"

/* The members of each cluster that a resampling round clusters again, ascending in *rows: the `size` closest
 * to their centre, or as many by chance. */
wn_status wni_hk_members(wni_km *km, const wn_hkmeans_params *p, int64_t round, int64_t **rows,
                         int64_t *n);
/* One level: k-means, then rounds of resampling; labels, sizes and centres agree afterwards. */
wn_status wni_hk_level(wn_ctx *ctx, const wn_pool *pool, const wni_km_opt *opt,
                       const wn_hkmeans_params *p, wni_km **out);
/* The finest level in two steps, see --split. */
wn_status wni_hk_split(wn_ctx *ctx, const wn_pool *pool, const wni_km_opt *opt,
                       const wn_hkmeans_params *p, wn_partition **out);
/* Parts of a total of k for clusters of these sizes: at least 1 and at most its size for each that is not
 * empty, else proportional; the sum is k. */
void wni_hk_shares(const int64_t *sizes, int64_t clusters, int64_t k, int64_t *share);

#endif
