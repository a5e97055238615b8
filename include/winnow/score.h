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

/* What a method found of one class. */
typedef struct wn_class_report {
    int64_t rows;          /* that have this label */
    int64_t issues;        /* of them flagged */
    double threshold;      /* mean probability of the class over those rows */
    double noise;          /* estimated share of them whose class is another one */
    double accuracy;       /* share of them whose most probable class it is */
    int32_t confused_with; /* the class that takes most of those; -1 = none */
    int64_t confused_rows; /* how many */
} wn_class_report;

#define WN_SCORE_NOTES 8

/* A number about the run: how often the models were right, how many rows they saw. */
typedef struct wn_score_note {
    const char *key; /* of static storage */
    double value;
    int32_t whole; /* 1 = it counts something */
} wn_score_note;

/* All arrays belong to the object, but for the words. */
typedef struct wn_scores {
    wn_ctx *ctx;
    int64_t n;
    float *v;                      /* (n) finite; higher = keep */
    uint8_t *flags;                /* (n) what the method says of each row, or NULL */
    int32_t n_flags;               /* words of flags */
    const char *const *flag_names; /* (n_flags) of static storage */
    int32_t *suggested;            /* (n) the class that the row looks like, or NULL */
    int32_t n_classes;             /* of per_class */
    wn_class_report *per_class;    /* (n_classes) of the labels, or NULL */
    int32_t n_notes;
    wn_score_note notes[WN_SCORE_NOTES]; /* (n_notes) shown in the summary and the manifest */
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

/* ---- labels, losses, trusted rows --------------------------------------------------------------- */

/* Which rows are wanted. */
typedef enum wn_keep { WN_KEEP_HARD = 0, WN_KEEP_EASY } wn_keep;

#define WN_SCORE_LABEL_QUALITY_PARAMS(P)                                                          \
    P(choice, measure, 0, "self_confidence|normalized_margin", 0,                                 \
      "the score: the probability of the own label, or how far it is above the best other class") \
    P(choice, find, 0, "joint|class|argmax", 0,                                                   \
      "issues: rows confidently of another class; or as many of each class as that estimates, "   \
      "those of lowest probability; or rows whose most probable class is another")                \
    P(i32, folds, 5, 2, 100,                                                                      \
      "without --probs: parts, each judged by a model fitted to the others")                      \
    P(f64, l2, 0.5, 0, 1e12, "without --probs: penalty of those models, as of `learn logistic`")  \
    P(u64, seed, 0, 0, 0, "without --probs: seed of the folds")
WN_PARAM_STRUCT(wn_score_label_quality_params, WN_SCORE_LABEL_QUALITY_PARAMS);

/* Confident learning: how well each row's label fits it; flags, suggested classes, a report per class.
 * Reads labels and either probs, whose column is the label (words: in the order of their bytes), or pool,
 * from which it makes out-of-fold probabilities. northcutt2021. */
WN_API wn_status wn_score_label_quality(wn_ctx *ctx, const wn_score_input *in,
                                        const wn_score_label_quality_params *params,
                                        wn_scores **out);

#define WN_SCORE_EL2N_PARAMS(P)                                                     \
    P(i32, epochs, 0, 0, WN_DIM_MAX, "columns that count, from the first; 0 = all") \
    P(choice, keep, WN_KEEP_HARD, "hard|easy", 0, "which rows score high")
WN_PARAM_STRUCT(wn_score_el2n_params, WN_SCORE_EL2N_PARAMS);

/* Mean error norm over the first epochs; losses hold |p - y|_2, or another error from 0 up. paul2021. */
WN_API wn_status wn_score_el2n(wn_ctx *ctx, const wn_score_input *in,
                               const wn_score_el2n_params *params, wn_scores **out);

#define WN_SCORE_FORGETTING_PARAMS(P)                                                   \
    P(choice, values, 0, "margins|losses", 0,                                           \
      "what the matrix holds: margins or correctness, learnt when above 0; or losses, " \
      "learnt when below log 2")                                                        \
    P(choice, keep, WN_KEEP_HARD, "hard|easy", 0, "which rows score high")
WN_PARAM_STRUCT(wn_score_forgetting_params, WN_SCORE_FORGETTING_PARAMS);

/* How often a row was learnt and then not any more. toneva2019. */
WN_API wn_status wn_score_forgetting(wn_ctx *ctx, const wn_score_input *in,
                                     const wn_score_forgetting_params *params, wn_scores **out);

#define WN_SCORE_AUM_PARAMS(P)                                                      \
    P(i32, epochs, 0, 0, WN_DIM_MAX, "columns that count, from the first; 0 = all") \
    P(choice, keep, WN_KEEP_EASY, "hard|easy", 0, "which rows score high")
WN_PARAM_STRUCT(wn_score_aum_params, WN_SCORE_AUM_PARAMS);

/* Mean margin over the epochs; losses hold margins: logit of the label less the best other. pleiss2020. */
WN_API wn_status wn_score_aum(wn_ctx *ctx, const wn_score_input *in,
                              const wn_score_aum_params *params, wn_scores **out);

#define WN_SCORE_TRUSTED_PARAMS(P)                                           \
    P(i64, sample, 10000, 1, WN_ROWS_MAX,                                    \
      "rows at most of either side that the model is fitted to")             \
    P(i64, ratio, 5, 1, WN_ROWS_MAX,                                         \
      "rows of the pool at most for each trusted row that is fitted")        \
    P(f64, l2, 0.5, 0, 1e12, "penalty of the model, as of `learn logistic`") \
    P(u64, seed, 0, 0, 0, "seed of the samples")
WN_PARAM_STRUCT(wn_score_trusted_params, WN_SCORE_TRUSTED_PARAMS);

/* Log-odds that a row is of the trusted kind and not just any row of the pool. Reads pool and either rows
 * (trusted rows of the pool) or target (another pool). fang2024. */
WN_API wn_status wn_score_trusted(wn_ctx *ctx, const wn_score_input *in,
                                  const wn_score_trusted_params *params, wn_scores **out);

#define WN_SCORE_LINEAR_SEPARATION_PARAMS(P)                                             \
    P(i32, rounds, 2, 1, 100, "times that losses and separator are made in turn")        \
    P(f64, outlier, 0.2, 0, 1,                                                           \
      "a high loss is that of an outlier when the separator gives the row at most this") \
    P(i32, folds, 5, 2, 100, "parts, each judged by models fitted to the others")        \
    P(f64, l2, 0.5, 0, 1e12, "penalty of the models, as of `learn logistic`")            \
    P(u64, seed, 0, 0, 0, "seed of the folds")
WN_PARAM_STRUCT(wn_score_linear_separation_params, WN_SCORE_LINEAR_SEPARATION_PARAMS);

/* Clean, wrongly labelled and foreign rows, by small losses and a linear separator in turn. Reads pool,
 * labels and, if there are, losses. albert2024. */
WN_API wn_status wn_score_linear_separation(wn_ctx *ctx, const wn_score_input *in,
                                            const wn_score_linear_separation_params *params,
                                            wn_scores **out);

#ifdef __cplusplus
}
#endif
#endif
