/* SPDX-License-Identifier: Apache-2.0
 *
 * Measuring: what a selection covers, how even it is, what a partition or a graph is worth, and whether
 * training on a selection beats training on chance.
 */
#ifndef WINNOW_MEASURE_H
#define WINNOW_MEASURE_H

#include "winnow/cluster.h"
#include "winnow/graph.h"
#include "winnow/labels.h"
#include "winnow/score.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wn_value_kind { WN_VALUE_INT = 0, WN_VALUE_REAL, WN_VALUE_TEXT } wn_value_kind;

/* A number or a word that was measured. */
typedef struct wn_value {
    char *group; /* the selection that it is of, when several were measured; else NULL */
    char *name;
    wn_value_kind kind;
    int64_t i;
    double x; /* NaN = there is no such number (of a spread over one draw) */
    char *text;
} wn_value;

/* What a method measured: single values in reading order, and a table when there is one row per class,
 * selection, ... Everything belongs to the object. */
typedef struct wn_measurement {
    wn_ctx *ctx;
    int32_t count;
    wn_value *values; /* (count) */
    int32_t columns;
    int64_t rows, n_cells;
    char **column_names; /* (columns) */
    wn_value *cells;     /* (n_cells) = (rows, columns) row-major; group and name are NULL */
} wn_measurement;

WN_API void wn_measurement_free(wn_measurement *measurement); /* NULL ok */

/* The value of this name (group NULL = of no group), and the cell of a row in the column of this name;
 * NULL when there is none. They belong to the measurement. */
WN_API const wn_value *wn_measurement_find(const wn_measurement *m, const char *group,
                                           const char *name);
WN_API const wn_value *wn_measurement_cell(const wn_measurement *m, int64_t row,
                                           const char *column);

/* Rows of a pool that somebody chose. */
typedef struct wn_chosen {
    const char *name;     /* as it is printed; the same name again = the same recipe once more */
    const int64_t *rows;  /* (n) rows of the pool in any order; repeats stand as often as taken */
    const float *weights; /* (n) training weights >= 0, finite, or NULL = all one */
    int64_t n;
} wn_chosen;

/* What a method reads is in its `inputs`; the rest may be NULL. */
typedef struct wn_measure_input {
    uint32_t struct_size;
    int64_t n;           /* rows when there is no pool */
    const wn_pool *pool; /* (n, d) */
    const wn_chosen *chosen;
    int32_t n_chosen;
    const wn_labels *labels; /* (n) classes */
    const wn_tree *tree;     /* over the rows */
    const wn_labels *groups; /* (n) a partition without centres */
    const wn_graph *graph;   /* over the rows */
    const int64_t *heldout;  /* (n_heldout) ascending rows of the pool to judge on */
    int64_t n_heldout;
    const wn_pool *test;          /* other rows of d columns to judge on */
    const wn_labels *test_labels; /* of the rows of test */
    const wn_pool *target;        /* other rows of d columns: a known component of the pool */
    const wn_scores *scores;      /* (n) */
} wn_measure_input;

typedef struct wn_measure_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                     wn_measurement **out);
} wn_measure_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, the inputs that the
 * method needs, their lengths and ranges, finite rows, memory budget. *out is given; wn_measurement_free(). */
WN_API wn_status wn_measure_run(wn_ctx *ctx, const wn_method *method, const wn_measure_input *in,
                                const void *params, wn_measurement **out);

#define WN_MEASURE_COVERAGE_PARAMS(P)                                             \
    P(i32, random, 1, 0, 1000, "random subsets of the same size to compare with") \
    P(u64, seed, 0, 0, 0, "seed of the random subsets")
WN_PARAM_STRUCT(wn_measure_coverage_params, WN_MEASURE_COVERAGE_PARAMS);

/* Distance of every row of the pool to the nearest chosen row, Euclidean or 1 - cosine: mean, quantiles
 * (q90 = the smallest distance that 90 % of the rows do not exceed), the farthest row, and the same of random
 * subsets. Table: one row per selection. Cost: n x chosen x d for each; 37 bytes a row. */
WN_API wn_status wn_measure_coverage(wn_ctx *ctx, const wn_measure_input *in,
                                     const wn_measure_coverage_params *params,
                                     wn_measurement **out);

/* There is nothing to choose. */
typedef struct wn_measure_balance_params {
    uint32_t struct_size;
} wn_measure_balance_params;

/* How the classes of a selection lie beside those of the pool: entropy in bits, evenness, classes missed,
 * Kullback-Leibler divergence from the pool, total variation. Table: one row per selection and class. Cost:
 * one pass over the labels. shannon1948 */
WN_API wn_status wn_measure_balance(wn_ctx *ctx, const wn_measure_input *in,
                                    const wn_measure_balance_params *params, wn_measurement **out);

