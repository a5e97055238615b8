/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of k-means, shared by kmeans and hkmeans.
 *
 * A row x belongs to the centre c with the largest canonical score, dot(x, c) - |c|^2 / 2 under L2 and
 * dot(x, c) under cosine; ties go to the smaller centre. That definition, not a distance, decides
 * everything: bounds only skip rows whose winner is proven, so the labels are those of a plain scan.
 */
#ifndef WNI_KMEANS_IMPL_H
#define WNI_KMEANS_IMPL_H

#include <string.h>

#include "base/ctx_impl.h"
#include "kernels/kernels.h"
#include "scan/scan.h"
#include "winnow/cluster.h"

/* ---- rows in blocks -------------------------------------------------------------------------- */

/* Rows of a pool with what is needed to stream them: blocks whose bounds depend on n and d alone. */
typedef struct wni_km_rows {
    wn_ctx *ctx;
    const wn_pool *pool;
    const float *weights; /* (n) or NULL = all one; borrowed */
    const wni_kernels *kern;
    int64_t n, d, ld;
    int64_t block, blocks; /* rows of a parallel range, ranges */
    int64_t tile;          /* rows read at a time */
    float *scratch;        /* (threads, tile, ld) */
} wni_km_rows;

wn_status wni_km_rows_init(wn_ctx *ctx, const wn_pool *pool, const float *weights,
                           wni_km_rows *rows);
void wni_km_rows_free(wni_km_rows *rows);

/* Gets m rows as padded f32, (m, ld). Position p of the visit is row list[p], or first + p. */
typedef wn_status (*wni_km_visit_fn)(const wni_km_rows *rows, void *arg, int worker, int64_t p,
                                     int64_t m, const float *x);
/* Calls fn for positions 0..n in tiles, in parallel by blocks of rows->block positions. */
wn_status wni_km_visit(const wni_km_rows *rows, const int64_t *list, int64_t first, int64_t n,
                       wni_km_visit_fn fn, void *arg);

static inline double wni_km_weight(const wni_km_rows *rows, int64_t row)
{
    return rows->weights ? (double)rows->weights[row] : 1.0;
}

/* ---- one clustering ---------------------------------------------------------------------------- */

typedef struct wni_km_opt {
    int64_t k;
    int cosine; /* centres of unit length, scores without bias; the rows are unit vectors already */
    int32_t max_iter, init, bounds;
    double tol;
    uint64_t seed;
    int64_t level, round; /* tell the random streams of nested runs apart */
    const float *weights; /* (n) or NULL */
    const float *start;   /* (k, ld_start) first centres, or NULL = by `init` */
    int64_t start_ld;
    const char *stage; /* name for progress; NULL = quiet */
} wni_km_opt;

typedef struct wni_km_change {
    int64_t row;
    int32_t from, to; /* from -1 = had none */
} wni_km_change;

#define WNI_KM_CHUNK ((int64_t)1 << 17) /* rows of one step of an assignment: bounds its scratch */

#define WNI_KM_LANES ((int64_t)64) /* rows whose bounds lie together */

typedef struct wni_km_key {
    float at;
    int32_t center;
} wni_km_key;

/* Centres in groups of `size`, the last one shorter, and the bounds of the rows to them. */
typedef struct wni_km_groups {
    int64_t n, size;
    int fresh;              /* made since the last assignment: no bound holds */
    wni_mat centers;        /* (k, ld) group by group */
    float *half;            /* (k) their |c|^2 / 2 */
    int32_t *center;        /* (k) their numbers, ascending within a group */
    int32_t *of;            /* (k) group of a centre */
    int32_t *place;         /* (k) where a centre stands: center[place[c]] = c */
    wni_km_key *key;        /* (k) scratch */
    double *drift;          /* (n) sum of the largest movements since the groups were made */
    float *drift_up;        /* (n) the same with room for a rounded sum */
    float unit;             /* a power of two: codes are distances times this */
    uint16_t *lower;        /* (rows / LANES, n, LANES) */
    unsigned char *scratch; /* of the threads */
} wni_km_groups;

typedef struct wni_km {
    wn_ctx *ctx;
    wni_km_opt opt;
    wni_km_rows rows;
    int32_t k;
    int l2;

    /* per row */
    int32_t *labels;
    float *upper; /* on the distance to the own centre; bounds only */
    float *norm2; /* canonical |x|^2; bounds only */

    /* centres */
    wni_mat centers;
    float *half;          /* (k) |c|^2 / 2 */
    float *move;          /* (k) how far the last update moved it, rounded up */
    double cmax2, cmin2;  /* largest and smallest |c|^2, rounded outwards */
    wni_km_groups groups; /* bounds only */

    /* exact sums */
    int track;      /* keep the sums; off while only labels and sizes matter */
    int64_t *acc;   /* (k, ld) */
    int64_t *mass;  /* (k) weights */
    int64_t *sizes; /* (k) rows */
    double *scale;  /* (ld) powers of two */
    double mass_scale;
    double *gain; /* (k) scratch of the update */
    double sum_norm2, sum_weight;

    /* one chunk of an assignment */
    int32_t *at;  /* of a pass without bounds */
    float *score; /* the same, and repair */
    wni_km_change *change;
    int64_t *count, *looked, *scanned; /* of the ranges */
    float *moved;                      /* (moved_rows, ld) rows on their way into the sums */
    const float **moved_at;            /* (moved_rows) where each of them is */
    int64_t moved_rows;

    int assigned;              /* labels hold, and bounds but for fresh groups */
    bool last;                 /* no assignment follows the next one, as far as is known */
    double last_move;          /* of all centres together, at the last forecast */
    int32_t filter_rest;       /* iterations for which the filter stays off */
    double computed, possible; /* row-centre distances */
    int32_t iterations, converged;
    int64_t empty_repaired;
    double inertia;
} wni_km;

