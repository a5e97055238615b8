/* SPDX-License-Identifier: Apache-2.0
 *
 * Searches within a window: a run of places is scanned, or a graph is walked that is put together on the way out of
 * the graphs of the tree, of the links that stay in the window. engels2024 xu2024
 */
#include <math.h>

#include "ds/topk.h"
#include "index/window_impl.h"

#define QUERIES 4     /* of a range, when the beam is not long */
#define LONG    512   /* beam */
#define EF_MOST 16384 /* width of a beam; who wants more has the scan */
#define HIGH    12    /* width of the beam above the lowest level */
#define TILE    256   /* places that are scanned at a time */
#define FEW     256   /* places beside a larger part of a window that are scanned and not walked */

/* A window of so small a share of the node that holds it has too few links in that node's graph. */
#define THIN 0.125
/* One of so large a share is entered there: of the HIGH nodes that are nearest some lie in the window. */
#define WIDE 0.3

#define SWEEP_MOST 4096 /* width of the beam where not all in the window are allowed */

/* ---- which way ---------------------------------------------------------------------------------------- */

/* A part of a window: where a walk enters it, and the layer from which on down it finds links there. */
typedef struct part {
    int64_t first, end;
    int32_t top;
    int64_t entry; /* node of the tree; -1 = the part is scanned */
} part;

typedef struct plan {
    int64_t first, end; /* the window, in places */
    part part[2];
    int32_t parts;
    int apart;             /* the parts are walked one after the other */
    int64_t around;        /* node that holds all, where it is entered first; -1 = the parts are */
    const uint64_t *bits;  /* of positions; NULL = all in the window count */
    const uint64_t *slots; /* the same of places; NULL = it is not at hand */
    uint64_t invert;       /* 1 = those count that are not in `bits` */
    int64_t ef, width;     /* of the beam: of what counts, of all */
    double walk, scan;     /* nanoseconds, about */
} plan;

static int64_t node_end(const wni_layers *tree, int32_t layer, int64_t node)
{
    return wni_min((node + 1) * tree->rows[layer], tree->n);
}

/* The deepest layer with one node that holds all of first..end. */
static int32_t layer_of(const wni_layers *tree, int64_t first, int64_t end)
{
    int32_t t = 0;

    while (t + 1 < tree->layers && first / tree->rows[t + 1] == (end - 1) / tree->rows[t + 1])
        t++;
    return t;
}

/* A node of `layer` within first..end, the one in their middle; -1 = there is none. */
static int64_t node_within(const wni_layers *tree, int32_t layer, int64_t first, int64_t end)
{
    const int64_t rows = tree->rows[layer], low = (first + rows - 1) / rows;
    const int64_t high = end == tree->n ? (end + rows - 1) / rows : end / rows;

    return low < high ? low + (high - low - 1) / 2 : -1;
}

static part part_of(const wni_layers *tree, int64_t first, int64_t end)
{
    part p = {first, end, layer_of(tree, first, end), -1};
    const int64_t node = first / tree->rows[p.top];
    int64_t child;

    if (first == node * tree->rows[p.top] && end == node_end(tree, p.top, node)) {
        p.entry = tree->first[p.top] + node;
    } else if (p.top == tree->layers - 1) {
        p.entry = tree->first[p.top] + node;
    } else {
        child = node_within(tree, p.top + 1, first, end);
        if (child >= 0) p.entry = tree->first[p.top + 1] + child;
    }
    return p;
}

/* A window that crosses from one node to the next and fills neither has two parts, each with an entry of its own. Where
 * it is thin in the node that holds both, hardly a link leads across: then the parts are walked one after the other,
 * each with links from the smallest node that holds it on down. */
static void divide(const wni_layers *tree, int32_t beta, plan *y)
{
    const int64_t rows = y->end - y->first;
    const int32_t top = layer_of(tree, y->first, y->end);
    const int64_t node = y->first / tree->rows[top];
    const int64_t node_rows = node_end(tree, top, node) - node * tree->rows[top];

    y->parts = 1;
    y->around = (double)rows >= WIDE * (double)node_rows ? tree->first[top] + node : -1;
    y->part[0] = part_of(tree, y->first, y->end);
    if (top + 1 < tree->layers && (y->part[0].entry < 0 || 2 * beta * rows < node_rows)) {
        const int64_t split = (y->end - 1) / tree->rows[top + 1] * tree->rows[top + 1];

        y->parts = 2;
        y->apart = (double)rows < THIN * (double)node_rows;
        y->part[0] = part_of(tree, y->first, split);
        y->part[1] = part_of(tree, split, y->end);
        for (int i = 0; i < 2; i++) {
            if (y->part[i].end - y->part[i].first <= FEW) y->part[i].entry = -1;
            if (y->part[i].entry < 0) y->apart = 0;
        }
        for (int i = 0; i < 2 && !y->apart; i++)
            if ((double)rows >= THIN * (double)node_rows) y->part[i].top = top;
        if (y->apart) y->walk *= 2;
    }
}

