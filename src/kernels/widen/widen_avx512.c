/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen elements from any byte; those outside `in` are neither read nor written.
 */
#include <immintrin.h>

#include "kernels/variants.h"

static inline __m512 f16_at(const char *p, __mmask16 in)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(in, p));
}

static inline __m512 bf16_at(const char *p, __mmask16 in)
{
    __m512i h = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(in, p));

    return _mm512_castsi512_ps(_mm512_slli_epi32(h, 16));
}

static inline __m512 i8_at(const char *p, __mmask16 in)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(in, p)));
}

static inline __m512 u8_at(const char *p, __mmask16 in)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(in, p)));
}

static inline __m512 f64_at(const char *p, __mmask16 in)
{
    __m256 low = _mm512_cvtpd_ps(_mm512_maskz_loadu_pd((__mmask8)in, p));
    __m256 high = _mm512_cvtpd_ps(_mm512_maskz_loadu_pd((__mmask8)(in >> 8), p + 64));

    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

static inline __m512 i32_at(const char *p, __mmask16 in)
{
    return _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(in, p));
}

#define WIDEN(type, element_bytes)                                                    \
    void wni_widen_##type##_avx512(const void *src, float *dst, int64_t count)        \
    {                                                                                 \
        const char *p = src;                                                          \
        int64_t i = 0;                                                                \
                                                                                      \
        for (; i + 16 <= count; i += 16)                                              \
            _mm512_storeu_ps(dst + i, type##_at(p + element_bytes * i, 0xffff));      \
        if (i < count) {                                                              \
            __mmask16 in = (__mmask16)((1u << (count - i)) - 1);                      \
                                                                                      \
            _mm512_mask_storeu_ps(dst + i, in, type##_at(p + element_bytes * i, in)); \
        }                                                                             \
    }

WIDEN(f16, 2)
WIDEN(bf16, 2)
WIDEN(i8, 1)
WIDEN(u8, 1)
WIDEN(f64, 8)
WIDEN(i32, 4)
