/* SPDX-License-Identifier: Apache-2.0
 *
 * winnow: the command.
 */
#include <string.h>

#include "cli.h"

static int version(void)
{
    cli_args args;
    cli_progress progress;
    wn_ctx *ctx = NULL;
    int code;

    memset(&args, 0, sizeof args);
    if ((code = cli_ctx_new(&args, &progress, &ctx)) != CLI_OK) return code;
    printf("winnow %s, isa %s, %d thread%s\n", wn_version(), wn_isa_name(wn_ctx_isa(ctx)),
           (int)wn_ctx_threads(ctx), wn_ctx_threads(ctx) == 1 ? "" : "s");
    wn_ctx_free(ctx);
    return cli_stdout_end(CLI_OK);
}

static int show_help(const cli_args *args)
{
    if (args->family)
        cli_help_family(stdout, args->family, args->method);
    else if (args->verb)
        cli_help_own(stdout, args->verb);
    else
        cli_help_global(stdout);
    return cli_stdout_end(CLI_OK);
}

/* help, help VERB, help VERB METHOD */
static int help(int argc, char **argv)
{
    cli_args args;
    int code = CLI_OK;

    memset(&args, 0, sizeof args);
    if (argc > 2 && argv[2][0] != '-') {
        code = cli_args_verb(argc, argv, 2, &args);
        /* The default method is not what was asked about. */
        if (code == CLI_OK && args.family && args.first == 3) {
            if (argc > 3 && argv[3][0] != '-') {
                cli_error("unknown %s method '%s'; winnow %s --help lists them", args.family->name,
                          argv[3], args.family->name);
                return CLI_USAGE;
            }
            args.method = NULL;
        }
    }
    return code == CLI_OK ? show_help(&args) : code;
}

static int run(cli_args *args)
{
    int code = cli_args_parse(args);

    if (code != CLI_OK) return code;
    if (args->help) {
        bool named = args->family && args->first > (args->verb == CLI_PLAN ? 3 : 2);
        if (args->family && !named) args->method = NULL;
        return show_help(args);
    }
    switch (args->verb) {
    case CLI_JOB:
    case CLI_PLAN:
        if (args->family) return cli_run_job(args);
        cli_error("plan needs the verb to plan: winnow plan curate embeddings.npy --size 1000");
        return CLI_USAGE;
    case CLI_REPLAY:
        return cli_run_replay(args);
    case CLI_INFO:
        return cli_run_info(args);
    case CLI_WHY:
        return cli_run_why(args);
    case CLI_METHODS:
        return cli_run_methods(args);
    case CLI_BENCH:
        return cli_run_bench(args);
    }
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    static const char *const top[] = {"help", "version"};
    cli_args args;
    int code;

    if (argc < 2) {
        cli_help_global(stderr);
        return CLI_USAGE;
    }
    cli_signals_install();
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) return version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    if (argv[1][0] == '-') {
        cli_error_unknown("flag", "", argv[1], top, 0, "the verb comes first: winnow --help");
        return CLI_USAGE;
    }
    code = cli_args_verb(argc, argv, 1, &args);
    if (code == CLI_OK) code = run(&args);
    cli_args_free(&args);
    return code;
}
