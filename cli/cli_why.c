/* SPDX-License-Identifier: Apache-2.0
 *
 * why: the reason for one row of a finished output.
 */
#include <string.h>

#include "cli.h"

int cli_run_why(cli_args *args)
{
    cli_progress progress;
    wn_ctx *ctx = NULL;
    int code;

    if (args->n_paths != 1 || args->n_rows == 0) {
        cli_error("why needs an output folder and --row: winnow why out --row 4711");
        return CLI_USAGE;
    }
    if ((code = cli_ctx_new(args, &progress, &ctx)) != CLI_OK) return code;
    for (int32_t i = 0; i < args->n_rows && code == CLI_OK; i++) {
        char *text = NULL;
        wn_status st = wn_why_text(ctx, args->paths[0], args->rows[i], &text);
        if (st != WN_OK) {
            code = cli_fail(&progress, ctx, st);
        } else {
            size_t length = strlen(text);
            fputs(text, stdout);
            if (length && text[length - 1] != '\n') putchar('\n');
        }
        wn_text_free(ctx, text);
    }
    wn_ctx_free(ctx);
    return cli_stdout_end(code);
}
