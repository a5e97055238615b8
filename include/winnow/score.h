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

#ifdef __cplusplus
}
#endif
#endif
