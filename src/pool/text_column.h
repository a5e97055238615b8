/* SPDX-License-Identifier: Apache-2.0
 *
 * Which column of a table holds the text.
 */
#ifndef WNI_TEXT_COLUMN_H
#define WNI_TEXT_COLUMN_H

#include "base/ctx_impl.h"
#include "winnow/table.h"

/* The column called `name`; for "" the column text, content or body, in this order, else the only TEXT
 * column that is not the id. WN_E_DATA: no such column (nearest name offered), it does not hold text, or
 * several could be meant (they are listed). */
wn_status wni_text_column(wn_ctx *ctx, const wn_table *table, const char *name, int32_t *column);

#endif
