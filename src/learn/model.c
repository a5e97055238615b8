/* SPDX-License-Identifier: Apache-2.0
 *
 * Models as objects, and what they say of rows. Their folder form is in model_io.c.
 */
#include <math.h>
#include <string.h>

#include "base/fixmath.h"
#include "kernels/kernels.h"
#include "scan/scan.h"
#include "winnow/learn.h"

#define TILE_FLOATS 65536
#define TOLD_ROWS   65536 /* predicted at a time where only their number counts */

wn_status wn_model_new(wn_ctx *ctx, int32_t classes, int64_t d, wn_metric metric, wn_model **out)
{
    wn_model *m = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    if (classes < 1 || d < 1 || d > WN_DIM_MAX)
        return wni_fail(ctx, WN_E_USAGE, "a model of %d classes and %lld columns is out of bounds",
                        classes, (long long)d);
    WNI_NEW0(ctx, m, 1);
    m->ctx = ctx;
    m->classes = classes;
    m->d = d;
    m->metric = metric;
    WNI_NEW0(ctx, m->weights, classes * d);
    WNI_NEW0(ctx, m->intercept, classes);
    *out = m;
    m = NULL;
done:
    wn_model_free(m);
    return st;
}

void wn_model_free(wn_model *model)
{
    if (!model) return;
    for (int32_t c = 0; model->names && c < model->classes; c++)
        wni_free(model->ctx, model->names[c]);
    wni_free(model->ctx, model->names);
    wni_free(model->ctx, model->weights);
    wni_free(model->ctx, model->intercept);
    wni_free(model->ctx, model);
}

/* ---- rows through the model ------------------------------------------------------------------------ */

typedef struct asking {
    const wn_model *model;
    const wn_pool *pool;
    const int64_t *rows;
    int64_t first, tile, ld, kp;
    float *w;              /* (kp, ld) */
    float *x, *raw;        /* (threads, tile, ld) and (threads, tile, kp) */
    double *p;             /* (threads, classes) */
    float *logits, *probs; /* (n, classes); at most one of them and best */
    int32_t *best;         /* (n) */
} asking;

static void softmax(const float *logits, int32_t k, double *p, float *out)
{
    float most = logits[0];
    double sum = 0;

    for (int32_t c = 1; c < k; c++)
        most = logits[c] > most ? logits[c] : most;
    for (int32_t c = 0; c < k; c++)
        p[c] = (double)logits[c] - (double)most;
    wni_exp_fixed_n(p, k);
    for (int32_t c = 0; c < k; c++)
        sum += p[c];
    for (int32_t c = 0; c < k; c++)
        out[c] = (float)(p[c] / sum);
}

static wn_status ask_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    asking *a = arg;
    int32_t k = a->model->classes;
    float *x = a->x + worker * a->tile * a->ld, *raw = a->raw + worker * a->tile * a->kp;
    wn_status st;

    WNI_TRY(a->rows ? wn_pool_gather(ctx, a->pool, a->rows + begin, end - begin, x, a->ld)
                    : wn_pool_read(ctx, a->pool, a->first + begin, end - begin, x, a->ld));
    wni_kernels_of(ctx)->dots(x, end - begin, a->w, a->kp, a->ld, raw, a->kp);
    for (int64_t i = begin; i < end; i++, raw += a->kp) {
        int32_t best = 0;
        for (int32_t c = 0; c < k; c++) {
            raw[c] += a->model->intercept[c];
            if (raw[c] > raw[best]) best = c;
        }
        if (a->best) a->best[i] = best;
        if (a->logits) memcpy(a->logits + i * k, raw, (size_t)k * sizeof *raw);
        if (a->probs) softmax(raw, k, a->p + worker * k, a->probs + i * k);
    }
done:
    return st;
}

