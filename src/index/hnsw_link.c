/* SPDX-License-Identifier: Apache-2.0
 *
 * The links of a level: the heuristic, the links back, and a repair after which every node can be reached.
 */
#include <string.h>

#include "index/hnsw_impl.h"

#define SPARE      512 /* at least as many as a node has links */
#define POLL_NODES 65536

/* ---- entries ------------------------------------------------------------------------------------------ */

static void sift(uint64_t *v, int64_t i, int64_t n)
{
    const uint64_t x = v[i];

    for (int64_t c; (c = 2 * i + 1) < n; i = c) {
        c += c + 1 < n && v[c + 1] > v[c];
        if (v[c] <= x) break;
        v[i] = v[c];
    }
    v[i] = x;
}

int64_t wni_hnsw_sort(uint64_t *v, int64_t n)
{
    int64_t kept = 0;

    if (n > 128) {
        for (int64_t i = n / 2 - 1; i >= 0; i--)
            sift(v, i, n);
        for (int64_t end = n - 1; end > 0; end--) {
            const uint64_t x = v[0];
            v[0] = v[end];
            v[end] = x;
            sift(v, 0, end);
        }
    } else {
        for (int64_t i = 1; i < n; i++) {
            const uint64_t x = v[i];
            int64_t j = i;

            for (; j > 0 && v[j - 1] > x; j--)
                v[j] = v[j - 1];
            v[j] = x;
        }
    }
    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || v[kept - 1] != v[i]) v[kept++] = v[i];
    return kept;
}

int64_t wni_hnsw_choose(const wni_hnsw_new *b, uint64_t *entry, int64_t count, int64_t most,
                        int64_t least)
{
    uint64_t others[SPARE];
    int64_t kept = 0, spare = 0;

    least = wni_min(wni_min(least, most), SPARE);
    for (int64_t i = 0; i < count && kept < most; i++) {
        const float *row = wni_hnsw_row(b, wni_beam_slot(entry[i]));
        const float key = wni_beam_key(entry[i]);
        int64_t j = 0;

        while (j < kept && !(wni_hnsw_key(b, row, wni_hnsw_row(b, wni_beam_slot(entry[j]))) < key))
            j++;
        if (j == kept)
            entry[kept++] = entry[i];
        else if (spare < least)
            others[spare++] = entry[i];
    }
    if (kept >= least) return kept;
    for (int64_t i = 0; i < spare && kept < least; i++)
        entry[kept++] = others[i];
    return wni_hnsw_sort(entry, kept);
}

/* ---- links back --------------------------------------------------------------------------------------- */

/* Links to a node that are looked at, the nearest of them. */
#define BACK_MOST 1024

typedef struct back {
    const wni_hnsw_new *b;
    const wni_hnsw_level *v;
    int64_t *first;  /* (n + 1) of the links to each node */
    uint64_t *in;    /* (first[n]) entries: from whom, at what distance */
    int32_t *linked; /* (n) links to each node that were chosen */
    uint64_t *entry; /* (threads, slot) */
    int64_t slot;
} back;

static wn_status transpose(wn_ctx *ctx, back *k)
{
    const wni_hnsw_level *v = k->v;
    const int64_t m = k->b->g.m;
    int64_t at = 0;
    wn_status st;

    WNI_NEW0(ctx, k->first, v->n + 1);
    for (int64_t i = 0; i < v->n; i++)
        for (int64_t j = 0; j < m && v->out[i * m + j] != UINT64_MAX; j++)
            k->first[wni_beam_slot(v->out[i * m + j])]++;
    for (int64_t i = 0; i <= v->n; i++) {
        const int64_t count = i < v->n ? k->first[i] : 0;

        k->first[i] = at;
        at += count;
    }
    WNI_TRY(wni_poll(ctx));
    WNI_NEW(ctx, k->in, at);
    for (int64_t i = 0; i < v->n; i++)
        for (int64_t j = 0; j < m && v->out[i * m + j] != UINT64_MAX; j++) {
            const uint64_t entry = v->out[i * m + j];

            k->in[k->first[wni_beam_slot(entry)]++] = (entry >> 32) << 32 | (uint64_t)(uint32_t)i
                                                                                << 1;
        }
    for (int64_t i = v->n; i > 0; i--)
        k->first[i] = k->first[i - 1];
    k->first[0] = 0;
    WNI_TRY(wni_poll(ctx));
done:
    return st;
}

