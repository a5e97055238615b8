/* SPDX-License-Identifier: Apache-2.0
 *
 * Graphs of neighbours: for each row the rows nearest to it, built once and passed between commands.
 */
#ifndef WINNOW_GRAPH_H
#define WINNOW_GRAPH_H

#include "winnow/method.h"
#include "winnow/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Neighbours in compressed sparse rows; those of row i are indices[indptr[i] .. indptr[i + 1]), nearest
 * first, at a tie the smaller row first, the row itself left out. All arrays belong to the graph. */
typedef struct wn_graph {
    wn_ctx *ctx;
    int64_t n, edges;
    wn_metric metric;
    int64_t *indptr;  /* (n + 1) */
    int64_t *indices; /* (edges) row numbers */
    float *distances; /* (edges) Euclidean distance under WN_L2, 1 - cosine under WN_COSINE; >= 0 */
} wn_graph;

/* Makes a graph with zeroed arrays. */
WN_API wn_status wn_graph_new(wn_ctx *ctx, int64_t n, int64_t edges, wn_metric metric,
                              wn_graph **out);
WN_API void wn_graph_free(wn_graph *graph); /* NULL ok */

/* Folder form: indptr.npy (int64, n + 1), indices.npy (int64), distances.npy (float32), metric.txt
 * ("l2" or "cosine"). Checked on load: lengths, ranges, distances finite, not negative and ascending in each
 * row (WN_E_DATA). */
WN_API wn_status wn_graph_load(wn_ctx *ctx, const char *dir, wn_graph **out);

typedef struct wn_graph_input {
    uint32_t struct_size;
    const wn_pool *pool;
} wn_graph_input;

typedef struct wn_graph_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_graph_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_graph_input *in, const void *params, wn_graph **out);
} wn_graph_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, finite rows, memory
 * budget. *out is given; wn_graph_free(). */
WN_API wn_status wn_graph_run(wn_ctx *ctx, const wn_method *method, const wn_graph_input *in,
                              const void *params, wn_graph **out);

#define WN_GRAPH_KNN_PARAMS(P) \
    P(i64, k, 15, 1, WN_K_MAX, "neighbours of each row, itself left out; at most n - 1")
WN_PARAM_STRUCT(wn_graph_knn_params, WN_GRAPH_KNN_PARAMS);

/* The exact k nearest neighbours of every row. WN_E_DATA when k >= n. */
WN_API wn_status wn_graph_knn(wn_ctx *ctx, const wn_graph_input *in,
                              const wn_graph_knn_params *params, wn_graph **out);

#ifdef __cplusplus
}
#endif
#endif
