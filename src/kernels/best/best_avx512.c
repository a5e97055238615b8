/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>
#include <math.h>

#include "kernels/variants.h"

/* Each lane keeps its own best, that one's index and its second best; strict > keeps the lower index. The
 * best goes on by a maximum, not by the comparison's mask, which would make each step wait longer. */
void wni_best_avx512(const float *s, const float *bias, int64_t n, float *value, int64_t *at,
                     float *second)
{
    const __m512 lowest = _mm512_set1_ps(-INFINITY);
    __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i step = _mm512_set1_epi32(WNI_LANES);
    __m512 top = lowest, other = lowest;
    __m512i top_index = index;
    __mmask16 winners;
    int32_t winner;
    float best;

    for (int64_t j = 0; j < n; j += WNI_LANES) {
        __mmask16 in = n - j >= WNI_LANES ? 0xffff : (__mmask16)((1u << (n - j)) - 1), more;
        __m512 v = _mm512_mask_loadu_ps(lowest, in, s + j);

        if (bias) v = _mm512_mask_sub_ps(v, in, v, _mm512_maskz_loadu_ps(in, bias + j));
        more = _mm512_cmp_ps_mask(v, top, _CMP_GT_OQ);
        other = _mm512_max_ps(_mm512_min_ps(v, top), other);
        top = _mm512_max_ps(v, top);
        top_index = _mm512_mask_mov_epi32(top_index, more, index);
        index = _mm512_add_epi32(index, step);
    }
    best = _mm512_reduce_max_ps(top);
    winners = _mm512_cmp_ps_mask(top, _mm512_set1_ps(best), _CMP_EQ_OQ);
    winner = _mm512_mask_reduce_min_epi32(winners, top_index);
    other = _mm512_mask_max_ps(other, (__mmask16)~winners, other, top);
    *value = s[winner] - (bias ? bias[winner] : 0);
    *at = winner;
    /* + 0: a zero is +0, whichever came first. */
    *second = (winners & (winners - 1) ? best : _mm512_reduce_max_ps(other)) + 0.0f;
}
