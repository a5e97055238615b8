/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing segments: what making an index, adding to it and compacting it have in common.
 */
#ifndef WNI_INDEX_BUILD_H
#define WNI_INDEX_BUILD_H

#include "index/index_files.h"

/* Rows that go into one segment, one source after the other. */
typedef struct wni_source {
    const wn_pool *rows;
    const int64_t *ids; /* (rows) or NULL = first_id + row */
    int64_t first_id;
    const char *table;         /* path of its table.sqlite; NULL = none */
    const int64_t *table_rows; /* (rows) the records that belong to the rows; NULL = one by one */
} wni_source;

/* Writes segment `number` out of sources (n), all of one element type:
 * rows, ids, the table, what the kind makes
 * of them, checksums. *about is its object for index.json (json_decref). */
wn_status wni_segment_write(wn_ctx *ctx, wni_out *out, const wni_index_head *head, int32_t number,
                            const wni_source *sources, int32_t n, wni_run *run, json_t **about);

/* Puts a segment of an open index into the output as it is, with `dead` (n bits, NULL = none) in the place of
 * its deleted rows; index.json's object for it in *about. */
wn_status wni_segment_carry(wn_ctx *ctx, wni_out *out, const wn_index *index, int32_t i,
                            const uint64_t *dead, int64_t n_dead, json_t **about);

/* Recall by effort of the finished index in `out`, whose index.json is there, measured on rows of it; written
 * into index.json when there is something to choose. */
wn_status wni_index_calibrate(wn_ctx *ctx, wni_out *out, const wni_index_head *head,
                              const json_t *segments, wni_run *run);
/* What that takes of the budget on n rows; the files of the index are mapped and do not count. */
int64_t wni_index_calibrate_bytes(const wn_ctx *ctx, int64_t n, int64_t d);

/* The head of an open index. */
void wni_index_head_of(const wn_index *index, wni_index_head *head);

/* The family's run: makes an index of run->pool as run->method and run->params say. */
wn_status wni_index_build_run(wni_run *run);

/* ---- changing an index -------------------------------------------------------------------------------- */

/* The index of --index, and its head to change. */
wn_status wni_index_open_input(wni_run *run, wn_index **index, wni_index_head *head);

/* Rows of a segment that are not deleted. */
typedef struct wni_live {
    int64_t *rows, *ids, n; /* (n) positions and ids */
    wn_pool *view;          /* (n, d) */
} wni_live;
wn_status wni_live_of(wn_ctx *ctx, const wni_segment *s, wni_live *live);
void wni_live_free(wn_ctx *ctx, wni_live *live);

/* segments takes over segment. */
wn_status wni_segments_append(wn_ctx *ctx, json_t *segments, json_t *segment);

/* The table of --table, of that many rows, as a file of the output which the caller removes again; NULL = none
 * was given. like: path of a table whose columns it must have, NULL = any. */
wn_status wni_index_build_table(wni_run *run, int64_t rows, const char *like, const char **path);

/* Writes index.json, measures recall when `calibrate`, records the result. */
wn_status wni_index_finish(wni_run *run, const wni_index_head *head, const json_t *segments,
                           int calibrate);

#endif
