/* SPDX-License-Identifier: Apache-2.0
 *
 * Which share of a pool comes from a known component: a classifier of the component against the pool, judged on
 * rows that it was not fitted to, and the best bin of its scores (garg2021). Upper bounds on the chance that a
 * row is of the component make it right where the rest of the pool overlaps with it: zhu2023mixture.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fixmath.h"
#include "base/param.h"
#include "base/rng.h"
#include "ds/keyed.h"
#include "measure/measure_impl.h"
#include "measure/spread.h"
#include "winnow/learn.h"

extern const wn_method wni_method_measure_mixture_proportion;

WN_PARAM_TABLE(wn_measure_mixture_proportion_params, WN_MEASURE_MIXTURE_PROPORTION_PARAMS);

#define ROWS_MIN 4    /* of either side: two to fit and two to judge */
#define SURENESS 0.1  /* the bound of the best bin holds with probability 1 - this */
#define MARGIN   0.01 /* by which the bound of the best bin is widened */

/* One draw from both sides. Entries 0..t-1 are of the component, the others of the pool. */
typedef struct proportion {
    const wn_measure_input *in;
    const wn_measure_mixture_proportion_params *p;
    int64_t t, u, d;
    float *x;         /* (t + u, d) */
    float *weight;    /* (t + u) 1, or the bound of a row of the pool */
    int32_t *half;    /* (t + u) 0 or 1 */
    int64_t *rows;    /* (t + u) scratch */
    float *logits;    /* (t + u, 2) */
    wni_keyed *order; /* (t + u) */
    double *estimate; /* (2 x repeats) */
    double *above;    /* (2 x repeats) share of the component in the best bin */
} proportion;

/* ---- drawing ----------------------------------------------------------------------------------------- */

/* m random rows of a pool into x, each half of them in half 0 (the larger) and 1. */
static wn_status draw_side(wn_ctx *ctx, proportion *j, const wn_pool *pool, const char *stream,
                           int32_t repeat, int64_t first, int64_t m)
{
    int64_t *rows = j->rows;
    uint64_t key = wni_stream(stream, 1, repeat);
    wn_status st;

    WNI_TRY(wni_rand_subset(ctx, j->p->seed, wni_stream(stream, 0, repeat), wn_pool_rows(pool), m,
                            rows));
    WNI_TRY(wn_pool_gather(ctx, pool, rows, m, j->x + first * j->d, j->d));
    for (int64_t i = 0; i < m; i++)
        j->order[i] = (wni_keyed){wni_rand_u64(j->p->seed, key, (uint64_t)i), i};
    wni_keyed_sort(j->order, m);
    for (int64_t i = 0; i < m; i++)
        j->half[first + j->order[i].row] = (int32_t)(i % 2);
    for (int64_t i = 0; i < m; i++)
        j->weight[first + i] = first && j->in->scores ? j->in->scores->v[rows[i]] : 1;
done:
    return st;
}

/* ---- one estimate ------------------------------------------------------------------------------------ */

/* Scores of the rows of one half by a head fitted to the other. */
static wn_status score_half(wn_ctx *ctx, proportion *j, const wn_pool *pool,
                            const wn_labels *labels, int32_t half, int64_t *judged)
{
    wn_learn_input in = {.struct_size = sizeof in,
                         .pool = pool,
                         .labels = labels,
                         .rows = j->rows,
                         .weights = j->in->scores ? j->weight : NULL};
    wn_model *model = NULL;
    wn_status st;

    for (int64_t i = 0; i < j->t + j->u; i++)
        if (j->half[i] != half) j->rows[in.n_rows++] = i;
    WNI_TRY(wn_learn_logistic(ctx, &in, NULL, &model));
    *judged = 0;
    for (int64_t i = 0; i < j->t + j->u; i++)
        if (j->half[i] == half) j->rows[(*judged)++] = i;
    WNI_TRY(wn_model_logits(ctx, model, pool, j->rows, 0, *judged, j->logits));
    for (int64_t i = 0; i < *judged; i++)
        j->order[i] = (wni_keyed){
            UINT64_MAX - wni_key_of_float(j->logits[2 * i + 1] - j->logits[2 * i] + 0.0f),
            j->rows[i]};
    wni_keyed_sort(j->order, *judged);
done:
    wn_model_free(model);
    return st;
}

