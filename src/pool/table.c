/* SPDX-License-Identifier: Apache-2.0
 *
 * A table that exists: opening, columns, cells.
 */
#include <stdio.h>
#include <string.h>

#include "pool/table_impl.h"
#include "pool/text_column.h"
#include "winnow/method.h"

void wn_table_options_init(wn_table_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
}

/* ---- SQLite ------------------------------------------------------------------------------------ */

wn_status wni_sql_fail(wn_ctx *ctx, sqlite3 *db, const char *path, const char *what)
{
    int code = db ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM;

    if (!*path) path = "the temporary table";

    switch (code) {
    case SQLITE_NOMEM:
        return wni_fail(ctx, WN_E_NOMEM, "out of memory: SQLite, %s", what);
    case SQLITE_INTERRUPT:
        return wni_fail(ctx, WN_E_CANCELLED, "stopped as asked");
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return wni_fail(ctx, WN_E_IO, "%s: %s: %s", path, what, sqlite3_errmsg(db));
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return wni_fail(ctx, WN_E_DATA, "%s: %s: %s", path, what, sqlite3_errmsg(db));
    default:
        return wni_fail(ctx, WN_E_INTERNAL, "%s: %s: SQLite says %s", path, what,
                        sqlite3_errmsg(db));
    }
}

wn_status wni_sql_run(wn_ctx *ctx, sqlite3 *db, const char *path, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? WN_OK
                                                                : wni_sql_fail(ctx, db, path, sql);
}

char *wni_sql_name(wn_ctx *ctx, const char *name)
{
    char *quoted = wni_alloc(ctx, 2 * (int64_t)strlen(name) + 3, 1), *p = quoted;

    if (!quoted) return NULL;
    *p++ = '"';
    for (; *name; name++) {
        if (*name == '"') *p++ = '"';
        *p++ = *name;
    }
    *p++ = '"';
    *p = 0;
    return quoted;
}

/* ---- opening ----------------------------------------------------------------------------------- */

void wn_table_free(wn_table *table)
{
    if (!table) return;
    sqlite3_finalize(table->cell);
    sqlite3_close(table->db);
    for (int32_t i = 0; i < table->columns; i++) {
        if (table->name) wni_free(table->ctx, table->name[i]);
        if (table->type) wni_free(table->ctx, table->type[i]);
    }
    for (int32_t i = 0; table->file && i < table->files; i++)
        wni_free(table->ctx, table->file[i]);
    wni_free(table->ctx, table->file);
    wni_free(table->ctx, table->first_row);
    wni_free(table->ctx, table->first_line);
    wni_free(table->ctx, table->name);
    wni_free(table->ctx, table->type);
    wni_free(table->ctx, table->path);
    wni_free(table->ctx, table);
}

static wn_status not_a_table(const wn_table *t, const char *why)
{
    return wni_fail(t->ctx, WN_E_DATA, "%s: not a table that winnow made: %s", t->path, why);
}

/* The columns behind _row, with their declared types. */
static wn_status read_columns(wn_table *t)
{
    sqlite3_stmt *s = NULL;
    wn_status st = WN_OK;
    int rc;

    if (sqlite3_prepare_v2(t->db, "SELECT count(*) FROM pragma_table_info('rows')", -1, &s, NULL) ||
        sqlite3_step(s) != SQLITE_ROW) {
        st = wni_sql_fail(t->ctx, t->db, t->path, "reading the columns");
        goto done;
    }
    t->columns = sqlite3_column_int(s, 0) - 1;
    sqlite3_finalize(s);
    s = NULL;
    if (t->columns < 0) {
        t->columns = 0;
        st = not_a_table(t, "it has no table 'rows'");
        goto done;
    }
    WNI_NEW0(t->ctx, t->name, t->columns);
    WNI_NEW0(t->ctx, t->type, t->columns);
    if (sqlite3_prepare_v2(t->db, "SELECT cid, name, type FROM pragma_table_info('rows')", -1, &s,
                           NULL)) {
        st = wni_sql_fail(t->ctx, t->db, t->path, "reading the columns");
        goto done;
    }
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        int32_t i = sqlite3_column_int(s, 0) - 1;

        if (i < 0) continue; /* _row */
        t->name[i] = wni_strdup(t->ctx, (const char *)sqlite3_column_text(s, 1));
        t->type[i] = wni_strdup(t->ctx, (const char *)sqlite3_column_text(s, 2));
        if (!t->name[i] || !t->type[i]) {
            st = WN_E_NOMEM;
            goto done;
        }
    }
    if (rc != SQLITE_DONE) st = wni_sql_fail(t->ctx, t->db, t->path, "reading the columns");
