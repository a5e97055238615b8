/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks of which only some nodes count. patel2024
 */
#include "index/hnsw_walk.h"

#define NEAR_OTHERS 8   /* nodes about the query that are followed though they are not allowed */
#define AHEAD       8   /* bridges whose links are on their way */
#define HOLE        32  /* nodes that show whether there are matches about a query */
#define FIRST       32  /* nodes after which it shows whether allowed ones hang together */
#define SEEDS       512 /* allowed nodes of a higher level that a walk begins from, at most */

int64_t wni_walk_descend(wni_walk *w, const wni_hnsw *g, int64_t high, const wni_hnsw_allow *allow,
                         const wni_hnsw_keys *keys, const void *query)
{
    const int32_t top = g->levels - 1;
    int64_t n = 0;

    wni_walk_enter(w, g, top == 0 ? WNI_HNSW_TOP : high, keys, query);
    for (int32_t l = top - 1; l > 0; l--)
        wni_walk_along(w, g, l, high, keys, query);
    for (int64_t i = 0; i < w->size; i++)
        n += wni_bit(allow->slots, wni_beam_slot(w->beam[i]));
    return n;
}

/* Hits are the allowed of what the beam holds. */
static void begin_hits(wni_walk *w, int64_t ef, const wni_hnsw_allow *allow)
{
    w->n_hits = 0;
    for (int64_t i = 0; i < w->size; i++)
        if (wni_bit(allow->slots, wni_beam_slot(w->beam[i])))
            wni_beam_insert(w->hits, &w->n_hits, ef, w->beam[i] & ~(uint64_t)1);
}

static int in_a_hole(const wni_walk *w, const wni_hnsw_allow *allow, double share)
{
    const int64_t n = wni_min(w->size, HOLE);
    int64_t near = 0;

    for (int64_t i = 0; i < n; i++)
        near += wni_bit(allow->slots, wni_beam_slot(w->beam[i]));
    return 4 * (double)near < share * (double)n;
}

int wni_walk_sweep(wni_walk *w, const wni_hnsw *g, int64_t width, int64_t ef, double share,
                   const wni_hnsw_allow *allow, const wni_hnsw_keys *keys, const void *query)
{
    const int32_t *links = g->links[0];
    const int64_t room = wni_hnsw_room(g, 0);
    int64_t followed = 0;
    int dropped = 0;

    begin_hits(w, ef, allow);
    if (!links) return 1;
    wni_walk_start(w, width);
    for (int64_t next = 0; next < w->size;) {
        const int32_t *at = links + wni_beam_slot(w->beam[next]) * room;
        int32_t *fresh = wni_walk_step(w);
        int64_t n = 0;

        if (w->n_hits == ef && w->beam[next] > w->hits[ef - 1]) break;
        if (++followed == HOLE * 3 / 2 && in_a_hole(w, allow, share)) break;
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
            int64_t place;

            if (w->n_hits == ef && entry > w->hits[ef - 1]) continue;
            dropped |= w->size == width;
            place = wni_beam_insert(w->beam, &w->size, width, entry);
            if (wni_bit(allow->slots, fresh[i])) wni_beam_insert(w->hits, &w->n_hits, ef, entry);
            if (place > next) continue;
            next = place; /* followed next, or soon */
            wni_hnsw_fetch(links + fresh[i] * room, room);
        }
        next = wni_walk_next(w, next);
    }
    wni_walk_forget(w);
    return (w->n_hits == ef || !dropped) && !in_a_hole(w, allow, share);
}

/* ---- over bridges -------------------------------------------------------------------------------------------- */

/* Compares allowed nodes that were not seen; the nearest go into the beam and the hits. Returns the place of the
 * nearest in the beam. */
static int64_t offer(wni_walk *w, int64_t ef, const int32_t *fresh, int64_t n,
                     const wni_hnsw_keys *keys, const void *query)
{
    int64_t first = w->size;

    w->fresh += n;
    w->compared += n;
    keys->at(keys->self, query, fresh, n, w->keys);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t entry = wni_beam_entry(w->keys[i], fresh[i]);

        first = wni_min(first, wni_beam_insert(w->beam, &w->size, ef, entry));
        wni_beam_insert(w->hits, &w->n_hits, ef, entry);
    }
    return first;
}

/* Of the beam the allowed ones stay and a few of the others; then the allowed of the lowest level that has not too
 * many of them come in. */
