/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

void wni_widen_f16_avx2(const void *src, float *dst, int64_t count)
{
    const char *p = src;
    int64_t i = 0;

    for (; i + 8 <= count; i += 8)
        _mm256_storeu_ps(
            dst + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i))));
    if (i < count) wni_widen_f16_base(p + 2 * i, dst + i, count - i);
}

void wni_widen_bf16_avx2(const void *src, float *dst, int64_t count)
{
    const char *p = src;
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256i h =
            _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i)));

        _mm256_storeu_si256((__m256i *)(void *)(dst + i), _mm256_slli_epi32(h, 16));
    }
    if (i < count) wni_widen_bf16_base(p + 2 * i, dst + i, count - i);
}

void wni_widen_i8_avx2(const void *src, float *dst, int64_t count)
{
    const char *p = src;
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m128i x = _mm_loadl_epi64((const __m128i *)(const void *)(p + i));

        _mm256_storeu_ps(dst + i, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x)));
    }
    if (i < count) wni_widen_i8_base(p + i, dst + i, count - i);
}

void wni_widen_u8_avx2(const void *src, float *dst, int64_t count)
{
    const char *p = src;
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m128i x = _mm_loadl_epi64((const __m128i *)(const void *)(p + i));

        _mm256_storeu_ps(dst + i, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(x)));
    }
    if (i < count) wni_widen_u8_base(p + i, dst + i, count - i);
}

void wni_widen_f64_avx2(const void *src, float *dst, int64_t count)
{
    const char *p = src;
    int64_t i = 0;

    for (; i + 4 <= count; i += 4)
        _mm_storeu_ps(dst + i,
                      _mm256_cvtpd_ps(_mm256_loadu_pd((const double *)(const void *)(p + 8 * i))));
    if (i < count) wni_widen_f64_base(p + 8 * i, dst + i, count - i);
}

void wni_widen_i32_avx2(const void *src, float *dst, int64_t count)
{
    const char *p = src;
    int64_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(p + 4 * i));

        _mm256_storeu_ps(dst + i, _mm256_cvtepi32_ps(x));
    }
    if (i < count) wni_widen_i32_base(p + 4 * i, dst + i, count - i);
}
