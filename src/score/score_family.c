/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `score`: the checks that every method shares, the inputs and files of a run.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/param.h"
#include "base/strbuf.h"
#include "pool/inputs.h"
#include "pool/pool_use.h"
#include "pool/tree_io.h"
#include "score/score_impl.h"

extern const wn_family wni_family_score;

static const wn_score_ops *ops_of(const wn_method *method)
{
    return method->ops;
}

/* ---- checks ----------------------------------------------------------------------------------------- */

/* The rows to score: of the pool, else of the first input that has one entry for each; -1 = of none. */
static int64_t rows_of(const wn_score_input *in)
{
    if (in->pool) return wn_pool_rows(in->pool);
    if (in->graph) return in->graph->n;
    if (in->probs) return wn_pool_rows(in->probs);
    if (in->losses) return wn_pool_rows(in->losses);
    if (in->scores) return in->scores->n;
    if (in->labels) return in->labels->n;
    if (in->tree && in->tree->levels > 0) return in->tree->level[0]->n;
    return -1;
}

static wn_status check_length(wn_ctx *ctx, const wn_method *method, const char *what, int64_t found,
                              int64_t n)
{
    if (found == n) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "score %s: the %s of %lld rows, expected %lld: give what was made from these "
                    "rows",
                    method->name, what, (long long)found, (long long)n);
}

/* What is there must be over the same rows, whatever the method needs of it. */
static wn_status check_lengths(wn_ctx *ctx, const wn_method *method, const wn_score_input *in)
{
    const int64_t n = in->n;
    wn_status st = WN_OK;

    if (in->pool && in->tree) WNI_TRY(wni_tree_check(ctx, in->tree, n, wn_pool_dim(in->pool)));
    if (in->graph) WNI_TRY(check_length(ctx, method, "graph is", in->graph->n, n));
    if (in->labels) WNI_TRY(check_length(ctx, method, "labels are", in->labels->n, n));
    if (in->scores) WNI_TRY(check_length(ctx, method, "scores are", in->scores->n, n));
    if (in->probs)
        WNI_TRY(check_length(ctx, method, "probabilities are", wn_pool_rows(in->probs), n));
    if (in->losses) WNI_TRY(check_length(ctx, method, "losses are", wn_pool_rows(in->losses), n));
    if (in->target && in->pool && wn_pool_dim(in->target) != wn_pool_dim(in->pool))
        return wni_fail(
            ctx, WN_E_DATA, "score %s: the target has rows of %lld columns, the pool of %lld",
            method->name, (long long)wn_pool_dim(in->target), (long long)wn_pool_dim(in->pool));
    for (int64_t i = 0; in->rows && i < in->n_rows; i++)
        if (in->rows[i] < (i ? in->rows[i - 1] + 1 : 0) || in->rows[i] >= n)
            return wni_fail(ctx, WN_E_DATA,
                            "score %s: entry %lld of the trusted rows is %lld, expected ascending "
                            "rows below %lld",
                            method->name, (long long)i, (long long)in->rows[i], (long long)n);
done:
    return st;
}

static const void *input_of(const wn_score_input *in, const char *name)
{
    const struct {
        const char *name;
        const void *at;
    } all[] = {{"pool", in->pool},     {"tree", in->tree},     {"graph", in->graph},
               {"target", in->target}, {"labels", in->labels}, {"probs", in->probs},
               {"losses", in->losses}, {"trusted", in->rows},  {"scores", in->scores}};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) return all[i].at;
    return NULL;
}

/* Fills in->n. */
static wn_status check_input(wn_ctx *ctx, const wn_method *method, wn_score_input *in,
                             const void *params, wn_estimate *estimate)
{
    const wn_family *family = &wni_family_score;
    wn_status st = WN_OK;

    for (int32_t i = 0; i < family->n_inputs; i++)
        if (wn_method_takes(method, &family->inputs[i]) == WN_TAKES_REQUIRED &&
            !input_of(in, family->inputs[i].name))
            return wni_fail(ctx, WN_E_USAGE, "score %s: no %s is given", method->name,
                            family->inputs[i].name);
    if (rows_of(in) >= 0) in->n = rows_of(in);
    WNI_TRY(check_lengths(ctx, method, in));
    WNI_TRY(ops_of(method)->estimate(ctx, in, params, estimate));
done:
    return st;
}

/* Asks for the memory, scores, and checks that every score is a number. */
static wn_status run_checked(wn_ctx *ctx, const wn_method *method, const wn_score_input *in,
                             const void *params, const wn_estimate *estimate, wn_scores **out)
{
    char what[128];
    wn_status st;

    snprintf(what, sizeof what, "score %s", method->name);
    WNI_TRY(wni_pool_need_run(ctx, in->pool, method, estimate));
    WNI_TRY(ops_of(method)->run(ctx, in, params, out));
    for (int64_t i = 0; i < (*out)->n; i++)
        if (!isfinite((*out)->v[i])) {
            st = wni_fail(ctx, WN_E_DATA,
                          "%s: row %lld gets the score %g, which is no finite number of float32: "
                          "scale the values down",
                          what, (long long)i, (double)(*out)->v[i]);
            wn_scores_free(*out);
            *out = NULL;
            goto done;
        }
done:
    return st;
}

