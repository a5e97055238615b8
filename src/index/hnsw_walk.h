/* SPDX-License-Identifier: Apache-2.0
 *
 * A graph of the kind hnsw and walks through it: a beam of the nearest nodes found so far, sorted, whose nearest
 * node not yet followed is followed next. A beam entry is one number (key, slot, flag), so that comparing two
 * of them settles ties by the slot.
 */
#ifndef WNI_HNSW_WALK_H
#define WNI_HNSW_WALK_H

#include <string.h>

#include "ds/keyed.h"
#include "index/index_impl.h"

#define WNI_HNSW_LEVELS 9  /* 16^8 * 64 > 2^31 */
#define WNI_HNSW_RATIO  16 /* nodes of a level for each one of the next */
#define WNI_HNSW_TOP    64 /* nodes of the highest level at most */

typedef struct wni_hnsw {
    int64_t nodes;
    int32_t m;                     /* links of a node above the base level; there 2 m */
    int32_t levels;                /* >= 1, the base level included */
    int64_t size[WNI_HNSW_LEVELS]; /* of a level: slots 0..size - 1; size[0] = nodes */
    const int32_t
        *links[WNI_HNSW_LEVELS]; /* (size, room) slots, -1 past the end; NULL = the highest */
} wni_hnsw;

static inline int32_t wni_hnsw_room(const wni_hnsw *g, int32_t level)
{
    return level == 0 ? 2 * g->m : g->m;
}

/* Sizes of the levels over `nodes`. */
void wni_hnsw_sizes(wni_hnsw *g, int64_t nodes, int32_t m);

/* ---- walks -------------------------------------------------------------------------------------------- */

/* Where keys come from: of slots at[0..n) to a query that was made ready. */
typedef struct wni_hnsw_keys {
    void (*at)(const void *self, const void *query, const int32_t *at, int64_t n, float *keys);
    const void *self;
} wni_hnsw_keys;

/* Scratch of one worker, for walks through one graph. */
typedef struct wni_walk {
    uint64_t *seen; /* bits of slots; all 0 between walks */
    int64_t words;
    int32_t *log; /* (log_room) slots seen; those of the step in progress start at `fresh` */
    int64_t fresh, log_room;
    int overrun;    /* the log was full once: all of `seen` is cleared in the end */
    uint64_t *beam; /* (room + 1) ascending: key, slot, whether its links were followed */
    int64_t size, room;
    uint64_t *hits; /* (room + 1) under a filter: the allowed ones, ascending */
    int64_t n_hits;
    int32_t absent;   /* a node that is passed by as if it were not there; -1 = none */
    int64_t step;     /* slots that one step looks at, at most */
    int32_t *bridges; /* (step) */
    float *keys;      /* (step) */
    int64_t visited, compared;
} wni_walk;

wn_status wni_walk_new(wn_ctx *ctx, const wni_hnsw *g, int64_t room, wni_walk *out);
void wni_walk_free(wn_ctx *ctx, wni_walk *walk);
int64_t wni_walk_bytes(const wni_hnsw *g, int64_t room);

/* From the top to `level` with a beam of `high` on the way, then along that level with one of `ef`; neither is
 * wider than room. The beam holds the nearest slots found, nearest first, at a tie the smaller slot. */
void wni_walk_to(wni_walk *walk, const wni_hnsw *g, int32_t level, int64_t high, int64_t ef,
                 const wni_hnsw_keys *keys, const void *query);

static inline int32_t wni_beam_slot(uint64_t entry)
{
    return (int32_t)((uint32_t)entry >> 1);
}
static inline float wni_beam_key(uint64_t entry)
{
    uint32_t bits = (uint32_t)(entry >> 32);
    float key;

    bits = bits >> 31 ? bits ^ 0x80000000u : ~bits;
    memcpy(&key, &bits, sizeof key);
    return key;
}
static inline uint64_t wni_beam_entry(float key, int32_t slot)
{
    return wni_key_of_float(key) << 32 | (uint32_t)slot << 1;
}

/* ---- under a filter ----------------------------------------------------------------------------------- */

/* The rows of the nodes, and which of them count under a filter. */
typedef struct wni_hnsw_allow {
    const uint64_t *bits;  /* of positions; NULL = all */
    const uint64_t *slots; /* of nodes: those of which a row is allowed */
    const int64_t *order;  /* (nodes) position of the first row of each node */
    const int64_t
        *twins_first; /* (nodes + 1) into twins: the other rows of a node; NULL = there are none */
    const int64_t *twins;
} wni_hnsw_allow;

