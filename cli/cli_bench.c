/* SPDX-License-Identifier: Apache-2.0
 *
 * bench: how close this build runs to what the machine can do.
 */
#include <string.h>

#include "cli.h"

static void print_lines(const wn_bench *bench)
{
    int names = 0, shapes = 0;

    for (int64_t i = 0; i < bench->n; i++) {
        int name = (int)strlen(bench->lines[i].name), shape = (int)strlen(bench->lines[i].shape);

        names = name > names ? name : names;
        shapes = shape > shapes ? shape : shapes;
    }
    for (int64_t i = 0; i < bench->n; i++) {
        const wn_bench_line *line = &bench->lines[i];

        if (i == 0 || strcmp(line->group, bench->lines[i - 1].group) != 0)
            printf("%s%ss\n", i ? "\n" : "", line->group);
        printf("  %-*s  %-*s  %8.*f %-7s", names, line->name, shapes, line->shape,
               line->rate < 100 ? 2 : 1, line->rate, line->unit);
        if (line->limit) printf("  %3.0f %% of %s", 100 * line->share, line->limit);
        putchar('\n');
    }
}

static json_t *lines_json(const wn_bench *bench)
{
    json_t *out = json_array();

    for (int64_t i = 0; i < bench->n; i++) {
        const wn_bench_line *line = &bench->lines[i];
        json_t *one =
            json_pack("{s:s, s:s, s:s, s:s, s:f}", "group", line->group, "name", line->name,
                      "shape", line->shape, "unit", line->unit, "rate", line->rate);

        if (line->limit) {
            json_object_set_new(one, "limit", json_string(line->limit));
            json_object_set_new(one, "share", json_real(line->share));
        }
        json_array_append_new(out, one);
    }
    return out;
}

int cli_run_bench(cli_args *args)
{
    cli_progress progress;
    wn_bench *bench = NULL;
    wn_ctx *ctx = NULL;
    wn_status status;
    int code;

    if (args->n_paths) {
        cli_error("bench takes no input, found '%s'; winnow bench --help shows its flags",
                  args->paths[0]);
        return CLI_USAGE;
    }
    if ((code = cli_ctx_new(args, &progress, &ctx)) != CLI_OK) return code;
    status = wn_bench_run(ctx, 0, &bench);
    cli_progress_clear(&progress);
    if (status != WN_OK) {
        code = cli_fail(&progress, ctx, status);
    } else if (args->json) {
        cli_print_json(json_pack("{s:s, s:s, s:i, s:o}", "version", wn_version(), "isa",
                                 wn_isa_name(wn_ctx_isa(ctx)), "threads", (int)wn_ctx_threads(ctx),
                                 "lines", lines_json(bench)));
    } else {
        printf("winnow %s, isa %s, %d thread%s; 10^9 a second, the best of some repetitions\n\n",
               wn_version(), wn_isa_name(wn_ctx_isa(ctx)), (int)wn_ctx_threads(ctx),
               wn_ctx_threads(ctx) == 1 ? "" : "s");
        print_lines(bench);
    }
    wn_bench_free(bench);
    wn_ctx_free(ctx);
    return code == CLI_OK ? cli_stdout_end(CLI_OK) : code;
}
