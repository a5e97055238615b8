/* SPDX-License-Identifier: Apache-2.0
 *
 * The main job: a pool in, a balanced training set out.
 */
#ifndef WINNOW_CURATE_H
#define WINNOW_CURATE_H

#include "winnow/cluster.h"
#include "winnow/dedup.h"
#include "winnow/select.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wn_curate_input {
    uint32_t struct_size;
    const wn_pool *pool;
} wn_curate_input;

/* Everything the run found. Row numbers are those of the pool. */
typedef struct wn_curation {
    wn_ctx *ctx;
    wn_dedup *exact; /* over the pool */
    wn_dedup
        *near; /* over the pool too, of the rows that `exact` keeps; the others count as kept */
    int64_t n_left; /* rows that survived both */
    int64_t *left;  /* (n_left) their row numbers, ascending */
    wn_tree *tree;  /* over the rows `left` */
    wn_selection *selection;
} wn_curation;

WN_API void wn_curation_free(wn_curation *curation); /* NULL ok */

typedef struct wn_curate_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_curate_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_curate_input *in, const void *params, wn_curation **out);
} wn_curate_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, finite rows, memory
 * budget. *out is given; wn_curation_free(). */
WN_API wn_status wn_curate_run(wn_ctx *ctx, const wn_method *method, const wn_curate_input *in,
                               const void *params, wn_curation **out);

#define WN_CURATE_BALANCED_PARAMS(P)                                                               \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                          \
    P(f64, min_similarity, 0.95, -1, 1, "cosine from which two rows are duplicates")               \
    P(choice, rule, WN_DEDUP_GROUPS, "groups|earlier", 0,                                          \
      "which duplicates go, as in dedup semantic")                                                 \
    P(list, k, "", 1, WN_K_MAX,                                                                    \
      "clusters per level, finest first; empty = from the number of rows")                         \
    P(i32, levels, 0, 0, WN_TREE_LEVELS,                                                           \
      "levels of the tree when k is empty; 0 = from the number of rows for vectors, 1 for text")   \
    P(i32, resample_steps, 10, 0, 10000, "as in cluster hkmeans")                                  \
    P(choice, pick, WN_PICK_RANDOM, "random|closest|farthest", 0, "as in select balanced")         \
    P(i64, max_repeat, 1, 1, 1000000, "times a row may be taken")                                  \
    P(i32, max_iter, 25, 1, 1000000, "Lloyd iterations at most, per k-means")                      \
    P(text, text, "", 0, 63, "text input: column that holds the text, as in vectorize lexical")    \
    P(i64, dim, 256, 1, WN_DIM_MAX, "text input: columns of the vectors, as in vectorize lexical") \
    P(text, balance, "", 0, 63,                                                                    \
      "text input: column whose distribution is reported before and after; empty = category, "     \
      "label, class or source when there is one")                                                  \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_curate_balanced_params, WN_CURATE_BALANCED_PARAMS);

/* Exact and near duplicates out, hierarchical k-means, balanced sample: vo2024, section 3.
 * Deduplication is by cosine; the clustering uses the metric of the pool. */
WN_API wn_status wn_curate_balanced(wn_ctx *ctx, const wn_curate_input *in,
                                    const wn_curate_balanced_params *params, wn_curation **out);

#ifdef __cplusplus
}
#endif
#endif
