/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

int64_t wni_over_both_avx512(const float *s, const float *bias, const float *floors, int64_t n,
                             float floor, float own, int32_t *at)
{
    const __m512 bar = _mm512_set1_ps(floor), other = _mm512_set1_ps(own);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int64_t count = 0;

    for (int64_t j = 0; j < n; j += WNI_LANES) {
        __mmask16 in = n - j >= WNI_LANES ? 0xffff : (__mmask16)((1u << (n - j)) - 1), hit;
        __m512 v = _mm512_maskz_loadu_ps(in, s + j), w = _mm512_sub_ps(v, other);

        if (bias) v = _mm512_sub_ps(v, _mm512_maskz_loadu_ps(in, bias + j));
        hit = _mm512_mask_cmp_ps_mask(in, v, bar, _CMP_NLT_UQ);
        hit |= _mm512_mask_cmp_ps_mask(in, w, _mm512_maskz_loadu_ps(in, floors + j), _CMP_NLT_UQ);
        if (hit) {
            __m512i index = _mm512_add_epi32(lane, _mm512_set1_epi32((int32_t)j));
            int hits = __builtin_popcount(hit);

            /* Compressed in a register first: a compressing store is slow on some processors. */
            _mm512_mask_storeu_epi32(at + count, (__mmask16)((1u << hits) - 1),
                                     _mm512_maskz_compress_epi32(hit, index));
            count += hits;
        }
    }
    return count;
}
