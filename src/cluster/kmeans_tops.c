/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows against groups of centres through the int8 filter of src/scan/filter.h. Of a group's centres, but the one that
 * a row has, those whose upper bound reaches what the row's best score needs are verified: they get their canonical
 * scores. The others score less than the best (filter.h), and than any better one that is found later. The group's
 * lower bound is that of the closest of them all, each by what is known of it: the square of its distance is at least
 * base - 2 score for a canonical score, lift - 2 upper for an upper bound, both rounded down. First the bound of those
 * that are not verified is written; each verified one that does not win lowers it, as does a winner when it is beaten
 * (wni_km_dethrone) and the centre that the row had when that loses (at the end).
 */
#include <math.h>
#include <stdatomic.h>

#include "cluster/kmeans_play.h"

#define LANES WNI_KM_LANES

#define VERIFY  256 /* hits at a time */
#define WAITING WNI_KM_WAITING
#define SOON    4 /* hits ahead whose centres are asked for */
/* Hits of a row from which all of the columns in f32 cost less. */
#define MANY(columns) ((columns) / 4)

/* The larger of most and top, and whose it is. Selections by bits, as compilers make vectors of those. */
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

/* Bounds of a fresh group for all rows, from the top of its centres; what the rows of whose centres it is have beside
 * these is measured apart. t->order holds them. */
