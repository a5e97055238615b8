/* SPDX-License-Identifier: Apache-2.0
 *
 * A Feistel network over a x b numbers, a and b about sqrt(n): the halves add keyed functions of each other
 * in turn. Numbers from n on, fewer than a of them, are sent through again until they fall below n. black2002.
 */
#include <math.h>

#include "base/rng.h"
#include "ds/permutation.h"

/* 64 bits mixed twice, as wni_stream does. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* [0, n) from 64 random bits. */
static uint64_t below(uint64_t bits, uint64_t n)
{
    return (uint64_t)((unsigned __int128)bits * n >> 64);
}

void wni_perm_init(wni_perm *p, int64_t n, uint64_t seed, uint64_t stream)
{
    uint64_t x;

    p->n = (uint64_t)n;
    p->a = (uint64_t)sqrt((double)n);
    while (p->a * p->a < p->n)
        p->a++;
    p->b = (p->n + p->a - 1) / p->a;
    p->rounds = n < 256 ? WNI_PERM_ROUNDS : n < 65536 ? 12 : 8;
    /* One random number is enough to tell orders apart; its keys are mixed from it. */
    x = wni_rand_u64(seed, stream, 0);
    for (int i = 0; i < p->rounds; i++)
        p->key[i] = mix(x += 0x9e3779b97f4a7c15u);
}

int64_t wni_perm_at(const wni_perm *p, int64_t i)
{
    uint64_t x = (uint64_t)i;

    do {
        uint64_t r = x / p->a, l = x - r * p->a;
        for (int round = 0; round < p->rounds; round += 2) {
            l += below(mix(r + p->key[round]), p->a);
            if (l >= p->a) l -= p->a;
            r += below(mix(l + p->key[round + 1]), p->b);
            if (r >= p->b) r -= p->b;
        }
        x = l + r * p->a;
    } while (x >= p->n);
    return (int64_t)x;
}
