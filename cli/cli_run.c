/* SPDX-License-Identifier: Apache-2.0
 *
 * Running jobs: any method of the registry, a plan of it, a replay; and the summary at the end.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* ---- from arguments to a job ------------------------------------------------------------------ */

static wn_status fill_job(const cli_args *args, wn_job *job)
{
    wn_status st = WN_OK;

    for (int32_t i = 0; i < args->n_sets && st == WN_OK; i++)
        st = wn_job_set(job, args->sets[i].name, args->sets[i].value);
    for (int32_t i = 0; i < args->n_inputs && st == WN_OK; i++)
        st = wn_job_input(job, args->inputs[i].name, args->inputs[i].value);
    if (st == WN_OK && args->force) st = wn_job_set(job, "force", "1");
    if (st == WN_OK && args->output) st = wn_job_output(job, args->output);
    if (st == WN_OK) st = wn_job_command(job, args->argc, (const char *const *)args->argv);
    return st;
}

/* A refused value is told by the name that was typed: "--max-iter: found ...". */
static int fail_as_flag(const cli_args *args, cli_progress *progress, wn_ctx *ctx, wn_status st)
{
    const char *text = wn_ctx_error(ctx);
    size_t length = strcspn(text, ":");

    if (st != WN_E_USAGE || text[length] != ':') return cli_fail(progress, ctx, st);
    for (int32_t i = 0; i < args->n_sets; i++) {
        char flag[CLI_NAME_MAX];
        if (strlen(args->sets[i].name) != length || strncmp(args->sets[i].name, text, length) != 0)
            continue;
        snprintf(flag, sizeof flag, "%s", args->sets[i].name);
        for (char *c = flag; *c; c++)
            if (*c == '_') *c = '-';
        cli_progress_clear(progress);
        cli_error("--%s%s", flag, text + length);
        return CLI_USAGE;
    }
    return cli_fail(progress, ctx, st);
}

/* ---- the summary ------------------------------------------------------------------------------ */

/* The first of the keys that the counts have; -1 = none. */
static int64_t count_of(const json_t *counts, const char *const *keys)
{
    for (; *keys; keys++) {
        const json_t *value = json_object_get(counts, *keys);
        if (json_is_integer(value)) return (int64_t)json_integer_value(value);
    }
    return -1;
}

static void last_line(const cli_args *args, const json_t *summary)
{
    static const char *const in_keys[] = {"rows_in", "rows", "n", NULL};
    static const char *const kept_keys[] = {"kept", "rows_kept", "selected", "rows_selected", NULL};
    static const char *const out_keys[] = {"removed", "rows_removed", "dropped", NULL};
    const json_t *counts = json_object_get(summary, "counts");
    const json_t *seed = json_object_get(summary, "seed");
    int64_t in = count_of(counts, in_keys), kept = count_of(counts, kept_keys);
    int64_t removed = count_of(counts, out_keys);
    char a[32];

    if (in >= 0) fprintf(stderr, "%s rows in, ", cli_count_text(in, a));
    if (kept >= 0) fprintf(stderr, "%s kept, ", cli_count_text(kept, a));
    if (removed < 0 && in >= kept && kept >= 0) removed = in - kept;
    if (removed >= 0) fprintf(stderr, "%s removed, ", cli_count_text(removed, a));
    fprintf(stderr, "%s, ",
            cli_seconds_text(json_number_value(json_object_get(summary, "seconds")), a));
    fprintf(stderr, "peak %s",
            cli_bytes_text(json_number_value(json_object_get(summary, "peak_rss_bytes")), a));
    if (json_is_integer(seed))
        fprintf(stderr, ", seed %" JSON_INTEGER_FORMAT, json_integer_value(seed));
    else if (json_is_string(seed))
        fprintf(stderr, ", seed %s", json_string_value(seed));
    fprintf(stderr, " -> %s\n", args->output ? args->output : args->paths[0]);
}

static int report(const cli_args *args, cli_progress *progress, const wn_ctx *ctx, wn_job *job,
                  const wn_estimate *plan)
{
    json_t *summary = json_loads(wn_job_summary(job), 0, NULL);
    json_t *counts = json_object_get(summary, "counts");

    cli_progress_clear(progress);
    if (!args->quiet) {
        if (json_is_object(counts)) cli_print_counts(stderr, counts, 2);
        if (args->explain)
            cli_print_explanation(stderr, summary, plan, wn_ctx_isa(ctx), args->no_filter);
        last_line(args, summary);
    }
    json_decref(summary);
    if (!args->json) return CLI_OK;
    puts(wn_job_summary(job));
    return cli_stdout_end(CLI_OK);
}

/* ---- plan, run -------------------------------------------------------------------------------- */