static void close_group(const wni_km_step *s, const wni_km_tile *t, int64_t row0, int64_t n,
                        int64_t group)
{
    const wni_km_groups *g = &s->km->groups;
    float low[LANES];

    for (int64_t i = group > 0 ? t->start[group - 1] : 0; i < t->start[group]; i++)
        t->top[t->order[i]] = -INFINITY;
    most_of(t->top, (int32_t)group, t->top_most, t->top_in, n);
    for (int64_t p = 0; p < n; p += LANES) {
        const int64_t m = wni_min(n - p, LANES);

        for (int64_t i = 0; i < m; i++)
            low[i] = t->lift[p + i] - 2 * t->top[p + i];
        s->km->rows.kern->bound16(low, m, 0, wni_km_bound_scale(g),
                                  wni_km_bounds(g, row0 + p, group));
    }
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

/* What row r needs to beat the best so far, and the reach that follows from a new one. */
static void new_best(const wni_km_step *s, const wni_km_tile *t, const wni_filter_tile *f,
                     int64_t row0, int32_t r)
{
    wni_km *km = s->km;
    const int64_t row = t->row[r];

    t->need[r] = wni_filter_need(f, r, t->best[r]);
    if (t->at[r] == km->labels[row]) return;
    km->upper[row] = wni_km_upper(&s->m, km->norm2[row], (double)t->best[r], t->error[r]);
    t->reach[row - row0] = wni_km_reach_up(s, row);
}

/* Canonical scores of the hits that wait: better centres, and bounds that count the others. */
static void verify(const wni_km_step *s, wni_km_tile *t, const wni_filter_tile *f, int64_t row0,
                   int64_t *looked)
{
    const wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;
    const int32_t *row = t->hits.row, *column = t->hits.column;
    float score[VERIFY];

    for (int64_t h = 0; h < t->n_hits; h += VERIFY) {
        const int64_t n = wni_min(VERIFY, t->n_hits - h);

        for (int64_t i = h; i < h + n; i++) {
            if (i + SOON < t->n_hits)
                wni_km_expect(wni_mat_row(&g->centers, column[i + SOON]), km->rows.ld);
            score[i - h] =
                km->rows.kern->dot(t->x[row[i]], wni_mat_row(&g->centers, column[i]), km->rows.ld);
        }
        for (int64_t i = h; i < h + n; i++) {
            const int32_t r = row[i], center = g->center[column[i]];
            const float value = score[i - h] - g->half[column[i]];

            t->count[r]++;
            if (center == t->at[r]) continue;
            if (value > t->best[r] || (value == t->best[r] && center < t->at[r])) {
                wni_km_dethrone(s, t, r);
                t->best[r] = value;
                t->at[r] = center;
                new_best(s, t, f, row0, r);
            } else
                wni_km_bound_also(km, t->row[r], column[i] / g->size, t->base[r] - 2 * value);
        }
    }
    *looked += t->n_hits;
    t->n_hits = 0;
}

/* Drops the new hits of rows that have so many in these `columns` that the whole group in f32 costs less; marks such
 * rows. */
static int64_t drop_many(wni_km_tile *t, int64_t columns, int64_t hits, unsigned char *whole)
{
    int32_t *row = t->hits.row + t->n_hits, *column = t->hits.column + t->n_hits;
    int32_t count[LANES] = {0};
    int64_t kept = 0;

    for (int64_t h = 0; h < hits; h++)
        count[row[h]]++;
    for (int64_t h = 0; h < hits; h++) {
        const int32_t i = row[h];

        row[kept] = i;
        column[kept] = column[h];
        kept += count[i] <= MANY(columns);
        whole[i] |= count[i] > MANY(columns);
    }
    return kept;
}

/* Read rows list[0..n), n <= LANES, against the centres of one group but their own: hits, and the group's bounds as to
 * the others. */
static void look(const wni_km_step *s, wni_km_tile *t, const wni_filter_tile *f, int64_t row0,
                 int64_t group, const int32_t *list, int64_t n, int64_t *looked)
{
    const wni_km_groups *g = &s->km->groups;
    const int64_t from = group * g->size, end = wni_min(from + g->size, s->km->k);
    float most[LANES], low[LANES];
    unsigned char whole[LANES] = {0};
    int many = f->n_plain > 0;
    uint16_t code[LANES];
    int32_t in_f32[LANES];
    int64_t m = 0;

    for (int64_t i = 0; i < n && f->n_plain > 0; i++)
        whole[i] = t->plain[list[i]];
    for (int64_t at = from; at < end; at += WNI_FILTER_MOST_COLUMNS) {
        const int64_t past = wni_min(at + WNI_FILTER_MOST_COLUMNS, end);
        const wni_pairs8 room = {t->hits.row + t->n_hits, t->hits.column + t->n_hits};
        int64_t hits = wni_filter_most(s->filter, f, at, past, list, t->skip, n, most, &room);

        for (int64_t i = 0; i < n; i++)
            low[i] = t->lift[list[i]] - 2 * most[i];
        s->km->rows.kern->bound16(low, n, wni_km_drift_down(g, group), wni_km_bound_scale(g), code);
        if (at == from)
            for (int64_t i = 0; i < n; i++)
                *wni_km_bounds(g, t->row[list[i]], group) = code[i];
        else
            for (int64_t i = 0; i < n; i++) {
                uint16_t *bound = wni_km_bounds(g, t->row[list[i]], group);

                if (code[i] < *bound) *bound = code[i];
            }
        if (hits > MANY(past - at)) {
            hits = drop_many(t, past - at, hits, whole);
            many = 1;
        }
        for (int64_t h = 0; h < hits; h++)
            room.row[h] = list[room.row[h]];
        t->n_hits += hits;
        if (t->n_hits > WAITING) verify(s, t, f, row0, looked);
    }
    for (int64_t i = 0; many && i < n; i++)
        if (whole[i]) in_f32[m++] = list[i];
    if (m == 0) return;
    wni_km_look(s, t, group, in_f32, m);
    *looked += m * (end - from);
    for (int64_t i = 0; i < m; i++)
        new_best(s, t, f, row0, in_f32[i]);
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

/* The rows in t->order, each against its group. */
static void look_in_order(const wni_km_step *s, wni_km_tile *t, const wni_filter_tile *f,
                          int64_t row0, int64_t *looked, int64_t *scanned)
{
    const wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;

    for (int64_t group = 0, from = 0; group < g->n; group++) {
        const int64_t n = t->start[group] - from;

        for (int64_t p = 0; p < n; p += LANES)
            look(s, t, f, row0, group, t->order + from + p, wni_min(LANES, n - p), looked);
        *scanned += n * wni_min(g->size, km->k - group * g->size);
        from += n;
    }
    verify(s, t, f, row0, looked);
}

/* Bounds of fresh groups. A row's own group, then the one with the largest upper bound where that is within reach,
 * are looked at; t->home and t->top_in say which are done. */
static wn_status look_at_fresh(wn_ctx *ctx, const wni_km_step *s, wni_km_tile *t,
                               const wni_filter_tile *f, int64_t row0, int64_t n, int64_t *looked,
                               int64_t *scanned)
{
    const wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;
    wn_status st = WN_OK;

    order_by_group(s, t, t->home, n);
    WNI_TRY(bound_all(ctx, s, t, f, row0, n));
    look_in_order(s, t, f, row0, looked, scanned);
    *scanned += n * km->k;
    WNI_TRY(wni_poll(ctx));
    for (int64_t i = 0; i < n; i++) {
        const int32_t in = t->top_in[i];

        if (in >= 0 && wni_code16_value(*wni_km_bounds(g, t->row[i], in)) * s->unit >
                           t->reach[t->row[i] - row0] + g->drift_up[in])
            t->top_in[i] = -1;
    }
    order_by_group(s, t, t->top_in, n);
    look_in_order(s, t, f, row0, looked, scanned);
done:
    return st;
}

/* All groups within reach but those that are done. */
static wn_status look_at_groups(wn_ctx *ctx, const wni_km_step *s, wni_km_tile *t,
                                const wni_filter_tile *f, int64_t row0, int64_t m, int64_t n,
                                int64_t *looked, int64_t *scanned)
{
    const wni_km *km = s->km;
    const wni_km_groups *g = &km->groups;
    const int64_t poll = wni_km_poll_groups(km, n);
    wn_status st = WN_OK;

    for (int64_t group = 0; group < g->n; group++) {
        const int64_t in = wni_km_in_reach(s, t, row0, m, group);
        int64_t left = 0;

        if (group % poll == 0) WNI_TRY(wni_poll(ctx));
        for (int64_t i = 0; i < in && g->fresh; i++) {
            const int32_t r = t->list[i];

            t->list[left] = r;
            left += t->home[r] != group && t->top_in[r] != group;
        }
        if (!g->fresh) left = in;
        for (int64_t p = 0; p < left; p += LANES)
            look(s, t, f, row0, group, t->list + p, wni_min(LANES, left - p), looked);
        *scanned += left * wni_min(g->size, km->k - group * g->size);
    }
    verify(s, t, f, row0, looked);
done:
    return st;
}

wn_status wni_km_tops(wn_ctx *ctx, const wni_km_step *s, wni_km_tile *t, const wni_filter_tile *f,
                      int64_t row0, int64_t m, int64_t n, int64_t *looked, int64_t *scanned)
{
    int64_t before = *looked, verified = 0;
    wn_status st = WN_OK;

    /* A score is at most top + shift + doubt; the room is for this sum and for the float. */
    for (int64_t i = 0; i < n; i++) {
        double v = (double)t->base[i] - 2 * (t->shift[i] + t->doubt[i]);
        double room = 0x1p-22 * (fabs((double)t->base[i]) + 2 * fabs(t->shift[i]));

        t->lift[i] = t->plain[i] ? -INFINITY : wni_km_down(v - room); /* plain: no bound */
        t->need[i] = wni_filter_need(f, i, t->best[i]);
        t->top_most[i] = -INFINITY;
        t->top_in[i] = -1;
        if (!s->km->groups.fresh) t->home[i] = -1;
    }
    if (s->km->groups.fresh) WNI_TRY(look_at_fresh(ctx, s, t, f, row0, n, looked, scanned));
    WNI_TRY(look_at_groups(ctx, s, t, f, row0, m, n, looked, scanned));
    for (int64_t i = 0; i < n; i++)
        verified += !t->plain[i] && t->count[i] > 0;
    atomic_fetch_add(&ctx->filter_rows, n - f->n_plain);
    atomic_fetch_add(&ctx->filter_plain, f->n_plain);
    atomic_fetch_add(&ctx->filter_verified, verified);
    atomic_fetch_add(&ctx->filter_candidates, *looked - before + n);
done:
    return st;
}
