/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a job: inputs checked and opened, the family's run, the manifest, the output put in place.
 */
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "io/folder_lock.h"
#include "io/folder_ops.h"
#include "io/memfolder.h"
#include "registry/job_impl.h"
#include "registry/record.h"

/* ---- what the run asks ---------------------------------------------------------------------------- */

/* The first that was given under this name, or NULL. */
static const wni_job_path *find_given(const wn_job *job, const char *name)
{
    for (int32_t i = 0; i < job->n_input; i++)
        if (strcmp(job->input[i].name, name) == 0) return &job->input[i];
    return NULL;
}

static const char *run_input(const wni_run *run, const char *name)
{
    const wni_job_path *given = find_given(run->job, name);

    return given ? given->path : NULL;
}

static const wn_pool *run_pool_input(const wni_run *run, const char *name)
{
    const wni_job_path *given = find_given(run->job, name);

    return given ? given->pool : NULL;
}

static const char *run_option(const wni_run *run, const char *name)
{
    for (int i = 0; i < WNI_OPT_COUNT; i++)
        if (strcmp(wni_option_names[i], name) == 0) return run->job->option[i];
    return NULL;
}

static int32_t times_given(const wn_job *job, const char *name)
{
    int32_t given = 0;

    for (int32_t j = 0; j < job->n_input; j++)
        given += strcmp(job->input[j].name, name) == 0;
    return given;
}

/* Of the inputs that `want` shares its token with ("tree|groups") exactly one must be there. */
static wn_status check_one_of(const wn_job *job, const wn_family_input *want)
{
    size_t length, other;
    const char *token = wni_method_token(job->method, want, &length);
    int32_t given = 0;

    for (int32_t i = 0; i < job->family->n_inputs; i++)
        if (wni_method_token(job->method, &job->family->inputs[i], &other) == token)
            given += times_given(job, job->family->inputs[i].name);
    if (given == 1) return WN_OK;
    return wni_fail(job->ctx, WN_E_USAGE,
                    "%s %s: found %d of the inputs %.*s, expected one of them", job->family->name,
                    job->method->name, given, (int)length, token);
}

static wn_status check_inputs(const wn_job *job)
{
    wn_status st = WN_OK;

    for (int32_t i = 0; i < job->family->n_inputs; i++) {
        const wn_family_input *want = &job->family->inputs[i];
        wn_takes takes = wn_method_takes(job->method, want);
        bool pool = strcmp(want->name, "pool") == 0;
        int32_t given = times_given(job, want->name);
        if (takes == WN_TAKES_NOT && given)
            return wni_fail(job->ctx, WN_E_USAGE, "%s %s does not read %s%s; leave it out",
                            job->family->name, job->method->name, pool ? "a pool" : "--",
                            pool ? "" : want->name);
        if (takes == WN_TAKES_REQUIRED && given == 0)
            return wni_fail(job->ctx, WN_E_USAGE, "%s %s: no %s; give %s%s", job->family->name,
                            job->method->name, pool ? "input" : want->name,
                            pool ? "at least one file" : "--", pool ? "" : want->name);
        if (takes == WN_TAKES_ONE_OF) WNI_TRY(check_one_of(job, want));
        if (!pool && given > 1)
            return wni_fail(job->ctx, WN_E_USAGE, "%s %s: --%s stands %d times, expected once",
                            job->family->name, job->method->name, want->name, (int)given);
    }
done:
    return st;
}

/* The kinds in which the positional input may come: "pool", "text", "pool|text", "files"; "" = none. */
static const char *pool_kind(const wn_job *job, char *buf, size_t bytes)
{
    const wn_family_input *want = wni_job_find_input(job->family, "pool");

    if (want && wn_method_takes(job->method, want) != WN_TAKES_NOT)
        return wn_method_kind(job->method, want, buf, bytes);
    if (bytes) buf[0] = 0;
    return buf;
}

int wni_job_takes_files(const wn_job *job, const char *name)
{
    char kind[64];

    return strcmp(name, "pool") == 0 && strcmp(pool_kind(job, kind, sizeof kind), "files") == 0;
}

/* A pool in memory under the metric that was asked for, else its own. */
static wn_status open_array(wn_job *job, wni_run *run)
{
    const wn_pool *pool = run_pool_input(run, "pool");
    const char *metric = job->option[WNI_OPT_METRIC];
    char kind[64];

    if (!strstr(pool_kind(job, kind, sizeof kind), "pool"))
        return wni_fail(job->ctx, WN_E_USAGE, "%s %s does not read vectors", job->family->name,
                        job->method->name);
    return wn_pool_with_metric(
        job->ctx, pool, metric ? (wn_metric)wn_metric_from_name(metric) : wn_pool_metric(pool),
        &run->pool);
}

