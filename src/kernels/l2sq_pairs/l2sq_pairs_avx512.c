/* SPDX-License-Identifier: Apache-2.0
 *
 * Four pairs at a time: their chains of additions run beside each other.
 */
#include <immintrin.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

static inline void four(const float *a, const int32_t *i, const float *b, const int32_t *j,
                        int64_t ld, float *out)
{
    const float *x0 = a + i[0] * ld, *x1 = a + i[1] * ld, *x2 = a + i[2] * ld, *x3 = a + i[3] * ld;
    const float *y0 = b + j[0] * ld, *y1 = b + j[1] * ld, *y2 = b + j[2] * ld, *y3 = b + j[3] * ld;
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;

    for (int64_t c = 0; c < ld; c += WNI_LANES) {
        __m512 d;

        d = _mm512_sub_ps(_mm512_loadu_ps(x0 + c), _mm512_loadu_ps(y0 + c));
        s0 = _mm512_fmadd_ps(d, d, s0);
        d = _mm512_sub_ps(_mm512_loadu_ps(x1 + c), _mm512_loadu_ps(y1 + c));
        s1 = _mm512_fmadd_ps(d, d, s1);
        d = _mm512_sub_ps(_mm512_loadu_ps(x2 + c), _mm512_loadu_ps(y2 + c));
        s2 = _mm512_fmadd_ps(d, d, s2);
        d = _mm512_sub_ps(_mm512_loadu_ps(x3 + c), _mm512_loadu_ps(y3 + c));
        s3 = _mm512_fmadd_ps(d, d, s3);
    }
    out[0] = wni_tree_512(s0);
    out[1] = wni_tree_512(s1);
    out[2] = wni_tree_512(s2);
    out[3] = wni_tree_512(s3);
}

void wni_l2sq_pairs_avx512(const float *a, const int32_t *i, const float *b, const int32_t *j,
                           int64_t n, int64_t ld, float *out)
{
    int64_t p = 0;

    for (; p + 4 <= n; p += 4)
        four(a, i + p, b, j + p, ld, out + p);
    for (; p < n; p++)
        out[p] = wni_l2sq_avx512(a + i[p] * ld, b + j[p] * ld, ld);
}
