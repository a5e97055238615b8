/* SPDX-License-Identifier: Apache-2.0
 *
 * Trials: fits of the logistic head and their grades.
 */
#include <string.h>

#include "base/rng.h"
#include "measure/trial.h"

#define TILE_BYTES ((int64_t)1 << 20)

/* ---- what to judge on ------------------------------------------------------------------------------- */

/* The class of `labels` with the name of class c of `of`, -1 = none. */
static int32_t class_named(const wn_labels *labels, const char *name)
{
    for (int32_t c = 0; c < labels->classes; c++)
        if (strcmp(labels->names[c], name) == 0) return c;
    return -1;
}

/* Rows of another pool: their classes go by name. */
static wn_status judge_test(wni_trials *t)
{
    const wn_labels *theirs = t->in->test_labels;
    int32_t *same = NULL;
    wn_status st;

    t->judge = t->in->test;
    t->n_judge = wn_pool_rows(t->judge);
    WNI_NEW(t->ctx, t->truth, t->n_judge);
    WNI_NEW(t->ctx, same, theirs->classes);
    for (int32_t c = 0; c < theirs->classes; c++)
        same[c] = class_named(t->in->labels, theirs->names[c]);
    for (int64_t i = 0; i < t->n_judge; i++)
        t->truth[i] = theirs->v[i] < 0 ? -1 : same[theirs->v[i]];
    st = WN_OK;
done:
    wni_free(t->ctx, same);
    return st;
}

static wn_status judge_heldout(wni_trials *t)
{
    wn_status st = WN_OK;

    t->judge = t->in->pool;
    t->judge_rows = t->in->heldout;
    t->n_judge = t->in->n_heldout;
    WNI_NEW(t->ctx, t->truth, t->n_judge);
    for (int64_t i = 0; i < t->n_judge; i++) {
        t->truth[i] = t->in->labels->v[t->judge_rows[i]];
        t->held[t->judge_rows[i]] = 1;
    }
done:
    return st;
}

wn_status wni_trials_begin(wn_ctx *ctx, const wn_measure_input *in,
                           const wn_measure_selection_params *p, wni_trials *t)
{
    wn_status st;

    *t = (wni_trials){.ctx = ctx, .in = in, .p = p, .n = wn_pool_rows(in->pool)};
    t->classes = in->labels->classes;
    if (t->classes == 1 && t->n > 1)
        return wni_fail(ctx, WN_E_DATA,
                        "measure selection: all labels are of class '%s', expected two classes or "
                        "more: look at --labels",
                        in->labels->names[0]);
    WNI_NEW0(ctx, t->held, t->n);
    WNI_TRY(in->test ? judge_test(t) : judge_heldout(t));
    WNI_NEW0(ctx, t->class_rows, t->classes);
    WNI_NEW(ctx, t->class_right, t->classes);
    for (int64_t i = 0; i < t->n_judge; i++) {
        if (t->truth[i] < 0) continue;
        t->class_rows[t->truth[i]]++;
        t->counted++;
    }
    if (t->counted == 0) {
        st = wni_fail(
            ctx, WN_E_DATA,
            "measure selection: none of the %lld rows to judge on has a class that rows of "
            "the pool have",
            (long long)t->n_judge);
        goto done;
    }
    WNI_NEW(ctx, t->candidates, t->n);
    for (int64_t i = 0; i < t->n; i++)
        if (!t->held[i] && in->labels->v[i] >= 0) t->candidates[t->n_candidates++] = i;
    WNI_NEW(ctx, t->rows, t->n);
    WNI_NEW0(ctx, t->weights, t->n);
    WNI_NEW(ctx, t->predicted, t->n_judge);
done:
    return st;
}

void wni_trials_end(wni_trials *t)
{
    for (int32_t i = 0; i < t->n_chance; i++)
        wni_free(t->ctx, t->chance[i].grade);
    wni_free(t->ctx, t->chance);
    wni_free(t->ctx, t->candidates);
    wni_free(t->ctx, t->held);
    wni_free(t->ctx, t->truth);
    wni_free(t->ctx, t->class_rows);
    wni_free(t->ctx, t->class_right);
    wni_free(t->ctx, t->rows);
    wni_free(t->ctx, t->weights);
    wni_free(t->ctx, t->predicted);
}

