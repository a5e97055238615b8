/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder in memory: arrays and texts under names, as an output folder holds them, without a disk. A job
 * reads its inputs from such folders and leaves its output in one.
 */
#ifndef WINNOW_FOLDER_H
#define WINNOW_FOLDER_H

#include "winnow/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wn_folder wn_folder;

#define WN_FOLDER_DIMS 8

typedef struct wn_folder_item {
    const char *name; /* "labels.npy", "level2/sizes.npy", "manifest.json" */
    const char
        *descr;   /* numpy's type of an element: "<i8", "<f4", a list of fields; NULL = a text */
    int32_t dims; /* 0 for a text */
    int64_t shape[WN_FOLDER_DIMS];
    int64_t bytes;
    const void *data; /* C order; a text ends in a zero that `bytes` does not count */
} wn_folder_item;

/* Makes an empty folder. It must be freed before its context. */
WN_API wn_status wn_folder_new(wn_ctx *ctx, wn_folder **out);
WN_API void wn_folder_free(wn_folder *folder); /* NULL ok */

/* A path that names the folder wherever a path is taken: wn_labels_load, wn_tree_load, wn_job_input, ... with
 * this context. Belongs to the folder. */
WN_API const char *wn_folder_path(const wn_folder *folder);

/* The items in the order in which they came; they belong to the folder. NULL: no such item. */
WN_API int32_t wn_folder_count(const wn_folder *folder);
WN_API const wn_folder_item *wn_folder_at(const wn_folder *folder, int32_t i);
WN_API const wn_folder_item *wn_folder_find(const wn_folder *folder, const char *name);

/* Adds an array of the caller, data (shape[0], shape[1], ...) row-major, which must stay as it is as long as
 * the folder; nothing is copied. shape (dims); item_bytes is the size of one element. A text has no descr, 0
 * dims and item_bytes characters, behind which comes a zero. WN_E_USAGE: the name is taken, the number of
 * dimensions is wrong. */
WN_API wn_status wn_folder_add(wn_folder *folder, const char *name, const char *descr,
                               size_t item_bytes, int32_t dims, const int64_t *shape,
                               const void *data);

#ifdef __cplusplus
}
#endif
#endif