done:
    sqlite3_finalize(s);
    return st;
}

static wn_status read_meta(wn_table *t)
{
    sqlite3_stmt *s = NULL;
    wn_status st = WN_OK;
    int seen = 0;

    t->id = -1;
    if (sqlite3_prepare_v2(t->db, "SELECT key, value FROM _meta", -1, &s, NULL))
        return not_a_table(t, sqlite3_errmsg(t->db));
    while (sqlite3_step(s) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(s, 0);

        if (key && strcmp(key, "rows") == 0) {
            t->rows = sqlite3_column_int64(s, 1);
            seen = 1;
        }
        if (key && strcmp(key, "id") == 0)
            t->id = wn_table_column_find(t, (const char *)sqlite3_column_text(s, 1));
    }
    if (!seen) st = not_a_table(t, "its writing was not finished");
    sqlite3_finalize(s);
    return st;
}

static wn_status read_files(wn_table *t)
{
    sqlite3_stmt *s = NULL;
    wn_status st = WN_OK;
    int32_t i = 0;

    if (sqlite3_prepare_v2(t->db,
                           "SELECT name, first_row, count(*) OVER () FROM _files ORDER BY file", -1,
                           &s, NULL))
        return not_a_table(t, sqlite3_errmsg(t->db));
    while (sqlite3_step(s) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(s, 0);

        if (!t->file) {
            t->files = sqlite3_column_int(s, 2);
            WNI_NEW0(t->ctx, t->file, t->files);
            WNI_NEW0(t->ctx, t->first_row, t->files);
        }
        t->first_row[i] = sqlite3_column_int64(s, 1);
        if (!(t->file[i++] = wni_strdup(t->ctx, name ? name : "?"))) {
            st = WN_E_NOMEM;
            break;
        }
    }
done:
    sqlite3_finalize(s);
    return st;
}

const char *wni_table_where(const wn_table *t, int64_t row, char *buf, size_t bytes)
{
    int32_t file = t->files - 1;

    while (file > 0 && t->first_row[file] > row)
        file--;
    if (file < 0)
        snprintf(buf, bytes, "row %lld", (long long)row);
    else if (t->first_line && t->first_line[file] >= 0)
        snprintf(buf, bytes, "%s line %lld (row %lld)", t->file[file],
                 (long long)(t->first_line[file] + row - t->first_row[file]), (long long)row);
    else
        snprintf(buf, bytes, "%s (row %lld)", t->file[file], (long long)row);
    return buf;
}

wn_status wni_table_attach(wn_ctx *ctx, sqlite3 *db, const char *path, wn_table **out)
{
    wn_table *t = wni_calloc(ctx, 1, sizeof *t);
    wn_status st = WN_OK;

    *out = NULL;
    if (!t) return WN_E_NOMEM;
    t->ctx = ctx;
    t->db = db;
    t->cell_column = -1;
    if (!(t->path = wni_strdup(ctx, path))) {
        st = WN_E_NOMEM;
        goto done;
    }
    WNI_TRY(read_columns(t));
    WNI_TRY(read_meta(t));
    WNI_TRY(read_files(t));
done:
    if (st == WN_OK) {
        *out = t;
    } else {
        t->db = NULL;
        wn_table_free(t);
    }
    return st;
}

/* Takes over db, open or not. */
static wn_status open_db(wn_ctx *ctx, sqlite3 *db, int failed, const char *path, wn_table **out)
{
    sqlite3_stmt *s = NULL;
    wn_status st = WN_OK;
    int id = 0;

    *out = NULL;
    if (failed) {
        st = wni_fail(ctx, WN_E_DATA, "%s: cannot open the table: %s", path,
                      db ? sqlite3_errmsg(db) : "out of memory");
        goto fail;
    }
    if (sqlite3_prepare_v2(db, "PRAGMA application_id", -1, &s, NULL) ||
        sqlite3_step(s) != SQLITE_ROW) {
        st = wni_sql_fail(ctx, db, path, "reading the table");
        goto fail;
    }
    id = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    s = NULL;
    if (id != WNI_TABLE_ID) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: not a table that winnow made: give the table.sqlite of an output folder",
                      path);
        goto fail;
    }
    st = wni_table_attach(ctx, db, path, out);
    if (st == WN_OK) return st;
