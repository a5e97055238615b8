/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

void wni_minhash_avx512(const uint32_t *x, int64_t n, const uint32_t *a, const uint32_t *b,
                        int64_t k, uint32_t *low)
{
    for (int64_t j = 0; j < k; j += 32) {
        /* The last sixteen may stand alone. */
        __mmask16 both = j + 32 <= k ? 0xffff : 0;
        const __m512i a0 = _mm512_loadu_si512(a + j), b0 = _mm512_loadu_si512(b + j);
        const __m512i a1 = _mm512_maskz_loadu_epi32(both, a + j + 16);
        const __m512i b1 = _mm512_maskz_loadu_epi32(both, b + j + 16);
        __m512i low0 = _mm512_set1_epi32(-1), low1 = low0;

        for (int64_t i = 0; i < n; i++) {
            __m512i v = _mm512_set1_epi32((int)x[i]);

            low0 = _mm512_min_epu32(low0, _mm512_add_epi32(_mm512_mullo_epi32(a0, v), b0));
            low1 = _mm512_min_epu32(low1, _mm512_add_epi32(_mm512_mullo_epi32(a1, v), b1));
        }
        _mm512_storeu_si512(low + j, low0);
        _mm512_mask_storeu_epi32(low + j + 16, both, low1);
    }
}