static wn_status open_vectors(wn_job *job, wni_run *run)
{
    wn_pool_options opt;

    wn_pool_options_init(&opt);
    if (job->option[WNI_OPT_METRIC]) opt.metric = wn_metric_from_name(job->option[WNI_OPT_METRIC]);
    if (job->option[WNI_OPT_DTYPE]) opt.dtype = wn_dtype_from_name(job->option[WNI_OPT_DTYPE]);
    /* Of a file that says its width this must agree; only a raw one needs it. */
    if (job->option[WNI_OPT_DIM]) opt.dim = strtoll(job->option[WNI_OPT_DIM], NULL, 10);
    if (job->option[WNI_OPT_ROWS]) opt.rows = strtoll(job->option[WNI_OPT_ROWS], NULL, 10);
    opt.member = job->option[WNI_OPT_MEMBER];
    return wn_pool_open(job->ctx, run->pool_paths, run->n_pool_paths, &opt, &run->pool);
}

/* Options that text input would pass over in silence. */
static wn_status check_text_options(const wn_job *job)
{
    static const int vectors[] = {WNI_OPT_DTYPE, WNI_OPT_ROWS, WNI_OPT_MEMBER};
    char kind[64];

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        if (job->option[vectors[i]])
            return wni_fail(job->ctx, WN_E_USAGE, "--%s is about vectors; the input is text",
                            wni_option_names[vectors[i]]);
    if (job->option[WNI_OPT_METRIC] && !strstr(pool_kind(job, kind, sizeof kind), "pool"))
        return wni_fail(job->ctx, WN_E_USAGE, "--metric is about vectors; %s compares nothing",
                        job->family->name);
    if (job->option[WNI_OPT_ID] && job->family->output_is_file)
        return wni_fail(job->ctx, WN_E_USAGE,
                        "--id: %s stores no ids; row r of its output is record r of the input",
                        job->family->name);
    return WN_OK;
}

static wn_status open_text(wn_job *job, wni_run *run)
{
    wn_table_options opt;
    char text[WN_TEXT_MAX] = "";
    const char *db = ""; /* an estimate's table is as large as the text: a file, not memory */
    wn_status st;

    if ((st = check_text_options(job)) != WN_OK) return st;
    if (!run->plan && (st = wni_out_path(run->out, "table.sqlite", &db)) != WN_OK) return st;
    wn_table_options_init(&opt);
    opt.id = job->option[WNI_OPT_ID];
    /* A column that was named is checked while the files are read, when the line is known. */
    if (wn_params_text(run->method, run->params, "text", text, sizeof text) > 0) opt.text = text;
    return wn_table_build(job->ctx, run->pool_paths, run->n_pool_paths, db, &opt, &run->table);
}

/* Opens the positional files: vectors as a pool, text as a table, whichever the family takes. */
static wn_status open_pool(wn_job *job, wni_run *run)
{
    char kind[64];
    int32_t texts = 0;

    if (run_pool_input(run, "pool")) return open_array(job, run);
    pool_kind(job, kind, sizeof kind);
    if (!kind[0] || strcmp(kind, "files") == 0 || run->n_pool_paths == 0) return WN_OK;
    for (int32_t i = 0; i < run->n_pool_paths; i++)
        texts += wn_table_is_text_path(run->pool_paths[i]);
    if (texts && texts < run->n_pool_paths)
        return wni_fail(job->ctx, WN_E_USAGE,
                        "%s and %s: text and vectors cannot be one pool; give only one kind",
                        run->pool_paths[0], run->pool_paths[run->n_pool_paths - 1]);
    if (texts && !strstr(kind, "text"))
        return wni_fail(job->ctx, WN_E_USAGE,
                        "%s: %s %s takes vectors; make them with `winnow vectorize` first",
                        run->pool_paths[0], job->family->name, job->method->name);
    if (!texts && !strstr(kind, "pool"))
        return wni_fail(job->ctx, WN_E_USAGE,
                        "%s: %s %s takes text (.jsonl .ndjson .csv .tsv, also .gz or .zst)",
                        run->pool_paths[0], job->family->name, job->method->name);
    if (job->option[WNI_OPT_ID] && !texts)
        return wni_fail(job->ctx, WN_E_USAGE,
                        "--id names a column of a text file; the input is vectors");
    return texts ? open_text(job, run) : open_vectors(job, run);
}

