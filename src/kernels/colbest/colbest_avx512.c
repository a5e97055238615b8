/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>
#include <math.h>

#include "kernels/variants.h"

/* 16 columns stay in registers while the rows pass. */
void wni_colbest_avx512(const float *s, int64_t lds, const float *bias, int64_t m, int64_t n,
                        float *value, int32_t *at, float *second)
{
    for (int64_t j = 0; j < n; j += WNI_LANES) {
        __mmask16 in = n - j >= WNI_LANES ? 0xffff : (__mmask16)((1u << (n - j)) - 1);
        __m512 top = _mm512_sub_ps(_mm512_maskz_loadu_ps(in, s + j), _mm512_set1_ps(bias[0]));
        __m512 other = _mm512_set1_ps(-INFINITY);
        __m512i index = _mm512_setzero_si512();

        for (int64_t i = 1; i < m; i++) {
            __m512 v =
                _mm512_sub_ps(_mm512_maskz_loadu_ps(in, s + i * lds + j), _mm512_set1_ps(bias[i]));
            __mmask16 more = _mm512_cmp_ps_mask(v, top, _CMP_GT_OQ);

            other = _mm512_max_ps(_mm512_min_ps(v, top), other);
            index = _mm512_mask_mov_epi32(index, more, _mm512_set1_epi32((int32_t)i));
            top = _mm512_mask_mov_ps(top, more, v);
        }
        _mm512_mask_storeu_ps(value + j, in, top);
        _mm512_mask_storeu_ps(second + j, in, other);
        _mm512_mask_storeu_epi32(at + j, in, index);
    }
}
