/* SPDX-License-Identifier: Apache-2.0
 *
 * Loss and gradient of a softmax over rows: per tile logits by the kernel `dots`, probabilities in double,
 * the gradient of the tile by the kernel `outer`, all tiles added up in fixed point.
 */
#include <math.h>
#include <string.h>

#include "base/fixmath.h"
#include "kernels/kernels.h"
#include "learn/logistic_pass.h"

#define TILE_FLOATS 65536

int64_t wni_fit_tile(int64_t ld)
{
    return wni_min(wni_max(TILE_FLOATS / ld, 16), 512);
}

int64_t wni_fit_bytes(int64_t m, int64_t d, int32_t k, int32_t threads)
{
    int64_t ld = wni_ld(d), tile = wni_fit_tile(ld), kp = wni_round_up(k, 4);
    int64_t worker = tile * ld * 4 + tile * kp * 4 + (int64_t)k * ld * 12 + k * 8 + kp * 8;

    return m * (8 + 4 + 8) + threads * worker + kp * ld * 4 + k * 8 + ld * 40 +
           (m / tile + 1) * 16 + 4096;
}

/* 2^e with |x| * 2^e < 2^bits for every |x| <= most. */
static double power_below(double most, int bits)
{
    int e;

    if (!(most > 0)) return 1;
    frexp(most, &e);
    return ldexp(1, bits - e);
}

/* What `count` numbers of at most `most` may be multiplied by so that their sum stays in an int64_t and
 * `together` of them below 2^50, the limit of the kernel. */
static double unit_of(double most, int64_t count, int64_t together)
{
    double each = power_below(most * (double)wni_max(together, 1), 50);
    double all = power_below(most * (double)wni_max(count, 1), 61);

    return each < all ? each : all;
}

/* ---- reading rows -------------------------------------------------------------------------------- */

static wn_status read_raw(wn_ctx *ctx, const wni_fit *f, int64_t begin, int64_t n, float *x)
{
    if (f->all) return wn_pool_read(ctx, f->pool, begin, n, x, f->ld);
    return wn_pool_gather(ctx, f->pool, f->rows + begin, n, x, f->ld);
}

static void standardise(const wni_fit *f, float *x, int64_t n)
{
    if (!f->mean) return;
    for (int64_t i = 0; i < n; i++, x += f->ld)
        for (int64_t j = 0; j < f->ld; j++)
            x[j] = (x[j] - f->mean[j]) * f->scale[j];
}

static wn_status read_rows(wn_ctx *ctx, const wni_fit *f, int worker, int64_t begin, int64_t n,
                           const float **z)
{
    float *x = f->x + worker * f->tile * f->ld;
    wn_status st = WN_OK;

    if (f->held.v) {
        *z = f->held.v + begin * f->ld;
        return WN_OK;
    }
    WNI_TRY(read_raw(ctx, f, begin, n, x));
    standardise(f, x, n);
    *z = x;
done:
    return st;
}

static wn_status hold_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wni_fit *f = arg;
    float *x = f->held.v + begin * f->ld;
    wn_status st;

    (void)worker;
    WNI_TRY(read_raw(ctx, f, begin, end - begin, x));
    standardise(f, x, end - begin);
done:
    return st;
}

/* ---- the columns --------------------------------------------------------------------------------- */

typedef struct columns {
    wni_fit *f;
    double *most;   /* (threads) */
    int64_t *total; /* (threads, ld) */
    double *unit;   /* (ld) */
    bool squares;   /* of what is left of the mean, not values */
} columns;

static wn_status most_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    columns *c = arg;
    wni_fit *f = c->f;
    float *x = f->x + worker * f->tile * f->ld, most = 0;
    wn_status st;

    WNI_TRY(read_raw(ctx, f, begin, end - begin, x));
    for (int64_t i = 0; i < (end - begin) * f->ld; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    if ((double)most > c->most[worker]) c->most[worker] = (double)most;
done:
    return st;
}

static wn_status sum_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    columns *c = arg;
    wni_fit *f = c->f;
    const wni_kernels *kern = wni_kernels_of(ctx);
    float *x = f->x + worker * f->tile * f->ld;
    wn_status st;

    WNI_TRY(read_raw(ctx, f, begin, end - begin, x));
    for (int64_t i = begin; i < end; i++, x += f->ld) {
        if (c->squares)
            for (int64_t j = 0; j < f->ld; j++)
                x[j] = (x[j] - f->mean[j]) * (x[j] - f->mean[j]);
        kern->fixsum(c->total + worker * f->ld, x, c->unit, f->weight ? f->weight[i] : 1, 1, f->ld);
    }
done:
    return st;
}

