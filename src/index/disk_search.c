/* SPDX-License-Identifier: Apache-2.0
 *
 * Searching lists on the disk. The lists of a group of queries are asked for ahead, so that several are on
 * their way while one is compared; each is read once, checked, and compared with all queries that want it. A
 * row met in several lists counts once. A query whose lists have too few rows goes on to farther ones.
 */
#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "ds/topk.h"
#include "index/disk_impl.h"

#define GROUP_MAX   128                /* queries that go together */
#define GROUP_BYTES ((int64_t)4 << 20) /* of their scratch */
#define AHEAD_BYTES ((int64_t)2 << 20) /* of lists asked for before they are read */
#define MORE        16 /* lists that a query with too few rows goes on to at a time */
#define MORE_NODES  32 /* nodes that are looked for then, and ever twice as many */
#define COVER       8 /* rows for each candidate wanted that are seen before a far list is left out */

typedef struct job {
    const wn_index *index;
    const wni_segment *s;
    const wni_kernels *kernels;
    const wni_disk *v;
    const wni_ask *ask;
    wni_found *found;
    int64_t d, ld;
    int64_t lists;               /* that a query reads, but for too few rows in them */
    int64_t nodes;               /* whose lists these are, at most */
    int64_t enough;              /* rows that each query gets */
    double far2;                 /* squared (1 + prune); Inf = nothing is left out */
    int64_t *visited, *compared; /* (threads) */
} job;

/* Scratch of a range. */
typedef struct group {
    float *rows;      /* (m, ld) queries */
    int64_t *near;    /* (m, nodes), nearest first */
    float *dist2;     /* (m, nodes) */
    wni_keyed *pairs; /* (m, lists) or (MORE): list, query */
    int64_t n_pairs;
    unsigned char *bytes; /* of a list; NULL where they are in memory */
    float *wide;          /* (most rows, ld) of a list; NULL where rows are read in place */
    int32_t *open;        /* (most rows) rows of the list that are allowed */
    float *keys;          /* (most rows) */
    int64_t *size;        /* (m) candidates of each query */
} group;

/* The lists that query i reads: of the nearest nodes, but, once a quarter of them and enough rows are seen, of
 * none far beyond the nearest. */
