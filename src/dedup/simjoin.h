/* SPDX-License-Identifier: Apache-2.0
 *
 * Similarity join: every pair of rows whose cosine reaches a floor, handed on at once and never stored.
 *
 * A block of query rows is loaded and then run against lists of base rows. Two ways, one result:
 * straight (the scan's scores are the answer), or sifted: the scan compares short sketches whose dot
 * product is an upper bound of the cosine, and only pairs whose bound reaches the floor are scored with
 * the canonical dot product of the whole rows (sketch.h).
 */
#ifndef WNI_SIMJOIN_H
#define WNI_SIMJOIN_H

#include "dedup/sketch.h"
#include "scan/scan.h"

/* How much is held at a time; changes memory and speed, never the result. All zero = choose. */
typedef struct wni_simjoin_tune {
    int64_t block_rows, base_rows;
    int32_t sketch_dims; /* 0 = choose from a sample, -1 = straight, else this many */
} wni_simjoin_tune;

/* Receives pairs with similarity >= floor, on any worker; those of one query q come one at a time with
 * ascending base number b. floors (per query, or NULL = the join's) are read again for every tile: hit
 * may raise floors[q] when lower similarities no longer matter. */
typedef struct wni_join_sink {
    void (*hit)(struct wni_join_sink *sink, int64_t q, int64_t b, float similarity);
    const float *floors;
} wni_join_sink;

typedef struct wni_simjoin wni_simjoin;

/* `pool` must be under cosine and without zero rows; it must outlive the join. */
wn_status wni_simjoin_new(wn_ctx *ctx, const wn_pool *pool, float floor,
                          const wni_simjoin_tune *tune, wni_simjoin **out);
void wni_simjoin_free(wni_simjoin *join); /* NULL ok */

/* Upper bound of what a join over n rows of d columns allocates in this context. */
int64_t wni_simjoin_bytes(const wn_ctx *ctx, int64_t n, int64_t d);

int64_t wni_simjoin_block_rows(const wni_simjoin *join);
int32_t wni_simjoin_sketch_dims(const wni_simjoin *join); /* 0 = straight */

/* Loads pool rows rows[0..n) as the query block, n <= block_rows; `rows` must stay until the next load. */
wn_status wni_simjoin_load(wn_ctx *ctx, wni_simjoin *join, const int64_t *rows, int64_t n);

/* Compares queries sub[0..n) (indices into the block, NULL = the whole block of n) with the base rows, which
 * may be of another pool under cosine, with as many columns and without zero rows.
 * Query q and base b are positions in those lists. With limit (n, nondecreasing) only b < limit[q]. */
wn_status wni_simjoin_run(wn_ctx *ctx, wni_simjoin *join, const int64_t *sub, int64_t n,
                          const wni_queries *base, const int64_t *limit, wni_join_sink *sink);

#endif
