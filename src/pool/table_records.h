/* SPDX-License-Identifier: Apache-2.0
 *
 * The records of one text file, as they come: JSONL, CSV or TSV, plain or compressed.
 */
#ifndef WNI_TABLE_RECORDS_H
#define WNI_TABLE_RECORDS_H

#include "base/ctx_impl.h"
#include "winnow/table.h"

#define WNI_COLUMNS_MAX 1900 /* below SQLite's own limit of 2000 */

/* Ordered by width: a column has the widest kind of its values. */
typedef enum wni_kind { WNI_NULL = 0, WNI_INTEGER, WNI_REAL, WNI_TEXT } wni_kind;

typedef struct wni_cell {
    int32_t column; /* of the schema */
    wni_kind kind;
    int32_t textual; /* can serve as text: a JSON string, any CSV value */
    int32_t parsed;  /* `integer` or `real` holds the number; else its text converts by itself */
    int64_t integer;
    double real;
    const char *text; /* a string's value, or the token as the file has it */
    int64_t bytes;
} wni_cell;

/* Values that a REAL column cannot keep as they are: it becomes TEXT when it has them. */
typedef enum wni_exact {
    WNI_EXACT_INTEGER = 1, /* beyond 2^53 */
    WNI_EXACT_REAL = 2     /* of a CSV file, where 1.10 is a text: it would be printed as 1.1 */
} wni_exact;

/* Columns in first-seen order. */
typedef struct wni_schema {
    wn_ctx *ctx;
    char **name;
    wni_kind *kind;
    uint8_t *exact; /* by column, nonzero: as REAL a value would change, see wni_exact */
    int32_t count, room;
    int32_t frozen; /* the survey is over: a new column means that a file changed */
} wni_schema;

void wni_schema_free(wni_schema *schema);
/* For rows that are to stand beside those of a table: its columns, before the survey. */
wn_status wni_schema_begin(wni_schema *schema, const wn_table *like);
/* After it: a column gets the type that it has there, where its values fit; one without a value fits any. WN_E_DATA
 * names a column that does not fit, or is not there; path is of the new rows. */
wn_status wni_schema_fit(wni_schema *schema, const wn_table *like, const char *path);
/* The column called `name`, made when it is new. `guess` is tried first. `line` is for errors. */
wn_status wni_schema_column(wni_schema *schema, const char *name, int32_t guess, const char *path,
                            int64_t line, int32_t *column);
/* Its SQL type, as far as the survey has seen. */
const char *wni_schema_type(const wni_schema *schema, int32_t column);
/* "; did you mean 'gloss'?" or "; the columns are a, b, c" into buf. */
const char *wni_schema_hint(const wni_schema *schema, const char *name, char *buf, size_t bytes);

/* The records of one file. */
typedef struct wni_records wni_records;

wn_status wni_records_open(wn_ctx *ctx, const char *path, wni_schema *schema, wni_records **out);
void wni_records_free(wni_records *records); /* NULL ok */
/* The next record's cells and the line it begins on, valid until the next call; *cells NULL at the end.
 * Lines that are empty or blank carry no record but count as lines. */
wn_status wni_records_next(wni_records *records, const wni_cell **cells, int32_t *count,
                           int64_t *line);

#endif
