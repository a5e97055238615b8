/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `measure`: the checks that every method shares, the files of a run.
 */
#include <math.h>
#include <string.h>

#include "measure/measure_impl.h"
#include "pool/inputs.h"
#include "pool/pool_use.h"

extern const wn_family wni_family_measure;

static int64_t rows_of(const wn_measure_input *in)
{
    return in->pool ? wn_pool_rows(in->pool) : in->n;
}

wn_status wni_measure_overflow(wn_ctx *ctx, const wn_method *method, int64_t row)
{
    return wni_fail_at(ctx, row, WN_E_DATA,
                       "measure %s: row %lld lies so far out that distances to it overflow; scale "
                       "the pool down or use cosine",
                       method->name, (long long)row);
}

static wn_status check_length(wn_ctx *ctx, const wn_method *method, const char *what, int64_t found,
                              int64_t n)
{
    if (found == n) return WN_OK;
    return wni_fail(ctx, WN_E_DATA, "measure %s: the %s of %lld rows, expected %lld rows",
                    method->name, what, (long long)found, (long long)n);
}

static wn_status check_chosen(wn_ctx *ctx, const wn_method *method, const wn_chosen *chosen,
                              int64_t n)
{
    if (chosen->n < 1)
        return wni_fail(ctx, WN_E_DATA, "measure %s: the selection %s has no rows", method->name,
                        chosen->name);
    for (int64_t i = 0; i < chosen->n; i++) {
        if (chosen->rows[i] < 0 || chosen->rows[i] >= n)
            return wni_fail(ctx, WN_E_DATA,
                            "measure %s: entry %lld of the selection %s is row %lld, expected 0 to "
                            "%lld",
                            method->name, (long long)i, chosen->name, (long long)chosen->rows[i],
                            (long long)n - 1);
        if (chosen->weights && (!(chosen->weights[i] >= 0) || !isfinite(chosen->weights[i])))
            return wni_fail(ctx, WN_E_DATA,
                            "measure %s: entry %lld of the selection %s has the weight %g, "
                            "expected a finite one from 0",
                            method->name, (long long)i, chosen->name, (double)chosen->weights[i]);
    }
    return WN_OK;
}

static wn_status check_heldout(wn_ctx *ctx, const wn_method *method, const wn_measure_input *in,
                               int64_t n)
{
    for (int64_t i = 0; i < in->n_heldout; i++)
        if (in->heldout[i] < (i ? in->heldout[i - 1] + 1 : 0) || in->heldout[i] >= n)
            return wni_fail(ctx, WN_E_DATA,
                            "measure %s: entry %lld of the held-out rows is %lld, expected "
                            "ascending rows below %lld",
                            method->name, (long long)i, (long long)in->heldout[i], (long long)n);
    return WN_OK;
}

/* What is there must be over the same rows, whatever the method needs of it. */
static wn_status check_lengths(wn_ctx *ctx, const wn_method *method, const wn_measure_input *in)
{
    int64_t n = rows_of(in);
    wn_status st = WN_OK;

    if (in->labels) WNI_TRY(check_length(ctx, method, "labels are", in->labels->n, n));
    if (in->groups) WNI_TRY(check_length(ctx, method, "groups are", in->groups->n, n));
    if (in->graph) WNI_TRY(check_length(ctx, method, "graph is", in->graph->n, n));
    if (in->tree)
        WNI_TRY(
            check_length(ctx, method, "tree is", in->tree->levels ? in->tree->level[0]->n : 0, n));
    if (in->test && in->test_labels)
        WNI_TRY(check_length(ctx, method, "test labels are", in->test_labels->n,
                             wn_pool_rows(in->test)));
    if (in->test && in->pool && wn_pool_dim(in->test) != wn_pool_dim(in->pool))
        return wni_fail(
            ctx, WN_E_DATA, "measure %s: the test rows have %lld columns, the pool has %lld",
            method->name, (long long)wn_pool_dim(in->test), (long long)wn_pool_dim(in->pool));
    if (in->scores) WNI_TRY(check_length(ctx, method, "scores are", in->scores->n, n));
    if (in->target && in->pool && wn_pool_dim(in->target) != wn_pool_dim(in->pool))
        return wni_fail(
            ctx, WN_E_DATA, "measure %s: the target has rows of %lld columns, the pool of %lld",
            method->name, (long long)wn_pool_dim(in->target), (long long)wn_pool_dim(in->pool));
    for (int32_t i = 0; i < in->n_chosen; i++)
        WNI_TRY(check_chosen(ctx, method, &in->chosen[i], n));
    WNI_TRY(check_heldout(ctx, method, in, n));
done:
    return st;
}

