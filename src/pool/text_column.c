/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "pool/table_impl.h"
#include "pool/text_column.h"
#include "winnow/method.h"

static int is_text(const wn_table *table, int32_t column)
{
    return strcmp(wn_table_column_type(table, column), "TEXT") == 0;
}

/* "a, b, c" of the text columns into buf, cut to its size. */
static const char *list_text(const wn_table *table, char *buf, size_t bytes)
{
    size_t at = 0;

    buf[0] = 0;
    for (int32_t i = 0; i < wn_table_columns(table) && at + 1 < bytes; i++)
        if (is_text(table, i))
            at += (size_t)snprintf(buf + at, bytes - at, "%s%s", at ? ", " : "",
                                   wn_table_column_name(table, i));
    return buf;
}

wn_status wni_table_column(wn_ctx *ctx, const wn_table *table, const char *name, int32_t *column)
{
    const char *near;

    *column = wn_table_column_find(table, name);
    if (*column >= 0) return WN_OK;
    near = wni_table_nearest(table, name);
    if (near) return wni_fail(ctx, WN_E_DATA, "no column '%s'; did you mean '%s'?", name, near);
    return wni_fail(ctx, WN_E_DATA, "no column '%s' among the %d of the table", name,
                    (int)wn_table_columns(table));
}

static wn_status named(wn_ctx *ctx, const wn_table *table, const char *name, int32_t *column)
{
    char list[400];
    const char *near;

    *column = wn_table_column_find(table, name);
    if (*column >= 0 && is_text(table, *column)) return WN_OK;
    if (*column >= 0)
        return wni_fail(
            ctx, WN_E_DATA, "column '%s' holds %s values, expected text; the text columns are: %s",
            name, wn_table_column_type(table, *column), list_text(table, list, sizeof list));
    near = wni_table_nearest(table, name);
    if (near) return wni_fail(ctx, WN_E_DATA, "no column '%s'; did you mean '%s'?", name, near);
    return wni_fail(ctx, WN_E_DATA, "no column '%s'; the text columns are: %s", name,
                    list_text(table, list, sizeof list));
}

wn_status wni_text_column(wn_ctx *ctx, const wn_table *table, const char *name, int32_t *column)
{
    static const char *const usual[] = {"text", "content", "body"};
    const char *id = wn_table_id_column(table);
    char list[400];
    int32_t only = -1, count = 0;

    if (name && *name) return named(ctx, table, name, column);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        *column = wn_table_column_find(table, usual[i]);
        if (*column >= 0 && is_text(table, *column)) return WN_OK;
    }
    for (int32_t i = 0; i < wn_table_columns(table); i++)
        if (is_text(table, i) && (!id || strcmp(id, wn_table_column_name(table, i)) != 0)) {
            only = i;
            count++;
        }
    *column = only;
    if (count == 1) return WN_OK;
    if (count == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "no column holds text: check the file, or name the column with --text");
    return wni_fail(ctx, WN_E_DATA, "several columns hold text: name one with --text: %s",
                    list_text(table, list, sizeof list));
}
