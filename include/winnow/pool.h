/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool: n rows x d numbers of one element type, in files or in memory, with the metric by which
 * its rows are compared. Rows are read as f32, widened per tile; a pool is never widened whole.
 */
#ifndef WINNOW_POOL_H
#define WINNOW_POOL_H

#include "winnow/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wn_pool wn_pool;

typedef struct wn_pool_options {
    uint32_t struct_size;
    int32_t metric; /* wn_metric */
    int32_t dtype;  /* wn_dtype of a raw file or of 2-byte void data in .npy; -1 = from the file */
    int64_t dim;    /* columns of a raw file; 0 = from the file */
    int64_t rows;   /* read only this many rows of the first file(s); 0 = all */
    const char
        *member; /* array inside .npz, .safetensors or .hdf5; NULL = the only two-dimensional one */
} wn_pool_options;

/* Fills `options` with the defaults: everything from the file, WN_L2. */
WN_API void wn_pool_options_init(wn_pool_options *options);

/* Opens files as one pool, in the order given. A pattern with * ? [ is expanded and its files sorted
 * as strings. Formats, by content first and name second: .npy (v1-v3; f2 f4 f8 i1 u1 i4, either byte
 * order, C or Fortran), .npz (stored members), .fvecs .bvecs .ivecs, .fbin .u8bin .i8bin .ibin,
 * .safetensors, .hdf5 (datasets stored as one plain array; `train` unless named), raw with dtype and dim.
 * FILE:MEMBER picks an array inside a container.
 * Only headers and sizes are read here; wn_pool_check() reads the rows.
 * Errors: WN_E_DATA names file, found, expected and what to do; WN_E_IO. */
WN_API wn_status wn_pool_open(wn_ctx *ctx, const char *const *paths, int32_t n_paths,
                              const wn_pool_options *options, wn_pool **out);

/* A pool over memory of the caller, (n, d) row-major, which must outlive the pool and stay as it is.
 * Nothing is copied; n may be 0. */
WN_API wn_status wn_pool_wrap(wn_ctx *ctx, const void *rows, int64_t n, int64_t d, wn_dtype dtype,
                              wn_metric metric, wn_pool **out);

/* Rows `rows` (n, in any order, repeats allowed) of another pool, as a pool. Borrows both.
 * A view of a view reads through to the pool underneath. */
WN_API wn_status wn_pool_view(wn_ctx *ctx, const wn_pool *parent, const int64_t *rows, int64_t n,
                              wn_pool **out);

/* The same rows read under another metric. Borrows the parent. Rows without a direction stay zero under
 * WN_COSINE: whoever compares them leaves them out. */
WN_API wn_status wn_pool_with_metric(wn_ctx *ctx, const wn_pool *parent, wn_metric metric,
                                     wn_pool **out);

WN_API void wn_pool_free(wn_pool *pool); /* NULL ok */

/* Shape, element type as stored, and metric. */
WN_API int64_t wn_pool_rows(const wn_pool *pool);
WN_API int64_t wn_pool_dim(const wn_pool *pool);
WN_API wn_dtype wn_pool_dtype(const wn_pool *pool);
WN_API wn_metric wn_pool_metric(const wn_pool *pool);

/* The files of the pool in reading order (0 for a pool in memory), with their rows. */
WN_API int32_t wn_pool_shards(const wn_pool *pool);
WN_API const char *wn_pool_shard_path(const wn_pool *pool, int32_t shard);
WN_API int64_t wn_pool_shard_rows(const wn_pool *pool, int32_t shard);

/* Row number of the pool -> the row underneath (a view's parent); the same number for others. */
WN_API int64_t wn_pool_source_row(const wn_pool *pool, int64_t row);

/* Rows [first, first + n) as f32 into out (n, ld) row-major, ld >= d; columns d..ld are zero.
 * Under WN_COSINE each row has unit length. Any thread may call it. Cost: one pass over the bytes.
 * Errors: WN_E_IO when a file shrank or cannot be read. A pool that is small beside the budget is mapped: a
 * program that cuts such a file while it is read ends the process (SIGBUS). */
WN_API wn_status wn_pool_read(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n,
                              float *out, int64_t ld);

/* The same for rows[0..n), in that order; out is (n, ld). */
WN_API wn_status wn_pool_gather(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t n,
                                float *out, int64_t ld);

/* The stored bytes of rows [first, first + n), (n, d * wn_dtype_bytes) in native byte order. */
WN_API wn_status wn_pool_read_raw(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n,
                                  void *out);

#define WN_POOL_BAD_ROWS 8

typedef struct wn_pool_report {
    int64_t rows, dim;
    int64_t nan_rows, inf_rows, zero_rows;
    int64_t bad_row[WN_POOL_BAD_ROWS]; /* the first rows with NaN or Inf; -1 = no more */
    int64_t zero_row[WN_POOL_BAD_ROWS];
    double min_norm, max_norm,
        mean_norm;  /* Euclidean norms as stored, over rows without NaN or Inf */
    double max_abs; /* largest |value| as stored, over the same rows */
} wn_pool_report;

/* Reads every row once and fills `report` (NULL = only judge). With `strict` nonzero, NaN, Inf and,
 * under WN_COSINE, zero rows are an error (WN_E_DATA) that names file and row.
 * A value outside the range of f32 counts as Inf; an i32 beyond 2^24 is always an error. Out-of-core,
 * parallel, cancellable. A pool that passed once, or whose parent did, passes again without a second
 * reading when `report` is NULL. */
WN_API wn_status wn_pool_check(wn_ctx *ctx, const wn_pool *pool, int strict,
                               wn_pool_report *report);

#ifdef __cplusplus
}
#endif
#endif
