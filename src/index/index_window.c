/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind window: a tree of graphs over the rows in the order of a column, for searches within a window of it.
 * engels2024 xu2024
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/param.h"
#include "index/index_search.h"
#include "index/window_impl.h"
#include "pool/decimal.h"

WN_PARAM_TABLE(wn_index_window_params, WN_INDEX_WINDOW_PARAMS);

#define TRIAL_ROWS 64 /* of a window on which recall is measured, at least */

/* ---- building ----------------------------------------------------------------------------------------- */

static wn_status window_estimate(wn_ctx *ctx, const wn_pool *rows, const void *params,
                                 wn_estimate *out)
{
    const wn_index_window_params *p = params;
    const int64_t n = wn_pool_rows(rows), ld = wni_ld(wn_pool_dim(rows));
    const wni_code_params code = wni_code_params_of(p);
    wni_layers tree;

    *out = (wn_estimate){0};
    wni_code_estimate(rows, &code, out);
    wni_layers_of(&tree, wni_max(n, 1), p->beta, p->leaf);
    out->peak_bytes = wni_max(out->peak_bytes + n * 12, wni_window_build_bytes(ctx, n, ld, p));
    out->flops +=
        (double)tree.layers * (double)n * (double)p->ef_construction * 40 * 2 * (double)ld;
    out->bytes_read += (3.0 + (double)tree.layers) * (double)n * (double)wn_pool_dim(rows) *
                       (double)wn_dtype_bytes(wn_pool_dtype(rows));
    return WN_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static void window_close(wn_ctx *ctx, wni_segment *s)
{
    wni_window *v = s->state;

    if (!v) return;
    wni_code_free(ctx, v->code);
    wni_free(ctx, v->node);
    wni_free(ctx, v->dead_before);
    wni_free(ctx, v);
    s->state = NULL;
}

/* One array of one number a row; n < 0: any length, which *n gets. */
static wn_status open_list(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                           const char *name, const char *descr, int64_t *n, const void **data)
{
    int64_t shape;
    wn_status st = wni_segment_array(ctx, index, s, name, descr, 1, &shape, data);

    if (st == WN_OK && *n >= 0 && shape != *n)
        st = wni_segment_damaged(ctx, index, s, name, "its length does not fit the rows");
    *n = shape;
    return st;
}

static wn_status out_of_range(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              const char *name, int64_t at, int64_t value, int64_t n)
{
    char what[96];

    snprintf(what, sizeof what, "entry %lld is %lld of %lld", (long long)at, (long long)value,
             (long long)n);
    return wni_segment_damaged(ctx, index, s, name, what);
}

static wn_status check_range(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             const char *name, const int32_t *v, int64_t count, int64_t low,
                             int64_t n)
{
    for (int64_t i = 0; i < count; i++) {
        wn_status st;

        if (v[i] < low || v[i] >= n) return out_of_range(ctx, index, s, name, i, v[i], n);
        if (i % 1048576 == 0 && (st = wni_poll(ctx)) != WN_OK) return st;
    }
    return WN_OK;
}

static wn_status open_column(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             wni_window *v)
{
    const int whole = wni_segment_has(index, s, "integers.npy");
    const char *name = whole ? "integers.npy" : "reals.npy";
    const void *data;
    int64_t n = s->n;
    wn_status st;

    v->numbers = -1;
    WNI_TRY(open_list(ctx, index, s, name, whole ? "<i8" : "<f8", &v->numbers, &data));
    if (v->numbers > n)
        return wni_segment_damaged(ctx, index, s, name, "there are more numbers than rows");
    v->whole = whole ? data : NULL;
    v->real = whole ? NULL : data;
    WNI_TRY(open_list(ctx, index, s, "order.npy", "<i8", &n, &data));
    v->order = data;
    for (int64_t i = 0; i < n; i++)
        if (v->order[i] < 0 || v->order[i] >= n)
            return out_of_range(ctx, index, s, "order.npy", i, v->order[i], n);
done:
    return st;
}

static wn_status open_equal(wn_ctx *ctx, const wn_index *index, const wni_segment *s, wni_window *v)
{
    int64_t n = s->n, classes = -1, count = -1;
    const void *data;
    wn_status st = WN_OK;

    if (!wni_segment_has(index, s, "classes.npy")) return WN_OK;
    WNI_TRY(open_list(ctx, index, s, "classes.npy", "<i4", &n, &data));
    v->class_of = data;
    WNI_TRY(open_list(ctx, index, s, "twins.npy", "<i4", &count, &data));
    v->twins = data;
    WNI_TRY(open_list(ctx, index, s, "twins_first.npy", "<i8", &classes, &data));
    v->class_first = data;
    classes--;
    if (classes < 1 || v->class_first[0] != 0 || v->class_first[classes] != count)
        return wni_segment_damaged(ctx, index, s, "twins_first.npy", "it does not fit twins.npy");
    for (int64_t i = 0; i < classes; i++)
        if (v->class_first[i] > v->class_first[i + 1])
            return wni_segment_damaged(ctx, index, s, "twins_first.npy", "it is not ascending");
    WNI_TRY(check_range(ctx, index, s, "classes.npy", v->class_of, n, -1, classes));
    WNI_TRY(check_range(ctx, index, s, "twins.npy", v->twins, count, 0, n));
done:
    return st;
}

/* Links above the lowest level lead to slots of their own level. */
static wn_status check_upper(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             const wni_window *v, const wni_hnsw *g, int64_t at)
{
    wn_status st = WN_OK;

    for (int32_t level = 1; level < g->levels - 1 && st == WN_OK; level++) {
        st = check_range(ctx, index, s, "upper.npy", v->upper + at * v->m, g->size[level] * v->m,
                         -1, g->size[level]);
        at += g->size[level];
    }
    return st;
}

static wn_status open_graphs(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             wni_window *v)
{
    const wni_layers *tree = &v->tree;
    int64_t shape[2], heads = 0, upper = 0, all = tree->all, n_heads, n_upper;
    const int64_t *distinct;
    const void *data;
    wni_hnsw g;
    wn_status st;

    WNI_TRY(open_list(ctx, index, s, "nodes.npy", "<i8", &all, &data));
    distinct = data;
    WNI_TRY(wni_segment_array(ctx, index, s, "graph.npy", "<i4", 2, shape, &data));
    if (shape[0] != tree->layers * s->n || shape[1] != 2 * (int64_t)v->m)
        return wni_segment_damaged(ctx, index, s, "graph.npy", "its shape does not fit the rows");
    v->links = data;
    WNI_TRY(check_range(ctx, index, s, "graph.npy", data, shape[0] * shape[1], -1, s->n));
    WNI_TRY(wni_segment_array(ctx, index, s, "heads.npy", "<i4", 2, shape, &data));
    n_heads = shape[1] == 1 ? shape[0] : -1;
    v->heads = data;
    WNI_TRY(wni_segment_array(ctx, index, s, "upper.npy", "<i4", 2, shape, &data));
    n_upper = shape[1] == v->m ? shape[0] : -1;
    v->upper = data;
    WNI_NEW(ctx, v->node, all);
    for (int64_t i = 0; i < all; i++) {
        if (distinct[i] < 1 || distinct[i] > s->n)
            return out_of_range(ctx, index, s, "nodes.npy", i, distinct[i], s->n);
        v->node[i] = (wni_window_node){distinct[i], heads, upper};
        wni_hnsw_sizes(&g, distinct[i], v->m);
        heads += wni_window_heads(&g);
        upper += wni_window_upper(&g);
    }
    if (heads != n_heads)
        return wni_segment_damaged(ctx, index, s, "heads.npy", "its length does not fit nodes.npy");
    if (upper != n_upper)
        return wni_segment_damaged(ctx, index, s, "upper.npy", "its shape does not fit nodes.npy");
    WNI_TRY(check_range(ctx, index, s, "heads.npy", v->heads, heads, 0, s->n));
    for (int64_t i = 0; i < all; i++) {
        wni_hnsw_sizes(&g, distinct[i], v->m);
        WNI_TRY(check_upper(ctx, index, s, v, &g, v->node[i].upper));
    }
done:
    return st;
}

static wn_status count_dead(wn_ctx *ctx, const wni_segment *s, wni_window *v)
{
    int32_t dead = 0;
    wn_status st = WN_OK;

    if (!s->dead) return WN_OK;
    WNI_NEW(ctx, v->dead_before, s->n / 64 + 1);
    for (int64_t i = 0; i < s->n; i++) {
        if (i % 64 == 0) v->dead_before[i / 64] = dead;
        dead += wni_bit(s->dead, v->order[i]);
    }
    if (s->n % 64 == 0) v->dead_before[s->n / 64] = dead;
done:
    return st;
}

static wn_status window_open(wn_ctx *ctx, const wn_index *index, wni_segment *s)
{
    const wn_index_window_params *p = index->params;
    const wni_code_params code = wni_code_params_of(p);
    wni_window *v = NULL;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, v, 1);
    s->state = v;
    v->m = p->m;
    wni_layers_of(&v->tree, s->n, p->beta, p->leaf);
    WNI_TRY(open_column(ctx, index, s, v));
    WNI_TRY(open_equal(ctx, index, s, v));
    WNI_TRY(open_graphs(ctx, index, s, v));
    WNI_TRY(count_dead(ctx, s, v));
    WNI_TRY(wni_code_open(ctx, index, s, &code, &v->code));
done:
    if (st != WN_OK) window_close(ctx, s);
    return st;
}

