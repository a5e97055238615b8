/* SPDX-License-Identifier: Apache-2.0
 *
 * Hierarchical navigable small worlds: the parts of their building. malkov2020
 *
 * Equal rows are one node. Nodes have slots: those of the higher levels come first, then each node stands
 * beside the others that have the same nearest node one level up, so that neighbours lie close together in
 * memory. Every level holds a sixteenth of the one below; the highest has so few nodes that a walk starts
 * from all of them, and it needs no links.
 */
#ifndef WNI_HNSW_IMPL_H
#define WNI_HNSW_IMPL_H

#include "index/hnsw_walk.h"
#include "kernels/kernels.h"

/* ---- building ----------------------------------------------------------------------------------------- */

/* A graph while it is built. */
typedef struct wni_hnsw_new {
    const wni_kernels *kernels;
    const wn_pool *pool;
    wni_hnsw g;
    int64_t ef; /* ef_construction */
    uint64_t seed;
    int64_t ld;
    int64_t *
        order; /* (nodes) position of the row of each slot; nodes without a slot yet stand behind, in
                       random order */
    float *rows;                     /* (nodes, ld) by slot */
    float *half;                     /* (nodes) half squared norms */
    int32_t *links[WNI_HNSW_LEVELS]; /* what g.links points to */
} wni_hnsw_new;

static inline const float *wni_hnsw_row(const wni_hnsw_new *b, int64_t slot)
{
    return b->rows + slot * b->ld;
}
static inline float wni_hnsw_key(const wni_hnsw_new *b, const float *x, const float *y)
{
    return b->kernels->l2sq(x, y, b->ld);
}

/* Builds the graph over the rows order[0..nodes) of the pool and brings order into that of the slots. kernels,
 * pool, g (wni_hnsw_sizes), ef, seed, ld and order are set; the rest goes to wni_hnsw_new_free. */
wn_status wni_hnsw_grow(wn_ctx *ctx, wni_hnsw_new *b);
void wni_hnsw_new_free(wn_ctx *ctx, wni_hnsw_new *b); /* and the order */
int64_t wni_hnsw_grow_bytes(const wn_ctx *ctx, int64_t n, int64_t ld, int32_t m, int64_t ef);

/* One level while it is linked: its heads, which are the nodes of the level above, and its other nodes. */
typedef struct wni_hnsw_level {
    int32_t level;
    int64_t n, heads;
    int64_t near_n; /* nearest heads known of each node */
    int32_t *near;  /* (n, near_n) ascending, -1 past the end, itself left out; rows by `from` */
    int64_t *from;  /* (n) row of `near` of each slot */
    int64_t
        *cells; /* (heads + 1) nodes whose nearest head is j are slots cells[j] .. cells[j + 1] */
    uint64_t *
        out; /* (n, m) beam entries: links of each node before those back, ascending; UINT64_MAX past
                        the end */
} wni_hnsw_level;

/* Fills `out`: candidates from the cells around, chosen by the heuristic. */
wn_status wni_hnsw_propose(wn_ctx *ctx, const wni_hnsw_new *b, const wni_hnsw_level *v);
int64_t wni_hnsw_propose_bytes(const wn_ctx *ctx, int64_t n, int64_t near_n, int64_t ld, int32_t m,
                               int64_t ef);
/* Adds the links back, prunes, and makes every node reachable from slot 0: fills b->links[v->level]. */
wn_status wni_hnsw_link(wn_ctx *ctx, const wni_hnsw_new *b, const wni_hnsw_level *v);
int64_t wni_hnsw_link_bytes(const wn_ctx *ctx, int64_t n, int32_t m);

/* Heads kept of each node of a level with so many heads. */
int64_t wni_hnsw_near(int64_t ef, int32_t level, int64_t heads);

/* The heuristic: of `count` ascending entries about one node those that are not nearer to one kept before than
 * to the node, `most` at most, brought to the front in order; when these are fewer than `least`, the nearest of the
 * others are added. Returns how many. */
int64_t wni_hnsw_choose(const wni_hnsw_new *b, uint64_t *entry, int64_t count, int64_t most,
                        int64_t least);
/* Ascending; each once; returns how many are left. */
int64_t wni_hnsw_sort(uint64_t *entry, int64_t count);

/* ---- equal rows --------------------------------------------------------------------------------------- */

/* Finds rows that are equal. *distinct (*nodes): the first of each, ascending. *first_of (n): the first row equal
 * to each; NULL when all are distinct. Both belong to the caller. */
wn_status wni_hnsw_distinct(wn_ctx *ctx, const wn_pool *pool, int64_t *nodes, int64_t **distinct,
                            int64_t **first_of);
int64_t wni_hnsw_distinct_bytes(const wn_ctx *ctx, int64_t n, int64_t ld);

#endif
