/* SPDX-License-Identifier: Apache-2.0
 *
 * The columns of a table while it is being read.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "pool/table_impl.h"
#include "winnow/method.h"

void wni_schema_free(wni_schema *schema)
{
    for (int32_t i = 0; i < schema->count; i++)
        wni_free(schema->ctx, schema->name[i]);
    wni_free(schema->ctx, schema->name);
    wni_free(schema->ctx, schema->kind);
    wni_free(schema->ctx, schema->exact);
    schema->name = NULL;
    schema->kind = NULL;
    schema->exact = NULL;
    schema->count = schema->room = 0;
}

static wn_status grow(wni_schema *s)
{
    int32_t room = s->room ? s->room * 2 : 16;
    char **name;
    wni_kind *kind;
    uint8_t *exact;

    if (s->count < s->room) return WN_OK;
    name = wni_grow(s->ctx, s->name, s->count, room, sizeof *name);
    if (!name) return WN_E_NOMEM;
    s->name = name;
    kind = wni_grow(s->ctx, s->kind, s->count, room, sizeof *kind);
    if (!kind) return WN_E_NOMEM;
    s->kind = kind;
    exact = wni_grow(s->ctx, s->exact, s->count, room, sizeof *exact);
    if (!exact) return WN_E_NOMEM;
    s->exact = exact;
    s->room = room;
    return WN_OK;
}

/* SQL names do not tell upper from lower case, so two columns may not differ by case alone. */
static wn_status check_name(const wni_schema *s, const char *name, const char *path, int64_t line)
{
    if (!*name)
        return wni_fail(s->ctx, WN_E_DATA, "%s line %lld: a field without a name: give it one",
                        path, (long long)line);
    if (strcasecmp(name, "_row") == 0)
        return wni_fail(
            s->ctx, WN_E_DATA,
            "%s line %lld: the field name '%s' is winnow's own (the row number): rename "
            "the field",
            path, (long long)line, name);
    for (int32_t i = 0; i < s->count; i++)
        if (strcasecmp(name, s->name[i]) == 0)
            return wni_fail(
                s->ctx, WN_E_DATA,
                "%s line %lld: fields '%s' and '%s' differ only by case, which SQL does "
                "not tell apart: rename one",
                path, (long long)line, s->name[i], name);
    if (s->count >= WNI_COLUMNS_MAX)
        return wni_fail(
            s->ctx, WN_E_DATA,
            "%s line %lld: more than %d different field names: keep values, not keys, in "
            "the data (nest them under one field)",
            path, (long long)line, WNI_COLUMNS_MAX);
    return WN_OK;
}

wn_status wni_schema_column(wni_schema *s, const char *name, int32_t guess, const char *path,
                            int64_t line, int32_t *column)
{
    wn_status st;

    if (guess >= 0 && guess < s->count && strcmp(s->name[guess], name) == 0) {
        *column = guess;
        return WN_OK;
    }
    for (int32_t i = 0; i < s->count; i++)
        if (strcmp(s->name[i], name) == 0) {
            *column = i;
            return WN_OK;
        }
    if (s->frozen)
        return wni_fail(s->ctx, WN_E_IO, "%s line %lld: the file changed while it was read", path,
                        (long long)line);
    if ((st = check_name(s, name, path, line)) != WN_OK) return st;
    if ((st = grow(s)) != WN_OK) return st;
    s->name[s->count] = wni_strdup(s->ctx, name);
    if (!s->name[s->count]) return WN_E_NOMEM;
    s->kind[s->count] = WNI_NULL;
    s->exact[s->count] = 0;
    *column = s->count++;
    return WN_OK;
}

const char *wni_schema_hint(const wni_schema *s, const char *name, char *buf, size_t bytes)
{
    const char *near = wn_nearest(name, (const char *const *)s->name, s->count);
    size_t at;

    if (near) {
        snprintf(buf, bytes, "did you mean '%s'?", near);
        return buf;
    }
    at = (size_t)snprintf(buf, bytes, "the fields are");
    for (int32_t i = 0; i < s->count && at + 1 < bytes; i++)
        at += (size_t)snprintf(buf + at, bytes - at, "%s %s", i ? "," : "", s->name[i]);
    return buf;
}

/* ---- columns that are there already ------------------------------------------------------------------ */

static const char *const type_names[] = {"TEXT", "INTEGER", "REAL", "TEXT"};

const char *wni_schema_type(const wni_schema *s, int32_t column)
{
    return type_names[s->kind[column]];
}

wn_status wni_schema_begin(wni_schema *s, const wn_table *like)
{
    wn_status st = WN_OK;
    int32_t at;

    for (int32_t i = 0; i < wn_table_columns(like) && st == WN_OK; i++)
        st = wni_schema_column(s, wn_table_column_name(like, i), -1, "", 0, &at);
    return st;
}

/* The column gets the type that it has in the table. 0 = its values do not fit. */
static int fit(wni_schema *s, int32_t column, const char *type)
{
    const wni_kind found = s->kind[column];
    const uint8_t large = s->exact[column] & WNI_EXACT_INTEGER;

    s->kind[column] = WNI_TEXT;
    if (strcmp(type, "TEXT") == 0) return 1;
    s->kind[column] = WNI_INTEGER;
    if (strcmp(type, "INTEGER") == 0) return found <= WNI_INTEGER;
    s->kind[column] = WNI_REAL;
    s->exact[column] = 0; /* a number may be printed another way than the file has it */
    return found <= WNI_REAL && !large;
}

wn_status wni_schema_fit(wni_schema *s, const wn_table *like, const char *path)
{
    const int32_t columns = wn_table_columns(like);
    wni_schema there = {.name = s->name, .count = columns};
    char hint[256];

    if (s->count > columns)
        return wni_fail(s->ctx, WN_E_DATA, "%s: the rows that are there have no column '%s'; %s",
                        path, s->name[columns],
                        wni_schema_hint(&there, s->name[columns], hint, sizeof hint));
    for (int32_t i = 0; i < columns; i++) {
        const char *found = wni_schema_type(s, i), *expected = wn_table_column_type(like, i);
        const uint8_t large = s->exact[i] & WNI_EXACT_INTEGER;

        if (fit(s, i, expected)) continue;
        return wni_fail(s->ctx, WN_E_DATA,
                        "%s: column '%s' holds %s%s, expected %s as in the rows that are there",
                        path, s->name[i], found, large ? " beyond 2^53" : "", expected);
    }
    return WN_OK;
}
