/* SPDX-License-Identifier: Apache-2.0
 *
 * Two runs that change one folder in place must not each build on what the other replaces.
 */
#ifndef WNI_FOLDER_LOCK_H
#define WNI_FOLDER_LOCK_H

#include "base/ctx_impl.h"

/* Takes the folder at `path` for this run alone, until wni_folder_unlock or the end of the process; other runs
 * may read it. *lock is -1 when there is no such folder. WN_E_IO when another run has it. */
wn_status wni_folder_lock(wn_ctx *ctx, const char *path, int *lock);
void wni_folder_unlock(int lock); /* -1 ok */

/* For who reads a folder by its path while others may put a new one there: remembers which it is now; -1 = there
 * is none, or it is in memory. wni_folder_unlock ends it. */
int wni_folder_hold(const char *path);
/* Nonzero when the path names another folder than the one that is held, or none; 0 of -1. */
int wni_folder_replaced(int hold, const char *path);

#endif
