/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of assignment by group bounds share: kmeans_play.c, kmeans_tops.c, kmeans_forecast.c.
 */
#ifndef WNI_KMEANS_PLAY_H
#define WNI_KMEANS_PLAY_H

#include <string.h>

#include "cluster/kmeans_margin.h"
#include "kernels/code16.h"
#include "pool/pool_ahead.h"
#include "pool/pool_use.h"
#include "scan/filter.h"

/* Hits from which they are verified, and room for those of one more call. */
#define WNI_KM_WAITING 256
#define WNI_KM_HITS    (WNI_KM_WAITING + WNI_KM_LANES * WNI_FILTER_MOST_COLUMNS)

/* What one worker needs for a tile. */
typedef struct wni_km_tile {
    int64_t *row;    /* (tile) numbers of the rows that are read */
    int32_t *lane;   /* (tile) read row of each position, -1 = none */
    float *room;     /* (tile, ld) for rows that are copied */
    const float **x; /* (tile) where each of them is, (ld) */
    float *few;      /* (WNI_KM_LANES, ld) rows in play, gathered */
    float *score;    /* (group size, WNI_KM_LANES) */
    float *reach;    /* (tile) by position; with a little room; -inf = not in play */
    float *base;     /* (tile) by read row from here on: l^2 = base - 2 score */
    float *best;     /* (tile) score of the best centre so far */
    float *own;      /* (tile) score of the centre it had */
    int32_t *at;     /* (tile) that centre; bounds of groups leave it out, and the one it had */
    double *error;   /* (tile) */
    int32_t *list;   /* (tile) */
    /* with a filter */
    uint8_t *codes;             /* (tile, ld) */
    float *scale, *need, *lift; /* (tile) of the filter */
    double *shift, *doubt;      /* (tile) of the filter */
    unsigned char *plain;       /* (tile) of the filter */
    int32_t *count;             /* (tile) centres verified, groups looked at in f32 */
    int32_t *order;             /* (tile) rows by group */
    int32_t *start;             /* (groups) where they end in order */
    float *tops;                /* (tile, 4) of 64 centres */
    float *top;                 /* (tile) of the group in progress */
    wni_pairs8 hits;            /* (WNI_KM_HITS) read rows and centres in question */
    int64_t n_hits;
    float *top_most; /* (tile) of all groups */
    int32_t *top_in; /* (tile) the group that has it, -1 = none */
    int32_t *home;   /* (tile) group of the centre it had, -1 = not fresh */
    int32_t *skip;   /* (tile) that centre's place */
} wni_km_tile;

/* One iteration. */
typedef struct wni_km_step {
    wni_km *km;
    wni_km_margin m;
    int64_t first; /* row of the chunk, a multiple of WNI_KM_LANES */
    int64_t range;
    int64_t *looked;          /* (ranges) */
    const wni_filter *filter; /* of the centres group by group; NULL = f32 */
    wni_ahead *ahead;
    float unit; /* of the codes */
} wni_km_step;

/* ---- 16-bit bounds ----------------------------------------------------------------------------------- */

static inline uint16_t *wni_km_bounds(const wni_km_groups *g, int64_t row, int64_t group)
{
    return g->lower + (row / WNI_KM_LANES * g->n + group) * WNI_KM_LANES + row % WNI_KM_LANES;
}

/* A group's bounds are codes of (the distance, at least the root of v, + drift) * scale: below it by more than the
 * three roundings lose, of which each is below 2^-23 of the result. */
static inline float wni_km_drift_down(const wni_km_groups *g, int64_t group)
{
    return wni_km_down(g->drift[group] * (1 - 0x1p-23));
}

static inline float wni_km_bound_scale(const wni_km_groups *g)
{
    return (1 - 0x1p-20f) * g->unit;
}

/* One more centre of a group, at least the root of v away from the row. */
static inline void wni_km_bound_also(const wni_km *km, int64_t row, int64_t group, float v)
{
    const wni_km_groups *g = &km->groups;
    uint16_t *bound = wni_km_bounds(g, row, group), code;

    km->rows.kern->bound16(&v, 1, wni_km_drift_down(g, group), wni_km_bound_scale(g), &code);
    if (code < *bound) *bound = code;
}

/* Groups that `rows` rows are compared with between two polls: some milliseconds, however many centres a group has. */
static inline int64_t wni_km_poll_groups(const wni_km *km, int64_t rows)
{
    return wni_max(1, ((int64_t)1 << 25) / (rows * km->groups.size * km->rows.ld));
}

/* What a float sum of reach and drift may lose is added beforehand. */
static inline float wni_km_reach_up(const wni_km_step *s, int64_t row)
{
    return (float)(wni_km_reach(&s->m, s->km->norm2[row], s->km->upper[row]) * (1 + 0x1p-21));
}

/* Read rows list[0..n), n <= WNI_KM_LANES, against one group: better centres and the group's bounds. */
void wni_km_look(const wni_km_step *s, const wni_km_tile *t, int64_t group, const int32_t *list,
                 int64_t n);
/* Before another centre becomes the best of read row r: its group's bound counts it again. */
void wni_km_dethrone(const wni_km_step *s, const wni_km_tile *t, int32_t r);
/* Lists in t->list the read rows of positions 0..m within the reach of a group; returns how many. */
int64_t wni_km_in_reach(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t m,
                        int64_t group);
/* Positions row0..row0 + m, of which n rows are read, have their own scores and are loaded into f, through the filter:
 * against all groups when they are fresh, else against those within reach. Adds the pairs looked at in f32, and
 * those in codes. */
wn_status wni_km_tops(wn_ctx *ctx, const wni_km_step *s, wni_km_tile *t, const wni_filter_tile *f,
                      int64_t row0, int64_t m, int64_t n, int64_t *looked, int64_t *scanned);

#endif
