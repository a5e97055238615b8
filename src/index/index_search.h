/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows a search may find, and the exact scan that every kind falls back to.
 */
#ifndef WNI_INDEX_SEARCH_H
#define WNI_INDEX_SEARCH_H

#include "index/index_impl.h"

/* The rows of one segment that are there and match. */
typedef struct wni_allowed {
    uint64_t *bits;  /* (segment n); NULL = all, or those that the kind covers */
    uint64_t *slots; /* (segment n) by the slots of the kind; NULL when bits are, or it has none */
    int64_t n;
    wni_cover cover;
} wni_allowed;

struct wn_filter {
    wn_ctx *ctx;
    const wn_index *index;
    wni_allowed *segment; /* (n_segments) */
    int64_t matching;
    /* For measuring: query i is row absent[i] of segment absent_of and looks for the others; NULL = it is not. */
    const int64_t *absent;
    const wni_segment *absent_of;
};

/* Bits (segment n) of the rows that are not deleted; wni_free. */
wn_status wni_index_alive(wn_ctx *ctx, const wni_segment *s, uint64_t **bits);

/* The exact nearest of the allowed rows. */
wn_status wni_index_scan_rows(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              const wni_ask *ask, wni_found *found);

/* The least effort that gave this recall when the index was made; the largest that was tried when none did; 0
 * = the index is exact. */
int64_t wni_index_effort(const wn_index *index, double recall);

/* Hits with room for n queries, counts zero. */
wn_status wni_hits_new(wn_ctx *ctx, int64_t n, int64_t k, wn_metric metric, wn_hits **out);

#endif
