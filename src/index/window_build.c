/* SPDX-License-Identifier: Apache-2.0
 *
 * Making the tree of the kind window: the order of the column, and a graph for every range of it.
 */
#include <string.h>

#include "index/hnsw_impl.h"
#include "index/window_impl.h"
#include "pool/table_impl.h"

#define CHUNK 4096 /* rows of links that are written at a time */

/* ---- the shape ---------------------------------------------------------------------------------------- */

void wni_layers_of(wni_layers *l, int64_t n, int32_t beta, int64_t leaf)
{
    int64_t parts = 1, rows;

    *l = (wni_layers){.n = n, .layers = 1};
    while ((n + parts - 1) / parts > leaf) {
        parts *= beta;
        l->layers++;
    }
    rows = (n + parts - 1) / parts;
    for (int32_t t = l->layers - 1; t >= 0; t--, rows *= beta)
        l->rows[t] = rows;
    for (int32_t t = 0; t < l->layers; t++) {
        l->nodes[t] = (n + l->rows[t] - 1) / l->rows[t];
        l->first[t] = l->all;
        l->all += l->nodes[t];
    }
}

int64_t wni_window_upper(const wni_hnsw *g)
{
    int64_t rows = 0;

    for (int32_t level = 1; level < g->levels - 1; level++)
        rows += g->size[level];
    return rows;
}

/* ---- the column --------------------------------------------------------------------------------------- */

static wn_status find_column(wn_ctx *ctx, const wn_index_window_params *p, const wn_table *t,
                             int32_t *column)
{
    *column = wn_table_column_find(t, p->column);
    if (*column < 0) {
        const char *nearest = wni_table_nearest(t, p->column);
        return wni_fail(ctx, WN_E_USAGE,
                        "index window: the table has no column '%.64s'%s%s%s; name one of its "
                        "columns with --column",
                        p->column, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                        nearest ? "'?" : "");
    }
    if (strcmp(wn_table_column_type(t, *column), "TEXT") == 0)
        return wni_fail(ctx, WN_E_USAGE,
                        "index window: column '%.64s' holds text, expected numbers; name a column "
                        "of numbers with --column",
                        p->column);
    return WN_OK;
}

static wn_status open_table(wn_ctx *ctx, const wni_index_build *b, wn_table **t, int32_t *column)
{
    const wn_index_window_params *p = b->params;
    wn_status st;

    *t = NULL;
    if (!b->table)
        return wni_fail(ctx, WN_E_USAGE,
                        "index window: there is no table; give --table with a record for each row, "
                        "or use `winnow index hnsw`");
    if ((st = wn_table_open(ctx, b->table, t)) != WN_OK) return st;
    return find_column(ctx, p, *t, column);
}

wn_status wni_window_check(wn_ctx *ctx, const wni_index_build *b)
{
    wn_table *t = NULL;
    int32_t column;
    wn_status st = open_table(ctx, b, &t, &column);

    wn_table_free(t);
    return st;
}

/* Writes the numbers in ascending order; order (n) gets the position of each place: rows with a number by it, at a
 * tie as they came, then the others. */
