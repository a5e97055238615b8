/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the family graph share.
 */
#ifndef WNI_GRAPH_IMPL_H
#define WNI_GRAPH_IMPL_H

#include "base/ctx_impl.h"
#include "kernels/kernels.h"
#include "winnow/graph.h"

/* The distance that a graph stores, of two rows whose squared distance is l2sq (unit length under WN_COSINE,
 * where half of it is 1 - cosine). */
static inline float wni_graph_distance_of(wn_metric metric, float l2sq)
{
    return metric == WN_COSINE ? l2sq / 2 : __builtin_sqrtf(l2sq);
}

/* The same for two padded rows of the pool, made from the differences, so that equal rows lie at 0. */
static inline float wni_graph_distance(const wni_kernels *kernels, wn_metric metric, const float *a,
                                       const float *b, int64_t ld)
{
    return wni_graph_distance_of(metric, kernels->l2sq(a, b, ld));
}

/* A distance that is no number, in one line. */
wn_status wni_graph_overflow(wn_ctx *ctx, int64_t row);

/* The least score (scan.h), as it is computed, of a row within `farthest` of x, |x|^2 / 2 = half: a row with a
 * lower one is farther, whatever rounding did to it. -Inf = there is no telling. */
float wni_graph_floor(wn_metric metric, int64_t ld, float half, float farthest);

/* The k nearest rows of the pool for each of the rows[0..m) of `queries`, by comparing them with every row, one
 * distance at a time: the definition itself, several times slower than the scan. at (m, k) row numbers and
 * distance (m, k), nearest first, at a tie the smaller row. k <= n. */
wn_status wni_graph_exact(wn_ctx *ctx, const wn_pool *queries, const int64_t *rows, int64_t m,
                          const wn_pool *pool, int64_t k, int64_t *at, float *distance);
/* Bytes that it allocates. */
int64_t wni_graph_exact_bytes(const wn_ctx *ctx, const wn_pool *pool, int64_t m);

#endif
