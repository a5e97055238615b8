/* SPDX-License-Identifier: Apache-2.0
 *
 * Out-of-fold probabilities: the pool in parts, each judged by a logistic model fitted to the others.
 */
#ifndef WNI_SCORE_FOLDS_H
#define WNI_SCORE_FOLDS_H

#include "base/ctx_impl.h"
#include "winnow/learn.h"

typedef struct wni_folds {
    int32_t folds;
    int64_t n;
    int64_t *rows;    /* (n) ascending within a fold */
    int64_t *begin;   /* (folds + 1) */
    wn_model **model; /* (folds) fitted to the rows of the other folds */
} wni_folds;

/* Makes the folds, every class spread evenly over them; the seed decides which row goes where. */
wn_status wni_folds_new(wn_ctx *ctx, const wn_labels *labels, int32_t folds, uint64_t seed,
                        wni_folds *out);
/* Fits (again); weights (n) or NULL. */
wn_status wni_folds_fit(wn_ctx *ctx, wni_folds *f, const wn_pool *pool, const wn_labels *labels,
                        const float *weights, double l2, bool balance);
void wni_folds_free(wn_ctx *ctx, wni_folds *f);

/* rows (m) of the pool with their probabilities (m, classes) row-major; from the calling thread, every row
 * once, in an order that the seed decides. */
typedef wn_status (*wni_folds_fn)(wn_ctx *ctx, void *self, const int64_t *rows, int64_t m,
                                  const float *probs);
wn_status wni_folds_each(wn_ctx *ctx, const wni_folds *f, const wn_pool *pool, wni_folds_fn fn,
                         void *self);

/* Adds what all of it takes to an estimate. */
wn_status wni_folds_estimate(wn_ctx *ctx, const wn_pool *pool, const wn_labels *labels,
                             int32_t folds, wn_estimate *out);
/* Rows of a block of wni_folds_each. */
int64_t wni_folds_block(int64_t classes);

#endif