/* Weighted means over the rows into at (ld). */
static wn_status column_means(wn_ctx *ctx, columns *c, double most, double *at)
{
    wni_fit *f = c->f;
    double unit = unit_of(most * f->most_weight, f->m, 1);
    int32_t threads = wn_ctx_threads(ctx);
    wn_status st;

    memset(c->total, 0, (size_t)(threads * f->ld) * sizeof *c->total);
    for (int64_t j = 0; j < f->ld; j++)
        c->unit[j] = unit;
    WNI_TRY(wni_parallel(ctx, f->m, f->tile, sum_range, c));
    for (int64_t j = 0; j < f->ld; j++) {
        int64_t sum = 0;
        for (int32_t t = 0; t < threads; t++)
            sum += c->total[t * f->ld + j];
        at[j] = (double)sum / unit / (double)f->m;
    }
done:
    return st;
}

/* mean and scale, so that z is centred and its mean variance, or each, is 1. */
static wn_status measure_columns(wn_ctx *ctx, wni_fit *f, wn_scale scale)
{
    columns c = {.f = f};
    int32_t threads = wn_ctx_threads(ctx);
    double *mean = NULL, *variance = NULL, most = 0, sum = 0;
    wn_status st;

    WNI_NEW0(ctx, c.most, threads);
    WNI_NEW(ctx, c.total, threads * f->ld);
    WNI_NEW(ctx, c.unit, f->ld);
    WNI_NEW(ctx, mean, f->ld);
    WNI_NEW(ctx, variance, f->ld);
    WNI_TRY(wni_parallel(ctx, f->m, f->tile, most_range, &c));
    for (int32_t t = 0; t < threads; t++)
        most = c.most[t] > most ? c.most[t] : most;
    f->bound = most;
    if (scale == WN_SCALE_NONE) goto done;
    WNI_NEW0(ctx, f->mean, f->ld);
    WNI_NEW0(ctx, f->scale, f->ld);
    WNI_TRY(column_means(ctx, &c, most, mean));
    for (int64_t j = 0; j < f->ld; j++)
        f->mean[j] = (float)mean[j];
    c.squares = true;
    WNI_TRY(column_means(ctx, &c, 4 * most * most, variance));
    for (int64_t j = 0; j < f->d; j++) {
        /* A column of one value: what is left of it is rounding. */
        if (variance[j] <= 1e-12 * mean[j] * mean[j]) variance[j] = 0;
        sum += variance[j];
    }
    f->bound = 0;
    for (int64_t j = 0; j < f->d; j++) {
        double by = scale == WN_SCALE_COLUMNS ? variance[j] : sum / (double)f->d;
        by = by > 0 && variance[j] > 0 ? 1 / sqrt(by) : 0;
        f->scale[j] = (float)by;
        by *= 1.001 * (most + fabs(mean[j]));
        f->bound = by > f->bound ? by : f->bound;
    }
done:
    wni_free(ctx, c.most);
    wni_free(ctx, c.total);
    wni_free(ctx, c.unit);
    wni_free(ctx, mean);
    wni_free(ctx, variance);
    return st;
}

/* ---- making it ----------------------------------------------------------------------------------- */

wn_status wni_fit_prepare(wn_ctx *ctx, wni_fit *f, wn_scale scale, int64_t spare)
{
    int64_t threads = wn_ctx_threads(ctx), ranges;
    double unit;
    wn_status st;

    f->ld = wni_ld(f->d);
    f->tile = wni_fit_tile(f->ld);
    f->kp = (int32_t)wni_round_up(f->k, 4);
    ranges = f->m / f->tile + 1;
    WNI_NEW(ctx, f->x, threads * f->tile * f->ld);
    WNI_NEW(ctx, f->logits, threads * f->tile * f->kp);
    WNI_NEW(ctx, f->sums, threads * f->k * f->ld);
    WNI_NEW(ctx, f->total, threads * f->k * (f->ld + 1));
    WNI_NEW(ctx, f->p, threads * f->kp);
    WNI_NEW(ctx, f->unit, f->ld);
    WNI_NEW0(ctx, f->w, f->kp * f->ld);
    WNI_NEW(ctx, f->b, f->k);
    WNI_NEW(ctx, f->loss, ranges);
    WNI_NEW(ctx, f->hit, ranges);
    WNI_TRY(measure_columns(ctx, f, scale));
    unit = unit_of(2 * f->bound * f->most_weight, f->m, f->tile);
    for (int64_t j = 0; j < f->ld; j++)
        f->unit[j] = unit;
    f->unit_bias = unit_of(2 * f->most_weight, f->m, 1);
    if (f->m * f->ld * (int64_t)sizeof(float) + spare > wni_budget_left(ctx)) goto done;
    WNI_TRY(wni_mat_new(ctx, f->m, f->d, &f->held));
    WNI_TRY(wni_parallel(ctx, f->m, f->tile, hold_range, f));
done:
    return st;
}

