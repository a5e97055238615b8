/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 5 columns of r x 16 columns of x, summed over a group of rows that stays in L1.
 */
#include <immintrin.h>

#include "kernels/variants.h"

#define GROUP 16 /* rows */

#define MIN(x, y) ((x) < (y) ? (x) : (y))

#define LOAD(p)      _mm256_loadu_ps(p)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)

static inline void tile_5x16(float *acc, const float *r, int64_t ldr, const float *x, int64_t m,
                             int64_t ld)
{
    float *a1 = acc + ld, *a2 = a1 + ld, *a3 = a2 + ld, *a4 = a3 + ld;
    __m256 s00 = LOAD(acc), s01 = LOAD(acc + 8), s10 = LOAD(a1), s11 = LOAD(a1 + 8);
    __m256 s20 = LOAD(a2), s21 = LOAD(a2 + 8), s30 = LOAD(a3), s31 = LOAD(a3 + 8);
    __m256 s40 = LOAD(a4), s41 = LOAD(a4 + 8);

    for (int64_t i = 0; i < m; i++, r += ldr, x += ld) {
        __m256 x0 = LOAD(x), x1 = LOAD(x + 8), y = _mm256_broadcast_ss(r);

        s00 = FMA(y, x0, s00), s01 = FMA(y, x1, s01);
        y = _mm256_broadcast_ss(r + 1);
        s10 = FMA(y, x0, s10), s11 = FMA(y, x1, s11);
        y = _mm256_broadcast_ss(r + 2);
        s20 = FMA(y, x0, s20), s21 = FMA(y, x1, s21);
        y = _mm256_broadcast_ss(r + 3);
        s30 = FMA(y, x0, s30), s31 = FMA(y, x1, s31);
        y = _mm256_broadcast_ss(r + 4);
        s40 = FMA(y, x0, s40), s41 = FMA(y, x1, s41);
    }
    _mm256_storeu_ps(acc, s00), _mm256_storeu_ps(acc + 8, s01);
    _mm256_storeu_ps(a1, s10), _mm256_storeu_ps(a1 + 8, s11);
    _mm256_storeu_ps(a2, s20), _mm256_storeu_ps(a2 + 8, s21);
    _mm256_storeu_ps(a3, s30), _mm256_storeu_ps(a3 + 8, s31);
    _mm256_storeu_ps(a4, s40), _mm256_storeu_ps(a4 + 8, s41);
}

static inline void tile_1x16(float *acc, const float *r, int64_t ldr, const float *x, int64_t m,
                             int64_t ld)
{
    __m256 s0 = LOAD(acc), s1 = LOAD(acc + 8);

    for (int64_t i = 0; i < m; i++) {
        __m256 y = _mm256_broadcast_ss(r + i * ldr);

        s0 = FMA(y, LOAD(x + i * ld), s0);
        s1 = FMA(y, LOAD(x + i * ld + 8), s1);
    }
    _mm256_storeu_ps(acc, s0), _mm256_storeu_ps(acc + 8, s1);
}

void wni_outer_avx2(float *acc, const float *r, int64_t ldr, int64_t n, const float *x, int64_t m,
                    int64_t ld)
{
    const int64_t n5 = n / 5 * 5;

    for (int64_t g = 0; g < m; g += GROUP) {
        const int64_t rows = MIN(GROUP, m - g);
        const float *rg = r + g * ldr, *xg = x + g * ld;

        for (int64_t c = 0; c < n5; c += 5)
            for (int64_t j = 0; j < ld; j += WNI_LANES)
                tile_5x16(acc + c * ld + j, rg + c, ldr, xg + j, rows, ld);
        for (int64_t c = n5; c < n; c++)
            for (int64_t j = 0; j < ld; j += WNI_LANES)
                tile_1x16(acc + c * ld + j, rg + c, ldr, xg + j, rows, ld);
    }
}
