/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `learn`: the checks that every method shares, the files of a run.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "learn/model_io.h"
#include "pool/inputs.h"
#include "pool/pool_use.h"
#include "winnow/learn.h"

static wn_status check_rows(wn_ctx *ctx, const wn_method *method, const wn_learn_input *in,
                            int64_t n)
{
    for (int64_t i = 0; in->rows && i < in->n_rows; i++)
        if (in->rows[i] < (i ? in->rows[i - 1] : 0) || in->rows[i] >= n)
            return wni_fail(ctx, WN_E_DATA,
                            "learn %s: entry %lld of the rows is %lld, expected ascending rows "
                            "below %lld",
                            method->name, (long long)i, (long long)in->rows[i], (long long)n);
    for (int64_t i = 0; in->weights && i < n; i++)
        if (!isfinite(in->weights[i]) || in->weights[i] < 0)
            return wni_fail(ctx, WN_E_DATA,
                            "learn %s: row %lld has the weight %g, expected finite numbers from 0",
                            method->name, (long long)i, (double)in->weights[i]);
    return WN_OK;
}

static wn_status check_input(wn_ctx *ctx, const wn_method *method, const wn_learn_input *in,
                             const void *params, wn_estimate *estimate)
{
    const wn_learn_ops *ops;
    int64_t n;
    wn_status st;

    if (!method || strcmp(method->family, "learn") != 0)
        return wni_fail(ctx, WN_E_USAGE, "learn: found a method of %s, expected one of learn",
                        method ? method->family : "no family");
    if (!in->pool || !in->labels)
        return wni_fail(ctx, WN_E_USAGE, "learn %s: no %s is given", method->name,
                        in->pool ? "label" : "pool");
    n = wn_pool_rows(in->pool);
    if (in->labels->n != n)
        return wni_fail(ctx, WN_E_DATA, "learn %s: found %lld labels for a pool of %lld rows",
                        method->name, (long long)in->labels->n, (long long)n);
    WNI_TRY(check_rows(ctx, method, in, n));
    ops = method->ops;
    WNI_TRY(ops->estimate(ctx, in, params, estimate));
done:
    return st;
}

wn_status wn_learn_run(wn_ctx *ctx, const wn_method *method, const wn_learn_input *given,
                       const void *params, wn_model **out)
{
    wn_learn_input in = {0}; /* of an older caller the fields that it did not know are zero */
    const wn_learn_ops *ops;
    wn_estimate estimate;
    wn_status st;

    *out = NULL;
    if (given) memcpy(&in, given, (size_t)wni_min(given->struct_size, sizeof in));
    WNI_TRY(check_input(ctx, method, &in, params, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, in.pool, method, &estimate));
    WNI_TRY(wn_pool_check(ctx, in.pool, 1, NULL));
    ops = method->ops;
    WNI_TRY(ops->run(ctx, &in, params, out));
done:
    return st;
}

/* ---- files --------------------------------------------------------------------------------------------- */

static wn_status record(wni_run *run, const wn_model *m)
{
    const wn_learn_report *r = &m->report;
    wn_status st;

    WNI_TRY(wni_record_int(run, "rows", r->rows));
    WNI_TRY(wni_record_int(run, "classes", r->classes));
    WNI_TRY(wni_record_int(run, "iterations", r->iterations));
    WNI_TRY(wni_record_int(run, "evaluations", r->evaluations));
    WNI_TRY(wni_record_int(run, "converged", r->converged));
    WNI_TRY(wni_record_real(run, "loss", r->loss));
    WNI_TRY(wni_record_real(run, "penalty", r->penalty));
    WNI_TRY(wni_record_real(run, "train_accuracy", r->accuracy));
    if (!r->converged)
        WNI_TRY(wni_record_warn(run,
                                "the fit had not converged after %d iterations: raise --max-iter, "
                                "or --l2 when the classes can be told apart fully",
                                r->iterations));
done:
    return st;
}

/* Accuracy on rows that were kept apart. */
static wn_status evaluate(wni_run *run, const wn_model *m, const wn_pool *eval,
                          const wn_labels *labels)
{
    double accuracy;
    int64_t counted;
    wn_status st;

    WNI_TRY(wn_model_accuracy(run->ctx, m, eval, NULL, 0, wn_pool_rows(eval), labels, &accuracy,
                              &counted));
    WNI_TRY(wni_record_int(run, "eval_rows", counted));
    WNI_TRY(wni_record_real(run, "eval_accuracy", accuracy));
done:
    return st;
}

static wn_status check_eval(const wni_run *run)
{
    bool rows = run->input(run, "eval") != NULL, labels = run->input(run, "eval-labels") != NULL;

    if (rows == labels) return WN_OK;
    return wni_fail(run->ctx, WN_E_USAGE, "learn %s: --%s needs --%s beside it", run->method->name,
                    rows ? "eval" : "eval-labels", rows ? "eval-labels" : "eval");
}

static wn_status family_run(wni_run *run)
{
    int64_t n = wn_pool_rows(run->pool), *rows = NULL;
    wn_learn_input in = {.struct_size = sizeof in, .pool = run->pool};
    const wn_learn_ops *ops = run->method->ops;
    wn_labels *labels = NULL, *eval_labels = NULL;
    wn_scores *weights = NULL;
    wn_pool *eval = NULL;
    wn_model *model = NULL;
    wn_status st;

    WNI_TRY(check_eval(run));
    WNI_TRY(wni_run_labels(run, "labels", n, &labels));
    WNI_TRY(wni_run_rows(run, "selection", n, &rows, &in.n_rows));
    WNI_TRY(wni_run_scores(run, "weights", n, &weights));
    WNI_TRY(wni_run_pool(run, "eval", -1, wn_pool_dim(run->pool), 0, &eval));
    if (eval) WNI_TRY(wni_run_labels(run, "eval-labels", wn_pool_rows(eval), &eval_labels));
    in.labels = labels;
    in.rows = rows;
    in.weights = weights ? weights->v : NULL;
    WNI_TRY(check_input(run->ctx, run->method, &in, run->params, &run->estimate));
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(run->ctx, run->pool, run->method, &run->estimate));
    WNI_TRY(ops->run(run->ctx, &in, run->params, &model));
    WNI_TRY(wni_model_save(run->out, model));
    WNI_TRY(record(run, model));
    if (eval) WNI_TRY(evaluate(run, model, eval, eval_labels));
done:
    wn_model_free(model);
    wn_labels_free(labels);
    wn_labels_free(eval_labels);
    wn_scores_free(weights);
    wn_pool_free(eval);
    wni_free(run->ctx, rows);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 1, "the rows: .npy and other vector files, see `winnow info`"},
    {"labels", "labels", 1,
     "a class per row: .npy of integers, or TABLE:COLUMN; rows without one "
     "are left out"},
    {"selection", "rows", 0,
     "fit only these rows: .npy of row numbers, or a folder of `winnow select`"},
    {"weights", "scores", 0, "how much each row of the pool counts: .npy, or TABLE:COLUMN"},
    {"eval", "pool", 0, "other rows, to count how many the model gets right"},
    {"eval-labels", "labels", 0, "their classes"},
    {"model", "model", 0, "folder that `winnow learn` wrote"}};

const wn_family wni_family_learn = {
    .name = "learn",
    .summary = "fit a small model to rows and their classes",
    .default_method = "logistic",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)family_run,
};
