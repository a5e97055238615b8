/* SPDX-License-Identifier: Apache-2.0
 *
 * Random partitions of the rows into leaves that are small enough to compare everything in them. A part is
 * split by random rows of its own: every row goes to the nearest of these. Rows of a part that came out too
 * small go to the nearest of the others. Parts that do not split so (copies of one row) are cut as they lie.
 */
#include <math.h>

#include "base/rng.h"
#include "graph/descent_impl.h"

#define PIVOTS_MAX  256
#define TILE        32    /* rows that are read and compared at a time */
#define LARGE       16384 /* rows of a part that all threads split together */
#define SPLIT_GRAIN 1024
#define FEWEST      8 /* a part below leaf / FEWEST is given up */

/* Scratch of one worker. */
typedef struct splitter {
    float *pivots; /* (PIVOTS_MAX, ld) */
    float *half;   /* (PIVOTS_MAX) half their squared norms */
    float *rows;   /* (TILE, ld) */
    float *scores; /* (TILE, PIVOTS_MAX) */
} splitter;

typedef struct tree {
    const wni_descent *s;
    uint64_t stream;
    int64_t leaf;
    uint32_t *member; /* (n) */
    uint32_t *spare;  /* (n) */
    uint16_t *to;     /* (n) pivot of each member */
    uint8_t *start;   /* (n) */
    splitter *split;  /* (threads) */
    int64_t *part;    /* first members of the parts that workers split on their own, then the end */
    int64_t parts;

    /* The large part that all split together. */
    int64_t begin, pivots;
    int again; /* only rows whose pivot was given up */
} tree;

#define GIVEN_UP 0xffff

static wn_status splitter_new(wn_ctx *ctx, int64_t ld, splitter *p)
{
    wn_status st = WN_OK;

    WNI_NEW(ctx, p->pivots, PIVOTS_MAX * ld);
    WNI_NEW(ctx, p->half, PIVOTS_MAX);
    WNI_NEW(ctx, p->rows, TILE * ld);
    WNI_NEW(ctx, p->scores, TILE * PIVOTS_MAX);
done:
    return st;
}

/* Members [begin, end) of the part go to the nearest of the first `pivots` rows of `by`. */
static wn_status assign(wn_ctx *ctx, const tree *t, const splitter *by, splitter *own,
                        int64_t pivots, int64_t begin, int64_t end, int again)
{
    const wni_descent *s = t->s;
    uint32_t node[TILE];
    int64_t place[TILE], m = 0;

    for (int64_t i = begin; i < end; i++) {
        if (!again || t->to[i] == GIVEN_UP) {
            place[m] = i;
            node[m++] = t->member[i];
        }
        if (m == TILE || (i + 1 == end && m > 0)) {
            wn_status st = wni_descent_rows(ctx, s, node, m, own->rows);

            if (st != WN_OK) return st;
            s->kernels->dots(own->rows, m, by->pivots, pivots, s->ld, own->scores, PIVOTS_MAX);
            for (int64_t j = 0; j < m; j++) {
                float value, second;
                int64_t at;

                s->kernels->best(own->scores + j * PIVOTS_MAX, by->half, pivots, &value, &at,
                                 &second);
                t->to[place[j]] = at < pivots ? (uint16_t)at : 0; /* scores may be no numbers */
            }
            m = 0;
        }
    }
    return WN_OK;
}

static wn_status assign_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const tree *t = arg;

    return assign(ctx, t, &t->split[0], &t->split[worker], t->pivots, t->begin + begin,
                  t->begin + end, t->again);
}

static wn_status assign_all(wn_ctx *ctx, tree *t, splitter *p, int64_t pivots, int64_t begin,
                            int64_t count, int together, int again)
{
    if (!together) return assign(ctx, t, p, p, pivots, begin, begin + count, again);
    t->begin = begin;
    t->pivots = pivots;
    t->again = again;
    return wni_parallel(ctx, count, SPLIT_GRAIN, assign_range, t);
}

/* Gives up the pivots with few members. Returns how many are left, 0 when none was given up. */
static int64_t give_up(tree *t, splitter *p, int64_t pivots, int64_t begin, int64_t count,
                       int64_t least)
{
    const int64_t ld = t->s->ld;
    int64_t size[PIVOTS_MAX] = {0}, kept = 0;
    uint16_t number[PIVOTS_MAX];

    for (int64_t i = begin; i < begin + count; i++)
        size[t->to[i]]++;
    for (int64_t c = 0; c < pivots; c++) {
        number[c] = size[c] >= least ? (uint16_t)kept++ : GIVEN_UP;
        if (number[c] == GIVEN_UP || kept == c + 1) continue;
        memmove(p->pivots + (kept - 1) * ld, p->pivots + c * ld, (size_t)ld * sizeof *p->pivots);
        p->half[kept - 1] = p->half[c];
    }
    if (kept == pivots || kept == 0) return 0;
    for (int64_t i = begin; i < begin + count; i++)
        t->to[i] = number[t->to[i]];
    return kept;
}

