/* SPDX-License-Identifier: Apache-2.0
 *
 * Assignment with the group bounds of Ding et al., "Yinyang K-means" (ICML 2015), on dense tiles.
 *
 * For every row an upper bound on the distance to its own centre, and for every group of centres a lower
 * bound on the distance to all centres of the group but the own one, outlive an iteration: a centre that
 * moves by m widens them by m. A group beyond the reach of the own centre (kmeans_margin.h) cannot hold
 * the winner and is not looked at. What is left of a tile of rows for a group, its rows in play, is gathered and
 * scored densely; exact canonical scores give the winner and the group's new bound.
 *
 * Lower bounds are 16-bit floats, rounded down, of bound + drift, where drift is what the group's fastest
 * centre has moved since the groups were made: bounds of groups that are not looked at are not rewritten.
 */
#include <math.h>
#include <string.h>

#include "cluster/kmeans_margin.h"

#define LANES       WNI_KM_LANES
#define TILE_FLOATS ((int64_t)1 << 17) /* half of a small L2 */
#define TILE_ROWS   512
#define SAMPLE      1024
#define DENSE       0.6 /* share in play from which looking at all is quicker */
#define CODE_MOST   65504.0f

/* What one worker needs for a tile. */
typedef struct wni_km_tile {
    int64_t *row;        /* (tile) numbers of the rows that are read */
    int32_t *lane;       /* (tile) read row of each position, -1 = none */
    float *x;            /* (tile, ld) */
    float *few;          /* (LANES, ld) rows in play, gathered */
    float *score;        /* (group size, LANES) */
    float *reach;        /* (tile) by position; with a little room; -inf = not in play */
    float *base;         /* (tile) by read row from here on: l^2 = base - 2 score */
    float *best;         /* (tile) score of the best centre so far */
    float *second;       /* (tile) the best but one in its group */
    float *own;          /* (tile) score of the centre it had */
    int32_t *at, *in;    /* (tile) that centre, and its group when that was looked at, else -1 */
    double *error;       /* (tile) */
    int32_t *list;       /* (tile) */
    unsigned char *flag; /* (LANES) */
} wni_km_tile;

static int64_t tile_rows(int64_t ld)
{
    return wni_max(LANES, wni_min(TILE_ROWS, TILE_FLOATS / ld / LANES * LANES));
}

int64_t wni_km_play_scratch(int64_t ld, int64_t size)
{
    int64_t rows = tile_rows(ld);

    return wni_round_up(rows * (16 + ld * 4 + 9 * 4) + LANES * (ld + size + 1) * 4 + 64, 64);
}

int64_t wni_km_play_bytes(int64_t n, int64_t d, int64_t k, int32_t threads)
{
    int64_t size = wni_km_group_size(d, k), groups = (k + size - 1) / size, ld = wni_ld(d);

    return threads * wni_km_play_scratch(ld, size) + wni_round_up(n, LANES) * groups * 2 +
           k * (ld * 4 + 24) + groups * 12;
}

/* ---- 16-bit bounds ----------------------------------------------------------------------------------- */

/* The largest code whose value is at most v, v >= 0 in units of the codes. */
static inline uint16_t encode(float v)
{
    uint32_t bits;

    v = v < CODE_MOST ? v : CODE_MOST;
    if (v < 0x1p-14f) return (uint16_t)(v * 0x1p24f);
    memcpy(&bits, &v, sizeof bits);
    return (uint16_t)((bits >> 13) - (112u << 10));
}

/* Its value; 2^112 turns the exponents of one form into those of the other. */
static inline float decode(uint16_t code)
{
    uint32_t bits = (uint32_t)code << 13;
    float v;

    memcpy(&v, &bits, sizeof v);
    return v * 0x1p112f;
}

static inline uint16_t *bounds_of(const wni_km_groups *g, int64_t row, int64_t group)
{
    return g->lower + (row / LANES * g->n + group) * LANES + row % LANES;
}

/* ---- one tile ------------------------------------------------------------------------------------------ */

struct play {
    wni_km *km;
    wni_km_margin m;
    int64_t first; /* row of the chunk, a multiple of LANES */
    int64_t range;
    int64_t *looked; /* (ranges) */
    float unit;      /* of the codes, times 2^112 */
};

