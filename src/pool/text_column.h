/* SPDX-License-Identifier: Apache-2.0
 *
 * Which column of a table holds the text, and where a row of it came from.
 */
#ifndef WNI_TEXT_COLUMN_H
#define WNI_TEXT_COLUMN_H

#include "base/ctx_impl.h"
#include "winnow/table.h"

/* "data/corpus.jsonl line 17 (row 16)" for a row, into buf; returns buf. Lines count from 1, rows from 0 over
 * all files. Without the line where blank lines or records of several lines make it unknown; without the folder
 * where the table was opened. Any thread may call it. */
const char *wni_table_where(const wn_table *table, int64_t row, char *buf, size_t bytes);

/* Bytes of a column's texts together. One pass over the rows. */
wn_status wni_table_text_bytes(const wn_table *table, int32_t column, int64_t *bytes);

/* The column called `name`, of any type. WN_E_DATA: no such column (nearest name offered). */
wn_status wni_table_column(wn_ctx *ctx, const wn_table *table, const char *name, int32_t *column);

/* The column called `name`; for "" the column text, content or body, in this order, else the only TEXT
 * column that is not the id. WN_E_DATA: no such column (nearest name offered), it does not hold text, or
 * several could be meant (they are listed). */
wn_status wni_text_column(wn_ctx *ctx, const wn_table *table, const char *name, int32_t *column);

#endif
