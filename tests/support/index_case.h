/* SPDX-License-Identifier: Apache-2.0
 *
 * Indexes in tests: made by a job from rows in memory, searched, and how many hits are right.
 */
#ifndef TS_INDEX_CASE_H
#define TS_INDEX_CASE_H

#include "support/support.h"

/* Makes ts_path(name) out of (n, d) rows: params are pairs of name and value, NULL-ended, "metric" among them. */
wn_status ts_index(wn_ctx *ctx, const char *kind, const float *v, int64_t n, int64_t d,
                   const char *const *params, const char *name);
/* A job on the index: add (rows v), delete (the ids), compact. */
wn_status ts_index_add(wn_ctx *ctx, const char *name, const float *v, int64_t n, int64_t d);
wn_status ts_index_delete(wn_ctx *ctx, const char *name, const int64_t *ids, int64_t n);
wn_status ts_index_compact(wn_ctx *ctx, const char *name);
/* Opens and searches; effort 0 = by recall. wn_hits_free. */
wn_status ts_index_search(wn_ctx *ctx, const char *name, const float *q, int64_t n, int64_t d,
                          int64_t k, int64_t effort, double recall, wn_hits **hits);
/* Memory that is not there, at many points of building and searching an index of n rows: WN_E_NOMEM, nothing
 * leaks. */
void ts_index_without_memory(const char *kind, int64_t n, const char *const *params);
/* Share of the hits of `truth` that are in `hits`, by distance: ties count. */
double ts_recall(const wn_hits *hits, const wn_hits *truth);

#endif
