/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the rows of each tenant lie in the tree: slots by tenant and leaf, and the lists of a tenant.
 */
#include <string.h>

#include "index/tenants_impl.h"

/* Slots, and the leaf of each in leaf (n). */
static wn_status order_slots(wn_ctx *ctx, const wni_lists *lists, const wni_tenants_tree *tree,
                             const int32_t *group, wni_tenants_rows *r, int32_t *leaf)
{
    const int64_t groups = r->tenants + 1; /* the last: of no tenant */
    int64_t *next = NULL, at;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, next, wni_max(groups, tree->leaves) + 1);
    for (int64_t i = 0; i < r->n; i++)
        next[group[i] < 0 ? groups : group[i] + 1]++;
    for (int64_t g = 0; g < groups; g++)
        next[g + 1] += next[g];
    memcpy(r->start, next, (size_t)groups * sizeof *next);
    r->leaf_start[0] = 0;
    for (int64_t l = 0; l < tree->leaves; l++) {
        const int32_t list = tree->leaf_list[l];

        for (int64_t i = lists->start[list]; i < lists->start[list + 1]; i++) {
            const int32_t row = lists->order[i];

            at = next[group[row] < 0 ? r->tenants : group[row]]++;
            r->rows[at] = row;
            leaf[at] = (int32_t)l;
        }
        r->leaf_start[l + 1] = r->leaf_start[l] + lists->start[list + 1] - lists->start[list];
    }
    memcpy(next, r->leaf_start, (size_t)tree->leaves * sizeof *next);
    for (int64_t s = 0; s < r->n; s++)
        r->leaf_slots[next[leaf[s]]++] = (int32_t)s;
done:
    wni_free(ctx, next);
    return st;
}

typedef struct lister {
    const wni_tenants_tree *tree;
    const int32_t *leaf; /* (n) of each slot */
    wni_tenants_rows *rows;
    int64_t list_max, room;
    int64_t begin, end; /* slots that wait to become a list with what comes next */
} lister;

static wn_status flush(wn_ctx *ctx, lister *l)
{
    wni_tenants_rows *r = l->rows;

    if (l->begin == l->end) return WN_OK;
    if (r->lists == l->room) {
        const int64_t room = 2 * l->room + 64;
        wni_tenants_list *grown = wni_grow(ctx, r->list, r->lists, room, sizeof *grown);

        if (!grown) return WN_E_NOMEM;
        r->list = grown;
        l->room = room;
    }
    r->list[r->lists++] = (wni_tenants_list){(int32_t)l->begin, (int32_t)l->end, l->leaf[l->begin]};
    l->begin = l->end;
    return WN_OK;
}

/* First slot of begin..end in a leaf from `leaf` on. */
static int64_t slot_from(const lister *l, int64_t begin, int64_t end, int64_t leaf)
{
    while (begin < end) {
        const int64_t mid = begin + (end - begin) / 2;

        if (l->leaf[mid] < leaf)
            begin = mid + 1;
        else
            end = mid;
    }
    return begin;
}

static wn_status below(wn_ctx *ctx, lister *l, int64_t node, int64_t begin, int64_t end);

/* A child with the slots begin..end: one list with its neighbours if they fit together, else its own. */
static wn_status child(wn_ctx *ctx, lister *l, int64_t node, int64_t begin, int64_t end)
{
    wn_status st = WN_OK;

    if (begin == end) return WN_OK;
    if (end - l->begin > l->list_max) WNI_TRY(flush(ctx, l));
    if (node >= 0 && end - begin > l->list_max) {
        WNI_TRY(below(ctx, l, node, begin, end));
        goto done;
    }
    l->begin = l->begin == l->end ? begin : l->begin;
    l->end = end;
done:
    return st;
}

/* Lists of the slots begin..end, all below a node and too many for one list. */
static wn_status below(wn_ctx *ctx, lister *l, int64_t node, int64_t begin, int64_t end)
{
    const wni_tenants_node *u = &l->tree->node[node];
    int64_t next = node + 1, leaf = u->first_leaf;
    wn_status st = WN_OK;

    while (leaf < u->end_leaf) {
        const bool is_node = next < u->end && l->tree->node[next].first_leaf == leaf;
        const int64_t to = is_node ? l->tree->node[next].end_leaf : leaf + 1;
        const int64_t split = slot_from(l, begin, end, to);

        WNI_TRY(child(ctx, l, is_node ? next : -1, begin, split));
        begin = split;
        leaf = to;
        if (is_node) next = l->tree->node[next].end;
    }
    st = flush(ctx, l);
done:
    return st;
}

wn_status wni_tenants_rows_make(wn_ctx *ctx, const wni_lists *lists, const wni_tenants_tree *tree,
                                const int32_t *group, int64_t tenants, int64_t list_max,
                                wni_tenants_rows *r)
{
    lister l = {.tree = tree, .rows = r, .list_max = list_max};
    int32_t *leaf = NULL;
    wn_status st = WN_OK;

    memset(r, 0, sizeof *r);
    r->n = lists->n;
    r->tenants = tenants;
    WNI_NEW(ctx, leaf, r->n);
    WNI_NEW(ctx, r->start, tenants + 1);
    WNI_NEW(ctx, r->rows, r->n);
    WNI_NEW(ctx, r->leaf_start, tree->leaves + 1);
    WNI_NEW(ctx, r->leaf_slots, r->n);
    WNI_NEW(ctx, r->tenant_lists, tenants + 1);
    WNI_NEW(ctx, r->list, 1);
    l.room = 1;
    WNI_TRY(order_slots(ctx, lists, tree, group, r, leaf));
    l.leaf = leaf;
    for (int64_t t = 0; t < tenants; t++) {
        r->tenant_lists[t] = (int32_t)r->lists;
        if (r->start[t + 1] - r->start[t] <= WNI_TENANTS_WHOLE * list_max) continue;
        l.begin = l.end = r->start[t];
        WNI_TRY(below(ctx, &l, 0, r->start[t], r->start[t + 1]));
    }
    r->tenant_lists[tenants] = (int32_t)r->lists;
done:
    wni_free(ctx, leaf);
    return st;
}

void wni_tenants_rows_free(wn_ctx *ctx, wni_tenants_rows *r)
{
    wni_free(ctx, r->start);
    wni_free(ctx, r->rows);
    wni_free(ctx, r->leaf_start);
    wni_free(ctx, r->leaf_slots);
    wni_free(ctx, r->tenant_lists);
    wni_free(ctx, r->list);
    memset(r, 0, sizeof *r);
}