static void choose(const job *j, group *g, int64_t i)
{
    const int64_t *near = g->near + i * j->nodes;
    const float *dist2 = g->dist2 + i * j->nodes;
    const double reach = (double)dist2[0] * j->far2;
    int64_t lists = 0, rows = 0;

    for (int64_t r = 0; r < j->nodes && lists < j->lists && near[r] >= 0; r++) {
        if (lists >= j->lists / 4 && rows > COVER * j->ask->want && (double)dist2[r] > reach) break;
        for (int64_t l = j->v->node_list[near[r]];
             l < j->v->node_list[near[r] + 1] && lists < j->lists; l++, lists++) {
            rows += j->v->list_rows[l];
            g->pairs[g->n_pairs++] = (wni_keyed){(uint64_t)l, i};
        }
    }
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static wn_status damaged(wn_ctx *ctx, const job *j, int64_t list)
{
    char what[96];

    snprintf(what, sizeof what, "list %lld is not what was written", (long long)list);
    return wni_segment_damaged(ctx, j->index, j->s, "lists.npy", what);
}

static wn_status read_list(wn_ctx *ctx, const job *j, group *g, int64_t list,
                           const unsigned char **out)
{
    const wni_disk *v = j->v;
    const int64_t bytes = v->list_at[list + 1] - v->list_at[list];
    wn_status st = WN_OK;

    *out = v->data ? v->data + v->list_at[list] : g->bytes;
    if (!v->data)
        WNI_TRY(wni_infile_read(ctx, &v->file, v->at + v->list_at[list], bytes, g->bytes));
    if (XXH3_64bits(*out, (size_t)bytes) != v->list_hash[list]) st = damaged(ctx, j, list);
done:
    return st;
}

/* Asks for the lists from pair *next on, until AHEAD_BYTES beyond the list of pair p are on their way. */
static void ask_ahead(const job *j, const group *g, int64_t p, int64_t *next, int64_t *ahead)
{
    const wni_disk *v = j->v;

    if (v->data) return;
    if (*next < p) *next = p;
    while (*next < g->n_pairs && *ahead < AHEAD_BYTES) {
        const int64_t from = (int64_t)g->pairs[*next].key;
        int64_t to = from;

        /* Lists side by side are one request. */
        for (; *next < g->n_pairs && (int64_t)g->pairs[*next].key <= to + 1; (*next)++)
            to = (int64_t)g->pairs[*next].key;
        wni_infile_ahead(&v->file, v->at + v->list_at[from], v->list_at[to + 1] - v->list_at[from]);
        *ahead += v->list_at[to + 1] - v->list_at[from];
    }
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

/* The rows of a list as f32, padded. */
static const float *widen(const job *j, const group *g, const unsigned char *rows, int64_t m,
                          int32_t power)
{
    const wni_disk *v = j->v;

    if (!g->wide) return (const float *)(const void *)rows;
    for (int64_t i = 0; i < m; i++) {
        const unsigned char *from = rows + i * v->row_bytes;
        float *to = g->wide + i * j->ld;

        switch (v->dtype) {
        case WN_F16:
            j->kernels->widen_f16(from, to, j->d);
            break;
        case WN_BF16:
            j->kernels->widen_bf16(from, to, j->d);
            break;
        case WN_I8:
            j->kernels->widen_i8(from, to, j->d);
            break;
        case WN_U8:
            j->kernels->widen_u8(from, to, j->d);
            break;
        default:
            memcpy(to, from, (size_t)j->d * sizeof *to);
        }
    }
    if (power != 0) {
        const float scale = ldexpf(1, power);

        for (int64_t i = 0; i < m * j->ld; i++)
            g->wide[i] *= scale;
    }
    return g->wide;
}

/* A candidate that is not among the ones kept; of one row all keys are the same. */
static void offer(float *score, int64_t *at, int64_t want, int64_t *size, float s, int64_t row)
{
    if (*size == want && s < score[0]) return;
    for (int64_t i = 0; i < *size; i++)
        if (at[i] == row) return;
    wni_topk_push(score, at, want, size, s, row);
}

static wn_status compare(wn_ctx *ctx, const job *j, group *g, int64_t q0, const wni_keyed *pairs,
                         int64_t n, int64_t *compared)
{
    const int64_t list = (int64_t)pairs[0].key, m = j->v->list_rows[list], want = j->ask->want;
    const unsigned char *bytes;
    const int32_t *row;
    const float *rows;
    int64_t count = 0;
    wn_status st;

    WNI_TRY(read_list(ctx, j, g, list, &bytes));
    row = (const int32_t *)(const void *)bytes;
    for (int64_t i = 0; i < m; i++) {
        if (row[i] < 0 || row[i] >= j->v->n) return damaged(ctx, j, list);
        if (!j->ask->allowed || wni_bit(j->ask->allowed, row[i])) g->open[count++] = (int32_t)i;
    }
    if (count == 0) return WN_OK;
    rows = widen(j, g, bytes + wni_disk_head_bytes(m), m, row[m]);
    for (int64_t p = 0; p < n; p++) {
        const int64_t i = pairs[p].row;
        float *score = j->found->key + (q0 + i) * want;
        int64_t *at = j->found->at + (q0 + i) * want;

        j->kernels->l2sq_at(g->rows + i * j->ld, rows, j->ld, count < m ? g->open : NULL, count,
                            g->keys);
        for (int64_t r = 0; r < count; r++)
            offer(score, at, want, &g->size[i], -g->keys[r], row[g->open[r]]);
    }
    *compared += count * n;
done:
    return st;
}

/* Reads the lists of all pairs, and takes their rows. */
static wn_status read_lists(wn_ctx *ctx, const job *j, group *g, int64_t q0, int worker)
{
    int64_t next = 0, ahead = 0;
    wn_status st = WN_OK;

    wni_keyed_sort(g->pairs, g->n_pairs);
    j->visited[worker] += g->n_pairs;
    for (int64_t p = 0, last; p < g->n_pairs; p = last) {
        const int64_t list = (int64_t)g->pairs[p].key;

        WNI_TRY(wni_poll(ctx));
        ask_ahead(j, g, p, &next, &ahead);
        for (last = p + 1; last < g->n_pairs && (int64_t)g->pairs[last].key == list; last++)
            ;
        WNI_TRY(compare(ctx, j, g, q0, g->pairs + p, last - p, &j->compared[worker]));
        ahead -= j->v->list_at[list + 1] - j->v->list_at[list];
    }
    g->n_pairs = 0;
done:
    return st;
}

/* ---- too few rows ---------------------------------------------------------------------------------------------- */

/* The lists of some nodes, nearest first, that query i has not read (bits in `read`), until it has rows enough. */
static wn_status go_along(wn_ctx *ctx, const job *j, group *g, int64_t q0, int64_t i,
                          const int64_t *near, int64_t nodes, uint64_t *read, int worker)
{
    const wni_disk *v = j->v;
    wn_status st = WN_OK;

    for (int64_t r = 0; r < nodes && near[r] >= 0 && g->size[i] < j->enough; r++)
        for (int64_t l = v->node_list[near[r]]; l < v->node_list[near[r] + 1]; l++) {
            if (wni_bit(read, l)) continue;
            read[l >> 6] |= (uint64_t)1 << (l & 63);
            g->pairs[g->n_pairs++] = (wni_keyed){(uint64_t)l, i};
            if (g->n_pairs == MORE) WNI_TRY(read_lists(ctx, j, g, q0, worker));
        }
    st = read_lists(ctx, j, g, q0, worker);
done:
    return st;
}

/* Query i reads on, ever farther, until it has rows enough or knows all lists; under a filter not for longer than
 * it takes to fetch the rows that are allowed. */
static wn_status go_on(wn_ctx *ctx, const job *j, group *g, int64_t q0, int64_t i, int worker)
{
    const wni_disk *v = j->v;
    const int64_t before = j->visited[worker];
    uint64_t *read = NULL;
    int64_t *near = NULL;
    float *dist2 = NULL;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, read, (v->lists + 63) / 64);
    choose(j, g, i);
    for (int64_t p = 0; p < g->n_pairs; p++)
        read[g->pairs[p].key >> 6] |= (uint64_t)1 << (g->pairs[p].key & 63);
    g->n_pairs = 0;
    for (int64_t nodes = wni_max(2 * j->nodes, MORE_NODES);; nodes *= 2) {
        const int64_t some = wni_min(nodes, v->nodes);

        WNI_NEW(ctx, near, some);
        WNI_NEW(ctx, dist2, some);
        WNI_TRY(wni_disk_near(ctx, v, g->rows + i * j->ld, 1, some, near, dist2));
        WNI_TRY(go_along(ctx, j, g, q0, i, near, some, read, worker));
        wni_free(ctx, near);
        wni_free(ctx, dist2);
        near = NULL;
        dist2 = NULL;
        if (g->size[i] >= j->enough || some == v->nodes) break;
        if (j->ask->allowed && 2 * (j->visited[worker] - before) > j->ask->n_allowed) break;
    }
done:
    wni_free(ctx, read);
    wni_free(ctx, near);
    wni_free(ctx, dist2);
    return st;
}

/* ---- queries ---------------------------------------------------------------------------------------------------- */

static wn_status make_group(wn_ctx *ctx, const job *j, int64_t m, group *g)
{
    const wni_disk *v = j->v;
    wn_status st = WN_OK;

    WNI_NEW(ctx, g->rows, m * j->ld);
    WNI_NEW(ctx, g->near, m * j->nodes);
    WNI_NEW(ctx, g->dist2, m * j->nodes);
    WNI_NEW(ctx, g->pairs, wni_max(m * j->lists, MORE));
    WNI_NEW(ctx, g->open, v->most_rows);
    WNI_NEW(ctx, g->keys, v->most_rows);
    WNI_NEW0(ctx, g->size, m);
    if (!v->data) WNI_NEW(ctx, g->bytes, v->most_bytes);
    if (v->dtype != WN_F32 || j->d != j->ld) WNI_NEW0(ctx, g->wide, v->most_rows * j->ld);
done:
    return st;
}

static void free_group(wn_ctx *ctx, group *g)
{
    wni_free(ctx, g->rows);
    wni_free(ctx, g->near);
    wni_free(ctx, g->dist2);
    wni_free(ctx, g->pairs);
    wni_free(ctx, g->open);
    wni_free(ctx, g->keys);
    wni_free(ctx, g->size);
    wni_free(ctx, g->bytes);
    wni_free(ctx, g->wide);
}

static wn_status range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const job *j = arg;
    const int64_t m = end - begin, want = j->ask->want;
    group g = {0};
    wn_status st = WN_OK;

    WNI_TRY(make_group(ctx, j, m, &g));
    WNI_TRY(wn_pool_read(ctx, j->ask->queries, begin, m, g.rows, j->ld));
    WNI_TRY(wni_disk_near(ctx, j->v, g.rows, m, j->nodes, g.near, g.dist2));
    for (int64_t i = 0; i < m; i++)
        choose(j, &g, i);
    WNI_TRY(read_lists(ctx, j, &g, begin, worker));
    for (int64_t i = 0; i < m; i++)
        if (g.size[i] < j->enough) WNI_TRY(go_on(ctx, j, &g, begin, i, worker));
    for (int64_t i = 0; i < m; i++)
        wni_found_end(j->found, want, begin + i, g.size[i]);
done:
    free_group(ctx, &g);
    return st;
}

