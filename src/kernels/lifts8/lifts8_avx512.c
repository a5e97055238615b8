/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

typedef struct pair {
    __m512 row, column, size, half, margin;
} pair;

static inline pair pair_of(const wni_product8 *p)
{
    const __m512 column = _mm512_set1_ps(p->column);

    return (pair){_mm512_set1_ps(p->row), column, _mm512_abs_ps(column),
                  _mm512_set1_ps(-(0.5f / p->weight)), _mm512_set1_ps(-(0x1p-18f / p->weight))};
}

static inline __m512 column_part(const pair *p, __m512 y, __m512 sum)
{
    const __m512 away = _mm512_sub_ps(y, p->column);
    const __m512 size = _mm512_add_ps(_mm512_abs_ps(y), p->size);

    sum = _mm512_fmadd_ps(p->row, away, sum);
    sum = _mm512_fmadd_ps(_mm512_mul_ps(p->half, away), away, sum);
    return _mm512_fmadd_ps(_mm512_mul_ps(p->margin, size), size, sum);
}

void wni_lifts8_avx512(const wni_guess8 *guess, const wni_group8 *group, const float *other,
                       int32_t *lift)
{
    const pair needs = pair_of(&guess->need), highs = pair_of(&guess->high);
    const pair rests = pair_of(&guess->rest);
    const __m512 origin = _mm512_set1_ps(guess->origin), zero = _mm512_setzero_ps();
    const __m512 margin = _mm512_set1_ps(-(0x1p-18f * guess->most));
    const __m512 least = _mm512_set1_ps(-0x1p28f), most = _mm512_set1_ps(0x1p28f);
    const __m512i above = _mm512_set1_epi32(1 << 28), below = _mm512_set1_epi32(-(1 << 28));

    for (int c = 0; c < WNI_GROUP8; c += WNI_LANES) {
        const __m512 scale = _mm512_loadu_ps(group->scale + c);
        const __m512 u = _mm512_div_ps(_mm512_set1_ps(1), scale);
        const __m512 more = other ? _mm512_loadu_ps(other + c) : zero;
        const __m512 base = other ? _mm512_add_ps(origin, more) : origin;
        const __m512 size = _mm512_add_ps(_mm512_abs_ps(origin), _mm512_abs_ps(more));
        __m512 room = _mm512_sub_ps(base, _mm512_loadu_ps(group->high + c));
        const __mmask16 off = _mm512_cmp_ps_mask(scale, zero, _CMP_EQ_OQ);
        const __mmask16 absent =
            _mm512_cmp_ps_mask(room, _mm512_set1_ps(__builtin_inff()), _CMP_EQ_OQ);
        __m512 sum = column_part(&needs, u, zero);
        __m512i whole;

        if (group->head)
            room = _mm512_add_ps(
                room,
                column_part(&rests, _mm512_mul_ps(_mm512_loadu_ps(group->rest + c), scale), zero));
        sum = column_part(&highs, _mm512_mul_ps(room, u), sum);
        sum = _mm512_fmadd_ps(_mm512_set1_ps(-(1 + 0x1p-18f)),
                              _mm512_mul_ps(_mm512_loadu_ps(group->spread + c), u), sum);
        sum = _mm512_fmadd_ps(_mm512_mul_ps(margin, size), u, sum);
        sum = _mm512_min_ps(_mm512_max_ps(sum, least), most); /* NaN becomes the least */
        whole = _mm512_cvt_roundps_epi32(_mm512_sub_ps(zero, sum),
                                         _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
        whole = _mm512_add_epi32(whole, _mm512_set1_epi32(1));
        whole = _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(whole, off, above), absent, below);
        _mm512_storeu_si512(lift + c, whole);
    }
}