/* Widens the upper bounds of the tile by the last movement; sets `reach`. */
static void widen(const struct play *s, const wni_km_tile *t, int64_t row0, int64_t m)
{
    wni_km *km = s->km;

    for (int64_t i = 0; i < m; i++) {
        int64_t row = row0 + i;
        double u = ((double)km->upper[row] + km->move[km->labels[row]]) * (1 + 1e-15);

        km->upper[row] = wni_km_up(u);
        t->reach[i] = (float)(wni_km_reach(&s->m, km->norm2[row], km->upper[row]) * (1 + 0x1p-21));
    }
    for (int64_t i = m; i < wni_round_up(m, LANES); i++)
        t->reach[i] = -INFINITY;
}

/* flag[i] = 1 where the group is within the reach of position p + i. A float sum rounds by less than the
 * room that both numbers have. */
static inline void within(const struct play *s, const wni_km_tile *t, int64_t row0, int64_t p,
                          int64_t group, unsigned char *restrict flag)
{
    const uint16_t *code = bounds_of(&s->km->groups, row0 + p, group);
    const float *reach = t->reach + p, drift = s->km->groups.drift_up[group], unit = s->unit;

    for (int64_t i = 0; i < LANES; i++)
        flag[i] = !(decode(code[i]) * unit > reach[i] + drift);
}

/* Lists the rows that have any group in play; returns how many. */
static int64_t pick_rows(const struct play *s, const wni_km_tile *t, int64_t row0, int64_t m)
{
    int64_t n = 0;

    for (int64_t p = 0; p < m; p += LANES) {
        unsigned char any[LANES] = {0};

        for (int64_t g = 0; g < s->km->groups.n; g++) {
            within(s, t, row0, p, g, t->flag);
            for (int64_t i = 0; i < LANES; i++)
                any[i] |= t->flag[i];
        }
        for (int64_t i = 0; i < wni_min(LANES, m - p); i++) {
            t->row[n] = row0 + p + i;
            t->lane[p + i] = any[i] ? (int32_t)n : -1;
            if (!any[i]) t->reach[p + i] = -INFINITY;
            n += any[i];
        }
    }
    return n;
}

static wn_status read_rows(wn_ctx *ctx, const wni_km *km, const int64_t *row, int64_t n, float *x)
{
    if (row[n - 1] - row[0] == n - 1)
        return wn_pool_read(ctx, km->rows.pool, row[0], n, x, km->rows.ld);
    return wn_pool_gather(ctx, km->rows.pool, row, n, x, km->rows.ld);
}

/* The exact score with the own centre: the best so far, and a tight reach. */
static void own_scores(const struct play *s, const wni_km_tile *t, int64_t row0, int64_t n)
{
    wni_km *km = s->km;
    const wni_kernels *kern = km->rows.kern;

    for (int64_t i = 0; i < n; i++) {
        int64_t row = t->row[i];
        double norm2 = km->norm2[row], error = wni_km_score_error(&s->m, norm2);
        int32_t own = km->labels[row];
        float upper;
        double low2 = norm2 * (1 - 2 * s->m.g) - 0x1p-128 + s->m.c2lo - 2 * error;

        t->error[i] = error;
        t->base[i] = (float)(low2 - fabs(low2) * 0x1p-22);
        t->best[i] = -INFINITY;
        t->second[i] = -INFINITY;
        t->at[i] = own;
        t->own[i] = -INFINITY;
        t->in[i] = -1;
        if (own < 0) continue;
        t->best[i] = kern->dot(t->x + i * km->rows.ld, wni_mat_row(&km->centers, own), km->rows.ld);
        if (km->l2) t->best[i] -= km->half[own];
        upper = wni_km_upper(&s->m, norm2, (double)t->best[i], error);
        /* A widened one that is smaller holds too. */
        km->upper[row] = km->groups.fresh ? upper : fminf(km->upper[row], upper);
        t->own[i] = t->best[i];
        t->reach[row - row0] = (float)(wni_km_reach(&s->m, norm2, km->upper[row]) * (1 + 0x1p-21));
    }
}

