/* SPDX-License-Identifier: Apache-2.0
 *
 * Text files into a table: survey, then rows, then the index of ids.
 */
#include <stdlib.h>
#include <string.h>

#include "io/outdir.h"
#include "pool/table_impl.h"

typedef struct builder {
    wn_ctx *ctx;
    wn_table_options opt;
    const wn_table *like; /* whose columns they must be; NULL = any */
    char **paths;         /* (n_paths) expanded */
    int32_t n_paths;
    int64_t *first; /* (n_paths + 1) first row of each file */
    int64_t *line;  /* (n_paths) line of that row while all lines follow one another, else -1 */
    wni_schema schema;
    int32_t id, text; /* columns, -1 = not asked for or not met yet */

    const char *db_path;
    sqlite3 *db;
    sqlite3_stmt *insert;
} builder;

/* ---- survey -------------------------------------------------------------------------------------- */

static const wni_cell *find_cell(builder *b, const wni_cell *cells, int32_t count, const char *name,
                                 int32_t *column)
{
    for (int32_t i = 0; i < count; i++)
        if (*column < 0 ? strcmp(b->schema.name[cells[i].column], name) == 0
                        : cells[i].column == *column) {
            *column = cells[i].column;
            return &cells[i];
        }
    return NULL;
}

static wn_status no_field(builder *b, const char *name, const char *path, int64_t line)
{
    char hint[256];

    for (int32_t i = 0; i < b->schema.count; i++)
        if (strcmp(b->schema.name[i], name) == 0)
            return wni_fail(
                b->ctx, WN_E_DATA,
                "%s line %lld: no field '%s', which earlier rows have: add it or drop the "
                "row",
                path, (long long)line, name);
    return wni_fail(b->ctx, WN_E_DATA, "%s line %lld: no field '%s'; %s", path, (long long)line,
                    name, wni_schema_hint(&b->schema, name, hint, sizeof hint));
}

static const char *what_is(const wni_cell *cell)
{
    if (cell->kind == WNI_NULL) return "null";
    if (cell->textual) return "text";
    if (cell->kind != WNI_TEXT)
        return *cell->text == 't' || *cell->text == 'f' ? "a truth value" : "a number";
    return *cell->text == '{' ? "an object" : "an array";
}

static wn_status check_record(builder *b, const wni_cell *cells, int32_t count, const char *path,
                              int64_t line)
{
    const wni_cell *cell;

    if (b->opt.text) {
        cell = find_cell(b, cells, count, b->opt.text, &b->text);
        if (!cell) return no_field(b, b->opt.text, path, line);
        if (!cell->textual)
            return wni_fail(b->ctx, WN_E_DATA,
                            "%s line %lld: field '%s' is %s, expected text: mend or drop the row",
                            path, (long long)line, b->opt.text, what_is(cell));
    }
    if (b->opt.id) {
        cell = find_cell(b, cells, count, b->opt.id, &b->id);
        if (!cell) return no_field(b, b->opt.id, path, line);
        if (!cell->textual && cell->kind != WNI_INTEGER)
            return wni_fail(b->ctx, WN_E_DATA,
                            "%s line %lld: the id '%s' is %s, expected text or an integer", path,
                            (long long)line, b->opt.id, what_is(cell));
    }
    return WN_OK;
}

static uint8_t exact_of(const wni_cell *cell)
{
    char text[64];

    if (cell->kind == WNI_INTEGER && cell->parsed)
        return cell->integer > 1LL << 53 || cell->integer < -(1LL << 53) ? WNI_EXACT_INTEGER : 0;
    if (cell->kind != WNI_REAL || cell->parsed) return 0;
    sqlite3_snprintf(sizeof text, text, "%!.15g", strtod(cell->text, NULL)); /* as SQLite does */
    return strcmp(text, cell->text) ? WNI_EXACT_REAL : 0;
}