static wn_status sort_rows(wn_ctx *ctx, const wni_index_build *b, int64_t n, int64_t *order)
{
    wn_table *t = NULL;
    wni_keyed *key = NULL;
    int64_t *whole = NULL, numbers = 0, others;
    double *real = NULL;
    uint64_t *present = NULL;
    int32_t column = -1;
    wn_status st;

    WNI_TRY(open_table(ctx, b, &t, &column));
    WNI_NEW(ctx, present, (n + 63) / 64);
    WNI_NEW(ctx, key, n);
    if (strcmp(wn_table_column_type(t, column), "INTEGER") == 0)
        WNI_NEW(ctx, whole, n);
    else
        WNI_NEW(ctx, real, n);
    WNI_TRY(wni_table_numbers(t, column, real, whole, present));
    for (int64_t i = 0; i < n; i++)
        if (wni_bit(present, i))
            key[numbers++] = (wni_keyed){whole ? (uint64_t)whole[i] ^ (uint64_t)1 << 63
                                               : wni_key_of_double(real[i] + 0.0),
                                         i};
    WNI_TRY(wni_keyed_sort_long(ctx, key, numbers));
    others = numbers;
    for (int64_t i = 0; i < n; i++)
        if (!wni_bit(present, i)) order[others++] = i;
    for (int64_t i = 0; i < numbers; i++) {
        order[i] = key[i].row;
        if (whole) /* the numbers, over the keys that are used already */
            key[i].key ^= (uint64_t)1 << 63;
        else
            memcpy(&key[i].key, &real[order[i]], sizeof key[i].key);
    }
    for (int64_t i = 0; i < numbers; i++)
        memcpy((uint64_t *)key + i, &key[i].key, sizeof(uint64_t));
    WNI_TRY(wni_build_npy(b, whole ? "integers.npy" : "reals.npy", whole ? "<i8" : "<f8", 8,
                          &numbers, 1, key));
    WNI_TRY(wni_build_npy(b, "order.npy", "<i8", sizeof *order, &n, 1, order));
    if (b->run) WNI_TRY(wni_record_int(b->run, "rows_without_number", n - numbers));
done:
    wn_table_free(t);
    wni_free(ctx, present);
    wni_free(ctx, key);
    wni_free(ctx, whole);
    wni_free(ctx, real);
    return st;
}

/* ---- equal rows --------------------------------------------------------------------------------------- */

typedef struct build {
    const wni_index_build *b;
    const wn_index_window_params *p;
    wni_layers tree;
    int64_t *order;    /* (n) */
    int32_t *place;    /* (n) of each position */
    int32_t *class_of; /* (n) by place; NULL = all rows differ */
    int32_t *prev;     /* (n) the equal row before a place, -1 = none; with class_of */
    int64_t *distinct; /* (nodes of the tree) */
    wni_npy_writer *links, *heads, *upper;
    int32_t *chunk; /* (CHUNK, 2 m) */
    int32_t *slot;  /* (n) slot of each place in the graph in progress */
    int32_t *rep;   /* (n) the place that stands for each place there; with class_of */
} build;

static wn_status write_classes(wn_ctx *ctx, build *w, const int64_t *first_of)
{
    const int64_t n = w->tree.n;
    int64_t classes = 0, count = 0, *first = NULL, shape;
    int32_t *number = NULL, *twins = NULL, *last = NULL;
    wn_status st;

    /* number: class of the first row of each, by position; -2 = it has equals but no number yet. */
    WNI_NEW(ctx, number, n);
    WNI_NEW(ctx, w->class_of, n);
    WNI_NEW(ctx, w->prev, n);
    memset(number, -1, (size_t)n * sizeof *number);
    for (int64_t i = 0; i < n; i++)
        if (first_of[i] != i) number[first_of[i]] = -2;
    for (int64_t i = 0; i < n; i++)
        if (number[i] == -2) number[i] = (int32_t)classes++;
    WNI_NEW0(ctx, first, classes + 2);
    for (int64_t i = 0; i < n; i++) {
        const int32_t c = number[first_of[w->order[i]]];

        w->class_of[i] = c;
        count += c >= 0;
        if (c >= 0) first[c + 2]++;
    }
    WNI_NEW(ctx, twins, count);
    WNI_NEW(ctx, last, classes);
    memset(last, -1, (size_t)classes * sizeof *last);
    for (int64_t c = 2; c <= classes + 1; c++)
        first[c] += first[c - 1];
    for (int64_t i = 0; i < n; i++) {
        const int32_t c = w->class_of[i];

        w->prev[i] = -1;
        if (c < 0) continue;
        w->prev[i] = last[c];
        last[c] = (int32_t)i;
        twins[first[c + 1]++] = (int32_t)i;
    }
    shape = classes + 1;
    WNI_TRY(wni_build_npy(w->b, "classes.npy", "<i4", sizeof *w->class_of, &n, 1, w->class_of));
    WNI_TRY(wni_build_npy(w->b, "twins_first.npy", "<i8", sizeof *first, &shape, 1, first));
    WNI_TRY(wni_build_npy(w->b, "twins.npy", "<i4", sizeof *twins, &count, 1, twins));
done:
    wni_free(ctx, number);
    wni_free(ctx, first);
    wni_free(ctx, twins);
    wni_free(ctx, last);
    return st;
}

