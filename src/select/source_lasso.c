/* SPDX-License-Identifier: Apache-2.0
 *
 * Source pools by their relevance for a target task: the linear predictor of the target as a sparse sum of the
 * predictors of the sources. wang2023lasso.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "base/rng.h"
#include "select/allocate.h"
#include "select/lasso.h"
#include "select/notes.h"
#include "select/recipe.h"
#include "select/sources.h"
#include "winnow/learn.h"

extern const wn_method wni_method_select_source_lasso;

WN_PARAM_TABLE(wn_select_source_lasso_params, WN_SELECT_SOURCE_LASSO_PARAMS);

#define LEAST_WEIGHT 1e-9 /* of sources without relevance: for rows that nobody else has */

typedef struct relating {
    const wn_select_input *in;
    const wn_select_source_lasso_params *p;
    wni_sources s;
    int32_t common;      /* classes that pool and target share */
    int32_t *of_pool;    /* (common) their numbers among the labels of the pool */
    int32_t *of_target;  /* (common) and of the target */
    int64_t d, length;   /* length = common x d */
    float *predictor;    /* (k + 1, length) of the sources, then of the target */
    int32_t *has_task;   /* (k) 1 = it has two of those classes */
    int64_t *rows;       /* (n) rows of one source */
    double *nu, *weight; /* (k) */
    int64_t *quota;      /* (k) */
    int32_t sweeps;
    double explained; /* share of the target's predictor that the sources make up */
} relating;

/* ---- predictors ------------------------------------------------------------------------------------- */

static wn_status match_classes(wn_ctx *ctx, relating *t)
{
    const wn_labels *a = t->in->labels, *b = t->in->target_labels;
    wn_status st = WN_OK;

    WNI_NEW(ctx, t->of_pool, a->classes);
    WNI_NEW(ctx, t->of_target, a->classes);
    for (int32_t i = 0; i < a->classes; i++)
        for (int32_t j = 0; j < b->classes; j++)
            if (strcmp(a->names[i], b->names[j]) == 0 && b->sizes[j] > 0) {
                t->of_pool[t->common] = i;
                t->of_target[t->common++] = j;
            }
    if (t->common < 2)
        st = wni_fail(
            ctx, WN_E_DATA,
            "select source_lasso: the labels of pool and target share %d class%s, expected "
            "at least 2 (the first of the pool is %s, of the target %s)",
            t->common, t->common == 1 ? "" : "es", a->classes ? a->names[0] : "none",
            b->classes ? b->names[0] : "none");
done:
    return st;
}

/* Weights of the shared classes, less their mean: adding the same to all classes changes nothing. */
static void keep_weights(const relating *t, const wn_model *model, const int32_t *classes,
                         float *out)
{
    for (int64_t j = 0; j < t->d; j++) {
        double mean = 0;
        for (int32_t c = 0; c < t->common; c++)
            mean += (double)model->weights[classes[c] * t->d + j];
        mean /= t->common;
        for (int32_t c = 0; c < t->common; c++)
            out[c * t->d + j] = (float)((double)model->weights[classes[c] * t->d + j] - mean);
    }
}

static wn_status learn_source(wn_ctx *ctx, relating *t, int32_t group)
{
    wn_learn_input in = {
        .struct_size = sizeof in, .pool = t->in->pool, .labels = t->in->labels, .rows = t->rows};
    int32_t first = -1;
    wn_model *model = NULL;
    wn_status st;

    for (int64_t i = 0; i < t->s.n; i++) {
        int32_t label = t->in->labels->v[i];
        if (t->s.of[i] != group || label < 0) continue;
        for (int32_t c = 0; c < t->common; c++)
            if (t->of_pool[c] == label) {
                t->has_task[group] |= first >= 0 && first != label;
                first = label;
                t->rows[in.n_rows++] = i;
            }
    }
    if (!t->has_task[group]) return WN_OK;
    WNI_TRY(wn_learn_logistic(ctx, &in, NULL, &model));
    keep_weights(t, model, t->of_pool, t->predictor + group * t->length);
done:
    wn_model_free(model);
    return st;
}