/* ---- windows ------------------------------------------------------------------------------------------ */

static uint64_t key_at(const wni_window *v, int64_t i)
{
    return v->whole ? (uint64_t)v->whole[i] ^ (uint64_t)1 << 63
                    : wni_key_of_double(v->real[i] + 0.0);
}

/* The first place whose number is at least `key`, or above it. */
static int64_t place_of(const wni_window *v, uint64_t key, int above)
{
    int64_t low = 0, high = v->numbers;

    while (low < high) {
        const int64_t mid = low + (high - low) / 2;
        const uint64_t k = key_at(v, mid);

        if (above ? k <= key : k < key)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Where a window starts (`high` 0) or ends. */
static int64_t bound(const wni_window *v, const char *text, int high)
{
    char buf[WNI_DECIMAL_BYTES], *end;
    double x = 0;
    long long whole;

    wni_decimal(text, (int64_t)strlen(text), buf, &x);
    if (!v->whole) return place_of(v, wni_key_of_double(x + 0.0), high);
    errno = 0;
    whole = strtoll(text, &end, 10);
    if (*end || errno) {
        x = high ? floor(x) : ceil(x);
        if (x >= 0x1p63) return v->numbers;
        if (x < -0x1p63) return 0;
        whole = (long long)x;
    }
    return place_of(v, (uint64_t)whole ^ (uint64_t)1 << 63, high);
}

/* Deleted rows in places before i. */
static int64_t dead_before(const wni_segment *s, const wni_window *v, int64_t i)
{
    int64_t dead = v->dead_before[i / 64];

    for (int64_t j = i / 64 * 64; j < i; j++)
        dead += wni_bit(s->dead, v->order[j]);
    return dead;
}

static void count_alive(const wni_segment *s, const wni_window *v, wni_cover *cover)
{
    cover->n = cover->end - cover->first;
    if (v->dead_before) cover->n -= dead_before(s, v, cover->end) - dead_before(s, v, cover->first);
}

static wn_status window_cover(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              const wni_columns *asked, wni_cover *cover)
{
    const wn_index_window_params *p = index->params;
    const wni_window *v = s->state;

    (void)ctx;
    if (!asked->window || strcmp(asked->window, p->column) != 0) return WN_OK;
    cover->window = 1;
    cover->first = bound(v, asked->low, 0);
    cover->end = wni_max(bound(v, asked->high, 1), cover->first);
    count_alive(s, v, cover);
    return WN_OK;
}

static wn_status window_mark(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             const wni_cover *cover, uint64_t *bits)
{
    const wni_window *v = s->state;
    const int64_t words = (s->n + 63) / 64;
    uint64_t *in = NULL;
    wn_status st = WN_OK;

    (void)index;
    WNI_NEW0(ctx, in, words);
    for (int64_t i = cover->first; i < cover->end; i++)
        in[v->order[i] >> 6] |= (uint64_t)1 << (v->order[i] & 63);
    for (int64_t w = 0; w < words; w++)
        bits[w] &= in[w];
done:
    wni_free(ctx, in);
    return st;
}

static void window_place(const wni_segment *s, const uint64_t *allowed, uint64_t *slots)
{
    const wni_window *v = s->state;

    for (int64_t i = 0; i < s->n; i++)
        slots[i >> 6] |= (uint64_t)wni_bit(allowed, v->order[i]) << (i & 63);
}

/* Windows of all numbers, of a half of them, and so on: the fewer lie in a window, the farther they are apart. */
static int window_trial(const wn_index *index, const wni_segment *s, int32_t i, wni_cover *cover)
{
    const wni_window *v = s->state;
    const int64_t rows = v->numbers >> i;

    (void)index;
    if (i > 4 || rows < TRIAL_ROWS) return 0;
    cover->window = 1;
    cover->first = (v->numbers - rows) * 2 / 5;
    cover->end = cover->first + rows;
    count_alive(s, v, cover);
    return 1;
}

static void window_effort(const wn_index *index, const wni_segment *s, int64_t k, int64_t *low,
                          int64_t *high)
{
    (void)index;
    *low = wni_min(k, s->n);
    *high = wni_min(wni_max(64 * k, 4096), s->n);
}

static const wni_index_kind kind = {
    .estimate = window_estimate,
    .build = wni_window_build,
    .open = window_open,
    .close = window_close,
    .search = wni_window_search,
    .cost = wni_window_cost,
    .effort = window_effort,
    .check = wni_window_check,
    .cover = window_cover,
    .mark = window_mark,
    .place = window_place,
    .trial = window_trial,
};

const wn_method wni_method_index_window = {
    .family = "index",
    .name = "window",
    .summary = "graphs over ranges of a column: the nearest rows within any window of it",
    .papers = "engels2024 xu2024",
    .cost =
        "a graph like that of index hnsw for every layer, log(n / leaf) / log(beta) + 1 of them; "
        "8 m bytes a row and layer, and codes",
    .flags = WN_METHOD_SEEDED,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_window_params),
    .ops = &kind,
    .inputs = "pool table",
};
