/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>
#include <string.h>

#include "kernels/at/at.h"

/* Lanes l, l + 8 are added already; l + 4, l + 2, l + 1 of four rows at a time. */
static inline __m128 sums(const __m256 *a)
{
    __m128 r[4];

    for (int j = 0; j < 4; j++)
        r[j] = _mm_add_ps(_mm256_castps256_ps128(a[j]), _mm256_extractf128_ps(a[j], 1));
    _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
    return _mm_add_ps(_mm_add_ps(r[0], r[2]), _mm_add_ps(r[1], r[3]));
}

static inline void store(float *out, int64_t n, int64_t i, __m128 x)
{
    float four[4];

    if (i + 4 <= n) {
        _mm_storeu_ps(out + i, x);
        return;
    }
    _mm_storeu_ps(four, x);
    for (int64_t j = i; j < n; j++)
        out[j] = four[j - i];
}

void wni_l2sq_at_avx2(const float *q, const float *rows, int64_t ld, const int32_t *at, int64_t n,
                      float *out)
{
    const int64_t ahead = wni_at_ahead(ld * 4);

    wni_at_fetch(rows, ld * 4, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i += WNI_AT_ROWS) {
        __m256 low[4], high[4];
        const float *row[4];

        wni_at_fetch(rows, ld * 4, at, n, i + ahead, i + ahead + WNI_AT_ROWS);
        for (int j = 0; j < 4; j++) {
            row[j] = rows + wni_at_row(at, n, i + j) * ld;
            low[j] = high[j] = _mm256_setzero_ps();
        }
        for (int64_t l = 0; l < ld; l += WNI_LANES) {
            __m256 x = _mm256_loadu_ps(q + l), y = _mm256_loadu_ps(q + l + 8);

            for (int j = 0; j < 4; j++) {
                __m256 a = _mm256_sub_ps(x, _mm256_loadu_ps(row[j] + l));
                __m256 b = _mm256_sub_ps(y, _mm256_loadu_ps(row[j] + l + 8));

                low[j] = _mm256_fmadd_ps(a, a, low[j]);
                high[j] = _mm256_fmadd_ps(b, b, high[j]);
            }
        }
        for (int j = 0; j < 4; j++)
            low[j] = _mm256_add_ps(low[j], high[j]);
        store(out, n, i, sums(low));
    }
}

static inline __m256 wide(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

void wni_l2sq_f16_at_avx2(const float *q, const uint16_t *rows, int64_t ld, const int32_t *at,
                          int64_t n, float *out)
{
    const int64_t ahead = wni_at_ahead(ld * 2);

    wni_at_fetch(rows, ld * 2, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i += WNI_AT_ROWS) {
        __m256 low[4], high[4];
        const uint16_t *row[4];

        wni_at_fetch(rows, ld * 2, at, n, i + ahead, i + ahead + WNI_AT_ROWS);
        for (int j = 0; j < 4; j++) {
            row[j] = rows + wni_at_row(at, n, i + j) * ld;
            low[j] = high[j] = _mm256_setzero_ps();
        }
        for (int64_t l = 0; l < ld; l += WNI_LANES) {
            __m256 x = _mm256_loadu_ps(q + l), y = _mm256_loadu_ps(q + l + 8);

            for (int j = 0; j < 4; j++) {
                __m256 a = _mm256_sub_ps(x, wide(row[j] + l));
                __m256 b = _mm256_sub_ps(y, wide(row[j] + l + 8));

                low[j] = _mm256_fmadd_ps(a, a, low[j]);
                high[j] = _mm256_fmadd_ps(b, b, high[j]);
            }
        }
        for (int j = 0; j < 4; j++)
            low[j] = _mm256_add_ps(low[j], high[j]);
        store(out, n, i, sums(low));
    }
}

static inline uint32_t total(__m256i x)
{
    __m128i y = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));

    y = _mm_add_epi32(y, _mm_shuffle_epi32(y, 0x4e));
    y = _mm_add_epi32(y, _mm_shuffle_epi32(y, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(y);
}

void wni_l2sq_i8_at_avx2(const wni_query_i8 *q, const int8_t *rows, int64_t ld, const int32_t *at,
                         int64_t n, float *out)
{
    const int64_t ahead = wni_at_ahead(ld);

    wni_at_fetch(rows, ld, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i += WNI_AT_ROWS) {
        __m256i squares[4], products[4];
        const int8_t *row[4];

        wni_at_fetch(rows, ld, at, n, i + ahead, i + ahead + WNI_AT_ROWS);
        for (int j = 0; j < 4; j++) {
            row[j] = rows + wni_at_row(at, n, i + j) * ld;
            squares[j] = products[j] = _mm256_setzero_si256();
        }
        for (int64_t l = 0; l < ld; l += 16) {
            __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)(q->q + l));

            for (int j = 0; j < 4; j++) {
                __m256i x = _mm256_cvtepi8_epi16(
                    _mm_loadu_si128((const __m128i *)(const void *)(row[j] + l)));

                squares[j] = _mm256_add_epi32(squares[j], _mm256_madd_epi16(x, x));
                products[j] = _mm256_add_epi32(products[j], _mm256_madd_epi16(x, y));
            }
        }
        for (int j = 0; j < 4 && i + j < n; j++)
            out[i + j] =
                (float)((total(squares[j]) << q->shift) - 2 * total(products[j]) + q->constant) *
                q->unit;
    }
}