/* ---- fits and grades -------------------------------------------------------------------------------- */

/* A head on t->rows[0..n); with weights when they differ from one. */
static wn_status fit(wni_trials *t, const int64_t *rows, int64_t n, int weighted, wn_model **model)
{
    wn_learn_input in = {.struct_size = sizeof in, .pool = t->in->pool, .labels = t->in->labels};
    wn_learn_logistic_params p;

    in.rows = rows;
    in.n_rows = n;
    in.weights = weighted ? t->weights : NULL;
    wn_params_init(wn_method_find("learn", "logistic"), &p);
    p.l2 = t->p->l2;
    p.max_iter = t->p->max_iter;
    p.tol = t->p->tol;
    return wn_learn_logistic(t->ctx, &in, &p, model);
}

/* The class of all these rows, -1 when there are several: of one class there is nothing to fit. */
static int32_t only_class(const wni_trials *t, const int64_t *rows, int64_t n)
{
    const int32_t *class = t->in->labels->v;

    for (int64_t i = 1; i < n; i++)
        if (class[rows[i]] != class[rows[0]]) return -1;
    return class[rows[0]];
}

/* Of t->predicted. */
static wni_grade grade_of(wni_trials *t)
{
    int64_t right = 0;
    int32_t classes = 0;
    double sum = 0;

    memset(t->class_right, 0, (size_t)t->classes * sizeof *t->class_right);
    for (int64_t i = 0; i < t->n_judge; i++)
        if (t->truth[i] >= 0 && t->predicted[i] == t->truth[i]) {
            t->class_right[t->truth[i]]++;
            right++;
        }
    for (int32_t c = 0; c < t->classes; c++)
        if (t->class_rows[c]) {
            sum += (double)t->class_right[c] / (double)t->class_rows[c];
            classes++;
        }
    return (wni_grade){(double)right / (double)t->counted, sum / classes};
}

/* Trains on rows[0..n) and judges. *model is NULL when they are of one class, which then is the answer to
 * everything. */
static wn_status fit_and_judge(wni_trials *t, const int64_t *rows, int64_t n, int weighted,
                               wn_model **model, wni_grade *grade)
{
    int32_t only = only_class(t, rows, n);
    wn_status st = WN_OK;

    *model = NULL;
    for (int64_t i = 0; i < t->n_judge && only >= 0; i++)
        t->predicted[i] = only;
    if (only < 0) {
        WNI_TRY(fit(t, rows, n, weighted, model));
        WNI_TRY(
            wn_model_predict(t->ctx, *model, t->judge, t->judge_rows, 0, t->n_judge, t->predicted));
    }
    *grade = grade_of(t);
done:
    return st;
}

/* The class with the highest mean probability; a class that a head never saw has probability 0 there. Where
 * there is no model, one class has all of it. */
static wn_status judge_together(wni_trials *t, wn_model *const *models, const int32_t *only,
                                int32_t n, wni_grade *grade)
{
    int64_t tile = wni_max(TILE_BYTES / ((int64_t)sizeof(float) * t->classes), 1);
    float *one = NULL, *sum = NULL;
    wn_status st;

    WNI_NEW(t->ctx, one, tile * t->classes);
    WNI_NEW(t->ctx, sum, tile * t->classes);
    for (int64_t first = 0; first < t->n_judge; first += tile) {
        int64_t rows = wni_min(tile, t->n_judge - first), count = rows * t->classes;
        memset(sum, 0, (size_t)count * sizeof *sum);
        for (int32_t s = 0; s < n; s++) {
            if (models[s])
                WNI_TRY(wn_model_probs(t->ctx, models[s], t->judge,
                                       t->judge_rows ? t->judge_rows + first : NULL, first, rows,
                                       one));
            for (int64_t i = 0; i < count && models[s]; i++)
                sum[i] += one[i];
            for (int64_t i = 0; i < rows && !models[s]; i++)
                sum[i * t->classes + only[s]] += 1;
        }
        for (int64_t i = 0; i < rows; i++) {
            const float *p = sum + i * t->classes;
            int32_t best = 0;
            for (int32_t c = 1; c < t->classes; c++)
                if (p[c] > p[best]) best = c;
            t->predicted[first + i] = best;
        }
    }
    *grade = grade_of(t);
    st = WN_OK;
done:
    wni_free(t->ctx, one);
    wni_free(t->ctx, sum);
    return st;
}

