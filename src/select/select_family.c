/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `select`: the checks that every method shares, the files of a run.
 */
#include <string.h>

#include "base/param.h"
#include "pool/inputs.h"
#include "pool/pool_use.h"
#include "pool/tree_io.h"
#include "select/select_rows.h"
#include "winnow/select.h"

extern const wn_family wni_family_select;

static wn_status check_length(wn_ctx *ctx, const wn_method *method, const char *what, int64_t found,
                              int64_t n)
{
    if (found == n) return WN_OK;
    return wni_fail(ctx, WN_E_DATA, "select %s: the %s of %lld rows, expected %lld rows",
                    method->name, what, (long long)found, (long long)n);
}

/* What is there must be over the same rows, whatever the method needs of it. */
static wn_status check_lengths(wn_ctx *ctx, const wn_method *method, const wn_select_input *in,
                               int64_t n)
{
    wn_status st = WN_OK;

    if (in->tree) WNI_TRY(check_length(ctx, method, "tree is", in->tree->level[0]->n, n));
    if (in->scores) WNI_TRY(check_length(ctx, method, "scores are", in->scores->n, n));
    if (in->groups) WNI_TRY(check_length(ctx, method, "groups are", in->groups->n, n));
    if (in->labels) WNI_TRY(check_length(ctx, method, "labels are", in->labels->n, n));
    if (in->graph) WNI_TRY(check_length(ctx, method, "graph is", in->graph->n, n));
    if (in->losses) WNI_TRY(check_length(ctx, method, "losses are", wn_pool_rows(in->losses), n));
    if (in->scorers)
        WNI_TRY(check_length(ctx, method, "scorers are", wn_pool_rows(in->scorers), n));
    if (in->target && in->target_labels)
        WNI_TRY(check_length(ctx, method, "target labels are", in->target_labels->n,
                             wn_pool_rows(in->target)));
    if (in->target && in->pool && wn_pool_dim(in->target) != wn_pool_dim(in->pool))
        return wni_fail(
            ctx, WN_E_DATA, "select %s: the target has rows of %lld columns, the pool of %lld",
            method->name, (long long)wn_pool_dim(in->target), (long long)wn_pool_dim(in->pool));
    for (int64_t i = 0; in->rows && i < in->n_rows; i++)
        if (in->rows[i] < (i ? in->rows[i - 1] + 1 : 0) || in->rows[i] >= n)
            return wni_fail(ctx, WN_E_DATA,
                            "select %s: entry %lld of the trusted rows is %lld, expected ascending "
                            "rows below %lld",
                            method->name, (long long)i, (long long)in->rows[i], (long long)n);
done:
    return st;
}

static const void *input_of(const wn_select_input *in, const char *name)
{
    const struct {
        const char *name;
        const void *at;
    } all[] = {
        {"pool", in->pool},      {"tree", in->tree},     {"scores", in->scores},
        {"groups", in->groups},  {"labels", in->labels}, {"graph", in->graph},
        {"target", in->target},  {"losses", in->losses}, {"scorers", in->scorers},
        {"trusted", in->rows},   {"quota", in->quota},   {"target-labels", in->target_labels},
        {"updates", in->updates}};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) return all[i].at;
    return NULL;
}

static wn_status check_input(wn_ctx *ctx, const wn_method *method, const wn_select_input *in,
                             const void *params, wn_estimate *estimate)
{
    const wn_family *family = &wni_family_select;
    const wn_select_ops *ops;
    wn_status st;

    if (!method || strcmp(method->family, "select") != 0)
        return wni_fail(ctx, WN_E_USAGE, "select: found a method of %s, expected one of select",
                        method ? method->family : "no family");
    for (int32_t i = 0; i < family->n_inputs; i++)
        if (wn_method_takes(method, &family->inputs[i]) == WN_TAKES_REQUIRED &&
            !input_of(in, family->inputs[i].name))
            return wni_fail(ctx, WN_E_USAGE, "select %s: no %s is given", method->name,
                            family->inputs[i].name);
    if (in->pool && in->tree)
        WNI_TRY(wni_tree_check(ctx, in->tree, wn_pool_rows(in->pool), wn_pool_dim(in->pool)));
    WNI_TRY(check_lengths(ctx, method, in, wni_select_rows(in)));
    ops = method->ops;
    WNI_TRY(ops->estimate(ctx, in, params, estimate));
done:
    return st;
}

