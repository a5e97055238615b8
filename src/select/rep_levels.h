/* SPDX-License-Identifier: Apache-2.0
 *
 * One guess of the optimum: a chain of picks, each drawn at random from the rows that would still add at least
 * tau to the picks before it. Rows come and go; the two promises hold after each change:
 *   every pick added at least tau to the picks before it;
 *   while there are fewer than k picks no other live row would add tau.
 * Banihashem et al. 2023 and 2024.
 */
#ifndef WNI_REP_LEVELS_H
#define WNI_REP_LEVELS_H

#include "base/ctx_impl.h"

/* What the rows are worth to the witnesses: similarities in whole numbers, so that sums are exact. Slots are
 * places of live rows. */
typedef struct wni_rep_table {
    int64_t witnesses, ld; /* ld: witnesses rounded up */
    uint16_t *like;   /* (room, ld) similarity of slot and witness; zeros behind the witnesses */
    uint32_t *single; /* (room) sum of a row of it */
    int64_t room;     /* slots */
} wni_rep_table;

typedef struct wni_rep_chain {
    uint32_t tau;
    int32_t k, picks;
    int32_t *pick;   /* (k) slots */
    int64_t chained; /* places of `best` */
    uint16_t
        *best; /* (chained, ld) of the first 0, 1, ... picks: the most that each witness gets */
    int64_t *value;       /* (k + 1) sum of best */
    int64_t *open;        /* (k + 2) rows that reach level 1, 2, ...: candidates of that pick */
    int32_t *head;        /* (k + 2) first slot whose last level is this, -1 = none */
    int64_t room;         /* slots */
    int32_t *level;       /* (room) last level that the slot reaches, 0 = none */
    int32_t *next, *prev; /* (room) */
    uint64_t seed, stream, draws;
} wni_rep_chain;

/* An empty chain for guess number `index`, with place for `room` slots. */
wn_status wni_rep_chain_new(wn_ctx *ctx, const wni_rep_table *t, uint32_t tau, int32_t index,
                            int32_t k, uint64_t seed, wni_rep_chain **out);
void wni_rep_chain_free(wn_ctx *ctx, wni_rep_chain *c); /* NULL ok */

/* Slots (n) come, each live in the table and not in the chain; `afresh` nonzero: draw all levels anew.
 * Slots (n) go. Polls; after a failure the chain is good for nothing but _free. */
wn_status wni_rep_chain_insert(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c,
                               const int32_t *slots, int64_t n, int afresh);
wn_status wni_rep_chain_delete(wn_ctx *ctx, const wni_rep_table *t, wni_rep_chain *c,
                               const int32_t *slots, int64_t n);

/* What a slot would add to what the witnesses have. best (ld). */
uint32_t wni_rep_gain(const wni_rep_table *t, const uint16_t *best, int32_t slot);
/* best (ld) and what it sums to after a slot was added to from (ld). */
int64_t wni_rep_add(const wni_rep_table *t, const uint16_t *from, int32_t slot, uint16_t *best);

#endif