/* Whom node i may link to: those it chose and those that chose it. */
static int64_t both_ways(const back *k, int64_t i, uint64_t *entry)
{
    const wni_hnsw_level *v = k->v;
    const int64_t m = k->b->g.m, in_n = k->first[i + 1] - k->first[i];
    uint64_t *in = k->in + k->first[i];
    int64_t n = 0;

    while (n < m && v->out[i * m + n] != UINT64_MAX)
        entry[n] = v->out[i * m + n], n++;
    if (in_n > BACK_MOST) wni_hnsw_sort(in, in_n);
    memcpy(entry + n, in, (size_t)wni_min(in_n, BACK_MOST) * sizeof *entry);
    return wni_hnsw_sort(entry, n + wni_min(in_n, BACK_MOST));
}

static wn_status back_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const back *k = arg;
    const int64_t room = wni_hnsw_room(&k->b->g, k->v->level);
    uint64_t *entry = k->entry + worker * k->slot;

    (void)ctx;
    for (int64_t i = begin; i < end; i++) {
        int32_t *links = k->b->links[k->v->level] + i * room;
        int64_t n = both_ways(k, i, entry);

        if (n > room) n = wni_hnsw_choose(k->b, entry, n, room, 0);
        for (int64_t j = 0; j < room; j++)
            links[j] = j < n ? wni_beam_slot(entry[j]) : -1;
    }
    return WN_OK;
}

/* Where the heuristic left room, the nodes that fewest link to: without links to them they would not be found. */
static wn_status fill_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const back *k = arg;
    const int64_t room = wni_hnsw_room(&k->b->g, k->v->level);
    uint64_t *entry = k->entry + worker * k->slot;

    (void)ctx;
    for (int64_t i = begin; i < end; i++) {
        int32_t *links = k->b->links[k->v->level] + i * room;
        int64_t n, have = 0, next = 0, others = 0;

        while (have < room && links[have] >= 0)
            have++;
        if (have == room) continue;
        n = both_ways(k, i, entry);
        if (n == have) continue;
        for (int64_t j = 0; j < n; j++) { /* links are in the order of entries */
            const int32_t slot = wni_beam_slot(entry[j]);

            if (next < have && links[next] == slot)
                next++;
            else
                entry[others++] = (uint64_t)wni_min(k->linked[slot], 0xffff) << 47 |
                                  (uint64_t)j << 31 | (uint32_t)slot;
        }
        others = wni_hnsw_sort(entry, others);
        for (int64_t j = 0; j < others && have < room; j++)
            links[have++] = (int32_t)(entry[j] & 0x7fffffff);
    }
    return WN_OK;
}

/* How many link to each node. */
static wn_status count_links(wn_ctx *ctx, back *k)
{
    const wni_hnsw_level *v = k->v;
    const int64_t room = wni_hnsw_room(&k->b->g, v->level);
    const int32_t *links = k->b->links[v->level];
    wn_status st = WN_OK;

    WNI_NEW0(ctx, k->linked, v->n);
    for (int64_t i = 0; i < v->n; i++) {
        for (int64_t j = 0; j < room && links[i * room + j] >= 0; j++)
            k->linked[links[i * room + j]]++;
        if (i % POLL_NODES == 0) WNI_TRY(wni_poll(ctx));
    }
done:
    return st;
}

/* ---- repair ------------------------------------------------------------------------------------------- */

typedef struct reach {
    int32_t *links; /* (n, room) */
    int64_t n, room;
    int32_t *parent; /* (n) by whose link a node was reached; -1 = not reached */
    int32_t *queue;  /* (n) nodes reached, in that order */
    int64_t reached, next;
} reach;

static void reach_node(reach *r, int32_t node, int32_t parent)
{
    r->parent[node] = parent;
    r->queue[r->reached++] = node;
}

