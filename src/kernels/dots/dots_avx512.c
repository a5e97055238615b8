/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 4 a rows x 4 b rows: 16 accumulators, one fused multiply-add per pair and 16 elements, then one
 * transposed tree for all 16 sums. A group of b rows stays in L1 while the a rows stream past it.
 */
#include <immintrin.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

#define GROUP_BYTES 16384

#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)

/* Lanes l + 8 of two sums: 8 partial sums of each. */
static inline __m512 fold8(__m512 v, __m512 w)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(v, w, 0x44), _mm512_shuffle_f32x4(v, w, 0xee));
}

/* Lanes l + 4: four sums, 4 partial sums of each in its own quarter. */
static inline __m512 fold4(__m512 v, __m512 w)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(v, w, 0x88), _mm512_shuffle_f32x4(v, w, 0xdd));
}

/* Lanes l + 2, then l + 1; quarter r of the result holds row r of p, q, s, t. */
static inline __m512 fold2_1(__m512 p, __m512 q, __m512 s, __m512 t)
{
    __m512 pq = _mm512_add_ps(_mm512_shuffle_ps(p, q, 0x44), _mm512_shuffle_ps(p, q, 0xee));
    __m512 st = _mm512_add_ps(_mm512_shuffle_ps(s, t, 0x44), _mm512_shuffle_ps(s, t, 0xee));

    return _mm512_add_ps(_mm512_shuffle_ps(pq, st, 0x88), _mm512_shuffle_ps(pq, st, 0xdd));
}

/* 4 x 4 pairs. s[4 * c + r] belongs to a row r, b row c. */
static inline void tile_4x4(const float *a, const float *b, int64_t ld, float *out, int64_t ldo)
{
    const float *a1 = a + ld, *a2 = a1 + ld, *a3 = a2 + ld;
    const float *b1 = b + ld, *b2 = b1 + ld, *b3 = b2 + ld;
    __m512 s00 = _mm512_setzero_ps(), s10 = s00, s20 = s00, s30 = s00;
    __m512 s01 = s00, s11 = s00, s21 = s00, s31 = s00;
    __m512 s02 = s00, s12 = s00, s22 = s00, s32 = s00;
    __m512 s03 = s00, s13 = s00, s23 = s00, s33 = s00;
    __m512 p, q, s, t, sum;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m512 x0 = _mm512_loadu_ps(a + i), x1 = _mm512_loadu_ps(a1 + i);
        __m512 x2 = _mm512_loadu_ps(a2 + i), x3 = _mm512_loadu_ps(a3 + i);
        __m512 y = _mm512_loadu_ps(b + i);

        s00 = FMA(x0, y, s00), s10 = FMA(x1, y, s10), s20 = FMA(x2, y, s20), s30 = FMA(x3, y, s30);
        y = _mm512_loadu_ps(b1 + i);
        s01 = FMA(x0, y, s01), s11 = FMA(x1, y, s11), s21 = FMA(x2, y, s21), s31 = FMA(x3, y, s31);
        y = _mm512_loadu_ps(b2 + i);
        s02 = FMA(x0, y, s02), s12 = FMA(x1, y, s12), s22 = FMA(x2, y, s22), s32 = FMA(x3, y, s32);
        y = _mm512_loadu_ps(b3 + i);
        s03 = FMA(x0, y, s03), s13 = FMA(x1, y, s13), s23 = FMA(x2, y, s23), s33 = FMA(x3, y, s33);
    }
    p = fold4(fold8(s00, s10), fold8(s20, s30));
    q = fold4(fold8(s01, s11), fold8(s21, s31));
    s = fold4(fold8(s02, s12), fold8(s22, s32));
    t = fold4(fold8(s03, s13), fold8(s23, s33));
    sum = fold2_1(p, q, s, t);
    _mm_storeu_ps(out, _mm512_castps512_ps128(sum));
    _mm_storeu_ps(out + ldo, _mm512_extractf32x4_ps(sum, 1));
    _mm_storeu_ps(out + 2 * ldo, _mm512_extractf32x4_ps(sum, 2));
    _mm_storeu_ps(out + 3 * ldo, _mm512_extractf32x4_ps(sum, 3));
}

/* 4 a rows x 1 b row, and with the arguments exchanged 1 x 4: step is the distance of the outputs. */
static inline void tile_4x1(const float *a, const float *b, int64_t ld, float *out, int64_t step)
{
    const float *a1 = a + ld, *a2 = a1 + ld, *a3 = a2 + ld;
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0, p;
    __m128 even, odd;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m512 y = _mm512_loadu_ps(b + i);

        s0 = FMA(_mm512_loadu_ps(a + i), y, s0);
        s1 = FMA(_mm512_loadu_ps(a1 + i), y, s1);
        s2 = FMA(_mm512_loadu_ps(a2 + i), y, s2);
        s3 = FMA(_mm512_loadu_ps(a3 + i), y, s3);
    }
    p = fold4(fold8(s0, s1), fold8(s2, s3));
    p = fold2_1(p, p, p, p);
    even = _mm_unpacklo_ps(_mm512_castps512_ps128(p), _mm512_extractf32x4_ps(p, 1));
    odd = _mm_unpacklo_ps(_mm512_extractf32x4_ps(p, 2), _mm512_extractf32x4_ps(p, 3));
    even = _mm_movelh_ps(even, odd);
    out[0] = _mm_cvtss_f32(even);
    out[step] = _mm_cvtss_f32(_mm_movehdup_ps(even));
    out[2 * step] = _mm_cvtss_f32(_mm_movehl_ps(even, even));
    out[3 * step] = _mm_cvtss_f32(_mm_shuffle_ps(even, even, 0xff));
}

static inline float tile_1x1(const float *a, const float *b, int64_t ld)
{
    __m512 sum = _mm512_setzero_ps();

    for (int64_t i = 0; i < ld; i += WNI_LANES)
        sum = FMA(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum);
    return wni_tree_512(sum);
}

void wni_dots_avx512(const float *a, int64_t m, const float *b, int64_t n, int64_t ld, float *out,
                     int64_t ldo)
{
    int64_t group = GROUP_BYTES / (ld * (int64_t)sizeof(float)) / 4 * 4;

    if (group < 4) group = 4;
    for (int64_t g = 0; g < n; g += group) {
        int64_t end = g + group < n ? g + group : n, i = 0, j;

        for (; i + 4 <= m; i += 4) {
            for (j = g; j + 4 <= end; j += 4)
                tile_4x4(a + i * ld, b + j * ld, ld, out + i * ldo + j, ldo);
            for (; j < end; j++)
                tile_4x1(a + i * ld, b + j * ld, ld, out + i * ldo + j, ldo);
        }
        for (; i < m; i++) {
            for (j = g; j + 4 <= end; j += 4)
                tile_4x1(b + j * ld, a + i * ld, ld, out + i * ldo + j, 1);
            for (; j < end; j++)
                out[i * ldo + j] = tile_1x1(a + i * ld, b + j * ld, ld);
        }
    }
}
