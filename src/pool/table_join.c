/* SPDX-License-Identifier: Apache-2.0
 *
 * One table out of rows of several.
 */
#include <string.h>

#include "pool/table_impl.h"
#include "pool/table_join.h"

static wn_status same_columns(const wn_table *a, const wn_table *b)
{
    for (int32_t i = 0; i < a->columns || i < b->columns; i++) {
        const char *x = wn_table_column_name(a, i), *y = wn_table_column_name(b, i);
        const char *is = wn_table_column_type(a, i), *will = wn_table_column_type(b, i);

        if (x && y && strcmp(x, y) == 0) {
            if (strcmp(is, will) == 0) continue;
            return wni_fail(a->ctx, WN_E_DATA,
                            "%s: column %s holds %s, expected %s as in the rows that are there",
                            b->path, x, will, is);
        }
        return wni_fail(a->ctx, WN_E_DATA,
                        "%s: column %d is %s, expected %s as in the rows that are there; give "
                        "tables with the same columns",
                        b->path, i + 1, y ? y : "missing", x ? x : "no more");
    }
    return WN_OK;
}

/* CREATE TABLE rows and the INSERT into it, wni_free. */
static wn_status make_sql(const wn_table *t, char **create, char **insert)
{
    char *columns = wni_strdup(t->ctx, ""), *marks = wni_strdup(t->ctx, "");
    wn_status st = columns && marks ? WN_OK : WN_E_NOMEM;

    for (int32_t i = 0; st == WN_OK && i < t->columns; i++) {
        char *name = wni_sql_name(t->ctx, t->name[i]), *a = NULL, *b = NULL;
        if (name) {
            a = wni_format(t->ctx, "%s, %s %s", columns, name, t->type[i]);
            b = wni_format(t->ctx, "%s, ?", marks);
        }
        wni_free(t->ctx, name);
        wni_free(t->ctx, columns);
        wni_free(t->ctx, marks);
        columns = a;
        marks = b;
        if (!a || !b) st = WN_E_NOMEM;
    }
    if (st == WN_OK) {
        *create = wni_format(t->ctx, "CREATE TABLE rows (_row INTEGER PRIMARY KEY%s)", columns);
        *insert = wni_format(t->ctx, "INSERT INTO rows VALUES (?%s)", marks);
        if (!*create || !*insert) st = WN_E_NOMEM;
    }
    wni_free(t->ctx, columns);
    wni_free(t->ctx, marks);
    return st;
}

static wn_status copy_row(const wn_table *t, sqlite3 *db, sqlite3_stmt *from, sqlite3_stmt *to,
                          int64_t row, int64_t *at)
{
    sqlite3_reset(from);
    sqlite3_bind_int64(from, 1, row);
    if (sqlite3_step(from) != SQLITE_ROW)
        return wni_fail(t->ctx, WN_E_DATA, "%s: there is no row %lld", t->path, (long long)row);
    sqlite3_reset(to);
    sqlite3_bind_int64(to, 1, (*at)++);
    for (int32_t i = 0; i < t->columns; i++)
        sqlite3_bind_value(to, i + 2, sqlite3_column_value(from, i + 1));
    return sqlite3_step(to) == SQLITE_DONE ? WN_OK
                                           : wni_sql_fail(t->ctx, db, "table.sqlite", "copying");
}

static wn_status copy_part(wn_table *t, const wni_table_part *part, sqlite3 *db, sqlite3_stmt *to,
                           int64_t *at)
{
    sqlite3_stmt *from = NULL;
    wn_status st = WN_OK;

    if (sqlite3_prepare_v2(t->db, "SELECT * FROM rows WHERE _row = ?", -1, &from, NULL))
        st = wni_sql_fail(t->ctx, t->db, t->path, "reading it");
    for (int64_t i = 0; st == WN_OK && i < part->n; i++) {
        st = copy_row(t, db, from, to, part->rows ? part->rows[i] : i, at);
        if (st == WN_OK && i % 1024 == 0) st = wni_poll(t->ctx);
    }
    sqlite3_finalize(from);
    return st;
}

static wn_status begin_table(wn_ctx *ctx, const wn_table *first, const char *path, sqlite3 **db,
                             sqlite3_stmt **to)
{
    char *create = NULL, *insert = NULL;
    wn_status st;

    if (sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL))
        return wni_sql_fail(ctx, *db, path, "making the table");
    WNI_TRY(wni_sql_run(ctx, *db, path, WNI_TABLE_BEGIN));
    WNI_TRY(make_sql(first, &create, &insert));
    WNI_TRY(wni_sql_run(ctx, *db, path, create));
    WNI_TRY(wni_sql_run(ctx, *db, path, WNI_TABLE_HEAD));
    if (sqlite3_prepare_v2(*db, insert, -1, to, NULL))
        st = wni_sql_fail(ctx, *db, path, "making the table");
done:
    wni_free(ctx, create);
    wni_free(ctx, insert);
    return st;
}

static wn_status end_table(wn_ctx *ctx, const wn_table *first, const char *path, sqlite3 *db,
                           int64_t rows)
{
    char *sql =
        sqlite3_mprintf("INSERT INTO _files VALUES (0, 'joined', 0, %lld);"
                        "INSERT INTO _meta VALUES ('format', 1), ('rows', %lld), ('id', %Q);"
                        "COMMIT",
                        (long long)rows, (long long)rows, wn_table_id_column(first));
    wn_status st = sql ? wni_sql_run(ctx, db, path, sql) : wni_nomem(ctx, 1);

    sqlite3_free(sql);
    return st;
}

wn_status wni_table_join(wn_ctx *ctx, const wni_table_part *parts, int32_t n, const char *path)
{
    wn_table *first = NULL, *t = NULL;
    sqlite3_stmt *to = NULL;
    sqlite3 *db = NULL;
    int64_t rows = 0;
    wn_status st;

    WNI_TRY(wn_table_open(ctx, parts[0].path, &first));
    WNI_TRY(begin_table(ctx, first, path, &db, &to));
    for (int32_t i = 0; i < n; i++) {
        WNI_TRY(wn_table_open(ctx, parts[i].path, &t));
        WNI_TRY(same_columns(first, t));
        WNI_TRY(copy_part(t, &parts[i], db, to, &rows));
        wn_table_free(t);
        t = NULL;
    }
    WNI_TRY(end_table(ctx, first, path, db, rows));
done:
    sqlite3_finalize(to);
    sqlite3_close(db);
    wn_table_free(t);
    wn_table_free(first);
    return st;
}
