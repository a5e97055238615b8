/* SPDX-License-Identifier: Apache-2.0
 *
 * Four rows at a time: their chains of additions run beside each other.
 */
#include <immintrin.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

void wni_l2sqs_at_avx512(const float *x, const float *b, const int32_t *at, int64_t n, int64_t ld,
                         float *out)
{
    int64_t h = 0;

    for (; h + 4 <= n; h += 4) {
        const float *r0 = b + at[h] * ld, *r1 = b + at[h + 1] * ld;
        const float *r2 = b + at[h + 2] * ld, *r3 = b + at[h + 3] * ld;
        __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;

        for (int64_t i = 0; i < ld; i += WNI_LANES) {
            const __m512 x0 = _mm512_loadu_ps(x + i);

            const __m512 d0 = _mm512_sub_ps(x0, _mm512_loadu_ps(r0 + i));
            const __m512 d1 = _mm512_sub_ps(x0, _mm512_loadu_ps(r1 + i));
            const __m512 d2 = _mm512_sub_ps(x0, _mm512_loadu_ps(r2 + i));
            const __m512 d3 = _mm512_sub_ps(x0, _mm512_loadu_ps(r3 + i));

            s0 = _mm512_fmadd_ps(d0, d0, s0);
            s1 = _mm512_fmadd_ps(d1, d1, s1);
            s2 = _mm512_fmadd_ps(d2, d2, s2);
            s3 = _mm512_fmadd_ps(d3, d3, s3);
        }
        out[h] = wni_tree_512(s0);
        out[h + 1] = wni_tree_512(s1);
        out[h + 2] = wni_tree_512(s2);
        out[h + 3] = wni_tree_512(s3);
    }
    for (; h < n; h++)
        out[h] = wni_l2sq_avx512(x, b + at[h] * ld, ld);
}
