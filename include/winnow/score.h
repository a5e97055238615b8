/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores: one number per row that says how much it is worth keeping. Higher = keep.
 */
#ifndef WINNOW_SCORE_H
#define WINNOW_SCORE_H

#include "winnow/cluster.h"
#include "winnow/graph.h"
#include "winnow/labels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All arrays belong to the object, but for the words. */
typedef struct wn_scores {
    wn_ctx *ctx;
    int64_t n;
    float *v;                      /* (n) finite; higher = keep */
    uint8_t *flags;                /* (n) what the method says of each row, or NULL */
    int32_t n_flags;               /* words of flags */
    const char *const *flag_names; /* (n_flags) of static storage */
    int32_t *suggested;            /* (n) the class that the row looks like, or NULL */
} wn_scores;

/* Makes scores with zeroed v, without flags or suggestions. */
WN_API wn_status wn_scores_new(wn_ctx *ctx, int64_t n, wn_scores **out);
WN_API void wn_scores_free(wn_scores *scores); /* NULL ok */

/* Reads one number per row: a one-dimensional .npy of numbers, a folder with scores.npy, or TABLE:COLUMN.
 * NaN, Inf and missing values are WN_E_DATA naming the row. n as in wn_labels_load. */
WN_API wn_status wn_scores_load(wn_ctx *ctx, const char *path, int64_t n, wn_scores **out);

/* What a method reads is in its `inputs`; the rest may be NULL. */
typedef struct wn_score_input {
    uint32_t struct_size;
    int64_t n;               /* rows to score; of the pool when there is one */
    const wn_pool *pool;     /* (n, d) */
    const wn_tree *tree;     /* over the rows of the pool */
    const wn_graph *graph;   /* over the rows of the pool */
    const wn_pool *target;   /* other rows of d columns: what the pool should look like */
    const wn_labels *labels; /* (n) */
    const wn_pool *probs;    /* (n, classes) out-of-fold probabilities of each class */
    const wn_pool *losses; /* (n, T) one value per row and epoch: losses, error norms or margins */
    const int64_t *rows;   /* (n_rows) ascending rows of the pool: a trusted part */
    int64_t n_rows;
    const wn_scores *scores; /* (n) */
} wn_score_input;

typedef struct wn_score_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_score_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_score_input *in, const void *params, wn_scores **out);
} wn_score_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, the inputs that the
 * method needs, their lengths, finite rows, memory budget. *out is given; wn_scores_free(). */
WN_API wn_status wn_score_run(wn_ctx *ctx, const wn_method *method, const wn_score_input *in,
                              const void *params, wn_scores **out);

/* ---- distances to centres --------------------------------------------------------------------- */

#define WN_SCORE_PROTOTYPICALITY_PARAMS(P) \
    P(i32, level, 1, 1, WN_TREE_LEVELS, "level of the tree whose centres count; 1 = the finest")
WN_PARAM_STRUCT(wn_score_prototypicality_params, WN_SCORE_PROTOTYPICALITY_PARAMS);

/* Similarity of each row to the centre of its cluster, by the metric of the tree: cosine, or minus the
 * Euclidean distance. Reads pool and tree. sorscher2022. */
WN_API wn_status wn_score_prototypicality(wn_ctx *ctx, const wn_score_input *in,
                                          const wn_score_prototypicality_params *params,
                                          wn_scores **out);

#define WN_SCORE_MARGIN_PARAMS(P) \
    P(i32, level, 1, 1, WN_TREE_LEVELS, "level of the tree whose centres count; 1 = the finest")
WN_PARAM_STRUCT(wn_score_margin_params, WN_SCORE_MARGIN_PARAMS);

/* How much nearer the nearest centre is than the second nearest, in the units of prototypicality; 0 = on the
 * border. Centres of clusters without rows do not count. WN_E_DATA with fewer than two. Reads pool and tree. */
WN_API wn_status wn_score_margin(wn_ctx *ctx, const wn_score_input *in,
                                 const wn_score_margin_params *params, wn_scores **out);

#define WN_SCORE_COMPLEXITY_PARAMS(P)                                        \
    P(i32, level, 1, 1, WN_TREE_LEVELS, "level of the tree; 1 = the finest") \
    P(i64, nearest, 20, 1, WN_K_MAX,                                         \
      "other centres that say how far a cluster lies from others; all when there are fewer")
