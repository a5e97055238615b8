/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

/* Sixteen numbers at a time: their first eight go into the lanes before their second. */
double wni_norm64_avx512(const float *x, int64_t d, int32_t *most)
{
    const __m512i sign = _mm512_set1_epi32(0x7fffffff);
    __m512i top = _mm512_setzero_si512();
    __m512d sum = _mm512_setzero_pd();
    double lane[8];

    for (int64_t j = 0; j < d; j += 16) {
        const __mmask16 in = d - j >= 16 ? 0xffff : (__mmask16)((1u << (d - j)) - 1);
        const __m512 v = _mm512_maskz_loadu_ps(in, x + j); /* a square of 0 changes no lane */
        const __m512i bits = _mm512_and_si512(_mm512_castps_si512(v), sign);
        const __m256i high = _mm512_extracti64x4_epi64(_mm512_castps_si512(v), 1);
        const __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
        const __m512d b = _mm512_cvtps_pd(_mm256_castsi256_ps(high));

        sum = _mm512_add_pd(sum, _mm512_mul_pd(a, a));
        sum = _mm512_add_pd(sum, _mm512_mul_pd(b, b));
        top = _mm512_max_epi32(top, bits);
    }
    *most = _mm512_reduce_max_epi32(top);
    _mm512_storeu_pd(lane, sum);
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}
