/* SPDX-License-Identifier: Apache-2.0
 *
 * The picks that go one row after the other: k-centre (gonzalez1985) and herding (welling2009, chen2010).
 * Each step is one pass over the open rows of the group against one point: the row taken last, or what the
 * mean of the taken still lacks. What is kept in memory never changes a number.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "select/pick.h"

#define READ_BYTES ((int64_t)1 << 18)
#define SMALL_WORK ((int64_t)1 << 22) /* numbers of a step; above it a group gets all threads */

typedef struct best {
    float value;
    int64_t at; /* position in the group, -1 = none */
} best;

typedef struct chains {
    const wni_picking *p;
    uint8_t *rule;
    const wni_kernels *kern;
    wni_open_rows rows; /* ascending in each group */
    float *near;        /* (open rows) squared distance to the taken rows; -1 = taken */
    int64_t *by;        /* (open rows) the taken row at that distance; NULL = not wanted */
    int64_t d, ld, tile_rows, tile;
    float *tiles;       /* (threads, tile) */
    int64_t hold_bytes; /* a group whose rows fit is kept in memory from step to step */
    uint64_t stream;
} chains;

/* One group at work. */
typedef struct chain {
    chains *all;
    int32_t group;
    int64_t first, size; /* of its rows in all->rows.v */
    float *point;        /* (ld) */
    int64_t point_row;   /* k-centre: the row taken last */
    best *bests;         /* one per range */
    float *held;         /* (size, ld) the rows, or NULL: they are read anew in each step */
} chain;

static inline int better(const chains *a, float value, const best *b)
{
    return b->at < 0 || (a->p->how == WN_PICK_K_CENTER ? value > b->value : value < b->value);
}

/* Rows [begin, end) of the group, in a tile: updates `near` and finds the first best of them. */
static wn_status step_tile(wn_ctx *ctx, chain *c, float *x, int64_t begin, int64_t end, best *b)
{
    chains *a = c->all;
    wni_keyed *v = a->rows.v + c->first;
    float *near = a->near + c->first;
    int64_t row[64];
    wn_status st = WN_OK;

    for (int64_t from = begin; from < end; from += 64) {
        int64_t m = wni_min(64, end - from);
        float *tile = c->held ? c->held + from * a->ld : x;
        for (int64_t i = 0; i < m; i++)
            row[i] = v[from + i].row;
        if (!c->held) WNI_TRY(wn_pool_gather(ctx, a->p->pool, row, m, tile, a->ld));
        for (int64_t i = 0; i < m; i++, tile += a->ld) {
            int64_t at = from + i;
            float value;
            if (near[at] < 0) continue;
            value = a->kern->l2sq(tile, c->point, a->ld);
            if (a->p->how == WN_PICK_K_CENTER) {
                if (value < near[at]) {
                    near[at] = value;
                    if (a->by) a->by[c->first + at] = c->point_row;
                }
                value = near[at];
            }
            if (better(a, value, b)) *b = (best){value, at};
        }
    }
done:
    return st;
}

static wn_status step_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    chain *c = arg;
    best *b = &c->bests[begin / c->all->tile_rows];

    *b = (best){0, -1};
    return step_tile(ctx, c, c->all->tiles + worker * c->all->tile, begin, end, b);
}

static wn_status hold_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    chain *c = arg;
    chains *a = c->all;
    int64_t row[64];
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t from = begin; from < end; from += 64) {
        int64_t m = wni_min(64, end - from);
        for (int64_t i = 0; i < m; i++)
            row[i] = a->rows.v[c->first + from + i].row;
        WNI_TRY(wn_pool_gather(ctx, a->p->pool, row, m, c->held + from * a->ld, a->ld));
    }
done:
    return st;
}

/* Reads the rows of the group once, if they may stay. */
static wn_status hold_rows(wn_ctx *ctx, chain *c, int worker)
{
    chains *a = c->all;
    int64_t room = worker < 0 ? a->hold_bytes : a->hold_bytes / wn_ctx_threads(ctx);
    wn_status st = WN_OK;

    if (a->p->quota[c->group] < 4 || c->size * a->ld * (int64_t)sizeof(float) > room) return WN_OK;
    WNI_NEW(ctx, c->held, c->size * a->ld);
    st = wni_parallel(ctx, c->size, a->tile_rows, hold_range, c);
done:
    return st;
}

/* worker >= 0: the group is done by one thread, else by all. */
static wn_status step(wn_ctx *ctx, chain *c, int worker, best *out)
{
    chains *a = c->all;
    wn_status st;

    *out = (best){0, -1};
    if (worker >= 0) return step_tile(ctx, c, a->tiles + worker * a->tile, 0, c->size, out);
    WNI_TRY(wni_parallel(ctx, c->size, a->tile_rows, step_range, c));
    for (int64_t r = 0; r * a->tile_rows < c->size; r++)
        if (c->bests[r].at >= 0 && better(a, c->bests[r].value, out)) *out = c->bests[r];
done:
    return st;
}

/* Sets the point of k-centre to the row taken last, or takes the row off what herding lacks. */
static wn_status move_point(wn_ctx *ctx, chain *c, int64_t row, float *x, double *lack)
{
    chains *a = c->all;
    const float *mean = a->p->centers ? a->p->centers + c->group * a->d : NULL;
    wn_status st;

    WNI_TRY(wn_pool_gather(ctx, a->p->pool, &row, 1, x, a->ld));
    c->point_row = row;
    if (a->p->how == WN_PICK_K_CENTER) {
        memcpy(c->point, x, (size_t)a->ld * sizeof *x);
    } else {
        for (int64_t j = 0; j < a->d; j++) {
            lack[j] += (double)mean[j] - (double)x[j];
            c->point[j] = (float)lack[j];
        }
    }
done:
    return st;
}

