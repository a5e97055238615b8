/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>
#include <string.h>

#include "kernels/variants.h"

double wni_norm64_avx2(const float *x, int64_t d, int32_t *most)
{
    const __m256i sign = _mm256_set1_epi32(0x7fffffff);
    __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
    __m256i top = _mm256_setzero_si256();
    double lane[8];
    int32_t bits[8];
    int64_t j = 0;

    for (; j + 8 <= d; j += 8) {
        const __m256 v = _mm256_loadu_ps(x + j);
        const __m256d a = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
        const __m256d b = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));

        low = _mm256_add_pd(low, _mm256_mul_pd(a, a));
        high = _mm256_add_pd(high, _mm256_mul_pd(b, b));
        top = _mm256_max_epi32(top, _mm256_and_si256(_mm256_castps_si256(v), sign));
    }
    _mm256_storeu_pd(lane, low);
    _mm256_storeu_pd(lane + 4, high);
    _mm256_storeu_si256((__m256i *)(void *)bits, top);
    for (; j < d; j++) {
        int32_t one;

        memcpy(&one, x + j, sizeof one);
        one &= 0x7fffffff;
        bits[0] = one > bits[0] ? one : bits[0];
        lane[j % 8] += (double)x[j] * (double)x[j];
    }
    *most = bits[0];
    for (int l = 1; l < 8; l++)
        *most = bits[l] > *most ? bits[l] : *most;
    for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}
