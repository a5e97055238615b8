/* SPDX-License-Identifier: Apache-2.0
 *
 * All rows against all centres, with group bounds, through the int8 filter of src/scan/filter.h: its upper bounds
 * on the scores of a group's centres are a lower bound on their distance. The group with the largest bound is
 * looked at in f32; then the groups that the best centre found there does not rule out.
 */
#include <stdatomic.h>

#include "cluster/kmeans_play.h"

#define LANES  WNI_KM_LANES
#define PANELS (WNI_GROUP8 / WNI_PANEL8)

/* Bounds of a group for all rows, from the top of its centres. */
static void close_group(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t n,
                        int64_t group)
{
    const wni_km_groups *g = &s->km->groups;

    for (int64_t i = 0; i < n; i++) {
        int more = t->top[i] > t->top_most[i];

        t->top_most[i] = more ? t->top[i] : t->top_most[i];
        t->top_in[i] = more ? (int32_t)group : t->top_in[i];
    }
    for (int64_t p = 0; p < n; p += LANES) {
        uint16_t *code = wni_km_bounds(g, row0 + p, group);
        float low[LANES];

        for (int64_t i = p; i < wni_min(n, p + LANES); i++) {
            float v = t->lift[i] - 2 * t->top[i];

            low[i - p] = sqrtf(v > 0 ? v : 0) * (1 - 0x1p-20f) * g->unit;
        }
        for (int64_t i = p; i < wni_min(n, p + LANES); i++)
            code[i - p] = t->plain[i] ? 0 : wni_km_code(low[i - p]);
    }
    for (int64_t i = 0; i < n; i++)
        t->top[i] = -INFINITY;
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
                for (int64_t i = 0; i < n; i++) {
                    float top = t->tops[PANELS * i + p];

                    t->top[i] = top > t->top[i] ? top : t->top[i];
                }
            if ((group + 1) * g->size > end && end < s->km->k) break; /* goes on in the next 64 */
            close_group(s, t, row0, n, group);
        }
    }
done:
    return st;
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

        t->lift[i] = wni_km_down(v - room);
    }
    WNI_TRY(bound_groups(ctx, s, t, &f, row0, n));
    for (int64_t group = 0; group < g->n; group++) {
        int64_t m = 0;

        for (int64_t i = 0; i < n; i++) {
            t->list[m] = (int32_t)i;
            m += t->top_in[i] == group;
        }
        for (int64_t p = 0; p < m; p += LANES)
            wni_km_look(s, t, group, t->list + p, wni_min(LANES, m - p));
        *looked += m * wni_min(g->size, km->k - group * g->size);
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
