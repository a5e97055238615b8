/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/codes16/codes16_scale.h"
#include "kernels/tree.h"

/* The bits of the nearest bf16 of 16 numbers, ties to even, in the upper halves; tiny numbers are 0. */
static inline __m512i nearest(__m512 v)
{
    const __mmask16 counts =
        _mm512_cmp_ps_mask(_mm512_abs_ps(v), _mm512_set1_ps(0x1p-60f), _CMP_GE_OQ);
    const __m512i bits = _mm512_castps_si512(v);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));

    return _mm512_maskz_and_epi32(counts, up, _mm512_set1_epi32((int)0xffff0000u));
}

void wni_codes16_avx512(const float *x, const float *mean, int64_t ld, uint16_t *codes, float *out)
{
    __m512 tops = _mm512_setzero_ps(), error2 = tops, y2 = tops, x2 = tops, ym = tops;
    float top, scale, inverse;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m512 v = _mm512_loadu_ps(x + i), m = _mm512_loadu_ps(mean + i), y = _mm512_sub_ps(v, m);

        tops = _mm512_max_ps(_mm512_abs_ps(y), tops);
        y2 = _mm512_fmadd_ps(y, y, y2);
        x2 = _mm512_fmadd_ps(v, v, x2);
        ym = _mm512_fmadd_ps(y, m, ym);
    }
    top = _mm512_reduce_max_ps(tops);
    wni_codes16_scale(top, &scale, &inverse);
    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m512 y = _mm512_sub_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(mean + i)), error;
        __m512i code = _mm512_setzero_si512();

        if (scale > 0) code = nearest(_mm512_mul_ps(y, _mm512_set1_ps(inverse)));
        error = _mm512_fmadd_ps(_mm512_set1_ps(-scale), _mm512_castsi512_ps(code), y);
        error2 = _mm512_fmadd_ps(error, error, error2);
        _mm256_storeu_si256((__m256i *)(void *)(codes + i),
                            _mm512_cvtepi32_epi16(_mm512_srli_epi32(code, 16)));
    }
    out[WNI_CODES8_SCALE] = scale;
    out[WNI_CODES8_ERROR2] = wni_tree_512(error2);
    out[WNI_CODES8_Y2] = wni_tree_512(y2);
    out[WNI_CODES8_X2] = wni_tree_512(x2);
    out[WNI_CODES8_YMEAN] = wni_tree_512(ym);
    out[WNI_CODES8_TOP] = top;
}
