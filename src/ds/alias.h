/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing by weight in O(1): the alias table, in whole numbers. walker1977 vose1991.
 */
#ifndef WNI_ALIAS_H
#define WNI_ALIAS_H

#include "base/ctx_impl.h"

/* n columns of height `total`: entry i fills column i up to its threshold, its alias the rest. A cell is
 * three words (threshold low, high, alias) below 2^32 entries, four from there. */
typedef struct wni_alias {
    int64_t n;
    int32_t words;
    uint64_t total; /* below 2^62 */
    uint32_t *cell; /* (n, words) */
} wni_alias;

/* Bytes of the table over n entries. */
int64_t wni_alias_bytes(int64_t n);

/* The table of weights (n), n >= 1, finite and >= 0, not all 0. An entry's chance differs from its share by
 * less than n 2^-60; a weight of 0 is never drawn, any other can be. `words` 0 = from n. O(n), on one thread but for
 * the sums, no memory beside the table. WN_E_DATA names the entry that is no weight as "entry %lld". */
wn_status wni_alias_build(wn_ctx *ctx, const float *weights, int64_t n, int32_t words,
                          wni_alias *out);
void wni_alias_free(wn_ctx *ctx, wni_alias *a);

/* Draws first..first + count of the sequence that (seed, stream) names, into out (count). */
void wni_alias_draw(const wni_alias *a, uint64_t seed, uint64_t stream, int64_t first,
                    int64_t count, int64_t *out);

#endif
