/* SPDX-License-Identifier: Apache-2.0
 *
 * A regular file that is only read: whole ranges by position, from any thread, or mapped.
 */
#ifndef WNI_INFILE_H
#define WNI_INFILE_H

#include "base/ctx_impl.h"

typedef struct wni_infile {
    char *path;
    int64_t bytes; /* size when it was opened */
    int64_t device, inode;
    int fd; /* -1 = rests: opened anew for each read */
} wni_infile;

/* WN_E_DATA when there is no such file or it is not a regular one; WN_E_IO. On failure nothing to close. */
wn_status wni_infile_open(wn_ctx *ctx, const char *path, wni_infile *file);
void wni_infile_close(wn_ctx *ctx, wni_infile *file);

/* Gives the descriptor back to the system; reads open the file for a moment, and refuse it when it is no
 * longer the same. For pools of more files than a process may hold open. */
void wni_infile_rest(wni_infile *file);

/* Ends a rest: the file is open again until the next one or the end. WN_E_IO when it was replaced. */
wn_status wni_infile_wake(wn_ctx *ctx, wni_infile *file);

/* Exactly bytes [at, at + bytes) into out. WN_E_IO when the file shrank or was replaced. No allocation. */
wn_status wni_infile_read(wn_ctx *ctx, const wni_infile *file, int64_t at, int64_t bytes,
                          void *out);

/* Asks the system to have [at, at + bytes) in memory soon; returns at once. Nothing depends on it. */
void wni_infile_ahead(const wni_infile *file, int64_t at, int64_t bytes);

typedef struct wni_mapping {
    const unsigned char *data; /* byte `at` of the file; NULL = not mapped */
    void *base;                /* what the system gave, on a page */
    int64_t bytes;
} wni_mapping;

/* Maps [at, at + bytes), read-only, and counts it against the budget. *map stays empty when the system
 * does not want to map this file: reading still works. A mapped file that another program cuts while
 * winnow runs ends the process (SIGBUS), as with every program that maps files; the size is checked here
 * once more. */
wn_status wni_infile_map(wn_ctx *ctx, const wni_infile *file, int64_t at, int64_t bytes,
                         wni_mapping *map);
/* The same for bytes of a mapping; at counts from data. */
void wni_mapping_ahead(const wni_mapping *map, int64_t at, int64_t bytes);
void wni_mapping_free(wn_ctx *ctx, wni_mapping *map);

/* Nonzero when `path` names a regular file. */
int wni_file_exists(const char *path);

#endif