static wn_status survey_file(builder *b, int32_t file)
{
    wni_records *records = NULL;
    const wni_cell *cells;
    int64_t line = 0, rows = b->first[file];
    int32_t count;
    wn_status st = WN_OK;

    WNI_TRY(wni_records_open(b->ctx, b->paths[file], &b->schema, &records));
    for (;;) {
        WNI_TRY(wni_records_next(records, &cells, &count, &line));
        if (!cells) break;
        for (int32_t i = 0; i < count; i++) {
            int32_t c = cells[i].column;
            if (cells[i].kind > b->schema.kind[c]) b->schema.kind[c] = cells[i].kind;
            b->schema.exact[c] |= exact_of(&cells[i]);
        }
        WNI_TRY(check_record(b, cells, count, b->paths[file], line));
        if (rows == b->first[file])
            b->line[file] = line;
        else if (line - b->line[file] != rows - b->first[file])
            b->line[file] = -1;
        if ((++rows & 4095) == 0) wni_progress(b->ctx, "check records", rows, 0);
    }
    if (rows == b->first[file])
        st =
            wni_fail(b->ctx, WN_E_DATA,
                     "%s: no rows: the file is empty, or has nothing but a header", b->paths[file]);
    b->first[file + 1] = rows;
done:
    wni_records_free(records);
    return st;
}

static wn_status survey(builder *b)
{
    wn_status st = WN_OK;

    if (b->like) WNI_TRY(wni_schema_begin(&b->schema, b->like));
    for (int32_t i = 0; i < b->n_paths; i++)
        WNI_TRY(survey_file(b, i));
    if (b->like) WNI_TRY(wni_schema_fit(&b->schema, b->like, b->paths[0]));
    for (int32_t i = 0; i < b->schema.count; i++)
        if (b->schema.kind[i] == WNI_NULL || (b->schema.kind[i] == WNI_REAL && b->schema.exact[i]))
            b->schema.kind[i] = WNI_TEXT;
    /* A text or id of a CSV file may look like a number in every row. */
    if (b->text >= 0) b->schema.kind[b->text] = WNI_TEXT;
    if (b->id >= 0 && b->schema.kind[b->id] == WNI_REAL) b->schema.kind[b->id] = WNI_TEXT;
    b->schema.frozen = 1;
done:
    return st;
}

/* ---- database -------------------------------------------------------------------------------------- */

static int interrupted(void *user)
{
    return wni_poll(user) != WN_OK;
}

/* Nothing is synced or journalled: the database lies in an output that is synced and renamed when it is
 * complete, and is removed on failure. */
static wn_status create(builder *b)
{
    sqlite3_stmt *s = NULL;
    wn_status st = WN_OK;

    if (sqlite3_open_v2(b->db_path, &b->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) ||
        sqlite3_prepare_v2(b->db, "PRAGMA page_count", -1, &s, NULL) ||
        sqlite3_step(s) != SQLITE_ROW)
        st = wni_sql_fail(b->ctx, b->db, b->db_path, "making the table");
    else if (sqlite3_column_int(s, 0) > 0)
        st = wni_fail(b->ctx, WN_E_DATA, "%s: exists already: choose another name", b->db_path);
    sqlite3_finalize(s);
    if (st != WN_OK) { /* not ours: it must not be discarded */
        sqlite3_close(b->db);
        b->db = NULL;
        return st;
    }
    return wni_sql_run(b->ctx, b->db, b->db_path, WNI_TABLE_BEGIN);
}

