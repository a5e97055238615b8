/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/rng.h"
#include "select/rep_levels.h"

uint32_t wni_rep_gain(const wni_rep_table *t, const uint16_t *best, int32_t slot)
{
    const uint16_t *like = t->like + slot * t->ld;
    uint32_t gain = 0;

    for (int64_t w = 0; w < t->ld; w++)
        gain += (uint16_t)(like[w] > best[w] ? like[w] - best[w] : 0);
    return gain;
}

int64_t wni_rep_add(const wni_rep_table *t, const uint16_t *from, int32_t slot, uint16_t *best)
{
    const uint16_t *like = t->like + slot * t->ld;
    uint32_t sum = 0;

    for (int64_t w = 0; w < t->ld; w++)
        sum += best[w] = like[w] > from[w] ? like[w] : from[w];
    return sum;
}

/* ---- lists of slots by last level ----------------------------------------------------------------- */

static void link_slot(wni_rep_chain *c, int32_t slot, int32_t level)
{
    int32_t first = c->head[level];

    c->level[slot] = level;
    c->prev[slot] = -1;
    c->next[slot] = first;
    if (first >= 0) c->prev[first] = slot;
    c->head[level] = slot;
}

static void unlink_slot(wni_rep_chain *c, int32_t slot)
{
    int32_t before = c->prev[slot], after = c->next[slot];

    if (before >= 0)
        c->next[before] = after;
    else
        c->head[c->level[slot]] = after;
    if (after >= 0) c->prev[after] = before;
    c->level[slot] = 0;
}

/* Room for the best of `picks` picks. */
static wn_status chain_room(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c, int32_t picks)
{
    int64_t places = wni_min(wni_max(picks + 1, 2 * c->chained), (int64_t)c->k + 1);
    uint16_t *grown;

    if (picks < c->chained) return WN_OK;
    grown = wni_grow(ctx, c->best, c->chained * t->ld, places * t->ld, sizeof *grown);
    if (!grown) return WN_E_NOMEM;
    c->best = grown;
    c->chained = places;
    return WN_OK;
}

/* New slots of the table become slots of the chain. */
static wn_status slot_room(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c)
{
    int32_t **all[3] = {&c->level, &c->next, &c->prev};

    if (c->room == t->room) return WN_OK;
    for (int i = 0; i < 3; i++) {
        int32_t *grown = wni_grow(ctx, *all[i], c->room, t->room, sizeof *grown);
        if (!grown) return WN_E_NOMEM;
        *all[i] = grown;
    }
    memset(c->level + c->room, 0, (size_t)(t->room - c->room) * sizeof *c->level);
    c->room = t->room;
    return WN_OK;
}

wn_status wni_rep_chain_new(wn_ctx *ctx, const wni_rep_table *t, uint32_t tau, int32_t index,
                            int32_t k, uint64_t seed, wni_rep_chain **out)
{
    wni_rep_chain *c = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, c, 1);
    c->tau = tau;
    c->k = k;
    c->seed = seed;
    c->stream = wni_stream("representatives", index, 0);
    WNI_NEW(ctx, c->pick, k);
    WNI_NEW0(ctx, c->value, k + 1);
    WNI_NEW0(ctx, c->open, k + 2);
    WNI_NEW(ctx, c->head, k + 2);
    for (int32_t l = 0; l < k + 2; l++)
        c->head[l] = -1;
    c->chained = 1;
    WNI_NEW0(ctx, c->best, t->ld);
    WNI_TRY(slot_room(ctx, t, c));
    *out = c;
    return WN_OK;
done:
    wni_rep_chain_free(ctx, c);
    return st;
}

void wni_rep_chain_free(wn_ctx *ctx, wni_rep_chain *c)
{
    if (!c) return;
    wni_free(ctx, c->pick);
    wni_free(ctx, c->value);
    wni_free(ctx, c->open);
    wni_free(ctx, c->head);
    wni_free(ctx, c->best);
    wni_free(ctx, c->level);
    wni_free(ctx, c->next);
    wni_free(ctx, c->prev);
    wni_free(ctx, c);
}

/* ---- levels --------------------------------------------------------------------------------------- */

/* The last level from..to+1 that the slot reaches, given that it reaches `from`: it reaches level l + 1 when it
 * adds tau to l picks, and what it adds never grows with more picks. */
static int32_t last_level(const wni_rep_table *t, const wni_rep_chain *c, int32_t slot,
                          int32_t from, int32_t to)
{
    while (from < to) {
        int32_t middle = from + (to - from + 1) / 2;
        if (wni_rep_gain(t, c->best + (middle - 1) * t->ld, slot) >= c->tau)
            from = middle;
        else
            to = middle - 1;
    }
    return from;
}

static wn_status add_pick(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c, int32_t slot)
{
    wn_status st = chain_room(ctx, t, c, c->picks + 1);
    int32_t m = c->picks;

    if (st != WN_OK) return st;
    c->value[m + 1] = wni_rep_add(t, c->best + m * t->ld, slot, c->best + (m + 1) * t->ld);
    c->pick[m] = slot;
    c->picks = m + 1;
    return WN_OK;
}

