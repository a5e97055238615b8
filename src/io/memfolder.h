/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders in memory under paths: ":memory:7/labels.npy" is an item of folder 7 of the context. What reads and
 * writes artefacts takes such a path like any other.
 */
#ifndef WNI_MEMFOLDER_H
#define WNI_MEMFOLDER_H

#include "base/ctx_impl.h"
#include "winnow/folder.h"

/* Nonzero when a path is of this form. */
int wni_is_memory_path(const char *path);

/* The folder that a path lies in, and the name behind it in *name ("" = the folder itself); NULL = the path
 * is of no folder. */
wn_folder *wni_memfolder_of(wn_ctx *ctx, const char *path, const char **name);

/* Adds an item whose data, of `bytes` and for a text one more, was made by wni_alloc and now belongs to the
 * folder, also when it fails. */
wn_status wni_memfolder_give(wn_folder *folder, const char *name, const char *descr, int32_t dims,
                             const int64_t *shape, void *data, int64_t bytes);

/* Takes items out again: the named one, or all behind the first `count`. */
void wni_memfolder_remove(wn_folder *folder, const char *name);
void wni_memfolder_cut(wn_folder *folder, int32_t count);

#endif
