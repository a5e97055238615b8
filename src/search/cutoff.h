/* SPDX-License-Identifier: Apache-2.0
 *
 * The cut-off: which hits are relevant at all. A raw similarity means one thing for a query in a dense region and
 * another for one far from everything, so each query's similarities are mapped to a score that can be compared
 * between queries, and one threshold cuts all.
 *
 * Source: rossi2024 (a mapping per query before one threshold). There the mapping is a network trained on
 * relevance labels; here it is made of the query's background, the similarities to a sample of the pool: without
 * labels the robust z-score, with labels a logistic model of similarity, background centre and width.
 */
#ifndef WNI_CUTOFF_H
#define WNI_CUTOFF_H

#include "pool/run.h"
#include "winnow/index.h"

/* What is known of some hits: relevant or not. */
typedef struct wni_judgement {
    int64_t query, id;
    int32_t relevant;
} wni_judgement;

/* Reads the table at `path` with the columns query, id, relevant (0 or 1); *v (n) belongs to the caller. */
wn_status wni_judgements_load(wn_ctx *ctx, const char *path, int64_t queries, wni_judgement **v,
                              int64_t *n);

typedef struct wni_cutoff {
    float *score;     /* (n, k) comparable scores, -Inf where there is no hit */
    double threshold; /* hits with a lower score go */
    int64_t cut;      /* hits that went */
    int64_t empty;    /* queries without a hit that stayed */
    int32_t learnt;   /* 1 = from judgements */
    double f1;        /* of the threshold on the judged hits, when learnt */
    int64_t judged;   /* hits with a judgement */
} wni_cutoff;

/* Scores the hits and takes out those below the threshold: `fixed`, or when it is NaN one that is learnt from the
 * judgements (n may be 0), else the score that one of `rows` random rows would reach by chance. queries are those
 * of the hits, under the metric of the index. */
wn_status wni_cutoff_apply(wn_ctx *ctx, const wn_index *index, const wn_pool *queries,
                           wn_hits *hits, double fixed, const wni_judgement *judged, int64_t n,
                           wni_cutoff *out);

#endif
