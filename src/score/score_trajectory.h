/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of rows from what training said of them, epoch by epoch: the matrix is read in tiles, each row
 * judged alone.
 */
#ifndef WNI_SCORE_TRAJECTORY_H
#define WNI_SCORE_TRAJECTORY_H

#include "base/ctx_impl.h"
#include "winnow/score.h"

typedef struct wni_trajectory {
    const wn_pool *losses; /* (n, T) */
    int64_t epochs;        /* columns that count; 0 = all */
    int hard;              /* high scores for hard rows: the judgement is that; else its negative */
    const char *what;      /* "score aum" */
    int option;            /* of the judge's own */
    /* How hard a row is by its t values; *flag may be set. Fails with wni_fail_at(row). */
    wn_status (*judge)(wn_ctx *ctx, const struct wni_trajectory *self, int64_t row, const float *v,
                       int64_t t, float *hard, uint8_t *flag);
} wni_trajectory;

/* Fills v, and flags when there are any. WN_E_DATA when there are fewer than `epochs` columns. */
wn_status wni_trajectory_run(wn_ctx *ctx, const wni_trajectory *job, wn_scores *scores);

/* The estimate of such a method. */
void wni_trajectory_estimate(const wn_ctx *ctx, const wn_pool *losses, wn_estimate *out);

#endif
