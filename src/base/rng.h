/* SPDX-License-Identifier: Apache-2.0
 *
 * Counter-based random numbers: a pure function of (seed, stream, index), so that any thread may ask
 * for any number in any order. Philox 4x32-10: salmon2011.
 */
#ifndef WNI_RNG_H
#define WNI_RNG_H

#include <stdint.h>

#include "base/ctx_impl.h"

/* 128 random bits into out[4]. */
void wni_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]);

/* 64 random bits. */
uint64_t wni_rand_u64(uint64_t seed, uint64_t stream, uint64_t index);

/* Uniform in [0, 1), 53 bits. */
double wni_rand_unit(uint64_t seed, uint64_t stream, uint64_t index);

/* Uniform in [0, n), n > 0; the bias is below n / 2^64. */
int64_t wni_rand_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t n);

/* A stream number for (name, level, round): streams of different purposes never meet. */
uint64_t wni_stream(const char *name, int64_t level, int64_t round);

/* m distinct numbers of [0, n), ascending, uniform over all subsets (Floyd's method would need a set;
 * this is selection sampling, O(n)). Polls. */
wn_status wni_rand_subset(wn_ctx *ctx, uint64_t seed, uint64_t stream, int64_t n, int64_t m,
                          int64_t *out);

#endif
