/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a table, and the formats of the records it is made from.
 *
 * Files are read twice: a survey learns columns and types and checks every record before anything is
 * stored; then the rows are inserted into columns whose types are known, so that no value changes its
 * form later.
 */
#ifndef WNI_TABLE_IMPL_H
#define WNI_TABLE_IMPL_H

#include <sqlite3.h>

#include "io/linereader.h"
#include "pool/table_records.h"
#include "winnow/table.h"

#define WNI_TABLE_ID 0x776e5442 /* "wnTB", the application id in the header of the database */

/* What a new database starts with, and the tables beside `rows`. */
#define WNI_TABLE_BEGIN                                                       \
    "PRAGMA page_size=8192; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" \
    "PRAGMA cache_size=-16384; PRAGMA application_id=2003719234; BEGIN"
#define WNI_TABLE_HEAD                                                             \
    "CREATE TABLE _meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"               \
    "CREATE TABLE _files(file INTEGER PRIMARY KEY, name TEXT, first_row INTEGER, " \
    "rows INTEGER)"

/* What a format provides; `state` is its own. */
typedef struct wni_record_format {
    wn_status (*open)(wn_ctx *ctx, const char *path, wni_lines *lines, wni_schema *schema,
                      char delimiter, void **state);
    wn_status (*next)(void *state, const wni_cell **cells, int32_t *count, int64_t *line);
    void (*free)(void *state); /* NULL ok */
} wni_record_format;

extern const wni_record_format wni_records_json; /* table_json.c */
extern const wni_record_format wni_records_csv;  /* table_csv.c */

struct wn_table {
    wn_ctx *ctx;
    sqlite3 *db;
    char *path;
    int64_t rows;
    int32_t columns, id; /* id: column, -1 = none */
    char **name, **type;
    int32_t files;
    char **file; /* (files) the text files: as given when just built, else names without folders */
    int64_t *first_row; /* (files) */
    int64_t
        *first_line; /* (files) of row 0 when every row has one line and no line is blank, else -1;
                          * NULL for a table that was opened */
    sqlite3_stmt *cell; /* of wn_table_text, for column `cell_column` */
    int32_t cell_column;
};

/* The failure of an SQLite call as status and text. */
wn_status wni_sql_fail(wn_ctx *ctx, sqlite3 *db, const char *path, const char *what);
/* wn_table_build of rows that are to stand beside those of another table (NULL = none): it gets the columns of that
 * one, in its order and of its types; a record may lack any of them. WN_E_DATA when it has others, or values that a
 * column there cannot hold. */
wn_status wni_table_build_like(wn_ctx *ctx, const char *const *paths, int32_t n_paths,
                               const char *db_path, const wn_table_options *options,
                               const wn_table *like, wn_table **out);
/* A table out of the bytes of its file, which must stay as they are until it is freed; path names it in messages. */
wn_status wni_table_open_bytes(wn_ctx *ctx, const char *path, const void *data, int64_t bytes,
                               wn_table **out);
/* The numbers of a column as they are stored: whole (rows) of an INTEGER column, else NULL and real (rows). Rows that
 * have none get 0 in `present` (rows bits). */
wn_status wni_table_numbers(wn_table *t, int32_t column, double *real, int64_t *whole,
                            uint64_t *present);
/* The column whose name is nearest to one that is not there; NULL = none is near. */
const char *wni_table_nearest(const wn_table *t, const char *name);
/* Runs one statement without result. */
wn_status wni_sql_run(wn_ctx *ctx, sqlite3 *db, const char *path, const char *sql);
/* `"name"` with its quotes doubled; wni_free. */
char *wni_sql_name(wn_ctx *ctx, const char *name);
/* Reads the columns and _meta of an open database; on success the table owns it. */
wn_status wni_table_attach(wn_ctx *ctx, sqlite3 *db, const char *path, wn_table **out);

#endif