/* Cuts a part that did not split into leaves as it lies. */
static void cut(const tree *t, int64_t begin, int64_t count)
{
    const int64_t leaves = (count + t->leaf - 1) / t->leaf;

    for (int64_t l = 0; l < leaves; l++)
        t->start[begin + l * count / leaves] = 1;
}

/* Splits a part: its members are ordered by pivot, end[0..*parts) where each part ends. */
static wn_status split(wn_ctx *ctx, tree *t, splitter *p, int64_t begin, int64_t count,
                       int together, int64_t end[PIVOTS_MAX], int64_t *parts)
{
    const wni_descent *s = t->s;
    const int64_t wanted = (2 * count + t->leaf - 1) / t->leaf;
    int64_t pivots = wni_min(wni_max(wanted, 2), PIVOTS_MAX), kept, at;
    uint32_t node[PIVOTS_MAX];
    wn_status st = WN_OK;

    for (int64_t c = 0; c < pivots; c++)
        node[c] = t->member[begin + wni_rand_below(s->seed, t->stream + (uint64_t)begin,
                                                   (uint64_t)(count * PIVOTS_MAX + c), count)];
    WNI_TRY(wni_descent_rows(ctx, s, node, pivots, p->pivots));
    for (int64_t c = 0; c < pivots; c++)
        p->half[c] = s->kernels->dot(p->pivots + c * s->ld, p->pivots + c * s->ld, s->ld) / 2;
    WNI_TRY(assign_all(ctx, t, p, pivots, begin, count, together, 0));
    kept = give_up(t, p, pivots, begin, count, t->leaf / FEWEST);
    if (kept) {
        WNI_TRY(assign_all(ctx, t, p, kept, begin, count, together, 1));
        pivots = kept;
    }
    memset(end, 0, (size_t)pivots * sizeof *end);
    for (int64_t i = begin; i < begin + count; i++)
        end[t->to[i]]++;
    at = begin;
    for (int64_t c = 0; c < pivots; c++) {
        const int64_t size = end[c];

        end[c] = at;
        at += size;
    }
    for (int64_t i = begin; i < begin + count; i++)
        t->spare[end[t->to[i]]++] = t->member[i];
    memcpy(t->member + begin, t->spare + begin, (size_t)count * sizeof *t->member);
    *parts = pivots;
done:
    return st;
}

/* A part that one worker splits down to its leaves; the members of a part are ordered before its own parts
 * are looked at, so that a list of what is left to do needs no more than the marks in `start`. */
static wn_status grow(wn_ctx *ctx, tree *t, splitter *p, int64_t begin, int64_t count)
{
    int64_t end[PIVOTS_MAX], parts, from = begin;
    wn_status st;

    if (count <= t->leaf) {
        t->start[begin] = 1;
        return WN_OK;
    }
    WNI_TRY(wni_poll(ctx));
    WNI_TRY(split(ctx, t, p, begin, count, 0, end, &parts));
    for (int64_t c = 0; c < parts; from = end[c++]) {
        const int64_t size = end[c] - from;

        if (size == 0) continue;
        /* Most of it in one part: rows that hardly differ. The depth is bounded by this, too. */
        if (size > t->leaf && size > count - count / 8)
            cut(t, from, size);
        else
            WNI_TRY(grow(ctx, t, p, from, size));
    }
done:
    return st;
}

static wn_status grow_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    tree *t = arg;
    wn_status st = WN_OK;

    for (int64_t i = begin; i < end && st == WN_OK; i++)
        st = grow(ctx, t, &t->split[worker], t->part[i], t->part[i + 1] - t->part[i]);
    return st;
}

/* Splits large parts, from the front: what is behind `done` is left to do, and marks say where parts begin. */
static wn_status split_large(wn_ctx *ctx, tree *t)
{
    int64_t end[PIVOTS_MAX], parts;
    const int64_t n = t->s->n;
    wn_status st = WN_OK;

    t->parts = 0;
    t->part[0] = 0;
    t->start[0] = 1;
    for (int64_t from = 0; from < n;) {
        int64_t to = from + 1, count, first;

        while (to < n && !t->start[to])
            to++;
        count = to - from;
        if (count > LARGE && count > t->leaf) {
            WNI_TRY(split(ctx, t, &t->split[0], from, count, 1, end, &parts));
            first = from;
            for (int64_t c = 0; c < parts; first = end[c++]) {
                const int64_t size = end[c] - first;

                if (size == 0) continue;
                t->start[first] = 1;
                if (size > LARGE && size > count - count / 8) cut(t, first, size);
            }
            continue; /* the first of the new parts is next */
        }
        t->part[++t->parts] = to;
        from = to;
    }
    memset(t->start, 0, (size_t)n);
done:
    return st;
}

static int64_t parts_max(int64_t n)
{
    return n + 1;
}

int64_t wni_descent_tree_bytes(const wn_ctx *ctx, int64_t n, int64_t ld)
{
    const int64_t one = (PIVOTS_MAX + TILE) * ld * 4 + PIVOTS_MAX * 4 + TILE * PIVOTS_MAX * 4;

    return n * 6 + parts_max(n) * 8 + wn_ctx_threads(ctx) * (one + (int64_t)sizeof(splitter)) +
           4096;
}