/* Over all bins "score at least c": what of the pool lies there over what of the component does, where that
 * ratio and its uncertainty together are least. */
static double best_bin(const proportion *j, int64_t judged, double *above)
{
    int64_t of_component = 0, of_pool = 0, t = 0;
    double wide, best = INFINITY, estimate = 1, u = 0;

    for (int64_t i = 0; i < judged; i++) {
        of_component += j->order[i].row < j->t;
        of_pool += j->order[i].row >= j->t;
    }
    wide = wni_log_fixed(4 / SURENESS) / 2;
    wide = (1 + MARGIN) * (sqrt(wide / (double)of_pool) + sqrt(wide / (double)of_component));
    *above = 1;
    for (int64_t i = 0; i < judged; i++) {
        int64_t row = j->order[i].row;
        double share, ratio;
        t += row < j->t;
        if (row >= j->t) u += (double)j->weight[row];
        if (t == 0 || (i + 1 < judged && j->order[i + 1].key == j->order[i].key)) continue;
        share = (double)t / (double)of_component;
        ratio = u / (double)of_pool / share;
        if (ratio + wide / share < best) {
            best = ratio + wide / share;
            estimate = ratio;
            *above = share;
        }
    }
    return estimate < 1 ? estimate : 1;
}

static wn_status estimate_once(wn_ctx *ctx, proportion *j, const wn_labels *labels, int32_t repeat)
{
    wn_pool *pool = NULL;
    wn_status st;

    wni_progress(ctx, "estimating", repeat, j->p->repeats);
    WNI_TRY(draw_side(ctx, j, j->in->target, "proportion-component", repeat, 0, j->t));
    WNI_TRY(draw_side(ctx, j, j->in->pool, "proportion-pool", repeat, j->t, j->u));
    WNI_TRY(wn_pool_wrap(ctx, j->x, j->t + j->u, j->d, WN_F32, wn_pool_metric(j->in->pool), &pool));
    for (int32_t half = 0; half < 2; half++) {
        int32_t at = 2 * repeat + half;
        int64_t judged;
        WNI_TRY(score_half(ctx, j, pool, labels, half, &judged));
        j->estimate[at] = best_bin(j, judged, &j->above[at]);
    }
done:
    wn_pool_free(pool);
    return st;
}

/* ---- the method -------------------------------------------------------------------------------------- */

static wn_status report(wn_measurement *m, const proportion *j)
{
    int32_t count = 2 * j->p->repeats;
    wni_spread s = wni_spread_of(j->estimate, count);
    double least = 1, most = 0;
    wn_status st;

    for (int32_t i = 0; i < count; i++) {
        least = j->estimate[i] < least ? j->estimate[i] : least;
        most = j->estimate[i] > most ? j->estimate[i] : most;
    }
    WNI_TRY(wni_measured_real(m, NULL, "proportion", s.mean));
    WNI_TRY(wni_measured_real(m, NULL, "sd", s.sd));
    WNI_TRY(wni_measured_real(m, NULL, "least", least));
    WNI_TRY(wni_measured_real(m, NULL, "most", most));
    WNI_TRY(wni_measured_int(m, NULL, "component_rows", j->t));
    WNI_TRY(wni_measured_int(m, NULL, "pool_rows", j->u));
    WNI_TRY(wni_measured_columns(m, "repeat half proportion component_in_bin"));
    for (int32_t i = 0; i < count; i++) {
        WNI_TRY(wni_cell_int(m, i / 2));
        WNI_TRY(wni_cell_int(m, i % 2));
        WNI_TRY(wni_cell_real(m, j->estimate[i]));
        WNI_TRY(wni_cell_real(m, j->above[i]));
    }
done:
    return st;
}

