/* SPDX-License-Identifier: Apache-2.0
 *
 * Multinomial logistic regression: which rows are fitted, with which weights; the penalised objective for
 * L-BFGS; the model of the rows as they were before standardising. liu1989.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "learn/lbfgs.h"
#include "learn/logistic_pass.h"

extern const wn_method wni_method_learn_logistic;

WN_PARAM_TABLE(wn_learn_logistic_params, WN_LEARN_LOGISTIC_PARAMS);

typedef struct fitting {
    const wn_learn_input *in;
    const wn_learn_logistic_params *p;
    wni_fit fit;
    int32_t *active;   /* (classes) number among the classes with rows, or -1 */
    int32_t *class_of; /* (k) the reverse */
    double *x;         /* (k, d) weights, then (k) intercepts, of the standardised rows */
    double l2;         /* the penalty of those */
    double total;      /* of the weights as given: how many rows they stand for */
} fitting;

/* ---- rows and weights ------------------------------------------------------------------------------ */

static int64_t row_at(const wn_learn_input *in, int64_t i)
{
    return in->rows ? in->rows[i] : i;
}

static bool is_fitted(const wn_learn_input *in, int64_t row)
{
    return in->labels->v[row] >= 0 && (!in->weights || in->weights[row] > 0);
}

static int64_t rows_given(const wn_learn_input *in)
{
    return in->rows ? in->n_rows : wn_pool_rows(in->pool);
}

/* Counts classes and rows; numbers the classes that have rows. */
static wn_status choose_classes(wn_ctx *ctx, fitting *g)
{
    const wn_learn_input *in = g->in;
    int32_t classes = in->labels->classes;
    int64_t n = rows_given(in);
    wn_status st = WN_OK;

    WNI_NEW0(ctx, g->active, classes);
    WNI_NEW(ctx, g->class_of, classes);
    for (int64_t i = 0; i < n; i++)
        if (is_fitted(in, row_at(in, i))) {
            g->active[in->labels->v[row_at(in, i)]] = 1;
            g->fit.m++;
        }
    for (int32_t c = 0; c < classes; c++) {
        if (g->active[c]) g->class_of[g->fit.k] = c;
        g->active[c] = g->active[c] ? g->fit.k++ : -1;
    }
    if (g->fit.k < 2)
        st = wni_fail(ctx, WN_E_DATA,
                      "learn logistic: found %lld rows to fit%s%s%s, expected rows of two classes "
                      "or more: look at --labels%s",
                      (long long)g->fit.m, g->fit.k ? ", all of class '" : " that have a class",
                      g->fit.k ? in->labels->names[g->class_of[0]] : "", g->fit.k ? "'" : "",
                      in->rows ? " and --selection" : "");
done:
    return st;
}

/* Weights of mean 1; NULL when all are. */
static wn_status make_weights(wn_ctx *ctx, fitting *g)
{
    const wn_learn_input *in = g->in;
    wni_fit *f = &g->fit;
    double sum = 0, *of_class = NULL;
    int64_t at = 0, n = rows_given(in);
    wn_status st = WN_OK;

    f->most_weight = 1;
    g->total = (double)f->m;
    if (!in->weights && !g->p->balance) return WN_OK;
    WNI_NEW(ctx, f->weight, f->m);
    WNI_NEW0(ctx, of_class, f->k);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = row_at(in, i);
        if (!is_fitted(in, row)) continue;
        f->weight[at] = in->weights ? (double)in->weights[row] : 1;
        of_class[f->y[at]] += f->weight[at];
        at++;
    }
    for (int64_t i = 0; i < f->m; i++) {
        if (g->p->balance) f->weight[i] /= of_class[f->y[i]];
        sum += f->weight[i];
    }
    if (!g->p->balance) g->total = sum;
    f->most_weight = 0;
    for (int64_t i = 0; i < f->m; i++) {
        f->weight[i] *= (double)f->m / sum;
        f->most_weight = f->weight[i] > f->most_weight ? f->weight[i] : f->most_weight;
    }
done:
    wni_free(ctx, of_class);
    return st;
}

static wn_status choose_rows(wn_ctx *ctx, fitting *g)
{
    const wn_learn_input *in = g->in;
    wni_fit *f = &g->fit;
    int64_t at = 0, n = rows_given(in);
    wn_status st;

    WNI_TRY(choose_classes(ctx, g));
    f->all = !in->rows && f->m == n;
    WNI_NEW(ctx, f->y, f->m);
    if (!f->all) WNI_NEW(ctx, f->rows, f->m);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = row_at(in, i);
        if (!is_fitted(in, row)) continue;
        if (!f->all) f->rows[at] = row;
        f->y[at++] = g->active[in->labels->v[row]];
    }
    WNI_TRY(make_weights(ctx, g));
done:
    return st;
}

/* ---- the objective --------------------------------------------------------------------------------- */

static wn_status objective(wn_ctx *ctx, void *self, const double *x, double *value, double *grad)
{
    fitting *g = self;
    int64_t size = g->fit.k * g->fit.d;
    double l2 = g->l2 / g->total, hits, square = 0;
    wn_status st;

    WNI_TRY(wni_fit_pass(ctx, &g->fit, x, x + size, value, &hits, grad, grad + size));
    for (int64_t j = 0; j < size; j++) {
        square += x[j] * x[j];
        grad[j] += l2 * x[j];
    }
    *value += 0.5 * l2 * square;
done:
    return st;
}