static wn_status run_chain(wn_ctx *ctx, chains *a, int32_t group, int worker)
{
    chain c = {.all = a, .group = group, .first = a->rows.begin[group]};
    int64_t quota = a->p->quota[group], ranges;
    wni_keyed *v = a->rows.v + c.first;
    float *x = NULL;
    double *lack = NULL;
    wn_status st = WN_OK;

    c.size = a->rows.begin[group + 1] - c.first;
    if (quota == 0 || quota == c.size) { /* nothing to choose */
        for (int64_t i = 0; i < c.size; i++)
            a->rule[v[i].row] = quota ? WN_WHY_KEPT : WN_WHY_QUOTA;
        return WN_OK;
    }
    ranges = (c.size + a->tile_rows - 1) / a->tile_rows;
    WNI_NEW0(ctx, c.point, a->ld);
    WNI_NEW0(ctx, x, a->ld);
    WNI_NEW(ctx, lack, a->d);
    WNI_NEW(ctx, c.bests, ranges);
    WNI_TRY(hold_rows(ctx, &c, worker));
    for (int64_t i = 0; i < c.size; i++) {
        a->near[c.first + i] = INFINITY;
        if (a->by) a->by[c.first + i] = -1; /* stays where every distance overflows */
    }
    if (a->p->how == WN_PICK_HERDING)
        for (int64_t j = 0; j < a->d; j++) {
            lack[j] = a->p->centers[group * a->d + j];
            c.point[j] = (float)lack[j];
        }
    for (int64_t t = 0; t < quota; t++) {
        best b = {0, 0};
        WNI_TRY(wni_poll(ctx));
        if (t == 0 && a->p->how == WN_PICK_K_CENTER)
            b.at = wni_rand_below(a->p->seed, a->stream, (uint64_t)group, c.size);
        else
            WNI_TRY(step(ctx, &c, worker, &b));
        a->near[c.first + b.at] = -1;
        a->rule[v[b.at].row] = WN_WHY_KEPT;
        WNI_TRY(move_point(ctx, &c, v[b.at].row, x, lack));
        if (worker < 0) wni_progress(ctx, "picking rows", t, quota);
    }
    if (a->p->how == WN_PICK_K_CENTER) { /* distances to the last one */
        best b;
        WNI_TRY(step(ctx, &c, worker, &b));
    }
    for (int64_t i = 0; i < c.size; i++) {
        int64_t row = v[i].row;
        if (a->rule[row] == WN_WHY_KEPT) continue;
        a->rule[row] = a->p->how == WN_PICK_K_CENTER ? WN_WHY_COVERED : WN_WHY_QUOTA;
        if (!a->by) continue;
        a->p->cover->partner[row] = a->by[c.first + i];
        a->p->cover->similarity[row] =
            wn_pool_metric(a->p->pool) == WN_COSINE ? 1.0f - a->near[c.first + i] / 2.0f : NAN;
    }
done:
    wni_free(ctx, c.point);
    wni_free(ctx, x);
    wni_free(ctx, lack);
    wni_free(ctx, c.bests);
    wni_free(ctx, c.held);
    return st;
}

static bool is_small(const chains *a, int64_t group)
{
    return (a->rows.begin[group + 1] - a->rows.begin[group]) * a->ld <= SMALL_WORK;
}

static wn_status small_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    chains *a = arg;
    wn_status st = WN_OK;

    for (int64_t c = begin; c < end; c++)
        if (is_small(a, c)) WNI_TRY(run_chain(ctx, a, (int32_t)c, worker));
done:
    return st;
}

wn_status wni_pick_chain(wn_ctx *ctx, const wni_picking *p, uint8_t *rule)
{
    chains a = {.p = p, .rule = rule, .kern = wni_kernels_of(ctx)};
    bool k_center = p->how == WN_PICK_K_CENTER;
    int64_t open;
    wn_status st;

    a.d = wn_pool_dim(p->pool);
    a.ld = wni_ld(a.d);
    a.stream = wni_stream("select-k-center", 0, p->round);
    a.tile_rows = wni_max(READ_BYTES / (a.ld * (int64_t)sizeof(float)) / 64, 1) * 64;
    a.tile = 64 * a.ld;
    WNI_NEW(ctx, a.tiles, wn_ctx_threads(ctx) * a.tile);
    WNI_TRY(wni_open_rows_new(ctx, &p->groups, rule, NULL, NULL, 1, &a.rows));
    open = a.rows.begin[p->groups.k];
    WNI_NEW(ctx, a.near, open);
    if (k_center && p->cover) WNI_NEW(ctx, a.by, open);
    a.hold_bytes = wni_budget_left(ctx) / 4;
    WNI_TRY(wni_parallel(ctx, p->groups.k, 1, small_range, &a));
    for (int32_t c = 0; c < p->groups.k; c++)
        if (!is_small(&a, c)) WNI_TRY(run_chain(ctx, &a, c, -1));
done:
    wni_open_rows_free(ctx, &a.rows);
    wni_free(ctx, a.near);
    wni_free(ctx, a.by);
    wni_free(ctx, a.tiles);
    return st;
}
