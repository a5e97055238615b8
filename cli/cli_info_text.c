/* SPDX-License-Identifier: Apache-2.0
 *
 * info on text files: rows and columns, found as every verb that takes text finds them.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define SAMPLE_MAX 60 /* bytes of a cell that are shown */

/* The table goes through a database in a folder of its own, which is gone afterwards. */
static char *scratch_new(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[1024];
    size_t bytes;
    char *folder;

    snprintf(path, sizeof path, "%s/winnow-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(path)) {
        cli_error("%s: a scratch folder could not be made; set TMPDIR to where there is room",
                  path);
        return NULL;
    }
    bytes = strlen(path) + 1;
    folder = cli_grow(NULL, bytes, 1);
    memcpy(folder, path, bytes);
    return folder;
}

static void scratch_free(char *folder)
{
    static const char *const ends[] = {"", "-journal", "-wal", "-shm"};
    char path[1100];

    if (!folder) return;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        snprintf(path, sizeof path, "%s/table.sqlite%s", folder, ends[i]);
        unlink(path);
    }
    rmdir(folder);
    free(folder);
}

/* The first SAMPLE_MAX bytes at most, whole characters, one line; buf has room for the dots. */
static const char *sample(const char *text, char *buf)
{
    size_t length = text ? strlen(text) : 0, keep = length;

    if (keep > SAMPLE_MAX) keep = SAMPLE_MAX;
    while (keep < length && keep > 0 && ((unsigned char)text[keep] & 0xC0) == 0x80)
        keep--;
    for (size_t i = 0; i < keep; i++)
        buf[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
    snprintf(buf + keep, 4, "%s", keep < length ? "..." : "");
    return buf;
}

static wn_status print_table(wn_table *table, bool json)
{
    json_t *columns = json_array();
    char buf[SAMPLE_MAX + 8], count[32];
    int names = 0;

    for (int32_t c = 0; c < wn_table_columns(table); c++)
        if ((int)strlen(wn_table_column_name(table, c)) > names)
            names = (int)strlen(wn_table_column_name(table, c));
    if (!json) {
        printf("rows     %s\n", cli_count_text(wn_table_rows(table), count));
        printf("columns  %d, with the first row:\n", (int)wn_table_columns(table));
    }
    for (int32_t c = 0; c < wn_table_columns(table); c++) {
        const char *text = NULL, *name = wn_table_column_name(table, c);
        const char *type = wn_table_column_type(table, c);
        wn_status st = wn_table_rows(table) > 0 ? wn_table_text(table, 0, c, &text) : WN_OK;
        if (st != WN_OK) {
            json_decref(columns);
            return st;
        }
        if (!json) printf("  %-*s  %-7s  %s\n", names, name, type, sample(text, buf));
        json_array_append_new(columns, json_pack("{s:s, s:s}", "name", name, "type", type));
    }
    if (json)
        cli_print_json(
            json_pack("{s:I, s:O}", "rows", (json_int_t)wn_table_rows(table), "columns", columns));
    json_decref(columns);
    return WN_OK;
}

int cli_info_text(cli_args *args, cli_progress *progress, wn_ctx *ctx)
{
    char *folder = scratch_new(), path[1100];
    wn_table *table = NULL;
    wn_status st;
    int code;

    if (!folder) return CLI_FAILED;
    snprintf(path, sizeof path, "%s/table.sqlite", folder);
    st = wn_table_build(ctx, args->paths, args->n_paths, path, NULL, &table);
    cli_progress_clear(progress);
    if (st == WN_OK) st = print_table(table, args->json);
    code = st == WN_OK ? cli_stdout_end(CLI_OK) : cli_fail(progress, ctx, st);
    wn_table_free(table);
    scratch_free(folder);
    return code;
}
