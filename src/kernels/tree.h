/* SPDX-License-Identifier: Apache-2.0
 *
 * The canonical sum of 16 lanes in x86 registers: l + 8, l + 4, l + 2, l + 1.
 */
#ifndef WNI_TREE_H
#define WNI_TREE_H

#include <immintrin.h>

#ifdef __AVX2__
/* Of 8 lanes, after l + 8. */
static inline float wni_tree_256(__m256 x)
{
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

    y = _mm_add_ps(y, _mm_movehl_ps(y, y));
    y = _mm_add_ss(y, _mm_movehdup_ps(y));
    return _mm_cvtss_f32(y);
}
#endif

#ifdef __AVX512DQ__
static inline float wni_tree_512(__m512 x)
{
    return wni_tree_256(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)));
}
#endif

#endif
