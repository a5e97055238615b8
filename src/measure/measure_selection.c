/* SPDX-License-Identifier: Apache-2.0
 *
 * Does training on a selection beat training on chance? Heads on the chosen rows, heads on random subsets of as
 * many, all judged on the same held-out rows.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/param.h"
#include "measure/measure_impl.h"
#include "measure/spread.h"
#include "measure/trial.h"

extern const wn_method wni_method_measure_selection;

WN_PARAM_TABLE(wn_measure_selection_params, WN_MEASURE_SELECTION_PARAMS);

#define FIXED_BYTES ((int64_t)4 << 20)

/* What one recipe reaches at one budget. */
typedef struct result {
    int32_t draws;
    double rows; /* mean over the draws */
    wni_spread accuracy, random;
    double balanced, random_balanced, together;
} result;

/* Selections [first, first + draws) are one recipe. */
static int32_t draws_of(const wn_measure_input *in, int32_t first)
{
    int32_t end = first + 1;

    while (end < in->n_chosen && strcmp(in->chosen[end].name, in->chosen[first].name) == 0)
        end++;
    return end - first;
}

/* The first rows of a list say something only when the list is a ranking. */
static wn_status check_budget(wn_ctx *ctx, const wn_chosen *chosen, int64_t budget)
{
    int64_t i = 1;

    if (budget > chosen->n)
        return wni_fail(ctx, WN_E_DATA,
                        "measure selection: the budget %lld is more than the %lld rows of the "
                        "selection %s",
                        (long long)budget, (long long)chosen->n, chosen->name);
    while (i < chosen->n && chosen->rows[i] >= chosen->rows[i - 1])
        i++;
    if (budget < chosen->n && chosen->n > 2 && i == chosen->n)
        return wni_fail(ctx, WN_E_DATA,
                        "measure selection: the rows of %s are in ascending order, so its first "
                        "%lld are no choice: give a ranking, best first, or one selection for each "
                        "budget",
                        chosen->name, (long long)budget);
    return WN_OK;
}

static wn_status measure_recipe(wni_trials *t, int32_t first, int32_t draws, int64_t budget,
                                double *accuracy, double *random, result *r)
{
    double variance = 0;
    wn_status st = WN_OK;

    *r = (result){.draws = draws};
    r->random = (wni_spread){t->p->seeds, 0, 0};
    for (int32_t i = 0; i < draws; i++) {
        const wn_chosen *chosen = &t->in->chosen[first + i];
        const wni_chance *chance;
        wni_spread spread;
        wni_grade grade;
        int64_t size;

        if (budget) WNI_TRY(check_budget(t->ctx, chosen, budget));
        WNI_TRY(wni_trial_chosen(t, chosen, budget ? budget : chosen->n, &grade, &size));
        WNI_TRY(wni_trial_chance(t, size, &chance));
        accuracy[i] = grade.accuracy;
        r->balanced += grade.balanced / draws;
        r->rows += (double)size / draws;
        r->together += chance->together.accuracy / draws;
        for (int32_t s = 0; s < t->p->seeds; s++) {
            random[s] = chance->grade[s].accuracy;
            r->random_balanced += chance->grade[s].balanced / t->p->seeds / draws;
        }
        spread = wni_spread_of(random, t->p->seeds);
        r->random.mean += spread.mean / draws;
        variance += spread.sd * spread.sd / draws;
    }
    r->random.sd = sqrt(variance);
    r->accuracy = wni_spread_of(accuracy, draws);
done:
    return st;
}

static const char *const columns = "selection rows draws accuracy sd low high random random_sd "
                                   "random_low random_high random_together difference "
                                   "difference_low difference_high balanced_accuracy "
                                   "random_balanced_accuracy";