/* Down to the base level with a beam of `high`; returns how many of what it then holds is allowed. One of the two
 * that follow goes on from there and leaves in `hits` the nearest `ef` allowed nodes it met; room >= high, ef, width
 * and WNI_HNSW_TOP.
 *
 * wni_walk_sweep goes through all nodes, in a beam of `width`, until `ef` allowed ones are nearer than whatever is
 * left. Returns 0 when the beam was too narrow for that, or when of the nearest nodes far fewer than `share` are
 * allowed: matches all around a query that has none about it are hard to tell apart.
 *
 * wni_walk_bridge compares and follows allowed nodes only; the links of the others lead on to allowed ones behind
 * them. It begins from the allowed ones of a higher level too, wherever they are. Returns 0, without hits, when the
 * allowed ones do not hang together. */
int64_t wni_walk_descend(wni_walk *walk, const wni_hnsw *g, int64_t high,
                         const wni_hnsw_allow *allow, const wni_hnsw_keys *keys, const void *query);
int wni_walk_sweep(wni_walk *walk, const wni_hnsw *g, int64_t width, int64_t ef, double share,
                   const wni_hnsw_allow *allow, const wni_hnsw_keys *keys, const void *query);
int wni_walk_bridge(wni_walk *walk, const wni_hnsw *g, int64_t ef, const wni_hnsw_allow *allow,
                    const wni_hnsw_keys *keys, const void *query);

/* ---- steps of a walk ---------------------------------------------------------------------------------- */

/* Compares the query with the whole of the highest level. */
void wni_walk_enter(wni_walk *walk, const wni_hnsw *g, int64_t ef, const wni_hnsw_keys *keys,
                    const void *query);
/* Along one level from what the beam holds. */
void wni_walk_along(wni_walk *walk, const wni_hnsw *g, int32_t level, int64_t ef,
                    const wni_hnsw_keys *keys, const void *query);
/* Begins along a level: nothing of the beam is followed, and of all nodes only these are seen. */
void wni_walk_start(wni_walk *walk, int64_t ef);
/* Nothing is seen. */
void wni_walk_forget(wni_walk *walk);

static inline int wni_walk_seen(const wni_walk *w, int32_t slot)
{
    return (int)(w->seen[slot >> 6] >> (slot & 63) & 1);
}

/* Begins a step: the place for the slots it sees. */
static inline int32_t *wni_walk_step(wni_walk *w)
{
    if (w->fresh + w->step > w->log_room) {
        w->overrun = 1;
        w->fresh = 0;
    }
    return w->log + w->fresh;
}

/* Writes the slot to *fresh and marks it as seen; 1 = it was not before, and stays there. */
static inline int wni_walk_mark(wni_walk *w, int32_t slot, int32_t *fresh)
{
    uint64_t *word = w->seen + (slot >> 6);
    const uint64_t old = *word, bit = (uint64_t)1 << (slot & 63);

    *fresh = slot;
    *word = old | bit;
    return (int)(~old >> (slot & 63) & 1);
}

/* Puts an entry into an ascending list of at most `most`; returns its place, or `most`. */
static inline int64_t wni_beam_insert(uint64_t *list, int64_t *size, int64_t most, uint64_t entry)
{
    const uint64_t *at = list;
    int64_t n = *size, low;

    if (n == most && entry >= list[n - 1]) return most;
    for (; n > 1; n -= n / 2) /* a product: a branch here would be guessed wrong half of the time */
        at += (at[n / 2 - 1] < entry) * (n / 2);
    if (n == 1) at += *at < entry;
    low = at - list;
    *size += *size < most;
    memmove(list + low + 1, list + low, (size_t)(*size - 1 - low) * sizeof *list);
    list[low] = entry;
    return low;
}

/* The first entry from `at` on whose links were not followed. */
static inline int64_t wni_walk_next(const wni_walk *w, int64_t at)
{
    while (at < w->size && w->beam[at] & 1)
        at++;
    return at;
}

static inline void wni_hnsw_fetch(const int32_t *links, int64_t room)
{
    for (int64_t i = 0; i < room; i += 16)
        __builtin_prefetch(links + i);
}

#endif
