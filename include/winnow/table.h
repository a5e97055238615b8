/* SPDX-License-Identifier: Apache-2.0
 *
 * The table: attributes of the rows (ids, labels, groups, text, time) from JSONL, CSV or TSV,
 * plain or compressed (.gz, .zst), kept in SQLite. Row r of the table belongs to row r of the pool.
 */
#ifndef WINNOW_TABLE_H
#define WINNOW_TABLE_H

#include "winnow/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wn_table wn_table;

typedef struct wn_table_options {
    uint32_t struct_size;
    const char *id;   /* id column (strings or integers, unique); NULL = none */
    const char *text; /* column that must be there and hold text in every row; NULL = none */
} wn_table_options;

/* Fills `options` with the defaults: no id, no text column. */
WN_API void wn_table_options_init(wn_table_options *options);

/* Nonzero when the name is that of a text file: .jsonl .ndjson .csv .tsv, each also with .gz or .zst. */
WN_API int wn_table_is_text_path(const char *path);

/* Reads text files into a new SQLite database at `db_path` (":memory:" allowed; "" = a file of SQLite's own
 * in its folder for temporary files, which goes with the table), one table `rows`
 * with `_row` INTEGER PRIMARY KEY from 0 and one typed column per field, first-seen order.
 * Format by name: .jsonl .ndjson .csv .tsv, each also with .gz or .zst. Patterns expand as in
 * wn_pool_open. Nested JSON values are kept as JSON text; true and false are 1 and 0,
 * but in a TEXT column the words themselves. Blank lines carry
 * no row. Read twice (columns and types, then rows) and streamed: memory does not grow with rows.
 * Errors: WN_E_DATA with file and line: broken JSON, a row of another length, text that is not
 * UTF-8, a missing text field, an id that repeats, an unknown column (nearest name offered). */
WN_API wn_status wn_table_build(wn_ctx *ctx, const char *const *paths, int32_t n_paths,
                                const char *db_path, const wn_table_options *options,
                                wn_table **out);

/* Opens a database that wn_table_build made. */
WN_API wn_status wn_table_open(wn_ctx *ctx, const char *db_path, wn_table **out);
WN_API void wn_table_free(wn_table *table); /* NULL ok */

/* Rows, and the columns in first-seen order with name and SQL type; strings belong to the table. */
WN_API int64_t wn_table_rows(const wn_table *table);
WN_API int32_t wn_table_columns(const wn_table *table);
WN_API const char *wn_table_column_name(const wn_table *table, int32_t column);
WN_API const char *wn_table_column_type(const wn_table *table,
                                        int32_t column); /* INTEGER REAL TEXT */
WN_API int32_t wn_table_column_find(const wn_table *table, const char *name); /* -1 = none */
WN_API const char *wn_table_id_column(const wn_table *table); /* NULL = none was named */

/* The row with this value in the id column. WN_E_DATA when there is none, WN_E_USAGE when the table has
 * no id column. */
WN_API wn_status wn_table_find_id(wn_table *table, const char *id, int64_t *row);

/* The value of one cell as text, NULL for SQL NULL; valid until the next call on this table. */
WN_API wn_status wn_table_text(wn_table *table, int64_t row, int32_t column, const char **text);

/* Which rows fulfil an SQL condition over the columns ("year >= 2020 and lang = 'en'"; names in double quotes are
 * columns): bits ((rows + 63) / 64) get 1 for each, *matching their number. A condition may read the columns and
 * call SQLite's functions; WN_E_USAGE names what else it tries, what SQLite does not understand, and for an
 * unknown column the nearest name. Cost: one pass over the table. One thread at a time per table. */
WN_API wn_status wn_table_where(wn_table *table, const char *condition, uint64_t *bits,
                                int64_t *matching);

/* Calls fn(user, row, text) for every row in order; text is NULL for SQL NULL. */
WN_API wn_status wn_table_scan(wn_table *table, int32_t column,
                               wn_status (*fn)(void *user, int64_t row, const char *text),
                               void *user);

#ifdef __cplusplus
}
#endif
#endif