static wn_status expand_inputs(wn_job *job, char ***paths, int32_t *count)
{
    const wni_job_path *pool = find_given(job, "pool");
    const char **given = NULL;
    int32_t n = 0;
    wn_status st = WN_OK;

    *paths = NULL;
    *count = 0;
    if (!pool || pool->pool) return WN_OK; /* none, or an array, which has no path */
    WNI_NEW(job->ctx, given, job->n_input + 1);
    for (int32_t i = 0; i < job->n_input; i++)
        if (strcmp(job->input[i].name, "pool") == 0) given[n++] = job->input[i].path;
    WNI_TRY(wni_paths_expand(job->ctx, given, n, paths, count));
done:
    wni_free(job->ctx, given);
    return st;
}

/* A method that updates puts its output in the place of its first input, unless another is named. What it puts in
 * another's place is its own meanwhile, and killed runs have left nothing beside it. */
static wn_status take_place(wn_job *job, int *lock)
{
    const wn_family_input *first = wn_method_positional(job->method, 0);
    const wni_job_path *given = find_given(job, first->name);
    wn_status st = WN_OK;

    if (!job->output) {
        if (!given || wni_is_memory_path(given->path)) return WN_OK;
        WNI_TRY(wn_job_output(job, given->path));
        WNI_TRY(wn_job_set(job, "force", "1"));
    }
    if (wni_is_memory_path(job->output)) return WN_OK;
    WNI_TRY(wni_folder_lock(job->ctx, job->output, lock));
    if (*lock >= 0) wni_folder_sweep(job->ctx, job->output);
done:
    return st;
}

static wn_status call_family(wn_job *job, wni_run *run)
{
    wni_family_run fn;

    /* a function pointer kept in a public const void * */
    memcpy(&fn, job->method->run ? &job->method->run : &job->family->run, sizeof fn);
    return fn(run);
}