static plan plan_of(const wn_index *index, const wni_segment *s, const wni_ask *ask)
{
    const wn_index_window_params *p = index->params;
    const wni_window *v = s->state;
    const double d = (double)index->d;
    plan y = {.end = s->n, .bits = ask->allowed, .slots = ask->slots};
    int64_t rows;
    double share;

    if (ask->cover && ask->cover->window) {
        y.first = ask->cover->first;
        y.end = ask->cover->end;
        if (!y.bits && s->dead) {
            y.bits = s->dead;
            y.invert = 1;
        }
    }
    rows = wni_max(y.end - y.first, 1);
    share = (double)wni_max(ask->n_allowed, 1) / (double)rows;
    y.ef = wni_min(wni_min(wni_max(ask->effort, ask->k), rows), EF_MOST);
    y.width = y.ef;
    if (y.bits) {
        y.width = wni_max(wni_max((int64_t)(2 * (double)y.ef / share), 4 * y.ef), 256);
        y.width = wni_min(wni_max(wni_min(y.width, SWEEP_MOST), y.ef), rows);
    }
    y.walk = (400 + (double)y.ef * 20) * (20 + 0.2 * d) / (y.bits ? share : 1);
    y.scan = (double)rows * (3 + 0.14 * d);
    if (wni_max(ask->effort, ask->k) > EF_MOST || y.width < y.ef) y.walk = INFINITY;
    divide(&v->tree, p->beta, &y);
    return y;
}

double wni_window_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask)
{
    const plan y = plan_of(index, s, ask);
    const double d = (double)index->d;
    const double scanned = 0.022 * d + (20 + 0.6 * d) / (double)wni_max(ask->all, 1);

    /* Without a filter an effort is a promise of some recall, no less and no more for many queries at once. */
    if (!y.bits && y.end - y.first == s->n && y.walk < INFINITY) return 0;
    return fmin(y.walk, y.scan) / scanned;
}

/* ---- places ------------------------------------------------------------------------------------------- */

typedef struct query {
    const wni_window *v;
    const wni_ask *ask;
    wni_found *found;
    plan plan;
    int64_t ld;
    float *row;      /* (threads, ld) */
    char *scratch;   /* (threads, scratch_bytes) */
    wni_walk *walks; /* (threads) */
    uint64_t *kept;  /* (threads, ef) */
    int64_t scratch_bytes;
} query;

