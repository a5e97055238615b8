/* SPDX-License-Identifier: Apache-2.0
 *
 * A random order of n things without a list of them: a keyed bijection of [0, n), any entry of which is found
 * by itself. black2002.
 */
#ifndef WNI_PERMUTATION_H
#define WNI_PERMUTATION_H

#include <stdint.h>

#define WNI_PERM_ROUNDS 24 /* at most; small n need more: there is little to mix with */

typedef struct wni_perm {
    uint64_t n, a, b; /* numbers are x = l + a r with l < a, r < b; n <= a b < n + a */
    int rounds;
    uint64_t key[WNI_PERM_ROUNDS];
} wni_perm;

/* The order that (seed, stream) names; n 1..2^62. O(1). */
void wni_perm_init(wni_perm *p, int64_t n, uint64_t seed, uint64_t stream);
/* What stands at place i of it, 0 <= i < n; O(1). */
int64_t wni_perm_at(const wni_perm *p, int64_t i);

#endif
