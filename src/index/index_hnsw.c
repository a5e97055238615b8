/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind hnsw: what of the graph is written and checked, and the ways a search takes. malkov2020
 */
#include <math.h>

#include "base/param.h"
#include "index/code.h"
#include "index/hnsw_impl.h"

WN_PARAM_TABLE(wn_index_hnsw_params, WN_INDEX_HNSW_PARAMS);

#define QUERIES 4     /* of a range, when the beam is not long */
#define LONG    512   /* beam */
#define EF_MOST 16384 /* width of a beam; who wants more has the exact scan */

#define HIGH      12 /* width of the beam above the base level */
#define HIGH_MOST 16 /* the same under a filter */

#define SWEEP_SHARE \
    0.25        /* of the nodes about a query: where more are allowed, all are gone through */
#define PRIOR 8 /* nodes about a query that the share of all rows counts for */
#define AMONG \
    0.15 /* a smaller share makes the hits of a sweep worse: it goes on for more of them */
#define BRIDGED    0.7  /* the same of bridges */
#define SWEEP_MOST 4096 /* width of a sweep */
#define HOLE       32   /* nodes that show whether there are matches about a query */
#define NEARLY_ALL 0.9  /* a few rows deleted: no filter to speak of */
#define FEW        8    /* queries that the exact scan compares row by row */

/* ---- building ----------------------------------------------------------------------------------------- */

static wn_status hnsw_estimate(wn_ctx *ctx, const wn_pool *rows, const void *params,
                               wn_estimate *out)
{
    const wn_index_hnsw_params *p = params;
    const int64_t n = wn_pool_rows(rows), ld = wni_ld(wn_pool_dim(rows));
    const wni_code_params code = wni_code_params_of(p);
    const int64_t order = n * 16; /* and the first of equal rows */
    int64_t peak = wni_max(wni_hnsw_distinct_bytes(ctx, n, ld),
                           wni_hnsw_grow_bytes(ctx, n, ld, p->m, p->ef_construction));

    *out = (wn_estimate){0};
    wni_code_estimate(rows, &code, out);
    out->peak_bytes = order + wni_max(peak, wni_max(out->peak_bytes, n * 32));
    out->flops += (double)n * (double)p->ef_construction * 40 * 2 * (double)ld;
    out->bytes_read +=
        4.0 * (double)n * (double)wn_pool_dim(rows) * (double)wn_dtype_bytes(wn_pool_dtype(rows));
    return WN_OK;
}

static wn_status write_graph(wn_ctx *ctx, const wni_index_build *b, const wni_hnsw_new *h)
{
    int64_t shape[2] = {h->g.nodes, 2 * (int64_t)h->g.m};
    wni_npy_writer *writer = NULL;
    wn_status st = WN_OK;

    WNI_TRY(wni_build_npy(b, "order.npy", "<i8", sizeof *h->order, shape, 1, h->order));
    if (h->g.levels == 1) goto done;
    WNI_TRY(wni_build_npy(b, "graph.npy", "<i4", sizeof(int32_t), shape, 2, h->links[0]));
    shape[0] = 0;
    for (int32_t level = 1; level < h->g.levels - 1; level++)
        shape[0] += h->g.size[level];
    WNI_TRY(wni_build_writer(b, "upper.npy", "<i4", sizeof(int32_t), shape[0], h->g.m, &writer));
    for (int32_t level = 1; level < h->g.levels - 1; level++) {
        WNI_TRY(wni_npy_writer_add(writer, h->g.size[level], h->links[level]));
        WNI_TRY(wni_poll(ctx));
    }
    st = wni_npy_writer_end(writer, 1);
    writer = NULL;
done:
    if (writer) wni_npy_writer_end(writer, 0);
    return st;
}