wn_status wn_score_run(wn_ctx *ctx, const wn_method *method, const wn_score_input *given,
                       const void *params, wn_scores **out)
{
    wn_score_input in = {0}; /* of an older caller the fields that it did not know are zero */
    const wn_pool *pools[4];
    wn_estimate estimate = {0};
    void *complete = NULL;
    wn_status st;

    *out = NULL;
    if (!method || strcmp(method->family, "score") != 0)
        return wni_fail(ctx, WN_E_USAGE, "wn_score_run: not a method of the family score");
    if (!given || given->struct_size < offsetof(wn_score_input, tree))
        return wni_fail(ctx, WN_E_USAGE, "wn_score_input: struct_size is not set");
    memcpy(&in, given, given->struct_size < sizeof in ? given->struct_size : sizeof in);
    if (!(complete = wni_alloc(ctx, 1, method->params_bytes))) return WN_E_NOMEM;
    WNI_TRY(wni_params_complete(ctx, method, params, complete));
    WNI_TRY(check_input(ctx, method, &in, complete, &estimate));
    pools[0] = in.pool;
    pools[1] = in.target;
    pools[2] = in.probs;
    pools[3] = in.losses;
    for (int i = 0; i < 4; i++)
        if (pools[i]) WNI_TRY(wn_pool_check(ctx, pools[i], 1, NULL));
    WNI_TRY(run_checked(ctx, method, &in, complete, &estimate, out));
done:
    wni_free(ctx, complete);
    return st;
}

/* ---- from files to a folder ------------------------------------------------------------------------- */

/* Every input of a run, opened; the input struct points into it. */
typedef struct opened {
    wn_score_input in;
    wn_tree *tree;
    wn_graph *graph;
    wn_pool *target, *probs, *losses;
    wn_labels *labels;
    wn_scores *scores;
    int64_t *rows;
} opened;

static void close_inputs(wn_ctx *ctx, opened *o)
{
    wn_tree_free(o->tree);
    wn_graph_free(o->graph);
    wn_pool_free(o->target);
    wn_pool_free(o->probs);
    wn_pool_free(o->losses);
    wn_labels_free(o->labels);
    wn_scores_free(o->scores);
    wni_free(ctx, o->rows);
}

static wn_status open_inputs(wni_run *run, opened *o)
{
    const int64_t dim = run->pool ? wn_pool_dim(run->pool) : -1;
    wn_score_input *in = &o->in;
    wn_status st;

    in->struct_size = sizeof *in;
    in->pool = run->pool;
    WNI_TRY(wni_run_graph(run, "graph", rows_of(in), &o->graph));
    in->graph = o->graph;
    WNI_TRY(wni_run_pool(run, "probs", rows_of(in), -1, 1, &o->probs));
    in->probs = o->probs;
    WNI_TRY(wni_run_pool(run, "losses", rows_of(in), -1, 1, &o->losses));
    in->losses = o->losses;
    WNI_TRY(wni_run_scores(run, "scores", rows_of(in), &o->scores));
    in->scores = o->scores;
    WNI_TRY(wni_run_labels(run, "labels", rows_of(in), &o->labels));
    in->labels = o->labels;
    WNI_TRY(wni_run_pool(run, "target", -1, dim, 0, &o->target));
    in->target = o->target;
    if (run->pool) WNI_TRY(wni_run_tree(run, "tree", rows_of(in), &o->tree));
    in->tree = o->tree;
    if (rows_of(in) >= 0) WNI_TRY(wni_run_rows(run, "trusted", rows_of(in), &o->rows, &in->n_rows));
    in->rows = o->rows;
done:
    return st;
}

/* One word per line, in the order of their numbers. */
static wn_status write_words(wni_run *run, const char *name, const char *const *words, int32_t n)
{
    char *text = NULL;
    wni_str lines;
    wn_status st;

    wni_str_init(&lines, run->ctx);
    for (int32_t i = 0; i < n; i++)
        wni_str_addf(&lines, "%s\n", words[i]);
    WNI_TRY(wni_str_take(&lines, &text));
    WNI_TRY(wni_out_text(run->out, name, text));
done:
    wni_free(run->ctx, text);
    return st;
}

/* A name as a field of CSV. */
static void add_field(wni_str *text, const char *name)
{
    if (!strpbrk(name, "\",\r\n")) {
        wni_str_add(text, name);
        return;
    }
    wni_str_add(text, "\"");
    for (; *name; name++)
        wni_str_addf(text, *name == '"' ? "\"\"" : "%c", *name);
    wni_str_add(text, "\"");
}

