/* SPDX-License-Identifier: Apache-2.0
 *
 * The building of a graph, level by level from the top. The nodes of a level that are new to it look for their
 * nearest nodes one level up by walks through what is built already; they get their slots in the order of
 * that nearest node, and so fall into cells of a few rows that lie close together. hnsw_propose.c then looks
 * for neighbours cell by cell, hnsw_link.c ties the level together. No node is inserted alone, so threads
 * have nothing to wait for and nothing to disagree about.
 */
#include <string.h>

#include "base/rng.h"
#include "index/hnsw_impl.h"

#define GRAIN 32

#define HIGH 8 /* width of the beam above the level that is searched */

/* Upper levels are small: more work for each of their nodes costs little, and all walks lead through them. */
int64_t wni_hnsw_near(int64_t ef, int32_t level, int64_t heads)
{
    return wni_min(wni_min(wni_max(ef / 8, 4), 64) << 4 * wni_min(level, 4), heads);
}

/* Width of the beam that looks for them. */
static int64_t near_beam(int64_t ef, int64_t near_n)
{
    return wni_max(wni_max(near_n + 1, wni_min(ef / 2, 512)), HIGH);
}

static void keys_at(const void *self, const void *query, const int32_t *at, int64_t n, float *keys)
{
    const wni_hnsw_new *b = self;

    for (int64_t i = 0; i < n; i++)
        __builtin_prefetch(wni_hnsw_row(b, at[i]));
    for (int64_t i = 0; i < n; i++)
        keys[i] = wni_hnsw_key(b, query, wni_hnsw_row(b, at[i]));
}

/* ---- heads of the nodes of a level -------------------------------------------------------------------- */

typedef struct heads {
    const wni_hnsw_new *b;
    const wni_hnsw_level *v;
    wni_walk *walks; /* (threads) */
    float *row;      /* (threads, ld) */
} heads;

static wn_status heads_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const heads *h = arg;
    const wni_hnsw_new *b = h->b;
    const wni_hnsw_level *v = h->v;
    const wni_hnsw_keys keys = {keys_at, b};
    wni_walk *walk = &h->walks[worker];
    float *row = h->row + worker * b->ld;

    for (int64_t i = begin; i < end; i++) {
        int32_t *near = v->near + i * v->near_n;
        int64_t found = 0;

        if (i < v->heads) {
            memcpy(row, wni_hnsw_row(b, i), (size_t)b->ld * sizeof *row);
        } else {
            wn_status st = wn_pool_gather(ctx, b->pool, b->order + i, 1, row, b->ld);

            if (st != WN_OK) return st;
        }
        wni_walk_to(walk, &b->g, v->level + 1, HIGH, near_beam(b->ef, v->near_n), &keys, row);
        for (int64_t j = 0; j < walk->size && found < v->near_n; j++)
            if (wni_beam_slot(walk->beam[j]) != i) near[found++] = wni_beam_slot(walk->beam[j]);
        while (found < v->near_n)
            near[found++] = -1;
    }
    return WN_OK;
}

static wn_status find_heads(wn_ctx *ctx, const wni_hnsw_new *b, const wni_hnsw_level *v)
{
    const int32_t threads = wn_ctx_threads(ctx);
    heads h = {.b = b, .v = v};
    wn_status st;

    WNI_NEW0(ctx, h.walks, threads);
    WNI_NEW(ctx, h.row, threads * b->ld);
    for (int32_t i = 0; i < threads; i++)
        WNI_TRY(wni_walk_new(ctx, &b->g, near_beam(b->ef, v->near_n), &h.walks[i]));
    WNI_TRY(wni_parallel(ctx, v->n, GRAIN, heads_range, &h));
done:
    for (int32_t i = 0; h.walks && i < threads; i++)
        wni_walk_free(ctx, &h.walks[i]);
    wni_free(ctx, h.walks);
    wni_free(ctx, h.row);
    return st;
}

/* ---- slots -------------------------------------------------------------------------------------------- */

/* Gives the new nodes of the level their slots. */
static wn_status give_slots(wn_ctx *ctx, const wni_hnsw_new *b, const wni_hnsw_level *v)
{
    const int64_t fresh = v->n - v->heads;
    wni_keyed *sorted = NULL;
    int64_t *position = NULL, slot = v->heads;
    wn_status st;

    WNI_NEW(ctx, sorted, fresh);
    WNI_NEW(ctx, position, fresh);
    for (int64_t i = 0; i < fresh; i++) {
        const int32_t *near = v->near + (v->heads + i) * v->near_n;
        const uint64_t second = v->near_n > 1 && near[1] >= 0 ? (uint64_t)near[1] : 0;

        sorted[i] = (wni_keyed){(uint64_t)near[0] << 32 | second, v->heads + i};
    }
    WNI_TRY(wni_keyed_sort_long(ctx, sorted, fresh));
    for (int64_t i = 0; i < v->heads; i++)
        v->from[i] = i;
    for (int64_t i = 0; i < fresh; i++) {
        position[i] = b->order[sorted[i].row];
        v->from[v->heads + i] = sorted[i].row;
    }
    memcpy(b->order + v->heads, position, (size_t)fresh * sizeof *position);
    for (int64_t j = 0; j < v->heads; j++) {
        v->cells[j] = slot;
        while (slot < v->n && (int64_t)(sorted[slot - v->heads].key >> 32) == j)
            slot++;
    }
    v->cells[v->heads] = slot;
done:
    wni_free(ctx, sorted);
    wni_free(ctx, position);
    return st;
}