/* The other rows of each node, in the order of slots, then of positions. */
static wn_status write_twins(wn_ctx *ctx, const wni_index_build *b, const wni_hnsw_new *h,
                             const int64_t *first_of)
{
    const int64_t n = wn_pool_rows(b->rows), more = h->g.nodes + 1;
    const int64_t count = n - h->g.nodes;
    int64_t *slot = NULL, *first = NULL, *twins = NULL;
    wn_status st = WN_OK;

    if (!first_of) return WN_OK;
    WNI_NEW(ctx, slot, n);
    WNI_NEW0(ctx, first, more + 1);
    WNI_NEW(ctx, twins, count);
    for (int64_t i = 0; i < h->g.nodes; i++)
        slot[h->order[i]] = i;
    /* first[s + 2] counts, then first[s + 1] is where the next twin of s goes. */
    for (int64_t i = 0; i < n; i++)
        if (first_of[i] != i) first[slot[first_of[i]] + 2]++;
    for (int64_t i = 2; i <= more; i++)
        first[i] += first[i - 1];
    for (int64_t i = 0; i < n; i++)
        if (first_of[i] != i) twins[first[slot[first_of[i]] + 1]++] = i;
    WNI_TRY(wni_build_npy(b, "twins_first.npy", "<i8", sizeof *first, &more, 1, first));
    WNI_TRY(wni_build_npy(b, "twins.npy", "<i8", sizeof *twins, &count, 1, twins));
done:
    wni_free(ctx, slot);
    wni_free(ctx, first);
    wni_free(ctx, twins);
    return st;
}

