/* SPDX-License-Identifier: Apache-2.0
 *
 * What every test needs: cmocka, contexts, scratch folders, made-up data.
 */
#ifndef TS_SUPPORT_H
#define TS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "winnow/winnow.h"

/* Fails the test with the context's text when a status is not WN_OK. */
#define ts_ok(ctx, call)                                                          \
    do {                                                                          \
        wn_status ts_st_ = (call);                                                \
        if (ts_st_ != WN_OK)                                                      \
            fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, wn_status_name(ts_st_), \
                     wn_ctx_error(ctx));                                          \
    } while (0)

/* A context with this many threads and ISA cap (-1 = best); 256 MiB of budget. */
wn_ctx *ts_ctx(int threads, int isa);

/* A context whose allocation number `fail_at` (from 0; -1 = never) returns NULL, and only that one. */
typedef struct ts_alloc {
    int64_t count, fail_at, live;
} ts_alloc;
wn_ctx *ts_ctx_failing(ts_alloc *state, int threads);

/* Best ISA of this processor. */
wn_isa ts_best_isa(void);

/* A fresh folder that ts_tmp_remove() deletes with all it holds; the path is in a static buffer. */
const char *ts_tmp(void);
/* ts_path("a.npy") = scratch folder + "/a.npy", in one of eight rotating static buffers. */
const char *ts_path(const char *name);
void ts_tmp_remove(void);
/* The same as the teardown of a group of tests. */
int ts_tidy(void **state);

/* Standard normal numbers, (n, d), from a seed; free() them. */
float *ts_normal(int64_t n, int64_t d, uint64_t seed);
/* Rows around `k` normal centres: centre + sigma * normal; labels (n) may be NULL. */
float *ts_blobs(int64_t n, int64_t d, int64_t k, double sigma, uint64_t seed, int32_t *labels);

/* Writes (n, d) f32 as .npy. */
void ts_write_npy(const char *path, const float *v, int64_t n, int64_t d);
void ts_write_file(const char *path, const void *data, size_t bytes);
/* Whole file; *bytes its size; free() it. NULL when it is not there. */
void *ts_read_file(const char *path, size_t *bytes);
/* Nonzero when both trees of files are the same bytes, manifest.json and report.html left out; prints the
 * first difference. */
int ts_same_tree(const char *a, const char *b);

/* Path of ../shared/data/<name> beside the source tree, or NULL when it is not there. */
const char *ts_shared(const char *name);

#endif