wn_status wni_descent_tree(wn_ctx *ctx, const wni_descent *s, int64_t number, int64_t leaf,
                           uint32_t *member, uint8_t *start)
{
    const int64_t threads = wn_ctx_threads(ctx);
    tree t = {.s = s,
              .stream = wni_stream("descent pivots", number, 0),
              .leaf = leaf,
              .member = member,
              .start = start};
    wn_status st;

    for (int64_t v = 0; v < s->n; v++)
        member[v] = (uint32_t)v;
    memset(start, 0, (size_t)s->n);
    WNI_NEW(ctx, t.spare, s->n);
    WNI_NEW(ctx, t.to, s->n);
    WNI_NEW(ctx, t.part, parts_max(s->n));
    WNI_NEW0(ctx, t.split, threads);
    for (int64_t w = 0; w < threads; w++)
        WNI_TRY(splitter_new(ctx, s->ld, &t.split[w]));
    WNI_TRY(split_large(ctx, &t));
    WNI_TRY(wni_parallel(ctx, t.parts, 1, grow_range, &t));
done:
    for (int64_t w = 0; t.split && w < threads; w++) {
        wni_free(ctx, t.split[w].pivots);
        wni_free(ctx, t.split[w].half);
        wni_free(ctx, t.split[w].rows);
        wni_free(ctx, t.split[w].scores);
    }
    wni_free(ctx, t.split);
    wni_free(ctx, t.part);
    wni_free(ctx, t.to);
    wni_free(ctx, t.spare);
    return st;
}

/* ---- leaves ----------------------------------------------------------------------------------- */

typedef struct leaves {
    const wni_descent *s;
    const uint32_t *member;
    const uint8_t *start;
    wni_panel *panel; /* (threads) */
} leaves;

#define LEAF_GRAIN 4096 /* members; a leaf belongs to the range that it starts in */

static wn_status leaves_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const leaves *l = arg;
    wni_panel *p = &l->panel[worker];

    for (int64_t at = begin; at < end;) {
        int64_t to = at + 1;
        wn_status st;

        if (!l->start[at]) {
            at++;
            continue;
        }
        while (to < l->s->n && !l->start[to])
            to++;
        p->m = p->n = to - at;
        memcpy(p->node, l->member + at, (size_t)p->n * sizeof *p->node);
        if ((st = wni_poll(ctx)) != WN_OK) return st;
        if ((st = wni_panel_fill(ctx, l->s, p)) != WN_OK) return st;
        wni_panel_join(l->s, p, 0);
        at = to;
    }
    return WN_OK;
}

wn_status wni_descent_leaves(wn_ctx *ctx, const wni_descent *s, int64_t leaf,
                             const uint32_t *member, const uint8_t *start)
{
    const int64_t threads = wn_ctx_threads(ctx);
    leaves l = {s, member, start, NULL};
    wn_status st = WN_OK;

    WNI_NEW0(ctx, l.panel, threads);
    for (int64_t w = 0; w < threads; w++)
        WNI_TRY(wni_panel_new(ctx, wni_min(leaf, s->n), s->ld, &l.panel[w]));
    WNI_TRY(wni_parallel(ctx, s->n, LEAF_GRAIN, leaves_range, &l));
done:
    for (int64_t w = 0; l.panel && w < threads; w++)
        wni_panel_free(ctx, &l.panel[w]);
    wni_free(ctx, l.panel);
    return st;
}

/* ---- lists that leaves did not fill -------------------------------------------------------------- */

typedef struct completing {
    const wni_descent *s;
    float *slots; /* (threads, 2, ld) */
} completing;

static wn_status complete_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const completing *c = arg;
    const wni_descent *s = c->s;
    float *x = c->slots + worker * 2 * s->ld, *y = x + s->ld;

    for (int64_t v = begin; v < end; v++) {
        wni_near *list = s->list + v * s->k;
        const uint32_t node = (uint32_t)v;
        wn_status st;

        if (wni_near_node(list[s->k - 1]) != wni_near_node(WNI_NEAR_NONE)) continue;
        if ((st = wni_descent_rows(ctx, s, &node, 1, x)) != WN_OK) return st;
        /* There are at least k others. */
        for (uint32_t other = node;
             wni_near_node(list[s->k - 1]) == wni_near_node(WNI_NEAR_NONE);) {
            other = other + 1 == (uint32_t)s->n ? 0 : other + 1;
            if ((st = wni_descent_rows(ctx, s, &other, 1, y)) != WN_OK) return st;
            wni_list_offer(
                list, s->k,
                wni_descent_bits(s->norm[v], s->norm[other], s->kernels->dot(x, y, s->ld)), other);
        }
        wni_far_set(s, v);
    }
    return WN_OK;
}

wn_status wni_descent_complete(wn_ctx *ctx, const wni_descent *s)
{
    completing c = {.s = s};
    wn_status st = WN_OK;

    WNI_NEW(ctx, c.slots, wn_ctx_threads(ctx) * 2 * s->ld);
    st = wni_parallel(ctx, s->n, 1024, complete_range, &c);
done:
    wni_free(ctx, c.slots);
    return st;
}