#define WN_MEASURE_SELECTION_PARAMS(P)                                                            \
    P(list, budgets, "", 1, WN_ROWS_MAX,                                                          \
      "train on the first so many rows of each selection, in the order of its file; empty = all") \
    P(i32, seeds, 5, 2, 1000, "random subsets of each size to compare with")                      \
    P(bool, whole, 1, 0, 1, "also train on all rows that are not held out")                       \
    P(f64, l2, 0.5, 0, 1e12, "penalty, as in learn logistic")                                     \
    P(i32, max_iter, 300, 1, 1000000, "iterations at most, as in learn logistic")                 \
    P(f64, tol, 1e-4, 0, 1e9, "when a fit stops, as in learn logistic")                           \
    P(u64, seed, 0, 0, 0, "seed of the random subsets")
WN_PARAM_STRUCT(wn_measure_selection_params, WN_MEASURE_SELECTION_PARAMS);

/* Whether training on a selection beats training on chance: a logistic head on the chosen rows and on random
 * subsets of as many rows, judged on held-out rows. Selections of the same name are one recipe several times.
 * Table: one row per recipe and budget. WN_E_DATA: a selection with held-out rows, nothing to judge on. Cost:
 * one fit for each selection, budget, and random subset of a new size. okanovic2024 */
WN_API wn_status wn_measure_selection(wn_ctx *ctx, const wn_measure_input *in,
                                      const wn_measure_selection_params *params,
                                      wn_measurement **out);

#define WN_MEASURE_DUPLICATES_PARAMS(P)                                               \
    P(text, at, "0.99,0.95,0.9,0.8", 0, 63,                                           \
      "cosines from which two rows count as duplicates, at most 8")                   \
    P(i64, sample, 10000, 0, WN_ROWS_MAX, "rows to look for a duplicate of; 0 = all") \
    P(u64, seed, 0, 0, 0, "seed of the sample")
WN_PARAM_STRUCT(wn_measure_duplicates_params, WN_MEASURE_DUPLICATES_PARAMS);

/* How many rows have another row at least so similar, in the pool or within each selection. Table: one row per
 * selection and cosine. Rows without a direction are counted apart. Cost: sample x n x d. */
WN_API wn_status wn_measure_duplicates(wn_ctx *ctx, const wn_measure_input *in,
                                       const wn_measure_duplicates_params *params,
                                       wn_measurement **out);

#define WN_MEASURE_GRAPH_PARAMS(P)                                                              \
    P(i64, k, 0, 0, WN_K_MAX, "nearest neighbours of each row to judge; 0 = as many as it has") \
    P(i64, sample, 1000, 0, WN_ROWS_MAX, "rows to judge; 0 = all")                              \
    P(u64, seed, 0, 0, 0, "seed of the sample")
WN_PARAM_STRUCT(wn_measure_graph_params, WN_MEASURE_GRAPH_PARAMS);

/* How many of the true nearest neighbours a graph has, against all pairs on a sample of rows, under the metric
 * of the graph. A neighbour as near as the last true one counts. Cost: sample x n x d. */
WN_API wn_status wn_measure_graph(wn_ctx *ctx, const wn_measure_input *in,
                                  const wn_measure_graph_params *params, wn_measurement **out);

#define WN_MEASURE_PARTITION_PARAMS(P)                                                 \
    P(i64, sample, 2000, 0, WN_ROWS_MAX, "rows whose silhouette is computed; 0 = all") \
    P(u64, seed, 0, 0, 0, "seed of the sample")
WN_PARAM_STRUCT(wn_measure_partition_params, WN_MEASURE_PARTITION_PARAMS);

/* A partition (tree: each of its levels; groups: one) beside classes (labels): adjusted Rand index, mutual
 * information normalised, homogeneity, completeness, V; and by its rows (pool): silhouette of a sample of rows
 * against all, Davies-Bouldin, Calinski-Harabasz. Rows in no cluster are left out. Needs labels, a pool, or both.
 * Table: one row per level. Cost: (sample x n + k^2) x d; 28 bytes a row and 4 k d. */
WN_API wn_status wn_measure_partition(wn_ctx *ctx, const wn_measure_input *in,
                                      const wn_measure_partition_params *params,
                                      wn_measurement **out);

#define WN_MEASURE_MIXTURE_PROPORTION_PARAMS(P)                                  \
    P(i64, sample, 10000, 4, WN_ROWS_MAX, "rows at most drawn from either side") \
    P(i32, repeats, 5, 1, 1000, "draws; each gives two estimates")               \
    P(u64, seed, 0, 0, 0, "seed of the draws")
WN_PARAM_STRUCT(wn_measure_mixture_proportion_params, WN_MEASURE_MIXTURE_PROPORTION_PARAMS);

/* Which share of the pool comes from the component that `target` is a sample of; scores (or NULL) are upper
 * bounds, 0..1, on the chance that a row of the pool does. Mean, deviation and range over the draws; table: one
 * row per estimate. WN_E_DATA: fewer than 4 rows of either, bounds outside 0..1. zhu2023mixture garg2021. */
WN_API wn_status wn_measure_mixture_proportion(wn_ctx *ctx, const wn_measure_input *in,
                                               const wn_measure_mixture_proportion_params *params,
                                               wn_measurement **out);

#ifdef __cplusplus
}
#endif
#endif