static wn_status make_summary(wn_job *job, json_t *manifest)
{
    json_t *summary = json_object();
    static const char *const keys[] = {"family",
                                       "method",
                                       "output",
                                       "isa",
                                       "threads",
                                       "memory_bytes",
                                       "seconds",
                                       "cpu_seconds",
                                       "peak_allocated_bytes",
                                       "peak_rss_bytes",
                                       "filter",
                                       "counts",
                                       "warnings"};
    json_t *seed = json_object_get(json_object_get(manifest, "params"), "seed");
    wn_status st = WN_OK;
    char *text;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_set(summary, keys[i], json_object_get(manifest, keys[i]));
    if (seed) json_object_set(summary, "seed", seed);
    text = json_dumps(summary, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(summary);
    if (!text) return wni_nomem(job->ctx, 1);
    st = wni_job_replace(job->ctx, &job->summary, text);
    free(text); /* allowed: jansson made it */
    return st;
}

/* Inputs are read more than once: for the vectors, for the lines of the selected rows, for the hashes of the
 * manifest. They must be the same all along. Into stamp (n_pool_paths + n_input), or compared with it. */
static wn_status stamp_inputs(const wn_job *job, const wni_run *run, uint64_t *stamp, bool compare)
{
    wn_status st = WN_OK;

    for (int32_t i = 0; i < run->n_pool_paths + job->n_input; i++) {
        const wni_job_path *in = &job->input[wni_max(i - run->n_pool_paths, 0)];
        const char *path = i < run->n_pool_paths ? run->pool_paths[i] : in->path;
        uint64_t now;

        /* Pool inputs may be patterns; what they stand for comes first. */
        if (i >= run->n_pool_paths &&
            (strcmp(in->name, "pool") == 0 || in->pool || wni_is_memory_path(in->path)))
            continue;
        WNI_TRY(wni_input_stamp(job->ctx, path,
                                wni_job_takes_files(job, i < run->n_pool_paths ? "pool" : in->name),
                                &now));
        if (!compare)
            stamp[i] = now;
        else if (stamp[i] != now)
            return wni_fail(job->ctx, WN_E_IO, "%s: changed while the run was going on; run again",
                            path);
    }
done:
    return st;
}

/* What the filter of the scan engine did in this run, beside the timings: nothing when it did nothing. */
static void add_filter(const wn_ctx *ctx, const wn_filter_counts *before, json_t *manifest)
{
    const wn_filter_counts now = wn_ctx_filter_counts(ctx);

    if (now.rows == before->rows && now.plain == before->plain) return;
    json_object_set_new(manifest, "filter",
                        json_pack("{s:I, s:I, s:I, s:I}", "rows",
                                  (json_int_t)(now.rows - before->rows), "verified",
                                  (json_int_t)(now.verified - before->verified), "candidates",
                                  (json_int_t)(now.candidates - before->candidates), "plain",
                                  (json_int_t)(now.plain - before->plain)));
}

/* What a plan found out beside the estimate. */
static wn_status plan_summary(wn_job *job, const wni_run *run)
{
    char *text = json_dumps(run->record, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    wn_status st = text ? wni_job_replace(job->ctx, &job->summary, text) : wni_nomem(job->ctx, 1);

    free(text); /* allowed: jansson made it */
    return st;
}

static wn_status finish(wn_job *job, wni_run *run, uint64_t *stamp, int64_t begin_ns,
                        double begin_cpu, const wn_filter_counts *begin_filter)
{
    double seconds = 1e-9 * (double)(wni_os_now_ns() - begin_ns);
    json_t *manifest = NULL;
    char *text = NULL;
    wn_status st;

    WNI_TRY(wni_manifest_make(job, run, seconds, wni_os_cpu_sec() - begin_cpu, &manifest));
    add_filter(job->ctx, begin_filter, manifest);
    WNI_TRY(stamp_inputs(job, run, stamp, true)); /* after the hashes, which read them last */
    if (!wni_out_folder(run->out)) WNI_TRY(wni_manifest_outputs(job, run, manifest));
    text = json_dumps(manifest, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    if (!text) {
        st = wni_nomem(job->ctx, 1);
        goto done;
    }
    WNI_TRY(wni_out_text(run->out, "manifest.json", text));
    WNI_TRY(make_summary(job, manifest));
done:
    free(text); /* allowed: jansson made it */
    json_decref(manifest);
    return st;
}

static wn_status run_job(wn_job *job, int plan, wn_estimate *estimate)
{
    wn_ctx *ctx = job->ctx;
    wni_run run = {.ctx = ctx, .method = job->method, .params = job->params, .job = job};
    int64_t begin_ns = wni_os_now_ns();
    double begin_cpu = wni_os_cpu_sec();
    const wn_filter_counts begin_filter = wn_ctx_filter_counts(ctx);
    char **paths = NULL;
    uint64_t *stamp = NULL;
    int lock = -1;
    bool texts;
    wn_status st;

    run.plan = plan;
    run.input = run_input;
    run.pool_input = run_pool_input;
    run.option = run_option;
    run.output = job->output;
    WNI_TRY(wn_params_check(ctx, job->method, job->params));
    WNI_TRY(wni_manifest_check_words(job));
    WNI_TRY(check_inputs(job));
    if (!plan && job->method->flags & WN_METHOD_UPDATES) WNI_TRY(take_place(job, &lock));
    if (!plan && !job->output) {
        st = wni_fail(ctx, WN_E_USAGE, "%s %s: no output; give -o NAME", job->family->name,
                      job->method->name);
        goto done;
    }
    if (!(run.record = wni_record_new())) {
        st = wni_nomem(ctx, 1);
        goto done;
    }
    if (job->replayed) WNI_TRY(wni_manifest_check_inputs(job));
    WNI_TRY(expand_inputs(job, &paths, &run.n_pool_paths));
    run.pool_paths = (const char *const *)paths;
    WNI_NEW(ctx, stamp, run.n_pool_paths + job->n_input + 1);
    if (!plan) WNI_TRY(stamp_inputs(job, &run, stamp, false));
    if (!plan)
        WNI_TRY(wni_out_begin(ctx, job->output, job->family->output_is_file,
                              job->option[WNI_OPT_FORCE] && job->option[WNI_OPT_FORCE][0] == '1',
                              &run.out));
    WNI_TRY(open_pool(job, &run));
    if (run.pool && !plan) WNI_TRY(wn_pool_check(ctx, run.pool, 1, NULL));
    texts = run.table != NULL;
    WNI_TRY(call_family(job, &run));
    if (estimate) *estimate = run.estimate;
    if (plan) WNI_TRY(plan_summary(job, &run));
    if (!plan) {
        wn_table_free(run.table);
        run.table = NULL;
        wn_pool_free(run.pool);
        run.pool = NULL;
        if (job->family->output_is_file && texts) WNI_TRY(wni_out_remove(run.out, "table.sqlite"));
        WNI_TRY(finish(job, &run, stamp, begin_ns, begin_cpu, &begin_filter));
        st = wni_out_commit(run.out);
        run.out = NULL;
    }
done:
    wn_table_free(run.table);
    wn_pool_free(run.pool);
    wni_out_abort(run.out);
    wni_folder_unlock(lock);
    wni_record_free(run.record);
    wni_paths_free(ctx, paths);
    wni_free(ctx, stamp);
    return st;
}

wn_status wn_job_plan(wn_job *job, wn_estimate *out)
{
    return run_job(job, 1, out);
}

wn_status wn_job_run(wn_job *job)
{
    return run_job(job, 0, NULL);
}
