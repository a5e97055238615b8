/* SPDX-License-Identifier: Apache-2.0
 *
 * One value per row, as users give it: a one-dimensional .npy, a folder that holds one, or TABLE:COLUMN.
 */
#ifndef WNI_COLUMN_H
#define WNI_COLUMN_H

#include "base/ctx_impl.h"

typedef enum wni_column_kind {
    WNI_COLUMN_INTS,
    WNI_COLUMN_REALS,
    WNI_COLUMN_WORDS
} wni_column_kind;

/* What a reader of a column gets. `begin` comes first, with the number of rows; then one call per row in
 * order, of which that of the column's kind is used. A missing value of a table has the word NULL. */
typedef struct wni_column_to {
    wn_status (*begin)(void *self, wni_column_kind kind, int64_t n);
    wn_status (*number)(void *self, int64_t row, int64_t integer, double real);
    wn_status (*word)(void *self, int64_t row, const char *word);
} wni_column_to;

/* Reads the column at `path`; `file` is what a folder must hold ("labels.npy"). n >= 0: how many rows there
 * must be (WN_E_DATA names found and expected). `words` 0: words are an error that says what to do. In a
 * table a missing number comes as a word. */
wn_status wni_column_read(wn_ctx *ctx, const char *path, const char *file, int64_t n, int words,
                          const wni_column_to *to, void *self);

#endif