/* Read rows list[0..n) against one group: better centres and the group's bounds. */
static void look(const struct play *s, const wni_km_tile *t, int64_t group, const int32_t *list,
                 int64_t n)
{
    const wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;
    int64_t from = group * g->size, size = wni_min(g->size, km->k - from), ld = km->rows.ld;
    const float *x = t->x + list[0] * ld;
    float value[LANES], second[LANES], low[LANES];
    float drift = wni_km_down(g->drift[group] * (1 - 0x1p-23)), up = g->unit;
    int32_t at[LANES];

    if (list[n - 1] - list[0] != n - 1) {
        for (int64_t i = 0; i < n; i++)
            memcpy(t->few + i * ld, t->x + list[i] * ld, (size_t)ld * sizeof(float));
        x = t->few;
    }
    km->rows.kern->dots(wni_mat_row(&g->centers, from), size, x, n, ld, t->score, LANES);
    km->rows.kern->colbest(t->score, LANES, g->half + from, size, n, value, at, second);
    for (int64_t i = 0; i < n; i++) {
        int32_t r = list[i], center = g->center[from + at[i]];

        /* Also when the own centre of this group wins again: its second is now known. */
        if (value[i] > t->best[r] || (value[i] == t->best[r] && center <= t->at[r])) {
            t->best[r] = value[i];
            t->second[r] = second[i];
            t->at[r] = center;
            t->in[r] = (int32_t)group;
        }
    }
    /* The bound on all centres of the group; the winner's group is put right at the end. Each of the
     * three roundings is below 2^-23 of the result. */
    for (int64_t i = 0; i < n; i++) {
        float v = t->base[list[i]] - 2 * value[i];

        low[i] = (sqrtf(v > 0 ? v : 0) + drift) * ((1 - 0x1p-20f)) * up;
    }
    for (int64_t i = 0; i < n; i++)
        *bounds_of(g, t->row[list[i]], group) = encode(low[i]);
}

/* One step of rounding below the bound that `score` means for read row r in a group. */
static uint16_t code_of(const wni_km_groups *g, const wni_km_tile *t, int32_t r, int64_t group,
                        float score)
{
    float v = t->base[r] - 2 * score, drift = wni_km_down(g->drift[group] * (1 - 0x1p-23));

    return encode((sqrtf(v > 0 ? v : 0) + drift) * (1 - 0x1p-20f) * g->unit);
}

/* All rows against all groups, LANES of them at a time. */
static wn_status look_at_all(wn_ctx *ctx, const struct play *s, const wni_km_tile *t, int64_t n,
                             int64_t *looked)
{
    const wni_km_groups *g = &s->km->groups;
    wn_status st = WN_OK;

    for (int64_t p = 0; p < n; p += LANES) {
        for (int64_t i = p; i < wni_min(n, p + LANES); i++)
            t->list[i] = (int32_t)i;
        WNI_TRY(wni_poll(ctx));
        for (int64_t group = 0; group < g->n; group++)
            look(s, t, group, t->list + p, wni_min(LANES, n - p));
    }
    *looked += n * s->km->k;
done:
    return st;
}

static wn_status look_at_groups(wn_ctx *ctx, const struct play *s, const wni_km_tile *t,
                                int64_t row0, int64_t m, int64_t *looked)
{
    const wni_km_groups *g = &s->km->groups;
    wn_status st = WN_OK;

    for (int64_t group = 0; group < g->n; group++) {
        int64_t n = 0;

        if (group % 16 == 0) WNI_TRY(wni_poll(ctx));
        for (int64_t p = 0; p < m; p += LANES) {
            within(s, t, row0, p, group, t->flag);
            for (int64_t i = 0; i < LANES && p + i < m; i++) {
                t->list[n] = t->lane[p + i];
                n += t->flag[i];
            }
        }
        for (int64_t p = 0; p < n; p += LANES)
            look(s, t, group, t->list + p, wni_min(LANES, n - p));
        *looked += n * wni_min(g->size, s->km->k - group * g->size);
    }
done:
    return st;
}

/* What was found becomes labels, bounds and changes. */
static void settle(const struct play *s, const wni_km_tile *t, int64_t n, wni_km_change *change,
                   int64_t *changes)
{
    wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;

    for (int64_t i = 0; i < n; i++) {
        int64_t row = t->row[i];
        int32_t own = km->labels[row], to = t->at[i];

        if (t->in[i] >= 0)
            *bounds_of(g, row, t->in[i]) = code_of(g, t, (int32_t)i, t->in[i], t->second[i]);
        if (own == to) continue;
        km->upper[row] = wni_km_upper(&s->m, km->norm2[row], (double)t->best[i], t->error[i]);
        if (own >= 0) { /* one of the others from now on */
            uint16_t *bound = bounds_of(g, row, g->of[own]);
            uint16_t code = code_of(g, t, (int32_t)i, g->of[own], t->own[i]);

            if (code < *bound) *bound = code;
        }
        change[(*changes)++] = (wni_km_change){row, own, to};
        km->labels[row] = to;
    }
}

