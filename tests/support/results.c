/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/results.h"
#include "support/support.h"

#define HEADER "method,data,params,measure,value\n"

static const char *csv_path(void)
{
    return WN_SOURCE_DIR "/tests/regression/results.csv";
}

/* The row that begins with `key`, or NULL. */
static char *find_row(char *text, const char *key)
{
    size_t length = strlen(key);

    for (char *row = text; *row; row += strcspn(row, "\n"), row += *row == '\n')
        if (strncmp(row, key, length) == 0) return row;
    return NULL;
}

void ts_result(const char *method, const char *data, const char *params, const char *measure,
               const char *format, double value)
{
    char key[512], number[64], fresh[600];
    size_t bytes = 0, length;
    char *text = ts_read_file(csv_path(), &bytes), *row;

    if (!text) text = strdup(HEADER);
    snprintf(key, sizeof key, "%s,%s,%s,%s,", method, data, params, measure);
    /* The format is the caller's: its digits are what is promised. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(number, sizeof number, format, value);
#pragma GCC diagnostic pop
    snprintf(fresh, sizeof fresh, "%s%s\n", key, number);
    row = find_row(text, key);
    length = row ? strcspn(row, "\n") + 1 : 0;
    if (row && strncmp(row, fresh, strlen(fresh)) == 0) {
        free(text);
        return;
    }
    if (getenv("UPDATE")) {
        FILE *f = fopen(csv_path(), "wb");
        if (!f) fail_msg("cannot write %s", csv_path());
        if (!row) row = text + strlen(text);
        fwrite(text, 1, (size_t)(row - text), f);
        fputs(fresh, f);
        fputs(row + length, f);
        if (fclose(f)) fail_msg("cannot write %s", csv_path());
        free(text);
        return;
    }
    print_message("now    %s", fresh);
    if (row) print_message("before %.*s\n", (int)strcspn(row, "\n"), row);
    free(text);
    fail_msg("%s%s: the value drifted; if it should, run with UPDATE=1 and say why", key, number);
}
