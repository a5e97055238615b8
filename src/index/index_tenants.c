/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind tenants: what of its trees is written and checked. jin2024
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/param.h"
#include "index/ivf_impl.h"
#include "index/tenants_impl.h"
#include "pool/text_column.h"

WN_PARAM_TABLE(wn_index_tenants_params, WN_INDEX_TENANTS_PARAMS);

#define SLOTS_MAX 2147483647

/* ---- building ----------------------------------------------------------------------------------------- */

/* √n cells, each split into leaves that a tenant's list can hold. */
static wni_lists_params lists_params(const wn_index_tenants_params *p, int64_t n)
{
    return (wni_lists_params){.cells = wni_max(1, wni_min((int64_t)sqrt((double)n), n / 32)),
                              .target = wni_max(p->list_max * 2 / 3, 1),
                              .longest = p->list_max,
                              .sample = p->sample,
                              .max_iter = p->max_iter,
                              .seed = p->seed};
}

static wn_status tenants_estimate(wn_ctx *ctx, const wn_pool *rows, const void *params,
                                  wn_estimate *out)
{
    const wn_index_tenants_params *p = params;
    const int64_t n = wn_pool_rows(rows), d = wn_pool_dim(rows), ld = wni_ld(d);
    const wni_lists_params lists = lists_params(p, n);
    const wni_code_params code = wni_code_params_of(p);
    const int64_t leaves = lists.cells + 3 * (n / lists.target) / 2;
    wn_estimate e = {0};
    wn_status st = WN_OK;

    if (n > SLOTS_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "index tenants: the pool has %lld rows, more than the %d of one segment: "
                        "make several indexes, or add the rows in parts",
                        (long long)n, SLOTS_MAX);
    WNI_TRY(wni_lists_estimate(ctx, rows, &lists, out));
    wni_code_estimate(rows, &code, &e);
    /* Tenants of rows and lists of rows; trees; then codes beside the order. */
    out->peak_bytes = n * 4 + wni_max(out->peak_bytes, n * 4 + leaves * (ld + 3 * d + 16) * 4);
    out->peak_bytes =
        wni_max(out->peak_bytes, n * 20 + (2 * leaves + 5 * (n / p->list_max)) * (ld + 4) * 4);
    out->peak_bytes = wni_max(out->peak_bytes + n * 12 + ((int64_t)4 << 20), e.peak_bytes + n * 24);
    out->flops += e.flops;
    out->bytes_read += e.bytes_read;
done:
    return st;
}

static wn_status open_column(wn_ctx *ctx, const wni_index_build *b, wn_table **t, int32_t *column)
{
    const wn_index_tenants_params *p = b->params;
    char why[160];
    wn_status st;

    *t = NULL;
    if (!b->table)
        return wni_fail(ctx, WN_E_USAGE,
                        "index tenants: there is no table; give --table, with a column that says "
                        "whose each row is");
    WNI_TRY(wn_table_open(ctx, b->table, t));
    st = wni_table_column(ctx, *t, p->tenant_column, column);
    if (st != WN_E_DATA) goto done;
    snprintf(why, sizeof why, "%s", wn_ctx_error(ctx));
    st = wni_fail(ctx, st,
                  "index tenants: %s; --tenant-column names the one that says whose a row is", why);
done:
    return st;
}

static wn_status check_table(wn_ctx *ctx, const wni_index_build *b)
{
    wn_table *t;
    int32_t column;
    const wn_status st = open_column(ctx, b, &t, &column);

    wn_table_free(t);
    return st;
}

