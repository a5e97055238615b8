/* SPDX-License-Identifier: Apache-2.0
 *
 * Row numbers under 64-bit keys, in order: hashes, random ranks, distances.
 */
#ifndef WNI_KEYED_H
#define WNI_KEYED_H

#include <stdint.h>
#include <string.h>

#include "base/ctx_impl.h"

typedef struct wni_keyed {
    uint64_t key;
    int64_t row; /* >= 0 */
} wni_keyed;

/* Ascending key, then ascending row: one order for one set, however it was filled. In place (MSD radix
 * exchange), O(n) for any keys, also when all are equal; stack below 128 KiB. */
void wni_keyed_sort(wni_keyed *v, int64_t n);
/* The same on all threads, and it polls: for lists as long as a pool. After a failure v holds the same
 * entries no more. */
wn_status wni_keyed_sort_long(wn_ctx *ctx, wni_keyed *v, int64_t n);

/* Only as far as needed for v[0..m) to be the m first of that order, themselves in no order. O(n); it polls. */
wn_status wni_keyed_first(wn_ctx *ctx, wni_keyed *v, int64_t n, int64_t m);

/* A key in the order of the floats; -0 and +0 differ, NaN sorts past the infinities. */
static inline uint64_t wni_key_of_float(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}
/* The same of doubles. */
static inline uint64_t wni_key_of_double(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

#endif
