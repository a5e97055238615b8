/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 5 columns of r x 32 columns of x, summed over a group of rows that stays in L1.
 */
#include <immintrin.h>

#include "kernels/variants.h"

#define GROUP 16 /* rows */

#define MIN(x, y) ((x) < (y) ? (x) : (y))

#define LOAD(p)      _mm512_loadu_ps(p)
#define STORE(p, v)  _mm512_storeu_ps(p, v)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define ALL(p)       _mm512_set1_ps(*(p))

static inline void tile_5x32(float *acc, const float *r, int64_t ldr, const float *x, int64_t m,
                             int64_t ld)
{
    float *a1 = acc + ld, *a2 = a1 + ld, *a3 = a2 + ld, *a4 = a3 + ld;
    __m512 s00 = LOAD(acc), s01 = LOAD(acc + 16), s10 = LOAD(a1), s11 = LOAD(a1 + 16);
    __m512 s20 = LOAD(a2), s21 = LOAD(a2 + 16), s30 = LOAD(a3), s31 = LOAD(a3 + 16);
    __m512 s40 = LOAD(a4), s41 = LOAD(a4 + 16);

    for (int64_t i = 0; i < m; i++, r += ldr, x += ld) {
        __m512 x0 = LOAD(x), x1 = LOAD(x + 16), y = ALL(r);

        s00 = FMA(y, x0, s00), s01 = FMA(y, x1, s01);
        y = ALL(r + 1);
        s10 = FMA(y, x0, s10), s11 = FMA(y, x1, s11);
        y = ALL(r + 2);
        s20 = FMA(y, x0, s20), s21 = FMA(y, x1, s21);
        y = ALL(r + 3);
        s30 = FMA(y, x0, s30), s31 = FMA(y, x1, s31);
        y = ALL(r + 4);
        s40 = FMA(y, x0, s40), s41 = FMA(y, x1, s41);
    }
    STORE(acc, s00), STORE(acc + 16, s01), STORE(a1, s10), STORE(a1 + 16, s11);
    STORE(a2, s20), STORE(a2 + 16, s21), STORE(a3, s30), STORE(a3 + 16, s31);
    STORE(a4, s40), STORE(a4 + 16, s41);
}

static inline void tile_1x16(float *acc, const float *r, int64_t ldr, const float *x, int64_t m,
                             int64_t ld)
{
    __m512 s = LOAD(acc);

    for (int64_t i = 0; i < m; i++)
        s = FMA(ALL(r + i * ldr), LOAD(x + i * ld), s);
    STORE(acc, s);
}

void wni_outer_avx512(float *acc, const float *r, int64_t ldr, int64_t n, const float *x, int64_t m,
                      int64_t ld)
{
    const int64_t n5 = n / 5 * 5, ld32 = ld / 32 * 32;

    for (int64_t g = 0; g < m; g += GROUP) {
        const int64_t rows = MIN(GROUP, m - g);
        const float *rg = r + g * ldr, *xg = x + g * ld;

        for (int64_t c = 0; c < n5; c += 5)
            for (int64_t j = 0; j < ld32; j += 32)
                tile_5x32(acc + c * ld + j, rg + c, ldr, xg + j, rows, ld);
        for (int64_t c = 0; c < n; c++)
            for (int64_t j = c < n5 ? ld32 : 0; j < ld; j += WNI_LANES)
                tile_1x16(acc + c * ld + j, rg + c, ldr, xg + j, rows, ld);
    }
}
