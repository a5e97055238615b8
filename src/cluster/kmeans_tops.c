/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows against groups of centres through the int8 filter of src/scan/filter.h: its upper bounds on the scores of a
 * group's centres, but the one that a row has, are a lower bound on their distance. Only what is then still within
 * the reach of the own centre is looked at in f32, first the group with the largest bound.
 */
#include <math.h>
#include <stdatomic.h>

#include "cluster/kmeans_play.h"

#define LANES WNI_KM_LANES

/* Selections by bits, as compilers make vectors of those. */
static void most_of(const float *restrict top, int32_t group, float *restrict most,
                    int32_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const int32_t more = -(top[i] > most[i]);
        int32_t a, b;

        memcpy(&a, top + i, sizeof a);
        memcpy(&b, most + i, sizeof b);
        b = (a & more) | (b & ~more);
        memcpy(most + i, &b, sizeof b);
        in[i] = (group & more) | (in[i] & ~more);
    }
}

/* v, but 0 for what is below. */
static inline float at_least_0(float v)
{
    int32_t bits;

    memcpy(&bits, &v, sizeof bits);
    bits = bits > 0 ? bits : 0;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void codes_of(const float *restrict lift, const float *restrict top, float unit,
                     uint16_t *restrict code, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        code[i] = wni_km_code(sqrtf(at_least_0(lift[i] - 2 * top[i])) * unit);
    }
}

/* Bounds of a fresh group for all rows, from the top of its centres; what the rows of whose centres it is have beside
 * these is measured apart. t->order holds them. */
static void close_group(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t n,
                        int64_t group)
{
    const wni_km_groups *g = &s->km->groups;

    for (int64_t i = group > 0 ? t->start[group - 1] : 0; i < t->start[group]; i++)
        t->top[t->order[i]] = -INFINITY;
    most_of(t->top, (int32_t)group, t->top_most, t->top_in, n);
    for (int64_t p = 0; p < n; p += LANES)
        codes_of(t->lift + p, t->top + p, (1 - 0x1p-20f) * g->unit,
                 wni_km_bounds(g, row0 + p, group), wni_min(n - p, LANES));
    for (int64_t i = 0; i < n; i++)
        t->top[i] = -INFINITY;
}

static void lift_tops(float *restrict top, const float *restrict panel, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        top[i] = panel[i] > top[i] ? panel[i] : top[i];
}

/* The tops of all groups: 64 centres at a time, panel by panel to the groups they belong to. */
static wn_status bound_all(wn_ctx *ctx, const wni_km_step *s, const wni_km_tile *t,
                           const wni_filter_tile *f, int64_t row0, int64_t n)
{
    const wni_km_groups *g = &s->km->groups;
    int64_t group = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n; i++)
        t->top[i] = -INFINITY;
    for (int64_t block = 0; block < s->filter->groups; block++) {
        int64_t first = block * WNI_GROUP8, end = wni_min(first + WNI_GROUP8, s->km->k);

        WNI_TRY(wni_poll(ctx));
        wni_filter_tops(s->filter, f, block, t->tops);
        for (; group < g->n && group * g->size < end; group++) {
            int64_t from = wni_max(group * g->size, first) - first;
            int64_t past = wni_min((group + 1) * g->size, end) - first;

            for (int64_t p = from / WNI_PANEL8; p * WNI_PANEL8 < past; p++)
                lift_tops(t->top, t->tops + p * n, n);
            if ((group + 1) * g->size > end && end < s->km->k) break; /* goes on in the next 64 */
            close_group(s, t, row0, n, group);
        }
    }
done:
    return st;
}

/* Read rows list[0..n) against the centres of one group but their own: its bounds. */
static void bound_some(const wni_km_step *s, const wni_km_tile *t, const wni_filter_tile *f,
                       int64_t group, const int32_t *list, int64_t n)
{
    const wni_km_groups *g = &s->km->groups;
    const int64_t from = group * g->size;
    const float drift = wni_km_down(g->drift[group] * (1 - 0x1p-23));
    float most[LANES], low[LANES];

    for (int64_t p = 0; p < n; p += LANES) {
        const int32_t *some = list + p;
        const int64_t m = wni_min(LANES, n - p);

        wni_filter_most(s->filter, f, from, wni_min(from + g->size, s->km->k), some, t->skip, m,
                        most);
        for (int64_t i = 0; i < m; i++)
            low[i] = t->lift[some[i]] - 2 * most[i];
        for (int64_t i = 0; i < m; i++) /* rounded as in wni_km_look */
            low[i] = (sqrtf(low[i] > 0 ? low[i] : 0) + drift) * (1 - 0x1p-20f) * g->unit;
        for (int64_t i = 0; i < m; i++) {
            const int32_t r = some[i];

            *wni_km_bounds(g, t->row[r], group) = wni_km_code(low[i]);
            if (most[i] > t->top_most[r]) {
                t->top_most[r] = most[i];
                t->top_in[r] = (int32_t)group;
            }
        }
    }
}

