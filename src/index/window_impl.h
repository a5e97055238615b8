/* SPDX-License-Identifier: Apache-2.0
 *
 * A tree of graphs over the rows in the order of a column. engels2024 xu2024
 *
 * A place is a position in that order; codes lie in it, so that a window is a run of codes. Layer 0 of the tree is one
 * node over all places; a node is divided into `beta` nodes of the next layer, all of one size but the last. Every
 * node has a graph of the kind hnsw over its rows. The links of the lowest level of all graphs of a layer are one table
 * by place; they name places. The levels above have slots of their own; `heads` says where these are.
 *
 * Equal rows are one node in each graph, but each of their places has its links. A search lets the first place within
 * its window stand for all.
 */
#ifndef WNI_WINDOW_IMPL_H
#define WNI_WINDOW_IMPL_H

#include "index/code.h"
#include "index/hnsw_walk.h"
#include "kernels/kernels.h"

#define WNI_WINDOW_LAYERS 32

typedef struct wni_layers {
    int64_t n;
    int32_t layers;
    int64_t rows[WNI_WINDOW_LAYERS];  /* of a node of the layer */
    int64_t nodes[WNI_WINDOW_LAYERS]; /* of the layer */
    int64_t first[WNI_WINDOW_LAYERS]; /* node of the layer, of all */
    int64_t all;                      /* nodes */
} wni_layers;

/* Rows of the lowest nodes <= leaf. */
void wni_layers_of(wni_layers *l, int64_t n, int32_t beta, int64_t leaf);

/* One graph. */
typedef struct wni_window_node {
    int64_t distinct; /* rows that are not equal */
    int64_t heads;    /* where its part of heads starts */
    int64_t upper;    /* where its links above the lowest level start */
} wni_window_node;

/* Entries of heads, and rows of links above the lowest level, of a graph over so many nodes. */
static inline int64_t wni_window_heads(const wni_hnsw *g)
{
    return g->size[g->levels > 1 ? 1 : 0];
}
int64_t wni_window_upper(const wni_hnsw *g);

/* The state of an open segment. */
typedef struct wni_window {
    wni_layers tree;
    int32_t m;
    int64_t numbers;      /* rows that have a number: the first places */
    const int64_t *whole; /* (numbers) ascending, of an INTEGER column; NULL = real is it */
    const double *real;   /* (numbers) */
    const int64_t *order; /* (n) position of each place */
    const int32_t *links; /* (layers, n, 2 m) places, -1 past the end */
    const int32_t *heads; /* places of the slots above the lowest level, node by node */
    const int32_t *upper; /* (.., m) slots of the same graph */
    wni_window_node *node;
    const int32_t *
        class_of; /* (n) of each place: which equal rows it belongs to, -1 = none; NULL = all differ */
    const int64_t *class_first; /* (classes + 1) into twins */
    const int32_t *twins;       /* places of equal rows, ascending in each class */
    int32_t *dead_before; /* (n / 64 + 1) deleted rows in places before 64 i; NULL = none is */
    wni_code *code;       /* by place */
} wni_window;

wn_status wni_window_check(wn_ctx *ctx, const wni_index_build *b);
wn_status wni_window_build(wn_ctx *ctx, const wni_index_build *b);
int64_t wni_window_build_bytes(wn_ctx *ctx, int64_t n, int64_t ld, const wn_index_window_params *p);

wn_status wni_window_search(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                            const wni_ask *ask, wni_found *found);
double wni_window_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask);

#endif
