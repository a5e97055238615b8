/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks of which only some nodes count. patel2024
 */
#include "index/hnsw_walk.h"

static int allowed(const wni_hnsw_allow *a, int32_t slot)
{
    if (wni_bit(a->bits, a->order[slot])) return 1;
    if (a->twins_first)
        for (int64_t i = a->twins_first[slot]; i < a->twins_first[slot + 1]; i++)
            if (wni_bit(a->bits, a->twins[i])) return 1;
    return 0;
}

/* Down to the base level; hits are the allowed of what the beam holds then. Returns how many. */
static int64_t descend(wni_walk *w, const wni_hnsw *g, int64_t high, int64_t ef,
                       const wni_hnsw_allow *allow, const wni_hnsw_keys *keys, const void *query)
{
    const int32_t top = g->levels - 1;

    wni_walk_enter(w, g, top == 0 ? WNI_HNSW_TOP : high, keys, query);
    for (int32_t l = top - 1; l > 0; l--)
        wni_walk_along(w, g, l, high, keys, query);
    w->n_hits = 0;
    for (int64_t i = 0; i < w->size; i++)
        if (allowed(allow, wni_beam_slot(w->beam[i])))
            wni_beam_insert(w->hits, &w->n_hits, ef, w->beam[i] & ~(uint64_t)1);
    return w->n_hits;
}

/* Allowed nodes behind links to others, until there are `most` to look at. */
static int64_t cross(wni_walk *w, const wni_hnsw_allow *allow, const int32_t *links, int64_t room,
                     int64_t n_bridges, int32_t *fresh, int64_t n, int64_t most)
{
    for (int64_t b = 0; b < n_bridges && n < most; b++) {
        const int32_t *at = links + w->bridges[b] * room;

        if (b + 1 < n_bridges) wni_hnsw_fetch(links + w->bridges[b + 1] * room, room);
        for (int64_t i = 0; i < room && at[i] >= 0 && n < most; i++)
            if (!wni_walk_seen(w, at[i]) && allowed(allow, at[i]))
                n += wni_walk_mark(w, at[i], fresh + n);
    }
    return n;
}

int wni_walk_bridge(wni_walk *w, const wni_hnsw *g, int64_t high, int64_t ef, int must,
                    const wni_hnsw_allow *allow, const wni_hnsw_keys *keys, const void *query)
{
    const int32_t *links = g->links[0];
    const int64_t room = wni_hnsw_room(g, 0);

    if (descend(w, g, high, ef, allow, keys, query) == 0 && links && must) return 0;
    if (!links) return 1;
    /* The allowed ones lead; the others only as long as there is room beside them. */
    wni_walk_start(w, ef);
    /* Hits that the beam has no room for are seen all the same. */
    for (int64_t i = 0; i < w->n_hits; i++) {
        int32_t *fresh = wni_walk_step(w);
        w->fresh += wni_walk_mark(w, wni_beam_slot(w->hits[i]), fresh);
    }
    for (int64_t next = 0; next < w->size;) {
        const int32_t *at = links + wni_beam_slot(w->beam[next]) * room;
        int32_t *fresh = wni_walk_step(w);
        int64_t n = 0, bridges = 0;

        w->beam[next] |= 1;
        w->visited++;
        next = wni_walk_next(w, next + 1);
        if (next < w->size) wni_hnsw_fetch(links + wni_beam_slot(w->beam[next]) * room, room);
        for (int64_t i = 0; i < room && at[i] >= 0; i++) {
            if (wni_walk_seen(w, at[i])) continue;
            if (allowed(allow, at[i]))
                n += wni_walk_mark(w, at[i], fresh + n);
            else
                w->bridges[bridges++] = at[i];
        }
        n = cross(w, allow, links, room, bridges, fresh, n, room);
        w->fresh += n;
        w->compared += n;
        keys->at(keys->self, query, fresh, n, w->keys);
        for (int64_t i = 0; i < n; i++) {
            const uint64_t entry = wni_beam_entry(w->keys[i], fresh[i]);

            next = wni_min(next, wni_beam_insert(w->beam, &w->size, ef, entry));
            wni_beam_insert(w->hits, &w->n_hits, ef, entry);
        }
        /* Each bridge is crossed once. */
        fresh = wni_walk_step(w);
        for (int64_t i = 0; i < bridges; i++)
            w->fresh += wni_walk_mark(w, w->bridges[i], fresh++);
        next = wni_walk_next(w, next);
    }
    wni_walk_forget(w);
    return 1;
}

int wni_walk_sweep(wni_walk *w, const wni_hnsw *g, int64_t high, int64_t width, int64_t ef,
                   const wni_hnsw_allow *allow, const wni_hnsw_keys *keys, const void *query)
{
    const int32_t *links = g->links[0];
    const int64_t room = wni_hnsw_room(g, 0);
    int dropped = 0;

    descend(w, g, high, ef, allow, keys, query);
    if (!links) return 1;
    wni_walk_start(w, width);
    for (int64_t next = 0; next < w->size;) {
        const int32_t *at = links + wni_beam_slot(w->beam[next]) * room;
        int32_t *fresh = wni_walk_step(w);
        int64_t n = 0;

        if (w->n_hits == ef && w->beam[next] > w->hits[ef - 1]) break;
        w->beam[next] |= 1;
        w->visited++;
        next = wni_walk_next(w, next + 1);
        if (next < w->size) wni_hnsw_fetch(links + wni_beam_slot(w->beam[next]) * room, room);
        for (int64_t i = 0; i < room && at[i] >= 0; i++)
            n += wni_walk_mark(w, at[i], fresh + n);
        w->fresh += n;
        w->compared += n;
        keys->at(keys->self, query, fresh, n, w->keys);
        for (int64_t i = 0; i < n; i++) {
            const uint64_t entry = wni_beam_entry(w->keys[i], fresh[i]);

            if (w->n_hits == ef && entry > w->hits[ef - 1]) continue;
            dropped |= w->size == width;
            next = wni_min(next, wni_beam_insert(w->beam, &w->size, width, entry));
            if (allowed(allow, fresh[i])) wni_beam_insert(w->hits, &w->n_hits, ef, entry);
        }
        next = wni_walk_next(w, next);
    }
    wni_walk_forget(w);
    return w->n_hits == ef || !dropped;
}
