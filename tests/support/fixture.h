/* SPDX-License-Identifier: Apache-2.0
 *
 * For the contract tests: small input files of every kind, and any method run on them as a job.
 */
#ifndef TS_FIXTURE_H
#define TS_FIXTURE_H

#include "support/support.h"
#include "winnow/job.h"

#define FX_ROWS  240 /* of pool.npy and corpus.jsonl */
#define FX_CASES 1024

/* A method on one kind of input. */
typedef struct fx_case {
    const wn_method *method;
    const wn_family *family;
    const char *main;   /* name of the input that is varied: "pool", "text" */
    const char *file;   /* the fixture file it is given */
    const char *metric; /* NULL = not set */
    const char *name;   /* one more parameter to set, or NULL */
    const char *value;
} fx_case;

/* cmocka group setup and teardown: the scratch folder with pool.npy, corpus.jsonl, tree/, graph/,
 * and a file for every other kind of input. */
int fx_setup(void **state);
int fx_teardown(void **state);

/* Every method of the registry on every kind of input that it takes, with small parameters;
 * with `wide` also every word of a choice and both values of a bool. Returns the number. */
int fx_cases(fx_case *cases, int wide);
/* Nonzero when the method needs nothing beside its positional input. */
int fx_alone(const fx_case *c);
/* "cluster kmeans pool.npy cosine init=random", in one static buffer. */
const char *fx_text(const fx_case *c);

/* Makes the job of a case, its inputs and small parameters set; `file` NULL = the case's own. */
wn_status fx_job(wn_ctx *ctx, const fx_case *c, const char *file, const char *output, wn_job **out);
/* The whole life of that job. */
wn_status fx_run(wn_ctx *ctx, const fx_case *c, const char *file, const char *output);

/* An empty folder in the scratch folder, for outputs; the path is in a rotating static buffer. */
const char *fx_area(const char *name);
/* "<area>/out" or, for a family that writes one file, "<area>/out.npy". */
const char *fx_output(const fx_case *c, const char *area);
/* Entries of a folder, temporary ones included. */
int fx_entries(const char *area);
/* Nonzero when both areas hold the same files with the same bytes; of manifests the counts and
 * warnings are compared, and reports, which hold times, are left out. Else fx_difference() names the
 * last file that differs. */
int fx_same(const char *a, const char *b);
const char *fx_difference(void);

/* Starts the threads of a context, which stay until it is freed, and returns the live bytes then: what must
 * be left after every job. */
int64_t fx_warm(wn_ctx *ctx);

/* Fails unless the context's error is one non-empty line of at most 600 characters. */
void fx_one_line(wn_ctx *ctx, const char *what);

#endif
