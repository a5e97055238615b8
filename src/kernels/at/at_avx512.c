/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/at/at.h"

/* The canonical tree of four rows at a time. */
static inline __m128 sums(const __m512 *a)
{
    __m128 r[4];

    for (int j = 0; j < 4; j++) {
        __m256 x = _mm256_add_ps(_mm512_castps512_ps256(a[j]), _mm512_extractf32x8_ps(a[j], 1));

        r[j] = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    }
    _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
    return _mm_add_ps(_mm_add_ps(r[0], r[2]), _mm_add_ps(r[1], r[3]));
}

static inline void store(float *out, int64_t n, int64_t i, __m128 x)
{
    const int64_t left = n - i;

    if (left >= 4)
        _mm_storeu_ps(out + i, x);
    else
        _mm_mask_storeu_ps(out + i, (__mmask8)((1 << left) - 1), x);
}

void wni_l2sq_at_avx512(const float *q, const float *rows, int64_t ld, const int32_t *at, int64_t n,
                        float *out)
{
    const int64_t ahead = wni_at_ahead(ld * 4);

    wni_at_fetch(rows, ld * 4, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i += WNI_AT_ROWS) {
        const float *row[4];
        __m512 sum[4];

        wni_at_fetch(rows, ld * 4, at, n, i + ahead, i + ahead + WNI_AT_ROWS);
        for (int j = 0; j < 4; j++) {
            row[j] = rows + wni_at_row(at, n, i + j) * ld;
            sum[j] = _mm512_setzero_ps();
        }
        for (int64_t l = 0; l < ld; l += WNI_LANES) {
            __m512 x = _mm512_loadu_ps(q + l);

            for (int j = 0; j < 4; j++) {
                __m512 a = _mm512_sub_ps(x, _mm512_loadu_ps(row[j] + l));

                sum[j] = _mm512_fmadd_ps(a, a, sum[j]);
            }
        }
        store(out, n, i, sums(sum));
    }
}

void wni_l2sq_f16_at_avx512(const float *q, const uint16_t *rows, int64_t ld, const int32_t *at,
                            int64_t n, float *out)
{
    const int64_t ahead = wni_at_ahead(ld * 2);

    wni_at_fetch(rows, ld * 2, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i += WNI_AT_ROWS) {
        const uint16_t *row[4];
        __m512 sum[4];

        wni_at_fetch(rows, ld * 2, at, n, i + ahead, i + ahead + WNI_AT_ROWS);
        for (int j = 0; j < 4; j++) {
            row[j] = rows + wni_at_row(at, n, i + j) * ld;
            sum[j] = _mm512_setzero_ps();
        }
        for (int64_t l = 0; l < ld; l += WNI_LANES) {
            __m512 x = _mm512_loadu_ps(q + l);

            for (int j = 0; j < 4; j++) {
                __m512 a = _mm512_sub_ps(x, _mm512_cvtph_ps(_mm256_loadu_si256(
                                                (const __m256i *)(const void *)(row[j] + l))));

                sum[j] = _mm512_fmadd_ps(a, a, sum[j]);
            }
        }
        store(out, n, i, sums(sum));
    }
}

static inline void add(__m256i codes, __m512i y, __m512i *squares, __m512i *products)
{
    const __m512i x = _mm512_cvtepi8_epi16(codes);

    *squares = _mm512_add_epi32(*squares, _mm512_madd_epi16(x, x));
    *products = _mm512_add_epi32(*products, _mm512_madd_epi16(x, y));
}

/* Rows are a whole number of halves of 32, or 16: masked loads, which keep the processor from reading
 * ahead, are for the end alone. */
void wni_l2sq_i8_at_avx512(const wni_query_i8 *q, const int8_t *rows, int64_t ld, const int32_t *at,
                           int64_t n, float *out)
{
    const int64_t ahead = wni_at_ahead(ld), whole = ld / 32 * 32;
    const __m128i shift = _mm_cvtsi32_si128(q->shift);
    const __m128i constant = _mm_set1_epi32((int)q->constant);
    const __m128 unit = _mm_set1_ps(q->unit);

    wni_at_fetch(rows, ld, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i += WNI_AT_ROWS) {
        const int8_t *row[4];
        __m512i squares[4], products[4];
        __m128i r[4], s;

        wni_at_fetch(rows, ld, at, n, i + ahead, i + ahead + WNI_AT_ROWS);
        for (int j = 0; j < 4; j++) {
            row[j] = rows + wni_at_row(at, n, i + j) * ld;
            squares[j] = products[j] = _mm512_setzero_si512();
        }
        for (int64_t l = 0; l < whole; l += 32) {
            const __m512i y = _mm512_loadu_si512(q->q + l);

            for (int j = 0; j < 4; j++)
                add(_mm256_loadu_si256((const void *)(row[j] + l)), y, squares + j, products + j);
        }
        if (whole < ld) {
            const __m512i y = _mm512_maskz_loadu_epi16(0xffff, q->q + whole);

            for (int j = 0; j < 4; j++)
                add(_mm256_maskz_loadu_epi8(0xffff, row[j] + whole), y, squares + j, products + j);
        }
        for (int j = 0; j < 4; j++) {
            __m512i x = _mm512_sub_epi32(_mm512_sll_epi32(squares[j], shift),
                                         _mm512_slli_epi32(products[j], 1));
            __m256i h =
                _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));

            r[j] = _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
        }
        s = _mm_hadd_epi32(_mm_hadd_epi32(r[0], r[1]), _mm_hadd_epi32(r[2], r[3]));
        s = _mm_add_epi32(s, constant);
        store(out, n, i, _mm_mul_ps(_mm_cvtepu32_ps(s), unit));
    }
}
