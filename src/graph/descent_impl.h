/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of nn-descent. Rows are renumbered: node v is row order[v] of the pool, and nodes that lie close
 * together in space have numbers that lie close together, so that what a join gathers is mostly in cache.
 *
 * Every node has a sorted list of the nearest nodes met so far, by (distance, node). Lists are joined, never
 * replaced: what a list holds after a round is the best of all pairs that the round compared, in whatever order
 * threads offered them. That alone makes the graph the same for any number of threads.
 */
#ifndef WNI_DESCENT_IMPL_H
#define WNI_DESCENT_IMPL_H

#include <float.h>
#include <string.h>

#include "graph/graph_impl.h"

#define WNI_DESCENT_ROWS_MAX ((int64_t)0x7ffffffe) /* node numbers have 31 bits */
#define WNI_DESCENT_COLUMNS  128 /* scores of one row that are looked at together */

/* An entry of a list: the bits of the squared distance (not negative, so they order as numbers do), the node,
 * and whether it has come since the last round. */
typedef uint64_t wni_near;
#define WNI_NEAR_NONE (((wni_near)0x7f800000 << 32) | 0xffffffff)

typedef struct wni_descent {
    const wni_kernels *kernels;
    const wn_pool *pool;
    int64_t n, d, ld;
    int64_t k; /* entries of a list, at least as many as the graph has neighbours */
    uint64_t seed;

    /* Rows as they are compared: scale * (row - shift). */
    float *shift; /* (ld) scaled; NULL = rows are compared as they are */
    float scale;
    uint32_t *order;    /* (n) row of the pool; NULL = nodes are rows */
    float *rows;        /* (n, ld) by node; NULL = read from the pool when they are needed */
    float *norm;        /* (n) squared norms */
    atomic_uint *far;   /* (n) bits of the distance at the end of each list */
    atomic_uchar *held; /* (n) a thread changes the list */
    wni_near *list;     /* (n, k) ascending */
} wni_descent;

/* ---- entries and lists ------------------------------------------------------------------------ */