/* Centres of leaves, of lists, of nodes, in one array; and what they are worth. */
static wn_status write_centers(wn_ctx *ctx, const wni_index_build *b, const wni_tenants_tree *tree,
                               const wni_tenants_rows *rows)
{
    const wn_index_tenants_params *p = b->params;
    wni_mat centers = {0};
    wni_npy_writer *w = NULL;
    float *spread = NULL, *half = NULL;
    int32_t *ranks = NULL;
    int64_t shape[2] = {2, 0};
    wn_status st;

    WNI_TRY(wni_tenants_centers_make(ctx, b->rows, tree, rows, &centers, &spread));
    WNI_TRY(wni_build_writer(b, "centers.npy", "<f4", 4, centers.n, centers.d, &w));
    for (int64_t c = 0; c < centers.n; c++)
        WNI_TRY(wni_npy_writer_add(w, 1, wni_mat_row(&centers, c)));
    st = wni_npy_writer_end(w, 1);
    w = NULL;
    if (st != WN_OK) goto done;
    WNI_TRY(wni_build_npy(b, "spread.npy", "<f4", 4, &centers.n, 1, spread));
    WNI_NEW(ctx, half, centers.n);
    WNI_TRY(wni_tenants_half(ctx, &centers, spread, half));
    WNI_TRY(
        wni_tenants_measure(ctx, b->rows, tree, rows, &centers, half, p->seed, &ranks, &shape[1]));
    WNI_TRY(wni_build_npy(b, "ranks.npy", "<i4", 4, shape, 2, ranks));
done:
    if (w) (void)wni_npy_writer_end(w, 0);
    wni_mat_free(ctx, &centers);
    wni_free(ctx, spread);
    wni_free(ctx, half);
    wni_free(ctx, ranks);
    return st;
}

static wn_status write_arrays(const wni_index_build *b, const wni_tenants_tree *tree,
                              const wni_tenants_rows *r, const wni_table_groups *g)
{
    const int64_t leaves = tree->leaves + 1, tenants = r->tenants + 1, one = 1;
    const int64_t nodes[2] = {tree->nodes, 3}, lists[2] = {r->lists, 3};
    const int64_t bytes = g->name_start[g->groups] + 1;
    const int32_t type = (int32_t)g->type;
    wn_status st;

    WNI_TRY(wni_build_npy(b, "nodes.npy", "<i4", 4, nodes, 2, tree->node));
    WNI_TRY(wni_build_npy(b, "leaf_start.npy", "<i8", 8, &leaves, 1, r->leaf_start));
    WNI_TRY(wni_build_npy(b, "leaf_slots.npy", "<i4", 4, &r->n, 1, r->leaf_slots));
    WNI_TRY(wni_build_npy(b, "slot_rows.npy", "<i4", 4, &r->n, 1, r->rows));
    WNI_TRY(wni_build_npy(b, "tenant_start.npy", "<i8", 8, &tenants, 1, r->start));
    WNI_TRY(wni_build_npy(b, "tenant_lists.npy", "<i4", 4, &tenants, 1, r->tenant_lists));
    WNI_TRY(wni_build_npy(b, "lists.npy", "<i4", 4, lists, 2, r->list));
    WNI_TRY(wni_build_npy(b, "names.npy", "|u1", 1, &bytes, 1, g->names));
    WNI_TRY(wni_build_npy(b, "name_start.npy", "<i8", 8, &tenants, 1, g->name_start));
    WNI_TRY(wni_build_npy(b, "name_type.npy", "<i4", 4, &one, 1, &type));
done:
    return st;
}

static wn_status record(const wni_index_build *b, const wni_tenants_tree *tree,
                        const wni_tenants_rows *r)
{
    int64_t most = 0;
    wn_status st = WN_OK;

    if (!b->run) return WN_OK;
    for (int64_t t = 0; t < r->tenants; t++)
        most = wni_max(most, r->start[t + 1] - r->start[t]);
    WNI_TRY(wni_record_int(b->run, "tenants", r->tenants));
    WNI_TRY(wni_record_int(b->run, "rows_of_largest_tenant", most));
    WNI_TRY(wni_record_int(b->run, "rows_without_tenant", r->n - r->start[r->tenants]));
    WNI_TRY(wni_record_int(b->run, "leaves", tree->leaves));
    WNI_TRY(wni_record_int(b->run, "lists", r->lists));
done:
    return st;
}

