/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest.json: everything needed to run a job again and to tell whether the result is the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "io/memfolder.h"
#include "registry/job_impl.h"

/* ---- values --------------------------------------------------------------------------------------- */

/* Numbers and booleans as such, for readers; the rest as the text that wn_params_set takes. */
static json_t *param_json(const wn_param *p, const char *text)
{
    switch (p->type) {
    case WN_P_I32:
    case WN_P_I64:
        return json_integer(strtoll(text, NULL, 10));
    case WN_P_F64:
        return json_real(strtod(text, NULL));
    case WN_P_BOOL:
        return json_boolean(strcmp(text, "true") == 0);
    case WN_P_U64: /* JSON readers keep 53 bits */
        if (strlen(text) <= 15) return json_integer(strtoll(text, NULL, 10));
        break;
    case WN_P_CHOICE:
    case WN_P_LIST:
    case WN_P_TEXT:
        break;
    }
    return json_string(text);
}

static int value_text(const json_t *value, char *buf, size_t bytes)
{
    switch (json_typeof(value)) {
    case JSON_INTEGER:
        return snprintf(buf, bytes, "%lld", (long long)json_integer_value(value));
    case JSON_REAL:
        return snprintf(buf, bytes, "%.17g", json_real_value(value));
    case JSON_TRUE:
        return snprintf(buf, bytes, "true");
    case JSON_FALSE:
        return snprintf(buf, bytes, "false");
    case JSON_STRING:
        return snprintf(buf, bytes, "%s", json_string_value(value));
    default:
        return -1;
    }
}

/* ---- writing -------------------------------------------------------------------------------------- */

/* Sets object[key] to `value` (taken over). JSON holds UTF-8 alone, and what it cannot hold must not go
 * missing: a replay would run with other settings. */
static wn_status set_word(wn_ctx *ctx, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) == 0) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "%s: the value is not UTF-8, so the manifest cannot hold it; use another name",
                    key);
}

static wn_status add_settings(const wn_job *job, json_t *m)
{
    json_t *params = json_object(), *options = json_object();
    char text[512];
    wn_status st;

    for (int32_t i = 0; i < job->method->n_params; i++) {
        const wn_param *p = &job->method->params[i];
        wn_params_text(job->method, job->params, p->name, text, sizeof text);
        WNI_TRY(set_word(job->ctx, params, p->name, param_json(p, text)));
    }
    for (int i = 0; i < WNI_OPT_COUNT; i++)
        if (job->option[i] && i != WNI_OPT_FORCE)
            WNI_TRY(set_word(job->ctx, options, wni_option_names[i], json_string(job->option[i])));
    if (job->command) WNI_TRY(set_word(job->ctx, m, "command", json_string(job->command)));
    WNI_TRY(set_word(job->ctx, m, "params", json_incref(params)));
    WNI_TRY(set_word(job->ctx, m, "options", json_incref(options)));
    if (job->output) WNI_TRY(set_word(job->ctx, m, "output", json_string(job->output)));
done:
    json_decref(params);
    json_decref(options);
    return st;
}

wn_status wni_manifest_check_words(const wn_job *job)
{
    json_t *unused = json_object();
    wn_status st = add_settings(job, unused);

    json_decref(unused);
    return st;
}

/* What was in memory has no bytes that a replay could find again; its shape is said. */
static wn_status add_memory(const wni_job_path *in, json_t *inputs)
{
    json_t *input = json_pack("{s:s, s:b}", "name", in->name, "memory", 1);

    if (in->pool) {
        json_object_set_new(input, "rows", json_integer(wn_pool_rows(in->pool)));
        json_object_set_new(input, "dim", json_integer(wn_pool_dim(in->pool)));
        json_object_set_new(input, "dtype", json_string(wn_dtype_name(wn_pool_dtype(in->pool))));
        json_object_set_new(input, "metric", json_string(wn_metric_name(wn_pool_metric(in->pool))));
    }
    json_array_append_new(inputs, input);
    return WN_OK;
}

static wn_status add_input(const wn_job *job, json_t *inputs, const char *name, const char *path,
                           const char *cwd)
{
    wn_ctx *ctx = job->ctx;
    char hex[17], absolute[8192];
    int64_t bytes;
    uint64_t hash;
    wn_status st = wni_input_hash(ctx, path, wni_job_takes_files(job, name), &bytes, &hash);
    json_t *input;

    if (st != WN_OK) return st;
    wni_hash_text(hash, hex);
    snprintf(absolute, sizeof absolute, "%s%s%s", path[0] == '/' ? "" : cwd,
             path[0] == '/' ? "" : "/", path);
    input = json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", name, "path", path, "absolute", absolute,
                      "bytes", (json_int_t)bytes, "xxh3", hex);
    if (!input || json_array_append_new(inputs, input))
        return wni_fail(ctx, WN_E_DATA, "%s: the name is not UTF-8, so the manifest cannot hold it",
                        path);
    return WN_OK;
}

