/* SPDX-License-Identifier: Apache-2.0
 *
 * The mixture of sources that lies nearest to a target: samples of each source and of the target, entropic
 * optimal transport between them, weights on the simplex by exponentiated gradients. kang2023.
 */
#include <math.h>

#include "base/fixmath.h"
#include "base/param.h"
#include "base/rng.h"
#include "select/allocate.h"
#include "select/notes.h"
#include "select/recipe.h"
#include "select/sinkhorn.h"
#include "select/sources.h"

extern const wn_method wni_method_select_mixture_projektor;

WN_PARAM_TABLE(wn_select_mixture_projektor_params, WN_SELECT_MIXTURE_PROJEKTOR_PARAMS);

#define FIRST_SWEEPS 200
#define SWEEPS       10 /* from where the step before ended; more when that is not exact enough */
#define LEAST_WEIGHT 1e-9
#define STEPS_BACK   6

#define PER_SOURCE       100  /* rows drawn from each source ... */
#define ALL_SOURCES      1600 /* ... while all together are at most as many */
#define PER_SOURCE_LEAST 8

typedef struct mixing {
    const wn_select_input *in;
    const wn_select_mixture_projektor_params *p;
    wni_sources s;

    int64_t *begin; /* (k + 1) sample of source g: points begin[g]..begin[g + 1] */
    wni_mat points, target;
    wni_costs across, within; /* points to target, points to points; mean of the first is 1 */
    double *log_a, *log_b;    /* (points), (target) */
    double *f, *g, *h;        /* potentials */
    double *q, *trial, *slope, *next_slope; /* (k) */
    double *mean, *square;                  /* (k) sums over the repeats of q and of its square */
    double value, self_target;
    double gap; /* the value is at most this far above the least possible */
    int32_t iterations;
    int64_t per_source; /* rows drawn from each */
} mixing;

/* ---- samples ---------------------------------------------------------------------------------------- */

/* The work grows with the square of all rows drawn: from many sources fewer of each are drawn. */
static int64_t rows_of_source(const wn_select_mixture_projektor_params *p, int32_t sources)
{
    if (p->per_source > 0) return p->per_source;
    return wni_max(PER_SOURCE_LEAST, wni_min(PER_SOURCE, ALL_SOURCES / wni_max(sources, 1)));
}

/* Up to `per_source` random rows of each source. */
static wn_status sample_sources(wn_ctx *ctx, mixing *t, int64_t repeat)
{
    int64_t *of_source = NULL, *chosen = NULL, *rows = NULL, total = 0, at = 0;
    uint64_t stream;
    wn_status st = WN_OK;

    for (int32_t g = 0; g < t->s.k; g++) {
        t->begin[g] = total;
        total += wni_min(t->s.size[g], t->per_source);
    }
    t->begin[t->s.k] = total;
    WNI_NEW(ctx, rows, total);
    WNI_NEW(ctx, chosen, t->s.n);
    WNI_NEW(ctx, of_source, t->s.k + (int64_t)1);
    for (int32_t g = 0; g <= t->s.k; g++)
        of_source[g] = 0;
    for (int64_t i = 0; i < t->s.n; i++)
        if (t->s.of[i] >= 0) of_source[t->s.of[i] + 1]++;
    for (int32_t g = 0; g < t->s.k; g++)
        of_source[g + 1] += of_source[g];
    for (int64_t i = t->s.n - 1; i >= 0;
         i--) /* from the end: of_source[g + 1] becomes the begin of g */
        if (t->s.of[i] >= 0) chosen[--of_source[t->s.of[i] + 1]] = i;
    for (int32_t g = 0; g < t->s.k; g++) {
        int64_t m = t->begin[g + 1] - t->begin[g], *part = rows + at;
        stream = wni_stream("mixture-sample", g, repeat);
        WNI_TRY(wni_rand_subset(ctx, t->p->seed, stream, t->s.size[g], m, part));
        for (int64_t i = 0; i < m; i++)
            part[i] = chosen[of_source[g + 1] + part[i]];
        at += m;
    }
    WNI_TRY(wni_mat_gather(ctx, t->in->pool, rows, total, &t->points));
done:
    wni_free(ctx, rows);
    wni_free(ctx, chosen);
    wni_free(ctx, of_source);
    return st;
}

static wn_status sample_target(wn_ctx *ctx, mixing *t, int64_t repeat)
{
    int64_t n = wn_pool_rows(t->in->target), m = wni_min(n, t->p->target_sample), *rows = NULL;
    wn_status st;

    WNI_NEW(ctx, rows, m);
    WNI_TRY(wni_rand_subset(ctx, t->p->seed, wni_stream("mixture-target", 0, repeat), n, m, rows));
    WNI_TRY(wni_mat_gather(ctx, t->in->target, rows, m, &t->target));
done:
    wni_free(ctx, rows);
    return st;
}

