/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

void wni_fixsum_avx512(int64_t *acc, const float *x, const double *scale, double weight,
                       int64_t sign, int64_t d)
{
    const __m512d w = _mm512_set1_pd(weight), magic = _mm512_set1_pd(6755399441055744.0);
    const __m512i flip = _mm512_set1_epi64(sign < 0 ? -1 : 0);

    for (int64_t j = 0; j < d; j += 8) {
        __mmask8 in = d - j >= 8 ? 0xff : (__mmask8)((1u << (d - j)) - 1);
        __m512d t = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(in, x + j));
        __m512i whole, old = _mm512_maskz_loadu_epi64(in, acc + j);

        t = _mm512_mul_pd(_mm512_mul_pd(t, w), _mm512_maskz_loadu_pd(in, scale + j));
        /* Adding 1.5 * 2^52 leaves the rounded integer in the low bits of the double. */
        whole = _mm512_castpd_si512(_mm512_add_pd(t, magic));
        whole = _mm512_sub_epi64(whole, _mm512_castpd_si512(magic));
        whole = _mm512_sub_epi64(_mm512_xor_si512(whole, flip), flip);
        _mm512_mask_storeu_epi64(acc + j, in, _mm512_add_epi64(old, whole));
    }
}