static wn_status check(wn_ctx *ctx, const wn_measure_input *in,
                       const wn_measure_mixture_proportion_params *p, proportion *j)
{
    double sum = 0;

    j->in = in;
    j->p = p;
    j->d = wn_pool_dim(in->pool);
    j->t = wni_min(wn_pool_rows(in->target), p->sample);
    j->u = wni_min(wn_pool_rows(in->pool), p->sample);
    if (j->t < ROWS_MIN || j->u < ROWS_MIN)
        return wni_fail(ctx, WN_E_DATA,
                        "measure mixture_proportion: the %s has %lld rows, expected at least %d",
                        j->t < ROWS_MIN ? "target" : "pool",
                        (long long)(j->t < ROWS_MIN ? j->t : j->u), ROWS_MIN);
    for (int64_t i = 0; in->scores && i < in->scores->n; i++) {
        float bound = in->scores->v[i];
        if (!(bound >= 0 && bound <= 1))
            return wni_fail(
                ctx, WN_E_DATA,
                "measure mixture_proportion: the bound of row %lld is %g, expected 0 to "
                "1: the most that the chance can be that it is of the component",
                (long long)i, (double)bound);
        sum += (double)bound;
    }
    if (in->scores && !(sum > 0))
        return wni_fail(ctx, WN_E_DATA,
                        "measure mixture_proportion: all bounds are 0, so no row can be of the "
                        "component");
    return WN_OK;
}

static wn_status mixture_proportion_run(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                                        wn_measurement **out)
{
    wn_measure_mixture_proportion_params p;
    proportion j = {0};
    wn_measurement *m = NULL;
    wn_labels *labels = NULL;
    int64_t total;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_mixture_proportion, params, &p));
    WNI_TRY(check(ctx, in, &p, &j));
    total = j.t + j.u;
    WNI_NEW(ctx, j.x, total * j.d);
    WNI_NEW(ctx, j.weight, total);
    WNI_NEW(ctx, j.half, total);
    WNI_NEW(ctx, j.rows, total);
    WNI_NEW(ctx, j.logits, total * 2);
    WNI_NEW(ctx, j.order, total);
    WNI_NEW(ctx, j.estimate, 2 * p.repeats);
    WNI_NEW(ctx, j.above, 2 * p.repeats);
    for (int64_t i = 0; i < total; i++)
        j.rows[i] = i < j.t;
    WNI_TRY(wn_labels_from_ints(ctx, j.rows, total, &labels));
    for (int32_t repeat = 0; repeat < p.repeats; repeat++)
        WNI_TRY(estimate_once(ctx, &j, labels, repeat));
    wni_progress(ctx, "estimating", p.repeats, p.repeats);
    WNI_TRY(wni_measurement_new(ctx, &m));
    WNI_TRY(report(m, &j));
    *out = m;
    m = NULL;
done:
    wn_measurement_free(m);
    wn_labels_free(labels);
    wni_free(ctx, j.x);
    wni_free(ctx, j.weight);
    wni_free(ctx, j.half);
    wni_free(ctx, j.rows);
    wni_free(ctx, j.logits);
    wni_free(ctx, j.order);
    wni_free(ctx, j.estimate);
    wni_free(ctx, j.above);
    return st;
}

static wn_status mixture_proportion_estimate(wn_ctx *ctx, const wn_measure_input *in,
                                             const void *params, wn_estimate *out)
{
    wn_measure_mixture_proportion_params p;
    wn_labels two = {.classes = 2};
    static const int64_t none[1];
    wn_learn_input fit = {.struct_size = sizeof fit, .labels = &two, .rows = none};
    proportion j = {0};
    int64_t total;
    wn_status st;

    *out = (wn_estimate){0};
    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_mixture_proportion, params, &p));
    WNI_TRY(check(ctx, in, &p, &j));
    total = j.t + j.u;
    fit.pool = in->pool;
    fit.n_rows = total;
    WNI_TRY(wn_learn_logistic_estimate(ctx, &fit, NULL, out));
    out->peak_bytes += total * (j.d * 4 + 60) + p.repeats * 400 + 65536;
    out->flops *= 2 * p.repeats;
    out->bytes_read = (double)p.repeats * (double)total * (double)j.d * 4;
done:
    return st;
}

wn_status wn_measure_mixture_proportion(wn_ctx *ctx, const wn_measure_input *in,
                                        const wn_measure_mixture_proportion_params *params,
                                        wn_measurement **out)
{
    return wn_measure_run(ctx, &wni_method_measure_mixture_proportion, in, params, out);
}

static const wn_measure_ops ops = {mixture_proportion_estimate, mixture_proportion_run};

const wn_method wni_method_measure_mixture_proportion = {
    .family = "measure",
    .name = "mixture_proportion",
    .summary = "which share of a pool comes from a known component",
    .papers = "zhu2023mixture garg2021",
    .cost = "two logistic heads on the samples per repeat; the samples as f32",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_measure_mixture_proportion_params),
    .ops = &ops,
    .inputs = "pool target scores?",
};