static wn_status hnsw_build(wn_ctx *ctx, const wni_index_build *b)
{
    const wn_index_hnsw_params *p = b->params;
    const wni_code_params code = wni_code_params_of(p);
    wni_hnsw_new h = {.kernels = wni_kernels_of(ctx),
                      .pool = b->rows,
                      .ef = p->ef_construction,
                      .seed = p->seed,
                      .ld = wni_ld(wn_pool_dim(b->rows))};
    int64_t *first_of = NULL, *order = NULL, nodes;
    wn_status st = WN_OK;

    if (wn_pool_rows(b->rows) > INT32_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "index hnsw: %lld rows, expected at most 2147483647 in one segment: make "
                        "several indexes, or use `winnow index disk`",
                        (long long)wn_pool_rows(b->rows));
    WNI_TRY(wni_hnsw_distinct(ctx, b->rows, &nodes, &h.order, &first_of));
    wni_hnsw_sizes(&h.g, nodes, p->m);
    WNI_TRY(wni_hnsw_grow(ctx, &h));
    WNI_TRY(write_graph(ctx, b, &h));
    WNI_TRY(write_twins(ctx, b, &h, first_of));
    if (b->run && first_of)
        WNI_TRY(wni_record_int(b->run, "equal_rows", wn_pool_rows(b->rows) - nodes));
    order = h.order;
    h.order = NULL;
    wni_hnsw_new_free(ctx, &h);
    h = (wni_hnsw_new){0};
    WNI_TRY(wni_code_build(ctx, b, &code, order, nodes));
done:
    wni_hnsw_new_free(ctx, &h);
    wni_free(ctx, order);
    wni_free(ctx, first_of);
    return st;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

typedef struct hnsw {
    wni_hnsw g;
    wni_hnsw_allow rows; /* without the bits */
    wni_code *code;
} hnsw;

static wn_status check_links(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             const char *name, const int32_t *links, int64_t n, int64_t room)
{
    for (int64_t i = 0; i < n; i++) {
        const int32_t *at = links + i * room;
        wn_status st;

        for (int64_t j = 0; j < room; j++)
            if (at[j] < -1 || at[j] >= n) {
                char what[96];

                snprintf(what, sizeof what, "a link of node %lld leads to %d of %lld nodes",
                         (long long)i, (int)at[j], (long long)n);
                return wni_segment_damaged(ctx, index, s, name, what);
            }
        if (i % 65536 == 0 && (st = wni_poll(ctx)) != WN_OK) return st;
    }
    return WN_OK;
}

static wn_status open_links(wn_ctx *ctx, const wn_index *index, const wni_segment *s, wni_hnsw *g)
{
    int64_t shape[2], upper = 0;
    const void *data;
    wn_status st = WN_OK;

    if (g->levels == 1) return WN_OK;
    WNI_TRY(wni_segment_array(ctx, index, s, "graph.npy", "<i4", 2, shape, &data));
    if (shape[0] != g->nodes || shape[1] != 2 * (int64_t)g->m)
        return wni_segment_damaged(ctx, index, s, "graph.npy", "its shape does not fit order.npy");
    g->links[0] = data;
    WNI_TRY(check_links(ctx, index, s, "graph.npy", data, g->nodes, shape[1]));
    for (int32_t level = 1; level < g->levels - 1; level++)
        upper += g->size[level];
    WNI_TRY(wni_segment_array(ctx, index, s, "upper.npy", "<i4", 2, shape, &data));
    if (shape[0] != upper || shape[1] != g->m)
        return wni_segment_damaged(ctx, index, s, "upper.npy", "its shape does not fit order.npy");
    upper = 0;
    for (int32_t level = 1; level < g->levels - 1; level++) {
        g->links[level] = (const int32_t *)data + upper * g->m;
        WNI_TRY(check_links(ctx, index, s, "upper.npy", g->links[level], g->size[level], g->m));
        upper += g->size[level];
    }
done:
    return st;
}

static wn_status check_rows(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                            const char *name, const int64_t *row, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (row[i] < 0 || row[i] >= s->n) {
            char what[96];

            snprintf(what, sizeof what, "entry %lld is row %lld of %lld", (long long)i,
                     (long long)row[i], (long long)s->n);
            return wni_segment_damaged(ctx, index, s, name, what);
        }
    return WN_OK;
}

static wn_status open_rows(wn_ctx *ctx, const wn_index *index, const wni_segment *s, hnsw *h,
                           int64_t *nodes)
{
    const void *data;
    int64_t n;
    wn_status st = WN_OK;

    WNI_TRY(wni_segment_array(ctx, index, s, "order.npy", "<i8", 1, nodes, &data));
    if (*nodes < 1 || *nodes > s->n)
        return wni_segment_damaged(ctx, index, s, "order.npy", "its length does not fit the rows");
    h->rows.order = data;
    WNI_TRY(check_rows(ctx, index, s, "order.npy", data, *nodes));
    if (*nodes == s->n) goto done;
    WNI_TRY(wni_segment_array(ctx, index, s, "twins.npy", "<i8", 1, &n, &data));
    if (n != s->n - *nodes)
        return wni_segment_damaged(ctx, index, s, "twins.npy", "its length does not fit the rows");
    h->rows.twins = data;
    WNI_TRY(check_rows(ctx, index, s, "twins.npy", data, n));
    WNI_TRY(wni_segment_array(ctx, index, s, "twins_first.npy", "<i8", 1, &n, &data));
    h->rows.twins_first = data;
    if (n != *nodes + 1 || h->rows.twins_first[0] != 0 ||
        h->rows.twins_first[*nodes] != s->n - *nodes)
        return wni_segment_damaged(ctx, index, s, "twins_first.npy", "it does not fit the rows");
    for (int64_t i = 0; i < *nodes; i++)
        if (h->rows.twins_first[i] > h->rows.twins_first[i + 1])
            return wni_segment_damaged(ctx, index, s, "twins_first.npy", "it is not ascending");
done:
    return st;
}

static void hnsw_close(wn_ctx *ctx, wni_segment *s)
{
    hnsw *h = s->state;

    if (!h) return;
    wni_code_free(ctx, h->code);
    wni_free(ctx, h);
    s->state = NULL;
}

static wn_status hnsw_open(wn_ctx *ctx, const wn_index *index, wni_segment *s)
{
    const wn_index_hnsw_params *p = index->params;
    const wni_code_params code = wni_code_params_of(p);
    wni_segment nodes = *s;
    hnsw *h = NULL;
    int64_t n;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, h, 1);
    s->state = h;
    WNI_TRY(open_rows(ctx, index, s, h, &n));
    wni_hnsw_sizes(&h->g, n, p->m);
    WNI_TRY(open_links(ctx, index, s, &h->g));
    nodes.n = n; /* one code a node */
    WNI_TRY(wni_code_open(ctx, index, &nodes, &code, &h->code));
done:
    if (st != WN_OK) hnsw_close(ctx, s);
    return st;
}