wn_status wni_manifest_make(wn_job *job, const wni_run *run, double seconds, double cpu_seconds,
                            json_t **manifest)
{
    wn_ctx *ctx = job->ctx;
    json_t *inputs = json_array(), *m = json_object();
    char cwd[4096] = "";
    wn_status st = WN_OK;

    *manifest = NULL;
    if (!wni_os_cwd(cwd, sizeof cwd)) cwd[0] = 0;
    for (int32_t i = 0; i < run->n_pool_paths; i++)
        WNI_TRY(add_input(job, inputs, "pool", run->pool_paths[i], cwd));
    for (int32_t i = 0; i < job->n_input; i++)
        if (job->input[i].pool || wni_is_memory_path(job->input[i].path))
            WNI_TRY(add_memory(&job->input[i], inputs));
        else if (strcmp(job->input[i].name, "pool") != 0)
            WNI_TRY(add_input(job, inputs, job->input[i].name, job->input[i].path, cwd));

    json_object_set_new(m, "winnow", json_string(wn_version()));
    json_object_set_new(m, "family", json_string(job->family->name));
    json_object_set_new(m, "method", json_string(job->method->name));
    WNI_TRY(add_settings(job, m));
    json_object_set(m, "inputs", inputs);
    json_object_set(m, "counts", json_object_get(run->record, "counts"));
    json_object_set(m, "warnings", json_object_get(run->record, "warnings"));
    json_object_set_new(m, "isa", json_string(wn_isa_name(wn_ctx_isa(ctx))));
    json_object_set_new(m, "threads", json_integer(wn_ctx_threads(ctx)));
    json_object_set_new(m, "memory_bytes", json_integer(wn_ctx_memory_bytes(ctx)));
    json_object_set_new(m, "seconds", json_real(seconds));
    json_object_set_new(m, "cpu_seconds", json_real(cpu_seconds));
    json_object_set_new(m, "peak_allocated_bytes", json_integer(wn_ctx_peak_bytes(ctx)));
    json_object_set_new(m, "peak_rss_bytes", json_integer(wni_os_peak_rss_bytes()));
    *manifest = m;
    m = NULL;
done:
    json_decref(inputs);
    json_decref(m);
    return st;
}

/* ---- outputs -------------------------------------------------------------------------------------- */

typedef struct outputs_arg {
    wn_job *job;
    wni_run *run;
    json_t *outputs;
    const json_t *expected; /* of the replayed manifest, or NULL */
    bool same_version;
    int64_t same;
} outputs_arg;

static wn_status add_output(void *user, const char *name, int64_t bytes, uint64_t hash)
{
    outputs_arg *a = user;
    wn_ctx *ctx = a->job->ctx;
    const json_t *before;
    char hex[17];
    size_t i;

    wni_hash_text(hash, hex);
    if (json_array_append_new(a->outputs, json_pack("{s:s, s:I, s:s}", "name", name, "bytes",
                                                    (json_int_t)bytes, "xxh3", hex)))
        return wni_nomem(ctx, 1);
    json_array_foreach(a->expected, i, before)
    {
        const char *was = json_string_value(json_object_get(before, "xxh3"));
        const char *of = json_string_value(json_object_get(before, "name"));
        if (!of || !was || strcmp(of, name) != 0) continue;
        if (strcmp(was, hex) == 0) {
            a->same++;
            return WN_OK;
        }
        if (a->same_version)
            return wni_fail(ctx, WN_E_INTERNAL,
                            "%s: found hash %s, the replayed manifest says %s; the same version of "
                            "winnow must give the same bytes, please report this",
                            name, hex, was);
        return wni_record_warn(
            a->run, "%s differs from the replayed run, which another version made", name);
    }
    return WN_OK;
}