WN_PARAM_STRUCT(wn_score_complexity_params, WN_SCORE_COMPLEXITY_PARAMS);

/* Each row gets the complexity of its cluster: intra x inter distance. Reads pool and tree. abbas2024. */
WN_API wn_status wn_score_complexity(wn_ctx *ctx, const wn_score_input *in,
                                     const wn_score_complexity_params *params, wn_scores **out);

/* The numbers behind it, per cluster of a level (1 = the finest): intra (k) = mean distance of its rows to its
 * centre, inter (k) = mean distance of its centre to the `nearest` nearest other centres (all when there are
 * fewer); Euclidean, or 1 - cosine, as the tree. Both are 0 for a cluster without rows, which is nobody's
 * neighbour. WN_E_DATA with fewer than two clusters with rows. One pass over the pool and k^2 d multiply-adds;
 * wn_cluster_complexity_bytes says what it allocates. abbas2024. */
WN_API wn_status wn_cluster_complexity(wn_ctx *ctx, const wn_pool *pool, const wn_tree *tree,
                                       int32_t level, int64_t nearest, float *intra, float *inter);
WN_API int64_t wn_cluster_complexity_bytes(const wn_ctx *ctx, const wn_tree *tree, int32_t level,
                                           int64_t nearest);

/* ---- neighbours in a graph -------------------------------------------------------------------- */

#define WN_SCORE_DENSITY_PARAMS(P) \
    P(i64, k, 0, 0, WN_ROWS_MAX, "neighbours of each row that count; 0 = all of the graph")
WN_PARAM_STRUCT(wn_score_density_params, WN_SCORE_DENSITY_PARAMS);

/* Minus the mean distance to the k neighbours, or their mean cosine, as the graph. Reads graph. */
WN_API wn_status wn_score_density(wn_ctx *ctx, const wn_score_input *in,
                                  const wn_score_density_params *params, wn_scores **out);

#define WN_SCORE_LOF_PARAMS(P) \
    P(i64, k, 0, 0, WN_ROWS_MAX, "neighbours of each row that count; 0 = all of the graph")
WN_PARAM_STRUCT(wn_score_lof_params, WN_SCORE_LOF_PARAMS);

/* Minus the local outlier factor: about -1 inside a crowd, far below -1 for an outlier. Reads graph.
 * breunig2000. */
WN_API wn_status wn_score_lof(wn_ctx *ctx, const wn_score_input *in,
                              const wn_score_lof_params *params, wn_scores **out);

#define WN_SCORE_LABEL_AGREEMENT_PARAMS(P) \
    P(i64, k, 0, 0, WN_ROWS_MAX, "neighbours of each row that count; 0 = all of the graph")
WN_PARAM_STRUCT(wn_score_label_agreement_params, WN_SCORE_LABEL_AGREEMENT_PARAMS);

/* The share of the neighbours that carry the label of the row. Flags agree, disagree (another label is more
 * frequent among them), unknown (no label to compare); suggested: the most frequent label. Reads graph and
 * labels. wilson1972 bahri2020. */
WN_API wn_status wn_score_label_agreement(wn_ctx *ctx, const wn_score_input *in,
                                          const wn_score_label_agreement_params *params,
                                          wn_scores **out);

/* ---- others ----------------------------------------------------------------------------------- */

#define WN_SCORE_TARGET_PARAMS(P) \
    P(i64, k, 5, 1, WN_ROWS_MAX, "nearest rows of the target that count; at most all of them")
WN_PARAM_STRUCT(wn_score_target_params, WN_SCORE_TARGET_PARAMS);

/* Mean similarity to the k nearest rows of a target: cosine, or minus the Euclidean distance. Reads pool and
 * target, by the metric of the pool. */
WN_API wn_status wn_score_target(wn_ctx *ctx, const wn_score_input *in,
                                 const wn_score_target_params *params, wn_scores **out);

#define WN_SCORE_COLUMN_PARAMS(P) \
    P(bool, negate, 0, 0, 1, "turn the sign, for numbers of which the lower is the better")
WN_PARAM_STRUCT(wn_score_column_params, WN_SCORE_COLUMN_PARAMS);

/* Numbers from elsewhere, as scores. Reads scores. */
WN_API wn_status wn_score_column(wn_ctx *ctx, const wn_score_input *in,
                                 const wn_score_column_params *params, wn_scores **out);

#ifdef __cplusplus
}
#endif
#endif
