/* SPDX-License-Identifier: Apache-2.0
 *
 * What the methods of the family score share.
 */
#ifndef WNI_SCORE_IMPL_H
#define WNI_SCORE_IMPL_H

#include "base/ctx_impl.h"
#include "scan/scan.h"
#include "winnow/score.h"

/* Adds a number about the run; what does not fit is left out. */
static inline void wni_score_note(wn_scores *s, const char *key, double value, int whole)
{
    if (s->n_notes < WN_SCORE_NOTES) s->notes[s->n_notes++] = (wn_score_note){key, value, whole};
}

/* ---- clusters of one level of a tree ---------------------------------------------------------------- */

typedef struct wni_level {
    int32_t k;
    int64_t n;             /* rows of the pool */
    const int32_t *labels; /* (n) cluster of each row at this level, -1 = none */
    int32_t *own_labels;   /* what `labels` points to at a coarser level, else NULL */
    int64_t *rows;         /* (k) rows in each cluster */
    wni_mat centers;       /* (k, d) */
    wn_metric metric;
    int32_t with_rows; /* clusters that have rows */
} wni_level;

/* Level 1 is the finest. WN_E_DATA when the tree has fewer, or no row is in a cluster. `what` names the
 * caller in the error. */
wn_status wni_level_new(wn_ctx *ctx, const wn_tree *tree, int32_t level, const char *what,
                        wni_level *out);
/* WN_E_DATA unless at least two clusters have rows. */
wn_status wni_level_two(wn_ctx *ctx, const wni_level *level, const char *what);
void wni_level_free(wn_ctx *ctx, wni_level *level);
/* Bytes that it takes; 0 when the tree has no such level. */
int64_t wni_level_bytes(const wn_tree *tree, int32_t level);

/* similarity (n): of each row to the centre of its cluster: cosine, or minus the Euclidean distance; 0 for a
 * row of no cluster. One pass over the pool, which must be read under the metric of the level. */
wn_status wni_level_similarity(wn_ctx *ctx, const wn_pool *pool, const wni_level *level,
                               float *similarity);

/* Bytes of its scratch for rows of d columns. */
int64_t wni_similarity_bytes(const wn_ctx *ctx, int64_t d);

/* Gives rows of no cluster the lowest of the other scores and flags every row "in-cluster" or "no-cluster";
 * without such rows nothing happens. */
wn_status wni_level_flags(wn_ctx *ctx, const wni_level *level, wn_scores *scores);

/* ---- neighbours in a graph -------------------------------------------------------------------------- */

/* Whether every row has at least max(k, 1) neighbours: else WN_E_DATA names the first that has not. */
wn_status wni_neighbours_check(wn_ctx *ctx, const wn_graph *graph, int64_t k, const char *what);

/* How many neighbours of a row count; k = 0: all. */
static inline int64_t wni_neighbours(const wn_graph *graph, int64_t row, int64_t k)
{
    return k ? k : graph->indptr[row + 1] - graph->indptr[row];
}

/* Rows of a range of work on a graph of about this many neighbours a row. */
static inline int64_t wni_neighbours_grain(const wn_graph *graph)
{
    return wni_max((int64_t)65536 / (graph->edges / wni_max(graph->n, 1) + 1), 1);
}

#endif
