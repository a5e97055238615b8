/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/fixmath.h"
#include "kernels/kernels.h"
#include "select/sinkhorn.h"

#define GRAIN 16 /* potentials a range */

/* ---- costs ------------------------------------------------------------------------------------------ */

typedef struct costing {
    const wni_mat *x, *y;
    double scale;
    float *out;
} costing;

static wn_status cost_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const costing *c = arg;
    const wni_kernels *kern = wni_kernels_of(ctx);

    (void)worker;
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < c->y->n; j++)
            c->out[i * c->y->n + j] =
                (float)(c->scale *
                        (double)kern->l2sq(wni_mat_row(c->x, i), wni_mat_row(c->y, j), c->x->ld));
    return WN_OK;
}

wn_status wni_costs_new(wn_ctx *ctx, const wni_mat *x, const wni_mat *y, double scale,
                        wni_costs *out)
{
    wni_costs c = {.m = x->n, .n = y ? y->n : x->n};
    wn_status st;

    *out = (wni_costs){0};
    WNI_NEW(ctx, c.rows, c.m * c.n);
    WNI_TRY(wni_parallel(ctx, c.m, GRAIN, cost_range, &(costing){x, y ? y : x, scale, c.rows}));
    if (y) {
        WNI_NEW(ctx, c.columns, c.m * c.n);
        for (int64_t i = 0; i < c.m; i++)
            for (int64_t j = 0; j < c.n; j++)
                c.columns[j * c.m + i] = c.rows[i * c.n + j];
    }
    *out = c;
    return WN_OK;
done:
    wni_costs_free(ctx, &c);
    return st;
}

void wni_costs_free(wn_ctx *ctx, wni_costs *c)
{
    wni_free(ctx, c->rows);
    wni_free(ctx, c->columns);
    *c = (wni_costs){0};
}

double wni_costs_mean(const wni_costs *c)
{
    int64_t count = c->m * c->n;
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += (double)c->rows[i];
    return count ? sum / (double)count : 0;
}

void wni_costs_scale(wni_costs *c, double scale)
{
    for (int64_t i = 0; i < c->m * c->n; i++) {
        c->rows[i] = (float)(scale * (double)c->rows[i]);
        if (c->columns) c->columns[i] = (float)(scale * (double)c->columns[i]);
    }
}

/* ---- sweeps ----------------------------------------------------------------------------------------- */

typedef struct sweeping {
    const float *cost; /* (count, n) */
    int64_t n;
    const double *log_b, *g; /* (n) of the other side */
    double eps;
    double *out;     /* (count) */
    double *scratch; /* (threads, n) */
} sweeping;

/* out[i] = -eps log sum over j of b[j] exp((g[j] - C[i][j]) / eps). */
static wn_status sweep_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const sweeping *s = arg;
    double *x = s->scratch + worker * s->n, inverse = 1 / s->eps;

    (void)ctx;
    for (int64_t i = begin; i < end; i++) {
        const float *cost = s->cost + i * s->n;
        double top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < s->n; j++) {
            x[j] = s->log_b[j] + (s->g[j] - (double)cost[j]) * inverse;
            top = x[j] > top ? x[j] : top;
        }
        for (int64_t j = 0; j < s->n; j++)
            x[j] -= top;
        wni_exp_fixed_n(x, s->n);
        for (int64_t j = 0; j < s->n; j++)
            sum += x[j];
        s->out[i] = -s->eps * (top + wni_log_fixed(sum));
    }
    return WN_OK;
}

static double weighted_sum(const double *log_a, const double *f, int64_t m)
{
    double sum = 0;

    for (int64_t i = 0; i < m; i++)
        sum += wni_exp_fixed(log_a[i]) * f[i];
    return sum;
}

static double most_moved(const double *a, const double *b, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fabs(a[i] - b[i]) > most ? fabs(a[i] - b[i]) : most;
    return most;
}

wn_status wni_sinkhorn(wn_ctx *ctx, const wni_costs *c, const double *log_a, const double *log_b,
                       double eps, int32_t sweeps, double tol, double *f, double *g, double *value)
{
    sweeping to_f = {.cost = c->rows, .n = c->n, .log_b = log_b, .g = g, .eps = eps, .out = f};
    sweeping to_g = {.cost = c->columns, .n = c->m, .log_b = log_a, .g = f, .eps = eps};
    double *scratch = NULL, *next = NULL;
    wn_status st;

    WNI_NEW(ctx, scratch, wn_ctx_threads(ctx) * wni_max(c->m, c->n));
    WNI_NEW(ctx, next, c->n);
    to_f.scratch = to_g.scratch = scratch;
    to_g.out = next;
    for (int32_t sweep = 0; sweep < sweeps; sweep++) {
        double moved;
        WNI_TRY(wni_parallel(ctx, c->m, GRAIN, sweep_range, &to_f));
        WNI_TRY(wni_parallel(ctx, c->n, GRAIN, sweep_range, &to_g));
        moved = most_moved(next, g, c->n);
        memcpy(g, next, (size_t)c->n * sizeof *g);
        if (moved <= tol) break;
    }
    WNI_TRY(wni_parallel(ctx, c->m, GRAIN, sweep_range, &to_f));
    *value = weighted_sum(log_a, f, c->m) + weighted_sum(log_b, g, c->n);
done:
    wni_free(ctx, scratch);
    wni_free(ctx, next);
    return st;
}

wn_status wni_sinkhorn_self(wn_ctx *ctx, const wni_costs *c, const double *log_a, double eps,
                            int32_t sweeps, double tol, double *h, double *value)
{
    sweeping to_h = {.cost = c->rows, .n = c->m, .log_b = log_a, .g = h, .eps = eps};
    double *next = NULL;
    wn_status st;

    WNI_NEW(ctx, to_h.scratch, wn_ctx_threads(ctx) * c->m);
    WNI_NEW(ctx, next, c->m);
    to_h.out = next;
    for (int32_t sweep = 0; sweep < sweeps; sweep++) {
        double moved;
        WNI_TRY(wni_parallel(ctx, c->m, GRAIN, sweep_range, &to_h));
        moved = most_moved(next, h, c->m);
        for (int64_t i = 0; i < c->m; i++)
            h[i] = 0.5 * (h[i] + next[i]);
        if (moved <= tol) break;
    }
    *value = 2 * weighted_sum(log_a, h, c->m);
done:
    wni_free(ctx, to_h.scratch);
    wni_free(ctx, next);
    return st;
}