static wn_status spread(wn_ctx *ctx, reach *r)
{
    wn_status st = WN_OK;

    for (; r->next < r->reached; r->next++) {
        const int32_t node = r->queue[r->next];
        const int32_t *links = r->links + node * r->room;

        for (int64_t j = 0; j < r->room && links[j] >= 0; j++)
            if (r->parent[links[j]] < 0) reach_node(r, links[j], node);
        if (r->next % POLL_NODES == 0) WNI_TRY(wni_poll(ctx));
    }
done:
    return st;
}

/* Lets `from`, which is reached, link to `node`: in a free place, or in that of the farthest link by which nothing
 * was reached. Returns 0 when there is neither. */
static int adopt(reach *r, int32_t from, int32_t node)
{
    int32_t *links = r->links + from * r->room;

    if (r->parent[from] < 0) return 0;
    for (int64_t j = r->room - 1; j >= 0; j--)
        if (links[j] < 0 ? j == 0 || links[j - 1] >= 0 : r->parent[links[j]] != from) {
            links[j] = node;
            reach_node(r, node, from);
            return 1;
        }
    return 0;
}

/* Someone near `node` who can link to it. There are more links than nodes reached, so one is found. */
static void rescue(reach *r, const wni_hnsw_level *v, int32_t node)
{
    const int32_t *links = r->links + node * r->room;
    const int32_t *near = v->near + v->from[node] * v->near_n;

    for (int64_t j = 0; j < r->room && links[j] >= 0; j++)
        if (adopt(r, links[j], node)) return;
    for (int64_t j = 0; j < v->near_n && near[j] >= 0; j++)
        if (adopt(r, near[j], node)) return;
    for (int64_t i = 0; i < r->reached; i++)
        if (adopt(r, r->queue[i], node)) return;
}

static wn_status repair(wn_ctx *ctx, const wni_hnsw_new *b, const wni_hnsw_level *v)
{
    reach r = {.links = b->links[v->level], .n = v->n, .room = wni_hnsw_room(&b->g, v->level)};
    int64_t rescued = 0;
    wn_status st;

    WNI_NEW(ctx, r.parent, v->n);
    WNI_NEW(ctx, r.queue, v->n);
    memset(r.parent, -1, (size_t)v->n * sizeof *r.parent);
    reach_node(&r, 0, 0);
    WNI_TRY(spread(ctx, &r));
    for (int64_t i = 0; i < v->n && r.reached < v->n; i++) {
        if (r.parent[i] >= 0) continue;
        rescue(&r, v, (int32_t)i);
        rescued++;
        WNI_TRY(spread(ctx, &r));
    }
    wni_log(ctx, WN_LOG_DEBUG, "hnsw: level %d: %lld of %lld nodes were tied to the others",
            (int)v->level, (long long)rescued, (long long)v->n);
done:
    wni_free(ctx, r.parent);
    wni_free(ctx, r.queue);
    return st;
}

wn_status wni_hnsw_link(wn_ctx *ctx, const wni_hnsw_new *b, const wni_hnsw_level *v)
{
    back k = {.b = b, .v = v, .slot = BACK_MOST + SPARE};
    wn_status st;

    WNI_NEW(ctx, k.entry, wn_ctx_threads(ctx) * k.slot);
    WNI_TRY(transpose(ctx, &k));
    WNI_TRY(wni_parallel(ctx, v->n, 64, back_range, &k));
    WNI_TRY(count_links(ctx, &k));
    WNI_TRY(wni_parallel(ctx, v->n, 64, fill_range, &k));
    WNI_TRY(repair(ctx, b, v));
done:
    wni_free(ctx, k.first);
    wni_free(ctx, k.in);
    wni_free(ctx, k.linked);
    wni_free(ctx, k.entry);
    return st;
}

int64_t wni_hnsw_link_bytes(const wn_ctx *ctx, int64_t n, int32_t m)
{
    /* The links to each node, where they start and how many; the repair. */
    return n * m * 8 + n * 8 + n * 4 + n * 8 +
           wn_ctx_threads(ctx) * (BACK_MOST + SPARE) * (int64_t)8 + 4096;
}
