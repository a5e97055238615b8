/* SPDX-License-Identifier: Apache-2.0
 *
 * A filter network in one layer: a logistic model learns trusted rows from any rows of the pool, and its
 * log-odds rank the pool. fang2024.
 */
#include <string.h>

#include "base/param.h"
#include "base/rng.h"
#include "score/score_impl.h"
#include "winnow/learn.h"

extern const wn_method wni_method_score_trusted;

WN_PARAM_TABLE(wn_score_trusted_params, WN_SCORE_TRUSTED_PARAMS);

typedef struct filtering {
    const wn_score_input *in;
    const wn_score_trusted_params *p;
    int64_t n, d, trusted, others; /* rows fitted of either kind */
    float *x;                      /* (trusted + others, d) */
} filtering;

/* `m` of the rows `from` (n_from), or of 0..n_from-1 when NULL, chosen by chance, into x. */
static wn_status gather_some(wn_ctx *ctx, const filtering *g, const wn_pool *pool,
                             const int64_t *from, int64_t n_from, int64_t m, const char *name,
                             float *x)
{
    int64_t *rows = NULL;
    wn_status st;

    WNI_NEW(ctx, rows, m);
    WNI_TRY(wni_rand_subset(ctx, g->p->seed, wni_stream(name, 0, 0), n_from, m, rows));
    for (int64_t i = 0; from && i < m; i++)
        rows[i] = from[rows[i]];
    WNI_TRY(wn_pool_gather(ctx, pool, rows, m, x, g->d));
done:
    wni_free(ctx, rows);
    return st;
}

/* The rows of the pool that are not known to be trusted. */
static wn_status list_others(wn_ctx *ctx, const wn_score_input *in, int64_t n, int64_t **others)
{
    int64_t at = 0, count = 0;
    wn_status st = WN_OK;

    *others = NULL;
    if (!in->rows) return WN_OK;
    WNI_NEW(ctx, *others, n - in->n_rows);
    for (int64_t i = 0; i < n; i++) {
        if (at < in->n_rows && in->rows[at] == i)
            at++;
        else
            (*others)[count++] = i;
    }
done:
    return st;
}

static wn_status gather(wn_ctx *ctx, filtering *g)
{
    const wn_score_input *in = g->in;
    int64_t *others = NULL, n_others = g->n - (in->rows ? in->n_rows : 0);
    wn_status st;

    WNI_TRY(list_others(ctx, in, g->n, &others));
    WNI_NEW(ctx, g->x, (g->trusted + g->others) * g->d);
    WNI_TRY(gather_some(ctx, g, in->target ? in->target : in->pool, in->rows,
                        in->target ? wn_pool_rows(in->target) : in->n_rows, g->trusted,
                        "trusted-sample", g->x));
    WNI_TRY(gather_some(ctx, g, in->pool, others, n_others, g->others, "pool-sample",
                        g->x + g->trusted * g->d));
done:
    wni_free(ctx, others);
    return st;
}

static wn_status fit(wn_ctx *ctx, const filtering *g, wn_model **model)
{
    wn_learn_input in = {.struct_size = sizeof in};
    wn_learn_logistic_params p;
    int64_t m = g->trusted + g->others, *y = NULL;
    wn_labels *labels = NULL;
    wn_pool *pool = NULL;
    wn_status st;

    wn_params_init(wn_method_find("learn", "logistic"), &p);
    p.l2 = g->p->l2;
    p.balance = 1;
    WNI_NEW(ctx, y, m);
    for (int64_t i = 0; i < m; i++)
        y[i] = i < g->trusted;
    WNI_TRY(wn_labels_from_ints(ctx, y, m, &labels));
    WNI_TRY(wn_pool_wrap(ctx, g->x, m, g->d, WN_F32, wn_pool_metric(g->in->pool), &pool));
    in.pool = pool;
    in.labels = labels;
    WNI_TRY(wn_learn_logistic(ctx, &in, &p, model));
done:
    wn_pool_free(pool);
    wn_labels_free(labels);
    wni_free(ctx, y);
    return st;
}

#define BLOCK_ROWS 65536

