/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of a table by the value of a column: tenants, groups.
 */
#ifndef WNI_TABLE_GROUPS_H
#define WNI_TABLE_GROUPS_H

#include "winnow/table.h"

typedef enum wni_group_type {
    WNI_GROUP_TEXT = 0,
    WNI_GROUP_INTEGER,
    WNI_GROUP_REAL
} wni_group_type;

/* Groups are numbered in the order of the bytes of their names: a text as it is, a whole number in digits ("-7"; of a
 * REAL column too, below 10^15), another number as SQLite prints its 17 digits. */
typedef struct wni_table_groups {
    int32_t *group; /* (rows of the table) -1 = NULL */
    int64_t groups;
    char *names; /* (name_start[groups] + 1) one after the other; the last byte is no part of any */
    int64_t *name_start; /* (groups + 1) */
    wni_group_type type; /* of the column */
} wni_table_groups;

/* Reads a column of a table with at most 2^31 - 1 rows. wni_table_groups_free(), also after a failure. Cost: a sort in
 * SQLite, on the disk when it is long; 4 bytes a row and the names. */
wn_status wni_table_groups_read(wn_ctx *ctx, wn_table *table, int32_t column,
                                wni_table_groups *out);
void wni_table_groups_free(wn_ctx *ctx, wni_table_groups *groups);

/* The group of this name among names (name_start[n]), as in wni_table_groups; -1 = none; -2 = the text may be
 * another way to write a number ("42.0", "1e3"): only SQL knows. */
int64_t wni_table_groups_find(const char *names, const int64_t *name_start, int64_t n,
                              wni_group_type type, const char *text);

#endif
