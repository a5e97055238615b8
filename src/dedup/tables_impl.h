/* SPDX-License-Identifier: Apache-2.0
 *
 * The phases of dedup tables: survey of the files, pairs that columns and ranges allow, a sample of rows, all
 * rows, and what is written.
 */
#ifndef WNI_TABLES_IMPL_H
#define WNI_TABLES_IMPL_H

#include "ds/keyed.h"
#include "pool/decimal.h"
#include "pool/run.h"
#include "pool/table_records.h"
#include "winnow/dedup.h"

#define WNI_TABLES_MAX   ((int64_t)1 << 20) /* a table's number has 20 bits beside those of a hash */
#define WNI_TABLES_BYTES ((int64_t)1 << 20) /* the reader of one table, buffers, names of the run */
#define WNI_TABLES_EACH  ((int64_t)6 << 10) /* of a table with a few dozen columns */
#define WNI_TEXT_START   32                 /* bytes of the first and the last text that are kept */

typedef struct wni_table_column {
    char *name;
    int32_t id;             /* of all tables: one number for one name */
    int64_t numbers, texts; /* values; the rest of the rows is null */
    double low, high;       /* of the numbers */
    unsigned char first[WNI_TEXT_START],
        last[WNI_TEXT_START]; /* of the other values, zero-padded */
} wni_table_column;

typedef struct wni_data_table {
    char *path, *name;
    int64_t bytes, rows;
    uint64_t device, inode;
    int32_t columns, schema;  /* schema: tables with the same columns share it */
    wni_table_column *column; /* (columns) in the order of the file */
    int32_t *order;           /* (columns) the same by ascending id */
} wni_data_table;

/* Rows of `child` that `parent` holds, in the columns of the child. */
typedef struct wni_table_pair {
    int32_t child, parent;
    int64_t contained; /* rows; once all were compared */
} wni_table_pair;

typedef struct wni_tables {
    wn_ctx *ctx;
    wn_dedup_tables_params params;
    const char *scratch;   /* folder, or NULL = all must fit in memory */
    wni_data_table *table; /* (n) by name */
    int32_t n, room, schemas;
    int64_t links, same_files, others; /* of the folders, passed over */
    wni_table_pair *pair;              /* (pairs) by child, then parent */
    int64_t pairs, pairs_room;
    int64_t after_columns, after_ranges, after_sample; /* pairs that each phase left */
} wni_tables;

void wni_tables_free(wni_tables *t);

/* tables_survey.c: finds the tables below the paths (n_paths). */
wn_status wni_tables_find(wni_tables *t, const char *const *paths, int32_t n_paths);
/* Reads each table once: rows, columns, ranges. */
wn_status wni_tables_survey(wni_tables *t);

/* tables_values.c */
typedef struct wni_table_value {
    const char *text; /* what stands for the value: equal values have equal bytes */
    int64_t bytes;
    int number; /* it is one, and `real` is near it */
    double real;
} wni_table_value;

/* A cell that is not null. With need_real the number is made. */
void wni_table_value_of(const wni_tables *t, const wni_cell *cell, int need_real,
                        char buf[WNI_DECIMAL_BYTES], wni_table_value *value);

/* A row's hash is the sum of those of its cells, so that the order of columns does not count; a null is 0. */
typedef struct wni_row_hash {
    uint64_t low, high;
} wni_row_hash;

typedef wn_status (*wni_table_row_fn)(void *user, int64_t row, const wni_row_hash *cells);
/* Reads table i again: fn gets the hash of each cell, (columns) in the order of the file. */
wn_status wni_table_rows(wni_tables *t, int32_t i, wni_table_row_fn fn, void *user);

/* The columns of `part` in `whole`: at (part->columns) gets their places in the file of `whole`, those of part
 * by ascending id. Returns 0 when one is not there. */
int wni_table_places(const wni_data_table *part, const wni_data_table *whole, int32_t *at);
static inline wni_row_hash wni_row_sum(const wni_row_hash *cells, const int32_t *at, int32_t n)
{
    wni_row_hash sum = {0, 0};

    for (int32_t i = 0; i < n; i++) {
        sum.low += cells[at[i]].low;
        sum.high += cells[at[i]].high;
    }
    return sum;
}

/* tables_pairs.c: the pairs that columns, counts and ranges leave. */
wn_status wni_tables_pair_up(wni_tables *t);
/* tables_sample.c: drops pairs by sampled rows of the child. */
wn_status wni_tables_sample(wni_tables *t);
/* tables_content.c: counts the rows of each pair, and keeps those that reach the threshold. */
wn_status wni_tables_compare(wni_tables *t);
/* tables_files.c: tables.csv, containment.csv, suggestions.csv, and the record. */
wn_status wni_tables_write(wni_run *run, const wni_tables *t);

#endif
