/* SPDX-License-Identifier: Apache-2.0
 *
 * A method run from files to an output: options and inputs by name, the run itself, atomic output.
 */
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/param.h"
#include "io/memfolder.h"
#include "registry/job_impl.h"
#include "registry/record.h"

const char *const wni_option_names[WNI_OPT_COUNT] = {
    [WNI_OPT_METRIC] = "metric", [WNI_OPT_DTYPE] = "dtype",   [WNI_OPT_DIM] = "dim",
    [WNI_OPT_ROWS] = "rows",     [WNI_OPT_MEMBER] = "member", [WNI_OPT_ID] = "id",
    [WNI_OPT_FORCE] = "force",
};

/* ---- making a job ------------------------------------------------------------------------------- */

static wn_status unknown_word(wn_ctx *ctx, const char *kind, const char *word,
                              const char *const *words, int32_t count)
{
    const char *nearest = wn_nearest(word, words, count);

    return wni_fail(ctx, WN_E_USAGE, "unknown %s '%s'%s%s%s", kind, word,
                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static wn_status find_method(wn_ctx *ctx, const char *family_name, const char *method_name,
                             const wn_family **family, const wn_method **method)
{
    const char *names[64];
    int32_t n = 0;

    *family = wn_family_find(family_name);
    if (!*family) {
        for (int32_t i = 0; i < wn_family_count() && n < 64; i++)
            names[n++] = wn_family_at(i)->name;
        return unknown_word(ctx, "family", family_name, names, n);
    }
    if (!method_name) method_name = (*family)->default_method;
    if (!method_name)
        return wni_fail(ctx, WN_E_USAGE, "%s: name a method; `winnow %s --help` lists them",
                        family_name, family_name);
    *method = wn_method_find(family_name, method_name);
    if (*method) return WN_OK;
    for (int32_t i = 0; i < wn_method_count() && n < 64; i++)
        if (strcmp(wn_method_at(i)->family, family_name) == 0) names[n++] = wn_method_at(i)->name;
    return unknown_word(ctx, "method", method_name, names, n);
}

wn_status wn_job_new(wn_ctx *ctx, const char *family, const char *method, wn_job **out)
{
    const wn_family *f;
    const wn_method *m;
    wn_job *job = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(find_method(ctx, family, method, &f, &m));
    WNI_NEW0(ctx, job, 1);
    job->ctx = ctx;
    job->family = f;
    job->method = m;
    job->params = wni_alloc(ctx, (int64_t)m->params_bytes, 1);
    if (!job->params) {
        st = WN_E_NOMEM;
        goto done;
    }
    wn_params_init(m, job->params);
    *out = job;
    job = NULL;
done:
    wn_job_free(job);
    return st;
}

const wn_method *wn_job_method(const wn_job *job)
{
    return job->method;
}

const void *wn_job_params(const wn_job *job)
{
    return job->params;
}

void wn_job_free(wn_job *job)
{
    wn_ctx *ctx;

    if (!job) return;
    ctx = job->ctx;
    for (int i = 0; i < WNI_OPT_COUNT; i++)
        wni_free(ctx, job->option[i]);
    for (int32_t i = 0; i < job->n_input; i++) {
        wni_free(ctx, job->input[i].name);
        wni_free(ctx, job->input[i].path);
    }
    wni_free(ctx, job->input);
    wni_free(ctx, job->params);
    wni_free(ctx, job->output);
    wni_free(ctx, job->command);
    wni_free(ctx, job->summary);
    json_decref(job->replayed);
    wni_free(ctx, job);
}

static wn_status replace_text(wn_ctx *ctx, char **at, const char *text)
{
    char *copy = wni_strdup(ctx, text);

    if (!copy) return WN_E_NOMEM;
    wni_free(ctx, *at);
    *at = copy;
    return WN_OK;
}

wn_status wn_job_set(wn_job *job, const char *name, const char *value)
{
    int option = 0;

    while (option < WNI_OPT_COUNT && strcmp(wni_option_names[option], name) != 0)
        option++;
    if (wni_param_find(job->method, name)) {
        char text[256];
        wn_status st = wn_params_set(job->ctx, job->method, job->params, name, value);
        if (st != WN_OK || option == WNI_OPT_COUNT) return st;
        /* One word for both: curate's dim is the width of vectors made from text, or of a raw file. */
        wn_params_text(job->method, job->params, name, text, sizeof text);
        return replace_text(job->ctx, &job->option[option], text);
    }
    if (option == WNI_OPT_COUNT) {
        const char *names[256];
        int32_t n = 0;
        for (int32_t i = 0; i < job->method->n_params && n < 200; i++)
            names[n++] = job->method->params[i].name;
        for (int i = 0; i < WNI_OPT_COUNT; i++)
            names[n++] = wni_option_names[i];
        return unknown_word(job->ctx, "parameter", name, names, n);
    }
    if (option == WNI_OPT_METRIC && job->method->flags & WN_METHOD_OWN_METRIC)
        return wni_fail(job->ctx, WN_E_USAGE,
                        "metric: found '%s', but %s %s compares rows in a way of its own: leave it "
                        "out",
                        value, job->family->name, job->method->name);
    if (option == WNI_OPT_METRIC && wn_metric_from_name(value) < 0)
        return wni_fail(job->ctx, WN_E_USAGE, "metric: found '%s', expected l2 or cosine", value);
    if (option == WNI_OPT_DTYPE && wn_dtype_from_name(value) < 0)
        return wni_fail(job->ctx, WN_E_USAGE,
                        "dtype: found '%s', expected f32, f16, bf16, f64, i8, u8 or i32", value);
    if (option == WNI_OPT_DIM || option == WNI_OPT_ROWS) {
        char *end;
        long long x = strtoll(value, &end, 10);
        if (end == value || *end || x < 1)
            return wni_fail(job->ctx, WN_E_USAGE, "%s: found '%s', expected a whole number from 1",
                            name, value);
    }
    if (option == WNI_OPT_FORCE && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return wni_fail(job->ctx, WN_E_USAGE, "force: found '%s', expected 0 or 1", value);
    return replace_text(job->ctx, &job->option[option], value);
}

static const wn_family_input *find_input(const wn_family *family, const char *name)
{
    for (int32_t i = 0; i < family->n_inputs; i++)
        if (strcmp(family->inputs[i].name, name) == 0) return &family->inputs[i];
    return NULL;
}

static wn_status add_input(wn_job *job, const char *name, const char *path, const wn_pool *pool)
{
    wn_ctx *ctx = job->ctx;
    wni_job_path *at;

    if (!find_input(job->family, name)) {
        const char *names[16];
        int32_t n = 0;
        for (; n < job->family->n_inputs && n < 16; n++)
            names[n] = job->family->inputs[n].name;
        return unknown_word(ctx, "input", name, names, n);
    }
    if (job->n_input == job->input_room) {
        int32_t wider = job->input_room * 2 + 8;
        at = wni_grow(ctx, job->input, job->input_room, wider, sizeof *at);
        if (!at) return WN_E_NOMEM;
        job->input = at;
        job->input_room = wider;
    }
    at = &job->input[job->n_input];
    at->bytes = -1;
    at->hash = 0;
    at->pool = pool;
    at->name = wni_strdup(ctx, name);
    at->path = wni_strdup(ctx, path);
    if (!at->name || !at->path) {
        wni_free(ctx, at->name);
        wni_free(ctx, at->path);
        return WN_E_NOMEM;
    }
    job->n_input++;
    return WN_OK;
}

wn_status wn_job_input(wn_job *job, const char *name, const char *path)
{
    return add_input(job, name, path, NULL);
}

wn_status wn_job_input_pool(wn_job *job, const char *name, const wn_pool *pool)
{
    return add_input(job, name, "an array in memory", pool);
}

wn_status wn_job_input_folder(wn_job *job, const char *name, wn_folder *folder)
{
    return add_input(job, name, wn_folder_path(folder), NULL);
}

wn_status wn_job_output_folder(wn_job *job, wn_folder *folder)
{
    return wn_job_output(job, wn_folder_path(folder));
}

wn_status wn_job_output(wn_job *job, const char *path)
{
    return replace_text(job->ctx, &job->output, path);
}

wn_status wn_job_command(wn_job *job, int32_t argc, const char *const *argv)
{
    size_t bytes = 1;
    char *text, *at;

    for (int32_t i = 0; i < argc; i++)
        bytes += strlen(argv[i]) + 3;
    if (!(text = wni_alloc(job->ctx, (int64_t)bytes, 1))) return WN_E_NOMEM;
    at = text;
    for (int32_t i = 0; i < argc; i++) {
        bool quote = !*argv[i] || strpbrk(argv[i], " \t*?[$\"&|;<>()") != NULL;
        size_t length = strlen(argv[i]);
        if (i) *at++ = ' ';
        if (quote) *at++ = '\'';
        memcpy(at, argv[i], length);
        at += length;
        if (quote) *at++ = '\'';
    }
    *at = 0;
    wni_free(job->ctx, job->command);
    job->command = text;
    return WN_OK;
}

const char *wn_job_summary(const wn_job *job)
{
    return job->summary ? job->summary : "{}";
}

/* ---- running ------------------------------------------------------------------------------------ */

static const wn_job *job_of(const wni_run *run)
{
    return run->job;
}

static const char *run_input(const wni_run *run, const char *name)
{
    const wn_job *job = job_of(run);

    for (int32_t i = 0; i < job->n_input; i++)
        if (strcmp(job->input[i].name, name) == 0) return job->input[i].path;
    return NULL;
}

static const wn_pool *run_pool_input(const wni_run *run, const char *name)
{
    const wn_job *job = job_of(run);

    for (int32_t i = 0; i < job->n_input; i++)
        if (strcmp(job->input[i].name, name) == 0) return job->input[i].pool;
    return NULL;
}

static const char *run_option(const wni_run *run, const char *name)
{
    for (int i = 0; i < WNI_OPT_COUNT; i++)
        if (strcmp(wni_option_names[i], name) == 0) return job_of(run)->option[i];
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
    const char *token = strstr(job->method->inputs, want->name);
    int32_t given = 0;
    int length;

    while (token > job->method->inputs && token[-1] != ' ')
        token--;
    length = (int)strcspn(token, " ?");
    for (int32_t i = 0; i < job->family->n_inputs; i++) {
        const char *name = job->family->inputs[i].name;
        const char *at = strstr(token, name);
        if (at && at < token + length) given += times_given(job, name);
    }
    if (given == 1) return WN_OK;
    return wni_fail(job->ctx, WN_E_USAGE,
                    "%s %s: found %d of the inputs %.*s, expected one of them", job->family->name,
                    job->method->name, given, length, token);
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
    const wn_family_input *want = find_input(job->family, "pool");

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

/* Is the positional input a pool in memory, which has no paths? */
static bool is_array(const wn_job *job)
{
    for (int32_t i = 0; i < job->n_input; i++)
        if (strcmp(job->input[i].name, "pool") == 0 && job->input[i].pool) return true;
    return false;
}

static wn_status expand_inputs(wn_job *job, char ***paths, int32_t *count)
{
    const char **given = NULL;
    int32_t n = 0;
    wn_status st = WN_OK;

    *paths = NULL;
    *count = 0;
    if (times_given(job, "pool") == 0 || is_array(job)) return WN_OK;
    WNI_NEW(job->ctx, given, job->n_input + 1);
    for (int32_t i = 0; i < job->n_input; i++)
        if (strcmp(job->input[i].name, "pool") == 0) given[n++] = job->input[i].path;
    WNI_TRY(wni_paths_expand(job->ctx, given, n, paths, count));
done:
    wni_free(job->ctx, given);
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
    static const char *const keys[] = {"family",      "method",         "output", "seconds",
                                       "cpu_seconds", "peak_rss_bytes", "counts", "warnings"};
    json_t *seed = json_object_get(json_object_get(manifest, "params"), "seed");
    wn_status st = WN_OK;
    char *text;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_set(summary, keys[i], json_object_get(manifest, keys[i]));
    if (seed) json_object_set(summary, "seed", seed);
    text = json_dumps(summary, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(summary);
    if (!text) return wni_nomem(job->ctx, 1);
    st = replace_text(job->ctx, &job->summary, text);
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

static wn_status finish(wn_job *job, wni_run *run, uint64_t *stamp, int64_t begin_ns,
                        double begin_cpu)
{
    double seconds = 1e-9 * (double)(wni_os_now_ns() - begin_ns);
    json_t *manifest = NULL;
    char *text = NULL;
    wn_status st;

    WNI_TRY(wni_manifest_make(job, run, seconds, wni_os_cpu_sec() - begin_cpu, &manifest));
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
    char **paths = NULL;
    uint64_t *stamp = NULL;
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
    if (!plan) {
        wn_table_free(run.table);
        run.table = NULL;
        wn_pool_free(run.pool);
        run.pool = NULL;
        if (job->family->output_is_file && texts) WNI_TRY(wni_out_remove(run.out, "table.sqlite"));
        WNI_TRY(finish(job, &run, stamp, begin_ns, begin_cpu));
        st = wni_out_commit(run.out);
        run.out = NULL;
    }
done:
    wn_table_free(run.table);
    wn_pool_free(run.pool);
    wni_out_abort(run.out);
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
