/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

int64_t wni_over_avx2(const float *s, const float *bias, int64_t n, float floor, int32_t *at)
{
    const __m256 bar = _mm256_set1_ps(floor);
    int64_t count = 0, j = 0;

    for (; j + 8 <= n; j += 8) {
        __m256 v = _mm256_loadu_ps(s + j);
        unsigned hits;

        if (bias) v = _mm256_sub_ps(v, _mm256_loadu_ps(bias + j));
        hits = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, bar, _CMP_GE_OQ));
        for (; hits; hits &= hits - 1)
            at[count++] = (int32_t)j + __builtin_ctz(hits);
    }
    for (; j < n; j++)
        if (s[j] - (bias ? bias[j] : 0) >= floor) at[count++] = (int32_t)j;
    return count;
}
