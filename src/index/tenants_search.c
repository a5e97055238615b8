/* SPDX-License-Identifier: Apache-2.0
 *
 * Searching the tree of one tenant, or that of all: down from the root, nearest nodes first, until there are lists
 * enough to choose from; then the nearest lists are read.
 */
#include <math.h>
#include <string.h>

#include "ds/topk.h"
#include "index/tenants_impl.h"

#define QUERIES 4    /* of a range */
#define SCORES  256  /* centres that are compared at a time */
#define TAKE    64   /* lists below a node that are not worth going farther down */
#define RANKED  2048 /* lists at least that the nearest are chosen from, if there are so many */
#define SPARE   16   /* lists to choose from for each that is read */
#define RUN     1024 /* rows of a run that are compared at a time */

/* A node in reach: its score, and the lists below it. */
typedef struct reach {
    float score;
    int32_t node, low, high;
} reach;

typedef struct job {
    const wni_kernels *kernels;
    const wni_segment *s;
    const wni_tenants *v;
    const wni_ask *ask;
    wni_found *found;
    const uint64_t *dead; /* what `allowed` does not say */
    int64_t tenant;       /* -1 = all */
    int64_t first, count; /* centres of its lists */
    int64_t begin, end;   /* its slots */
    int64_t lists;  /* that a query reads; all of them: what there is is compared as one run */
    int64_t ranked; /* that are looked at for that; more under a filter */
    int64_t ld, code_bytes;
    int64_t *visited, *compared; /* (threads) */
} job;

/* Scratch of a range. */
typedef struct scratch {
    char *block;   /* of all but the heap */
    float *row;    /* (ld) */
    char *ready;   /* (code_bytes) */
    float *scores; /* (SCORES) */
    float *score;  /* (ranked) heap, then list */
    int64_t *near; /* (ranked) */
    int64_t size;
    float *keys;    /* (longest or RUN) */
    int32_t *slots; /* (the same) */
    int64_t found;  /* candidates of the query so far */
    reach *heap;    /* (room) the best at 0 */
    int64_t heap_n, room;
} scratch;

/* ---- nodes in reach, nearest first ---------------------------------------------------------------------------- */

static bool nearer(const reach *a, const reach *b)
{
    return a->score > b->score || (a->score == b->score && a->node < b->node);
}

