/* SPDX-License-Identifier: Apache-2.0
 *
 * A method run from files to an output: options and inputs by name. The run itself is in job_run.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/param.h"
#include "registry/job_impl.h"

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

wn_status wni_job_replace(wn_ctx *ctx, char **at, const char *text)
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
        char text[WN_TEXT_MAX];
        wn_status st = wn_params_set(job->ctx, job->method, job->params, name, value);
        if (st != WN_OK || option == WNI_OPT_COUNT) return st;
        /* One word for both: curate's dim is the width of vectors made from text, or of a raw file. */
        wn_params_text(job->method, job->params, name, text, sizeof text);
        return wni_job_replace(job->ctx, &job->option[option], text);
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
    return wni_job_replace(job->ctx, &job->option[option], value);
}

const wn_family_input *wni_job_find_input(const wn_family *family, const char *name)
{
    for (int32_t i = 0; i < family->n_inputs; i++)
        if (strcmp(family->inputs[i].name, name) == 0) return &family->inputs[i];
    return NULL;
}

static wn_status add_input(wn_job *job, const char *name, const char *path, const wn_pool *pool)
{
    wn_ctx *ctx = job->ctx;
    wni_job_path *at;

    if (!wni_job_find_input(job->family, name)) {
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
    return wni_job_replace(job->ctx, &job->output, path);
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
