/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 2 a rows x 2 b rows: two accumulators per pair, 8 in all, enough to hide the latency of the
 * fused multiply-add. A group of b rows stays in L1 while the a rows stream past it.
 */
#include <immintrin.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

#define GROUP_BYTES 16384

#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)

/* Lanes l + 4 of two sums that have l + 8 behind them. */
static inline __m256 fold4(__m256 v, __m256 w)
{
    return _mm256_add_ps(_mm256_permute2f128_ps(v, w, 0x20), _mm256_permute2f128_ps(v, w, 0x31));
}

static inline void tile_2x2(const float *a, const float *b, int64_t ld, float *out, int64_t ldo)
{
    const float *a1 = a + ld, *b1 = b + ld;
    __m256 low00 = _mm256_setzero_ps(), low01 = low00, low10 = low00, low11 = low00;
    __m256 high00 = low00, high01 = low00, high10 = low00, high11 = low00;
    __m256 p, q, sum;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m256 x0 = _mm256_loadu_ps(a + i), x1 = _mm256_loadu_ps(a1 + i);
        __m256 y0 = _mm256_loadu_ps(b + i), y1 = _mm256_loadu_ps(b1 + i);

        low00 = FMA(x0, y0, low00), low01 = FMA(x0, y1, low01);
        low10 = FMA(x1, y0, low10), low11 = FMA(x1, y1, low11);
        x0 = _mm256_loadu_ps(a + i + 8), x1 = _mm256_loadu_ps(a1 + i + 8);
        y0 = _mm256_loadu_ps(b + i + 8), y1 = _mm256_loadu_ps(b1 + i + 8);
        high00 = FMA(x0, y0, high00), high01 = FMA(x0, y1, high01);
        high10 = FMA(x1, y0, high10), high11 = FMA(x1, y1, high11);
    }
    /* The lower half of p, q and sum belongs to a row 0, the upper to row 1. */
    p = fold4(_mm256_add_ps(low00, high00), _mm256_add_ps(low10, high10));
    q = fold4(_mm256_add_ps(low01, high01), _mm256_add_ps(low11, high11));
    sum = _mm256_add_ps(_mm256_shuffle_ps(p, q, 0x44), _mm256_shuffle_ps(p, q, 0xee));
    sum = _mm256_add_ps(_mm256_shuffle_ps(sum, sum, 0x88), _mm256_shuffle_ps(sum, sum, 0xdd));
    _mm_storel_pi((__m64 *)(void *)out, _mm256_castps256_ps128(sum));
    _mm_storel_pi((__m64 *)(void *)(out + ldo), _mm256_extractf128_ps(sum, 1));
}

static inline float tile_1x1(const float *a, const float *b, int64_t ld)
{
    __m256 low = _mm256_setzero_ps(), high = low;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        low = FMA(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), low);
        high = FMA(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), high);
    }
    return wni_tree_256(_mm256_add_ps(low, high));
}

void wni_dots_avx2(const float *a, int64_t m, const float *b, int64_t n, int64_t ld, float *out,
                   int64_t ldo)
{
    int64_t group = GROUP_BYTES / (ld * (int64_t)sizeof(float)) / 2 * 2;

    if (group < 2) group = 2;
    for (int64_t g = 0; g < n; g += group) {
        int64_t end = g + group < n ? g + group : n, i = 0, j;

        for (; i + 2 <= m; i += 2) {
            for (j = g; j + 2 <= end; j += 2)
                tile_2x2(a + i * ld, b + j * ld, ld, out + i * ldo + j, ldo);
            for (; j < end; j++) {
                out[i * ldo + j] = tile_1x1(a + i * ld, b + j * ld, ld);
                out[(i + 1) * ldo + j] = tile_1x1(a + (i + 1) * ld, b + j * ld, ld);
            }
        }
        for (; i < m; i++)
            for (j = g; j < end; j++)
                out[i * ldo + j] = tile_1x1(a + i * ld, b + j * ld, ld);
    }
}