/* ---- trials ----------------------------------------------------------------------------------------- */

wn_status wni_trial_chosen(wni_trials *t, const wn_chosen *chosen, int64_t n, wni_grade *grade,
                           int64_t *size)
{
    const wn_labels *labels = t->in->labels;
    wn_model *model = NULL;
    int64_t count = 0;
    int weighted = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n; i++) {
        int64_t row = chosen->rows[i];
        if (t->held[row]) {
            st = wni_fail(t->ctx, WN_E_DATA,
                          "measure selection: the selection %s has row %lld, which is held out: "
                          "select from the other rows",
                          chosen->name, (long long)row);
            goto done;
        }
        if (labels->v[row] >= 0) t->weights[row] += chosen->weights ? chosen->weights[i] : 1;
    }
    for (int64_t i = 0; i < t->n; i++)
        if (t->weights[i] > 0) {
            weighted |= t->weights[i] != 1;
            t->rows[count++] = i;
        }
    if (count == 0) {
        st = wni_fail(t->ctx, WN_E_DATA,
                      "measure selection: no row of the selection %s has a class and a weight",
                      chosen->name);
        goto done;
    }
    WNI_TRY(fit_and_judge(t, t->rows, count, weighted, &model, grade));
    *size = count;
done:
    for (int64_t i = 0; i < n; i++)
        t->weights[chosen->rows[i]] = 0;
    wn_model_free(model);
    return st;
}

wn_status wni_trial_whole(wni_trials *t, wni_grade *grade)
{
    wn_model *model = NULL;
    wn_status st;

    WNI_TRY(fit_and_judge(t, t->candidates, t->n_candidates, 0, &model, grade));
done:
    wn_model_free(model);
    return st;
}

static wn_status draw(wni_trials *t, wni_chance *chance)
{
    wn_model **models = NULL;
    int32_t *only = NULL;
    wn_status st;

    WNI_NEW0(t->ctx, models, t->p->seeds);
    WNI_NEW(t->ctx, only, t->p->seeds);
    for (int32_t s = 0; s < t->p->seeds; s++) {
        WNI_TRY(wni_rand_subset(t->ctx, t->p->seed, wni_stream("measure-selection", s, 0),
                                t->n_candidates, chance->size, t->rows));
        for (int64_t i = 0; i < chance->size; i++)
            t->rows[i] = t->candidates[t->rows[i]];
        WNI_TRY(fit_and_judge(t, t->rows, chance->size, 0, &models[s], &chance->grade[s]));
        only[s] = only_class(t, t->rows, chance->size);
    }
    WNI_TRY(judge_together(t, models, only, t->p->seeds, &chance->together));
done:
    for (int32_t s = 0; models && s < t->p->seeds; s++)
        wn_model_free(models[s]);
    wni_free(t->ctx, models);
    wni_free(t->ctx, only);
    return st;
}

wn_status wni_trial_chance(wni_trials *t, int64_t size, const wni_chance **out)
{
    wni_chance *chance;
    wn_status st;

    for (int32_t i = 0; i < t->n_chance; i++)
        if (t->chance[i].size == size) {
            *out = &t->chance[i];
            return WN_OK;
        }
    if (t->n_chance == t->room) {
        chance = wni_grow(t->ctx, t->chance, t->n_chance, 2 * t->room + 4, sizeof *chance);
        if (!chance) return WN_E_NOMEM;
        t->chance = chance;
        t->room = 2 * t->room + 4;
    }
    chance = &t->chance[t->n_chance];
    *chance = (wni_chance){.size = size};
    WNI_NEW(t->ctx, chance->grade, t->p->seeds);
    t->n_chance++;
    WNI_TRY(draw(t, chance));
    *out = chance;
done:
    return st;
}
