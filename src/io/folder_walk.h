/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies below a folder, in an order that does not depend on the file system.
 */
#ifndef WNI_FOLDER_WALK_H
#define WNI_FOLDER_WALK_H

#include "base/ctx_impl.h"

typedef enum wni_entry_kind {
    WNI_ENTRY_FILE = 0,
    WNI_ENTRY_LINK, /* only where links are not followed */
    WNI_ENTRY_OTHER /* a pipe, a link to nothing: not to be opened */
} wni_entry_kind;

typedef struct wni_entry {
    const char *path; /* to open it by */
    const char *name; /* relative to the root; of a root that is a file its path */
    wni_entry_kind kind;
    int64_t bytes;
    uint64_t device, inode; /* the same for two names of one file */
    int64_t mtime_sec, mtime_nsec;
} wni_entry;

typedef wn_status (*wni_entry_fn)(void *user, const wni_entry *entry);

/* Calls fn for everything below `root` that is no folder; the names of each folder in byte order, hidden ones
 * (that begin with a dot) left out. `root` itself may be a link, or a file, for which fn is called once. With
 * follow = 0 links below it are told as such, else they are what they point to. WN_E_DATA when there is no
 * `root`. Polls. */
wn_status wni_folder_walk(wn_ctx *ctx, const char *root, int follow, wni_entry_fn fn, void *user);

#endif