/* The rows by their groups, those of -1 left out, ascending in each; t->start holds where the groups end. */
static void order_by_group(const wni_km_step *s, const wni_km_tile *t, const int32_t *in, int64_t n)
{
    int64_t groups = s->km->groups.n, at = 0;

    memset(t->start, 0, (size_t)groups * sizeof *t->start);
    for (int64_t i = 0; i < n; i++)
        if (in[i] >= 0) t->start[in[i]]++;
    for (int64_t group = 0; group < groups; group++) {
        int64_t m = t->start[group];

        t->start[group] = (int32_t)at;
        at += m;
    }
    for (int64_t i = 0; i < n; i++)
        if (in[i] >= 0) t->order[t->start[in[i]]++] = (int32_t)i;
}

/* Bounds of the groups that are in play for a row; returns the pairs of rows and centres. */
static wn_status bound_groups(wn_ctx *ctx, const wni_km_step *s, const wni_km_tile *t,
                              const wni_filter_tile *f, int64_t row0, int64_t m, int64_t n,
                              int64_t *scanned)
{
    const wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;
    const int64_t poll = wni_km_poll_groups(km, n);
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n; i++) {
        t->top_most[i] = -INFINITY;
        t->top_in[i] = -1;
    }
    if (g->fresh) {
        order_by_group(s, t, t->home, n);
        WNI_TRY(bound_all(ctx, s, t, f, row0, n));
        *scanned += n * km->k;
    }
    for (int64_t group = 0, from = 0; group < g->n; group++) {
        int64_t in = g->fresh ? t->start[group] - from : wni_km_in_reach(s, t, row0, m, group);

        if (group % poll == 0) WNI_TRY(wni_poll(ctx));
        bound_some(s, t, f, group, g->fresh ? t->order + from : t->list, in);
        *scanned += in * wni_min(g->size, km->k - group * g->size);
        from += in;
    }
done:
    return st;
}

/* The group with the largest bound in f32, where it is within reach; a better centre is a shorter reach. */
static void look_at_tops(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t n,
                         int64_t *looked)
{
    wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;

    for (int64_t i = 0; i < n; i++) {
        const int32_t in = t->top_in[i];

        if (in >= 0 && wni_km_code_value(*wni_km_bounds(g, t->row[i], in)) * s->unit >
                           t->reach[t->row[i] - row0] + g->drift_up[in])
            t->top_in[i] = -1;
    }
    order_by_group(s, t, t->top_in, n);
    for (int64_t group = 0, from = 0; group < g->n; group++) {
        const int64_t m = t->start[group] - from;

        for (int64_t p = 0; p < m; p += LANES)
            wni_km_look(s, t, group, t->order + from + p, wni_min(LANES, m - p));
        *looked += m * wni_min(g->size, km->k - group * g->size);
        from += m;
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = t->row[i];

        if (t->at[i] == km->labels[row]) continue;
        km->upper[row] = wni_km_upper(&s->m, km->norm2[row], (double)t->best[i], t->error[i]);
        t->reach[row - row0] = wni_km_reach_up(s, row);
    }
}

wn_status wni_km_tops(wn_ctx *ctx, const wni_km_step *s, const wni_km_tile *t,
                      const wni_filter_tile *f, int64_t row0, int64_t m, int64_t n, int64_t *looked,
                      int64_t *scanned)
{
    int64_t before = *looked, verified = 0;
    wn_status st = WN_OK;

    /* A score is at most top + shift + doubt; the room is for this sum and for the float. */
    for (int64_t i = 0; i < n; i++) {
        double v = (double)t->base[i] - 2 * (t->shift[i] + t->doubt[i]);
        double room = 0x1p-22 * (fabs((double)t->base[i]) + 2 * fabs(t->shift[i]));

        t->lift[i] = t->plain[i] ? -INFINITY : wni_km_down(v - room); /* plain: no bound */
    }
    WNI_TRY(bound_groups(ctx, s, t, f, row0, m, n, scanned));
    look_at_tops(s, t, row0, n, looked);
    WNI_TRY(wni_km_look_at_groups(ctx, s, t, row0, m, looked));
    for (int64_t i = 0; i < n; i++)
        verified += !t->plain[i] && t->count[i] > 0;
    atomic_fetch_add(&ctx->filter_rows, n - f->n_plain);
    atomic_fetch_add(&ctx->filter_plain, f->n_plain);
    atomic_fetch_add(&ctx->filter_verified, verified);
    atomic_fetch_add(&ctx->filter_candidates, *looked - before + n);
done:
    return st;
}
