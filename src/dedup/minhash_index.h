/* SPDX-License-Identifier: Apache-2.0
 *
 * What dedup minhash keeps of a run, so that the next one is compared with it without reading its texts: for
 * each row that was kept its set, the hash of it, its band keys, its number and its id. A folder of segments,
 * one for each run, that are never changed; index.json has the parameters and the hash of every file.
 */
#ifndef WNI_MINHASH_INDEX_H
#define WNI_MINHASH_INDEX_H

#include "dedup/minhash_impl.h"
#include "io/infile.h"
#include "pool/run.h"

#define WNI_INDEX_VERSION 1

/* An .npy file of this folder, read in pieces. */
typedef struct wni_index_file {
    wni_infile file;
    int64_t data_at, rows, columns;
} wni_index_file;

typedef struct wni_segment {
    int64_t first, rows;   /* in the index */
    wni_index_file hash;   /* (rows, 2) uint64: of the set, to find and to know it by */
    wni_index_file key;    /* (rows, bands) uint64 */
    wni_index_file set;    /* (words, 1) uint64: for each row count, then the shingles */
    wni_index_file begin;  /* (rows, 1) int64: where its set begins in `set` */
    wni_index_file row;    /* (rows, 1) int64: its number in the pool that it came from */
    wni_index_file id_end; /* (rows, 1) int64: of its id in `id`; not there without ids */
    wni_index_file id;     /* (bytes, 1) uint8 */
    wni_mapping sets;
    int64_t uncounted; /* bytes of the mapping that the budget does not see */
} wni_segment;

struct wn_dedup_index {
    wn_ctx *ctx;
    char *dir;
    void *json; /* index.json */
    int32_t shingle;
    uint64_t seed;
    wni_bands bands;
    int64_t rows;
    int32_t segments;
    wni_segment *segment; /* (segments) */
};

/* Pieces of `count` rows from `first` on: out (count, columns). */
wn_status wni_index_read(wn_ctx *ctx, const wni_index_file *file, int64_t item_bytes, int64_t first,
                         int64_t count, void *out);
/* The segment of a row of the index. */
const wni_segment *wni_index_segment(const wn_dedup_index *index, int64_t row);
/* The segment's number, the row's number in its pool, and its id (NULL = none; wni_free). */
wn_status wni_index_row(const wn_dedup_index *index, int64_t row, int32_t *segment, int64_t *number,
                        char **id);

/* Writes index/ into the output: the segments of m->in->index, linked, and one of the rows kept now. */
wn_status wni_index_write(const wni_minhash *m, const wn_dedup *dedup, wni_run *run);

#endif
