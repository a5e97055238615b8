/* SPDX-License-Identifier: Apache-2.0
 *
 * What the VNNI and AMX variants of tops8 share: from the 64 integers of a row to its four maxima.
 */
#ifndef WNI_TOPS8_ROW_H
#define WNI_TOPS8_ROW_H

#include <immintrin.h>

#include "kernels/variants.h"

static inline __m512 tops8_upper(const wni_group8 *g, int p, __m512 s, const int32_t *dot)
{
    __m512 v = _mm512_fmadd_ps(_mm512_load_ps(g->scale + p * WNI_PANEL8),
                               _mm512_cvtepi32_ps(_mm512_load_si512(dot + p * WNI_PANEL8)),
                               _mm512_load_ps(g->spread + p * WNI_PANEL8));

    return _mm512_fmadd_ps(s, v, _mm512_load_ps(g->high + p * WNI_PANEL8));
}

/* The maxima of four vectors: halves, quarters, pairs, single lanes. */
static inline __m128 tops8_four(__m512 a, __m512 b, __m512 c, __m512 d)
{
    __m512 ab = _mm512_max_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    __m512 cd = _mm512_max_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    /* Quarter q of v belongs to vector q. */
    __m512 v =
        _mm512_max_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));

    v = _mm512_max_ps(v, _mm512_permute_ps(v, 0x4e));
    v = _mm512_max_ps(v, _mm512_permute_ps(v, 0xb1));
    return _mm512_castps512_ps128(_mm512_permutexvar_ps(
        _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), v));
}

/* Row r of m with its integers in d (64), on a line. */
static inline void wni_tops8_row(const wni_group8 *g, const int32_t *d, int64_t r, int64_t m,
                                 const float *scale, float *top)
{
    const __m512 s = _mm512_set1_ps(scale[r]);
    const __m128 four_of = tops8_four(tops8_upper(g, 0, s, d), tops8_upper(g, 1, s, d),
                                      tops8_upper(g, 2, s, d), tops8_upper(g, 3, s, d));

    _mm_store_ss(top + r, four_of);
    _mm_store_ss(top + m + r, _mm_movehdup_ps(four_of));
    _mm_store_ss(top + 2 * m + r, _mm_movehl_ps(four_of, four_of));
    _mm_store_ss(top + 3 * m + r, _mm_shuffle_ps(four_of, four_of, 0xff));
}

#endif
