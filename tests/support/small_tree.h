/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees of clusters made by hand.
 */
#ifndef TS_SMALL_TREE_H
#define TS_SMALL_TREE_H

#include "support/support.h"

/* A tree of one level over rows v (n, d): labels (n) 0..k-1 or -1, centres the means of their rows, of unit
 * length under WN_COSINE (rows are scaled first). */
wn_tree *ts_tree(wn_ctx *ctx, const float *v, int64_t n, int64_t d, const int32_t *labels,
                 int32_t k, wn_metric metric);

/* Adds a coarser level: parents (k of the level below), centres the means of the centres below. */
void ts_tree_level(wn_ctx *ctx, wn_tree *tree, const int32_t *parents, int32_t k);

#endif
