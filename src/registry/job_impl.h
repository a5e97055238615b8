/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a job: what was asked for, and what its manifest says.
 */
#ifndef WNI_JOB_IMPL_H
#define WNI_JOB_IMPL_H

#include <jansson.h>

#include "base/ctx_impl.h"
#include "pool/run.h"
#include "winnow/job.h"

#define WNI_JOB_INPUTS 4096

typedef enum wni_option {
    WNI_OPT_METRIC,
    WNI_OPT_DTYPE,
    WNI_OPT_DIM,
    WNI_OPT_ROWS,
    WNI_OPT_MEMBER,
    WNI_OPT_ID,
    WNI_OPT_FORCE,
    WNI_OPT_COUNT
} wni_option;

extern const char *const wni_option_names[WNI_OPT_COUNT];

typedef struct wni_job_path {
    char *name; /* "pool", "tree" */
    char *path;
    int64_t bytes; /* expected size and hash, from a manifest; -1 = not known */
    uint64_t hash;
    const wn_pool *pool; /* in memory: path is for messages; else NULL */
} wni_job_path;

struct wn_job {
    wn_ctx *ctx;
    const wn_family *family;
    const wn_method *method;
    void *params;
    char *option[WNI_OPT_COUNT]; /* NULL = not given */
    wni_job_path *input;         /* in the order given */
    int32_t n_input, input_room;
    char *output;
    char *command;
    json_t *replayed; /* the manifest this job was read from; NULL = none */
    char *summary;    /* JSON; NULL = not run */
};

/* Nonzero when the method takes the input as paths, so that every file of a folder is part of it. */
int wni_job_takes_files(const wn_job *job, const char *name);

/* The input of this name, or NULL. */
const wn_family_input *wni_job_find_input(const wn_family *family, const char *name);
/* The token of method->inputs ("tree|groups?"), which is not NULL, that names the input; its bytes into
 * *length. NULL = the method does not read it. */
const char *wni_method_token(const wn_method *method, const wn_family_input *input, size_t *length);
/* *at = a copy of `text`, in place of what was there. */
wn_status wni_job_replace(wn_ctx *ctx, char **at, const char *text);

/* The manifest of a finished run, but for "outputs", which need its files: job, inputs with size and hash,
 * machine, timings, record. */
wn_status wni_manifest_make(wn_job *job, const wni_run *run, double seconds, double cpu_seconds,
                            json_t **manifest);
/* Hashes the arrays written below `path` into manifest["outputs"]; when the job replays a manifest, compares
 * with what that one says: WN_E_INTERNAL names the first array that differs. */
wn_status wni_manifest_outputs(wn_job *job, wni_run *run, json_t *manifest);
/* Checks before the run that the manifest can hold every word of the job. */
wn_status wni_manifest_check_words(const wn_job *job);
/* Checks that the inputs of a replayed job are what the manifest says. */
wn_status wni_manifest_check_inputs(wn_job *job);

#endif