wn_status wn_select_run(wn_ctx *ctx, const wn_method *method, const wn_select_input *given,
                        const void *params, wn_selection **out)
{
    const wn_select_ops *ops;
    const wn_select_input *in;
    wn_select_input full = {0}; /* of an older caller the fields that it did not know are zero */
    wn_estimate estimate;
    wn_status st;

    *out = NULL;
    if (given) memcpy(&full, given, (size_t)wni_min(given->struct_size, sizeof full));
    in = &full;
    WNI_TRY(check_input(ctx, method, in, params, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, in->pool, method, &estimate));
    if (in->pool) WNI_TRY(wn_pool_check(ctx, in->pool, 1, NULL));
    if (in->target) WNI_TRY(wn_pool_check(ctx, in->target, 1, NULL));
    if (in->losses) WNI_TRY(wn_pool_check(ctx, in->losses, 1, NULL));
    if (in->scorers) WNI_TRY(wn_pool_check(ctx, in->scorers, 1, NULL));
    ops = method->ops;
    WNI_TRY(ops->run(ctx, in, params, out));
done:
    return st;
}

/* ---- files ----------------------------------------------------------------------------------- */

static wn_status write_files(wni_run *run, const wn_selection *s)
{
    wn_status st;

    WNI_TRY(wni_out_npy(run->out, "rows.npy", "<i8", sizeof *s->rows, &s->size, 1, s->rows));
    WNI_TRY(
        wni_out_npy(run->out, "weights.npy", "<f4", sizeof *s->weights, &s->size, 1, s->weights));
    WNI_TRY(wni_out_npy(run->out, "why.npy", WN_WHY_DESCR, sizeof *s->why, &s->n, 1, s->why));
done:
    return st;
}

static wn_status record_notes(wni_run *run, const wn_selection *s)
{
    wn_status st = WN_OK;

    for (int64_t i = 0; i < s->n_notes; i++) {
        const wn_note *note = &s->notes[i];
        if (note->name && note->whole)
            st = wni_record_int_of(run, note->key, note->name, (int64_t)note->value);
        else if (note->name)
            st = wni_record_real_of(run, note->key, note->name, note->value);
        else if (note->whole)
            st = wni_record_int(run, note->key, (int64_t)note->value);
        else
            st = wni_record_real(run, note->key, note->value);
        WNI_TRY(st);
    }
done:
    return st;
}

/* How the selection lies over the groups that its rows name (clusters, classes). */
static wn_status record(wni_run *run, const wn_selection *s)
{
    int64_t *quota = NULL, unique = 0, touched = 0, groups = 0, k = 0;
    int64_t smallest = INT64_MAX, largest = 0;
    wn_status st;

    for (int64_t i = 0; i < s->n; i++) {
        unique += s->why[i].copies > 0;
        k = wni_max(k, s->why[i].cluster + 1);
    }
    WNI_TRY(wni_record_int(run, "rows", s->n));
    WNI_TRY(wni_record_int(run, "selected", s->size));
    WNI_TRY(wni_record_int(run, "unique", unique));
    WNI_TRY(record_notes(run, s));
    if (k == 0) goto done;
    WNI_NEW(run->ctx, quota, k);
    for (int64_t c = 0; c < k; c++)
        quota[c] = -1; /* a group without rows has no quota */
    for (int64_t i = 0; i < s->n; i++) {
        int32_t c = s->why[i].cluster;
        if (c >= 0) quota[c] = wni_max(quota[c], 0) + s->why[i].copies;
    }
    for (int64_t c = 0; c < k; c++) {
        if (quota[c] < 0) continue;
        groups++;
        touched += quota[c] > 0;
        smallest = wni_min(smallest, quota[c]);
        largest = wni_max(largest, quota[c]);
    }
    WNI_TRY(wni_record_int(run, "clusters", groups));
    WNI_TRY(wni_record_int(run, "clusters_touched", touched));
    WNI_TRY(wni_record_int(run, "smallest_quota", wni_min(smallest, largest)));
    WNI_TRY(wni_record_int(run, "largest_quota", largest));
done:
    wni_free(run->ctx, quota);
    return st;
}

/* Every input of a run, opened; the input struct points into it. */
typedef struct opened {
    wn_select_input in;
    wn_tree *tree;
    wn_scores *scores;
    wn_labels *groups, *labels, *target_labels;
    wn_graph *graph;
    wn_pool *target, *losses, *scorers;
    int64_t *rows, *quota, *updates;
} opened;

static void close_inputs(wn_ctx *ctx, opened *o)
{
    wn_tree_free(o->tree);
    wn_scores_free(o->scores);
    wn_labels_free(o->groups);
    wn_labels_free(o->labels);
    wn_labels_free(o->target_labels);
    wn_graph_free(o->graph);
    wn_pool_free(o->target);
    wn_pool_free(o->losses);
    wn_pool_free(o->scorers);
    wni_free(ctx, o->rows);
    wni_free(ctx, o->quota);
    wni_free(ctx, o->updates);
}

