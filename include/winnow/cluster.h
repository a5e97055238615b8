/* SPDX-License-Identifier: Apache-2.0
 *
 * Clustering: a pool in, a partition or a tree of partitions out.
 */
#ifndef WINNOW_CLUSTER_H
#define WINNOW_CLUSTER_H

#include "winnow/method.h"
#include "winnow/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a partition came about. */
typedef struct wn_cluster_report {
    int32_t iterations;     /* Lloyd iterations made */
    int32_t converged;      /* 1 = stopped by tolerance or because no label changed */
    int64_t empty_repaired; /* clusters that lost all rows and were given one */
    double inertia;   /* sum over rows of weight x squared Euclidean distance to the own centre */
    double imbalance; /* k * sum of (size / n)^2: 1 = all equal, k = all rows in one */
    double
        skipped_share; /* share of row-centre distances that bounds made unnecessary; not the same
                           * at every level of instructions */
} wn_cluster_report;

/* One label per row. All arrays belong to the partition. */
typedef struct wn_partition {
    wn_ctx *ctx;
    int64_t n;
    int32_t k;
    int64_t d;
    int32_t *labels; /* (n), 0..k-1, or -1 = none */
    int64_t *sizes;  /* (k) */
    float *centers;  /* (k, d) row-major; unit length under WN_COSINE */
    wn_cluster_report report;
} wn_partition;

/* Makes a partition with zeroed arrays. */
WN_API wn_status wn_partition_new(wn_ctx *ctx, int64_t n, int32_t k, int64_t d, wn_partition **out);
WN_API void wn_partition_free(wn_partition *partition); /* NULL ok */

#define WN_TREE_LEVELS WN_LIST_MAX

/* Nested partitions, finest first: level[0] labels the rows of the pool, level[t] labels the clusters
 * of level[t - 1]. A flat clustering is a tree of one level. The tree owns its levels. */
typedef struct wn_tree {
    wn_ctx *ctx;
    int32_t levels;
    wn_metric metric;
    wn_partition *level[WN_TREE_LEVELS];
} wn_tree;

/* Makes a tree without levels; the caller fills level[0..levels) with partitions it gives away. */
WN_API wn_status wn_tree_new(wn_ctx *ctx, wn_metric metric, wn_tree **out);
WN_API void wn_tree_free(wn_tree *tree); /* NULL ok */

/* Folder form: labels.npy (int32) centers.npy (float32) sizes.npy (int64) of the finest level, and
 * level2/, level3/, ... with the same three files for the coarser ones. Checked on load: shapes, label
 * ranges, sizes that agree with the labels (WN_E_DATA). */
WN_API wn_status wn_tree_load(wn_ctx *ctx, const char *dir, wn_tree **out);

typedef struct wn_cluster_input {
    uint32_t struct_size;
    const wn_pool *pool;
    const float *weights; /* (n) >= 0, finite, or NULL = all one */
    const float
        *init_centers;   /* (k, d) row-major of the finest level, or NULL = the method's own */
    const wn_tree *tree; /* a clustering of other rows, for methods that continue one */
} wn_cluster_input;

/* What a method of this family provides (wn_method.ops). params NULL = defaults. */
typedef struct wn_cluster_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_cluster_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_cluster_input *in, const void *params, wn_tree **out);
} wn_cluster_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, finite rows, weights,
 * k <= n, memory budget. WN_E_USAGE, WN_E_DATA, WN_E_BUDGET, WN_E_NOMEM, WN_E_CANCELLED, WN_E_IO. */
WN_API wn_status wn_cluster_run(wn_ctx *ctx, const wn_method *method, const wn_cluster_input *in,
                                const void *params, wn_tree **out);

typedef enum wn_init {
    WN_INIT_AUTO = 0, /* k-means++ below k = 1000, k-means|| from there */
    WN_INIT_PP,
    WN_INIT_PARALLEL,
    WN_INIT_RANDOM /* k distinct rows */
} wn_init;

#define WN_KMEANS_PARAMS(P)                                                                       \
    P(i64, k, 256, 1, WN_K_MAX, "number of clusters")                                             \
    P(i32, max_iter, 25, 1, 1000000, "Lloyd iterations at most")                                  \
    P(f64, tol, 1e-4, 0, 1e9,                                                                     \
      "stop when the relative fall of the inertia is at most this; 0 = only when no label "       \
      "changes")                                                                                  \
    P(choice, init, WN_INIT_AUTO, "auto|kmeans++|kmeans-parallel|random", 0,                      \
      "how the first centres are chosen")                                                         \
    P(bool, bounds, 1, 0, 1, "skip distances by the triangle inequality; the result is the same") \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_kmeans_params, WN_KMEANS_PARAMS);

/* Lloyd's k-means, spherical under WN_COSINE. lloyd1982 arthur2007 bahmani2012 cohenaddad2020 ding2015
 * dhillon2001. */
WN_API wn_status wn_kmeans(wn_ctx *ctx, const wn_cluster_input *in, const wn_kmeans_params *params,
                           wn_tree **out);

#define WN_HKMEANS_PARAMS(P)                                                                       \
    P(list, k, "", 1, WN_K_MAX,                                                                    \
      "clusters per level, finest first; empty = from the number of rows")                         \
    P(i32, resample_steps, 10, 0, 10000,                                                           \
      "rounds of re-clustering rows near each centre, per level")                                  \
    P(i64, resample_size, 10, 1, WN_ROWS_MAX, "rows taken from each cluster in a round")           \
    P(choice, resample, 0, "closest|random", 0, "which rows of a cluster a round takes")           \
    P(i64, split, 0, 0, WN_K_MAX,                                                                  \
      "make the finest level in two steps: this many coarse clusters first, each then split; 0 = " \
      "one step")                                                                                  \
    P(i32, max_iter, 25, 1, 1000000, "Lloyd iterations at most, per k-means")                      \
    P(f64, tol, 1e-4, 0, 1e9,                                                                      \
      "stop a k-means when the relative fall of its inertia is at most this")                      \
    P(choice, init, WN_INIT_AUTO, "auto|kmeans++|kmeans-parallel|random", 0,                       \
      "how the first centres are chosen")                                                          \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_hkmeans_params, WN_HKMEANS_PARAMS);

/* Hierarchical k-means with resampling: vo2024, section 3 and appendix. */
WN_API wn_status wn_hkmeans(wn_ctx *ctx, const wn_cluster_input *in,
                            const wn_hkmeans_params *params, wn_tree **out);

#define WN_ASSIGN_PARAMS(P)   \
    P(bool, inertia, 1, 0, 1, \
      "also sum the squared distances to the centres: a second pass over the rows")
WN_PARAM_STRUCT(wn_assign_params, WN_ASSIGN_PARAMS);

/* The rows of the pool to the nearest centres of `in->tree`, which stay as they are; coarser levels are copied.
 * The metric is that of the tree. WN_E_USAGE without a tree, WN_E_DATA when its columns differ. */
WN_API wn_status wn_cluster_assign(wn_ctx *ctx, const wn_cluster_input *in,
                                   const wn_assign_params *params, wn_tree **out);

#ifdef __cplusplus
}
#endif
#endif
