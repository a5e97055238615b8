/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

static __m256i load(const uint32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static void store(uint32_t *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}

void wni_minhash_avx2(const uint32_t *x, int64_t n, const uint32_t *a, const uint32_t *b, int64_t k,
                      uint32_t *low)
{
    for (int64_t j = 0; j < k; j += 16) {
        const __m256i a0 = load(a + j), a1 = load(a + j + 8);
        const __m256i b0 = load(b + j), b1 = load(b + j + 8);
        __m256i low0 = _mm256_set1_epi32(-1), low1 = low0;

        for (int64_t i = 0; i < n; i++) {
            __m256i v = _mm256_set1_epi32((int)x[i]);

            low0 = _mm256_min_epu32(low0, _mm256_add_epi32(_mm256_mullo_epi32(a0, v), b0));
            low1 = _mm256_min_epu32(low1, _mm256_add_epi32(_mm256_mullo_epi32(a1, v), b1));
        }
        store(low + j, low0);
        store(low + j + 8, low1);
    }
}