/* Draws the picks from `level` on anew out of slots (n), which all reach it, in random order behind the first
 * `fixed` of them. They are in no list. */
static wn_status draw_levels(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c, int32_t level,
                             int32_t *slots, int64_t n, int64_t fixed)
{
    wn_status st = WN_OK;

    for (int64_t i = n - 1; i > fixed; i--) {
        int64_t j = fixed + wni_rand_below(c->seed, c->stream, c->draws++, i - fixed + 1);
        int32_t slot = slots[i];
        slots[i] = slots[j];
        slots[j] = slot;
    }
    c->picks = level - 1;
    for (int32_t l = level; l <= c->k; l++)
        c->open[l] = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t slot = slots[i], m = c->picks, reaches;
        if (i % 64 == 0) WNI_TRY(wni_poll(ctx));
        if (m < c->k && wni_rep_gain(t, c->best + m * t->ld, slot) >= c->tau) {
            WNI_TRY(add_pick(ctx, t, c, slot));
            reaches = c->picks;
        } else {
            reaches = last_level(t, c, slot, level, m);
        }
        link_slot(c, slot, reaches);
        c->open[reaches]++;
    }
    for (int32_t l = c->k - 1; l >= level; l--)
        c->open[l] += c->open[l + 1];
done:
    return st;
}

/* Takes the rows that reach `level` out of their lists and draws from that level on. first >= 0: this row
 * is the pick of the level. */
static wn_status redraw(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c, int32_t level,
                        int32_t first)
{
    int32_t *slots = NULL, last = c->picks;
    int64_t n = 0, count = first >= 0;
    wn_status st = WN_OK;

    for (int32_t l = level; l <= last; l++)
        for (int32_t s = c->head[l]; s >= 0; s = c->next[s])
            count++;
    WNI_NEW(ctx, slots, count);
    if (first >= 0) slots[n++] = first;
    for (int32_t l = level; l <= last; l++) {
        for (int32_t s = c->head[l]; s >= 0; s = c->next[s])
            slots[n++] = s;
        c->head[l] = -1;
    }
    st = draw_levels(ctx, t, c, level, slots, n, first >= 0);
done:
    wni_free(ctx, slots);
    return st;
}

/* ---- changes -------------------------------------------------------------------------------------- */

/* The row replaces the pick of a level with the chance that makes every candidate of the level equally likely
 * to be its pick. */
static wn_status insert_one(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c, int32_t slot)
{
    int32_t reaches;

    if (t->single[slot] < c->tau) return WN_OK;
    reaches = last_level(t, c, slot, 1, (int32_t)wni_min(c->picks + 1, c->k));
    for (int32_t l = 1; l <= reaches && l <= c->picks; l++)
        if (wni_rand_below(c->seed, c->stream, c->draws++, c->open[l] + 1) == 0) {
            for (int32_t below = 1; below < l; below++)
                c->open[below]++;
            return redraw(ctx, t, c, l, slot);
        }
    for (int32_t l = 1; l <= reaches; l++)
        c->open[l]++;
    link_slot(c, slot, reaches);
    return reaches > c->picks ? add_pick(ctx, t, c, slot) : WN_OK;
}

static wn_status insert_afresh(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c,
                               const int32_t *slots, int64_t n)
{
    int32_t *all = NULL;
    int64_t count = 0, room = n;
    wn_status st = WN_OK;

    for (int32_t l = 1; l <= c->picks; l++)
        for (int32_t s = c->head[l]; s >= 0; s = c->next[s])
            room++;
    WNI_NEW(ctx, all, room);
    for (int32_t l = 1; l <= c->picks; l++) {
        for (int32_t s = c->head[l]; s >= 0; s = c->next[s])
            all[count++] = s;
        c->head[l] = -1;
    }
    for (int64_t i = 0; i < n; i++)
        if (t->single[slots[i]] >= c->tau) all[count++] = slots[i];
    st = draw_levels(ctx, t, c, 1, all, count, 0);
done:
    wni_free(ctx, all);
    return st;
}

wn_status wni_rep_chain_insert(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c,
                               const int32_t *slots, int64_t n, int afresh)
{
    wn_status st;

    WNI_TRY(slot_room(ctx, t, c));
    if (afresh) return insert_afresh(ctx, t, c, slots, n);
    for (int64_t i = 0; i < n; i++) {
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(insert_one(ctx, t, c, slots[i]));
    }
done:
    return st;
}

wn_status wni_rep_chain_delete(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c,
                               const int32_t *slots, int64_t n)
{
    int32_t broken = c->picks + 1; /* the lowest level that lost its pick */

    for (int64_t i = 0; i < n; i++) {
        int32_t level = c->level[slots[i]];
        if (level == 0) continue;
        for (int32_t l = 1; l <= level; l++)
            c->open[l]--;
        if (c->pick[level - 1] == slots[i]) broken = (int32_t)wni_min(broken, level);
        unlink_slot(c, slots[i]);
    }
    return broken <= c->picks ? redraw(ctx, t, c, broken, -1) : WN_OK;
}
