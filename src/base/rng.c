/* SPDX-License-Identifier: Apache-2.0
 *
 * Philox 4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 */
#include "base/rng.h"

#define POLL_ROWS 65536 /* about a millisecond */

void wni_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t x0 = (uint32_t)index, x1 = (uint32_t)(index >> 32);
    uint32_t x2 = (uint32_t)stream, x3 = (uint32_t)(stream >> 32);

    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * x0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * x2;

        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

uint64_t wni_rand_u64(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t r[4];

    wni_philox(seed, stream, index, r);
    return (uint64_t)r[1] << 32 | r[0];
}

double wni_rand_unit(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (double)(wni_rand_u64(seed, stream, index) >> 11) * 0x1p-53;
}

int64_t wni_rand_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t n)
{
    unsigned __int128 wide = (unsigned __int128)wni_rand_u64(seed, stream, index) * (uint64_t)n;

    return (int64_t)(wide >> 64);
}

uint64_t wni_stream(const char *name, int64_t level, int64_t round)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a of the name, then both numbers mixed in */

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    h ^= (uint64_t)level * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
    h ^= (uint64_t)round * 0x9e3779b97f4a7c15u;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
    return h ^ h >> 32;
}

wn_status wni_rand_subset(wn_ctx *ctx, uint64_t seed, uint64_t stream, int64_t n, int64_t m,
                          int64_t *out)
{
    int64_t taken = 0;
    wn_status st;

    /* Row i is taken with probability (still wanted) / (still to come): every subset is equally likely. */
    for (int64_t i = 0; i < n && taken < m; i++) {
        if (i % POLL_ROWS == POLL_ROWS - 1 && (st = wni_poll(ctx)) != WN_OK) return st;
        if (wni_rand_below(seed, stream, (uint64_t)i, n - i) < m - taken) out[taken++] = i;
    }
    return WN_OK;
}