static void tile_of(const wni_km *km, int worker, wni_km_tile *t)
{
    int64_t ld = km->rows.ld, rows = tile_rows(ld);
    unsigned char *p = km->groups.scratch + worker * wni_km_play_scratch(ld, km->groups.size);

#define TAKE(member, count)                         \
    do {                                            \
        t->member = (void *)p;                      \
        p += (count) * (int64_t)sizeof(*t->member); \
    } while (0)
    TAKE(x, rows * ld);
    TAKE(few, LANES * ld);
    TAKE(score, LANES * km->groups.size);
    TAKE(row, rows);
    TAKE(error, rows);
    TAKE(lane, rows);
    TAKE(reach, rows);
    TAKE(base, rows);
    TAKE(best, rows);
    TAKE(second, rows);
    TAKE(own, rows);
    TAKE(at, rows);
    TAKE(in, rows);
    TAKE(list, rows);
    TAKE(flag, LANES);
#undef TAKE
}

static wn_status play_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct play *s = arg;
    wni_km *km = s->km;
    int64_t rows = tile_rows(km->rows.ld), changes = 0, looked = 0;
    wni_km_tile t;
    wn_status st = WN_OK;

    tile_of(km, worker, &t);
    for (int64_t p = begin; p < end; p += rows) {
        int64_t m = wni_min(rows, end - p), row0 = s->first + p, n = m;

        if (km->groups.fresh) {
            for (int64_t i = 0; i < m; i++)
                t.row[i] = row0 + i;
        } else {
            widen(s, &t, row0, m);
            n = pick_rows(s, &t, row0, m);
        }
        if (n == 0) continue;
        WNI_TRY(read_rows(ctx, km, t.row, n, t.x));
        own_scores(s, &t, row0, n);
        if (km->groups.fresh)
            WNI_TRY(look_at_all(ctx, s, &t, n, &looked));
        else
            WNI_TRY(look_at_groups(ctx, s, &t, row0, m, &looked));
        looked += n;
        settle(s, &t, n, km->change + begin, &changes);
    }
    km->count[begin / s->range] = changes;
    s->looked[begin / s->range] = looked;
done:
    return st;
}

/* ---- one iteration ---------------------------------------------------------------------------------------- */

/* The share of rows x groups that the bounds leave in play, from a sample of the rows. */
static double foresee(const struct play *s)
{
    const wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;
    int64_t rows = wni_min(km->rows.n, SAMPLE), in = 0;

    for (int64_t i = 0; i < rows; i++) {
        int64_t row = i * km->rows.n / rows;
        double u = (double)km->upper[row] + km->move[km->labels[row]];
        float reach = (float)wni_km_reach(&s->m, km->norm2[row], u);

        for (int64_t group = 0; group < g->n; group++)
            in += !(decode(*bounds_of(g, row, group)) * s->unit > reach + g->drift_up[group]);
    }
    return (double)in / ((double)rows * (double)g->n);
}

wn_status wni_km_play(wni_km *km, int64_t *changed)
{
    wni_km_groups *g = &km->groups;
    struct play s = {.km = km, .m = wni_km_margin_of(km), .looked = km->looked};
    double looked = 0;
    wn_status st = WN_OK;

    s.unit = 1 / g->unit;
    WNI_TRY(wni_km_groups_pack(km));
    /* Bounds that keep little out: time for groups of the centres as they are now. */
    if (!km->assigned || foresee(&s) > DENSE) {
        WNI_TRY(wni_km_groups_make(km));
        WNI_TRY(wni_km_groups_pack(km));
    }
    s.range = tile_rows(km->rows.ld);
    while (s.range < 4096 && s.range * 2 * km->k * km->rows.ld <= (int64_t)1 << 28)
        s.range *= 2;
    for (int64_t first = 0; first < km->rows.n; first += WNI_KM_CHUNK) {
        int64_t n = wni_min(WNI_KM_CHUNK, km->rows.n - first), changes = 0;

        s.first = first;
        WNI_TRY(wni_parallel(km->ctx, n, s.range, play_range, &s));
        for (int64_t p = 0; p < n; p += s.range) {
            memmove(km->change + changes, km->change + p,
                    (size_t)km->count[p / s.range] * sizeof *km->change);
            changes += km->count[p / s.range];
            looked += (double)s.looked[p / s.range];
        }
        *changed += changes;
        WNI_TRY(wni_km_apply(km, km->change, changes));
    }
    g->fresh = 0;
    km->computed += looked;
done:
    return st;
}

void wni_km_play_forget(wni_km *km, int64_t row)
{
    km->upper[row] = INFINITY;
    for (int64_t group = 0; group < km->groups.n; group++)
        *bounds_of(&km->groups, row, group) = 0;
}