static wn_status find_equal(wn_ctx *ctx, build *w)
{
    int64_t *kept = NULL, *first_of = NULL, nodes;
    wn_status st;

    WNI_TRY(wni_hnsw_distinct(ctx, w->b->rows, &nodes, &kept, &first_of));
    if (first_of) WNI_TRY(write_classes(ctx, w, first_of));
    if (w->b->run && first_of) WNI_TRY(wni_record_int(w->b->run, "equal_rows", w->tree.n - nodes));
done:
    wni_free(ctx, kept);
    wni_free(ctx, first_of);
    return st;
}

/* Whether a place stands for its equals in the range from `first` on. */
static int leads(const build *w, int64_t place, int64_t first)
{
    return !w->prev || w->prev[place] < first;
}

/* ---- graphs ------------------------------------------------------------------------------------------- */

/* How many nodes the graphs have, and room for what is above their lowest levels. */
static wn_status count_nodes(wn_ctx *ctx, build *w)
{
    int64_t heads = 0, upper = 0;
    wni_hnsw g;
    wn_status st;

    WNI_NEW0(ctx, w->distinct, w->tree.all);
    for (int32_t t = 0; t < w->tree.layers; t++) {
        const int64_t rows = w->tree.rows[t];

        for (int64_t i = 0; i < w->tree.n; i++)
            w->distinct[w->tree.first[t] + i / rows] += leads(w, i, i / rows * rows);
        WNI_TRY(wni_poll(ctx));
    }
    for (int64_t i = 0; i < w->tree.all; i++) {
        wni_hnsw_sizes(&g, w->distinct[i], w->p->m);
        heads += wni_window_heads(&g);
        upper += wni_window_upper(&g);
    }
    WNI_TRY(
        wni_build_npy(w->b, "nodes.npy", "<i8", sizeof *w->distinct, &w->tree.all, 1, w->distinct));
    WNI_TRY(wni_build_writer(w->b, "graph.npy", "<i4", 4, w->tree.layers * w->tree.n,
                             2 * (int64_t)w->p->m, &w->links));
    WNI_TRY(wni_build_writer(w->b, "heads.npy", "<i4", 4, heads, 1, &w->heads));
    WNI_TRY(wni_build_writer(w->b, "upper.npy", "<i4", 4, upper, w->p->m, &w->upper));
done:
    return st;
}

/* The graph of places first..end, its slots turned into places. */
static wn_status write_graph(wn_ctx *ctx, build *w, const wni_hnsw_new *h, int64_t first,
                             int64_t end)
{
    const int64_t room = wni_hnsw_room(&h->g, 0), heads = wni_window_heads(&h->g);
    wn_status st = WN_OK;

    for (int64_t s = 0; s < h->g.nodes; s++)
        w->slot[w->place[h->order[s]]] = (int32_t)s;
    for (int64_t i = first; w->rep && i < end; i++)
        w->rep[i] = leads(w, i, first) ? (int32_t)i : w->rep[w->prev[i]];
    for (int64_t at = first; at < end; at += CHUNK) {
        const int64_t m = wni_min(CHUNK, end - at);

        memset(w->chunk, -1, (size_t)(m * room) * sizeof *w->chunk);
        for (int64_t i = 0; i < m && h->links[0]; i++) {
            const int64_t from = w->rep ? w->rep[at + i] : at + i;
            const int32_t *links = h->links[0] + w->slot[from] * room;

            for (int64_t j = 0; j < room && links[j] >= 0; j++)
                w->chunk[i * room + j] = w->place[h->order[links[j]]];
        }
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wni_npy_writer_add(w->links, m, w->chunk));
    }
    for (int64_t at = 0; at < heads; at += CHUNK) {
        const int64_t m = wni_min(CHUNK, heads - at);

        for (int64_t i = 0; i < m; i++)
            w->chunk[i] = w->place[h->order[at + i]];
        WNI_TRY(wni_npy_writer_add(w->heads, m, w->chunk));
    }
    for (int32_t level = 1; level < h->g.levels - 1; level++)
        WNI_TRY(wni_npy_writer_add(w->upper, h->g.size[level], h->links[level]));
done:
    return st;
}