static wn_status learn_target(wn_ctx *ctx, relating *t)
{
    wn_learn_input in = {
        .struct_size = sizeof in, .pool = t->in->target, .labels = t->in->target_labels};
    wn_model *model = NULL;
    wn_status st;

    WNI_TRY(wn_learn_logistic(ctx, &in, NULL, &model));
    keep_weights(t, model, t->of_target, t->predictor + t->s.k * t->length);
done:
    wn_model_free(model);
    return st;
}

static wn_status learn_all(wn_ctx *ctx, relating *t)
{
    int32_t tasks = 0;
    wn_status st;

    WNI_NEW0(ctx, t->predictor, (t->s.k + (int64_t)1) * t->length);
    WNI_NEW0(ctx, t->has_task, t->s.k);
    WNI_NEW(ctx, t->rows, t->s.n);
    for (int32_t g = 0; g < t->s.k; g++) {
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(learn_source(ctx, t, g));
        tasks += t->has_task[g];
    }
    if (tasks == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "select source_lasso: no source has rows of two classes that the target "
                        "has, so there is nothing to learn from any of them");
    WNI_TRY(learn_target(ctx, t));
done:
    return st;
}

/* ---- relevance -------------------------------------------------------------------------------------- */

static wn_status relate(wn_ctx *ctx, relating *t)
{
    double largest = 0;
    wn_status st;

    WNI_NEW0(ctx, t->nu, t->s.k);
    WNI_NEW0(ctx, t->weight, t->s.k);
    WNI_TRY(wni_lasso(ctx, t->predictor, t->predictor + t->s.k * t->length, t->s.k, t->length,
                      t->p->penalty, t->nu, &t->explained, &t->sweeps));
    for (int32_t g = 0; g < t->s.k; g++)
        largest = fabs(t->nu[g]) > largest ? fabs(t->nu[g]) : largest;
    if (!(largest > 0))
        return wni_fail(ctx, WN_E_DATA,
                        "select source_lasso: no source has to do with the target at --penalty %g: "
                        "lower it, or look whether the labels belong to the rows",
                        t->p->penalty);
    for (int32_t g = 0; g < t->s.k; g++) {
        double share = fabs(t->nu[g]) / largest;
        t->weight[g] = t->p->power == 2 ? share * share : share;
        if (t->weight[g] < LEAST_WEIGHT && t->s.size[g]) t->weight[g] = LEAST_WEIGHT;
    }
done:
    return st;
}

static wn_status say(const relating *t, wn_selection *s)
{
    int64_t relevant = 0, without = 0;
    wn_status st;

    for (int32_t g = 0; g < t->s.k; g++) {
        relevant += t->nu[g] != 0;
        without += !t->has_task[g];
    }
    WNI_TRY(wni_note(s, "sources_relevant", NULL, (double)relevant, 1));
    WNI_TRY(wni_note(s, "sources_without_task", NULL, (double)without, 1));
    WNI_TRY(wni_note(s, "explained", NULL, t->explained, 0));
    for (int32_t g = 0; g < t->s.k && g < WNI_SOURCE_NOTES; g++) {
        char name[WNI_SOURCE_NAME];
        const char *word = wni_source_name(&t->s, g, name);
        WNI_TRY(wni_note(s, "relevance", word, t->nu[g], 0));
        WNI_TRY(wni_note(s, "taken", word, (double)t->quota[g], 1));
    }
done:
    return st;
}

static wn_status draw(wn_ctx *ctx, relating *t, wn_selection **out)
{
    wni_allocation a = {.what = "select source_lasso",
                        .rule = WNI_ALLOCATE_WEIGHTS,
                        .groups = t->s.k,
                        .rows = t->s.size,
                        .weights = t->weight,
                        .size = t->p->size,
                        .floor = t->p->floor,
                        .seed = t->p->seed,
                        .stream = wni_stream("source-lasso", 0, 0)};
    uint8_t *rule = NULL;
    wn_status st;

    WNI_NEW(ctx, t->quota, t->s.k);
    WNI_NEW(ctx, rule, t->s.n);
    WNI_TRY(wni_allocate(ctx, &a, t->quota));
    WNI_TRY(wni_sources_draw(ctx, &t->s, t->quota, t->p->seed, WN_WHY_OFF_TARGET, rule));
    WNI_TRY(wni_recipe_selection(ctx, t->s.n, rule, t->s.of, NULL, out));
    WNI_TRY(say(t, *out));
done:
    if (st != WN_OK) {
        wn_selection_free(*out);
        *out = NULL;
    }
    wni_free(ctx, rule);
    return st;
}

