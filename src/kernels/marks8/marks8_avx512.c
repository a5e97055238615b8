/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

typedef struct pair {
    __m512 row, size, column, half, margin;
} pair;

static pair pair_of(const wni_product8 *p)
{
    const __m512 row = _mm512_set1_ps(p->row);

    return (pair){row, _mm512_abs_ps(row), _mm512_set1_ps(p->column),
                  _mm512_set1_ps(-(0.5f * p->weight)), _mm512_set1_ps(-(0x1p-18f * p->weight))};
}

static inline __m512 row_part(const pair *p, __m512 x, __m512 sum)
{
    const __m512 away = _mm512_sub_ps(x, p->row), size = _mm512_add_ps(_mm512_abs_ps(x), p->size);

    sum = _mm512_fmadd_ps(x, p->column, sum);
    sum = _mm512_fmadd_ps(_mm512_mul_ps(p->half, away), away, sum);
    return _mm512_fmadd_ps(_mm512_mul_ps(p->margin, size), size, sum);
}

void wni_marks8_avx512(const wni_guess8 *guess, const float *scale, const float *need,
                       const float *rest, int64_t m, int32_t *mark)
{
    const pair needs = pair_of(&guess->need), highs = pair_of(&guess->high);
    const pair rests = pair_of(&guess->rest);
    const __m512 origin = _mm512_set1_ps(guess->origin), one = _mm512_set1_ps(1),
                 zero = _mm512_setzero_ps();
    const __m512 least = _mm512_set1_ps(-0x1p30f), most = _mm512_set1_ps(0x1p27f);
    const __m512i none = _mm512_set1_epi32(-(1 << 30)), never = _mm512_set1_epi32(INT32_MAX);

    for (int64_t r = 0; r < m; r += WNI_LANES) {
        const __mmask16 in = (__mmask16)(m - r < WNI_LANES ? (1u << (m - r)) - 1 : 0xffff);
        const __m512 s = _mm512_maskz_loadu_ps(in, scale + r);
        const __m512 n = _mm512_maskz_loadu_ps(in, need + r), b = _mm512_div_ps(one, s);
        const __mmask16 off = _mm512_cmp_ps_mask(s, zero, _CMP_EQ_OQ);
        const __mmask16 idle =
            off & _mm512_cmp_ps_mask(n, _mm512_set1_ps(__builtin_inff()), _CMP_EQ_OQ);
        __m512 left = n, sum;
        __m512i whole;

        if (rest) {
            const __m512 size = _mm512_mul_ps(_mm512_maskz_loadu_ps(in, rest + r), s);
            const __m512 part = row_part(&rests, _mm512_sub_ps(zero, size), zero);

            /* part is not above 0 */
            left = _mm512_add_ps(left, _mm512_fmadd_ps(_mm512_set1_ps(0x1p-18f), part, part));
        }
        sum = row_part(&needs, _mm512_mul_ps(_mm512_sub_ps(left, origin), b), zero);
        sum = row_part(&highs, b, sum);
        sum = _mm512_min_ps(_mm512_max_ps(sum, least), most); /* NaN becomes the least */
        whole = _mm512_cvt_roundps_epi32(sum, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
        whole = _mm512_sub_epi32(whole, _mm512_set1_epi32(1));
        whole = _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(whole, off, none), idle, never);
        _mm512_mask_storeu_epi32(mark + r, in, whole);
    }
}