double wni_disk_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask)
{
    const wni_disk *v = s->state;

    (void)index;
    if (!ask->allowed) return 0;
    /* What counts is what is fetched: lists of each query, or rows, once for all queries. A list takes
     * about as long as two rows. */
    return 2 * (double)ask->all * (double)wni_ask_lists(ask, ask->effort, v->n, v->lists);
}

wn_status wni_disk_search(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                          const wni_ask *ask, wni_found *found)
{
    const wn_index_disk_params *p = index->params;
    const int64_t threads = wn_ctx_threads(ctx), want = ask->want;
    job j = {.index = index,
             .s = s,
             .kernels = wni_kernels_of(ctx),
             .v = s->state,
             .ask = ask,
             .found = found,
             .d = index->d,
             .ld = wni_ld(index->d)};
    int64_t grain, bytes;
    wn_status st = WN_OK;

    j.lists = wni_ask_lists(ask, ask->effort, j.v->n, j.v->lists);
    j.nodes = wni_min(j.lists, j.v->nodes);
    j.enough = wni_min(ask->k, ask->allowed ? ask->n_allowed : s->n);
    j.far2 = j.lists == j.v->lists ? INFINITY : (1 + p->prune) * (1 + p->prune);
    WNI_NEW0(ctx, j.visited, threads);
    WNI_NEW0(ctx, j.compared, threads);
    bytes = j.ld * 4 + j.nodes * 12 + j.lists * 16 + want * 12;
    grain = wni_min(wni_min(GROUP_MAX, GROUP_BYTES / bytes), (ask->n + threads - 1) / threads);
    WNI_TRY(wni_parallel(ctx, ask->n, wni_max(grain, 1), range, &j));
    for (int64_t t = 0; t < threads; t++) {
        found->visited += j.visited[t];
        found->compared += j.compared[t];
    }
    found->exact = j.v->exact;
done:
    wni_free(ctx, j.visited);
    wni_free(ctx, j.compared);
    return st;
}