static wn_status tenants_build(wn_ctx *ctx, const wni_index_build *b)
{
    const wn_index_tenants_params *p = b->params;
    const int64_t n = wn_pool_rows(b->rows);
    const wni_lists_params lp = lists_params(p, n);
    const wni_code_params code = wni_code_params_of(p);
    wni_table_groups groups = {0};
    wni_tenants_tree tree = {0};
    wni_tenants_rows rows = {0};
    wni_lists lists = {0};
    wn_table *t = NULL;
    int64_t *order = NULL;
    int32_t column;
    wn_status st;

    WNI_TRY(open_column(ctx, b, &t, &column));
    WNI_TRY(wni_table_groups_read(ctx, t, column, &groups));
    wn_table_free(t);
    t = NULL;
    WNI_TRY(wni_lists_make(ctx, b->rows, &lp, &lists));
    WNI_TRY(wni_tenants_tree_make(ctx, &lists, p->max_iter, p->seed, &tree));
    WNI_TRY(
        wni_tenants_rows_make(ctx, &lists, &tree, groups.group, groups.groups, p->list_max, &rows));
    WNI_TRY(record(b, &tree, &rows));
    wni_lists_free(ctx, &lists);
    WNI_TRY(write_centers(ctx, b, &tree, &rows));
    WNI_TRY(write_arrays(b, &tree, &rows, &groups));
    WNI_NEW(ctx, order, n);
    for (int64_t i = 0; i < n; i++)
        order[i] = rows.rows[i];
    wni_tenants_tree_free(ctx, &tree);
    wni_tenants_rows_free(ctx, &rows);
    wni_table_groups_free(ctx, &groups);
    WNI_TRY(wni_code_build(ctx, b, &code, order, n));
done:
    wn_table_free(t);
    wni_lists_free(ctx, &lists);
    wni_tenants_tree_free(ctx, &tree);
    wni_tenants_rows_free(ctx, &rows);
    wni_table_groups_free(ctx, &groups);
    wni_free(ctx, order);
    return st;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static void tenants_close(wn_ctx *ctx, wni_segment *s)
{
    wni_tenants *v = s->state;

    if (!v) return;
    wni_code_free(ctx, v->code);
    if (v->own) wni_mat_free(ctx, &v->centers);
    wni_free(ctx, v->half);
    wni_free(ctx, v);
    s->state = NULL;
}

/* Entries 0 .. n of `start` rise from 0 to at most `end`. */
static bool rises(const int64_t *start, int64_t n, int64_t end)
{
    for (int64_t i = 0; i < n; i++)
        if (start[i] > start[i + 1]) return false;
    return start[0] == 0 && start[n] <= end;
}

static bool all_slots(const int32_t *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (v[i] < 0 || v[i] >= n) return false;
    return true;
}

/* Node i, whose `end` and leaves fit into those of the node above it, has children that fit into its own. */
static bool node_fits(const wni_tenants_node *node, int64_t i)
{
    int64_t leaf = node[i].first_leaf, c = i + 1;

    while (c < node[i].end) {
        const int64_t size = (int64_t)node[c].end_leaf - node[c].first_leaf;

        if (node[c].end <= c || node[c].end > node[i].end || node[c].first_leaf < leaf ||
            node[c].end_leaf > node[i].end_leaf || size < 1)
            return false;
        leaf = node[c].end_leaf;
        c = node[c].end;
    }
    return true;
}

static const char *check_nodes(const wni_tenants *v)
{
    const wni_tenants_node *root = v->node;

    if (root->end != v->nodes || root->first_leaf != 0 || root->end_leaf != v->leaves)
        return "the root does not hold all leaves";
    for (int64_t i = 0; i < v->nodes; i++)
        if (!node_fits(v->node, i)) return "a node does not fit into the one above it";
    return NULL;
}

/* The lists of a tenant are its slots, one after the other. */
static const char *check_lists(const wni_tenants *v)
{
    if (v->tenant_lists[0] != 0 || v->tenant_lists[v->tenants] != v->lists)
        return "it does not hold all lists";
    for (int64_t t = 0; t < v->tenants; t++) {
        const int32_t first = v->tenant_lists[t], end = v->tenant_lists[t + 1];
        int64_t slot = v->start[t];

        if (end < first || end > v->lists) return "a tenant's lists end before they start";
        for (int32_t l = first; l < end; l++) {
            if (v->list[l].begin != slot || v->list[l].end < slot || v->list[l].leaf < 0 ||
                v->list[l].leaf >= v->leaves)
                return "the lists of a tenant are not its rows";
            slot = v->list[l].end;
        }
        if (end > first && slot != v->start[t + 1]) return "the lists of a tenant are not its rows";
    }
    return NULL;
}

static wn_status check(wn_ctx *ctx, const wn_index *index, const wni_segment *s, wni_tenants *v)
{
    const char *what;

    if ((what = check_nodes(v))) return wni_segment_damaged(ctx, index, s, "nodes.npy", what);
    if (!rises(v->leaf_start, v->leaves, s->n) || v->leaf_start[v->leaves] != s->n)
        return wni_segment_damaged(ctx, index, s, "leaf_start.npy", "it does not hold all rows");
    if (!all_slots(v->leaf_slots, s->n))
        return wni_segment_damaged(ctx, index, s, "leaf_slots.npy", "a row is not there");
    if (!all_slots(v->rows, s->n))
        return wni_segment_damaged(ctx, index, s, "slot_rows.npy", "a row is not there");
    if (!rises(v->start, v->tenants, s->n))
        return wni_segment_damaged(ctx, index, s, "tenant_start.npy",
                                   "a tenant ends before it starts");
    if ((what = check_lists(v))) return wni_segment_damaged(ctx, index, s, "lists.npy", what);
    for (int64_t l = 0; l < v->leaves; l++)
        v->longest = wni_max(v->longest, v->leaf_start[l + 1] - v->leaf_start[l]);
    for (int64_t l = 0; l < v->lists; l++)
        v->longest = wni_max(v->longest, v->list[l].end - v->list[l].begin);
    return WN_OK;
}

static wn_status open_names(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                            wni_tenants *v)
{
    int64_t starts, bytes, one;
    const int32_t *type;
    wn_status st;

    WNI_TRY(
        wni_segment_array(ctx, index, s, "names.npy", "|u1", 1, &bytes, (const void **)&v->names));
    WNI_TRY(wni_segment_array(ctx, index, s, "name_start.npy", "<i8", 1, &starts,
                              (const void **)&v->name_start));
    WNI_TRY(
        wni_segment_array(ctx, index, s, "name_type.npy", "<i4", 1, &one, (const void **)&type));
    if (one != 1 || *type < WNI_GROUP_TEXT || *type > WNI_GROUP_REAL)
        return wni_segment_damaged(ctx, index, s, "name_type.npy", "it is no type of a column");
    v->type = (wni_group_type)*type;
    if (starts != v->tenants + 1 || !rises(v->name_start, v->tenants, bytes))
        return wni_segment_damaged(ctx, index, s, "name_start.npy", "it does not fit names.npy");
done:
    return st;
}

static wn_status open_tree(wn_ctx *ctx, const wn_index *index, const wni_segment *s, wni_tenants *v)
{
    int64_t shape[2], leaf_slots, rows, tenants;
    wn_status st;

    WNI_TRY(
        wni_segment_array(ctx, index, s, "nodes.npy", "<i4", 2, shape, (const void **)&v->node));
    v->nodes = shape[0];
    if (shape[0] < 1 || shape[1] != 3)
        return wni_segment_damaged(ctx, index, s, "nodes.npy", "its shape does not fit");
    WNI_TRY(
        wni_segment_array(ctx, index, s, "lists.npy", "<i4", 2, shape, (const void **)&v->list));
    v->lists = shape[0];
    if (shape[1] != 3)
        return wni_segment_damaged(ctx, index, s, "lists.npy", "its shape does not fit");
    WNI_TRY(wni_segment_array(ctx, index, s, "leaf_start.npy", "<i8", 1, shape,
                              (const void **)&v->leaf_start));
    v->leaves = shape[0] - 1;
    WNI_TRY(wni_segment_array(ctx, index, s, "leaf_slots.npy", "<i4", 1, &leaf_slots,
                              (const void **)&v->leaf_slots));
    WNI_TRY(wni_segment_array(ctx, index, s, "slot_rows.npy", "<i4", 1, &rows,
                              (const void **)&v->rows));
    WNI_TRY(wni_segment_array(ctx, index, s, "tenant_start.npy", "<i8", 1, shape,
                              (const void **)&v->start));
    v->tenants = shape[0] - 1;
    WNI_TRY(wni_segment_array(ctx, index, s, "tenant_lists.npy", "<i4", 1, &tenants,
                              (const void **)&v->tenant_lists));
    if (v->leaves < 1 || v->tenants < 0 || tenants != v->tenants + 1 || rows != s->n ||
        leaf_slots != s->n || v->centers.n != v->leaves + v->lists + v->nodes)
        return wni_segment_damaged(ctx, index, s, "centers.npy",
                                   "it does not fit the arrays beside it");
    WNI_TRY(
        wni_segment_array(ctx, index, s, "ranks.npy", "<i4", 2, shape, (const void **)&v->ranks));
    v->n_ranks = shape[1];
    if (shape[0] != 2)
        return wni_segment_damaged(ctx, index, s, "ranks.npy", "its shape does not fit");
    for (int64_t i = 0; i < 2 * shape[1]; i++)
        if (v->ranks[i] < 0)
            return wni_segment_damaged(ctx, index, s, "ranks.npy", "a rank is below 0");
    WNI_TRY(open_names(ctx, index, s, v));
    WNI_TRY(check(ctx, index, s, v));
done:
    return st;
}

static wn_status tenants_open(wn_ctx *ctx, const wn_index *index, wni_segment *s)
{
    const wni_code_params code = wni_code_params_of(index->params);
    const float *spread;
    wni_tenants *v = NULL;
    int64_t spreads;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, v, 1);
    s->state = v;
    v->n = s->n;
    WNI_TRY(wni_open_centers(ctx, index, s, &v->centers, &v->own));
    WNI_TRY(open_tree(ctx, index, s, v));
    WNI_NEW(ctx, v->half, v->centers.n);
    WNI_TRY(
        wni_segment_array(ctx, index, s, "spread.npy", "<f4", 1, &spreads, (const void **)&spread));
    for (int64_t c = 0; c < wni_min(spreads, v->centers.n); c++)
        if (!(spread[c] >= 0 && spread[c] < INFINITY)) spreads = -1;
    if (spreads != v->centers.n) {
        st = wni_segment_damaged(ctx, index, s, "spread.npy", "it does not fit centers.npy");
        goto done;
    }
    WNI_TRY(wni_tenants_half(ctx, &v->centers, spread, v->half));
    WNI_TRY(wni_code_open(ctx, index, s, &code, &v->code));
done:
    if (st != WN_OK) tenants_close(ctx, s);
    return st;
}

