/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to vectors, without a model: lexical only. Bring embeddings when meaning matters.
 */
#ifndef WINNOW_VECTORIZE_H
#define WINNOW_VECTORIZE_H

#include "winnow/method.h"
#include "winnow/table.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wn_vectorize_input {
    uint32_t struct_size;
    wn_table *table;
    int32_t column; /* the text */
} wn_vectorize_input;

/* Receives rows [first, first + n), (n, d) row-major, in order, on the calling thread. */
typedef wn_status (*wn_rows_sink)(void *user, int64_t first, int64_t n, int64_t d,
                                  const float *rows);

typedef struct wn_vectorize_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_vectorize_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_vectorize_input *in, const void *params,
                     wn_rows_sink sink, void *user);
} wn_vectorize_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, a text column, memory
 * budget. The sink sees every row once; its failure stops the run. */
WN_API wn_status wn_vectorize_run(wn_ctx *ctx, const wn_method *method,
                                  const wn_vectorize_input *in, const void *params,
                                  wn_rows_sink sink, void *user);

#define WN_VECTORIZE_LEXICAL_PARAMS(P)                                                       \
    P(text, text, "", 0, 63,                                                                 \
      "column that holds the text; empty = text, content, body or the only text column")     \
    P(i64, dim, 256, 16, WN_DIM_MAX, "columns of the vectors")                               \
    P(list, words, "1,2", 1, 8, "word n-gram lengths")                                       \
    P(list, chars, "3,4", 1, 16, "character n-gram lengths, within words")                   \
    P(f64, char_weight, 0.5, 0, 1, "share of the squared length that character n-grams get") \
    P(i32, nonzeros, 4, 1, 64, "columns that one feature touches in the projection")         \
    P(u64, seed, 0, 0, 0, "seed of the projection")
WN_PARAM_STRUCT(wn_vectorize_lexical_params, WN_VECTORIZE_LEXICAL_PARAMS);

/* Hashed n-grams, sublinear tf-idf, sparse random projection: weinberger2009 li2006 salton1988.
 * Unit rows; a text without any feature is an error that names its row. */
WN_API wn_status wn_vectorize_lexical(wn_ctx *ctx, const wn_vectorize_input *in,
                                      const wn_vectorize_lexical_params *params, wn_rows_sink sink,
                                      void *user);

#ifdef __cplusplus
}
#endif
#endif
