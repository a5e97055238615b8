/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

float wni_dot_avx512(const float *a, const float *b, int64_t ld)
{
    __m512 sum = _mm512_setzero_ps();

    for (int64_t i = 0; i < ld; i += WNI_LANES)
        sum = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum);
    return wni_tree_512(sum);
}
