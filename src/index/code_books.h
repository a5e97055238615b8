/* SPDX-License-Identifier: Apache-2.0
 *
 * What the codes made of codebooks share: a byte of a row names one of 256 centres, and the key of a row is a
 * sum of one table entry for every byte. The tables of a query are whole numbers, so that sums are exact and
 * the same in any order.
 */
#ifndef WNI_CODE_BOOKS_H
#define WNI_CODE_BOOKS_H

#include "index/code_impl.h"

#define WNI_BOOK         256
#define WNI_BOOKS_SAMPLE 16384 /* rows that codebooks are trained on, at most */

/* Takes rows off the sample that lie ten times as far from its mean as half of the rows do: a codebook would
 * spend entries on them, and tables all their precision. Their codes are those of the nearest entries. */
wn_status wni_books_trim(wn_ctx *ctx, wni_mat *sample);

/* The centres of k-means over x (n, d), WNI_BOOK of them; with fewer rows the first one fills up. centers
 * (WNI_BOOK, d) row-major. */
wn_status wni_books_train(wn_ctx *ctx, const float *x, int64_t n, int64_t d, uint64_t seed,
                          float *centers);
/* Memory of that. */
int64_t wni_books_train_bytes(int64_t n, int64_t d);

/* Moves centers (WNI_BOOK, d) so that each is the mean of an equal share of x (n, d), and finds what to take off
 * the squared distance to each, off (WNI_BOOK), for that share to be its nearest: optimal transport, as
 * zhan2022 assign codes in training. */
wn_status wni_books_balance(wn_ctx *ctx, const float *x, int64_t n, int64_t d, float *centers,
                            float *off);
int64_t wni_books_balance_bytes(int64_t n, int64_t d);

/* Head of the scratch, before the table (m, WNI_BOOK): a squared distance is base + unit * (sum of entries). */
typedef struct wni_books_query {
    float base, unit;
} wni_books_query;
#define WNI_BOOKS_HEAD 64 /* bytes of it; the table begins on a line of its own */

/* Makes whole numbers of the tables exact (m, WNI_BOOK): out (m, WNI_BOOK). */
void wni_books_round(const float *exact, int64_t m, uint16_t *out, float *base, float *unit);

#endif