static wn_status add_row(wn_measurement *m, const char *name, const result *r)
{
    double half = wni_spread_half(&r->accuracy), random_half = wni_spread_half(&r->random);
    double apart = wni_spread_apart(&r->accuracy, &r->random);
    double difference = r->accuracy.mean - r->random.mean;
    const double cells[] = {r->accuracy.mean,
                            r->accuracy.sd,
                            r->accuracy.mean - half,
                            r->accuracy.mean + half,
                            r->random.mean,
                            r->random.sd,
                            r->random.mean - random_half,
                            r->random.mean + random_half,
                            r->together,
                            difference,
                            difference - apart,
                            difference + apart,
                            r->balanced,
                            r->random_balanced};
    wn_status st;

    WNI_TRY(wni_cell_text(m, name));
    WNI_TRY(wni_cell_real(m, r->rows));
    WNI_TRY(wni_cell_int(m, r->draws));
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
        WNI_TRY(wni_cell_real(m, cells[i]));
done:
    return st;
}

/* The same as values, for those who read the summary. */
static wn_status add_values(wn_measurement *m, const char *group)
{
    static const char *const names[] = {"rows",
                                        "accuracy",
                                        "sd",
                                        "random",
                                        "random_sd",
                                        "random_together",
                                        "difference",
                                        "difference_low",
                                        "difference_high",
                                        "balanced_accuracy",
                                        "random_balanced_accuracy"};
    wn_status st = WN_OK;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        double x = wn_measurement_cell(m, m->rows - 1, names[i])->x;
        if (isfinite(x)) WNI_TRY(wni_measured_real(m, group, names[i], x));
    }
done:
    return st;
}

static wn_status add_result(wn_measurement *m, const char *name, const result *r, int only,
                            int budgets)
{
    char *group = NULL;
    wn_status st;

    WNI_TRY(add_row(m, name, r));
    if (!only) {
        group = budgets ? wni_format(m->ctx, "%s %.0f", name, r->rows) : wni_strdup(m->ctx, name);
        if (!group) return WN_E_NOMEM;
    }
    WNI_TRY(add_values(m, group));
done:
    wni_free(m->ctx, group);
    return st;
}

/* ---- the method -------------------------------------------------------------------------------- */

static wn_status check_judge(wn_ctx *ctx, const wn_measure_input *in)
{
    if (in->test && !in->test_labels)
        return wni_fail(ctx, WN_E_USAGE, "measure selection: --test needs --test-labels");
    if (in->test_labels && !in->test)
        return wni_fail(ctx, WN_E_USAGE, "measure selection: --test-labels needs --test");
    if (in->test && in->heldout)
        return wni_fail(ctx, WN_E_USAGE,
                        "measure selection: found --heldout and --test, expected one of them");
    if (!in->test && !in->heldout)
        return wni_fail(ctx, WN_E_USAGE,
                        "measure selection: nothing to judge on: give --heldout with rows of the "
                        "pool, or --test with --test-labels");
    return WN_OK;
}

/* The largest fit: all rows, or the largest selection. */
static wn_status fit_estimate(wn_ctx *ctx, const wn_measure_input *in,
                              const wn_measure_selection_params *p, wn_estimate *out)
{
    const wn_method *logistic = wn_method_find("learn", "logistic");
    const wn_learn_ops *ops = logistic->ops;
    wn_learn_input fit = {.struct_size = sizeof fit, .pool = in->pool, .labels = in->labels};
    wn_learn_logistic_params q;

    wn_params_init(logistic, &q);
    q.max_iter = p->max_iter;
    for (int32_t i = 0; i < in->n_chosen && !p->whole; i++)
        if (in->chosen[i].n > fit.n_rows) {
            fit.rows = in->chosen[i].rows;
            fit.n_rows = in->chosen[i].n;
        }
    return ops->estimate(ctx, &fit, &q, out);
}

