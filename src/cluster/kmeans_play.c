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

#include "cluster/kmeans_play.h"

#define LANES       WNI_KM_LANES
#define TILE_FLOATS ((int64_t)1 << 17) /* half of a small L2 */
#define TILE_ROWS   512
/* Shares of pairs in play from which bounds are given up, and the share left to f32 from which the filter rests. */
#define DENSE_FILTER 0.5
#define DENSE        0.65
#define VAIN         0.5
#define REST         8
#define FILTER_ROWS  256 /* of all their groups in play, from which coding the centres pays */

static int64_t tile_rows(int64_t ld)
{
    return wni_max(LANES, wni_min(TILE_ROWS, TILE_FLOATS / ld / LANES * LANES));
}

int64_t wni_km_play_scratch(int64_t ld, int64_t size, int64_t groups)
{
    int64_t rows = tile_rows(ld);

    /* Rows, their codes, 28 numbers a row, and hits. */
    return wni_round_up(rows * (ld * 5 + 5 * 8 + 21 * 4 + 2) + LANES * (ld + size) * 4 +
                            WNI_KM_HITS * 8 + 40 * 64 + groups * 4,
                        64);
}

int64_t wni_km_play_bytes(const wn_ctx *ctx, int64_t n, int64_t d, int64_t k)
{
    const int wanted = wni_filter_wanted(ctx, d, k);
    int64_t size = wni_km_group_size(d, k, wanted), groups = (k + size - 1) / size, ld = wni_ld(d);

    return (wanted ? wni_filter_bytes(d, k, 0) : 0) +
           wn_ctx_threads(ctx) * wni_km_play_scratch(ld, size, groups) +
           wni_round_up(n, LANES) * groups * 2 + k * (ld * 4 + 28) + groups * 12;
}

/* ---- one tile ------------------------------------------------------------------------------------------ */

/* The room is for two roundings. */
static void widen_by(float *restrict upper, const float *restrict move, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        upper[i] = (upper[i] + move[i]) * (1 + 0x1p-22f);
}

/* Widens the upper bounds of the tile by the last movement; sets `reach`. */
static void widen(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t m)
{
    wni_km *km = s->km;

    for (int64_t i = 0; i < m; i++)
        t->base[i] = km->move[km->labels[row0 + i]];
    widen_by(km->upper + row0, t->base, m);
    wni_km_reaches(&s->m, km->norm2 + row0, km->upper + row0, t->reach, m);
    for (int64_t i = m; i < wni_round_up(m, LANES); i++)
        t->reach[i] = -INFINITY;
}

/* The positions p + i, as bits, whose reach the group is within. A float sum rounds by less than the room that both
 * numbers have. */
static inline uint64_t within(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t p,
                              int64_t group)
{
    const wni_km_groups *g = &s->km->groups;

    return s->km->rows.kern->near16(wni_km_bounds(g, row0 + p, group), t->reach + p, s->unit,
                                    g->drift_up[group]);
}

/* Lists the rows that have any group in play; returns how many. */
static int64_t pick_rows(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t m)
{
    int64_t n = 0;

    for (int64_t p = 0; p < m; p += LANES) {
        uint64_t any = 0;

        for (int64_t g = 0; g < s->km->groups.n && ~any != 0; g++)
            any |= within(s, t, row0, p, g);
        for (int64_t i = 0; i < wni_min(LANES, m - p); i++) {
            const int in = any >> i & 1;

            t->row[n] = row0 + p + i;
            t->lane[p + i] = in ? (int32_t)n : -1;
            if (!in) t->reach[p + i] = -INFINITY;
            n += in;
        }
    }
    return n;
}

/* What the scores with the own centres mean: the errors, the base, bounds on the distance. The rooms are for the
 * rounding to f32. */
static void own_bounds(const wni_km_margin *m, const float *restrict norm2,
                       const float *restrict best, double *restrict error, float *restrict base,
                       float *restrict upper, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double norm = norm2[i], e = wni_km_score_error(m, norm);
        const double low2 = norm * (1 - 2 * m->g) - 0x1p-128 + m->c2lo - 2 * e;
        const double v = norm * (1 + 2 * m->g) + 0x1p-128 + m->c2hi - 2 * (double)best[i] + 2 * e;

        error[i] = e;
        base[i] = (float)(low2 - fabs(low2) * 0x1p-22);
        upper[i] = (float)(sqrt(v > 0 ? v : 0) * (1 + 0x1p-22));
    }
}

/* The exact score with the own centre: the best so far, and a tight reach. With a filter the codes, too, of which
 * the processor makes some while rows come from memory. */
