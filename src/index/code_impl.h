/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the codes: what each of them offers, and what they share. A key is the squared Euclidean
 * distance of what a code stands for, under both metrics.
 */
#ifndef WNI_CODE_IMPL_H
#define WNI_CODE_IMPL_H

#include "index/code.h"
#include "kernels/kernels.h"
#include "scan/scan.h"

typedef struct wni_code_ops {
    /* WN_E_USAGE when the parameters do not go with rows of d columns; NULL = they always do. */
    wn_status (*check)(wn_ctx *ctx, int64_t d, const wni_code_params *params);
    wn_status (*build)(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                       const int64_t *order, int64_t n);
    void (*estimate)(const wn_pool *rows, const wni_code_params *params, wn_estimate *out);
    /* Fills rows, row_bytes, exact, scratch_bytes and own. */
    wn_status (*open)(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                      const wni_code_params *params, wni_code *code);
    void (*close)(wn_ctx *ctx, wni_code *code);
    void (*prepare)(const wni_code *code, const float *query, void *scratch);
    /* Keys of slots at[0..n), or of first..first + n when at is NULL. */
    void (*keys)(const wni_code *code, const void *scratch, const int32_t *at, int64_t first,
                 int64_t n, float *keys);
} wni_code_ops;

struct wni_code {
    const wni_code_ops *ops;
    const wni_kernels *kernels;
    int64_t n, d, ld; /* ld: of a padded f32 row */
    const void *rows; /* (n, row_bytes) */
    int64_t row_bytes;
    int64_t scratch_bytes;
    int exact;
    void *own; /* of the code, freed by close */
};

extern const wni_code_ops wni_code_f32, wni_code_f16, wni_code_i8, wni_code_pq, wni_code_rq;

/* Makes the codes of m rows (m, ld), which it may change; codes (m, row_bytes). Runs inside a range. */
typedef wn_status (*wni_code_rows_fn)(wn_ctx *ctx, void *arg, int64_t m, float *rows, int64_t ld,
                                      void *codes);

#define WNI_CODE_RANGE 64 /* rows of a call of it, at most */

/* Writes code.npy: n rows of `width` elements, made WNI_CODE_RANGE at a time, and what memory that takes. */
wn_status wni_code_write(wn_ctx *ctx, const wni_index_build *b, const int64_t *order, int64_t n,
                         const char *descr, size_t item, int64_t width, wni_code_rows_fn fn,
                         void *arg);
int64_t wni_code_write_bytes(int64_t n, int64_t d, int64_t row_bytes);

/* At most this many of the rows, chosen by seed; fewer when rows are long. */
int64_t wni_code_sample_rows(int64_t n, int64_t d, int64_t most);
wn_status wni_code_sample(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                          const int64_t *order, int64_t n, int64_t most, wni_mat *out);

/* What a code loses, into the record: the mean squared error of a row, and its share of the mean squared
 * distance of a row from the mean of all. */
wn_status wni_code_record_error(const wni_index_build *b, double error, double spread);
/* Sum over rows of the squared distance from their mean. */
wn_status wni_code_spread(wn_ctx *ctx, const wni_mat *m, double *spread);

/* The entry with `at` smaller ones, as if v (n) were sorted; moves entries about. */
float wni_code_nth(float *v, int64_t n, int64_t at);

/* An array of the segment that must have this shape. */
wn_status wni_code_array(wn_ctx *ctx, const wn_index *index, const wni_segment *s, const char *name,
                         const char *descr, int64_t n, int64_t d, const void **data);
/* WN_E_DATA: an array has the right shape but impossible content. */
wn_status wni_code_damaged(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                           const char *name, const char *what);

/* A rotation made of signs, swaps and Hadamard transforms: spreads what a row has in few columns over
 * all of them. O(d log d) a row. */
typedef struct wni_rotation wni_rotation;
wn_status wni_rotation_new(wn_ctx *ctx, int64_t d, uint64_t seed, wni_rotation **out);
void wni_rotation_free(wn_ctx *ctx, wni_rotation *rotation); /* NULL ok */
/* in and out (d), not the same. */
void wni_rotate(const wni_rotation *rotation, const float *in, float *out);

#endif
