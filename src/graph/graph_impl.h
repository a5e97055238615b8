/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the family graph share.
 */
#ifndef WNI_GRAPH_IMPL_H
#define WNI_GRAPH_IMPL_H

#include "base/ctx_impl.h"
#include "kernels/kernels.h"
#include "winnow/graph.h"

/* The distance that a graph stores, of two padded rows of the pool (unit length under WN_COSINE). Made from
 * the differences, so that equal rows lie at 0; under WN_COSINE half the squared distance, which is
 * 1 - cosine of unit rows. */
static inline float wni_graph_distance(const wni_kernels *kernels, wn_metric metric, const float *a,
                                       const float *b, int64_t ld)
{
    float l2sq = kernels->l2sq(a, b, ld);

    return metric == WN_COSINE ? l2sq / 2 : __builtin_sqrtf(l2sq);
}

/* A distance that is no number, in one line. */
wn_status wni_graph_overflow(wn_ctx *ctx, int64_t row);

/* The k nearest rows of each of rows[0..m), by comparing them with every row of the pool, one distance at a
 * time: the definition itself, several times slower than the scan. at (m, k) row numbers and distance (m, k),
 * nearest first, at a tie the smaller row. k < n. */
wn_status wni_graph_exact(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t m,
                          int64_t k, int64_t *at, float *distance);
/* Bytes that it allocates. */
int64_t wni_graph_exact_bytes(const wn_ctx *ctx, const wn_pool *pool, int64_t m);

#endif