/* Checks start centres, reads the pool once for column ranges and norms, makes the first centres.
 * WN_E_DATA when squared lengths would overflow f32. */
wn_status wni_km_new(wn_ctx *ctx, const wn_pool *pool, const wni_km_opt *opt, wni_km **out);
void wni_km_free(wni_km *km); /* NULL ok */

/* Lloyd iterations until they settle; labels, sizes and centres agree afterwards. */
wn_status wni_km_lloyd(wni_km *km);
/* Replaces the centres, (k, ld), and assigns every row again; no sums are kept from then on. */
wn_status wni_km_replace(wni_km *km, const wni_mat *centers);
/* Sum of weight x squared distance to the own centre. */
wn_status wni_km_inertia(wni_km *km, double *inertia);
/* Copies out labels, sizes, centres and report. */
wn_status wni_km_partition(wni_km *km, wn_partition **out);

/* Bytes that wni_km_new and wni_km_lloyd take at most, and the work of one clustering. */
void wni_km_estimate(wn_ctx *ctx, int64_t n, int64_t d, const wni_km_opt *opt, wn_estimate *out);

/* ---- phases, one file each ------------------------------------------------------------------- */

/* Assigns every row to its centre; *changed counts the rows whose label is new. */
wn_status wni_km_assign(wni_km *km, int64_t *changed);
/* The same without bounds; the caller has set *changed to 0. */
wn_status wni_km_dense(wni_km *km, int64_t *changed);
/* The same by group bounds, or without them where they would skip too little. */
wn_status wni_km_play(wni_km *km, int64_t *changed);
/* The share of rows x groups that the bounds leave in play, of some rows, after the centres moved and were packed. */
wn_status wni_km_in_play(wni_km *km, double *share);
/* Whether bounds made now, of groups that are fresh and packed, would pay in the iterations that are left, with the
 * filter or without it. */
wn_status wni_km_bounds_pay(wni_km *km, bool filter, bool *pay);
/* Nothing is known any more about a row that was given to another centre. */
void wni_km_play_forget(wni_km *km, int64_t row);
wn_status wni_km_groups_new(wni_km *km); /* freed with km, whatever happens */
void wni_km_groups_free(wni_km *km);
/* Puts the centres into groups anew, near ones together; then no bound holds. */
wn_status wni_km_groups_make(wni_km *km);
/* After the centres moved: drift, and the centres group by group. */
wn_status wni_km_groups_pack(wni_km *km);
/* Bytes of a worker's scratch. */
int64_t wni_km_play_scratch(int64_t ld, int64_t size, int64_t groups);
/* Centres of a group, with or without the filter; bytes that groups, bounds and their scratch take. */
int64_t wni_km_group_size(int64_t d, int64_t k, int filter);
int64_t wni_km_play_bytes(const wn_ctx *ctx, int64_t n, int64_t d, int64_t k);
/* Moves rows between the exact sums (or only between the sizes). */
wn_status wni_km_apply(wni_km *km, const wni_km_change *change, int64_t n);
/* Likewise what an assignment of n rows in ranges of `range` left in km->change, km->count[i] of them from i * range
 * on; *changed grows by how many. */
wn_status wni_km_apply_ranges(wni_km *km, int64_t n, int64_t range, int64_t *changed);
/* Fills `half`, `cmax2` and `cmin2` after the centres changed. */
wn_status wni_km_centers_changed(wni_km *km);
/* New centres from the sums, with movements; *inertia is that of the present labels. */
wn_status wni_km_update(wni_km *km, double *inertia);
/* Measures the movement from the present centres to `next` and takes them over. */
wn_status wni_km_move_to(wni_km *km, const wni_mat *next);
/* Gives every empty cluster the row that is farthest from its centre; *repaired counts them. */
wn_status wni_km_repair(wni_km *km, int64_t *repaired);
/* First centres into km->centers. */
wn_status wni_km_first_centers(wni_km *km);

/* How many candidates k-means|| may hold. */
int64_t wni_km_candidates(int64_t n, int64_t k);
/* The method that WN_INIT_AUTO stands for. */
int32_t wni_km_init_of(int32_t init, int64_t k);

/* Asks for a part of a row that will be read soon, so many rows later: memory is then some times as fast as when the
 * processor has to guess. */
#define WNI_KM_SOON 16
static inline void wni_km_expect(const float *x, int64_t n)
{
    for (int64_t j = 0; j < n && j < 1024; j += 16)
        __builtin_prefetch(x + j);
}

/* Smallest f32 that is not below v, largest that is not above. */
static inline float wni_km_up(double v)
{
    float f = (float)v;
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    bits = f > 0 ? bits + 1 : f < 0 ? bits - 1 : 1;
    if ((double)f < v) memcpy(&f, &bits, sizeof f);
    return f;
}
static inline float wni_km_down(double v)
{
    return -wni_km_up(-v);
}

#endif