/* Index in twins of the first place >= first of those equal to a place that has equals. */
static int64_t first_twin(const wni_window *v, int32_t class, int64_t first)
{
    int64_t low = v->class_first[class], high = v->class_first[class + 1];

    while (low < high) {
        const int64_t mid = low + (high - low) / 2;

        if (v->twins[mid] < first)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The place in the window that stands for one and its equals; -1 = none is there. */
static int32_t stand_in(const wni_window *v, const plan *y, int32_t place)
{
    if (v->class_of && v->class_of[place] >= 0) {
        const int64_t at = first_twin(v, v->class_of[place], y->first);

        if (at == v->class_first[v->class_of[place] + 1]) return -1;
        place = v->twins[at];
    }
    return place >= y->first && place < y->end ? place : -1;
}

static int counts(const wni_window *v, const plan *y, int64_t place)
{
    if (y->slots) return wni_bit(y->slots, place);
    return !y->bits || ((uint64_t)wni_bit(y->bits, v->order[place]) ^ y->invert);
}

/* The same of the places that one stands for. */
static int any_counts(const wni_window *v, const plan *y, int32_t place)
{
    if (counts(v, y, place)) return 1;
    if (!v->class_of || v->class_of[place] < 0) return 0;
    for (int64_t at = first_twin(v, v->class_of[place], place) + 1;
         at < v->class_first[v->class_of[place] + 1] && v->twins[at] < y->end; at++)
        if (counts(v, y, v->twins[at])) return 1;
    return 0;
}

/* ---- scanning ----------------------------------------------------------------------------------------- */

static wn_status scan_query(wn_ctx *ctx, const query *s, int64_t q, const void *scratch)
{
    const wni_window *v = s->v;
    const plan *y = &s->plan;
    const int64_t want = s->ask->want;
    float *key = s->found->key + q * want, keys[TILE];
    int64_t *at = s->found->at + q * want, size = 0;

    for (int64_t b = y->first; b < y->end; b += TILE) {
        const int64_t m = wni_min(TILE, y->end - b);

        if ((b - y->first) % (64 * TILE) == 0) {
            const wn_status st = wni_poll(ctx);
            if (st != WN_OK) return st;
        }
        wni_code_keys_run(v->code, scratch, b, m, keys);
        for (int64_t i = 0; i < m; i++)
            if ((size < want || -keys[i] >= key[0]) && counts(v, y, b + i))
                wni_topk_push(key, at, want, &size, -keys[i], v->order[b + i]);
    }
    wni_found_end(s->found, want, q, size);
    return WN_OK;
}

/* ---- walking ------------------------------------------------------------------------------------------ */

typedef struct above {
    const wni_code *code;
    const int32_t *heads;
} above;

static void keys_above(const void *self, const void *scratch, const int32_t *slot, int64_t n,
                       float *keys)
{
    const above *a = self;
    int32_t place[4 * 128]; /* a step: 4 m or WNI_HNSW_TOP */

    for (int64_t i = 0; i < n; i++)
        place[i] = a->heads[slot[i]];
    wni_code_keys_at(a->code, scratch, place, n, keys);
}

/* Down the levels of one graph; what it finds in the window to entry[0..), how many. */
static int64_t descend(const query *s, wni_walk *w, int64_t number, const void *scratch,
                       uint64_t *entry)
{
    const wni_window *v = s->v;
    const wni_window_node *node = &v->node[number];
    const above a = {v->code, v->heads + node->heads};
    const wni_hnsw_keys keys = {keys_above, &a};
    const int32_t *upper = v->upper + node->upper * v->m;
    int64_t n = 0;
    wni_hnsw g;

    wni_hnsw_sizes(&g, node->distinct, v->m);
    for (int32_t level = 1; level < g.levels - 1; level++) {
        g.links[level] = upper;
        upper += g.size[level] * v->m;
    }
    wni_walk_enter(w, &g, g.levels > 2 ? HIGH : WNI_HNSW_TOP, &keys, scratch);
    for (int32_t level = g.levels - 2; level > 0; level--)
        wni_walk_along(w, &g, level, HIGH, &keys, scratch);
    for (int64_t i = 0; i < w->size; i++) {
        const int32_t place = stand_in(v, &s->plan, a.heads[wni_beam_slot(w->beam[i])]);

        if (place >= 0) entry[n++] = wni_beam_entry(wni_beam_key(w->beam[i]), place);
    }
    return n;
}

static void offer(const query *s, wni_walk *w, uint64_t entry, int64_t *next, int *dropped)
{
    const plan *y = &s->plan;

    if (y->bits && w->n_hits == y->ef && entry > w->hits[y->ef - 1]) return;
    *dropped |= w->size == y->width;
    *next = wni_min(*next, wni_beam_insert(w->beam, &w->size, y->width, entry));
    if (y->bits && any_counts(s->v, y, wni_beam_slot(entry)))
        wni_beam_insert(w->hits, &w->n_hits, y->ef, entry);
}

/* All of a part into the beam. */
static void scan_part(const query *s, wni_walk *w, const part *p, const void *scratch, int *dropped)
{
    int64_t next = 0;

    for (int64_t b = p->first, m; b < p->end; b += m) {
        int32_t *fresh = wni_walk_step(w);
        int64_t n = 0;

        m = wni_min(WNI_HNSW_TOP, p->end - b);
        wni_code_keys_run(s->v->code, scratch, b, m, w->keys);
        w->compared += m;
        for (int64_t i = 0; i < m; i++) {
            const int32_t place = stand_in(s->v, &s->plan, (int32_t)(b + i));

            if (place < 0 || wni_walk_seen(w, place)) continue;
            n += wni_walk_mark(w, place, fresh + n);
            offer(s, w, wni_beam_entry(w->keys[i], place), &next, dropped);
        }
        w->fresh += n;
    }
}

static int32_t top_of(const plan *y, int32_t place)
{
    return y->part[y->parts > 1 && place >= y->part[1].first].top;
}

/* Places of the window that are linked to one and were not seen: of the graph of each node of the tree that holds it,
 * from the largest that is of use on, until they are enough or the node lies in the window. */
static int64_t neighbours(const query *s, wni_walk *w, int32_t place, int32_t *fresh)
{
    const wni_window *v = s->v;
    const plan *y = &s->plan;
    const int64_t room = 2 * (int64_t)v->m;
    const uint32_t first = (uint32_t)y->first, rows = (uint32_t)(y->end - y->first);
    int64_t n = 0, met = 0;

    for (int32_t t = top_of(y, place); t < v->tree.layers && 4 * met < 3 * room; t++) {
        const int32_t *links = v->links + ((int64_t)t * v->tree.n + place) * room;
        const int64_t node = (uint32_t)place / (uint32_t)v->tree.rows[t];

        for (int64_t j = 0; j < room && links[j] >= 0; j++) {
            const int32_t to = v->class_of ? stand_in(v, y, links[j]) : links[j];

            if ((uint32_t)to - first >= rows) continue;
            met++;
            n += wni_walk_mark(w, to, fresh + n);
        }
        if (node * v->tree.rows[t] >= y->first && node_end(&v->tree, t, node) <= y->end) break;
    }
    return n;
}

static void fetch(const query *s, int32_t place)
{
    const wni_window *v = s->v;
    const int64_t room = 2 * (int64_t)v->m;

    for (int32_t t = top_of(&s->plan, place), i = 0; t < v->tree.layers && i < 2; t++, i++)
        wni_hnsw_fetch(v->links + ((int64_t)t * v->tree.n + place) * room, room);
}

/* Walks some of the parts. What it finds is in the beam, or in the hits where not all places count. */
static void walk_parts(const query *s, wni_walk *w, int32_t from, int32_t to, const void *scratch,
                       int *dropped)
{
    const plan *y = &s->plan;
    uint64_t entry[2 * WNI_HNSW_TOP];
    int64_t n = 0, next = 0;
    int entered;

    if (y->around >= 0) n = descend(s, w, y->around, scratch, entry);
    entered = n > 0;
    for (int32_t i = from; i < to && !entered; i++)
        if (y->part[i].entry >= 0) n += descend(s, w, y->part[i].entry, scratch, entry + n);
    w->size = w->n_hits = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t *fresh = wni_walk_step(w);

        if (!wni_walk_mark(w, wni_beam_slot(entry[i]), fresh)) continue;
        w->fresh++;
        offer(s, w, entry[i], &next, dropped);
    }
    for (int32_t i = from; i < to && !entered; i++)
        if (y->part[i].entry < 0) scan_part(s, w, &y->part[i], scratch, dropped);
    for (next = 0; next < w->size;) {
        const int32_t place = wni_beam_slot(w->beam[next]);
        int32_t *fresh = wni_walk_step(w);

        if (y->bits && w->n_hits == y->ef && w->beam[next] > w->hits[y->ef - 1]) break;
        w->beam[next] |= 1;
        w->visited++;
        next = wni_walk_next(w, next + 1);
        if (next < w->size) fetch(s, wni_beam_slot(w->beam[next]));
        n = neighbours(s, w, place, fresh);
        w->fresh += n;
        w->compared += n;
        wni_code_keys_at(s->v->code, scratch, fresh, n, w->keys);
        for (int64_t i = 0; i < n; i++)
            offer(s, w, wni_beam_entry(w->keys[i], fresh[i]), &next, dropped);
        next = wni_walk_next(w, next);
    }
    wni_walk_forget(w);
}

/* The nearest places found, ascending: *n of them; NULL when the beam was too narrow to tell. kept (ef) is scratch. */
static const uint64_t *walk_query(const query *s, wni_walk *w, uint64_t *kept, const void *scratch,
                                  int64_t *n)
{
    const plan *y = &s->plan;
    uint64_t *list = y->bits ? w->hits : w->beam;
    int64_t *size = y->bits ? &w->n_hits : &w->size, before = 0;
    int dropped = 0;

    if (y->apart) {
        walk_parts(s, w, 0, 1, scratch, &dropped);
        before = wni_min(*size, y->ef);
        memcpy(kept, list, (size_t)before * sizeof *kept);
    }
    walk_parts(s, w, y->apart, y->parts, scratch, &dropped);
    for (int64_t i = 0, j; i < before; i++) {
        for (j = 0; s->v->class_of && j < *size && (list[j] | 1) != (kept[i] | 1);)
            j++;
        if (!s->v->class_of || j == *size) wni_beam_insert(list, size, y->ef, kept[i]);
    }
    *n = *size;
    return !y->bits || *size == y->ef || !dropped ? list : NULL;
}

/* Rows of the places of a list into the hits of query q. */
static void emit(const query *s, int64_t q, const uint64_t *list, int64_t n)
{
    const wni_window *v = s->v;
    const plan *y = &s->plan;
    const int64_t want = s->ask->want;
    int64_t *at = s->found->at + q * want, count = 0;
    float *key = s->found->key + q * want;

    for (int64_t i = 0; i < n && count < want; i++) {
        const int32_t place = wni_beam_slot(list[i]);
        const int32_t class = v->class_of ? v->class_of[place] : -1;
        int64_t t = class < 0 ? 0 : first_twin(v, class, place);

        for (int64_t p = place; p < y->end && count < want; p = v->twins[t]) {
            if (counts(v, y, p)) {
                at[count] = v->order[p];
                key[count++] = wni_beam_key(list[i]);
            }
            if (class < 0 || ++t >= v->class_first[class + 1]) break;
        }
    }
    while (count < want)
        at[count++] = -1;
}

/* ---- all queries -------------------------------------------------------------------------------------- */

static wn_status query_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const query *s = arg;
    const plan *y = &s->plan;
    float *row = s->row + worker * s->ld;
    char *scratch = s->scratch + worker * s->scratch_bytes;

    for (int64_t q = begin; q < end; q++) {
        wni_walk *w = s->walks ? &s->walks[worker] : NULL;
        wn_status st = wn_pool_read(ctx, s->ask->queries, q, 1, row, s->ld);

        if (st != WN_OK) return st;
        wni_code_prepare(s->v->code, row, scratch);
        if (!w) {
            if ((st = scan_query(ctx, s, q, scratch)) != WN_OK) return st;
        } else {
            int64_t n;
            const uint64_t *list = walk_query(s, w, s->kept + worker * y->ef, scratch, &n);

            emit(s, q, list, list ? n : 0); /* of none the matches are scanned */
        }
    }
    return WN_OK;
}

