/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

/* Each lane with its partner: a + b in the lower, a - b in the upper of the two. */
static inline __m512 meet(__m512 v, __m512 partner, __mmask16 upper)
{
    return _mm512_mask_sub_ps(_mm512_add_ps(v, partner), upper, partner, v);
}

/* Steps of 1, 2, 4 and 8 lanes. */
static inline __m512 within(__m512 v)
{
    v = meet(v, _mm512_permute_ps(v, 0xb1), 0xaaaa);
    v = meet(v, _mm512_permute_ps(v, 0x4e), 0xcccc);
    v = meet(v, _mm512_shuffle_f32x4(v, v, 0xb1), 0xf0f0);
    return meet(v, _mm512_shuffle_f32x4(v, v, 0x4e), 0xff00);
}

void wni_walsh_avx512(float *v, int64_t ld, int64_t block)
{
    if (block < WNI_LANES) {
        wni_walsh_base(v, ld, block);
        return;
    }
    for (int64_t i = 0; i < ld; i += WNI_LANES)
        _mm512_storeu_ps(v + i, within(_mm512_loadu_ps(v + i)));
    for (int64_t half = WNI_LANES; half < block; half *= 2)
        for (int64_t i = 0; i < ld; i += 2 * half)
            for (int64_t j = i; j < i + half; j += WNI_LANES) {
                const __m512 a = _mm512_loadu_ps(v + j), b = _mm512_loadu_ps(v + j + half);

                _mm512_storeu_ps(v + j, _mm512_add_ps(a, b));
                _mm512_storeu_ps(v + j + half, _mm512_sub_ps(a, b));
            }
}
