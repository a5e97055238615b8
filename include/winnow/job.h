/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: a method run from files to an output folder, as the command line and Python run it, with
 * manifest, atomic output and replay. A job is what manifest.json holds.
 */
#ifndef WINNOW_JOB_H
#define WINNOW_JOB_H

#include "winnow/folder.h"
#include "winnow/method.h"
#include "winnow/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wn_job wn_job;

/* method NULL = the family's default. WN_E_USAGE: unknown, nearest name offered. */
WN_API wn_status wn_job_new(wn_ctx *ctx, const char *family, const char *method, wn_job **out);

/* Reads the job out of a manifest. Running it first checks that every input still has its size and
 * hash (WN_E_DATA names the file that changed). The output must be set anew. */
WN_API wn_status wn_job_load(wn_ctx *ctx, const char *manifest_path, wn_job **out);
WN_API void wn_job_free(wn_job *job); /* NULL ok */

/* What it runs, and its parameters as set so far; they belong to the job. For calls that take both. */
WN_API const wn_method *wn_job_method(const wn_job *job);
WN_API const void *wn_job_params(const wn_job *job);

/* A parameter of the method, or one of the options that all jobs share:
 * metric dtype dim rows member (of the pool), id (column of the table), force (0 or 1). */
WN_API wn_status wn_job_set(wn_job *job, const char *name, const char *value);

/* Adds a path to the input `name` ("pool", "tree", ...); order counts, patterns are expanded. */
WN_API wn_status wn_job_input(wn_job *job, const char *name, const char *path);
WN_API wn_status wn_job_output(wn_job *job, const char *path);

/* The same from and to memory; nothing is copied on the way in. Pool and folders must outlive the job; a pool
 * brings its own metric. Text inputs are files always, and a run on them needs an output folder on disk. The
 * manifest of such a run says what the inputs were, but cannot be replayed. Items of an output folder that
 * is there already stay. */
WN_API wn_status wn_job_input_pool(wn_job *job, const char *name, const wn_pool *pool);
WN_API wn_status wn_job_input_folder(wn_job *job, const char *name, wn_folder *folder);
WN_API wn_status wn_job_output_folder(wn_job *job, wn_folder *folder);

/* Words for the manifest's "command" field; optional. */
WN_API wn_status wn_job_command(wn_job *job, int32_t argc, const char *const *argv);

/* Checks everything that can be checked without running and fills `out` (may be NULL). */
WN_API wn_status wn_job_plan(wn_job *job, wn_estimate *out);

/* Runs. On success the output is complete under its final name; on any failure nothing is there. */
WN_API wn_status wn_job_run(wn_job *job);

/* What the run counted and warned of, as one JSON object with "counts" in reading order and
 * "warnings"; after wn_job_plan what it found out beside the estimate; "{}" before. Belongs to the job. */
WN_API const char *wn_job_summary(const wn_job *job);

/* Answers `winnow why`: a few lines of text on one row of a finished output folder, naming rule, partner,
 * similarity and cluster. `row` is a number, or an id when the output has a table with an id column.
 * *text belongs to the caller: wn_text_free(). */
WN_API wn_status wn_why_text(wn_ctx *ctx, const char *dir, const char *row, char **text);
WN_API void wn_text_free(wn_ctx *ctx, char *text);

#ifdef __cplusplus
}
#endif
#endif
