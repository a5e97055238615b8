/* SPDX-License-Identifier: Apache-2.0
 *
 * One table out of rows of several, for what keeps rows and their attributes together.
 */
#ifndef WNI_TABLE_JOIN_H
#define WNI_TABLE_JOIN_H

#include "winnow/table.h"

typedef struct wni_table_part {
    const char *path;    /* of a table.sqlite */
    const int64_t *rows; /* (n) rows of it; NULL = 0..n-1 */
    int64_t n;
} wni_table_part;

/* Writes a new database at path: the rows of the parts (n), one part after the other, numbered anew. All must have
 * the columns of the first (WN_E_DATA). Cost: a lookup a row. */
wn_status wni_table_join(wn_ctx *ctx, const wni_table_part *parts, int32_t n, const char *path);

#endif