fail:
    sqlite3_finalize(s);
    sqlite3_close(db);
    return st;
}

wn_status wn_table_open(wn_ctx *ctx, const char *db_path, wn_table **out)
{
    sqlite3 *db = NULL;
    int failed = sqlite3_open_v2(db_path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    return open_db(ctx, db, failed, db_path, out);
}

wn_status wni_table_open_bytes(wn_ctx *ctx, const char *path, const void *data, int64_t bytes,
                               wn_table **out)
{
    sqlite3 *db = NULL;
    int failed =
        sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (!failed)
        failed = sqlite3_deserialize(db, "main", (unsigned char *)(uintptr_t)data, bytes, bytes,
                                     SQLITE_DESERIALIZE_READONLY);
    return open_db(ctx, db, failed, path, out);
}

/* ---- columns ----------------------------------------------------------------------------------- */

int64_t wn_table_rows(const wn_table *table)
{
    return table->rows;
}

int32_t wn_table_columns(const wn_table *table)
{
    return table->columns;
}

const char *wn_table_column_name(const wn_table *table, int32_t column)
{
    return column >= 0 && column < table->columns ? table->name[column] : NULL;
}

const char *wn_table_column_type(const wn_table *table, int32_t column)
{
    return column >= 0 && column < table->columns ? table->type[column] : NULL;
}

int32_t wn_table_column_find(const wn_table *table, const char *name)
{
    for (int32_t i = 0; name && i < table->columns; i++)
        if (strcmp(table->name[i], name) == 0) return i;
    return -1;
}

const char *wni_table_nearest(const wn_table *t, const char *name)
{
    return wn_nearest(name, (const char *const *)t->name, t->columns);
}

const char *wn_table_id_column(const wn_table *table)
{
    return table->id < 0 ? NULL : table->name[table->id];
}

/* ---- cells ------------------------------------------------------------------------------------- */

/* `format` has one %s, for the column's name in quotes. */
static wn_status prepare(const wn_table *t, const char *format, int32_t column, sqlite3_stmt **out)
{
    wn_status st = WN_OK;
    char *name = NULL, *sql = NULL;

    *out = NULL;
    if (column < 0 || column >= t->columns)
        return wni_fail(t->ctx, WN_E_USAGE, "%s: column %d, the table has %d", t->path, column,
                        t->columns);
    name = wni_sql_name(t->ctx, t->name[column]);
    if (name) sql = sqlite3_mprintf(format, name);
    if (!name)
        st = WN_E_NOMEM;
    else if (!sql)
        st = wni_nomem(t->ctx, strlen(format));
    else if (sqlite3_prepare_v2(t->db, sql, -1, out, NULL))
        st = wni_sql_fail(t->ctx, t->db, t->path, "reading a column");
    sqlite3_free(sql);
    wni_free(t->ctx, name);
    return st;
}

wn_status wn_table_text(wn_table *t, int64_t row, int32_t column, const char **text)
{
    wn_status st;

    *text = NULL;
    if (row < 0 || row >= t->rows)
        return wni_fail(t->ctx, WN_E_USAGE, "%s: row %lld, the table has rows 0 to %lld", t->path,
                        (long long)row, (long long)t->rows - 1);
    if (column != t->cell_column) {
        sqlite3_finalize(t->cell);
        t->cell = NULL;
        t->cell_column = -1;
        st = prepare(t, "SELECT %s FROM rows WHERE _row = ?1", column, &t->cell);
        if (st != WN_OK) return st;
        t->cell_column = column;
    }
    sqlite3_reset(t->cell);
    sqlite3_bind_int64(t->cell, 1, row);
    if (sqlite3_step(t->cell) != SQLITE_ROW)
        return wni_sql_fail(t->ctx, t->db, t->path, "reading a row");
    if (sqlite3_column_type(t->cell, 0) == SQLITE_NULL) return WN_OK;
    *text = (const char *)sqlite3_column_text(t->cell, 0);
    return *text ? WN_OK : wni_sql_fail(t->ctx, t->db, t->path, "reading a row");
}

wn_status wni_table_text_bytes(const wn_table *t, int32_t column, int64_t *bytes)
{
    sqlite3_stmt *s;
    wn_status st =
        prepare(t, "SELECT coalesce(sum(length(CAST(%s AS BLOB))), 0) FROM rows", column, &s);

    *bytes = 0;
    if (st != WN_OK) return st;
    if (sqlite3_step(s) == SQLITE_ROW)
        *bytes = sqlite3_column_int64(s, 0);
    else
        st = wni_sql_fail(t->ctx, t->db, t->path, "measuring a column");
    sqlite3_finalize(s);
    return st;
}

wn_status wn_table_scan(wn_table *t, int32_t column,
                        wn_status (*fn)(void *user, int64_t row, const char *text), void *user)
{
    sqlite3_stmt *s;
    int64_t row = 0;
    wn_status st = prepare(t, "SELECT _row, %s FROM rows ORDER BY _row", column, &s);
    int rc = SQLITE_DONE;

    while (st == WN_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = NULL;

        if (sqlite3_column_type(s, 1) != SQLITE_NULL) {
            text = (const char *)sqlite3_column_text(s, 1);
            if (!text) {
                rc = SQLITE_NOMEM;
                break;
            }
        }
        st = (row & 255) == 0 ? wni_poll(t->ctx) : WN_OK;
        if (st == WN_OK) st = fn(user, row, text);
        row++;
    }
    if (st == WN_OK && rc != SQLITE_DONE)
        st = wni_sql_fail(t->ctx, t->db, t->path, "reading the rows");
    if (st == WN_OK && row != t->rows)
        st = wni_fail(t->ctx, WN_E_DATA, "%s: %lld rows, expected %lld: the table is damaged",
                      t->path, (long long)row, (long long)t->rows);
    sqlite3_finalize(s);
    return st;
}

wn_status wni_table_numbers(wn_table *t, int32_t column, double *real, int64_t *whole,
                            uint64_t *present)
{
    sqlite3_stmt *s;
    int64_t row = 0;
    wn_status st = prepare(t, "SELECT _row, %s FROM rows ORDER BY _row", column, &s);
    int rc = SQLITE_DONE;

    while (st == WN_OK && row < t->rows && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const uint64_t bit = (uint64_t)1 << (row & 63);

        if ((row & 63) == 0) present[row >> 6] = 0;
        if (sqlite3_column_type(s, 1) != SQLITE_NULL) present[row >> 6] |= bit;
        if (whole)
            whole[row] = sqlite3_column_int64(s, 1);
        else
            real[row] = sqlite3_column_double(s, 1);
        if ((row & 255) == 0) st = wni_poll(t->ctx);
        row++;
    }
    if (st == WN_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = wni_sql_fail(t->ctx, t->db, t->path, "reading the rows");
    if (st == WN_OK && row != t->rows)
        st = wni_fail(t->ctx, WN_E_DATA, "%s: %lld rows, expected %lld: the table is damaged",
                      t->path, (long long)row, (long long)t->rows);
    sqlite3_finalize(s);
    return st;
}

wn_status wn_table_find_id(wn_table *t, const char *id, int64_t *row)
{
    sqlite3_stmt *s = NULL;
    wn_status st;
    int rc;

    *row = -1;
    if (t->id < 0)
        return wni_fail(t->ctx, WN_E_USAGE,
                        "%s: the table has no id column: name one with --id when it is made",
                        t->path);
    st = prepare(t, "SELECT _row FROM rows WHERE %s = ?1", t->id, &s);
    if (st != WN_OK) return st;
    sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        *row = sqlite3_column_int64(s, 0);
    else if (rc == SQLITE_DONE)
        st = wni_fail(t->ctx, WN_E_DATA, "%s: no row has the %s '%s'", t->path, t->name[t->id], id);
    else
        st = wni_sql_fail(t->ctx, t->db, t->path, "looking for an id");
    sqlite3_finalize(s);
    return st;
}
