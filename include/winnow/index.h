/* SPDX-License-Identifier: Apache-2.0
 *
 * Indexes: the searchable form of a pool. An index is a folder of segments that never change once written;
 * adding writes one more segment, deleting marks rows, compacting writes one segment out of all. Each of
 * these puts a new folder in the place of the old one in one step, so that a crash leaves the old index or
 * the new one, and who has the old one open goes on reading it.
 *
 * `winnow index`, and jobs (job.h) of the family `index`, make and change indexes, on disk or in a folder in
 * memory. This header opens and searches them.
 */
#ifndef WINNOW_INDEX_H
#define WINNOW_INDEX_H

#include "winnow/method.h"
#include "winnow/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A snapshot: nothing in it changes after wn_index_open. Any number of threads may search it at the same
 * time, each with a context of its own. */
typedef struct wn_index wn_index;

/* Opens an index; the context must outlive it. Reads index.json and checks the checksum of every array but the
 * lists and rows of a disk index, which are checked as they are read. Arrays are mapped. Errors: WN_E_DATA names the
 * file: damaged, cut, of a newer version, not an index. Cost: one pass over the files. */
WN_API wn_status wn_index_open(wn_ctx *ctx, const char *dir, wn_index **out);
WN_API void wn_index_free(wn_index *index); /* NULL ok */

typedef struct wn_index_about {
    uint32_t struct_size;
    const char *kind; /* "flat", "ivf", ...; belongs to the index */
    const char *code; /* "f32", "i8", ... */
    wn_metric metric;
    int64_t rows;    /* that can be found */
    int64_t deleted; /* marked, their space not given back yet */
    int64_t dim;
    int64_t next_id; /* of the row that is added next */
    int32_t segments;
    int32_t has_table; /* 1 = it can be asked with `where` */
    int64_t
        memory_bytes; /* of the arrays that searching reads from memory: rows, codes, structures */
} wn_index_about;

/* Set struct_size before. Never fails. */
WN_API void wn_index_describe(const wn_index *index, wn_index_about *about);

/* Which rows of an index a search may find, made once for any number of searches. */
typedef struct wn_filter wn_filter;

/* where: SQL condition over the columns of the table; window: "column:low:high", both ends in; tenant: the value of
 * the tenant column. NULL = not asked; all that are given must hold. The filter belongs to this index and must be
 * freed before it. Errors: WN_E_USAGE: no table, SQL that is none or that writes, an unknown column (nearest name
 * offered), a window on a column that is not numbers. Cost: a pass over the table and a bit a row; next to nothing
 * where the index was made for what is asked, as index window for windows on its column. */
WN_API wn_status wn_filter_new(wn_ctx *ctx, const wn_index *index, const char *where,
                               const char *window, const char *tenant, wn_filter **out);
WN_API void wn_filter_free(wn_filter *filter); /* NULL ok */
WN_API int64_t wn_filter_matching(const wn_filter *filter);

typedef struct wn_index_query {
    uint32_t struct_size;
    const wn_pool *queries; /* (n, d), read under the metric of the index */
    int64_t k;          /* hits wanted, at most the rows there are; fewer come when fewer match */
    int64_t effort;     /* hnsw: length of the beam; ivf, disk, tenants: lists; 0 = by `recall` */
    double recall;      /* of the k nearest, as measured when the index was made; in (0, 1] */
    const char *where;  /* SQL condition over the columns of the table; NULL = all rows */
    const char *window; /* "column:low:high", both ends in; NULL = all rows */
    const char *tenant; /* only rows of this tenant; NULL = all rows */
    const wn_filter *filter; /* instead of the three above; NULL = none */
} wn_index_query;

/* How a search went, summed over its queries. */
typedef struct wn_search_report {
    int64_t rows;       /* of the index, deleted ones aside */
    int64_t matching;   /* of these, rows that the filters let through */
    int64_t visited;    /* nodes or lists */
    int64_t compared;   /* distances by code */
    int64_t verified;   /* exact distances of candidates */
    int64_t effort;     /* that was used; 0 = exact, there is nothing to choose */
    int64_t short_hits; /* queries with fewer than k hits */
    char route[96];     /* in words: "graph", "exact scan of the matches", ... */
} wn_search_report;