static wn_status create_rows(builder *b)
{
    sqlite3_str *table = sqlite3_str_new(b->db), *insert = sqlite3_str_new(b->db);
    char *sql[2];
    wn_status st = WN_OK;

    sqlite3_str_appendall(table, "CREATE TABLE rows(_row INTEGER PRIMARY KEY");
    sqlite3_str_appendall(insert, "INSERT INTO rows VALUES(?");
    for (int32_t i = 0; i < b->schema.count; i++) {
        sqlite3_str_appendf(table, ", \"%w\" %s", b->schema.name[i],
                            wni_schema_type(&b->schema, i));
        sqlite3_str_appendall(insert, ",?");
    }
    sqlite3_str_appendall(table, ")");
    sqlite3_str_appendall(insert, ")");
    sql[0] = sqlite3_str_finish(table);
    sql[1] = sqlite3_str_finish(insert);
    if (!sql[0] || !sql[1])
        st = wni_nomem(b->ctx, 64);
    else if (sqlite3_exec(b->db, sql[0], NULL, NULL, NULL) ||
             sqlite3_prepare_v3(b->db, sql[1], -1, SQLITE_PREPARE_PERSISTENT, &b->insert, NULL))
        st = wni_sql_fail(b->ctx, b->db, b->db_path, "making the columns");
    sqlite3_free(sql[0]);
    sqlite3_free(sql[1]);
    return st;
}

/* A REAL column converts the text of a CSV number by itself, exactly as SQL literals are read. */
static int bind_cell(builder *b, const wni_cell *cell)
{
    int at = cell->column + 2;

    if (cell->kind == WNI_NULL) return SQLITE_OK;
    if (b->schema.kind[cell->column] == WNI_TEXT || !cell->parsed)
        return sqlite3_bind_text(b->insert, at, cell->text, (int)cell->bytes, SQLITE_STATIC);
    if (cell->kind == WNI_INTEGER) return sqlite3_bind_int64(b->insert, at, cell->integer);
    return sqlite3_bind_double(b->insert, at, cell->real);
}