static wn_status ask(wn_ctx *ctx, const wn_model *model, const wn_pool *pool, asking *a, int64_t n)
{
    int32_t threads = wn_ctx_threads(ctx), k = model->classes;
    wn_pool *own = NULL;
    wn_status st;

    if (wn_pool_dim(pool) != model->d)
        return wni_fail(ctx, WN_E_DATA,
                        "the model is of rows of %lld columns, the pool has %lld: give the kind of "
                        "rows that it was fitted to",
                        (long long)model->d, (long long)wn_pool_dim(pool));
    if (!a->rows && (a->first < 0 || n < 0 || a->first + n > wn_pool_rows(pool)))
        return wni_fail(ctx, WN_E_USAGE, "rows %lld to %lld of a pool of %lld were asked for",
                        (long long)a->first, (long long)(a->first + n),
                        (long long)wn_pool_rows(pool));
    a->model = model;
    a->ld = wni_ld(model->d);
    a->kp = wni_round_up(k, 4);
    a->tile = wni_min(wni_max(TILE_FLOATS / a->ld, 16), 512);
    WNI_TRY(wn_pool_with_metric(ctx, pool, model->metric, &own));
    a->pool = own;
    WNI_NEW0(ctx, a->w, a->kp * a->ld);
    WNI_NEW(ctx, a->x, threads * a->tile * a->ld);
    WNI_NEW(ctx, a->raw, threads * a->tile * a->kp);
    WNI_NEW(ctx, a->p, threads * k);
    for (int32_t c = 0; c < k; c++)
        memcpy(a->w + c * a->ld, model->weights + c * model->d,
               (size_t)model->d * sizeof *model->weights);
    WNI_TRY(wni_parallel(ctx, n, a->tile, ask_range, a));
done:
    wni_free(ctx, a->w);
    wni_free(ctx, a->x);
    wni_free(ctx, a->raw);
    wni_free(ctx, a->p);
    wn_pool_free(own);
    return st;
}

wn_status wn_model_logits(wn_ctx *ctx, const wn_model *model, const wn_pool *pool,
                          const int64_t *rows, int64_t first, int64_t n, float *out)
{
    asking a = {.rows = rows, .first = first, .logits = out};

    return ask(ctx, model, pool, &a, n);
}

wn_status wn_model_probs(wn_ctx *ctx, const wn_model *model, const wn_pool *pool,
                         const int64_t *rows, int64_t first, int64_t n, float *out)
{
    asking a = {.rows = rows, .first = first, .probs = out};

    return ask(ctx, model, pool, &a, n);
}

wn_status wn_model_predict(wn_ctx *ctx, const wn_model *model, const wn_pool *pool,
                           const int64_t *rows, int64_t first, int64_t n, int32_t *out)
{
    asking a = {.rows = rows, .first = first, .best = out};

    return ask(ctx, model, pool, &a, n);
}

/* Class of the labels -> class of the model with that name; -1 = it has none. */
static int32_t same_class(const wn_model *model, const char *name)
{
    for (int32_t c = 0; c < model->classes; c++)
        if (strcmp(model->names[c], name) == 0) return c;
    return -1;
}

wn_status wn_model_accuracy(wn_ctx *ctx, const wn_model *model, const wn_pool *pool,
                            const int64_t *rows, int64_t first, int64_t n, const wn_labels *labels,
                            double *accuracy, int64_t *counted)
{
    int64_t block = wni_min(n, TOLD_ROWS), hits = 0, total = 0;
    int32_t *at = NULL, *best = NULL;
    wn_status st;

    if (labels->n != wn_pool_rows(pool))
        return wni_fail(ctx, WN_E_DATA, "found %lld labels for a pool of %lld rows",
                        (long long)labels->n, (long long)wn_pool_rows(pool));
    WNI_NEW(ctx, at, labels->classes);
    WNI_NEW(ctx, best, block);
    st = WN_OK;
    for (int32_t c = 0; c < labels->classes; c++)
        at[c] = same_class(model, labels->names[c]);
    for (int64_t begin = 0; begin < n; begin += block) {
        int64_t m = wni_min(block, n - begin);
        WNI_TRY(
            wn_model_predict(ctx, model, pool, rows ? rows + begin : NULL, first + begin, m, best));
        for (int64_t i = 0; i < m; i++) {
            int32_t c = labels->v[rows ? rows[begin + i] : first + begin + i];
            total += c >= 0;
            hits += c >= 0 && best[i] == at[c];
        }
    }
    *accuracy = total ? (double)hits / (double)total : 0;
    if (counted) *counted = total;
done:
    wni_free(ctx, at);
    wni_free(ctx, best);
    return st;
}
