/* SPDX-License-Identifier: Apache-2.0
 *
 * The parameters of `winnow search`. What it does is wn_index_search (index.h) between files.
 */
#ifndef WINNOW_SEARCH_H
#define WINNOW_SEARCH_H

#include "winnow/index.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WN_SEARCH_KNN_PARAMS(P)                                                                    \
    P(i64, k, 10, 1, WN_K_MAX, "hits wanted for each query")                                       \
    P(f64, recall, 0.95, 1e-6, 1,                                                                  \
      "share of the true hits that is wanted, as measured when the index was made")                \
    P(i64, effort, 0, 0, WN_ROWS_MAX,                                                              \
      "beam of hnsw, lists of ivf and disk; 0 = what the recall needs")                            \
    P(text, where, "", 0, 0, "only rows for which this SQL over the table's columns is true")      \
    P(text, window, "", 0, 0, "only rows with a value between two: COLUMN:LOW:HIGH, both ends in") \
    P(text, tenant, "", 0, 0, "only rows of this tenant")                                          \
    P(text, cutoff, "none", 0, 0,                                                                  \
      "leave out hits that are not relevant: auto, or the lowest score to keep (see scores.npy)")  \
    P(bool, explain, 0, 0, 1, "say which way was taken and what it cost")
WN_PARAM_STRUCT(wn_search_knn_params, WN_SEARCH_KNN_PARAMS);

#ifdef __cplusplus
}
#endif
#endif
