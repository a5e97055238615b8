/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

static inline uint64_t sixteen(const uint16_t *code, const float *reach, __m512 unit, __m512 add)
{
    const __m512 far = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)code));

    return _mm512_cmp_ps_mask(_mm512_mul_ps(far, unit), _mm512_add_ps(_mm512_loadu_ps(reach), add),
                              _CMP_NGT_UQ);
}

uint64_t wni_near16_avx512(const uint16_t *code, const float *reach, float unit, float add)
{
    const __m512 times = _mm512_set1_ps(unit), more = _mm512_set1_ps(add);

    return sixteen(code, reach, times, more) | sixteen(code + 16, reach + 16, times, more) << 16 |
           sixteen(code + 32, reach + 32, times, more) << 32 |
           sixteen(code + 48, reach + 48, times, more) << 48;
}
