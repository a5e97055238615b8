/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether bounds are worth their work: those that there are, by how much they leave in play, and new ones. A pass
 * that makes bounds costs more than one that only finds the nearest centres, and while the centres still move far
 * nothing is skipped by them. So some rows' bounds are measured first, and moved as far as the centres will move next,
 * going by how far they moved last.
 */
#include <math.h>
#include <stdatomic.h>

#include "cluster/kmeans_play.h"

#define SAMPLE 1024 /* rows whose bounds are looked at */

#define ROWS_MIN   16
#define ROWS_MAX   256
#define ROWS_SHARE 512 /* one row in so many is measured */
#define STEP       8   /* rows at a time */

/* In passes without bounds: what one that makes them costs more, what one by bounds costs with no pair in play, and
 * what all pairs add to that. Measured on white and clustered rows, embedding-like rows and features of images of 128
 * to 768 columns. */
#define MORE     0.55
#define NONE     0.3 /* NONE_F32 without the filter */
#define NONE_F32 0.15
#define ALL      1.4
#define PAY_BACK 8 /* iterations that are looked ahead */

/* How far centres go before bounds are drawn in again, in last movements: so many iterations, each as much shorter as
 * the last was; no less and no more than this. */
#define GOING       4
#define GOING_LEAST 0.65
#define GOING_MOST  1.0

wn_status wni_km_in_play(wni_km *km, double *share)
{
    const wni_km_groups *g = &km->groups;
    const wni_km_margin m = wni_km_margin_of(km);
    const int64_t rows = wni_min(km->rows.n, SAMPLE);
    const float unit = 1 / g->unit;
    int64_t in = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < rows; i++) {
        const int64_t row = i * km->rows.n / rows;
        const int32_t own = km->labels[row];
        const double norm2 = km->norm2[row], held = (double)km->upper[row] + km->move[own];
        const float *x;
        double score, upper;
        float reach;

        if (i % 64 == 0) WNI_TRY(wni_poll(km->ctx));
        WNI_TRY(wni_pool_take(km->ctx, km->rows.pool, row, 1, km->rows.scratch, km->rows.ld, &x));
        score = km->rows.kern->dot(x, wni_mat_row(&km->centers, own), km->rows.ld);
        if (km->l2) score -= km->half[own];
        upper = wni_km_upper(&m, norm2, score, wni_km_score_error(&m, norm2));
        reach = (float)wni_km_reach(&m, norm2, fmin(held, upper));
        for (int64_t group = 0; group < g->n; group++)
            in += !(wni_code16_value(*wni_km_bounds(g, row, group)) * unit >
                    reach + g->drift_up[group]);
    }
    *share = (double)in / ((double)rows * (double)g->n);
done:
    return st;
}

struct forecast {
    wni_km *km;
    wni_km_margin m;
    int64_t rows;
    double way; /* of the centres, in last movements */
    atomic_llong in;
};

/* Groups that stay in play for one row; score (k) with the centres group by group. */
static int64_t groups_in(const struct forecast *f, int64_t row, float *score)
{
    const wni_km *km = f->km;
    const wni_km_groups *g = &km->groups;
    const int32_t own = g->place[km->labels[row]];
    const double norm2 = km->norm2[row], error = wni_km_score_error(&f->m, norm2);
    double reach;
    int64_t in = 0;

    for (int32_t c = 0; km->l2 && c < km->k; c++)
        score[c] -= g->half[c];
    reach = wni_km_reach(&f->m, norm2, wni_km_upper(&f->m, norm2, (double)score[own], error));
    score[own] = -INFINITY;
    for (int64_t group = 0; group < g->n; group++) {
        const int64_t from = group * g->size, end = wni_min(from + g->size, km->k);
        float most = -INFINITY, move = 0;

        for (int64_t c = from; c < end; c++) {
            most = score[c] > most ? score[c] : most;
            move = km->move[g->center[c]] > move ? km->move[g->center[c]] : move;
        }
        in += most > -INFINITY &&
              wni_km_lower(&f->m, norm2, (double)most, error) - f->way * (double)move <= reach;
    }
    return in;
}

static wn_status forecast_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    struct forecast *f = arg;
    const wni_km *km = f->km;
    const wni_km_rows *rows = &km->rows;
    float *score = NULL, *room = NULL;
    wn_status st = WN_OK;

    (void)worker;
    WNI_NEW(ctx, score, km->k);
    WNI_NEW(ctx, room, rows->ld);
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = i * rows->n / f->rows;
        const float *x;

        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wni_pool_take(ctx, rows->pool, row, 1, room, rows->ld, &x));
        rows->kern->dots(x, 1, km->groups.centers.v, km->k, rows->ld, score, km->k);
        atomic_fetch_add(&f->in, groups_in(f, row, score));
    }
done:
    wni_free(ctx, score);
    wni_free(ctx, room);
    return st;
}

static double way_of(double slower, int64_t iterations)
{
    double way = 0, step = 1;

    for (int64_t i = 0; i < wni_min(iterations, GOING); i++)
        way += step *= slower;
    return way < GOING_LEAST ? GOING_LEAST : way > GOING_MOST ? GOING_MOST : way;
}

wn_status wni_km_bounds_pay(wni_km *km, bool filter, bool *pay)
{
    struct forecast f = {.km = km, .m = wni_km_margin_of(km)};
    const int64_t left = wni_min(km->opt.max_iter - km->iterations, PAY_BACK);
    const double before = km->last_move;
    double share, move = 0;
    wn_status st = WN_OK;

    for (int32_t c = 0; c < km->k; c++)
        move += (double)km->move[c];
    km->last_move = move;
    *pay = false;
    if (left <= 0 || km->last) return WN_OK;
    f.way = way_of(before > 0 && move < before ? move / before : 1, left);
    f.rows = wni_min(km->rows.n, wni_max(ROWS_MIN, wni_min(ROWS_MAX, km->rows.n / ROWS_SHARE)));
    WNI_TRY(wni_parallel(km->ctx, f.rows, STEP, forecast_range, &f));
    share = (double)f.in / ((double)f.rows * (double)km->groups.n);
    *pay = (double)left * (1 - (filter ? NONE : NONE_F32) - share * ALL) > MORE;
done:
    return st;
}
