/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows of each group: by chance, by a score, by distance, one after the other, or by what stands for
 * what on a graph. Picks stack: each works on the rows that are still open and marks what it takes.
 */
#ifndef WNI_PICK_H
#define WNI_PICK_H

#include "ds/keyed.h"
#include "select/submodular.h"
#include "winnow/select.h"

/* The state of a selection while it is made: one wn_why_rule per row, a byte each. A row is open while it may
 * still be taken: no pick has taken it (KEPT) and nothing rules it out (a duplicate, off target, outside the
 * limits, in no group). Start with WN_WHY_QUOTA everywhere. */
static inline int wni_open(uint8_t rule)
{
    return rule == WN_WHY_QUOTA || rule == WN_WHY_SCORE || rule == WN_WHY_NOT_DRAWN ||
           rule == WN_WHY_COVERED;
}

/* Rows and their groups. */
typedef struct wni_grouping {
    int64_t n;
    int32_t k;
    const int32_t *of; /* (n) 0..k-1, -1 = in none; NULL = all in group 0 (k = 1) */
} wni_grouping;

static inline int32_t wni_group_of(const wni_grouping *g, int64_t row)
{
    return g->of ? g->of[row] : 0;
}

/* All rows open, but for those in no group: rule (n). */
void wni_open_all(const wni_grouping *g, uint8_t *rule);
/* Open rows of each group: count (k). */
void wni_count_open(const wni_grouping *g, const uint8_t *rule, int64_t *count);

/* Rules out (WN_WHY_LIMIT) open rows with score < min_score. */
void wni_limit_below(int64_t n, const float *scores, double min_score, uint8_t *rule);
/* Rules out open rows outside the band: of the m open rows of a group in ascending order of score, at a tie of
 * row, those at floor(low * m) up to ceil(high * m), exclusive, stay. 0 <= low <= high <= 1. 16 n bytes. */
wn_status wni_limit_band(wn_ctx *ctx, const wni_grouping *g, const float *scores, double low,
                         double high, uint8_t *rule);

/* Partners of the rows that are not taken, for the picks that know them; arrays of the caller (n). Where
 * nothing stands for a row partner is left as it was. */
typedef struct wni_cover {
    int64_t *partner;
    float
        *similarity; /* cosine, or NaN under WN_L2; of graph picks the similarity (submodular.h) */
} wni_cover;

typedef struct wni_picking {
    wn_pick how;
    wni_grouping groups;
    const int64_t *quota;  /* (k) rows to take, at most the open rows of the group */
    const float *scores;   /* (n): TOP, BOTTOM */
    const wn_pool *pool;   /* (n, d): CLOSEST, FARTHEST, K_CENTER, HERDING; its metric counts */
    const float *centers;  /* (k, d) row-major: CLOSEST, FARTHEST, HERDING */
    const wn_graph *graph; /* over the rows: FACILITY_LOCATION, GRAPH_CUT */
    int across;            /* graph picks: rows of other groups count as neighbours too */
    uint64_t seed;
    int64_t round;    /* of several random picks in one run: different numbers, different rows */
    wni_cover *cover; /* NULL = not wanted; K_CENTER and graph picks fill it */
} wni_picking;

/* Takes quota[c] open rows of each group: their rule becomes KEPT; open rows that are left get the rule that
 * says why (NOT_DRAWN, SCORE, COVERED), or QUOTA where the group's quota is 0 or nothing better is known.
 *   RANDOM, BAND, THRESHOLD  uniform; the limits were applied before (wni_limit_*)
 *   TOP, BOTTOM              by score
 *   CLOSEST, FARTHEST        by distance to the group's centre
 *   K_CENTER    gonzalez1985: a random row first, then the row farthest from what is taken
 *   HERDING     welling2009, chen2010: the row that brings the mean of the taken nearest to the centre
 *   FACILITY_LOCATION, GRAPH_CUT   greedy on the graph, see submodular.h
 * Ties go to the smaller row. Memory: wni_pick_bytes. */
wn_status wni_pick_rows(wn_ctx *ctx, const wni_picking *p, uint8_t *rule);

/* Upper bound of what wni_pick_rows allocates for n rows of d columns (0 = no pool), k groups and a graph of
 * `edges`. */
int64_t wni_pick_bytes(wn_ctx *ctx, wn_pick how, int64_t n, int64_t d, int64_t k, int64_t edges);

/* ---- for the picks themselves --------------------------------------------------------------------- */

/* The open rows of each group under keys: those of group c are v[begin[c] .. begin[c + 1]). */
typedef struct wni_open_rows {
    int64_t *begin; /* (k + 1) */
    wni_keyed *v;
} wni_open_rows;

/* fn fills keys of rows [begin, end) into key[0..end-begin), any thread; NULL = all keys 0. */
typedef wn_status (*wni_key_fn)(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end,
                                uint64_t *key);
wn_status wni_open_rows_new(wn_ctx *ctx, const wni_grouping *g, const uint8_t *rule, wni_key_fn fn,
                            void *arg, int64_t grain, wni_open_rows *out);
void wni_open_rows_free(wn_ctx *ctx, wni_open_rows *rows);

/* K_CENTER and HERDING, pick_chain.c. */
wn_status wni_pick_chain(wn_ctx *ctx, const wni_picking *p, uint8_t *rule);

#endif
