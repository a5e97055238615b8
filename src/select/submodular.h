/* SPDX-License-Identifier: Apache-2.0
 *
 * Facility location and graph cut by lazy greedy on a graph of neighbours: exact greedy choices, whole-number
 * gains, no n x n matrix. minoux1978 iyer2013.
 */
#ifndef WNI_SUBMODULAR_H
#define WNI_SUBMODULAR_H

#include "base/ctx_impl.h"
#include "winnow/graph.h"

/* Similarities are whole numbers of 2^-30. */
#define WNI_SIM_ONE ((int64_t)1 << 30)

/* The edges of a wn_graph as similarities, both ways: i and j are neighbours when either lists the other (the
 * smaller distance counts where they differ). Similarity of an edge of distance d: max(0, 1 - d) under
 * WN_COSINE (the cosine); m / (m + d) under WN_L2, m the mean distance of all edges. A row and itself: 1; rows
 * without an edge: 0. */
typedef struct wni_simgraph {
    int64_t n;
    int64_t *begin; /* (n) */
    int64_t
        *end; /* (n) edge[begin[i] .. end[i]) are those of row i, ascending, each neighbour once */
    uint64_t *edge; /* neighbour << 32 | similarity */
} wni_simgraph;

/* n below 2^31. At most 16 bytes an edge of the graph and 16 a row. */
wn_status wni_simgraph_new(wn_ctx *ctx, const wn_graph *graph, wni_simgraph *out);
void wni_simgraph_free(wn_ctx *ctx, wni_simgraph *g);
int64_t wni_simgraph_bytes(int64_t n, int64_t edges);

typedef enum wni_set_function {
    WNI_FACILITY_LOCATION, /* sum over rows of the highest similarity to a taken row */
    WNI_GRAPH_CUT          /* lambda * sum(row, taken) of similarity - sum(taken, taken) */
} wni_set_function;

typedef struct wni_greedy {
    wni_set_function function;
    double lambda; /* of the graph cut; from 2 on no row lowers the value */
    const wni_simgraph *graph;
    int32_t k;
    const int32_t *group; /* (n) 0..k-1, -1 = in none; NULL = all in group 0 */
    const int64_t *quota; /* (k) rows to take */
    int across;           /* 0 = only edges inside a group count */
    const uint8_t
        *rule; /* (n) see pick.h: open rows may be taken and are to be covered, KEPT rows are
                           * taken already and cover, all others do not exist. NULL = all open */
} wni_greedy;

/* rows (sum of quota) in the order in which they were taken; gain (the same length, or NULL) what each added, in
 * 2^-30. At a tie the smaller row. The initial gains on all threads, the rest serial; 24 bytes a row. */
wn_status wni_greedy_rows(wn_ctx *ctx, const wni_greedy *g, int64_t *rows, int64_t *gain);

/* The KEPT neighbour most similar to `row` (at a tie the smaller), its similarity in 2^-30; -1 = none. */
int64_t wni_simgraph_partner(const wni_simgraph *g, const int32_t *group, int across,
                             const uint8_t *rule, int64_t row, int64_t *similarity);

#endif