static inline uint32_t wni_float_bits(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline float wni_bits_float(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint32_t wni_near_node(wni_near e)
{
    return (uint32_t)e >> 1;
}

/* The squared distance of two nodes with this dot product; the same bits whichever comes first. */
static inline uint32_t wni_descent_bits(float norm_a, float norm_b, float dot)
{
    float l2sq = norm_a + norm_b - 2 * dot;

    l2sq = l2sq < FLT_MAX ? l2sq : FLT_MAX;
    return l2sq > 0 ? wni_float_bits(l2sq) : 0;
}

/* Offers a new entry to a list: nonzero when it was taken. */
static inline int wni_list_offer(wni_near *list, int64_t k, uint32_t bits, uint32_t node)
{
    /* With its flag set an entry is its own, and the last of the two forms of it. */
    const wni_near e = (wni_near)bits << 32 | (wni_near)node << 1 | 1;
    int64_t at = k;

    if (e >= (list[k - 1] | 1)) return 0;
    if (k <= 64) {
        while (at > 0 && (list[at - 1] | 1) > e)
            at--;
    } else {
        for (int64_t low = 0, middle; low < at;) {
            middle = (low + at) / 2;
            if ((list[middle] | 1) > e)
                at = middle;
            else
                low = middle + 1;
        }
    }
    if (at > 0 && (list[at - 1] | 1) == e) return 0; /* it is there */
    memmove(list + at + 1, list + at, (size_t)(k - 1 - at) * sizeof *list);
    list[at] = e;
    return 1;
}

static inline float wni_far(const wni_descent *s, int64_t v)
{
    return wni_bits_float(atomic_load_explicit(&s->far[v], memory_order_relaxed));
}
static inline void wni_far_set(const wni_descent *s, int64_t v)
{
    atomic_store_explicit(&s->far[v], (uint32_t)(s->list[v * s->k + s->k - 1] >> 32),
                          memory_order_relaxed);
}

/* ---- pairs ------------------------------------------------------------------------------------ */

/* Rows that are compared with each other: the first `m` with all `n`. Scratch of one worker. */
typedef struct wni_panel {
    int64_t room; /* of rows */
    int64_t m, n;
    float *own;     /* (room, ld) rows of a panel that was gathered */
    const float *v; /* (n, ld) */
    uint32_t *node; /* (room) */
    float *norm;    /* (room) */
    float *half;    /* (room) half the squared norms */
    float *reach;   /* (room) half of (squared norm - end of the list) */
    float *scores;  /* (WNI_PANEL_ROWS, WNI_DESCENT_COLUMNS) */
} wni_panel;

#define WNI_PANEL_ROWS 16

wn_status wni_panel_new(wn_ctx *ctx, int64_t room, int64_t ld, wni_panel *p);
void wni_panel_free(wn_ctx *ctx, wni_panel *p);
int64_t wni_panel_bytes(int64_t room, int64_t ld);
/* Takes the nodes in p->node as its p->n rows: where they lie, when they follow each other, else gathered. */
wn_status wni_panel_fill(wn_ctx *ctx, const wni_descent *s, wni_panel *p);
/* Compares row i < p->m with every row j > i and joins the lists of both. With `shared` other threads may
 * change the same lists. */
void wni_panel_join(const wni_descent *s, wni_panel *p, int shared);

/* ---- phases ----------------------------------------------------------------------------------- */

/* Decides shift and scale on a sample of the rows. */
wn_status wni_descent_frame(wn_ctx *ctx, wni_descent *s);
/* Rows of nodes as they are compared, out (n, ld). Any thread. */
wn_status wni_descent_rows(wn_ctx *ctx, const wni_descent *s, const uint32_t *nodes, int64_t n,
                           float *out);

/* A random partition of the nodes into leaves of at most `leaf`: `member` (n) becomes the nodes leaf by leaf,
 * start (n) nonzero where a leaf starts. */
wn_status wni_descent_tree(wn_ctx *ctx, const wni_descent *s, int64_t tree, int64_t leaf,
                           uint32_t *member, uint8_t *start);
int64_t wni_descent_tree_bytes(const wn_ctx *ctx, int64_t n, int64_t ld);
/* Compares the nodes of each leaf with each other. */
wn_status wni_descent_leaves(wn_ctx *ctx, const wni_descent *s, int64_t leaf,
                             const uint32_t *member, const uint8_t *start);
/* Lists that have room yet get the nodes that follow. */
wn_status wni_descent_complete(wn_ctx *ctx, const wni_descent *s);

/* When lists are good enough: rows of a sample and what their neighbours are. */
typedef struct wni_goal {
    double recall;
    int64_t m, k;
    int64_t *node; /* (m) */
    int64_t *row;  /* (m, k) exact neighbours: rows of the pool */
} wni_goal;

wn_status wni_goal_new(wn_ctx *ctx, const wni_descent *s, int64_t k, double recall, wni_goal *goal);
void wni_goal_free(wn_ctx *ctx, wni_goal *goal);
int64_t wni_goal_bytes(int64_t n, int64_t k);
/* While it is made, with `left` bytes to spare. */
int64_t wni_goal_work_bytes(const wn_ctx *ctx, int64_t n, int64_t ld, int64_t left);
int wni_goal_reached(const wni_goal *goal, const wni_descent *s); /* of full lists */

/* Rounds of local joins, from number *rounds on, until fewer than tol * n * k entries are new, the goal (NULL = none)
 * is reached, or *rounds is max_iter. */
wn_status wni_descent_rounds(wn_ctx *ctx, const wni_descent *s, const wni_goal *goal,
                             int64_t candidates, int32_t max_iter, double tol, int32_t *rounds);
int64_t wni_descent_rounds_bytes(const wn_ctx *ctx, int64_t n, int64_t ld, int64_t k,
                                 int64_t candidates);

/* The graph of the nearest g->edges / n entries of each list, by the distances that a graph stores. */
wn_status wni_descent_graph(wn_ctx *ctx, const wni_descent *s, int64_t k, wn_graph *g);

/* The share of the neighbours of `sample` rows that are no farther than the exact k-th. */
wn_status wni_graph_recall(wn_ctx *ctx, const wn_pool *pool, const wn_graph *g, int64_t k,
                           int64_t sample, uint64_t seed, double *recall);
int64_t wni_graph_recall_bytes(const wn_ctx *ctx, const wn_pool *pool, int64_t k, int64_t sample);

#endif