static const void *input_of(const wn_measure_input *in, const char *name)
{
    const struct {
        const char *name;
        const void *at;
    } all[] = {
        {"pool", in->pool},       {"selection", in->chosen}, {"labels", in->labels},
        {"tree", in->tree},       {"groups", in->groups},    {"graph", in->graph},
        {"heldout", in->heldout}, {"test", in->test},        {"test-labels", in->test_labels},
        {"target", in->target},   {"scores", in->scores}};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) return all[i].at;
    return NULL;
}

static wn_status check_input(wn_ctx *ctx, const wn_method *method, const wn_measure_input *in,
                             const void *params, wn_estimate *estimate)
{
    const wn_family *family = &wni_family_measure;
    const wn_measure_ops *ops;
    wn_status st;

    if (!method || strcmp(method->family, "measure") != 0)
        return wni_fail(ctx, WN_E_USAGE, "measure: found a method of %s, expected one of measure",
                        method ? method->family : "no family");
    for (int32_t i = 0; i < family->n_inputs; i++)
        if (wn_method_takes(method, &family->inputs[i]) == WN_TAKES_REQUIRED &&
            !input_of(in, family->inputs[i].name))
            return wni_fail(ctx, WN_E_USAGE, "measure %s: no %s given", method->name,
                            family->inputs[i].name);
    WNI_TRY(check_lengths(ctx, method, in));
    ops = method->ops;
    WNI_TRY(ops->estimate(ctx, in, params, estimate));
done:
    return st;
}

wn_status wn_measure_run(wn_ctx *ctx, const wn_method *method, const wn_measure_input *given,
                         const void *params, wn_measurement **out)
{
    const wn_measure_ops *ops;
    wn_measure_input full = {0}; /* of an older caller the fields that it did not know are zero */
    wn_estimate estimate;
    wn_status st;

    *out = NULL;
    if (given) memcpy(&full, given, (size_t)wni_min(given->struct_size, sizeof full));
    WNI_TRY(check_input(ctx, method, &full, params, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, full.pool, method, &estimate));
    if (full.pool) WNI_TRY(wn_pool_check(ctx, full.pool, 1, NULL));
    if (full.test) WNI_TRY(wn_pool_check(ctx, full.test, 1, NULL));
    if (full.target) WNI_TRY(wn_pool_check(ctx, full.target, 1, NULL));
    ops = method->ops;
    WNI_TRY(ops->run(ctx, &full, params, out));
done:
    return st;
}

/* ---- files ----------------------------------------------------------------------------------- */

typedef struct opened {
    wn_measure_input in;
    wni_chosen_list chosen;
    wn_labels *labels, *groups, *test_labels;
    wn_tree *tree;
    wn_graph *graph;
    wn_pool *test, *target;
    wn_scores *scores;
    int64_t *heldout;
} opened;

static void close_inputs(wn_ctx *ctx, opened *o)
{
    wni_chosen_free(ctx, &o->chosen);
    wn_labels_free(o->labels);
    wn_labels_free(o->groups);
    wn_labels_free(o->test_labels);
    wn_tree_free(o->tree);
    wn_graph_free(o->graph);
    wn_pool_free(o->test);
    wn_pool_free(o->target);
    wn_scores_free(o->scores);
    wni_free(ctx, o->heldout);
}