static void own_scores(const wni_km_step *s, const wni_km_tile *t, wni_filter_tile *f, int64_t row0,
                       int64_t n)
{
    wni_km *km = s->km;
    const wni_kernels *kern = km->rows.kern;
    float *norm2 = t->tops, *upper = t->top, *reach = t->top_most; /* free until later */

    if (s->filter) wni_filter_load_begin(f, n);
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = t->row[i];
        const int32_t own = km->labels[row];

        if (i + WNI_KM_SOON < n) {
            wni_km_expect(t->x[i + WNI_KM_SOON], km->rows.ld);
            wni_km_expect(wni_mat_row(&km->centers, km->labels[t->row[i + WNI_KM_SOON]]),
                          km->rows.ld);
        }
        t->at[i] = own;
        t->count[i] = 0;
        t->home[i] = km->groups.of[own];
        t->skip[i] = km->groups.place[own];
        norm2[i] = km->norm2[row];
        t->best[i] = kern->dot(t->x[i], wni_mat_row(&km->centers, own), km->rows.ld);
        if (km->l2) t->best[i] -= km->half[own];
        t->own[i] = t->best[i];
        if (s->filter) wni_filter_load_row(s->filter, f, i);
    }
    own_bounds(&s->m, norm2, t->best, t->error, t->base, upper, n);
    for (int64_t i = 0; i < n; i++) {
        float *held = &km->upper[t->row[i]];

        /* A widened one that is smaller holds too. */
        *held = upper[i] = km->groups.fresh || upper[i] < *held ? upper[i] : *held;
    }
    wni_km_reaches(&s->m, norm2, upper, reach, n);
    for (int64_t i = 0; i < n; i++)
        t->reach[t->row[i] - row0] = reach[i];
}

void wni_km_look(const wni_km_step *s, const wni_km_tile *t, int64_t group, const int32_t *list,
                 int64_t n)
{
    const wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;
    int64_t from = group * g->size, size = wni_min(g->size, km->k - from), ld = km->rows.ld;
    const float *x = t->x[list[0]];
    float value[LANES], second[LANES], low[LANES];
    uint16_t code[LANES];
    int32_t at[LANES];
    int64_t run = 1; /* rows that lie side by side */

    while (run < n && t->x[list[run]] == x + run * ld)
        run++;
    if (run < n) {
        for (int64_t i = 0; i < n; i++)
            memcpy(t->few + i * ld, t->x[list[i]], (size_t)ld * sizeof(float));
        x = t->few;
    }
    km->rows.kern->dots(wni_mat_row(&g->centers, from), size, x, n, ld, t->score, LANES);
    km->rows.kern->colbest(t->score, LANES, g->half + from, size, n, value, at, second);
    for (int64_t i = 0; i < n; i++) {
        int32_t r = list[i], center = g->center[from + at[i]];

        t->count[r]++;
        /* Also when the best centre of this group wins again: its second is now known. */
        if (value[i] > t->best[r] || (value[i] == t->best[r] && center <= t->at[r])) {
            if (center != t->at[r]) wni_km_dethrone(s, t, r);
            t->best[r] = value[i];
            t->at[r] = center;
            value[i] = second[i];
        }
        low[i] = t->base[r] - 2 * value[i];
    }
    km->rows.kern->bound16(low, n, wni_km_drift_down(g, group), wni_km_bound_scale(g), code);
    for (int64_t i = 0; i < n; i++)
        *wni_km_bounds(g, t->row[list[i]], group) = code[i];
}

/* The best centre so far becomes one of the others. What a row had before is known to be so in the end only. */
void wni_km_dethrone(const wni_km_step *s, const wni_km_tile *t, int32_t r)
{
    const int64_t row = t->row[r];
    const int32_t at = t->at[r];

    if (at >= 0 && at != s->km->labels[row])
        wni_km_bound_also(s->km, row, s->km->groups.of[at], t->base[r] - 2 * t->best[r]);
}

/* All rows against all groups, LANES of them at a time. */
static wn_status look_at_all(wn_ctx *ctx, const wni_km_step *s, const wni_km_tile *t, int64_t n,
                             int64_t *looked)
{
    const wni_km_groups *g = &s->km->groups;
    const int64_t poll = wni_km_poll_groups(s->km, LANES);
    wn_status st = WN_OK;

    for (int64_t p = 0; p < n; p += LANES) {
        for (int64_t i = p; i < wni_min(n, p + LANES); i++)
            t->list[i] = (int32_t)i;
        for (int64_t group = 0; group < g->n; group++) {
            if (group % poll == 0) WNI_TRY(wni_poll(ctx));
            wni_km_look(s, t, group, t->list + p, wni_min(LANES, n - p));
        }
    }
    *looked += n * s->km->k;
done:
    return st;
}

