/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

void wni_fixsum_avx2(int64_t *acc, const float *x, const double *scale, double weight, int64_t sign,
                     int64_t d)
{
    const __m256d w = _mm256_set1_pd(weight), magic = _mm256_set1_pd(6755399441055744.0);
    const __m256i flip = _mm256_set1_epi64x(sign < 0 ? -1 : 0);
    int64_t j = 0;

    for (; j + 4 <= d; j += 4) {
        __m256d t = _mm256_cvtps_pd(_mm_loadu_ps(x + j));
        __m256i *sum = (__m256i *)(void *)(acc + j), whole;

        t = _mm256_mul_pd(_mm256_mul_pd(t, w), _mm256_loadu_pd(scale + j));
        /* Adding 1.5 * 2^52 leaves the rounded integer in the low bits of the double. */
        whole = _mm256_castpd_si256(_mm256_add_pd(t, magic));
        whole = _mm256_sub_epi64(whole, _mm256_castpd_si256(magic));
        whole = _mm256_sub_epi64(_mm256_xor_si256(whole, flip), flip);
        _mm256_storeu_si256(sum, _mm256_add_epi64(_mm256_loadu_si256(sum), whole));
    }
    if (j < d) wni_fixsum_base(acc + j, x + j, scale + j, weight, sign, d - j);
}