static wn_status selection_estimate(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                                    wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), classes = in->labels->classes, judged, ld;
    wn_measure_selection_params p;
    wn_estimate fit;
    double fits;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_selection, params, &p));
    WNI_TRY(check_judge(ctx, in));
    WNI_TRY(fit_estimate(ctx, in, &p, &fit));
    judged = in->test ? wn_pool_rows(in->test) : in->n_heldout;
    ld = wni_ld(wn_pool_dim(in->pool));
    fits = p.whole + (double)in->n_chosen * wni_max(p.budgets.count, 1) * (1 + p.seeds);
    *out = (wn_estimate){0};
    out->peak_bytes = fit.peak_bytes + n * (8 + 8 + 4 + 1) + judged * 8 + classes * 24 +
                      p.seeds * classes * (ld * 4 + 256) + ((int64_t)2 << 20) +
                      (int64_t)in->n_chosen * wni_max(p.budgets.count, 1) *
                          (p.seeds * (int64_t)sizeof(wni_grade) + 64 * 200) +
                      FIXED_BYTES;
    out->flops = fits * fit.flops;
    out->bytes_read = fits * fit.bytes_read;
done:
    return st;
}

static wn_status measure_all(wni_trials *t, wn_measurement *m, double *accuracy, double *random)
{
    const wn_measure_input *in = t->in;
    const wn_list *budgets = &t->p->budgets;
    int32_t rounds = budgets->count ? budgets->count : 1;
    int only = in->n_chosen == draws_of(in, 0) && rounds == 1;
    wn_status st = WN_OK;

    for (int32_t i = 0, draws; i < in->n_chosen; i += draws) {
        draws = draws_of(in, i);
        for (int32_t b = 0; b < rounds; b++) {
            result r;
            wni_progress(t->ctx, "training heads", i * rounds + b * draws, in->n_chosen * rounds);
            WNI_TRY(measure_recipe(t, i, draws, budgets->count ? budgets->at[b] : 0, accuracy,
                                   random, &r));
            WNI_TRY(add_result(m, in->chosen[i].name, &r, only, budgets->count > 1));
        }
    }
    wni_progress(t->ctx, "training heads", in->n_chosen * rounds, in->n_chosen * rounds);
done:
    return st;
}

static wn_status selection_run(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                               wn_measurement **out)
{
    wn_measure_selection_params p;
    double *accuracy = NULL, *random = NULL;
    wn_measurement *m = NULL;
    wni_trials t = {0};
    wni_grade whole;
    wn_status st;

    t.ctx = ctx;
    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_selection, params, &p));
    WNI_TRY(wni_trials_begin(ctx, in, &p, &t));
    WNI_NEW(ctx, accuracy, in->n_chosen);
    WNI_NEW(ctx, random, p.seeds);
    WNI_TRY(wni_measurement_new(ctx, &m));
    WNI_TRY(wni_measured_int(m, NULL, "rows_to_train_on", t.n_candidates));
    WNI_TRY(wni_measured_int(m, NULL, "rows_to_judge_on", t.counted));
    WNI_TRY(wni_measured_int(m, NULL, "classes", t.classes));
    if (p.whole) {
        WNI_TRY(wni_trial_whole(&t, &whole));
        WNI_TRY(wni_measured_real(m, NULL, "whole_accuracy", whole.accuracy));
        WNI_TRY(wni_measured_real(m, NULL, "whole_balanced_accuracy", whole.balanced));
    }
    WNI_TRY(wni_measured_columns(m, columns));
    WNI_TRY(measure_all(&t, m, accuracy, random));
    *out = m;
    m = NULL;
done:
    wni_trials_end(&t);
    wni_free(ctx, accuracy);
    wni_free(ctx, random);
    wn_measurement_free(m);
    return st;
}

wn_status wn_measure_selection(wn_ctx *ctx, const wn_measure_input *in,
                               const wn_measure_selection_params *params, wn_measurement **out)
{
    return wn_measure_run(ctx, &wni_method_measure_selection, in, params, out);
}

static const wn_measure_ops ops = {selection_estimate, selection_run};

const wn_method wni_method_measure_selection = {
    .family = "measure",
    .name = "selection",
    .summary = "does training on a selection beat training on random rows?",
    .papers = "okanovic2024 welch1947",
    .cost =
        "one logistic fit for each selection, and `seeds` for each size; memory of learn logistic",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_measure_selection_params),
    .ops = &ops,
    .inputs = "pool selection labels heldout|test test-labels?",
};