/* ---- the objective ---------------------------------------------------------------------------------- */

/* The divergence of mixture q from the target, and its slope by each weight. */
static wn_status evaluate(wn_ctx *ctx, mixing *t, const double *q, int32_t sweeps, double *value)
{
    double eps = t->p->blur, tol = t->p->tol / 4, across, within;
    wn_status st;

    for (int32_t g = 0; g < t->s.k; g++)
        for (int64_t i = t->begin[g]; i < t->begin[g + 1]; i++)
            t->log_a[i] = wni_log_fixed(q[g] / (double)(t->begin[g + 1] - t->begin[g]));
    WNI_TRY(
        wni_sinkhorn(ctx, &t->across, t->log_a, t->log_b, eps, sweeps, tol, t->f, t->g, &across));
    WNI_TRY(wni_sinkhorn_self(ctx, &t->within, t->log_a, eps, sweeps, tol, t->h, &within));
    *value = across - 0.5 * within - 0.5 * t->self_target;
    for (int32_t g = 0; g < t->s.k; g++) {
        double sum = 0;
        for (int64_t i = t->begin[g]; i < t->begin[g + 1]; i++)
            sum += t->f[i] - t->h[i];
        t->slope[g] = t->s.size[g] ? sum / (double)(t->begin[g + 1] - t->begin[g]) : INFINITY;
    }
done:
    return st;
}

/* The divergence is convex in the weights: what going straight to the best source promises is an upper bound
 * of what is left to gain. */
static double gap_of(const mixing *t, const double *q)
{
    double mean = 0, least = INFINITY;

    for (int32_t g = 0; g < t->s.k; g++) {
        if (t->s.size[g] == 0) continue;
        mean += q[g] * t->slope[g];
        least = t->slope[g] < least ? t->slope[g] : least;
    }
    return mean - least;
}

static void step(const mixing *t, double rate, double *out)
{
    double least = INFINITY, sum = 0;

    for (int32_t g = 0; g < t->s.k; g++)
        least = t->slope[g] < least ? t->slope[g] : least;
    for (int32_t g = 0; g < t->s.k; g++) {
        out[g] = t->s.size[g] ? t->q[g] * wni_exp_fixed(-rate * (t->slope[g] - least)) : 0;
        if (t->s.size[g] && out[g] < LEAST_WEIGHT) out[g] = LEAST_WEIGHT;
        sum += out[g];
    }
    for (int32_t g = 0; g < t->s.k; g++)
        out[g] /= sum;
}

/* Down the divergence from equal weights; the rate falls when a step did not help and grows when it did. */
static wn_status descend(wn_ctx *ctx, mixing *t, int64_t done_before, int64_t total)
{
    double rate = 1, value;
    int32_t sweeps = SWEEPS;
    int64_t sources = 0;
    wn_status st;

    for (int32_t g = 0; g < t->s.k; g++)
        sources += t->s.size[g] > 0;
    for (int32_t g = 0; g < t->s.k; g++)
        t->q[g] = t->s.size[g] ? 1 / (double)sources : 0;
    WNI_TRY(evaluate(ctx, t, t->q, FIRST_SWEEPS, &t->value));
    for (t->iterations = 0; t->iterations < t->p->max_iter; t->iterations++) {
        int back = 0;
        wni_progress(ctx, "fitting the mixture", done_before + t->iterations, total);
        t->gap = gap_of(t, t->q);
        if (t->gap <= t->p->tol) break;
        for (step(t, rate, t->trial);; step(t, rate, t->trial)) {
            double *slope = t->slope;
            t->slope = t->next_slope;
            st = evaluate(ctx, t, t->trial, sweeps, &value);
            t->next_slope = t->slope;
            t->slope = slope;
            if (st != WN_OK) goto done;
            if (value < t->value || ++back > STEPS_BACK) break;
            rate *= 0.5;
        }
        if (back > STEPS_BACK && sweeps == FIRST_SWEEPS) break;
        if (back > STEPS_BACK) { /* the values were not exact enough to compare */
            sweeps = FIRST_SWEEPS;
            rate = 1;
            WNI_TRY(evaluate(ctx, t, t->q, sweeps, &t->value));
            continue;
        }
        for (int32_t g = 0; g < t->s.k; g++) {
            t->q[g] = t->trial[g];
            t->slope[g] = t->next_slope[g];
        }
        t->value = value;
        if (!back) rate *= 1.5;
    }
    t->gap = gap_of(t, t->q);
    st = WN_OK;
done:
    return st;
}

/* ---- repeats ---------------------------------------------------------------------------------------- */

