/* SPDX-License-Identifier: Apache-2.0 */
#include "index/hnsw_walk.h"

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

/* The links of a node and as many behind them; the whole of the highest level; enough of a level under a filter to
 * be compared in one go. */
static int64_t step_of(const wni_hnsw *g)
{
    return wni_max(4 * (int64_t)g->m, wni_max(WNI_HNSW_TOP, 256));
}

static int64_t log_room(const wni_hnsw *g)
{
    return wni_min(g->nodes, 16384 + g->nodes / 256) + step_of(g);
}

int64_t wni_walk_bytes(const wni_hnsw *g, int64_t room)
{
    return (g->nodes / 64 + 1) * 8 + log_room(g) * 4 + (room + 1) * 16 + step_of(g) * 8 + 7 * 64;
}

wn_status wni_walk_new(wn_ctx *ctx, const wni_hnsw *g, int64_t room, wni_walk *out)
{
    wn_status st = WN_OK;

    memset(out, 0, sizeof *out);
    out->words = g->nodes / 64 + 1;
    out->log_room = log_room(g);
    out->room = room;
    out->absent = -1;
    out->step = step_of(g);
    WNI_NEW0(ctx, out->seen, out->words);
    WNI_NEW(ctx, out->log, out->log_room);
    WNI_NEW(ctx, out->beam, room + 1);
    WNI_NEW(ctx, out->hits, room + 1);
    WNI_NEW(ctx, out->bridges, out->step);
    WNI_NEW(ctx, out->keys, out->step);
done:
    return st;
}

void wni_walk_free(wn_ctx *ctx, wni_walk *walk)
{
    wni_free(ctx, walk->seen);
    wni_free(ctx, walk->log);
    wni_free(ctx, walk->beam);
    wni_free(ctx, walk->hits);
    wni_free(ctx, walk->bridges);
    wni_free(ctx, walk->keys);
}

void wni_walk_forget(wni_walk *w)
{
    if (w->overrun)
        memset(w->seen, 0, (size_t)w->words * sizeof *w->seen);
    else
        for (int64_t i = 0; i < w->fresh; i++)
            w->seen[w->log[i] >> 6] = 0;
    w->overrun = 0;
    w->fresh = 0;
}

void wni_walk_enter(wni_walk *w, const wni_hnsw *g, int64_t ef, const wni_hnsw_keys *keys,
                    const void *query)
{
    const int64_t n = g->size[g->levels - 1];

    w->size = 0;
    for (int64_t i = 0; i < n; i++)
        w->log[i] = (int32_t)i;
    keys->at(keys->self, query, w->log, n, w->keys);
    w->compared += n;
    for (int64_t i = 0; i < n; i++)
        if (i != w->absent)
            wni_beam_insert(w->beam, &w->size, ef, wni_beam_entry(w->keys[i], (int32_t)i));
}

void wni_walk_start(wni_walk *w, int64_t ef)
{
    w->size = wni_min(w->size, ef);
    for (int64_t i = 0; i < w->size; i++) {
        int32_t *fresh = wni_walk_step(w);

        w->beam[i] &= ~(uint64_t)1;
        w->fresh += wni_walk_mark(w, wni_beam_slot(w->beam[i]), fresh);
    }
    if (w->absent >= 0) {
        int32_t *fresh = wni_walk_step(w);

        w->fresh += wni_walk_mark(w, w->absent, fresh);
    }
}

void wni_walk_along(wni_walk *w, const wni_hnsw *g, int32_t level, int64_t ef,
                    const wni_hnsw_keys *keys, const void *query)
{
    const int32_t *links = g->links[level];
    const int64_t room = wni_hnsw_room(g, level);

    wni_walk_start(w, ef);
    for (int64_t next = 0; next < w->size;) {
        const int32_t *at = links + wni_beam_slot(w->beam[next]) * room;
        int32_t *fresh;
        int64_t n = 0;

        w->beam[next] |= 1;
        w->visited++;
        next = wni_walk_next(w, next + 1);
        if (next < w->size) wni_hnsw_fetch(links + wni_beam_slot(w->beam[next]) * room, room);
        fresh = wni_walk_step(w);
        for (int64_t i = 0; i < room && at[i] >= 0; i++)
            n += wni_walk_mark(w, at[i], fresh + n);
        w->fresh += n;
        w->compared += n;
        keys->at(keys->self, query, fresh, n, w->keys);
        for (int64_t i = 0; i < n; i++) {
            const uint64_t entry = wni_beam_entry(w->keys[i], fresh[i]);

            const int64_t place = wni_beam_insert(w->beam, &w->size, ef, entry);

            if (place > next) continue;
            next = place; /* followed next, or soon */
            wni_hnsw_fetch(links + fresh[i] * room, room);
        }
        next = wni_walk_next(w, next);
    }
    wni_walk_forget(w);
}

void wni_walk_to(wni_walk *w, const wni_hnsw *g, int32_t level, int64_t high, int64_t ef,
                 const wni_hnsw_keys *keys, const void *query)
{
    const int32_t top = g->levels - 1;

    wni_walk_enter(w, g, top == level ? ef : high, keys, query);
    for (int32_t l = top - 1; l >= level; l--)
        wni_walk_along(w, g, l, l > level ? high : ef, keys, query);
}
