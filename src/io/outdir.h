/* SPDX-License-Identifier: Apache-2.0
 *
 * Outputs that are complete or not there: everything is written under a temporary name beside the final
 * one, synced, and renamed at commit. A killed run leaves at most a folder named like `out.tmp-1234-0`.
 */
#ifndef WNI_OUTDIR_H
#define WNI_OUTDIR_H

#include <stdio.h>

#include "base/ctx_impl.h"

typedef struct wni_out wni_out;

/* Starts an output folder (or, with is_file, a single file). WN_E_DATA when `path` exists and `force` is
 * 0, or when its parent is not a folder. Nothing is visible under `path` before wni_out_commit. With the
 * path of a folder in memory everything is gathered there under its name, a single file as "data". */
wn_status wni_out_begin(wn_ctx *ctx, const char *path, int is_file, int force, wni_out **out);

wn_ctx *wni_out_ctx(const wni_out *out);
/* The folder in memory that is written to; NULL = files. */
struct wn_folder *wni_out_folder(const wni_out *out);

/* The temporary folder, for files without a name that only the run needs; NULL = the output is in memory. */
const char *wni_out_scratch_dir(const wni_out *out);

/* Path of a file inside the temporary folder ("level2/labels.npy": folders are made); for an output that
 * is a file, name NULL gives the file itself and a name gives a companion `path.name`. Belongs to out.
 * WN_E_USAGE when the output is a folder in memory, which has no files. */
wn_status wni_out_path(wni_out *out, const char *name, const char **path);

/* Writes an array of `dims` dimensions in C order as .npy; descr is numpy's ("<i8", "<f4", or a list
 * "[('partner', '<i8'), ...]"), item the bytes of an element. name as in wni_out_path. */
wn_status wni_out_npy(wni_out *out, const char *name, const char *descr, size_t item,
                      const int64_t *shape, int dims, const void *data);

/* Row-wise writing of a 2-d .npy whose number of rows is known. */
typedef struct wni_npy_writer wni_npy_writer;
wn_status wni_npy_writer_new(wni_out *out, const char *name, const char *descr, size_t item,
                             int64_t n, int64_t d, wni_npy_writer **writer);
wn_status wni_npy_writer_add(wni_npy_writer *writer, int64_t rows, const void *data);
/* Checks that all rows came, syncs, frees. NULL ok. On failure of the run call it with keep 0. */
wn_status wni_npy_writer_end(wni_npy_writer *writer, int keep);

/* Writes a small text file. */
wn_status wni_out_text(wni_out *out, const char *name, const char *text);

/* Writing a text file piece by piece. */
typedef struct wni_text_writer wni_text_writer;
wn_status wni_text_writer_new(wni_out *out, const char *name, wni_text_writer **writer);
wn_status wni_text_writer_add(wni_text_writer *writer, const char *text, int64_t bytes);
/* Closes and frees; NULL ok. On failure of the run call it with keep 0. */
wn_status wni_text_writer_end(wni_text_writer *writer, int keep);

/* Puts the file `from`, which nobody changes, into the output under `name`: as a link, else as a copy. */
wn_status wni_out_link(wni_out *out, const char *name, const char *from);

/* Removes one file of the unfinished output (scratch vectors). */
wn_status wni_out_remove(wni_out *out, const char *name);

/* Syncs files and folder and renames to the final name; with force the old output is replaced in one
 * step. Frees `out` on success and on failure. */
wn_status wni_out_commit(wni_out *out);
/* Removes everything that was written and frees; NULL ok. */
void wni_out_abort(wni_out *out);

/* The whole of a small .npy array, for reading artefacts back: descr must match one of the given, which
 * are separated by spaces; *data belongs to the caller (wni_free). dims is checked. */
wn_status wni_npy_load(wn_ctx *ctx, const char *path, const char *descrs, int dims, int64_t *shape,
                       void **data);

/* The same, and which of the descrs it is; "<U*" accepts words of any length. */
#define WNI_DESCR_BYTES 32
wn_status wni_npy_load_typed(wn_ctx *ctx, const char *path, const char *descrs, int dims,
                             int64_t *shape, char descr[WNI_DESCR_BYTES], void **data);

/* Size and XXH3 64-bit hash of a file's bytes. */
wn_status wni_file_hash(wn_ctx *ctx, const char *path, int64_t *bytes, uint64_t *hash);
/* A hash as files spell it: 16 hexadecimal digits. */
#define WNI_HASH_TEXT 17
static inline void wni_hash_text(uint64_t hash, char text[WNI_HASH_TEXT])
{
    snprintf(text, WNI_HASH_TEXT, "%016llx", (unsigned long long)hash);
}
/* A folder with this file in it is sealed: the file holds the checksum of every other, so that its own hash says
 * all, and nothing else is read. */
#define WNI_SEAL_NAME "index.json"
/* The same over everything at `path`: of a file its bytes; of a folder all .npy files below it with their
 * names, in byte order of the names. fn (or NULL) gets each file; names are relative to `path`. */
typedef wn_status (*wni_hash_fn)(void *user, const char *name, int64_t bytes, uint64_t hash);
wn_status wni_path_hash(wn_ctx *ctx, const char *path, int64_t *bytes, uint64_t *hash,
                        wni_hash_fn fn, void *user);
/* The same of an input as a user names it: of FILE:MEMBER the file. With every_file, of a folder every file
 * below it, whatever its name, links aside. */
wn_status wni_input_hash(wn_ctx *ctx, const char *path, int every_file, int64_t *bytes,
                         uint64_t *hash);
/* A number that differs when the input was written, replaced or removed since: from which file it is, its
 * size and time; of a folder all files below it, with every_file links aside. 0 = there is no such file. */
wn_status wni_input_stamp(wn_ctx *ctx, const char *path, int every_file, uint64_t *stamp);

/* Expands patterns (* ? [) to existing files, sorted as strings; of FILE:MEMBER the file, with the member
 * behind each. paths is a NULL-ended array of strings, freed by wni_paths_free. WN_E_DATA names what
 * matched nothing. */
wn_status wni_paths_expand(wn_ctx *ctx, const char *const *patterns, int32_t n, char ***paths,
                           int32_t *count);
void wni_paths_free(wn_ctx *ctx, char **paths);

/* Nonzero when there is a file or folder of this name, on disk or in memory. */
int wni_path_exists(wn_ctx *ctx, const char *path);

/* The whole of a small text file; *text belongs to the caller (wni_free). */
wn_status wni_text_load(wn_ctx *ctx, const char *path, char **text);

#endif