static wn_status set_up(wn_ctx *ctx, mixing *t)
{
    double **per_source[] = {&t->q, &t->trial, &t->slope, &t->next_slope, &t->mean, &t->square};
    int64_t points = 0, targets = wni_min(wn_pool_rows(t->in->target), t->p->target_sample);
    wn_status st = WN_OK;

    for (int32_t g = 0; g < t->s.k; g++)
        points += wni_min(t->s.size[g], t->per_source);
    WNI_NEW(ctx, t->begin, t->s.k + (int64_t)1);
    for (size_t i = 0; i < sizeof per_source / sizeof per_source[0]; i++)
        WNI_NEW0(ctx, *per_source[i], t->s.k);
    WNI_NEW(ctx, t->log_a, points);
    WNI_NEW(ctx, t->log_b, targets);
    WNI_NEW(ctx, t->f, points);
    WNI_NEW(ctx, t->g, wni_max(points, targets));
    WNI_NEW(ctx, t->h, points);
    for (int64_t j = 0; j < targets; j++)
        t->log_b[j] = -wni_log_fixed((double)targets);
done:
    return st;
}

static void free_samples(wn_ctx *ctx, mixing *t)
{
    wni_costs_free(ctx, &t->across);
    wni_costs_free(ctx, &t->within);
    wni_mat_free(ctx, &t->points);
    wni_mat_free(ctx, &t->target);
}

static void tear_down(wn_ctx *ctx, mixing *t)
{
    double *all[] = {t->q,     t->trial, t->slope, t->next_slope, t->mean, t->square,
                     t->log_a, t->log_b, t->f,     t->g,          t->h};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        wni_free(ctx, all[i]);
    wni_free(ctx, t->begin);
    free_samples(ctx, t);
}

/* One sample of everything, one mixture. */
static wn_status fit_once(wn_ctx *ctx, mixing *t, int64_t repeat)
{
    int64_t total = t->p->repeats * t->p->max_iter;
    wni_costs own = {0};
    double mean;
    wn_status st;

    WNI_TRY(sample_sources(ctx, t, repeat));
    WNI_TRY(sample_target(ctx, t, repeat));
    WNI_TRY(wni_costs_new(ctx, &t->points, &t->target, 1, &t->across));
    mean = wni_costs_mean(&t->across);
    if (!isfinite(mean)) {
        st = wni_fail(ctx, WN_E_DATA,
                      "select mixture_projektor: rows lie so far from the target that squared "
                      "distances overflow: scale the values down, or use --metric cosine");
        goto done;
    }
    if (!(mean > 0)) mean = 1; /* all points are the same */
    wni_costs_scale(&t->across, 1 / mean);
    WNI_TRY(wni_costs_new(ctx, &t->points, NULL, 1 / mean, &t->within));
    WNI_TRY(wni_costs_new(ctx, &t->target, NULL, 1 / mean, &own));
    for (int64_t j = 0; j < t->target.n; j++)
        t->g[j] = 0;
    WNI_TRY(wni_sinkhorn_self(ctx, &own, t->log_b, t->p->blur, FIRST_SWEEPS, t->p->tol / 4, t->g,
                              &t->self_target));
    for (int64_t i = 0; i < t->points.n; i++)
        t->f[i] = t->h[i] = 0;
    WNI_TRY(descend(ctx, t, repeat * t->p->max_iter, total));
    for (int32_t g = 0; g < t->s.k; g++) {
        t->mean[g] += t->q[g];
        t->square[g] += t->q[g] * t->q[g];
    }
done:
    wni_costs_free(ctx, &own);
    free_samples(ctx, t);
    return st;
}

/* ---- the selection ---------------------------------------------------------------------------------- */

static wn_status say(const mixing *t, const int64_t *quota, double value, double gap,
                     wn_selection *s)
{
    int32_t repeats = t->p->repeats;
    wn_status st;

    WNI_TRY(wni_note(s, "divergence", NULL, value / repeats, 0));
    WNI_TRY(wni_note(s, "gap", NULL, gap / repeats, 0));
    for (int32_t g = 0; g < t->s.k && g < WNI_SOURCE_NOTES; g++) {
        char name[WNI_SOURCE_NAME];
        double mean = t->mean[g] / repeats, spread = t->square[g] / repeats - mean * mean;
        const char *word = wni_source_name(&t->s, g, name);
        WNI_TRY(wni_note(s, "weight", word, mean, 0));
        if (repeats > 1)
            WNI_TRY(wni_note(s, "weight_sd", word,
                             sqrt((spread > 0 ? spread : 0) * repeats / (repeats - 1)), 0));
        WNI_TRY(wni_note(s, "taken", word, (double)quota[g], 1));
    }
done:
    return st;
}

