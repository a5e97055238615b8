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

    /* Of an approximate graph just made: the share of the neighbours of `recall_rows` random rows that are no
     * farther than the exact k-th. recall_rows 0 = exact, or not measured. */
    double recall;
    int64_t recall_rows;
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

#define WN_GRAPH_RADIUS_PARAMS(P) \
    P(f64, radius, 0.001, 0, 1e9, \
      "largest distance of neighbours: Euclidean, or 1 - cosine under that metric")
WN_PARAM_STRUCT(wn_graph_radius_params, WN_GRAPH_RADIUS_PARAMS);

/* All pairs of rows within a radius of each other: every row's neighbours, as many as there are. Exact. Errors:
 * WN_E_BUDGET, saying near which row, when the pairs outgrow the memory. Cost: n^2 d / 2; 36 bytes a pair. */
WN_API wn_status wn_graph_radius(wn_ctx *ctx, const wn_graph_input *in,
                                 const wn_graph_radius_params *params, wn_graph **out);

#define WN_GRAPH_DESCENT_PARAMS(P)                                                              \
    P(i64, k, 15, 1, WN_K_MAX, "neighbours of each row, itself left out; at most n - 1")        \
    P(i32, trees, 12, 2, 1000, "random partitions of the rows to start from")                   \
    P(i64, leaf, 1024, 16, 65536, "most rows of a part: all of them are compared")              \
    P(i64, candidates, 0, 0, 4096,                                                              \
      "new neighbours, and old ones, of a row that are compared with each other in a round; 0 " \
      "= k, from 24 to 60")                                                                     \
    P(i32, max_iter, 12, 0, 1000000, "rounds at most")                                          \
    P(f64, tol, 0.003, 0, 1, "stop when a round changes a smaller share of the graph")          \
    P(i64, sample, 500, 0, WN_ROWS_MAX,                                                         \
      "rows whose exact neighbours are found, to measure the recall; 0 = it is not measured")   \
    P(u64, seed, 0, 0, 0, "seed of everything random")                                          \
    P(f64, recall, 0.98, 0, 1,                                                                  \
      "share of the neighbours that is enough, by a sample of its own: stop there; 0 = go on")
WN_PARAM_STRUCT(wn_graph_descent_params, WN_GRAPH_DESCENT_PARAMS);

/* About the k nearest neighbours of every row, by nn-descent (dong2011) from random partitions. The graph of any
 * pool, also one in memory (wn_pool_wrap): what an index builds upon. Every row has k neighbours and the
 * distances are exact; graph->recall says how many of the nearest they are. Errors: WN_E_DATA when k >= n, or
 * beyond 2^31 - 2 rows. Cost: about n^1.1; memory in the estimate, rows are kept as f32 when the budget allows. */
WN_API wn_status wn_graph_descent(wn_ctx *ctx, const wn_graph_input *in,
                                  const wn_graph_descent_params *params, wn_graph **out);

/* `winnow graph truth`, a job (job.h) without a function of its own: the k nearest rows of a pool for each of some
 * queries, in files. */
#define WN_GRAPH_TRUTH_PARAMS(P) \
    P(i64, k, 100, 1, WN_K_MAX, "nearest rows of each query; at most as many as the pool has")
WN_PARAM_STRUCT(wn_graph_truth_params, WN_GRAPH_TRUTH_PARAMS);

#ifdef __cplusplus
}
#endif
#endif