static wn_status build_node(wn_ctx *ctx, build *w, int32_t layer, int64_t node)
{
    const int64_t first = node * w->tree.rows[layer];
    const int64_t end = wni_min(first + w->tree.rows[layer], w->tree.n);
    const int64_t distinct = w->distinct[w->tree.first[layer] + node];
    wni_hnsw_new h = {.kernels = wni_kernels_of(ctx),
                      .pool = w->b->rows,
                      .ef = w->p->ef_construction,
                      .seed = w->p->seed,
                      .ld = wni_ld(wn_pool_dim(w->b->rows))};
    int64_t n = 0;
    wn_status st;

    WNI_NEW(ctx, h.order, distinct);
    for (int64_t i = first; i < end; i++)
        if (leads(w, i, first)) h.order[n++] = w->order[i];
    wni_hnsw_sizes(&h.g, distinct, w->p->m);
    WNI_TRY(wni_hnsw_grow(ctx, &h));
    WNI_TRY(write_graph(ctx, w, &h, first, end));
done:
    wni_hnsw_new_free(ctx, &h);
    return st;
}

static wn_status end_writer(wni_npy_writer **writer, wn_status st)
{
    wn_status end = WN_OK;

    if (*writer) end = wni_npy_writer_end(*writer, st == WN_OK);
    *writer = NULL;
    return st == WN_OK ? end : st;
}

static wn_status build_graphs(wn_ctx *ctx, build *w)
{
    wn_status st;

    WNI_NEW(ctx, w->chunk, CHUNK * 2 * (int64_t)w->p->m);
    WNI_NEW(ctx, w->slot, w->tree.n);
    if (w->class_of) WNI_NEW(ctx, w->rep, w->tree.n);
    WNI_TRY(count_nodes(ctx, w));
    for (int32_t t = 0; t < w->tree.layers; t++)
        for (int64_t i = 0; i < w->tree.nodes[t]; i++)
            WNI_TRY(build_node(ctx, w, t, i));
done:
    st = end_writer(&w->links, st);
    st = end_writer(&w->heads, st);
    return end_writer(&w->upper, st);
}

wn_status wni_window_build(wn_ctx *ctx, const wni_index_build *b)
{
    const wn_index_window_params *p = b->params;
    const wni_code_params code = wni_code_params_of(p);
    const int64_t n = wn_pool_rows(b->rows);
    build w = {.b = b, .p = p};
    wn_status st = WN_OK;

    if (n > INT32_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "index window: %lld rows, expected at most 2147483647 in one segment: make "
                        "several indexes",
                        (long long)n);
    wni_layers_of(&w.tree, n, p->beta, p->leaf);
    WNI_NEW(ctx, w.order, n);
    WNI_NEW(ctx, w.place, n);
    WNI_TRY(sort_rows(ctx, b, n, w.order));
    for (int64_t i = 0; i < n; i++)
        w.place[w.order[i]] = (int32_t)i;
    WNI_TRY(find_equal(ctx, &w));
    WNI_TRY(build_graphs(ctx, &w));
    WNI_TRY(wni_code_build(ctx, b, &code, w.order, n));
done:
    wni_free(ctx, w.order);
    wni_free(ctx, w.place);
    wni_free(ctx, w.class_of);
    wni_free(ctx, w.prev);
    wni_free(ctx, w.distinct);
    wni_free(ctx, w.chunk);
    wni_free(ctx, w.slot);
    wni_free(ctx, w.rep);
    return st;
}

int64_t wni_window_build_bytes(wn_ctx *ctx, int64_t n, int64_t ld, const wn_index_window_params *p)
{
    const int64_t kept = n * (8 + 4 + 4 + 4); /* order, place; class, the equal row before */
    const int64_t sorting = n * (16 + 8) + n / 8;
    const int64_t equal = wni_max(wni_hnsw_distinct_bytes(ctx, n, ld), n * (8 + 8 + 8 + 4 + 8 + 4));
    const int64_t growing = n * (8 + 4 + 4) + CHUNK * 8 * (int64_t)p->m +
                            wni_hnsw_grow_bytes(ctx, n, ld, p->m, p->ef_construction);

    return kept + wni_max(wni_max(sorting, equal), growing);
}
