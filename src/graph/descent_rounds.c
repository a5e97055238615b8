/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounds of local joins (nn-descent): the neighbours of a node, those that it has and those that have it, are
 * likely neighbours of each other. New ones are compared with all, old ones met each other before.
 *
 * A round works from a snapshot of the lists: at most `candidates` new and as many old entries of each, the
 * choice a function of (seed, round, pair), and the same of the reverse lists.
 */
#include "base/rng.h"
#include "graph/descent_impl.h"

#define GRAIN      64
#define NODE_GRAIN 4096

typedef struct joining {
    const wni_descent *s;
    int64_t candidates, width; /* width: entries of a node in the snapshot */
    uint64_t salt;             /* of the round */
    uint32_t *kept;            /* (n, width) node << 1 | new; ended by NONE */
    atomic_llong *reverse; /* (n + 1) where the reverse list of a node is filled; then its end */
    uint32_t *from;        /* (n * width) reverse lists: node << 1 | new */
    int64_t *fresh;        /* (threads) new entries that were seen */
    uint64_t *rank;        /* (threads, candidates) scratch */
    wni_panel *panel;      /* (threads) */
} joining;

#define NONE 0xffffffffu

/* Bits that decide which entries are kept, one number for a pair in one round. */
static uint64_t rank_of(uint64_t salt, uint32_t a, uint32_t b)
{
    uint64_t x = salt ^ ((uint64_t)a << 32 | b);

    /* The finisher of splitmix64: steele2014. */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void sift(uint64_t *heap, int64_t size, int64_t i)
{
    const uint64_t x = heap[i];

    for (int64_t child; (child = 2 * i + 1) < size; i = child) {
        if (child + 1 < size && heap[child + 1] > heap[child]) child++;
        if (heap[child] <= x) break;
        heap[i] = heap[child];
    }
    heap[i] = x;
}

/* The smallest `keep` of the ranks that were added: a heap, the largest at its root. */
typedef struct lowest {
    uint64_t *heap;
    int64_t keep, size;
    int more; /* some did not fit */
} lowest;

static void lowest_add(lowest *l, uint64_t rank)
{
    if (l->size < l->keep) {
        int64_t i = l->size++;

        for (; i > 0 && l->heap[(i - 1) / 2] < rank; i = (i - 1) / 2)
            l->heap[i] = l->heap[(i - 1) / 2];
        l->heap[i] = rank;
        return;
    }
    l->more = 1;
    if (rank >= l->heap[0]) return;
    l->heap[0] = rank;
    sift(l->heap, l->size, 0);
}

/* The largest rank that is kept. */
static uint64_t lowest_bound(const lowest *l)
{
    return l->more ? l->heap[0] : UINT64_MAX;
}

/* The largest rank that is kept of entries with the given flag. Ranks differ, so exactly as many as there is
 * room for are. */
static uint64_t choose(const joining *j, int worker, uint32_t v, const uint32_t *entry,
                       int64_t count, uint32_t flag)
{
    lowest l = {j->rank + worker * j->candidates, j->candidates, 0, 0};

    if (count <= j->candidates) return UINT64_MAX;
    for (int64_t i = 0; i < count; i++)
        if ((entry[i] & 1) == flag) lowest_add(&l, rank_of(j->salt, v, entry[i] >> 1));
    return lowest_bound(&l);
}

/* Takes the snapshot of some lists; new entries that are in it become old. */
static wn_status keep_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const joining *j = arg;
    const wni_descent *s = j->s;

    for (int64_t v = begin; v < end; v++) {
        wni_near *list = s->list + v * s->k;
        uint32_t *kept = j->kept + v * j->width;
        uint64_t bound[2] = {UINT64_MAX, UINT64_MAX};
        int64_t size = 0, fresh = 0;

        for (int64_t i = 0; i < s->k; i++)
            fresh += list[i] & 1;
        j->fresh[worker] += fresh;
        for (uint32_t flag = 0; flag < 2 && s->k > j->candidates; flag++) {
            lowest l = {j->rank + worker * j->candidates, j->candidates, 0, 0};

            for (int64_t i = 0; i < s->k; i++)
                if ((list[i] & 1) == flag)
                    lowest_add(&l, rank_of(j->salt, (uint32_t)v, wni_near_node(list[i])));
            bound[flag] = lowest_bound(&l);
        }
        for (int64_t i = 0; i < s->k; i++) {
            const uint32_t u = wni_near_node(list[i]);

            if (bound[list[i] & 1] != UINT64_MAX &&
                rank_of(j->salt, (uint32_t)v, u) > bound[list[i] & 1])
                continue;
            kept[size++] = (uint32_t)list[i];
            list[i] &= ~(wni_near)1;
            atomic_fetch_add_explicit(&j->reverse[u], 1, memory_order_relaxed);
        }
        for (; size < j->width; size++)
            kept[size] = NONE;
    }
    (void)ctx;
    return WN_OK;
}

static wn_status reverse_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const joining *j = arg;

    (void)ctx;
    (void)worker;
    for (int64_t v = begin; v < end; v++) {
        const uint32_t *kept = j->kept + v * j->width;

        for (int64_t i = 0; i < j->width && kept[i] != NONE; i++) {
            const int64_t at =
                atomic_fetch_add_explicit(&j->reverse[kept[i] >> 1], 1, memory_order_relaxed);
            j->from[at] = (uint32_t)v << 1 | (kept[i] & 1);
        }
    }
    return WN_OK;
}