static wn_status score_rows(wn_ctx *ctx, const filtering *g, const wn_model *model, wn_scores *s)
{
    int64_t block = wni_min(g->n, BLOCK_ROWS);
    float *logits = NULL;
    wn_status st;

    WNI_NEW(ctx, logits, block * 2);
    st = WN_OK;
    for (int64_t at = 0; at < g->n; at += block) {
        int64_t m = wni_min(block, g->n - at);
        wni_progress(ctx, "scoring", at, g->n);
        WNI_TRY(wn_model_logits(ctx, model, g->in->pool, NULL, at, m, logits));
        for (int64_t i = 0; i < m; i++)
            s->v[at + i] = logits[2 * i + 1] - logits[2 * i];
    }
    wni_progress(ctx, "scoring", g->n, g->n);
done:
    wni_free(ctx, logits);
    return st;
}

/* How many rows of either kind there are to fit. */
static wn_status count_rows(wn_ctx *ctx, filtering *g)
{
    const wn_score_input *in = g->in;
    int64_t given = in->target ? wn_pool_rows(in->target) : in->n_rows;

    if (!in->target == !in->rows)
        return wni_fail(ctx, WN_E_USAGE,
                        "score trusted: found %s, expected either trusted rows or a target",
                        in->rows ? "both" : "neither");
    g->n = wn_pool_rows(in->pool);
    g->d = wn_pool_dim(in->pool);
    g->trusted = wni_min(given, g->p->sample);
    g->others = wni_min(in->rows ? g->n - given : g->n, g->p->sample);
    if (g->trusted < g->others / g->p->ratio) g->others = g->trusted * g->p->ratio;
    if (g->trusted < 1 || g->others < 1)
        return wni_fail(ctx, WN_E_DATA,
                        "score trusted: found %lld trusted rows and %lld others, expected some of "
                        "either kind",
                        (long long)g->trusted, (long long)g->others);
    return WN_OK;
}

/* ---- the method -------------------------------------------------------------------------------------- */

static wn_status trusted_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                  wn_estimate *out)
{
    wn_score_trusted_params p;
    filtering g = {.in = in, .p = &p};
    wn_labels two = {.classes = 2};
    wn_learn_input fitted = {.struct_size = sizeof fitted, .labels = &two};
    static const int64_t none[1];
    wn_estimate fit_cost;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_score_trusted, params, &p));
    WNI_TRY(count_rows(ctx, &g));
    fitted.pool = in->pool;
    fitted.rows = none;
    fitted.n_rows = g.trusted + g.others;
    WNI_TRY(wn_learn_logistic_estimate(ctx, &fitted, NULL, &fit_cost));
    *out = fit_cost;
    out->peak_bytes += g.n * 4 + (in->rows ? g.n * 8 : 0) +
                       (g.trusted + g.others) * (g.d * 4 + 40) + BLOCK_ROWS * 8 + 65536;
    out->flops += 4.0 * (double)g.n * (double)g.d;
    out->bytes_read += (double)g.n * (double)g.d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status trusted_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                             wn_scores **out)
{
    wn_score_trusted_params p;
    filtering g = {.in = in, .p = &p};
    wn_model *model = NULL;
    wn_scores *scores = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_trusted, params, &p));
    WNI_TRY(count_rows(ctx, &g));
    WNI_TRY(gather(ctx, &g));
    WNI_TRY(fit(ctx, &g, &model));
    WNI_TRY(wn_scores_new(ctx, g.n, &scores));
    WNI_TRY(score_rows(ctx, &g, model, scores));
    wni_score_note(scores, "fitted_trusted", (double)g.trusted, 1);
    wni_score_note(scores, "fitted_others", (double)g.others, 1);
    wni_score_note(scores, "train_accuracy", model->report.accuracy, 0);
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    wn_model_free(model);
    wni_free(ctx, g.x);
    return st;
}

wn_status wn_score_trusted(wn_ctx *ctx, const wn_score_input *in,
                           const wn_score_trusted_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_trusted, in, params, out);
}

static const wn_score_ops ops = {trusted_estimate, trusted_run};

const wn_method wni_method_score_trusted = {
    .family = "score",
    .name = "trusted",
    .summary = "how much each row looks like trusted rows and not like just any",
    .papers = "fang2024",
    .cost =
        "a fit to two samples, then one pass of 4 n d operations; 12 bytes a row and the samples",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_trusted_params),
    .ops = &ops,
    .inputs = "pool trusted|target",
};
