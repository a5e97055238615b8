/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

float wni_l2sq_avx2(const float *a, const float *b, int64_t ld)
{
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m256 x = _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
        __m256 y = _mm256_sub_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8));

        low = _mm256_fmadd_ps(x, x, low);
        high = _mm256_fmadd_ps(y, y, high);
    }
    return wni_tree_256(_mm256_add_ps(low, high));
}
