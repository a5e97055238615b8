/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes: small forms of rows from which the distance to a query is computed quickly. A kind of index keeps the
 * codes of its rows in the order that suits its search; slot s of the codes is what the kind says it is (a
 * position, or a place in a list). Keys are as in wni_found: (what the code makes of) the squared Euclidean
 * distance, of unit rows under cosine; smaller is nearer. Same bytes at any ISA.
 */
#ifndef WNI_CODE_H
#define WNI_CODE_H

#include "index/index_impl.h"

typedef struct wni_code wni_code; /* opened; const while it is searched */

/* Trains on the rows (a sample of them, by seed) and writes the codes of rows order[0..n) (NULL = 0..n-1, n = all)
 * as arrays code*.npy of the segment; the parameters code, code_bytes and seed are those of the build. */
typedef struct wni_code_params {
    wn_code code;
    int32_t bytes;
    uint64_t seed;
    int uniform; /* pq: every entry of a codebook gets the same share of the rows */
} wni_code_params;
/* Those of a method: the parameters of every kind begin with WN_INDEX_CODE_PARAMS. */
wni_code_params wni_code_params_of(const void *params);
/* WN_E_USAGE when they do not go together or not with rows of d columns. */
wn_status wni_code_check(wn_ctx *ctx, int64_t d, const wni_code_params *params);
wn_status wni_code_build(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                         const int64_t *order, int64_t n);
/* Memory and work of that. */
void wni_code_estimate(const wn_pool *rows, const wni_code_params *params, wn_estimate *out);

wn_status wni_code_open(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                        const wni_code_params *params, wni_code **out);
void wni_code_free(wn_ctx *ctx, wni_code *code); /* NULL ok */

/* 1 = keys are canonical. */
int wni_code_exact(const wni_code *code);
/* Scratch of one query. */
int64_t wni_code_scratch_bytes(const wni_code *code);
/* The query, a padded f32 row, made ready in scratch (64-byte aligned). */
void wni_code_prepare(const wni_code *code, const float *query, void *scratch);
/* Keys of slots at[0..n), or of first..first + n. at and first within range. No allocation. */
void wni_code_keys_at(const wni_code *code, const void *scratch, const int32_t *at, int64_t n,
                      float *keys);
void wni_code_keys_run(const wni_code *code, const void *scratch, int64_t first, int64_t n,
                       float *keys);
/* Brings the code of a slot near to the processor. */
void wni_code_prefetch(const wni_code *code, int64_t slot);

#endif