int64_t wni_km_in_reach(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t m,
                        int64_t group)
{
    int64_t n = 0;

    for (int64_t p = 0; p < m; p += LANES)
        for (uint64_t in = within(s, t, row0, p, group); in; in &= in - 1)
            t->list[n++] = t->lane[p + __builtin_ctzll(in)];
    return n;
}

/* Positions 0..m against the groups within their reach. */
static wn_status look_at_groups(wn_ctx *ctx, const wni_km_step *s, const wni_km_tile *t,
                                int64_t row0, int64_t m, int64_t *looked)
{
    const wni_km_groups *g = &s->km->groups;
    const int64_t poll = wni_km_poll_groups(s->km, m);
    wn_status st = WN_OK;

    for (int64_t group = 0; group < g->n; group++) {
        const int64_t n = wni_km_in_reach(s, t, row0, m, group);

        if (group % poll == 0) WNI_TRY(wni_poll(ctx));
        for (int64_t p = 0; p < n; p += LANES)
            wni_km_look(s, t, group, t->list + p, wni_min(LANES, n - p));
        *looked += n * wni_min(g->size, s->km->k - group * g->size);
    }
done:
    return st;
}

/* What was found becomes labels, bounds and changes. */
static void settle(const wni_km_step *s, const wni_km_tile *t, int64_t n, wni_km_change *change,
                   int64_t *changes)
{
    wni_km *km = s->km;

    for (int64_t i = 0; i < n; i++) {
        int64_t row = t->row[i];
        int32_t own = km->labels[row], to = t->at[i];

        if (own == to) continue;
        km->upper[row] = wni_km_upper(&s->m, km->norm2[row], (double)t->best[i], t->error[i]);
        /* One of the others from now on. */
        wni_km_bound_also(km, row, km->groups.of[own], t->base[i] - 2 * t->own[i]);
        change[(*changes)++] = (wni_km_change){row, own, to};
        km->labels[row] = to;
    }
}

static void tile_of(const wni_km *km, int worker, wni_km_tile *t)
{
    int64_t ld = km->rows.ld, rows = tile_rows(ld);
    unsigned char *p =
        km->groups.scratch + worker * wni_km_play_scratch(ld, km->groups.size, km->groups.n);

#define TAKE(member, count)                                           \
    do {                                                              \
        t->member = (void *)p;                                        \
        p += wni_round_up((count) * (int64_t)sizeof(*t->member), 64); \
    } while (0)
    TAKE(room, rows * ld);
    TAKE(x, rows);
    TAKE(few, LANES * ld);
    TAKE(score, LANES * km->groups.size);
    TAKE(row, rows);
    TAKE(error, rows);
    TAKE(lane, rows);
    TAKE(reach, rows);
    TAKE(base, rows);
    TAKE(best, rows);
    TAKE(own, rows);
    TAKE(at, rows);
    TAKE(list, rows);
    TAKE(home, rows);
    TAKE(skip, rows);
    TAKE(codes, rows * ld);
    TAKE(scale, rows);
    TAKE(need, rows);
    TAKE(lift, rows);
    TAKE(shift, rows);
    TAKE(doubt, rows);
    TAKE(plain, rows);
    TAKE(count, rows);
    TAKE(tops, rows * 4);
    TAKE(top, rows);
    TAKE(hits.row, WNI_KM_HITS);
    TAKE(hits.column, WNI_KM_HITS);
    TAKE(top_most, rows);
    TAKE(top_in, rows);
    TAKE(order, rows);
    TAKE(start, km->groups.n);
#undef TAKE
    t->n_hits = 0;
}

static wn_status play_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const wni_km_step *s = arg;
    wni_km *km = s->km;
    int64_t rows = tile_rows(km->rows.ld), changes = 0, looked = 0, scanned = 0;
    wni_filter_tile f;
    wni_km_tile t;
    wn_status st = WN_OK;

    tile_of(km, worker, &t);
    f = (wni_filter_tile){.rows = rows,
                          .at = t.x,
                          .codes = t.codes,
                          .scale = t.scale,
                          .need = t.need,
                          .best = t.lift,
                          .shift = t.shift,
                          .doubt = t.doubt,
                          .plain = t.plain,
                          .count = t.count};
    for (int64_t p = begin; p < end; p += rows) {
        int64_t m = wni_min(rows, end - p), row0 = s->first + p, n = m;

        if (km->groups.fresh) {
            for (int64_t i = 0; i < m; i++) {
                t.row[i] = row0 + i;
                t.lane[i] = (int32_t)i;
            }
            for (int64_t i = m; i < wni_round_up(m, LANES); i++)
                t.reach[i] = -INFINITY;
        } else {
            widen(s, &t, row0, m);
            n = pick_rows(s, &t, row0, m);
        }
        wni_ahead_at(s->ahead, row0);
        if (n == 0) continue;
        WNI_TRY(wni_pool_take_each(ctx, km->rows.pool, t.row, n, t.room, km->rows.ld, t.x));
        own_scores(s, &t, &f, row0, n);
        if (s->filter)
            WNI_TRY(wni_km_tops(ctx, s, &t, &f, row0, m, n, &looked, &scanned));
        else if (km->groups.fresh)
            WNI_TRY(look_at_all(ctx, s, &t, n, &looked));
        else
            WNI_TRY(look_at_groups(ctx, s, &t, row0, m, &looked));
        scanned += n;
        settle(s, &t, n, km->change + begin, &changes);
    }
    km->count[begin / s->range] = changes;
    s->looked[begin / s->range] = looked;
    km->scanned[begin / s->range] = scanned;
