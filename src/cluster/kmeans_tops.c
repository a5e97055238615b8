/* SPDX-License-Identifier: Apache-2.0
 *
 * All rows against all centres, with group bounds, through the int8 filter of src/scan/filter.h: its upper bounds
 * on the scores of a group's centres are a lower bound on their distance. The group with the largest bound is
 * looked at in f32; then the groups that the best centre found there does not rule out.
 */
#include <stdatomic.h>

#include "cluster/kmeans_play.h"

#define LANES WNI_KM_LANES

static void most_of(const float *restrict top, int32_t group, float *restrict most,
                    int32_t *restrict in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        in[i] = top[i] > most[i] ? group : in[i];
        most[i] = top[i] > most[i] ? top[i] : most[i];
    }
}

static void codes_of(const float *restrict lift, const float *restrict top, float unit,
                     uint16_t *restrict code, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float v = lift[i] - 2 * top[i];

        code[i] = wni_km_code(sqrtf(v > 0 ? v : 0) * unit);
    }
}

/* Bounds of a group for all rows, from the top of its centres. */
static void close_group(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t n,
                        int64_t group)
{
    const wni_km_groups *g = &s->km->groups;

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
static wn_status bound_groups(wn_ctx *ctx, const wni_km_step *s, const wni_km_tile *t,
                              const wni_filter_tile *f, int64_t row0, int64_t n)
{
    const wni_km_groups *g = &s->km->groups;
    int64_t group = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n; i++) {
        t->top[i] = t->top_most[i] = -INFINITY;
        t->top_in[i] = 0;
    }
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

/* The rows by the group that has their top, ascending in it: what one group looks at lies together. */
static void order_by_group(const wni_km_step *s, const wni_km_tile *t, int64_t n)
{
    int64_t groups = s->km->groups.n, at = 0;

    memset(t->start, 0, (size_t)groups * sizeof *t->start);
    for (int64_t i = 0; i < n; i++)
        t->start[t->top_in[i]]++;
    for (int64_t group = 0; group < groups; group++) {
        int64_t m = t->start[group];

        t->start[group] = (int32_t)at;
        at += m;
    }
    for (int64_t i = 0; i < n; i++)
        t->order[t->start[t->top_in[i]]++] = (int32_t)i;
}

wn_status wni_km_tops(wn_ctx *ctx, const wni_km_step *s, const wni_km_tile *t, int64_t row0,
                      int64_t n, int64_t *looked)
{
    wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;
    wni_filter_tile f = {.rows = n,
                         .x = t->x,
                         .codes = t->codes,
                         .scale = t->scale,
                         .need = t->need,
                         .best = t->lift,
                         .shift = t->shift,
                         .doubt = t->doubt,
                         .plain = t->plain,
                         .count = t->count};
    int64_t before = *looked, verified = 0;
    wn_status st = WN_OK;

    wni_filter_load(s->filter, &f, n);
    /* A score is at most top + shift + doubt; the room is for this sum and for the float. */
    for (int64_t i = 0; i < n; i++) {
        double v = (double)t->base[i] - 2 * (t->shift[i] + t->doubt[i]);
        double room = 0x1p-22 * (fabs((double)t->base[i]) + 2 * fabs(t->shift[i]));

        t->lift[i] = t->plain[i] ? -INFINITY : wni_km_down(v - room); /* plain: no bound */
    }
    WNI_TRY(bound_groups(ctx, s, t, &f, row0, n));
    order_by_group(s, t, n);
    for (int64_t group = 0, from = 0; group < g->n; group++) {
        int64_t m = 0;

        while (from + m < n && t->top_in[t->order[from + m]] == group)
            m++;
        for (int64_t p = 0; p < m; p += LANES)
            wni_km_look(s, t, group, t->order + from + p, wni_min(LANES, m - p));
        *looked += m * wni_min(g->size, km->k - group * g->size);
        from += m;
    }
    for (int64_t i = 0; i < n; i++) {
        double norm2 = km->norm2[row0 + i];

        km->upper[row0 + i] = wni_km_upper(&s->m, norm2, (double)t->best[i], t->error[i]);
        t->reach[i] = wni_km_reach_up(s, row0 + i);
        t->lane[i] = (int32_t)i;
    }
    for (int64_t i = n; i < wni_round_up(n, LANES); i++)
        t->reach[i] = -INFINITY;
    WNI_TRY(wni_km_look_at_groups(ctx, s, t, row0, n, looked));
    for (int64_t i = 0; i < n; i++)
        verified += !t->plain[i] && t->count[i] > 1;
    atomic_fetch_add(&ctx->filter_rows, n - f.n_plain);
    atomic_fetch_add(&ctx->filter_plain, f.n_plain);
    atomic_fetch_add(&ctx->filter_verified, verified);
    atomic_fetch_add(&ctx->filter_candidates, *looked - before);
done:
    return st;
}