void wni_fit_free(wn_ctx *ctx, wni_fit *f)
{
    void *owned[] = {f->rows,  f->y, f->weight, f->mean, f->scale, f->x,    f->logits, f->sums,
                     f->total, f->p, f->unit,   f->w,    f->b,     f->loss, f->hit};

    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        wni_free(ctx, owned[i]);
    wni_mat_free(ctx, &f->held);
}

/* ---- a pass -------------------------------------------------------------------------------------- */

/* One row: logits (kp) -> residuals weight * (p - y) in place; its loss, and whether y has the highest p. */
static double row_loss(const wni_fit *f, float *logits, double *p, int32_t y, double weight,
                       bool *hit)
{
    double most, own, sum = 0;
    int32_t best = 0;

    for (int32_t c = 0; c < f->k; c++) {
        p[c] = (double)logits[c] + f->b[c];
        if (p[c] > p[best]) best = c;
    }
    most = p[best];
    own = p[y];
    *hit = best == y;
    for (int32_t c = 0; c < f->k; c++)
        p[c] -= most;
    wni_exp_fixed_n(p, f->k);
    for (int32_t c = 0; c < f->k; c++)
        sum += p[c];
    for (int32_t c = 0; c < f->k; c++)
        p[c] = weight * (p[c] / sum);
    p[y] -= weight;
    for (int32_t c = 0; c < f->k; c++)
        logits[c] = (float)p[c];
    return wni_log_fixed(sum) + most - own;
}

static wn_status pass_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wni_fit *f = arg;
    const wni_kernels *kern = wni_kernels_of(ctx);
    int64_t n = end - begin, size = f->k * f->ld;
    float *logits = f->logits + worker * f->tile * f->kp, *sums = f->sums + worker * size;
    int64_t *total = f->total + worker * (size + f->k);
    double *p = f->p + worker * f->kp, loss = 0, hits = 0;
    const float *z;
    wn_status st;

    WNI_TRY(read_rows(ctx, f, worker, begin, n, &z));
    kern->dots(z, n, f->w, f->kp, f->ld, logits, f->kp);
    for (int64_t i = 0; i < n; i++) {
        double weight = f->weight ? f->weight[begin + i] : 1;
        bool hit;
        loss += weight * row_loss(f, logits + i * f->kp, p, f->y[begin + i], weight, &hit);
        hits += hit ? weight : 0;
        /* Rows near the end of f32 have no logits; the loss is NaN then, and says so. */
        for (int32_t c = 0; f->with_gradient && c < f->k; c++)
            if (fabs(p[c]) <= weight) total[size + c] += (int64_t)rint(p[c] * f->unit_bias);
    }
    f->loss[begin / f->tile] = loss;
    f->hit[begin / f->tile] = hits;
    if (!f->with_gradient) goto done;
    memset(sums, 0, (size_t)size * sizeof *sums);
    kern->outer(sums, logits, f->kp, f->k, z, n, f->ld);
    for (int32_t c = 0; c < f->k; c++)
        kern->fixsum(total + c * f->ld, sums + c * f->ld, f->unit, 1, 1, f->ld);
done:
    return st;
}

wn_status wni_fit_pass(wn_ctx *ctx, wni_fit *f, const double *w, const double *b, double *loss,
                       double *hits, double *gw, double *gb)
{
    int64_t size = f->k * f->ld, ranges = (f->m + f->tile - 1) / f->tile;
    int32_t threads = wn_ctx_threads(ctx);
    double m = (double)f->m, unit = m * f->unit[0];
    wn_status st;

    for (int32_t c = 0; c < f->k; c++) {
        for (int64_t j = 0; j < f->d; j++)
            f->w[c * f->ld + j] = (float)w[c * f->d + j];
        f->b[c] = b[c];
    }
    f->with_gradient = gw != NULL;
    if (gw) memset(f->total, 0, (size_t)(threads * (size + f->k)) * sizeof *f->total);
    WNI_TRY(wni_parallel(ctx, f->m, f->tile, pass_range, f));
    *loss = *hits = 0;
    for (int64_t r = 0; r < ranges; r++) {
        *loss += f->loss[r];
        *hits += f->hit[r];
    }
    *loss /= m;
    *hits /= m;
    if (!gw) goto done;
    for (int32_t t = 1; t < threads; t++)
        for (int64_t j = 0; j < size + f->k; j++)
            f->total[j] += f->total[t * (size + f->k) + j];
    for (int32_t c = 0; c < f->k; c++) {
        for (int64_t j = 0; j < f->d; j++)
            gw[c * f->d + j] = (double)f->total[c * f->ld + j] / unit;
        gb[c] = (double)f->total[size + c] / (m * f->unit_bias);
    }
done:
    return st;
}