/* ---- filters ------------------------------------------------------------------------------------------ */

static wn_status tenants_cover(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                               const wni_columns *asked, wni_cover *cover)
{
    const wni_tenants *v = s->state;
    int64_t t;

    (void)ctx;
    (void)index;
    if (!asked->tenant || (t = wni_tenants_find(v, asked->tenant)) == -2) return WN_OK;
    cover->tenant = 1;
    cover->first = t;
    if (t < 0) return WN_OK;
    cover->n = v->start[t + 1] - v->start[t];
    for (int64_t i = v->start[t]; s->dead && i < v->start[t + 1]; i++)
        cover->n -= wni_bit(s->dead, v->rows[i]);
    return WN_OK;
}

static wn_status tenants_mark(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              const wni_cover *cover, uint64_t *bits)
{
    const wni_tenants *v = s->state;
    const int64_t words = (s->n + 63) / 64, t = cover->first;
    uint64_t *own = NULL;
    wn_status st = WN_OK;

    (void)index;
    WNI_NEW0(ctx, own, words);
    for (int64_t i = t < 0 ? 0 : v->start[t]; t >= 0 && i < v->start[t + 1]; i++)
        own[v->rows[i] >> 6] |= (uint64_t)1 << (v->rows[i] & 63);
    for (int64_t w = 0; w < words; w++)
        bits[w] &= own[w];
done:
    wni_free(ctx, own);
    return st;
}

static void tenants_effort(const wn_index *index, const wni_segment *s, int64_t k, int64_t *low,
                           int64_t *high)
{
    const wni_tenants *v = s->state;

    (void)index;
    *low = wni_min(wni_min(2 * k, v->n) / wni_max(v->n / v->leaves, 1) + 1, v->leaves);
    *high = v->leaves;
}

static const wni_index_kind kind = {
    .estimate = tenants_estimate,
    .check = check_table,
    .build = tenants_build,
    .open = tenants_open,
    .close = tenants_close,
    .search = wni_tenants_search,
    .cost = wni_tenants_cost,
    .effort = tenants_effort,
    .cover = tenants_cover,
    .mark = tenants_mark,
};

const wn_method wni_method_index_tenants = {
    .family = "index",
    .name = "tenants",
    .summary = "one index for many tenants: a tree shared by all, in it a tree for each",
    .papers = "jin2024",
    .cost =
        "n d sqrt(n) to build; a query grows with the rows of its tenant; codes, 8 bytes a row, "
        "a centre for about 15 rows",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_tenants_params),
    .ops = &kind,
    .inputs = "pool table",
};
