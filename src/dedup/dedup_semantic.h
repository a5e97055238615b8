/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of semantic deduplication over one list of rows, and a seam for tests.
 */
#ifndef WNI_DEDUP_SEMANTIC_H
#define WNI_DEDUP_SEMANTIC_H

#include "dedup/simjoin.h"
#include "winnow/dedup.h"

/* What a rule finds: by row of the work pool, partner -1 = kept. */
typedef struct wni_dups {
    int64_t *partner;  /* (n) */
    float *similarity; /* (n) */
    int64_t pairs;     /* as in wn_dedup_report, added up over the lists */
} wni_dups;

/* Applies `rule` to the rows list[0..n), ascending (list NULL = rows 0..n). Progress counts pairs from
 * `done` of `total`. */
wn_status wni_dedup_rule(wn_ctx *ctx, wni_simjoin *join, const wn_pool *pool, wn_dedup_rule rule,
                         float floor, const int64_t *list, int64_t n, wni_dups *dups, int64_t done,
                         int64_t total);

/* The row of `reference` (m, d) that is most similar to each row of the join's pool (n), the smaller on ties:
 * at (n), -1 where none reaches the floor, and best (n), its similarity. */
wn_status wni_dedup_reference(wn_ctx *ctx, wni_simjoin *join, int64_t n, const wn_pool *reference,
                              float floor, int64_t *at, float *best);

/* A sum of counts, as far as int64_t goes. */
int64_t wni_pairs_sum(int64_t a, int64_t b);
/* Pairs of one of n rows with one of m, as far as int64_t goes. */
int64_t wni_pairs_times(int64_t n, int64_t m);
/* Pairs among n rows, as far as int64_t goes. */
int64_t wni_pairs_among(int64_t n);

/* wn_dedup_semantic with block sizes and sketches as given. */
wn_status wni_dedup_semantic_tuned(wn_ctx *ctx, const wn_dedup_input *in,
                                   const wn_dedup_semantic_params *params,
                                   const wni_simjoin_tune *tune, wn_dedup **out);

#endif