/* ---- searching ---------------------------------------------------------------------------------------- */

typedef struct way {
    int filtered;
    int promised;      /* nearly no filter: what an effort finds is what was measured */
    int64_t ef, high;  /* of the beam: at the end, above the base level */
    int64_t bridge_ef; /* where none about the query are allowed */
    double share;      /* of all rows, that is allowed */
    double
        scan; /* of the matches takes as long as so many nodes on a walk; Inf = not to be scanned */
} way;

/* What decides between ways whose recall is about the same: the time that each takes, in nodes compared on a walk
 * without a filter. Measured with one thread and 200,000 rows of 128 dimensions. */
static double plain_walk(double ef)
{
    return 350 + 12 * ef;
}
static double bridge_walk(double ef)
{
    return 3000 + 35 * ef;
}
static double scan_matches(const wn_index *index, const wni_segment *s, const wni_ask *ask)
{
    const double d = (double)index->d, compare = 35 + 0.22 * d;
    const int in_place =
        index->metric == WN_L2 && wn_pool_dtype(s->rows) == WN_F32 && index->d % 16 == 0;
    double row = in_place ? 8 + 0.1 * d : 20 + 0.6 * d;

    /* Many queries share the reading of a row, and are compared with it by the scan engine. */
    if (ask->all > FEW) row = 0.04 * d + (20 + 0.6 * d) / (double)ask->all;
    return (double)ask->n_allowed * row / compare;
}

static way way_of(const wn_index *index, const wni_segment *s, const wni_ask *ask)
{
    const hnsw *h = s->state;
    way w = {.ef = wni_max(ask->effort, ask->k), .high = HIGH, .scan = INFINITY};

    w.ef = wni_min(wni_min(w.ef, h->g.nodes), EF_MOST);
    if (!ask->allowed) return w;
    w.filtered = 1;
    w.share = (double)wni_max(ask->n_allowed, 1) / (double)s->n;
    w.promised = w.share > NEARLY_ALL;
    w.high = wni_max(wni_min((int64_t)(4 / w.share), HIGH_MOST), HIGH);
    /* Far matches are as near as each other, and the more there are the harder it is to tell the nearest. */
    w.bridge_ef = w.ef * 9 / 2 * (63 - __builtin_clzll((uint64_t)(ask->n_allowed / 600 | 4)));
    w.bridge_ef = wni_min(wni_min(w.bridge_ef, EF_MOST), h->g.nodes);
    if (ask->may_leave && !w.promised) w.scan = scan_matches(index, s, ask);
    return w;
}

typedef struct query {
    const hnsw *h;
    const wni_ask *ask;
    wni_found *found;
    wni_hnsw_allow allow;
    way way;
    const int32_t *absent; /* (n) slots, see wni_walk; NULL = none */
    int64_t ld;
    float *row;      /* (threads, ld) */
    char *scratch;   /* (threads, scratch_bytes) */
    wni_walk *walks; /* (threads) */
    int64_t scratch_bytes;
} query;

static void keys_at(const void *self, const void *scratch, const int32_t *at, int64_t n,
                    float *keys)
{
    wni_code_keys_at(self, scratch, at, n, keys);
}

/* Rows of the nodes of a list into the hits of query q. */
static void emit(const query *s, int64_t q, const uint64_t *list, int64_t n)
{
    const wni_hnsw_allow *rows = &s->allow;
    const int64_t want = s->ask->want;
    int64_t *at = s->found->at + q * want, count = 0;
    float *key = s->found->key + q * want;

    for (int64_t i = 0; i < n && count < want; i++) {
        const int32_t slot = wni_beam_slot(list[i]);
        int64_t row = rows->order[slot];

        for (int64_t t = 0;; t++) {
            if (!rows->bits || wni_bit(rows->bits, row)) {
                at[count] = row;
                key[count++] = wni_beam_key(list[i]);
            }
            if (count == want || !rows->twins_first) break;
            if (rows->twins_first[slot] + t >= rows->twins_first[slot + 1]) break;
            row = rows->twins[rows->twins_first[slot] + t];
        }
    }
    while (count < want)
        at[count++] = -1;
}

