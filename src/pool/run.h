/* SPDX-License-Identifier: Apache-2.0
 *
 * A file-level run as a family sees it: inputs that are open and checked, an output to fill, a record of
 * what was counted. The registry's job makes one, calls the family's run, and writes the manifest.
 */
#ifndef WNI_RUN_H
#define WNI_RUN_H

#include "base/ctx_impl.h"
#include "io/outdir.h"
#include "winnow/method.h"
#include "winnow/pool.h"
#include "winnow/table.h"

typedef struct wni_run wni_run;

struct wni_run {
    wn_ctx *ctx;
    const wn_method *method;
    const void *params; /* complete and within bounds */
    wn_pool *pool;   /* of the pool input, opened; checked strictly before `run`; NULL for text */
    wn_table *table; /* of text inputs, in the output folder as table.sqlite; else NULL */
    const char *const *pool_paths; /* expanded; of the pool or the text files */
    int32_t n_pool_paths;
    const char *output; /* final path, for reports */
    wni_out *out;
    int plan; /* only estimate: fill `estimate`, write nothing */
    wn_estimate estimate;
    void *record; /* json object, see below */
    const struct wn_job *job;
    const char *(*input)(const wni_run *run,
                         const char *name); /* path of "tree", ...; NULL = not given */
    const wn_pool *(*pool_input)(const wni_run *run,
                                 const char *name); /* of "target", ... in memory; NULL = no such */
    const char *(*option)(const wni_run *run,
                          const char *name); /* "id", "metric", ... NULL = not given */
};

/* What wn_family.run points to: the file-level run of a family. */
typedef wn_status (*wni_family_run)(wni_run *run);

/* The record: counts in the order they were made, shown as the summary and stored in the manifest.
 * Dots make nested objects: "level1.inertia". */
wn_status wni_record_int(wni_run *run, const char *key, int64_t value);
wn_status wni_record_real(wni_run *run, const char *key, double value);
wn_status wni_record_text(wni_run *run, const char *key, const char *value);
/* The same two for something of the user's: member `name`, dots and all, of the object at key. */
wn_status wni_record_int_of(wni_run *run, const char *key, const char *name, int64_t value);
wn_status wni_record_real_of(wni_run *run, const char *key, const char *name, double value);
/* How often a value of the user's data was there: [before, after] as member `value` of
 * counts[key] = {"column": column, "values": {...}}. Dots in column and value are part of them. */
wn_status wni_record_change(wni_run *run, const char *key, const char *column, const char *value,
                            int64_t before, int64_t after);
/* A sentence that the user must see: kept in the manifest and logged at once. */
wn_status wni_record_warn(wni_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
