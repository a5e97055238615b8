/* SPDX-License-Identifier: Apache-2.0
 *
 * Which column of a table holds the text, and where a row of it came from.
 */
#ifndef WNI_TEXT_COLUMN_H
#define WNI_TEXT_COLUMN_H

#include "base/ctx_impl.h"
#include "winnow/table.h"

/* "corpus.jsonl, record 17" for a row, into buf; returns buf. Records count from 1, blank lines and header
 * left out. Any thread may call it. */
const char *wni_table_where(const wn_table *table, int64_t row, char *buf, size_t bytes);

/* The column called `name`; for "" the column text, content or body, in this order, else the only TEXT
 * column that is not the id. WN_E_DATA: no such column (nearest name offered), it does not hold text, or
 * several could be meant (they are listed). */
wn_status wni_text_column(wn_ctx *ctx, const wn_table *table, const char *name, int32_t *column);

#endif
