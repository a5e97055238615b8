/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders as a whole: made durable, removed, and cleared of what killed runs left beside them.
 */
#ifndef WNI_FOLDER_OPS_H
#define WNI_FOLDER_OPS_H

#include "base/ctx_impl.h"

/* WN_E_IO: "<path>: cannot <what>: <errno in words>". */
wn_status wni_io_fail(wn_ctx *ctx, const char *what, const char *path);

/* One file or folder, and everything below it first. WN_E_IO names what failed. */
wn_status wni_path_sync(wn_ctx *ctx, const char *path, bool is_dir);
wn_status wni_folder_sync(wn_ctx *ctx, const char *path);
wn_status wni_folder_remove(wn_ctx *ctx, const char *path);

/* Makes a folder `path.tmp-PROCESS-NUMBER` that no other run uses; *name belongs to the caller, *hold goes to
 * wni_folder_unlock: while it is open nobody sweeps the folder away. */
wn_status wni_folder_beside(wn_ctx *ctx, const char *path, char **name, int *hold);
/* Removes those of them whose process has ended and which nobody holds, as far as it can; links are not followed
 * and nothing else is touched. For who has locked `path`. */
void wni_folder_sweep(wn_ctx *ctx, const char *path);

#endif
