/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

void wni_bound16_avx512(const float *v, int64_t n, float add, float scale, uint16_t *code)
{
    const __m512 more = _mm512_set1_ps(add), times = _mm512_set1_ps(scale);

    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 in = (__mmask16)(n - i < 16 ? (1 << (n - i)) - 1 : 0xffff);
        /* The second of the two where the first is NaN. */
        __m512 x = _mm512_max_ps(_mm512_maskz_loadu_ps(in, v + i), _mm512_setzero_ps());
        __m512i bits;

        x = _mm512_mul_ps(_mm512_add_ps(_mm512_sqrt_ps(x), more), times);
        bits = _mm512_min_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x477fe000));
        bits = _mm512_sub_epi32(_mm512_srai_epi32(bits, 13), _mm512_set1_epi32(112 << 10));
        bits = _mm512_max_epi32(bits, _mm512_setzero_si512());
        _mm256_mask_storeu_epi16(code + i, in, _mm512_cvtepi32_epi16(bits));
    }
}