/* Returns how many hits there are; none where the matches had better be scanned. */
static int64_t walk_filtered(const query *s, wni_walk *w, const wni_hnsw_keys *keys,
                             const void *scratch)
{
    const wni_hnsw *g = &s->h->g;
    const way *y = &s->way;
    const int64_t near = wni_walk_descend(w, g, y->high, &s->allow, keys, scratch);
    /* About the query; where there seem to be fewer than elsewhere, a sweep finds that out. */
    const double share = fmax((double)near / (double)w->size, y->share);
    const double among = (double)y->ef * fmax(AMONG / share, 1);
    int64_t ef = (int64_t)((double)y->ef * fmax(BRIDGED / share, 1));
    int swept = 0;

    ef = near > 0 ? wni_max(wni_min(ef, y->bridge_ef), y->ef) : y->bridge_ef;
    if (y->promised || share >= SWEEP_SHARE ||
        (y->scan < INFINITY &&
         plain_walk(among / share) < fmin(bridge_walk((double)ef), y->scan))) {
        const int64_t last = wni_min((int64_t)among, y->bridge_ef);
        const int64_t width = wni_min((int64_t)(3 * among / share), SWEEP_MOST);

        if (wni_walk_sweep(w, g, wni_max(wni_max(width, 256), last), last, y->promised ? 0 : share,
                           &s->allow, keys, scratch))
            return w->n_hits;
        ef = y->bridge_ef;
        swept = 1;
    }
    if (bridge_walk((double)ef) > y->scan) return 0;
    if (swept) wni_walk_descend(w, g, y->high, &s->allow, keys, scratch);
    return wni_walk_bridge(w, g, ef, &s->allow, keys, scratch) ? w->n_hits : 0;
}

static wn_status query_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const query *s = arg;
    const wni_hnsw_keys keys = {keys_at, s->h->code};
    wni_walk *w = &s->walks[worker];
    float *row = s->row + worker * s->ld;
    char *scratch = s->scratch + worker * s->scratch_bytes;

    for (int64_t q = begin; q < end; q++) {
        wn_status st = wn_pool_read(ctx, s->ask->queries, q, 1, row, s->ld);

        if (st != WN_OK) return st;
        wni_code_prepare(s->h->code, row, scratch);
        if (s->absent) w->absent = s->absent[q];
        if (!s->way.filtered) {
            wni_walk_to(w, &s->h->g, 0, s->way.high, s->way.ef, &keys, scratch);
            emit(s, q, w->beam, w->size);
        } else {
            emit(s, q, w->hits, walk_filtered(s, w, &keys, scratch));
        }
    }
    return WN_OK;
}

/* Slots of the nodes that stand for one row alone which is to be absent, else -1. */
static wn_status absent_slots(wn_ctx *ctx, const hnsw *h, int64_t rows, const wni_ask *ask,
                              int32_t **out)
{
    const int64_t *first = h->rows.twins_first;
    int32_t *slot = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, *out, ask->n);
    WNI_NEW(ctx, slot, rows);
    for (int64_t i = 0; i < rows; i++)
        slot[i] = -1;
    for (int64_t i = 0; i < h->g.nodes; i++)
        if (!first || first[i] == first[i + 1]) slot[h->rows.order[i]] = (int32_t)i;
    for (int64_t q = 0; q < ask->n; q++)
        (*out)[q] = slot[ask->absent[q]];
done:
    wni_free(ctx, slot);
    return st;
}