static wn_status reach_push(wn_ctx *ctx, scratch *w, reach r)
{
    int64_t i = w->heap_n;

    if (i == w->room) {
        reach *grown = wni_grow(ctx, w->heap, i, 2 * i + 64, sizeof *grown);

        if (!grown) return WN_E_NOMEM;
        w->heap = grown;
        w->room = 2 * i + 64;
    }
    w->heap_n++;
    for (; i > 0 && nearer(&r, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = r;
    return WN_OK;
}

static reach reach_pop(scratch *w)
{
    const reach best = w->heap[0], last = w->heap[--w->heap_n];
    int64_t i = 0, c;

    for (; (c = 2 * i + 1) < w->heap_n; i = c) {
        c += c + 1 < w->heap_n && nearer(&w->heap[c + 1], &w->heap[c]);
        if (!nearer(&w->heap[c], &last)) break;
        w->heap[i] = w->heap[c];
    }
    w->heap[i] = last;
    return best;
}

/* ---- ranking lists ---------------------------------------------------------------------------------------------- */

/* The lists low..high, numbered in the tenant, are compared with the query and the best kept. */
static void rank_lists(const job *j, scratch *w, int64_t low, int64_t high)
{
    int32_t hits[SCORES];

    for (int64_t l = low; l < high; l += SCORES) {
        const int64_t n = wni_min(SCORES, high - l), c = j->first + l;
        const float *half = j->v->half + c;
        const float floor = w->size < j->ranked ? -INFINITY : w->score[0];
        int64_t count;

        j->kernels->dots(w->row, 1, wni_mat_row(&j->v->centers, c), n, j->ld, w->scores, SCORES);
        count = j->kernels->over(w->scores, half, n, floor, hits);
        for (int64_t h = 0; h < count; h++)
            wni_topk_push(w->score, w->near, j->ranked, &w->size,
                          w->scores[hits[h]] - half[hits[h]], l + hits[h]);
    }
}

/* First list of low..high that begins in a leaf from `leaf` on. */
static int64_t list_from(const job *j, int64_t low, int64_t high, int64_t leaf)
{
    const wni_tenants_list *list = j->v->list + j->first - j->v->leaves;

    if (j->tenant < 0) return wni_max(low, wni_min(high, leaf));
    while (low < high) {
        const int64_t mid = low + (high - low) / 2;

        if (list[mid].leaf < leaf)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Goes down from a node with many lists. Lists right below it are ranked at once. */
static wn_status expand(wn_ctx *ctx, const job *j, scratch *w, const reach *r, int64_t *taken)
{
    const wni_tenants_node *u = &j->v->node[r->node];
    int64_t next = r->node + 1, leaf = u->first_leaf, low = r->low;
    wn_status st = WN_OK;

    while (leaf < u->end_leaf && low < r->high) {
        const bool is_node = next < u->end && j->v->node[next].first_leaf == leaf;
        const int64_t to = is_node ? j->v->node[next].end_leaf : leaf + 1;
        const int64_t high = list_from(j, low, r->high, to);

        if (high > low && !is_node) {
            rank_lists(j, w, low, high);
            *taken += high - low;
        } else if (high > low) {
            const int64_t c = j->v->leaves + j->v->lists + next;
            const float dot = j->kernels->dot(w->row, wni_mat_row(&j->v->centers, c), j->ld);

            WNI_TRY(reach_push(
                ctx, w, (reach){dot - j->v->half[c], (int32_t)next, (int32_t)low, (int32_t)high}));
        }
        low = high;
        leaf = to;
        if (is_node) next = j->v->node[next].end;
    }
done:
    return st;
}

static wn_status rank(wn_ctx *ctx, const job *j, scratch *w)
{
    const int64_t enough = wni_max(RANKED, SPARE * j->ranked);
    int64_t taken = 0;
    wn_status st = WN_OK;

    w->size = 0;
    w->heap_n = 0;
    if (j->count <= enough) {
        rank_lists(j, w, 0, j->count);
    } else {
        WNI_TRY(reach_push(ctx, w, (reach){0, 0, 0, (int32_t)j->count}));
        while (w->heap_n && taken < enough) {
            const reach r = reach_pop(w);

            if (r.high - r.low > TAKE) {
                WNI_TRY(expand(ctx, j, w, &r, &taken));
                continue;
            }
            rank_lists(j, w, r.low, r.high);
            taken += r.high - r.low;
        }
    }
    wni_topk_sort(w->score, w->near, w->size);
done:
    return st;
}

/* ---- reading lists -------------------------------------------------------------------------------------------- */

static bool is_allowed(const job *j, int64_t row)
{
    return (!j->ask->allowed || wni_bit(j->ask->allowed, row)) &&
           (!j->dead || !wni_bit(j->dead, row));
}

/* Those of m slots (at, or from `first` on) that may be found, into w->slots. */
static int64_t open_slots(const job *j, scratch *w, const int32_t *at, int64_t first, int64_t m)
{
    int64_t n = 0;

    for (int64_t i = 0; i < m; i++) {
        const int32_t slot = at ? at[i] : (int32_t)(first + i);

        if (is_allowed(j, j->v->rows[slot])) w->slots[n++] = slot;
    }
    return n;
}

/* Compares m slots, at most as many as there is room for, with query q. Returns how many. */
static int64_t compare(const job *j, scratch *w, int64_t q, const int32_t *at, int64_t first,
                       int64_t m)
{
    const int64_t want = j->ask->want;
    float *key = j->found->key + q * want;
    int64_t *position = j->found->at + q * want;

    if (j->ask->allowed || j->dead) {
        m = open_slots(j, w, at, first, m);
        at = w->slots;
    }
    if (at)
        wni_code_keys_at(j->v->code, w->ready, at, m, w->keys);
    else
        wni_code_keys_run(j->v->code, w->ready, first, m, w->keys);
    for (int64_t i = 0; i < m; i++)
        if (w->found < want || -w->keys[i] >= key[0])
            wni_topk_push(key, position, want, &w->found, -w->keys[i],
                          j->v->rows[at ? at[i] : first + i]);
    return m;
}

static wn_status compare_run(wn_ctx *ctx, const job *j, scratch *w, int64_t q, int64_t *compared)
{
    wn_status st = WN_OK;

    for (int64_t i = j->begin; i < j->end; i += RUN) {
        if ((i - j->begin) % (64 * RUN) == 0) WNI_TRY(wni_poll(ctx));
        *compared += compare(j, w, q, NULL, i, wni_min(RUN, j->end - i));
    }
done:
    return st;
}

/* Slots of a list; *at = NULL: a run from *first on. */
static int64_t slots_of(const job *j, int64_t list, const int32_t **at, int64_t *first)
{
    const wni_tenants *v = j->v;

    *at = NULL;
    *first = 0;
    if (j->tenant < 0) {
        *at = v->leaf_slots + v->leaf_start[list];
        return v->leaf_start[list + 1] - v->leaf_start[list];
    }
    list += j->first - v->leaves;
    *first = v->list[list].begin;
    return v->list[list].end - v->list[list].begin;
}

static wn_status search_one(wn_ctx *ctx, const job *j, scratch *w, int64_t q, int worker)
{
    int64_t lists = 0;
    wn_status st;

    WNI_TRY(wn_pool_read(ctx, j->ask->queries, q, 1, w->row, j->ld));
    wni_code_prepare(j->v->code, w->row, w->ready);
    w->found = 0;
    if (j->lists >= j->count) {
        WNI_TRY(compare_run(ctx, j, w, q, &j->compared[worker]));
        lists = j->count;
    } else {
        WNI_TRY(rank(ctx, j, w));
        for (int64_t r = 0; r < w->size && lists < j->lists; r++) {
            const int32_t *at;
            int64_t first;
            const int64_t m = slots_of(j, w->near[r], &at, &first);
            const int64_t count = compare(j, w, q, at, first, m);

            lists += count > 0;
            j->compared[worker] += count;
            if (r % 256 == 255) WNI_TRY(wni_poll(ctx));
        }
    }
    j->visited[worker] += lists;
    wni_found_end(j->found, j->ask->want, q, w->found);
done:
    return st;
}

/* One block: a search for few rows takes no longer than a few allocations. */
static wn_status scratch_new(wn_ctx *ctx, const job *j, scratch *w)
{
    const int64_t room = wni_max(j->v->longest, RUN);
    const int64_t ranked = wni_round_up(j->ranked, 16), rows = wni_round_up(room, 16);
    const int64_t floats = j->ld + SCORES + ranked + 2 * ranked + 2 * rows;
    wn_status st = WN_OK;

    WNI_NEW(ctx, w->block, floats * 4 + j->code_bytes);
    w->row = (float *)(void *)w->block;
    w->scores = w->row + j->ld;
    w->score = w->scores + SCORES;
    w->near = (int64_t *)(void *)(w->score + ranked);
    w->keys = (float *)(void *)(w->near + ranked);
    w->slots = (int32_t *)(void *)(w->keys + rows);
    w->ready = (char *)(w->slots + rows);
done:
    return st;
}

static wn_status range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const job *j = arg;
    scratch w = {0};
    wn_status st;

    WNI_TRY(scratch_new(ctx, j, &w));
    for (int64_t q = begin; q < end; q++)
        WNI_TRY(search_one(ctx, j, &w, q, worker));
done:
    wni_free(ctx, w.block);
    wni_free(ctx, w.heap);
    return st;
}

/* ---- one search ------------------------------------------------------------------------------------------------ */

/* Whose tree, and how much of it. A tenant that the kind has not found itself is in `allowed`. */
static void take(job *j, const wni_tenants *v, const wni_ask *ask)
{
    int64_t effort = ask->effort;

    j->tenant = ask->cover && ask->cover->tenant ? ask->cover->first : -1;
    j->first = 0;
    j->count = v->leaves;
    j->begin = 0;
    j->end = v->n;
    if (j->tenant >= 0) {
        j->first = v->leaves + v->tenant_lists[j->tenant];
        j->count = v->tenant_lists[j->tenant + 1] - v->tenant_lists[j->tenant];
        j->begin = v->start[j->tenant];
        j->end = v->start[j->tenant + 1];
        effort =
            effort < v->leaves ? wni_tenants_lists_for(v->ranks, v->n_ranks, effort) : j->count;
    }
    j->lists = wni_ask_lists(ask, effort, j->end - j->begin, j->count);
    j->ranked = ask->allowed ? wni_min(4 * j->lists + 16, j->count) : j->lists;
    j->ranked = wni_max(j->ranked, 1);
}

double wni_tenants_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask)
{
    const wni_tenants *v = s->state;
    job j;
    double rows;

    (void)index;
    if (!ask->allowed) return 0;
    take(&j, v, ask);
    rows = (double)(j.end - j.begin);
    /* Centres are compared several times as fast as rows that are fetched one by one; so are bits tested. */
    return (double)j.count / 4 + (double)j.lists * rows / (double)wni_max(j.count, 1) *
                                     (0.125 + (double)ask->n_allowed / wni_max(j.end - j.begin, 1));
}

wn_status wni_tenants_search(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             const wni_ask *ask, wni_found *found)
{
    const int64_t threads = wn_ctx_threads(ctx);
    job j = {.kernels = wni_kernels_of(ctx),
             .s = s,
             .v = s->state,
             .ask = ask,
             .found = found,
             .dead = ask->allowed ? NULL : s->dead,
             .ld = wni_ld(index->d)};
    wn_status st = WN_OK;

    take(&j, j.v, ask);
    j.code_bytes = wni_round_up(wni_code_scratch_bytes(j.v->code), WNI_ALIGN);
    WNI_NEW0(ctx, j.visited, 2 * threads);
    j.compared = j.visited + threads;
    WNI_TRY(wni_parallel(ctx, ask->n, QUERIES, range, &j));
    for (int64_t t = 0; t < threads; t++) {
        found->visited += j.visited[t];
        found->compared += j.compared[t];
    }
    found->exact = wni_code_exact(j.v->code);
done:
    wni_free(ctx, j.visited);
    return st;
}