static void begin_bridge(wni_walk *w, const wni_hnsw *g, int64_t ef, const wni_hnsw_allow *allow,
                         const wni_hnsw_keys *keys, const void *query)
{
    int64_t n = 0, others = 0;
    int32_t level = 1;

    for (int64_t i = 0; i < w->size; i++) {
        const int is = wni_bit(allow->slots, wni_beam_slot(w->beam[i]));

        if (is || others++ < NEAR_OTHERS) w->beam[n++] = w->beam[i];
    }
    w->size = n;
    wni_walk_start(w, ef);
    begin_hits(w, ef, allow);
    while (level < g->levels - 1 && wni_bits_count(allow->slots, 0, g->size[level]) > SEEDS)
        level++;
    for (int64_t begin = 0; begin < g->size[level];) {
        int32_t *fresh = wni_walk_step(w);
        int64_t found = 0;

        for (; begin < g->size[level] && found + 64 <= w->step; begin += 64) {
            const int64_t end = wni_min(begin + 64, g->size[level]);
            int32_t *at = fresh + found;
            const int64_t some = wni_bits_list32(allow->slots, begin, end, at);

            for (int64_t i = 0; i < some; i++)
                found += wni_walk_mark(w, at[i], fresh + found);
        }
        offer(w, ef, fresh, found, keys, query);
    }
}

/* Allowed nodes behind links to others, until there are `most` to look at; of the bridges those that were crossed
 * are left. */
static int64_t cross(wni_walk *w, const wni_hnsw_allow *allow, const int32_t *links, int64_t room,
                     int64_t *n_bridges, int32_t *fresh, int64_t n, int64_t most)
{
    int64_t b = 0;

    for (; b < *n_bridges && n < most; b++) {
        const int32_t *at = links + w->bridges[b] * room;

        if (b + AHEAD < *n_bridges) wni_hnsw_fetch(links + w->bridges[b + AHEAD] * room, room);
        for (int64_t i = 0; i < room && at[i] >= 0 && n < most; i++)
            if (wni_bit(allow->slots, at[i]) && !wni_walk_seen(w, at[i]))
                n += wni_walk_mark(w, at[i], fresh + n);
    }
    *n_bridges = b;
    return n;
}

int wni_walk_bridge(wni_walk *w, const wni_hnsw *g, int64_t ef, const wni_hnsw_allow *allow,
                    const wni_hnsw_keys *keys, const void *query)
{
    const int32_t *links = g->links[0];
    const int64_t room = wni_hnsw_room(g, 0);
    int64_t followed = 0, met = 0;

    if (!links) {
        begin_hits(w, ef, allow);
        return 1;
    }
    begin_bridge(w, g, ef, allow, keys, query);
    for (int64_t next = wni_walk_next(w, 0); next < w->size;) {
        const int32_t *at = links + wni_beam_slot(w->beam[next]) * room;
        int32_t *fresh = wni_walk_step(w);
        int64_t n = 0, bridges = 0;

        w->beam[next] |= 1;
        w->visited++;
        next = wni_walk_next(w, next + 1);
        if (next < w->size) wni_hnsw_fetch(links + wni_beam_slot(w->beam[next]) * room, room);
        for (int64_t i = 0; i < room && at[i] >= 0; i++) {
            const int is = wni_bit(allow->slots, at[i]);

            met += is;
            if (wni_walk_seen(w, at[i])) continue;
            if (is)
                n += wni_walk_mark(w, at[i], fresh + n);
            else
                w->bridges[bridges++] = at[i];
        }
        for (int64_t b = 0; b < bridges && b < AHEAD; b++)
            wni_hnsw_fetch(links + w->bridges[b] * room, room);
        met -= n;
        n = cross(w, allow, links, room, &bridges, fresh, n, room);
        met += n;
        if (++followed == FIRST && 2 * met < 3 * followed) {
            w->fresh += n;
            w->n_hits = 0;
            break;
        }
        next = wni_min(next, offer(w, ef, fresh, n, keys, query));
        /* Each bridge is crossed once. */
        fresh = wni_walk_step(w);
        for (int64_t i = 0; i < bridges; i++)
            w->fresh += wni_walk_mark(w, w->bridges[i], fresh++);
        next = wni_walk_next(w, next);
    }
    wni_walk_forget(w);
    return w->n_hits > 0;
}