wn_status wni_window_search(wn_ctx *ctx, const wn_index *index, const wni_segment *segment,
                            const wni_ask *ask, wni_found *found)
{
    const int32_t threads = wn_ctx_threads(ctx);
    const wni_window *v = segment->state;
    query s = {.v = v,
               .ask = ask,
               .found = found,
               .plan = plan_of(index, segment, ask),
               .ld = wni_ld(index->d)};
    const int64_t room = wni_max(wni_max(s.plan.width, HIGH), WNI_HNSW_TOP);
    wni_hnsw all;
    wn_status st;

    s.scratch_bytes = wni_round_up(wni_code_scratch_bytes(v->code), WNI_ALIGN);
    WNI_NEW(ctx, s.row, threads * s.ld);
    WNI_NEW(ctx, s.scratch, threads * s.scratch_bytes);
    if (s.plan.walk < s.plan.scan) {
        wni_hnsw_sizes(&all, segment->n, v->m);
        WNI_NEW0(ctx, s.walks, threads);
        WNI_NEW(ctx, s.kept, threads * s.plan.ef);
        for (int32_t i = 0; i < threads; i++)
            WNI_TRY(wni_walk_new(ctx, &all, room, &s.walks[i]));
    } else {
        found->compared += ask->n * (s.plan.end - s.plan.first);
    }
    WNI_TRY(wni_parallel(ctx, ask->n, s.walks && s.plan.ef < LONG ? QUERIES : 1, query_range, &s));
    for (int32_t i = 0; s.walks && i < threads; i++) {
        found->visited += s.walks[i].visited;
        found->compared += s.walks[i].compared;
    }
    found->exact = wni_code_exact(v->code);
done:
    for (int32_t i = 0; s.walks && i < threads; i++)
        wni_walk_free(ctx, &s.walks[i]);
    wni_free(ctx, s.walks);
    wni_free(ctx, s.kept);
    wni_free(ctx, s.row);
    wni_free(ctx, s.scratch);
    return st;
}
