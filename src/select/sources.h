/* SPDX-License-Identifier: Apache-2.0
 *
 * The groups of a run as recipes about sources and classes see them: from `groups`, or the finest level of
 * `tree`.
 */
#ifndef WNI_SOURCES_H
#define WNI_SOURCES_H

#include "scan/scan.h"
#include "select/select_rows.h"
#include "winnow/select.h"

#define WNI_SOURCE_NAME  64 /* bytes of a name, its zero included */
#define WNI_SOURCE_NOTES 64 /* sources that notes list at most */

typedef struct wni_sources {
    const wn_labels *groups; /* one of the two */
    const wn_partition *clusters;
    int64_t n, in_one; /* rows; rows that are in a group */
    int32_t k;
    const int32_t *of;   /* (n) -1 = in none */
    const int64_t *size; /* (k) rows */
} wni_sources;

/* WN_E_DATA when fewer than two groups have rows, when a label is not 0..k-1, or when `size` rows are not there
 * to choose from. O(n), nothing allocated. */
wn_status wni_sources_open(wn_ctx *ctx, const char *method, const wn_select_input *in, int64_t size,
                           wni_sources *out);

/* The user's name of a group, or the number of a cluster, into buf; returns what to print. */
const char *wni_source_name(const wni_sources *s, int32_t group, char buf[WNI_SOURCE_NAME]);

/* Mean row of each group under the metric of the pool, unit length under WN_COSINE: (k, d). A group without
 * rows has zeros. One pass; k x d doubles on top. */
wn_status wni_source_means(wn_ctx *ctx, const wni_sources *s, const wn_pool *pool, wni_mat *out);
int64_t wni_source_means_bytes(const wni_sources *s, const wn_pool *pool);

/* The groups as labels, for learning; *out is given. Its values are the numbers of the groups. */
wn_status wni_source_labels(wn_ctx *ctx, const wni_sources *s, wn_labels **out);
/* What learning a logistic head for them would cost. */
wn_status wni_source_head_cost(wn_ctx *ctx, const wni_sources *s, const wn_pool *pool,
                               wn_estimate *out);

/* Random rows, quota[g] of group g: rule (n) is set for every row, KEPT, NOT_DRAWN, NO_CLUSTER, or `dropped`
 * where the quota is 0. 17 bytes a row. */
wn_status wni_sources_draw(wn_ctx *ctx, const wni_sources *s, const int64_t *quota, uint64_t seed,
                           wn_why_rule dropped, uint8_t *rule);
int64_t wni_sources_draw_bytes(wn_ctx *ctx, const wni_sources *s);

#endif
