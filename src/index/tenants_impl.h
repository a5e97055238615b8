/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind tenants: one clustering tree over all rows, and in it for each tenant a tree of its own, which is what
 * of the shared one its rows lie in. jin2024
 *
 * Slots (of codes) are in the order of tenants, within a tenant in that of the leaves of the tree: what a tenant has
 * below a node of the tree is one run of slots. A tenant with many rows has lists: runs of at most list_max slots, each
 * below one node, as far up as that is possible.
 */
#ifndef WNI_TENANTS_IMPL_H
#define WNI_TENANTS_IMPL_H

#include "index/code.h"
#include "index/lists.h"
#include "kernels/kernels.h"
#include "pool/table_groups.h"

/* A tenant with at most this many lists' rows has no lists: its rows are compared one and all. */
#define WNI_TENANTS_WHOLE 2
#define WNI_TENANTS_FAN   4 /* children of a node at most */

/* ---- the tree ------------------------------------------------------------------------------------------------- */

/* A node that is no leaf; in preorder, so that what is below node i is i + 1 .. end. Children are the nodes i + 1,
 * their ends, ..., and leaves between them. */
typedef struct wni_tenants_node {
    int32_t end, first_leaf, end_leaf;
} wni_tenants_node;

typedef struct wni_tenants_tree {
    int64_t leaves, nodes;
    wni_tenants_node *node; /* (nodes) */
    int32_t *leaf_list;     /* (leaves) which of the lists a leaf is */
} wni_tenants_tree;

/* The tree whose leaves are the lists. wni_tenants_tree_free(), also after a failure. */
wn_status wni_tenants_tree_make(wn_ctx *ctx, const wni_lists *lists, int32_t max_iter,
                                uint64_t seed, wni_tenants_tree *out);
void wni_tenants_tree_free(wn_ctx *ctx, wni_tenants_tree *tree);

/* ---- rows in it ------------------------------------------------------------------------------------------------- */

typedef struct wni_tenants_list {
    int32_t begin, end; /* slots */
    int32_t leaf;       /* of its first row */
} wni_tenants_list;

typedef struct wni_tenants_rows {
    int64_t n, tenants, lists;
    int64_t *start;         /* (tenants + 1) slots of each; rows of no tenant come last */
    int32_t *rows;          /* (n) position of each slot */
    int64_t *leaf_start;    /* (leaves + 1) */
    int32_t *leaf_slots;    /* (n) by leaf, ascending in each */
    int32_t *tenant_lists;  /* (tenants + 1) */
    wni_tenants_list *list; /* (lists) */
} wni_tenants_rows;

/* group (n) of each row, -1 = no tenant. wni_tenants_rows_free(), also after a failure. */
wn_status wni_tenants_rows_make(wn_ctx *ctx, const wni_lists *lists, const wni_tenants_tree *tree,
                                const int32_t *group, int64_t tenants, int64_t list_max,
                                wni_tenants_rows *out);
void wni_tenants_rows_free(wn_ctx *ctx, wni_tenants_rows *rows);

/* ---- centres ----------------------------------------------------------------------------------------------------- */

/* Means of the rows of the leaves, of the lists, of the nodes: centers (all of them, d), and the mean squared distance
 * of the rows from them: *spread (all of them). Both are the caller's to free, also after a failure. */
wn_status wni_tenants_centers_make(wn_ctx *ctx, const wn_pool *pool, const wni_tenants_tree *tree,
                                   const wni_tenants_rows *rows, wni_mat *centers, float **spread);

/* Of two lists as far away the one whose rows lie closer together has the nearer rows: half of the spread counts. */
#define WNI_TENANTS_SPREAD 0.5f

/* half (centers) so that dot(x, c) - half ranks: half the squared norm, and of the spread that share. */
wn_status wni_tenants_half(wn_ctx *ctx, const wni_mat *centers, const float *spread, float *half);

/* ---- what an effort is worth ------------------------------------------------------------------------------------- */

/* For rows that are asked for: ranks (2, *n), ascending in each half. First of the leaves that hold a nearest row, as a
 * search of the whole tree ranks them, then of the lists that hold one of the same tenant, as a search for the tenant
 * does. half (centers) from wni_tenants_half. *n = 0 when no tenant has lists. wni_free. */
wn_status wni_tenants_measure(wn_ctx *ctx, const wn_pool *pool, const wni_tenants_tree *tree,
                              const wni_tenants_rows *rows, const wni_mat *centers,
                              const float *half, uint64_t seed, int32_t **ranks, int64_t *n);
/* Lists of a tenant that find the same share as so many leaves of the whole tree. */
int64_t wni_tenants_lists_for(const int32_t *ranks, int64_t n, int64_t leaves);

/* ---- an open segment ------------------------------------------------------------------------------------------ */

typedef struct wni_tenants {
    wni_code *code;
    wni_mat centers; /* of the leaves, of the lists, of the nodes */
    int own;         /* 0 = the centres are read where they are mapped */
    float *half;     /* (centers) see wni_tenants_half */
    int64_t n, leaves, lists, nodes, tenants, longest; /* rows of a leaf or list */
    const wni_tenants_node *node;
    const int64_t *leaf_start, *start, *name_start;
    const int32_t *leaf_slots, *rows, *tenant_lists;
    const wni_tenants_list *list;
    const char *names;
    wni_group_type type;
    const int32_t *ranks; /* (2, n_ranks) */
    int64_t n_ranks;
} wni_tenants;

/* The number of a tenant; below 0 as in wni_table_groups_find. */
static inline int64_t wni_tenants_find(const wni_tenants *v, const char *text)
{
    return wni_table_groups_find(v->names, v->name_start, v->tenants, v->type, text);
}

double wni_tenants_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask);
wn_status wni_tenants_search(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             const wni_ask *ask, wni_found *found);

#endif