/* Of the pool, else of the first input that has an entry for each row. */
static int64_t rows_so_far(const opened *o)
{
    if (o->in.pool) return wn_pool_rows(o->in.pool);
    if (o->labels) return o->labels->n;
    return o->groups ? o->groups->n : -1;
}

static wn_status open_inputs(wni_run *run, opened *o)
{
    int64_t dim = run->pool ? wn_pool_dim(run->pool) : -1, n;
    wn_status st;

    o->in.struct_size = sizeof o->in;
    o->in.pool = run->pool;
    WNI_TRY(wni_run_labels(run, "labels", rows_so_far(o), &o->labels));
    WNI_TRY(wni_run_labels(run, "groups", rows_so_far(o), &o->groups));
    n = rows_so_far(o);
    if (n < 0) {
        st = wni_fail(run->ctx, WN_E_USAGE,
                      "measure %s: give the pool, or --labels with one class per row",
                      run->method->name);
        goto done;
    }
    WNI_TRY(wni_run_tree(run, "tree", n, &o->tree));
    WNI_TRY(wni_run_graph(run, "graph", n, &o->graph));
    WNI_TRY(wni_run_pool(run, "test", -1, dim, 0, &o->test));
    WNI_TRY(wni_run_pool(run, "target", -1, dim, 0, &o->target));
    WNI_TRY(wni_run_scores(run, "scores", n, &o->scores));
    WNI_TRY(
        wni_run_labels(run, "test-labels", o->test ? wn_pool_rows(o->test) : -1, &o->test_labels));
    WNI_TRY(wni_run_rows(run, "heldout", n, &o->heldout, &o->in.n_heldout));
    if (run->input(run, "selection"))
        WNI_TRY(wni_chosen_load(run->ctx, run->input(run, "selection"), n, &o->chosen));
    o->in.n = n;
    o->in.chosen = o->chosen.v;
    o->in.n_chosen = o->chosen.n;
    o->in.labels = o->labels;
    o->in.groups = o->groups;
    o->in.tree = o->tree;
    o->in.graph = o->graph;
    o->in.test = o->test;
    o->in.target = o->target;
    o->in.scores = o->scores;
    o->in.test_labels = o->test_labels;
    o->in.heldout = o->heldout;
done:
    return st;
}

static wn_status family_run(wni_run *run)
{
    const wn_measure_ops *ops;
    wn_measurement *measurement = NULL;
    opened o = {0};
    wn_status st;

    WNI_TRY(open_inputs(run, &o));
    WNI_TRY(check_input(run->ctx, run->method, &o.in, run->params, &run->estimate));
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(run->ctx, run->pool, run->method, &run->estimate));
    ops = run->method->ops;
    WNI_TRY(ops->run(run->ctx, &o.in, run->params, &measurement));
    WNI_TRY(wni_measurement_write(run, measurement));
done:
    wn_measurement_free(measurement);
    close_inputs(run->ctx, &o);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 0, "the rows: .npy and other vector files, see `winnow info`"},
    {"selection", "rows", 0,
     "the selection: a folder with rows.npy, an .npy of row numbers, or a folder of several of "
     "them"},
    {"labels", "labels", 0, "a class per row: .npy of integers, or TABLE:COLUMN"},
    {"tree", "tree", 0, "folder that `winnow cluster` or `winnow curate` made from these rows"},
    {"groups", "labels", 0, "a partition of the rows: .npy of integers, or TABLE:COLUMN"},
    {"graph", "graph", 0, "folder that `winnow graph` made from these rows"},
    {"heldout", "rows", 0, "rows of the pool to judge on; no selection may have them"},
    {"test", "pool", 0, "other vectors to judge on, in place of --heldout"},
    {"test-labels", "labels", 0, "a class per row of --test"},
    {"target", "pool", 0, "vectors that are known to be of one component of the pool"},
    {"scores", "scores", 0,
     "per row the most that the chance can be that it is of the component, 0 to 1"}};

const wn_family wni_family_measure = {
    .name = "measure",
    .summary = "numbers about a selection, a partition or a graph",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)family_run,
};
