/* SPDX-License-Identifier: Apache-2.0
 *
 * Hierarchical navigable small worlds: the graph, walks through it, and the parts of its building.
 * malkov2020
 *
 * Equal rows are one node. Nodes have slots: those of the higher levels come first, then each node stands
 * beside the others that have the same nearest node one level up, so that neighbours lie close together in
 * memory. Every level holds a sixteenth of the one below; the highest has so few nodes that a walk starts
 * from all of them, and it needs no links.
 */
#ifndef WNI_HNSW_IMPL_H
#define WNI_HNSW_IMPL_H

#include "ds/keyed.h"
#include "index/index_impl.h"
#include "kernels/kernels.h"

#define WNI_HNSW_LEVELS 9  /* 16^8 * 64 > 2^31 */
#define WNI_HNSW_RATIO  16 /* nodes of a level for each one of the next */
#define WNI_HNSW_TOP    64 /* nodes of the highest level at most */
#define WNI_HNSW_HIGH   12 /* width of the beam above the base level, of a search */

typedef struct wni_hnsw {
    int64_t nodes;
    int32_t m;                     /* links of a node above the base level; there 2 m */
    int32_t levels;                /* >= 1, the base level included */
    int64_t size[WNI_HNSW_LEVELS]; /* of a level: slots 0..size - 1; size[0] = nodes */
    const int32_t
        *links[WNI_HNSW_LEVELS]; /* (size, room) slots, -1 past the end; NULL = the highest */
} wni_hnsw;

static inline int32_t wni_hnsw_room(const wni_hnsw *g, int32_t level)
{
    return level == 0 ? 2 * g->m : g->m;
}

/* Sizes of the levels over `nodes`. */
void wni_hnsw_sizes(wni_hnsw *g, int64_t nodes, int32_t m);

/* ---- walks -------------------------------------------------------------------------------------------- */

/* Where keys come from: of slots at[0..n) to a query that was made ready. */
typedef struct wni_hnsw_keys {
    void (*at)(const void *self, const void *query, const int32_t *at, int64_t n, float *keys);
    const void *self;
} wni_hnsw_keys;

/* Which nodes count under a filter: those of which a row is allowed. */
typedef struct wni_hnsw_allow {
    const uint64_t *bits; /* of positions */
    const int64_t *order; /* (nodes) position of the first row of each node */
    const int64_t
        *twins_first; /* (nodes + 1) into twins: the other rows of a node; NULL = there are none */
    const int64_t *twins;
} wni_hnsw_allow;

/* Scratch of one worker, for walks through one graph. */
typedef struct wni_walk {
    uint64_t *seen;                /* bits of slots; all 0 between walks */
    int32_t *touched;              /* words of `seen` that are not 0 */
    int64_t n_touched, touch_room; /* more than touch_room: all of `seen` is cleared */
    int64_t words;
    uint64_t *beam; /* (room + 1) ascending: key, slot, whether its links were followed */
    int64_t size, room;
    uint64_t *hits; /* (room + 1) under a filter: the allowed ones, ascending */
    int64_t n_hits;
    int32_t *fresh, *bridges; /* (fresh_room), (2 m) */
    float *keys;              /* (fresh_room) */
    int64_t fresh_room;
    int64_t visited, compared;
} wni_walk;

wn_status wni_walk_new(wn_ctx *ctx, const wni_hnsw *g, int64_t room, wni_walk *out);
void wni_walk_free(wn_ctx *ctx, wni_walk *walk);
int64_t wni_walk_bytes(const wni_hnsw *g, int64_t room);

/* From the top to `level` with a beam of `high` on the way, then along that level with one of `ef`; neither is
 * wider than room. The beam holds the nearest slots found, nearest first, at a tie the smaller slot. */
void wni_walk_to(wni_walk *walk, const wni_hnsw *g, int32_t level, int64_t high, int64_t ef,
                 const wni_hnsw_keys *keys, const void *query);

/* To and along the base level under a filter: `hits` are the nearest `want` allowed slots met. With `bridge` only
 * allowed nodes are compared and followed, and the links of the others lead on to allowed ones behind them; without,
 * all nodes are. room >= high, ef, want and WNI_HNSW_TOP. */
void wni_walk_allowed(wni_walk *walk, const wni_hnsw *g, int64_t high, int64_t ef, int64_t want,
                      const wni_hnsw_allow *allow, int bridge, const wni_hnsw_keys *keys,
                      const void *query);

static inline int32_t wni_beam_slot(uint64_t entry)
{
    return (int32_t)((uint32_t)entry >> 1);
}
static inline float wni_beam_key(uint64_t entry)
{
    uint32_t bits = (uint32_t)(entry >> 32);
    float key;

    bits = bits >> 31 ? bits ^ 0x80000000u : ~bits;
    memcpy(&key, &bits, sizeof key);
    return key;
}
static inline uint64_t wni_beam_entry(float key, int32_t slot)
{
    return wni_key_of_float(key) << 32 | (uint32_t)slot << 1;
}

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
