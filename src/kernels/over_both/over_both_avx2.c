/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

int64_t wni_over_both_avx2(const float *s, const float *bias, const float *floors, int64_t n,
                           float floor, float own, int32_t *at)
{
    const __m256 bar = _mm256_set1_ps(floor), other = _mm256_set1_ps(own);
    int64_t count = 0, j = 0;

    for (; j + 8 <= n; j += 8) {
        __m256 v = _mm256_loadu_ps(s + j), w = _mm256_sub_ps(v, other), in, in_other;
        unsigned hits;

        if (bias) v = _mm256_sub_ps(v, _mm256_loadu_ps(bias + j));
        in = _mm256_cmp_ps(v, bar, _CMP_NLT_UQ);
        in_other = _mm256_cmp_ps(w, _mm256_loadu_ps(floors + j), _CMP_NLT_UQ);
        hits = (unsigned)_mm256_movemask_ps(_mm256_or_ps(in, in_other));
        for (; hits; hits &= hits - 1)
            at[count++] = (int32_t)j + __builtin_ctz(hits);
    }
    for (; j < n; j++)
        if (!(s[j] - (bias ? bias[j] : 0) < floor) || !(s[j] - own < floors[j]))
            at[count++] = (int32_t)j;
    return count;
}
