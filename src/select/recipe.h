/* SPDX-License-Identifier: Apache-2.0
 *
 * What recipes share: k-means at its defaults, and the step from one byte per row to a selection.
 */
#ifndef WNI_RECIPE_H
#define WNI_RECIPE_H

#include "base/ctx_impl.h"
#include "select/pick.h"
#include "winnow/select.h"

/* WN_E_DATA when there are no rows, or fewer than `size`. */
wn_status wni_recipe_size(wn_ctx *ctx, const char *method, int64_t size, int64_t n);

/* Clusters of n rows: k, or with k = 0 ceil(sqrt(n / per)). WN_E_DATA when k > n. */
wn_status wni_recipe_k(wn_ctx *ctx, const char *method, int64_t k, int64_t n, int64_t per,
                       int64_t *out);

/* Warns of a k that has no use because the tree is given. */
void wni_recipe_k_unused(wn_ctx *ctx, const char *method, const wn_tree *tree, int64_t k);

/* cluster kmeans of the pool under its metric, the other parameters at their defaults. *out is given. */
wn_status wni_recipe_kmeans(wn_ctx *ctx, const wn_pool *pool, int64_t k, uint64_t seed,
                            wn_tree **out);
/* What that costs, added to *out: its work on top, its memory when larger than what is there. */
wn_status wni_recipe_kmeans_cost(wn_ctx *ctx, const wn_pool *pool, int64_t k, wn_estimate *out);
/* Bytes of the tree that it leaves. */
int64_t wni_recipe_tree_bytes(int64_t n, int64_t k, int64_t d);

/* Bytes of one scan of n base rows of d columns beside its results. */
int64_t wni_recipe_scan_bytes(wn_ctx *ctx, int64_t n, int64_t d);

/* wni_pick_rows, or with a random share above 0 wni_pick_calibrated: then *weights (n) is made, the caller
 * frees it; else it stays NULL. */
wn_status wni_recipe_pick(wn_ctx *ctx, const wni_picking *p, double random_share, uint8_t *rule,
                          float **weights);
int64_t wni_recipe_pick_bytes(wn_ctx *ctx, wn_pick how, int64_t n, int64_t d, int64_t k);

/* The rows whose rule is KEPT, once each; of every row its rule and cluster (NULL = -1).
 * rule (n) wn_why_rule, cluster (n), weights (n; NULL = all 1). *out is given. */
wn_status wni_recipe_selection(wn_ctx *ctx, int64_t n, const uint8_t *rule, const int32_t *cluster,
                               const float *weights, wn_selection **out);
/* Bytes of a selection. */
int64_t wni_recipe_selection_bytes(int64_t n, int64_t size);

#endif