/* The rows to choose from: of the pool, else of the first input that has one entry for each. */
static int64_t rows_so_far(const opened *o)
{
    if (o->in.pool) return wn_pool_rows(o->in.pool);
    if (o->scores) return o->scores->n;
    if (o->losses) return wn_pool_rows(o->losses);
    if (o->graph) return o->graph->n;
    if (o->groups) return o->groups->n;
    if (o->labels) return o->labels->n;
    if (o->scorers) return wn_pool_rows(o->scorers);
    return -1;
}

static wn_status open_inputs(wni_run *run, opened *o)
{
    int64_t dim = run->pool ? wn_pool_dim(run->pool) : -1;
    wn_status st;

    o->in.struct_size = sizeof o->in;
    o->in.pool = run->pool;
    WNI_TRY(wni_run_scores(run, "scores", rows_so_far(o), &o->scores));
    WNI_TRY(wni_run_pool(run, "losses", rows_so_far(o), -1, 1, &o->losses));
    WNI_TRY(wni_run_labels(run, "groups", rows_so_far(o), &o->groups));
    WNI_TRY(wni_run_labels(run, "labels", rows_so_far(o), &o->labels));
    WNI_TRY(wni_run_pool(run, "scorers", rows_so_far(o), -1, 1, &o->scorers));
    WNI_TRY(wni_run_graph(run, "graph", rows_so_far(o), &o->graph));
    if (run->input(run, "tree")) {
        if (rows_so_far(o) < 0)
            return wni_fail(run->ctx, WN_E_USAGE,
                            "select %s: --tree needs the pool that it was made from, or scores",
                            run->method->name);
        WNI_TRY(wni_run_tree(run, "tree", rows_so_far(o), &o->tree));
    }
    WNI_TRY(wni_run_pool(run, "target", -1, dim, 0, &o->target));
    WNI_TRY(wni_run_labels(run, "target-labels", o->target ? wn_pool_rows(o->target) : -1,
                           &o->target_labels));
    if (rows_so_far(o) >= 0)
        WNI_TRY(wni_run_rows(run, "trusted", rows_so_far(o), &o->rows, &o->in.n_rows));
    WNI_TRY(wni_run_ints(run, "quota", &o->quota, &o->in.n_quota));
    WNI_TRY(wni_run_ints(run, "updates", &o->updates, &o->in.n_updates));
    o->in.n = rows_so_far(o);
    o->in.tree = o->tree;
    o->in.scores = o->scores;
    o->in.groups = o->groups;
    o->in.labels = o->labels;
    o->in.graph = o->graph;
    o->in.target = o->target;
    o->in.target_labels = o->target_labels;
    o->in.losses = o->losses;
    o->in.scorers = o->scorers;
    o->in.rows = o->rows;
    o->in.quota = o->quota;
    o->in.updates = o->updates;
done:
    return st;
}

static wn_status family_run(wni_run *run)
{
    const wn_select_ops *ops;
    wn_selection *selection = NULL;
    opened o = {0};
    wn_status st;

    WNI_TRY(open_inputs(run, &o));
    WNI_TRY(check_input(run->ctx, run->method, &o.in, run->params, &run->estimate));
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(run->ctx, run->pool, run->method, &run->estimate));
    ops = run->method->ops;
    WNI_TRY(ops->run(run->ctx, &o.in, run->params, &selection));
    WNI_TRY(write_files(run, selection));
    WNI_TRY(record(run, selection));
    if (selection->size == 0) WNI_TRY(wni_record_warn(run, "no row was selected"));
done:
    wn_selection_free(selection);
    close_inputs(run->ctx, &o);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 0, "the rows: .npy and other vector files, see `winnow info`"},
    {"tree", "tree", 0, "folder that `winnow cluster` or `winnow curate` made from these rows"},
    {"scores", "scores", 0,
     "one number per row, higher = keep: folder of `winnow score`, .npy, or TABLE:COLUMN"},
    {"groups", "labels", 0, "what the budget is shared over: .npy of integers, or TABLE:COLUMN"},
    {"labels", "labels", 0, "a class per row: .npy of integers, or TABLE:COLUMN"},
    {"graph", "graph", 0, "folder that `winnow graph` made from these rows"},
    {"target", "pool", 0, "vectors of what the selection should look like"},
    {"target-labels", "labels", 0, "a class per row of the target"},
    {"losses", "matrix", 0, "one row per row of the pool, one column per epoch"},
    {"scorers", "matrix", 0, "one row per row of the pool, one column per score"},
    {"trusted", "rows", 0, "rows of the pool that are known to be good"},
    {"quota", "ints", 0, "rows to take from each group: .npy of integers, or TABLE:COLUMN"},
    {"updates", "ints", 0,
     "what comes and goes, in order: r inserts row r, -(r + 1) deletes it; .npy of integers"}};

const wn_family wni_family_select = {
    .name = "select",
    .summary = "choose the rows to train on",
    .default_method = "balanced",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)family_run,
};