/* Adds the entries with `flag` that pass, but for nodes that the panel has and the node itself. */
static void gather(const joining *j, wni_panel *p, uint32_t v, const uint32_t *entry, int64_t count,
                   uint32_t flag, uint64_t bound)
{
    for (int64_t i = 0; i < count; i++) {
        const uint32_t u = entry[i] >> 1;
        int there = 0;

        if ((entry[i] & 1) != flag) continue;
        if (bound != UINT64_MAX && rank_of(j->salt, v, u) > bound) continue;
        for (int64_t h = 0; h < p->n; h++)
            there |= p->node[h] == u;
        if (!there) p->node[p->n++] = u;
    }
}

static wn_status join_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const joining *j = arg;
    wni_panel *p = &j->panel[worker];

    for (int64_t v = begin; v < end; v++) {
        const uint32_t *kept = j->kept + v * j->width;
        /* After filling, the entry of a node is the end of its reverse list. */
        const int64_t first =
            v ? atomic_load_explicit(&j->reverse[v - 1], memory_order_relaxed) : 0;
        const int64_t back = atomic_load_explicit(&j->reverse[v], memory_order_relaxed) - first;
        const uint32_t *from = j->from + first, node = (uint32_t)v;
        int64_t size = 0;
        wn_status st;

        while (size < j->width && kept[size] != NONE)
            size++;
        p->n = 0;
        gather(j, p, node, kept, size, 1, UINT64_MAX);
        gather(j, p, node, from, back, 1, choose(j, worker, node, from, back, 1));
        p->m = p->n;
        if (p->m == 0) continue;
        gather(j, p, node, kept, size, 0, UINT64_MAX);
        gather(j, p, node, from, back, 0, choose(j, worker, node, from, back, 0));
        if (p->n < 2) continue;
        if ((v & 15) == 0 && (st = wni_poll(ctx)) != WN_OK) return st;
        if ((st = wni_panel_fill(ctx, j->s, p)) != WN_OK) return st;
        wni_panel_join(j->s, p, 1);
    }
    return WN_OK;
}

/* The snapshot and its reverse lists. */
static wn_status snapshot(wn_ctx *ctx, joining *j, int64_t *fresh)
{
    const int64_t n = j->s->n, threads = wn_ctx_threads(ctx);
    int64_t at = 0;
    wn_status st;

    for (int64_t v = 0; v < n; v++)
        atomic_store_explicit(&j->reverse[v], 0, memory_order_relaxed);
    memset(j->fresh, 0, (size_t)threads * sizeof *j->fresh);
    WNI_TRY(wni_parallel(ctx, n, NODE_GRAIN, keep_range, j));
    for (int64_t v = 0; v < n; v++) {
        const int64_t size = atomic_load_explicit(&j->reverse[v], memory_order_relaxed);

        atomic_store_explicit(&j->reverse[v], at, memory_order_relaxed);
        at += size;
    }
    WNI_TRY(wni_parallel(ctx, n, NODE_GRAIN, reverse_range, j));
    *fresh = 0;
    for (int64_t w = 0; w < threads; w++)
        *fresh += j->fresh[w];
done:
    return st;
}

static int64_t width_of(int64_t k, int64_t candidates)
{
    return wni_min(k, 2 * candidates);
}

int64_t wni_descent_rounds_bytes(const wn_ctx *ctx, int64_t n, int64_t ld, int64_t k,
                                 int64_t candidates)
{
    const int64_t width = width_of(k, candidates), threads = wn_ctx_threads(ctx);

    return n * (2 * width * 4 + 8) +
           threads * (wni_panel_bytes(4 * candidates, ld) + 8 * candidates + 128) + 4096;
}

wn_status wni_descent_rounds(wn_ctx *ctx, const wni_descent *s, const wni_goal *goal,
                             int64_t candidates, int32_t max_iter, double tol, int32_t *rounds)
{
    const int64_t threads = wn_ctx_threads(ctx), width = width_of(s->k, candidates);
    joining j = {.s = s, .candidates = candidates, .width = width};
    wn_status st;

    WNI_NEW(ctx, j.kept, s->n * width);
    WNI_NEW(ctx, j.from, s->n * width);
    WNI_NEW(ctx, j.reverse, s->n + 1);
    WNI_NEW(ctx, j.fresh, threads);
    WNI_NEW(ctx, j.rank, threads * candidates);
    WNI_NEW0(ctx, j.panel, threads);
    for (int64_t w = 0; w < threads; w++)
        WNI_TRY(wni_panel_new(ctx, 4 * candidates, s->ld, &j.panel[w]));
    while (*rounds < max_iter) {
        int64_t fresh;

        wni_progress(ctx, "rounds of joins", *rounds, max_iter);
        j.salt = wni_rand_u64(s->seed, wni_stream("descent candidates", 0, 0), (uint64_t)*rounds);
        WNI_TRY(snapshot(ctx, &j, &fresh));
        wni_log(ctx, WN_LOG_DEBUG, "graph descent: round %d, %lld new entries", *rounds,
                (long long)fresh);
        if (fresh == 0 || (*rounds && (double)fresh < tol * (double)s->n * (double)s->k)) break;
        WNI_TRY(wni_parallel(ctx, s->n, GRAIN, join_range, &j));
        ++*rounds;
        if (goal && wni_goal_reached(goal, s)) break;
    }
    wni_progress(ctx, "rounds of joins", max_iter, max_iter);
done:
    for (int64_t w = 0; j.panel && w < threads; w++)
        wni_panel_free(ctx, &j.panel[w]);
    wni_free(ctx, j.panel);
    wni_free(ctx, j.rank);
    wni_free(ctx, j.fresh);
    wni_free(ctx, j.reverse);
    wni_free(ctx, j.from);
    wni_free(ctx, j.kept);
    return st;
}