done:
    return st;
}

/* ---- one iteration ---------------------------------------------------------------------------------------- */

/* Whether this iteration goes without bounds; else whether it starts with groups of the centres as they are now, and
 * through the filter. */
static wn_status begin(wni_km *km, wni_filter **filter, bool *dense)
{
    wni_km_groups *g = &km->groups;
    bool wanted = wni_filter_wanted(km->ctx, km->rows.d, km->k) && km->filter_rest == 0;
    double share = 1;
    bool pay;
    wn_status st = WN_OK;

    *filter = NULL;
    *dense = !km->assigned;
    if (km->filter_rest > 0) km->filter_rest--;
    if (*dense) return WN_OK;
    if (!g->fresh) {
        WNI_TRY(wni_km_groups_pack(km));
        WNI_TRY(wni_km_in_play(km, &share));
    }
    if (share > (wanted ? DENSE_FILTER : DENSE)) {
        WNI_TRY(wni_km_groups_make(km));
        WNI_TRY(wni_km_groups_pack(km));
        WNI_TRY(wni_km_bounds_pay(km, wanted, &pay));
        *dense = !pay && !km->ctx->bounds_always;
        if (*dense) return WN_OK;
        share = 1;
    }
    if (wanted && (share * (double)km->rows.n >= FILTER_ROWS || km->ctx->filter_always))
        WNI_TRY(wni_filter_new(km->ctx, &g->centers, km->l2 ? g->half : NULL, filter));
done:
    return st;
}

wn_status wni_km_play(wni_km *km, int64_t *changed)
{
    wni_km_groups *g = &km->groups;
    wni_km_step s = {.km = km, .m = wni_km_margin_of(km), .looked = km->looked};
    wni_filter *filter = NULL;
    double looked = 0;
    bool dense;
    wn_status st = WN_OK;

    s.unit = 1 / g->unit;
    WNI_TRY(begin(km, &filter, &dense));
    if (dense) {
        g->fresh = 1;
        return wni_km_dense(km, changed);
    }
    s.filter = filter;
    WNI_TRY(wni_ahead_start(km->ctx, km->rows.pool, 0, km->rows.n, 0, &s.ahead));
    s.range = tile_rows(km->rows.ld);
    while (s.range < 4096 && s.range * 2 * km->k * km->rows.ld <= (int64_t)1 << 27)
        s.range *= 2;
    for (int64_t first = 0; first < km->rows.n; first += WNI_KM_CHUNK) {
        int64_t n = wni_min(WNI_KM_CHUNK, km->rows.n - first), in_chunk = 0, scanned = 0;

        s.first = first;
        WNI_TRY(wni_parallel(km->ctx, n, s.range, play_range, &s));
        for (int64_t p = 0; p < n; p += s.range) {
            in_chunk += s.looked[p / s.range];
            scanned += km->scanned[p / s.range];
        }
        /* Centres so alike that 8 bits cannot tell them apart: f32, and another try some time later. */
        if (s.filter && !km->ctx->filter_always && (double)in_chunk > VAIN * (double)scanned) {
            s.filter = NULL;
            km->filter_rest = REST;
        }
        looked += (double)(in_chunk + scanned);
        WNI_TRY(wni_km_apply_ranges(km, n, s.range, changed));
    }
    g->fresh = 0;
    km->computed += fmin(looked, (double)km->rows.n * km->k);
done:
    wni_ahead_stop(km->ctx, s.ahead);
    wni_filter_free(km->ctx, filter);
    return st;
}

void wni_km_play_forget(wni_km *km, int64_t row)
{
    km->upper[row] = INFINITY;
    for (int64_t group = 0; group < km->groups.n; group++)
        *wni_km_bounds(&km->groups, row, group) = 0;
}