static wn_status draw(wn_ctx *ctx, mixing *t, double value, double gap, wn_selection **out)
{
    wni_allocation a = {.what = "select mixture_projektor",
                        .rule = WNI_ALLOCATE_WEIGHTS,
                        .groups = t->s.k,
                        .rows = t->s.size,
                        .weights = t->mean,
                        .size = t->p->size,
                        .seed = t->p->seed,
                        .stream = wni_stream("mixture-quota", 0, 0)};
    int64_t *quota = NULL;
    uint8_t *rule = NULL;
    wn_status st;

    WNI_NEW(ctx, quota, t->s.k);
    WNI_NEW(ctx, rule, t->s.n);
    WNI_TRY(wni_allocate(ctx, &a, quota));
    WNI_TRY(wni_sources_draw(ctx, &t->s, quota, t->p->seed, WN_WHY_OFF_TARGET, rule));
    WNI_TRY(wni_recipe_selection(ctx, t->s.n, rule, t->s.of, NULL, out));
    WNI_TRY(say(t, quota, value, gap, *out));
done:
    if (st != WN_OK) {
        wn_selection_free(*out);
        *out = NULL;
    }
    wni_free(ctx, quota);
    wni_free(ctx, rule);
    return st;
}

/* ---- the method ------------------------------------------------------------------------------------- */

static wn_status prepare(wn_ctx *ctx, const wn_select_input *in, const void *params,
                         wn_select_mixture_projektor_params *p, mixing *t)
{
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_mixture_projektor, params, p));
    WNI_TRY(wni_recipe_size(ctx, "mixture_projektor", p->size, wni_select_rows(in)));
    WNI_TRY(wni_sources_open(ctx, "mixture_projektor", in, p->size, &t->s));
    t->in = in;
    t->p = p;
    t->per_source = rows_of_source(p, t->s.k);
    if (wn_pool_rows(in->target) == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "select mixture_projektor: the target has no rows: give vectors of what "
                        "the mixture should look like");
done:
    return st;
}

static wn_status projektor_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                    wn_estimate *out)
{
    int64_t n = wni_select_rows(in), d = wn_pool_dim(in->pool), points = 0, targets, most, fit,
            pick;
    wn_select_mixture_projektor_params p;
    mixing t = {0};
    wn_status st;

    *out = (wn_estimate){0};
    WNI_TRY(prepare(ctx, in, params, &p, &t));
    for (int32_t g = 0; g < t.s.k; g++)
        points += wni_min(t.s.size[g], t.per_source);
    targets = wni_min(wn_pool_rows(in->target), p.target_sample);
    most = wni_max(points, targets);
    fit = wni_max(n * 8 + t.s.k * 8, points * targets * 8 + points * points * 4 +
                                         targets * targets * 4 +
                                         (wn_ctx_threads(ctx) + 1) * most * 8) +
          points * 8 + (points + targets) * wni_ld(d) * 4;
    pick = n + t.s.k * 8 +
           wni_max(wni_sources_draw_bytes(ctx, &t.s) + t.s.k * 200,
                   wni_recipe_selection_bytes(n, p.size) + 65536);
    out->peak_bytes = wni_max(fit, pick) + t.s.k * 56 + most * 48 + 65536;
    out->flops = (double)p.repeats * ((double)points * (double)most * 3 * (double)d +
                                      (double)p.max_iter * 5 * 40 * (double)points * (double)most);
    out->bytes_read = (double)p.repeats * (double)(points + targets) * (double)d *
                      (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status projektor_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                               wn_selection **out)
{
    wn_select_mixture_projektor_params p;
    double value = 0, gap = 0;
    mixing t = {0};
    wn_status st;

    *out = NULL;
    WNI_TRY(prepare(ctx, in, params, &p, &t));
    WNI_TRY(set_up(ctx, &t));
    for (int32_t repeat = 0; repeat < p.repeats; repeat++) {
        WNI_TRY(fit_once(ctx, &t, repeat));
        value += t.value;
        gap += t.gap;
    }
    WNI_TRY(draw(ctx, &t, value, gap, out));
done:
    tear_down(ctx, &t);
    return st;
}

wn_status wn_select_mixture_projektor(wn_ctx *ctx, const wn_select_input *in,
                                      const wn_select_mixture_projektor_params *params,
                                      wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_mixture_projektor, in, params, out);
}

static const wn_select_ops ops = {projektor_estimate, projektor_run};

const wn_method wni_method_select_mixture_projektor = {
    .family = "select",
    .name = "mixture_projektor",
    .summary = "rows of several sources, mixed so that they lie nearest to a target",
    .papers = "kang2023 cuturi2013 feydy2019",
    .cost = "per step and sweep one exp per pair of sampled points; 25 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_mixture_projektor_params),
    .ops = &ops,
    .inputs = "pool tree|groups target",
};