static int print_plan(const cli_args *args, cli_progress *progress, wn_ctx *ctx, wn_job *job)
{
    wn_estimate estimate;
    json_t *summary, *found;
    wn_status st;
    double budget = (double)wn_ctx_memory_bytes(ctx);
    char a[32], b[32];

    memset(&estimate, 0, sizeof estimate);
    if ((st = wn_job_plan(job, &estimate)) != WN_OK) return cli_fail(progress, ctx, st);
    cli_progress_clear(progress);
    summary = json_loads(wn_job_summary(job), 0, NULL);
    found = json_object_get(summary, "counts");
    if (args->json) {
        json_t *told =
            json_pack("{s:I, s:I, s:f, s:f}", "peak_bytes", (json_int_t)estimate.peak_bytes,
                      "memory_bytes", (json_int_t)wn_ctx_memory_bytes(ctx), "flops", estimate.flops,
                      "bytes_read", estimate.bytes_read);
        if (json_object_size(found)) json_object_set(told, "found", found);
        cli_print_json(told);
        json_decref(summary);
        return cli_stdout_end(CLI_OK);
    }
    if (json_object_size(found)) cli_print_counts(stdout, found, 0);
    json_decref(summary);
    printf("peak memory  %s of a budget of %s\n",
           cli_bytes_enough_text((double)estimate.peak_bytes, a), cli_bytes_text(budget, b));
    printf("work         %.3g GFLOP at most\n", estimate.flops / 1e9);
    printf("bytes read   %s at most, every pass counted\n", cli_bytes_text(estimate.bytes_read, a));
    return cli_stdout_end(CLI_OK);
}

static int run_or_plan(const cli_args *args, cli_progress *progress, wn_ctx *ctx, wn_job *job)
{
    wn_estimate plan;
    wn_status st = WN_OK;

    if (args->dry_run || args->verb == CLI_PLAN) return print_plan(args, progress, ctx, job);
    memset(&plan, 0, sizeof plan);
    if (args->explain) st = wn_job_plan(job, &plan);
    if (st == WN_OK) st = wn_job_run(job);
    return st == WN_OK ? report(args, progress, ctx, job, &plan) : cli_fail(progress, ctx, st);
}

/* Needs -o unless nothing is written. */
static bool output_given(const cli_args *args)
{
    if (args->output || args->dry_run || args->verb == CLI_PLAN) return true;
    if (args->method && args->method->flags & WN_METHOD_UPDATES && args->n_paths) return true;
    cli_error("%s needs -o: the name of the %s to make", args->verb_name,
              args->family && args->family->output_is_file ? "file" : "folder");
    return false;
}

int cli_run_job(cli_args *args)
{
    const wn_family_input *positional;
    cli_progress progress;
    wn_ctx *ctx = NULL;
    wn_job *job = NULL;
    wn_status st;
    int code;

    positional = cli_positional(args->family, args->method);
    if (args->method && wn_method_positional(args->method, 0))
        positional = wn_method_positional(args->method, 0);
    if (args->n_inputs == 0 && positional &&
        cli_takes(args->method, positional) > WN_TAKES_OPTIONAL) {
        cli_error("%s needs %s; winnow %s --help shows how", args->family->name, positional->help,
                  args->family->name);
        return CLI_USAGE;
    }
    if (!output_given(args)) return CLI_USAGE;
    if ((code = cli_ctx_new(args, &progress, &ctx)) != CLI_OK) return code;
    st = wn_job_new(ctx, args->family->name, args->method->name, &job);
    if (st == WN_OK) st = fill_job(args, job);
    code = st == WN_OK ? run_or_plan(args, &progress, ctx, job)
                       : fail_as_flag(args, &progress, ctx, st);
    wn_job_free(job);
    wn_ctx_free(ctx);
    return code;
}

/* ---- replay ----------------------------------------------------------------------------------- */

/* The manifest of a path that may also be the output itself, a folder or a file; free() it. */
static char *manifest_path(const char *path)
{
    static const char *const ends[] = {"/manifest.json", ".manifest.json", ""};
    size_t length = strlen(path);
    char *out = cli_grow(NULL, length + sizeof ".manifest.json", 1);

    memcpy(out, path, length);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        memcpy(out + length, ends[i], strlen(ends[i]) + 1);
        if (access(out, F_OK) == 0) break;
    }
    return out;
}

int cli_run_replay(cli_args *args)
{
    cli_progress progress;
    char *path;
    wn_ctx *ctx = NULL;
    wn_job *job = NULL;
    wn_status st;
    int code;

    if (args->n_paths != 1) {
        cli_error("replay needs one manifest: winnow replay out/manifest.json -o again");
        return CLI_USAGE;
    }
    if (!output_given(args)) return CLI_USAGE;
    if ((code = cli_ctx_new(args, &progress, &ctx)) != CLI_OK) return code;
    path = manifest_path(args->paths[0]);
    st = wn_job_load(ctx, path, &job);
    if (st == WN_OK) st = fill_job(args, job);
    code = st == WN_OK ? run_or_plan(args, &progress, ctx, job) : cli_fail(&progress, ctx, st);
    free(path);
    wn_job_free(job);
    wn_ctx_free(ctx);
    return code;
}
