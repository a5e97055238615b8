/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder form of an index: index.json, which names every array with its type, shape and checksum, and
 * carries its own; and the arrays, s1/rows.npy and so on. What index.json says of the index as a whole is the
 * head.
 *
 * The checksum of an array is the XXH3 of the XXH3s of its data in pieces of 16 MiB, so that all threads work
 * on it; the header of the file is compared with the one that is expected.
 */
#ifndef WNI_INDEX_FILES_H
#define WNI_INDEX_FILES_H

#include <jansson.h>

#include "index/index_impl.h"
#include "io/infile.h"
#include "io/npy_header.h"

#define WNI_INDEX_JSON "index.json"

typedef struct wni_index_head {
    const wn_method *method;
    const void *params; /* complete */
    wn_metric metric;
    wn_dtype dtype;
    int64_t d, next_id;
    int32_t next_segment;
    int32_t has_table;
    int32_t n_marks;
    const int64_t *mark_effort;
    const double *mark_recall;
} wni_index_head;

/* Writes (again = over an earlier one) index.json. segments: json array of what wni_segment_seal returned. */
wn_status wni_index_write_head(wni_out *out, const wni_index_head *head, const json_t *segments,
                               int again);

/* The array of a segment as it is named in index.json: {name, descr, shape}. */
wn_status wni_index_list_array(wn_ctx *ctx, json_t *arrays, const char *name, const char *descr,
                               const int64_t *shape, int dims);
/* Adds the checksums to the arrays of a segment that was just written. */
wn_status wni_index_seal(wn_ctx *ctx, wni_out *out, const char *prefix, json_t *arrays);

/* numpy's name of an element type. */
const char *wni_index_descr(wn_dtype dtype);

/* Where an index lies while it is written, to open it: belongs to out. */
const char *wni_index_out_dir(const wni_out *out);

/* One array, open. */
typedef struct wni_array {
    const json_t *about; /* its object in index.json */
    int32_t segment;
    char *path;
    const char *descr;
    int dims;
    int64_t shape[WNI_NPY_DIMS];
    int64_t data_at, bytes; /* of the data in the file */
    const void *data;       /* NULL = not mapped */
    wni_infile file;
    wni_mapping map;
    void *copy;
    bool opened, used; /* used: asked for by wni_segment_array */
} wni_array;

typedef struct wni_index_files {
    json_t *root;
    wni_array *v; /* (n) */
    int32_t n;
    char (*prefix)[16]; /* (segments) "s3/" */
} wni_index_files;

/* Reads and checks index.json into *root (json_decref). */
wn_status wni_index_read_head(wn_ctx *ctx, const char *dir, json_t **root);

/* Finds the data of an array: the header of its file is compared, nothing else is read. */
wn_status wni_array_find(wn_ctx *ctx, const char *dir, const char *prefix, const json_t *about,
                         wni_array *a);
/* Maps it (or reads it where that does not work) and, with `check`, compares the checksum. */
wn_status wni_array_map(wn_ctx *ctx, wni_array *a, int check);
size_t wni_array_item(const wni_array *a); /* bytes of an element */
/* Compares the checksum by reading the file, without mapping it. */
wn_status wni_array_check(wn_ctx *ctx, const wni_array *a);
void wni_array_close(wn_ctx *ctx, wni_array *a);
/* Bytes of files of an open index that are mapped and count against the budget. */
int64_t wni_index_mapped(const wn_index *index);

#endif