static wn_status hnsw_search(wn_ctx *ctx, const wn_index *index, const wni_segment *segment,
                             const wni_ask *ask, wni_found *found)
{
    const int32_t threads = wn_ctx_threads(ctx);
    const hnsw *h = segment->state;
    query s = {.h = h,
               .ask = ask,
               .found = found,
               .allow = h->rows,
               .way = way_of(index, segment, ask),
               .ld = wni_ld(index->d)};
    int32_t *absent = NULL;
    int64_t room;
    wn_status st;

    s.allow.bits = ask->allowed;
    s.allow.slots = ask->slots;
    s.scratch_bytes = wni_round_up(wni_code_scratch_bytes(h->code), WNI_ALIGN);
    room = wni_max(wni_max(s.way.ef, s.way.high), WNI_HNSW_TOP);
    if (s.way.filtered) room = wni_max(room, wni_max(SWEEP_MOST, s.way.bridge_ef));
    if (ask->absent) WNI_TRY(absent_slots(ctx, h, segment->n, ask, &absent));
    s.absent = absent;
    WNI_NEW(ctx, s.row, threads * s.ld);
    WNI_NEW(ctx, s.scratch, threads * s.scratch_bytes);
    WNI_NEW0(ctx, s.walks, threads);
    for (int32_t i = 0; i < threads; i++)
        WNI_TRY(wni_walk_new(ctx, &h->g, room, &s.walks[i]));
    WNI_TRY(wni_parallel(ctx, ask->n, s.way.ef < LONG ? QUERIES : 1, query_range, &s));
    for (int32_t i = 0; i < threads; i++) {
        found->visited += s.walks[i].visited;
        found->compared += s.walks[i].compared;
    }
    found->exact = wni_code_exact(h->code);
done:
    for (int32_t i = 0; s.walks && i < threads; i++)
        wni_walk_free(ctx, &s.walks[i]);
    wni_free(ctx, s.walks);
    wni_free(ctx, absent);
    wni_free(ctx, s.row);
    wni_free(ctx, s.scratch);
    return st;
}

/* A node is allowed when one of its rows is. */
static void hnsw_place(const wni_segment *s, const uint64_t *allowed, uint64_t *slots)
{
    const hnsw *h = s->state;
    const wni_hnsw_allow *rows = &h->rows;

    for (int64_t i = 0; i < h->g.nodes; i++)
        slots[i >> 6] |= (uint64_t)wni_bit(allowed, rows->order[i]) << (i & 63);
    for (int64_t i = 0; rows->twins_first && i < h->g.nodes; i++)
        for (int64_t t = rows->twins_first[i]; t < rows->twins_first[i + 1]; t++)
            if (wni_bit(allowed, rows->twins[t])) wni_bit_set(slots, i);
}

/* ---- what it costs ------------------------------------------------------------------------------------ */

static double hnsw_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask)
{
    const way w = way_of(index, s, ask);
    double walk;

    if (wni_max(ask->effort, ask->k) > EF_MOST) return INFINITY;
    /* Where the query lies among its matches a walk is short; elsewhere the way down is for nothing. */
    walk = 4 * plain_walk((double)w.ef);
    return w.scan > walk ? 0 : (double)ask->n_allowed;
}

static void hnsw_effort(const wn_index *index, const wni_segment *s, int64_t k, int64_t *low,
                        int64_t *high)
{
    const hnsw *h = s->state;

    (void)index;
    *low = wni_min(k, h->g.nodes);
    *high = wni_min(wni_max(64 * k, 4096), h->g.nodes);
}

static const wni_index_kind kind = {
    .estimate = hnsw_estimate,
    .build = hnsw_build,
    .open = hnsw_open,
    .close = hnsw_close,
    .search = hnsw_search,
    .cost = hnsw_cost,
    .effort = hnsw_effort,
    .place = hnsw_place,
};

const wn_method wni_method_index_hnsw = {
    .family = "index",
    .name = "hnsw",
    .summary = "a graph that is walked towards the query: fast and in memory",
    .papers = "malkov2020 patel2024",
    .cost = "about 32 ef_construction n d to build; a query grows with log n; codes and 8 m bytes "
            "a row",
    .flags = WN_METHOD_SEEDED,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_hnsw_params),
    .ops = &kind,
    .inputs = "pool table?",
};
