/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

void wni_codes8_avx512(const float *x, const float *mean, int64_t ld, uint8_t *codes, float *out)
{
    const __m512i middle = _mm512_set1_epi32(128);
    __m512 tops = _mm512_setzero_ps(), error2 = tops, y2 = tops, x2 = tops, ym = tops;
    __m512 minus_scale = tops, inverse = tops;
    __mmask16 coded = 0;
    float top;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m512 v = _mm512_loadu_ps(x + i), m = _mm512_loadu_ps(mean + i), y = _mm512_sub_ps(v, m);

        tops = _mm512_max_ps(_mm512_abs_ps(y), tops);
        y2 = _mm512_fmadd_ps(y, y, y2);
        x2 = _mm512_fmadd_ps(v, v, x2);
        ym = _mm512_fmadd_ps(y, m, ym);
    }
    top = _mm512_reduce_max_ps(tops);
    out[WNI_CODES8_SCALE] = 0;
    if (top >= 0x1p-40f && top <= 0x1p40f) {
        out[WNI_CODES8_SCALE] = top / 127;
        minus_scale = _mm512_set1_ps(-(top / 127));
        inverse = _mm512_set1_ps(127 / top);
        coded = 0xffff;
    }
    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m512 y = _mm512_sub_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(mean + i)), error;
        __m512i code = _mm512_maskz_cvtps_epi32(coded, _mm512_mul_ps(y, inverse));

        error = _mm512_fmadd_ps(minus_scale, _mm512_cvtepi32_ps(code), y);
        error2 = _mm512_fmadd_ps(error, error, error2);
        _mm_storeu_si128((__m128i *)(void *)(codes + i),
                         _mm512_cvtepi32_epi8(_mm512_add_epi32(code, middle)));
    }
    out[WNI_CODES8_ERROR2] = wni_tree_512(error2);
    out[WNI_CODES8_Y2] = wni_tree_512(y2);
    out[WNI_CODES8_X2] = wni_tree_512(x2);
    out[WNI_CODES8_YMEAN] = wni_tree_512(ym);
    out[WNI_CODES8_TOP] = top;
}
