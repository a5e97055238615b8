/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks through a graph: a beam of the nearest nodes found so far, sorted, whose nearest node not yet followed
 * is followed next. A beam entry is one number (key, slot, flag), so that comparing two of them settles ties
 * by the slot.
 */
#include <string.h>

#include "index/hnsw_impl.h"

void wni_hnsw_sizes(wni_hnsw *g, int64_t nodes, int32_t m)
{
    g->nodes = nodes;
    g->m = m;
    g->levels = 1;
    g->size[0] = nodes;
    while (g->size[g->levels - 1] > WNI_HNSW_TOP) {
        g->size[g->levels] = (g->size[g->levels - 1] + WNI_HNSW_RATIO - 1) / WNI_HNSW_RATIO;
        g->levels++;
    }
}

/* Nodes that one step looks at: the links of a node, or of its neighbours. */
static int64_t fresh_room(const wni_hnsw *g)
{
    return wni_max(4 * (int64_t)g->m, WNI_HNSW_TOP);
}

int64_t wni_walk_bytes(const wni_hnsw *g, int64_t room)
{
    const int64_t words = g->nodes / 64 + 1;

    return words * 8 + (words / 4 + 64) * 4 + (room + 1) * 16 + fresh_room(g) * 8 +
           2 * (int64_t)g->m * 4 + 7 * 64;
}

wn_status wni_walk_new(wn_ctx *ctx, const wni_hnsw *g, int64_t room, wni_walk *out)
{
    wn_status st = WN_OK;

    memset(out, 0, sizeof *out);
    out->words = g->nodes / 64 + 1;
    out->touch_room = out->words / 4 + 64;
    out->room = room;
    out->fresh_room = fresh_room(g);
    WNI_NEW0(ctx, out->seen, out->words);
    WNI_NEW(ctx, out->touched, out->touch_room);
    WNI_NEW(ctx, out->beam, room + 1);
    WNI_NEW(ctx, out->hits, room + 1);
    WNI_NEW(ctx, out->fresh, out->fresh_room);
    WNI_NEW(ctx, out->bridges, 2 * (int64_t)g->m);
    WNI_NEW(ctx, out->keys, out->fresh_room);
done:
    return st;
}

void wni_walk_free(wn_ctx *ctx, wni_walk *walk)
{
    wni_free(ctx, walk->seen);
    wni_free(ctx, walk->touched);
    wni_free(ctx, walk->beam);
    wni_free(ctx, walk->hits);
    wni_free(ctx, walk->fresh);
    wni_free(ctx, walk->bridges);
    wni_free(ctx, walk->keys);
}

static void forget(wni_walk *w)
{
    if (w->n_touched > w->touch_room)
        memset(w->seen, 0, (size_t)w->words * sizeof *w->seen);
    else
        for (int64_t i = 0; i < w->n_touched; i++)
            w->seen[w->touched[i]] = 0;
    w->n_touched = 0;
}

/* Marks a slot; 1 = it was not marked before. */
static inline int mark(wni_walk *w, int32_t slot)
{
    uint64_t *word = w->seen + (slot >> 6);
    const uint64_t bit = (uint64_t)1 << (slot & 63), old = *word;

    if (old == 0) {
        if (w->n_touched < w->touch_room) w->touched[w->n_touched] = slot >> 6;
        w->n_touched++;
    }
    *word = old | bit;
    return !(old & bit);
}

/* Puts an entry into an ascending list of at most `most`; returns its place, or `most`. */
static inline int64_t insert(uint64_t *list, int64_t *size, int64_t most, uint64_t entry)
{
    int64_t low = 0, high = *size;

    if (high == most && entry >= list[high - 1]) return most;
    while (low < high) {
        const int64_t mid = (low + high) / 2;

        if (list[mid] < entry)
            low = mid + 1;
        else
            high = mid;
    }
    *size += *size < most;
    memmove(list + low + 1, list + low, (size_t)(*size - 1 - low) * sizeof *list);
    list[low] = entry;
    return low;
}

/* All nodes of the highest level. */
static void enter(wni_walk *w, const wni_hnsw *g, int64_t ef, const wni_hnsw_keys *keys,
                  const void *query)
{
    const int64_t n = g->size[g->levels - 1];

    w->size = 0;
    for (int64_t i = 0; i < n; i++)
        w->fresh[i] = (int32_t)i;
    keys->at(keys->self, query, w->fresh, n, w->keys);
    w->compared += n;
    for (int64_t i = 0; i < n; i++)
        insert(w->beam, &w->size, ef, wni_beam_entry(w->keys[i], (int32_t)i));
}

static inline int seen(const wni_walk *w, int32_t slot)
{
    return (int)(w->seen[slot >> 6] >> (slot & 63) & 1);
}

/* Starts along a level from what the beam holds. */
static void start(wni_walk *w, int64_t ef)
{
    w->size = wni_min(w->size, ef);
    for (int64_t i = 0; i < w->size; i++) {
        w->beam[i] &= ~(uint64_t)1;
        mark(w, wni_beam_slot(w->beam[i]));
    }
}

/* The first entry from `at` on whose links were not followed. */
static inline int64_t unfollowed(const wni_walk *w, int64_t at)
{
    while (at < w->size && w->beam[at] & 1)
        at++;
    return at;
}

static inline void fetch(const int32_t *links, int64_t room)
{
    for (int64_t i = 0; i < room; i += 16)
        __builtin_prefetch(links + i);
}