/* The model of rows as they are: W z + b with z = (x - mean) * scale. */
static wn_status unfold(wn_ctx *ctx, const fitting *g, wn_model *model)
{
    const wn_labels *labels = g->in->labels;
    const wni_fit *f = &g->fit;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, model->names, labels->classes);
    for (int32_t c = 0; c < labels->classes; c++) {
        int32_t a = g->active[c];
        double b = a < 0 ? -HUGE_VAL : g->x[f->k * f->d + a];
        for (int64_t j = 0; a >= 0 && j < f->d; j++) {
            double w = g->x[a * f->d + j];
            if (f->mean) {
                w *= (double)f->scale[j];
                b -= w * (double)f->mean[j];
            }
            model->weights[c * f->d + j] = (float)w;
        }
        model->intercept[c] = (float)b;
        if (!(model->names[c] = wni_strdup(ctx, labels->names[c]))) return WN_E_NOMEM;
    }
done:
    return st;
}

/* ---- the method ------------------------------------------------------------------------------------ */

static wn_status logistic_estimate(wn_ctx *ctx, const wn_learn_input *in, const void *params,
                                   wn_estimate *out)
{
    int64_t n = rows_given(in), d = wn_pool_dim(in->pool), ld = wni_ld(d);
    int32_t k = in->labels->classes, threads = wn_ctx_threads(ctx);
    wn_learn_logistic_params p;
    double passes;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_learn_logistic, params, &p));
    passes = (double)(p.max_iter < 100 ? p.max_iter : 100);
    *out = (wn_estimate){0};
    out->peak_bytes = wni_fit_bytes(n, d, k, threads) + wni_lbfgs_bytes((d + 1) * k) +
                      (d + 1) * k * 12 + ld * 40 + threads * ld * 16 + k * 128 + 65536;
    out->flops = 4.0 * passes * (double)n * (double)d * (double)k;
    out->bytes_read = 4.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status logistic_run(wn_ctx *ctx, const wn_learn_input *in, const void *params,
                              wn_model **out)
{
    wn_learn_logistic_params p;
    fitting g = {.in = in, .p = &p, .fit = {.pool = in->pool, .d = wn_pool_dim(in->pool)}};
    wni_lbfgs job = {.stage = "fitting", .precision = 1e-9};
    wn_learn_report *report;
    wn_model *model = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_learn_logistic, params, &p));
    WNI_TRY(choose_rows(ctx, &g));
    WNI_TRY(wn_model_new(ctx, in->labels->classes, g.fit.d, wn_pool_metric(in->pool), &model));
    job.n = g.fit.k * (g.fit.d + 1);
    job.max_iter = p.max_iter;
    /* The passes work on columns of mean variance 1: rows of squared length d. */
    g.l2 = p.scale == WN_SCALE_NONE ? p.l2 : p.l2 * (double)g.fit.d;
    job.tol = p.tol;
    WNI_NEW0(ctx, g.x, job.n);
    WNI_TRY(wni_fit_prepare(ctx, &g.fit, (wn_scale)p.scale, wni_lbfgs_bytes(job.n) + 65536));
    WNI_TRY(wni_lbfgs_minimise(ctx, &job, objective, &g, g.x));
    WNI_TRY(unfold(ctx, &g, model));
    report = &model->report;
    WNI_TRY(wni_fit_pass(ctx, &g.fit, g.x, g.x + g.fit.k * g.fit.d, &report->loss,
                         &report->accuracy, NULL, NULL));
    report->rows = g.fit.m;
    report->classes = g.fit.k;
    report->iterations = job.iterations;
    report->evaluations = job.evaluations;
    report->converged = job.converged;
    report->penalty = job.f - report->loss;
    *out = model;
    model = NULL;
done:
    wn_model_free(model);
    wni_fit_free(ctx, &g.fit);
    wni_free(ctx, g.active);
    wni_free(ctx, g.class_of);
    wni_free(ctx, g.x);
    return st;
}

wn_status wn_learn_logistic(wn_ctx *ctx, const wn_learn_input *in,
                            const wn_learn_logistic_params *params, wn_model **out)
{
    return wn_learn_run(ctx, &wni_method_learn_logistic, in, params, out);
}

wn_status wn_learn_logistic_estimate(wn_ctx *ctx, const wn_learn_input *in,
                                     const wn_learn_logistic_params *params, wn_estimate *out)
{
    return logistic_estimate(ctx, in, params, out);
}

static const wn_learn_ops ops = {logistic_estimate, logistic_run};

const wn_method wni_method_learn_logistic = {
    .family = "learn",
    .name = "logistic",
    .summary = "a linear classifier with probabilities, by L-BFGS",
    .papers = "liu1989",
    .cost = "n x d x classes per pass, 30 to 200 passes; 25 doubles per weight and, when they fit, "
            "the rows as f32",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_learn_logistic_params),
    .ops = &ops,
    .inputs = "pool labels selection? weights? eval? eval-labels?",
};
