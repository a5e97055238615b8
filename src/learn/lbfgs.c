/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "learn/lbfgs.h"

#define ARMIJO     1e-4 /* share of the promised fall that a step must bring */
#define CURVATURE  0.9  /* share of the slope that may be left */
#define SEARCH_MAX 25   /* evaluations of one line search */
#define LANES      8

typedef struct history {
    double *s, *y;                /* (WNI_LBFGS_MEMORY, n) */
    double rho[WNI_LBFGS_MEMORY]; /* 1 / (s . y) */
    int32_t count, next;
} history;

typedef struct search {
    wn_ctx *ctx;
    wni_lbfgs *job;
    wni_lbfgs_fn fn;
    void *self;
    double *x, *g, *direction, *trial, *trial_g; /* (n) */
    double slope;                                /* g . direction */
} search;

/* A point of the line search: how far, the value there, its slope along the direction. */
typedef struct point {
    double t, f, slope;
} point;

static double dot(const double *a, const double *b, int64_t n)
{
    double lane[LANES] = {0};
    int64_t j = 0;

    for (; j + LANES <= n; j += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += a[j + l] * b[j + l];
    for (; j < n; j++)
        lane[j % LANES] += a[j] * b[j];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

static double largest(const double *a, int64_t n)
{
    double most = 0;

    for (int64_t j = 0; j < n; j++)
        most = fabs(a[j]) > most ? fabs(a[j]) : most;
    return most;
}

int64_t wni_lbfgs_bytes(int64_t n)
{
    return (2 * WNI_LBFGS_MEMORY + 5) * n * (int64_t)sizeof(double);
}

/* direction = -H g by the two loops over the history, newest first, then back. */
static void direction_of(const history *h, const double *g, double *d, int64_t n)
{
    double alpha[WNI_LBFGS_MEMORY], gamma;

    for (int64_t j = 0; j < n; j++)
        d[j] = -g[j];
    if (h->count == 0) return;
    for (int32_t i = 1; i <= h->count; i++) {
        int32_t at = (h->next - i + WNI_LBFGS_MEMORY) % WNI_LBFGS_MEMORY;
        const double *s = h->s + at * n, *y = h->y + at * n;
        alpha[at] = h->rho[at] * dot(s, d, n);
        for (int64_t j = 0; j < n; j++)
            d[j] -= alpha[at] * y[j];
    }
    {
        int32_t at = (h->next - 1 + WNI_LBFGS_MEMORY) % WNI_LBFGS_MEMORY;
        const double *y = h->y + at * n;
        gamma = 1 / (h->rho[at] * dot(y, y, n));
    }
    for (int64_t j = 0; j < n; j++)
        d[j] *= gamma;
    for (int32_t i = h->count; i >= 1; i--) {
        int32_t at = (h->next - i + WNI_LBFGS_MEMORY) % WNI_LBFGS_MEMORY;
        const double *s = h->s + at * n, *y = h->y + at * n;
        double beta = h->rho[at] * dot(y, d, n);
        for (int64_t j = 0; j < n; j++)
            d[j] += (alpha[at] - beta) * s[j];
    }
}

/* A pair without curvature would spoil the history and is left out. */
static void remember(history *h, const search *l, double t)
{
    int64_t n = l->job->n;
    double *s = h->s + h->next * n, *y = h->y + h->next * n, sy;

    for (int64_t j = 0; j < n; j++) {
        s[j] = t * l->direction[j];
        y[j] = l->trial_g[j] - l->g[j];
    }
    sy = dot(s, y, n);
    if (!(sy > 1e-12 * sqrt(dot(s, s, n)) * sqrt(dot(y, y, n)))) return;
    h->rho[h->next] = 1 / sy;
    h->next = (h->next + 1) % WNI_LBFGS_MEMORY;
    if (h->count < WNI_LBFGS_MEMORY) h->count++;
}

static wn_status evaluate(search *l, double t, point *at)
{
    int64_t n = l->job->n;
    wn_status st;

    for (int64_t j = 0; j < n; j++)
        l->trial[j] = l->x[j] + t * l->direction[j];
    at->t = t;
    WNI_TRY(l->fn(l->ctx, l->self, l->trial, &at->f, l->trial_g));
    l->job->evaluations++;
    at->slope = dot(l->trial_g, l->direction, n);
    /* An overflow is a step too far. */
    if (!isfinite(at->f) || !isfinite(at->slope)) at->f = HUGE_VAL, at->slope = HUGE_VAL;
done:
    return st;
}

/* The minimum of the cubic through two points, kept within the inner four fifths of their distance. */
static double between(const point *a, const point *b)
{
    double low = a->t < b->t ? a->t : b->t, high = a->t < b->t ? b->t : a->t;
    double margin = 0.1 * (high - low), t = 0.5 * (low + high);

    if (isfinite(a->f) && isfinite(b->f)) {
        double d1 = a->slope + b->slope - 3 * (a->f - b->f) / (a->t - b->t);
        double square = d1 * d1 - a->slope * b->slope;
        if (square >= 0) {
            double d2 = b->t > a->t ? sqrt(square) : -sqrt(square);
            double below = b->slope - a->slope + 2 * d2;
            double cubic = b->t - (b->t - a->t) * ((b->slope + d2 - d1) / below);
            if (isfinite(cubic)) t = cubic;
        }
    }
    if (t < low + margin) t = low + margin;
    if (t > high - margin) t = high - margin;
    return t;
}

/* Where f says nothing below its own error the slope decides: it must not have grown the other way. */
static bool falls(const search *l, const point *from, const point *at)
{
    double error = l->job->precision * fabs(from->f);

    if (at->f <= from->f + ARMIJO * at->t * l->slope) return true;
    return at->f <= from->f + error && at->slope <= (2 * ARMIJO - 1) * l->slope;
}

/* A step from t on; *found = 0 when no step lowers f. Leaves trial and trial_g at *at. */
static wn_status line_search(search *l, const point *from, double t, point *at, bool *found)
{
    point low = *from, high = {0};
    bool bracketed = false;
    wn_status st = WN_OK;

    *found = false;
    for (int i = 0; i < SEARCH_MAX; i++) {
        WNI_TRY(evaluate(l, t, at));
        if (!falls(l, from, at) || (bracketed && at->f > low.f + l->job->precision * fabs(low.f))) {
            high = *at;
            bracketed = true;
        } else if (fabs(at->slope) <= -CURVATURE * l->slope) {
            *found = true;
            goto done;
        } else if (bracketed ? at->slope * (high.t - low.t) > 0 : at->slope > 0) {
            high = low;
            low = *at;
            bracketed = true;
        } else {
            low = *at;
        }
        if (!bracketed) {
            t *= 4;
            continue;
        }
        if (fabs(high.t - low.t) <= 1e-9 * fabs(low.t)) break;
        t = between(&low, &high);
    }
    /* No point satisfies both conditions within the limit: the best one that falls will do. */
    if (low.t > 0) {
        WNI_TRY(evaluate(l, low.t, at));
        *found = true;
    }
done:
    return st;
}

static wn_status iterate(search *l, history *h, double *f)
{
    wni_lbfgs *job = l->job;
    int64_t n = job->n;
    int32_t stuck = 0;
    wn_status st = WN_OK;

    while (job->iterations < job->max_iter) {
        point from = {0, *f, 0}, at;
        bool found;
        double t = 1, *swap;
        job->max_gradient = largest(l->g, n);
        if (job->max_gradient <= job->tol) {
            job->converged = 1;
            goto done;
        }
        WNI_TRY(wni_poll(l->ctx));
        if (job->stage) wni_progress(l->ctx, job->stage, job->iterations, job->max_iter);
        direction_of(h, l->g, l->direction, n);
        from.slope = l->slope = dot(l->g, l->direction, n);
        if (!(l->slope < 0)) { /* rounding has eaten the history */
            h->count = h->next = 0;
            direction_of(h, l->g, l->direction, n);
            from.slope = l->slope = dot(l->g, l->direction, n);
        }
        if (h->count == 0) t = 1 / sqrt(dot(l->g, l->g, n));
        WNI_TRY(line_search(l, &from, t, &at, &found));
        if (!found && h->count) { /* once more, downhill */
            h->count = h->next = 0;
            continue;
        }
        if (!found) { /* f can tell no difference any more */
            job->converged = 1;
            goto done;
        }
        remember(h, l, at.t);
        swap = l->x, l->x = l->trial, l->trial = swap;
        swap = l->g, l->g = l->trial_g, l->trial_g = swap;
        job->iterations++;
        stuck = *f - at.f <= job->precision * fabs(at.f) ? stuck + 1 : 0;
        *f = at.f;
        if (stuck == 5) {
            job->converged = 1;
            goto done;
        }
    }
done:
    job->max_gradient = largest(l->g, n);
    return st;
}

wn_status wni_lbfgs_minimise(wn_ctx *ctx, wni_lbfgs *job, wni_lbfgs_fn fn, void *self, double *x)
{
    search l = {.ctx = ctx, .job = job, .fn = fn, .self = self};
    history h = {0};
    int64_t n = job->n;
    double f, *block = NULL;
    wn_status st;

    job->iterations = job->evaluations = job->converged = 0;
    WNI_NEW(ctx, block, 5 * n);
    WNI_NEW(ctx, h.s, WNI_LBFGS_MEMORY * n);
    WNI_NEW(ctx, h.y, WNI_LBFGS_MEMORY * n);
    l.x = block;
    l.g = block + n;
    l.direction = block + 2 * n;
    l.trial = block + 3 * n;
    l.trial_g = block + 4 * n;
    memcpy(l.x, x, (size_t)n * sizeof *x);
    WNI_TRY(fn(ctx, self, l.x, &f, l.g));
    job->evaluations++;
    WNI_TRY(iterate(&l, &h, &f));
    job->f = f;
    memcpy(x, l.x, (size_t)n * sizeof *x);
done:
    wni_free(ctx, block);
    wni_free(ctx, h.s);
    wni_free(ctx, h.y);
    return st;
}