/* ---- the method ------------------------------------------------------------------------------------- */

static wn_status prepare(wn_ctx *ctx, const wn_select_input *in, const void *params,
                         wn_select_source_lasso_params *p, relating *t)
{
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_source_lasso, params, p));
    WNI_TRY(wni_recipe_size(ctx, "source_lasso", p->size, wni_select_rows(in)));
    WNI_TRY(wni_sources_open(ctx, "source_lasso", in, p->size, &t->s));
    t->in = in;
    t->p = p;
    t->d = wn_pool_dim(in->pool);
    if (wn_pool_rows(in->target) == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "select source_lasso: the target has no rows: give rows of the task that "
                        "the sources are for");
done:
    return st;
}

static wn_status source_lasso_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                       wn_estimate *out)
{
    int64_t n = wni_select_rows(in), largest = 0, length;
    static const int64_t none[1];
    wn_select_source_lasso_params p;
    wn_learn_input fit = {.struct_size = sizeof fit, .rows = none};
    wn_estimate target = {0};
    relating t = {0};
    wn_status st;

    *out = (wn_estimate){0};
    WNI_TRY(prepare(ctx, in, params, &p, &t));
    for (int32_t g = 0; g < t.s.k; g++)
        largest = wni_max(largest, t.s.size[g]);
    fit.pool = in->pool;
    fit.labels = in->labels;
    fit.n_rows = largest;
    WNI_TRY(wn_learn_logistic_estimate(ctx, &fit, NULL, out));
    fit = (wn_learn_input){
        .struct_size = sizeof fit, .pool = in->target, .labels = in->target_labels};
    WNI_TRY(wn_learn_logistic_estimate(ctx, &fit, NULL, &target));
    length = in->labels->classes * t.d;
    out->peak_bytes =
        wni_max(out->peak_bytes, target.peak_bytes) +
        wni_max(in->labels->classes, in->target_labels->classes) * (wni_ld(t.d) * 8 + 128);
    out->peak_bytes =
        wni_max(out->peak_bytes, wni_max(wni_sources_draw_bytes(ctx, &t.s) + t.s.k * 64,
                                         wni_recipe_selection_bytes(n, p.size) + 32768) +
                                     n);
    out->peak_bytes += n * 8 + (t.s.k + (int64_t)1) * (length * 4 + 64) +
                       (int64_t)t.s.k * t.s.k * 8 + in->labels->classes * 8 + 65536;
    out->flops = out->flops * t.s.k + target.flops + 2.0 * (double)t.s.k * t.s.k * (double)length;
done:
    return st;
}

static wn_status source_lasso_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                  wn_selection **out)
{
    wn_select_source_lasso_params p;
    relating t = {0};
    wn_status st;

    *out = NULL;
    WNI_TRY(prepare(ctx, in, params, &p, &t));
    WNI_TRY(match_classes(ctx, &t));
    t.length = t.common * t.d;
    WNI_TRY(learn_all(ctx, &t));
    WNI_TRY(relate(ctx, &t));
    WNI_TRY(draw(ctx, &t, out));
done:
    wni_free(ctx, t.of_pool);
    wni_free(ctx, t.of_target);
    wni_free(ctx, t.predictor);
    wni_free(ctx, t.has_task);
    wni_free(ctx, t.rows);
    wni_free(ctx, t.nu);
    wni_free(ctx, t.weight);
    wni_free(ctx, t.quota);
    return st;
}

wn_status wn_select_source_lasso(wn_ctx *ctx, const wn_select_input *in,
                                 const wn_select_source_lasso_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_source_lasso, in, params, out);
}

static const wn_select_ops ops = {source_lasso_estimate, source_lasso_run};

const wn_method wni_method_select_source_lasso = {
    .family = "select",
    .name = "source_lasso",
    .summary = "rows of several sources by their relevance for a target task",
    .papers = "wang2023lasso tibshirani1996 chen2022active",
    .cost = "a logistic head per source and one for the target; 33 bytes a row and the heads",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_source_lasso_params),
    .ops = &ops,
    .inputs = "pool labels tree|groups target target-labels",
};
