/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run of `winnow dedup` writes.
 */
#ifndef WNI_DEDUP_FILES_H
#define WNI_DEDUP_FILES_H

#include "base/strbuf.h"
#include "pool/run.h"
#include "winnow/dedup.h"
#include "winnow/select.h"

/* rows.npy, groups.npy, why.npy, removed.jsonl, groups.csv. `reference` (NULL = none, or without ids) has the
 * ids of the rows that dedup->partner names as -1 - r, unless those are rows of `index` (NULL = none). */
wn_status wni_dedup_write(wni_run *run, const wn_dedup *dedup, wn_why_rule rule,
                          wn_table *reference, const wn_dedup_index *index);
/* What they take beside the answer. */
int64_t wni_dedup_write_bytes(int64_t n);

/* Runs the method at every threshold of its parameter `sweep`; the answers belong to it. sink NULL = only
 * checks the parameter. `params` is complete. */
wn_status wni_dedup_sweep(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *in,
                          const void *params, wn_dedup_sink sink, void *user);
/* The same into sweep.csv, sweep.jsonl, the record and the log. */
wn_status wni_dedup_sweep_files(wni_run *run, const wn_dedup_input *in);

/* A row of the pool as fields of a JSON object: `"row": 17, "id": "n00017"`; the id where its table (or NULL)
 * has one. */
wn_status wni_dedup_add_row(wni_str *line, int64_t row, wn_table *pool);
/* The partner (dedup->partner) of a row that goes, in the same way. */
wn_status wni_dedup_add_partner(wni_str *line, int64_t partner, wn_table *pool, wn_table *reference,
                                const wn_dedup_index *index);
/* A JSON string; `bytes` = -1: all of it, else at most so many, and an ellipsis where it is cut. */
void wni_dedup_add_json(wni_str *line, const char *text, int64_t bytes);
/* A CSV field, in quotes where it needs them. */
void wni_dedup_add_csv(wni_str *line, const char *text);

#endif