static wn_status write_classes(wni_run *run, const wn_scores *s, const wn_labels *labels)
{
    char *text = NULL;
    wni_str csv;
    wn_status st;

    wni_str_init(&csv, run->ctx);
    wni_str_add(&csv, "class,rows,issues,noise,accuracy,threshold,confused_with,confused_rows\n");
    for (int32_t c = 0; c < s->n_classes; c++) {
        const wn_class_report *r = &s->per_class[c];
        add_field(&csv, labels->names[c]);
        wni_str_addf(&csv, ",%lld,%lld,%.6f,%.6f,%.6f,", (long long)r->rows, (long long)r->issues,
                     r->noise, r->accuracy, r->threshold);
        if (r->confused_with >= 0) add_field(&csv, labels->names[r->confused_with]);
        wni_str_addf(&csv, ",%lld\n", (long long)r->confused_rows);
    }
    WNI_TRY(wni_str_take(&csv, &text));
    WNI_TRY(wni_out_text(run->out, "classes.csv", text));
done:
    wni_free(run->ctx, text);
    return st;
}

static wn_status write_files(wni_run *run, const wn_scores *s, const wn_labels *labels)
{
    wn_status st;

    WNI_TRY(wni_out_npy(run->out, "scores.npy", "<f4", sizeof *s->v, &s->n, 1, s->v));
    if (s->flags) {
        WNI_TRY(wni_out_npy(run->out, "flags.npy", "|u1", 1, &s->n, 1, s->flags));
        WNI_TRY(write_words(run, "flags.txt", s->flag_names, s->n_flags));
    }
    if (s->suggested) {
        WNI_TRY(wni_out_npy(run->out, "suggested.npy", "<i4", sizeof *s->suggested, &s->n, 1,
                            s->suggested));
        if (labels)
            WNI_TRY(write_words(run, "classes.txt", (const char *const *)labels->names,
                                labels->classes));
    }
    if (s->per_class && labels) WNI_TRY(write_classes(run, s, labels));
done:
    return st;
}

static wn_status record(wni_run *run, const wn_scores *s)
{
    int64_t count[256] = {0};
    float min = INFINITY, max = -INFINITY;
    double sum = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < s->n; i++) {
        min = fminf(min, s->v[i]);
        max = fmaxf(max, s->v[i]);
        sum += (double)s->v[i];
        if (s->flags) count[s->flags[i]]++;
    }
    WNI_TRY(wni_record_int(run, "rows", s->n));
    if (s->n > 0) {
        WNI_TRY(wni_record_real(run, "min", (double)min));
        WNI_TRY(wni_record_real(run, "mean", sum / (double)s->n));
        WNI_TRY(wni_record_real(run, "max", (double)max));
    }
    for (int32_t i = 0; s->flags && i < s->n_flags; i++) {
        char key[64];
        snprintf(key, sizeof key, "flags.%s", s->flag_names[i]);
        WNI_TRY(wni_record_int(run, key, count[i]));
    }
    for (int32_t i = 0; i < s->n_notes; i++)
        WNI_TRY(s->notes[i].whole ? wni_record_int(run, s->notes[i].key, (int64_t)s->notes[i].value)
                                  : wni_record_real(run, s->notes[i].key, s->notes[i].value));
done:
    return st;
}

static wn_status family_run(wni_run *run)
{
    wn_scores *scores = NULL;
    opened o = {0};
    wn_status st;

    WNI_TRY(open_inputs(run, &o));
    WNI_TRY(check_input(run->ctx, run->method, &o.in, run->params, &run->estimate));
    if (run->plan) goto done;
    WNI_TRY(run_checked(run->ctx, run->method, &o.in, run->params, &run->estimate, &scores));
    WNI_TRY(write_files(run, scores, o.labels));
    WNI_TRY(record(run, scores));
done:
    wn_scores_free(scores);
    close_inputs(run->ctx, &o);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 0, "the rows: .npy and other vector files, see `winnow info`"},
    {"tree", "tree", 0, "folder that `winnow cluster` or `winnow curate` made from these rows"},
    {"graph", "graph", 0, "folder that `winnow graph` made from these rows"},
    {"target", "pool", 0, "vectors of what the pool should look like"},
    {"labels", "labels", 0, "a class per row: .npy of integers, or TABLE:COLUMN"},
    {"probs", "matrix", 0, "out-of-fold probabilities: a row per row, a column per class"},
    {"losses", "matrix", 0, "a row per row of the pool, a column per epoch"},
    {"trusted", "rows", 0, "rows of the pool that are known to be good: .npy of row numbers"},
    {"scores", "scores", 0,
     "one number per row: .npy, a folder of `winnow score`, or TABLE:COLUMN"}};

const wn_family wni_family_score = {
    .name = "score",
    .summary = "give every row a number: higher = keep",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)family_run,
};