typedef struct load {
    const wni_hnsw_new *b;
    int64_t first;
} load;

static wn_status load_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const load *l = arg;
    const wni_hnsw_new *b = l->b;
    wn_status st;

    (void)worker;
    begin += l->first, end += l->first;
    st =
        wn_pool_gather(ctx, b->pool, b->order + begin, end - begin, b->rows + begin * b->ld, b->ld);
    for (int64_t i = begin; st == WN_OK && i < end; i++) {
        const float *row = wni_hnsw_row(b, i);

        b->half[i] = b->kernels->dot(row, row, b->ld) / 2;
    }
    return st;
}

/* Rows of slots first..end. */
static wn_status load_rows(wn_ctx *ctx, const wni_hnsw_new *b, int64_t first, int64_t end)
{
    load l = {b, first};

    return wni_parallel(ctx, end - first, 1024, load_range, &l);
}

/* ---- levels ------------------------------------------------------------------------------------------- */

static wn_status grow_level(wn_ctx *ctx, wni_hnsw_new *b, int32_t level)
{
    wni_hnsw_level v = {.level = level, .n = b->g.size[level], .heads = b->g.size[level + 1]};
    wn_status st;

    v.near_n = wni_hnsw_near(b->ef, level, v.heads);
    WNI_NEW(ctx, v.near, v.n * v.near_n);
    WNI_NEW(ctx, v.from, v.n);
    WNI_NEW(ctx, v.cells, v.heads + 1);
    WNI_TRY(find_heads(ctx, b, &v));
    WNI_TRY(give_slots(ctx, b, &v));
    WNI_TRY(load_rows(ctx, b, v.heads, v.n));
    WNI_NEW(ctx, v.out, v.n * b->g.m);
    WNI_TRY(wni_hnsw_propose(ctx, b, &v));
    WNI_NEW(ctx, b->links[level], v.n * wni_hnsw_room(&b->g, level));
    WNI_TRY(wni_hnsw_link(ctx, b, &v));
    b->g.links[level] = b->links[level];
done:
    wni_free(ctx, v.near);
    wni_free(ctx, v.from);
    wni_free(ctx, v.cells);
    wni_free(ctx, v.out);
    return st;
}

static wn_status shuffle(wn_ctx *ctx, const wni_hnsw_new *b)
{
    const uint64_t stream = wni_stream("hnsw levels", 0, 0);
    const int64_t n = b->g.nodes;
    wni_keyed *rank;
    wn_status st;

    WNI_NEW(ctx, rank, n);
    for (int64_t i = 0; i < n; i++)
        rank[i] = (wni_keyed){wni_rand_u64(b->seed, stream, (uint64_t)b->order[i]), b->order[i]};
    WNI_TRY(wni_keyed_sort_long(ctx, rank, n));
    for (int64_t i = 0; i < n; i++)
        b->order[i] = rank[i].row;
done:
    wni_free(ctx, rank);
    return st;
}

wn_status wni_hnsw_grow(wn_ctx *ctx, wni_hnsw_new *b)
{
    const int32_t top = b->g.levels - 1;
    wn_status st;

    WNI_NEW(ctx, b->rows, b->g.nodes * b->ld);
    WNI_NEW(ctx, b->half, b->g.nodes);
    WNI_TRY(shuffle(ctx, b));
    WNI_TRY(load_rows(ctx, b, 0, b->g.size[top]));
    for (int32_t level = top - 1; level >= 0; level--) {
        WNI_TRY(grow_level(ctx, b, level));
    }
    wni_progress(ctx, "nodes in the graph", b->g.nodes, b->g.nodes);
done:
    return st;
}

void wni_hnsw_new_free(wn_ctx *ctx, wni_hnsw_new *b)
{
    wni_free(ctx, b->order);
    wni_free(ctx, b->rows);
    wni_free(ctx, b->half);
    for (int32_t level = 0; level < WNI_HNSW_LEVELS; level++)
        wni_free(ctx, b->links[level]);
}

/* Beside the rows and what is kept of the levels above. */
static int64_t level_bytes(const wn_ctx *ctx, const wni_hnsw *g, int32_t level, int64_t ld,
                           int64_t ef)
{
    const int64_t n = g->size[level], above = g->size[level + 1], m = g->m;
    const int64_t near = wni_hnsw_near(ef, level, above);
    const int64_t walking =
        wn_ctx_threads(ctx) * (wni_walk_bytes(g, near_beam(ef, near)) + ld * 4 + 256) + n * 24;
    const int64_t linking =
        n * m * 8 + wni_max(wni_hnsw_propose_bytes(ctx, n, near, ld, g->m, ef),
                            n * wni_hnsw_room(g, level) * 4 + wni_hnsw_link_bytes(ctx, n, g->m));

    return n * (near * 4 + 8) + above * 8 + wni_max(walking, linking);
}

int64_t wni_hnsw_grow_bytes(const wn_ctx *ctx, int64_t n, int64_t ld, int32_t m, int64_t ef)
{
    int64_t peak = 0, above = 0;
    wni_hnsw g;

    wni_hnsw_sizes(&g, n, m);
    for (int32_t level = g.levels - 2; level >= 0; level--) {
        peak = wni_max(peak, above + level_bytes(ctx, &g, level, ld, ef));
        above += g.size[level] * wni_hnsw_room(&g, level) * 4;
    }
    return n * (ld * 4 + 4 + 8) + wni_max(peak, n * 16) + 65536;
}