static void along(wni_walk *w, const wni_hnsw *g, int32_t level, int64_t ef,
                  const wni_hnsw_keys *keys, const void *query)
{
    const int32_t *links = g->links[level];
    const int64_t room = wni_hnsw_room(g, level);

    start(w, ef);
    for (int64_t next = 0; next < w->size;) {
        const int32_t *at = links + wni_beam_slot(w->beam[next]) * room;
        int64_t fresh = 0;

        w->beam[next] |= 1;
        w->visited++;
        next = unfollowed(w, next + 1);
        if (next < w->size) fetch(links + wni_beam_slot(w->beam[next]) * room, room);
        for (int64_t i = 0; i < room && at[i] >= 0; i++) {
            w->fresh[fresh] = at[i];
            fresh += mark(w, at[i]);
        }
        keys->at(keys->self, query, w->fresh, fresh, w->keys);
        w->compared += fresh;
        for (int64_t i = 0; i < fresh; i++) {
            const uint64_t entry = wni_beam_entry(w->keys[i], w->fresh[i]);

            next = wni_min(next, insert(w->beam, &w->size, ef, entry));
        }
        next = unfollowed(w, next);
    }
    forget(w);
}

void wni_walk_to(wni_walk *w, const wni_hnsw *g, int32_t level, int64_t high, int64_t ef,
                 const wni_hnsw_keys *keys, const void *query)
{
    const int32_t top = g->levels - 1;

    enter(w, g, top == level ? ef : high, keys, query);
    for (int32_t l = top - 1; l >= level; l--)
        along(w, g, l, l > level ? high : ef, keys, query);
}

/* ---- under a filter ----------------------------------------------------------------------------------- */

static int allowed(const wni_hnsw_allow *a, int32_t slot)
{
    if (wni_bit(a->bits, a->order[slot])) return 1;
    if (a->twins_first)
        for (int64_t i = a->twins_first[slot]; i < a->twins_first[slot + 1]; i++)
            if (wni_bit(a->bits, a->twins[i])) return 1;
    return 0;
}

/* Allowed nodes behind links to others, until there are `most` to look at. */
static int64_t cross(wni_walk *w, const wni_hnsw_allow *allow, const int32_t *links, int64_t room,
                     int64_t n_bridges, int64_t fresh, int64_t most)
{
    for (int64_t b = 0; b < n_bridges && fresh < most; b++) {
        const int32_t *at = links + w->bridges[b] * room;

        if (b + 1 < n_bridges) fetch(links + w->bridges[b + 1] * room, room);
        for (int64_t i = 0; i < room && at[i] >= 0 && fresh < most; i++)
            if (!seen(w, at[i]) && allowed(allow, at[i])) {
                mark(w, at[i]);
                w->fresh[fresh++] = at[i];
            }
    }
    return fresh;
}

/* Along the base level; what is fresh of one node is allowed when `bridge` is set. */
static void along_allowed(wni_walk *w, const wni_hnsw *g, int64_t ef, int64_t want,
                          const wni_hnsw_allow *allow, int bridge, const wni_hnsw_keys *keys,
                          const void *query)
{
    const int32_t *links = g->links[0];
    const int64_t room = wni_hnsw_room(g, 0);

    start(w, ef);
    for (int64_t next = 0; next < w->size;) {
        const int32_t *at = links + wni_beam_slot(w->beam[next]) * room;
        int64_t fresh = 0, bridges = 0;

        w->beam[next] |= 1;
        w->visited++;
        next = unfollowed(w, next + 1);
        if (next < w->size) fetch(links + wni_beam_slot(w->beam[next]) * room, room);
        for (int64_t i = 0; i < room && at[i] >= 0; i++) {
            if (!mark(w, at[i])) continue;
            if (!bridge || allowed(allow, at[i]))
                w->fresh[fresh++] = at[i];
            else
                w->bridges[bridges++] = at[i];
        }
        fresh = cross(w, allow, links, room, bridges, fresh, room);
        keys->at(keys->self, query, w->fresh, fresh, w->keys);
        w->compared += fresh;
        for (int64_t i = 0; i < fresh; i++) {
            const uint64_t entry = wni_beam_entry(w->keys[i], w->fresh[i]);

            next = wni_min(next, insert(w->beam, &w->size, ef, entry));
            if ((w->n_hits < want || entry < w->hits[want - 1]) &&
                (bridge || allowed(allow, w->fresh[i])))
                insert(w->hits, &w->n_hits, want, entry);
        }
        next = unfollowed(w, next);
    }
    forget(w);
}

void wni_walk_allowed(wni_walk *w, const wni_hnsw *g, int64_t high, int64_t ef, int64_t want,
                      const wni_hnsw_allow *allow, int bridge, const wni_hnsw_keys *keys,
                      const void *query)
{
    const int32_t top = g->levels - 1;

    enter(w, g, top == 0 ? WNI_HNSW_TOP : high, keys, query);
    for (int32_t l = top - 1; l > 0; l--)
        along(w, g, l, high, keys, query);
    w->n_hits = 0;
    for (int64_t i = 0; i < w->size; i++)
        if (allowed(allow, wni_beam_slot(w->beam[i])))
            insert(w->hits, &w->n_hits, want, w->beam[i] & ~(uint64_t)1);
    if (top > 0) along_allowed(w, g, ef, want, allow, bridge, keys, query);
}