/* Neighbours of queries; at one distance the row that was added first. All arrays belong to the hits. */
typedef struct wn_hits {
    wn_ctx *ctx;
    int64_t n, k;
    wn_metric metric;
    int64_t *indices; /* (n, k) row-major: ids, nearest first; -1 past the end */
    float *distances; /* (n, k) Euclidean, or 1 - cosine; +Inf past the end */
    int64_t *counts;  /* (n) hits of each query */
    wn_search_report report;
} wn_hits;

/* Searches. The distances are the exact ones of the rows found; which rows are found depends on kind, code
 * and effort, but never on threads or ISA. When k rows match, k come back, at any selectivity. Errors: WN_E_USAGE
 * (k below 1, effort, SQL that is none or that writes, unknown column with the nearest name, unknown tenant), WN_E_DATA
 * (another dimension, NaN; names the query). *out is given; wn_hits_free(). */
WN_API wn_status wn_index_search(wn_ctx *ctx, const wn_index *index, const wn_index_query *query,
                                 wn_hits **out);
WN_API void wn_hits_free(wn_hits *hits); /* NULL ok */

/* Folder form: indices.npy (int64), distances.npy (float32), counts.npy (int64). */
WN_API wn_status wn_hits_load(wn_ctx *ctx, const char *dir, wn_hits **out);

/* m rows of the index drawn by the seed, repeats possible, as f32 into rows (m, ld) row-major, ld a multiple of 16
 * from dim; of unit length under cosine. WN_E_DATA when it has none. */
WN_API wn_status wn_index_sample(wn_ctx *ctx, const wn_index *index, int64_t m, uint64_t seed,
                                 float *rows, int64_t ld);

/* ---- parameters of the methods of the family ---------------------------------------------------------- */

typedef enum wn_code { WN_CODE_F32 = 0, WN_CODE_F16, WN_CODE_I8, WN_CODE_PQ, WN_CODE_RQ } wn_code;

/* What every kind of index has. */
#define WN_INDEX_CODE_PARAMS(P)                                                                \
    P(choice, code, WN_CODE_F32, "f32|f16|i8|pq|rq", 0,                                        \
      "how rows are kept for the search; the best candidates are compared exactly with every " \
      "code")                                                                                  \
    P(i32, code_bytes, 0, 0, 65536,                                                            \
      "bytes of a row under pq and rq; 0 = one for every 4 dimensions, under rq at most 32")   \
    P(f64, rerank, 4, 1, 1000,                                                                 \
      "candidates per hit that are compared exactly when the code is not f32")                 \
    P(u64, seed, 0, 0, 0, "seed of everything random")                                         \
    P(bool, pq_uniform, 0, 0, 1,                                                               \
      "under pq give every entry of a codebook the same share of the rows, by optimal transport")

#define WN_INDEX_FLAT_PARAMS(P) WN_INDEX_CODE_PARAMS(P)
WN_PARAM_STRUCT(wn_index_flat_params, WN_INDEX_FLAT_PARAMS);

#define WN_INDEX_IVF_PARAMS(P)                                                                     \
    WN_INDEX_CODE_PARAMS(P)                                                                        \
    P(i64, lists, 0, 0, 16777216, "lists that the rows are put into; 0 = from the number of rows") \
    P(f64, balance, 3, 1.5, 1000000,                                                               \
      "longest list, as a multiple of rows / lists; what is longer is split")                      \
    P(f64, prune, 1, 0.01, 1000000,                                                                \
      "a list whose centre is farther than 1 + this times the nearest centre is not read")         \
    P(i64, sample, 64, 4, 1000000, "rows per list that the centres are learnt from")               \
    P(i32, max_iter, 10, 1, 1000000, "Lloyd iterations at most")
/* Lists from k-means, searched where their centres are near. sivic2003 chen2021spann. */
WN_PARAM_STRUCT(wn_index_ivf_params, WN_INDEX_IVF_PARAMS);