static wn_status insert_row(builder *b, int64_t row, const wni_cell *cells, int32_t count)
{
    int rc = sqlite3_bind_int64(b->insert, 1, row);

    for (int32_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = bind_cell(b, &cells[i]);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(b->insert);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    if (rc != SQLITE_OK) return wni_sql_fail(b->ctx, b->db, b->db_path, "writing a row");
    sqlite3_reset(b->insert);
    sqlite3_clear_bindings(b->insert);
    return WN_OK;
}

static wn_status insert_file(builder *b, int32_t file)
{
    wni_records *records = NULL;
    const wni_cell *cells;
    int64_t line = 0, row = b->first[file];
    int32_t count;
    wn_status st = WN_OK;

    WNI_TRY(wni_records_open(b->ctx, b->paths[file], &b->schema, &records));
    for (;; row++) {
        WNI_TRY(wni_records_next(records, &cells, &count, &line));
        if (!cells) break;
        WNI_TRY(insert_row(b, row, cells, count));
        if ((row & 4095) == 0) wni_progress(b->ctx, "store rows", row, b->first[b->n_paths]);
    }
    if (row != b->first[file + 1])
        st = wni_fail(b->ctx, WN_E_IO, "%s: the file changed while it was read", b->paths[file]);
done:
    wni_records_free(records);
    return st;
}

/* ---- ids --------------------------------------------------------------------------------------- */

/* Where a row came from; reads its file again, for an error text only. */
static wn_status locate(builder *b, int64_t row, int32_t *file, int64_t *line)
{
    wni_records *records = NULL;
    const wni_cell *cells;
    int32_t count;
    wn_status st = WN_OK;

    for (*file = 0; b->first[*file + 1] <= row;)
        ++*file;
    WNI_TRY(wni_records_open(b->ctx, b->paths[*file], &b->schema, &records));
    for (int64_t r = b->first[*file]; r <= row; r++)
        WNI_TRY(wni_records_next(records, &cells, &count, line));
done:
    wni_records_free(records);
    return st;
}

/* SQLite errors as `st` with the statement finalised by the caller. */
static wn_status first_repeat(builder *b, const char *id, int64_t *row, int64_t *earlier)
{
    char *any = sqlite3_mprintf("SELECT 1 FROM rows GROUP BY %s HAVING count(*) > 1 LIMIT 1", id);
    char *which =
        sqlite3_mprintf("SELECT _row, p FROM (SELECT _row, lag(_row) OVER (PARTITION BY %s "
                        "ORDER BY _row) AS p FROM rows) WHERE p IS NOT NULL "
                        "ORDER BY _row LIMIT 1",
                        id);
    sqlite3_stmt *s = NULL;
    wn_status st = WN_OK;
    int rc;

    *row = -1;
    if (!any || !which) {
        st = wni_nomem(b->ctx, 256);
        goto done;
    }
    if (sqlite3_prepare_v2(b->db, any, -1, &s, NULL)) goto broken;
    rc = sqlite3_step(s);
    if (rc == SQLITE_DONE) goto done;
    if (rc != SQLITE_ROW) goto broken;
    sqlite3_finalize(s);
    s = NULL;
    if (sqlite3_prepare_v2(b->db, which, -1, &s, NULL) || sqlite3_step(s) != SQLITE_ROW)
        goto broken;
    *row = sqlite3_column_int64(s, 0);
    *earlier = sqlite3_column_int64(s, 1);
    goto done;
broken:
    st = wni_sql_fail(b->ctx, b->db, b->db_path, "checking the ids");
done:
    sqlite3_finalize(s);
    sqlite3_free(any);
    sqlite3_free(which);
    return st;
}

static wn_status repeat_error(builder *b, int64_t row, int64_t earlier)
{
    int32_t file, other_file;
    int64_t line, other_line;
    wn_status st;

    if ((st = locate(b, row, &file, &line)) != WN_OK) return st;
    if ((st = locate(b, earlier, &other_file, &other_line)) != WN_OK) return st;
    return wni_fail(
        b->ctx, WN_E_DATA,
        "%s line %lld: its %s repeats that of %s%sline %lld: ids must be unique, drop one "
        "or leave out --id",
        b->paths[file], (long long)line, b->opt.id, file == other_file ? "" : b->paths[other_file],
        file == other_file ? "" : " ", (long long)other_line);
}

/* The index first, then one walk along it: the check of a UNIQUE index could not be undone without a
 * journal, and would not say which rows. */
static wn_status index_ids(builder *b)
{
    char *id = wni_sql_name(b->ctx, b->opt.id), *sql = NULL;
    int64_t row, earlier = 0;
    wn_status st = WN_OK;

    if (!id) return WN_E_NOMEM;
    sql = sqlite3_mprintf("CREATE INDEX _id ON rows(%s)", id);
    if (!sql) {
        st = wni_nomem(b->ctx, 64);
        goto done;
    }
    wni_progress(b->ctx, "index ids", 0, b->first[b->n_paths]);
    WNI_TRY(wni_sql_run(b->ctx, b->db, b->db_path, sql));
    WNI_TRY(first_repeat(b, id, &row, &earlier));
    if (row >= 0) st = repeat_error(b, row, earlier);
done:
    sqlite3_free(sql);
    wni_free(b->ctx, id);
    return st;
}

/* ---- meta -------------------------------------------------------------------------------------- */

/* Without folders, so that the bytes of the table depend on what the files hold, not on where they lie. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static wn_status write_meta(builder *b)
{
    sqlite3_stmt *s = NULL;
    wn_status st = WN_OK;
    int rc;

    WNI_TRY(wni_sql_run(b->ctx, b->db, b->db_path, WNI_TABLE_HEAD));
    rc = sqlite3_prepare_v2(b->db, "INSERT INTO _files VALUES(?,?,?,?)", -1, &s, NULL);
    for (int32_t i = 0; i < b->n_paths && rc == SQLITE_OK; i++) {
        sqlite3_bind_int(s, 1, i);
        sqlite3_bind_text(s, 2, base_name(b->paths[i]), -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 3, b->first[i]);
        sqlite3_bind_int64(s, 4, b->first[i + 1] - b->first[i]);
        rc = sqlite3_step(s) == SQLITE_DONE ? sqlite3_reset(s) : SQLITE_ERROR;
    }
    sqlite3_finalize(s);
    s = NULL;
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(
            b->db, "INSERT INTO _meta VALUES('format', 1), ('rows', ?1), ('id', ?2)", -1, &s, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(s, 1, b->first[b->n_paths]);
        if (b->opt.id) sqlite3_bind_text(s, 2, b->opt.id, -1, SQLITE_STATIC);
        rc = sqlite3_step(s) == SQLITE_DONE ? SQLITE_OK : SQLITE_ERROR;
    }
    if (rc != SQLITE_OK) st = wni_sql_fail(b->ctx, b->db, b->db_path, "writing the table's head");
done:
    sqlite3_finalize(s);
    return st;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static wn_status fill(builder *b)
{
    wn_status st = WN_OK;

    WNI_TRY(create_rows(b));
    for (int32_t i = 0; i < b->n_paths; i++)
        WNI_TRY(insert_file(b, i));
    sqlite3_finalize(b->insert);
    b->insert = NULL;
    sqlite3_progress_handler(b->db, 20000, interrupted, b->ctx);
    if (b->opt.id) WNI_TRY(index_ids(b));
    WNI_TRY(write_meta(b));
    WNI_TRY(wni_sql_run(b->ctx, b->db, b->db_path, "COMMIT"));
done:
    if (b->db) sqlite3_progress_handler(b->db, 0, NULL, NULL);
    return st;
}

/* SQLite made the file and SQLite takes it away; this room asks nothing of the system itself. */
static void discard(builder *b)
{
    const char *file = sqlite3_db_filename(b->db, "main");
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    char *path = file && *file ? sqlite3_mprintf("%s", file) : NULL;

    sqlite3_close(b->db);
    b->db = NULL;
    if (path && vfs) vfs->xDelete(vfs, path, 0);
    sqlite3_free(path);
}

/* For error texts: the database knows names without folders and no lines. */
static void keep_places(builder *b, wn_table *table)
{
    for (int32_t i = 0; i < table->files && i < b->n_paths; i++) {
        char *name = table->file[i];
        table->file[i] = b->paths[i];
        b->paths[i] = name;
    }
    table->first_line = b->line;
    b->line = NULL;
}

wn_status wni_table_build_like(wn_ctx *ctx, const char *const *paths, int32_t n_paths,
                               const char *db_path, const wn_table_options *options,
                               const wn_table *like, wn_table **out)
{
    builder b = {
        .ctx = ctx, .like = like, .id = -1, .text = -1, .db_path = db_path, .schema = {.ctx = ctx}};
    wn_status st = WN_OK;

    *out = NULL;
    wn_table_options_init(&b.opt);
    if (options)
        memcpy(&b.opt, options,
               options->struct_size < sizeof b.opt ? options->struct_size : sizeof b.opt);
    if (b.opt.id && !*b.opt.id) b.opt.id = NULL;
    if (b.opt.text && !*b.opt.text) b.opt.text = NULL;

    WNI_TRY(wni_paths_expand(ctx, paths, n_paths, &b.paths, &b.n_paths));
    WNI_NEW0(ctx, b.first, (int64_t)b.n_paths + 1);
    WNI_NEW0(ctx, b.line, (int64_t)b.n_paths + 1);
    WNI_TRY(survey(&b));
    WNI_TRY(create(&b));
    WNI_TRY(fill(&b));
    WNI_TRY(wni_table_attach(ctx, b.db, db_path, out));
    b.db = NULL;
    keep_places(&b, *out);
done:
    sqlite3_finalize(b.insert);
    if (b.db) discard(&b);
    wni_schema_free(&b.schema);
    wni_free(ctx, b.first);
    wni_free(ctx, b.line);
    wni_paths_free(ctx, b.paths);
    return st;
}

wn_status wn_table_build(wn_ctx *ctx, const char *const *paths, int32_t n_paths,
                         const char *db_path, const wn_table_options *options, wn_table **out)
{
    return wni_table_build_like(ctx, paths, n_paths, db_path, options, NULL, out);
}
