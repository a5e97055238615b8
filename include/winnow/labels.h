/* SPDX-License-Identifier: Apache-2.0
 *
 * One class per row: labels, groups, sources, given from outside.
 */
#ifndef WINNOW_LABELS_H
#define WINNOW_LABELS_H

#include "winnow/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Classes are numbered in the order of their values: integers ascending, words by their bytes. All arrays
 * belong to the object. */
typedef struct wn_labels {
    wn_ctx *ctx;
    int64_t n;
    int32_t classes;
    int32_t *v; /* (n) class 0..classes-1, or -1 = none */
    int64_t
        *values;    /* (classes) the integer that stands for each class; NULL when they are words */
    char **names;   /* (classes) as it is printed */
    int64_t *sizes; /* (classes) rows */
} wn_labels;

/* Reads one class per row: a one-dimensional .npy of integers (negative = none), a folder with labels.npy
 * (a clustering), or TABLE:COLUMN of .jsonl .ndjson .csv .tsv, also .gz .zst (NULL = none). With n >= 0
 * there must be n of them: WN_E_DATA names found and expected. */
WN_API wn_status wn_labels_load(wn_ctx *ctx, const char *path, int64_t n, wn_labels **out);

/* Numbers the distinct values of v (n); negative = none. Copies. */
WN_API wn_status wn_labels_from_ints(wn_ctx *ctx, const int64_t *v, int64_t n, wn_labels **out);
WN_API void wn_labels_free(wn_labels *labels); /* NULL ok */

#ifdef __cplusplus
}
#endif
#endif