/* Begins as WN_INDEX_CODE_PARAMS does, as far as codes in memory and on the disk have the same: code, rerank, seed. */
#define WN_INDEX_DISK_PARAMS(P)                                                                    \
    P(choice, code, WN_CODE_F32, "f32|f16", 0,                                                     \
      "how rows are kept in lists: whole, or rounded to f16 and the best compared exactly")        \
    P(i32, copies, 8, 1, 16, "lists that a row between several centres is put into at most")       \
    P(f64, rerank, 4, 1, 1000, "candidates per hit that are compared exactly under f16")           \
    P(u64, seed, 0, 0, 0, "seed of everything random")                                             \
    P(i64, per_center, 32, 1, 1000000, "rows for each centre: more rows, fewer centres in memory") \
    P(i64, longest, 0, 0, 1000000, "longest list; 0 = 8 times per_center")                         \
    P(f64, closure, 0.2, 0, 1000,                                                                  \
      "a row is copied to lists whose centre is at most 1 + this times as far as the nearest")     \
    P(f64, prune, 1, 0.01, 1000000,                                                                \
      "a list whose centre is farther than 1 + this times the nearest centre is not read")         \
    P(i32, max_iter, 10, 1, 1000000, "Lloyd iterations at most")
/* Lists on the disk, their centres in memory: chen2021spann. */
WN_PARAM_STRUCT(wn_index_disk_params, WN_INDEX_DISK_PARAMS);

#define WN_INDEX_HNSW_PARAMS(P)                                                         \
    WN_INDEX_CODE_PARAMS(P)                                                             \
    P(i32, m, 16, 4, 128, "links of a node at most, on the lowest level twice as many") \
    P(i64, ef_construction, 200, 8, 65536,                                              \
      "how far is looked for the neighbours of a node: better links, longer building")
WN_PARAM_STRUCT(wn_index_hnsw_params, WN_INDEX_HNSW_PARAMS);

#define WN_INDEX_TENANTS_PARAMS(P)                                                               \
    WN_INDEX_CODE_PARAMS(P)                                                                      \
    P(text, tenant_column, "tenant", 1, 63, "column of the table that says whose a row is")      \
    P(i64, list_max, 64, 8, 65536, "rows of a leaf of the tree at most, and of a tenant's list") \
    P(i64, sample, 64, 4, 1000000, "rows for each centre that the centres are learnt from")      \
    P(i32, max_iter, 10, 1, 1000000, "Lloyd iterations at most")
/* One clustering tree shared by all tenants, in it a tree for each. jin2024. */
WN_PARAM_STRUCT(wn_index_tenants_params, WN_INDEX_TENANTS_PARAMS);

#define WN_INDEX_WINDOW_PARAMS(P)                                                            \
    WN_INDEX_CODE_PARAMS(P)                                                                  \
    P(text, column, "ts", 1, 63, "column of the table, of numbers, that the windows are on") \
    P(i32, beta, 2, 2, 64, "parts that a range of the tree is divided into")                 \
    P(i64, leaf, 2048, 16, 1048576, "rows of the smallest ranges that have a graph at most") \
    P(i32, m, 16, 4, 128, "links of a node at most, on the lowest level twice as many")      \
    P(i64, ef_construction, 100, 8, 65536,                                                   \
      "how far is looked for the neighbours of a node: better links, longer building")
/* A tree of graphs over ranges of a column, for windows on it: engels2024 xu2024. */
WN_PARAM_STRUCT(wn_index_window_params, WN_INDEX_WINDOW_PARAMS);

#define WN_INDEX_AUTO_PARAMS(P)                                                      \
    P(f64, recall, 0.95, 1e-6, 1, "share of the 10 nearest rows that must be found") \
    P(i64, sample, 20000, 1, WN_ROWS_MAX, "rows that kinds and codes are tried on")  \
    P(u64, seed, 0, 0, 0, "seed of everything random")
WN_PARAM_STRUCT(wn_index_auto_params, WN_INDEX_AUTO_PARAMS);

#define WN_INDEX_ADD_PARAMS(P) \
    P(bool, merge, 1, 0, 1, "join small segments, so that their number stays low")
WN_PARAM_STRUCT(wn_index_add_params, WN_INDEX_ADD_PARAMS);

#define WN_INDEX_DELETE_PARAMS(P) \
    P(bool, missing_ok, 0, 0, 1, "ids that are not there, or not any more, are no error")
WN_PARAM_STRUCT(wn_index_delete_params, WN_INDEX_DELETE_PARAMS);

#define WN_INDEX_COMPACT_PARAMS(P) P(bool, calibrate, 1, 0, 1, "measure recall anew")
WN_PARAM_STRUCT(wn_index_compact_params, WN_INDEX_COMPACT_PARAMS);

#ifdef __cplusplus
}
#endif
#endif