wn_status wni_manifest_outputs(wn_job *job, wni_run *run, json_t *manifest)
{
    const char *version = json_string_value(json_object_get(job->replayed, "winnow"));
    outputs_arg a = {job, run, json_array(), json_object_get(job->replayed, "outputs"), false, 0};
    const char *path;
    int64_t bytes;
    uint64_t hash;
    wn_status st;

    a.same_version = version && strcmp(version, wn_version()) == 0;
    if (job->family->output_is_file) {
        WNI_TRY(wni_out_path(run->out, NULL, &path));
        WNI_TRY(wni_file_hash(job->ctx, path, &bytes, &hash));
        WNI_TRY(add_output(&a, "data", bytes, hash));
    } else {
        WNI_TRY(wni_out_path(run->out, "manifest.json", &path));
        {
            char folder[4096];
            snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
            WNI_TRY(wni_path_hash(job->ctx, folder, &bytes, &hash, add_output, &a));
        }
    }
    json_object_set(manifest, "outputs", a.outputs);
    if (a.expected && json_array_size(a.outputs)) /* a measurement has none */
        WNI_TRY(wni_record_int(run, "arrays_identical_to_replayed", a.same));
done:
    json_decref(a.outputs);
    return st;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static wn_status set_all(wn_job *job, const json_t *object)
{
    const char *key;
    json_t *value;
    char text[1024];

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        wn_status st;
        if (value_text(value, text, sizeof text) < 0)
            return wni_fail(job->ctx, WN_E_DATA,
                            "the manifest's value of '%s' is not a number or text", key);
        if ((st = wn_job_set(job, key, text)) != WN_OK) return st;
    }
    return WN_OK;
}

static wn_status read_inputs(wn_job *job, const json_t *inputs)
{
    const json_t *input;
    size_t i;

    json_array_foreach(inputs, i, input)
    {
        const char *name = json_string_value(json_object_get(input, "name"));
        const char *path = json_string_value(json_object_get(input, "path"));
        const char *absolute = json_string_value(json_object_get(input, "absolute"));
        const char *hash = json_string_value(json_object_get(input, "xxh3"));
        wni_job_path *at;
        wn_status st;

        if (json_is_true(json_object_get(input, "memory")))
            return wni_fail(job->ctx, WN_E_DATA,
                            "the run read its input '%s' from memory: it cannot be replayed",
                            name ? name : "");
        if (!name || !path || !hash)
            return wni_fail(job->ctx, WN_E_DATA,
                            "the manifest's input %zu has no name, path or xxh3", i);
        /* As given from here, else where it was when the run was made. */
        if (absolute && !wni_path_exists(job->ctx, path)) path = absolute;
        if ((st = wn_job_input(job, name, path)) != WN_OK) return st;
        at = &job->input[job->n_input - 1];
        at->bytes = json_integer_value(json_object_get(input, "bytes"));
        at->hash = strtoull(hash, NULL, 16);
    }
    return WN_OK;
}

wn_status wni_manifest_check_inputs(wn_job *job)
{
    for (int32_t i = 0; i < job->n_input; i++) {
        const wni_job_path *in = &job->input[i];
        int64_t bytes;
        uint64_t hash;
        wn_status st;

        if (in->bytes < 0) continue;
        if ((st = wni_input_hash(job->ctx, in->path, wni_job_takes_files(job, in->name), &bytes,
                                 &hash)) != WN_OK)
            return st;
        if (bytes != in->bytes || hash != in->hash)
            return wni_fail(job->ctx, WN_E_DATA,
                            "%s: found %lld bytes with hash %016llx, the manifest says %lld with "
                            "%016llx; the input changed, so run the command anew instead",
                            in->path, (long long)bytes, (unsigned long long)hash,
                            (long long)in->bytes, (unsigned long long)in->hash);
    }
    return WN_OK;
}

wn_status wn_job_load(wn_ctx *ctx, const char *path, wn_job **out)
{
    json_error_t error;
    json_t *m = NULL;
    const char *family, *method;
    wn_job *job = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    if (!wni_path_exists(ctx, path))
        return wni_fail(ctx, WN_E_DATA, "%s: there is no such file", path);
    m = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!m)
        return wni_fail(ctx, WN_E_DATA, "%s: line %d: not JSON: %s", path, error.line, error.text);
    family = json_string_value(json_object_get(m, "family"));
    method = json_string_value(json_object_get(m, "method"));
    if (!json_object_get(m, "winnow") || !family || !method) {
        st = wni_fail(ctx, WN_E_DATA, "%s: not a manifest of winnow (no winnow, family and method)",
                      path);
        goto done;
    }
    WNI_TRY(wn_job_new(ctx, family, method, &job));
    WNI_TRY(set_all(job, json_object_get(m, "params")));
    for (int i = 0; i < WNI_OPT_COUNT;
         i++) { /* "params" has the defaults too; they are no options */
        wni_free(ctx, job->option[i]);
        job->option[i] = NULL;
    }
    WNI_TRY(set_all(job, json_object_get(m, "options")));
    WNI_TRY(read_inputs(job, json_object_get(m, "inputs")));
    job->replayed = m;
    m = NULL;
    *out = job;
    job = NULL;
done:
    wn_job_free(job);
    json_decref(m);
    return st;
}
