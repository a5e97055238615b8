/* SPDX-License-Identifier: Apache-2.0
 *
 * q = 256 high + low in signed bytes, and the rows made unsigned by adding 128, which costs 128 times the sum
 * of q once per query. The square of a row is that of its absolute values, unsigned and signed at once.
 */
#include <immintrin.h>

#include "kernels/at/at.h"

static inline void store(float *out, int64_t n, int64_t i, __m128 x)
{
    const int64_t left = n - i;

    if (left >= 4)
        _mm_storeu_ps(out + i, x);
    else
        _mm_mask_storeu_ps(out + i, (__mmask8)((1 << left) - 1), x);
}

static inline void add(__m512i x, __m512i h, __m512i w, __m512i *squares, __m512i *high,
                       __m512i *low)
{
    const __m512i size = _mm512_abs_epi8(x), up = _mm512_xor_si512(x, _mm512_set1_epi8(-128));

    *squares = _mm512_dpbusd_epi32(*squares, size, size);
    *high = _mm512_dpbusd_epi32(*high, up, h);
    *low = _mm512_dpbusd_epi32(*low, up, w);
}

void wni_l2sq_i8_at_vnni(const wni_query_i8 *q, const int8_t *rows, int64_t ld, const int32_t *at,
                         int64_t n, float *out)
{
    const int64_t ahead = wni_at_ahead(ld);
    const __m128i shift = _mm_cvtsi32_si128(q->shift);
    const __m128i constant = _mm_set1_epi32((int)(q->constant + 256 * q->sum));
    const __m128 unit = _mm_set1_ps(q->unit);
    const int64_t whole = ld / 64 * 64;
    const __mmask64 tail = ((__mmask64)1 << ld % 64) - 1;

    wni_at_fetch(rows, ld, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i += WNI_AT_ROWS) {
        const int8_t *row[4];
        __m512i squares[4], high[4], low[4];
        __m128i r[4], s;

        wni_at_fetch(rows, ld, at, n, i + ahead, i + ahead + WNI_AT_ROWS);
        for (int j = 0; j < 4; j++) {
            row[j] = rows + wni_at_row(at, n, i + j) * ld;
            squares[j] = high[j] = low[j] = _mm512_setzero_si512();
        }
        for (int64_t l = 0; l < whole; l += 64) {
            const __m512i h = _mm512_loadu_si512(q->high + l), w = _mm512_loadu_si512(q->low + l);

            for (int j = 0; j < 4; j++)
                add(_mm512_loadu_si512(row[j] + l), h, w, squares + j, high + j, low + j);
        }
        if (whole < ld) {
            const __m512i h = _mm512_maskz_loadu_epi8(tail, q->high + whole);
            const __m512i w = _mm512_maskz_loadu_epi8(tail, q->low + whole);

            for (int j = 0; j < 4; j++)
                add(_mm512_maskz_loadu_epi8(tail, row[j] + whole), h, w, squares + j, high + j,
                    low + j);
        }
        for (int j = 0; j < 4; j++) {
            __m512i products = _mm512_add_epi32(_mm512_slli_epi32(high[j], 8), low[j]);
            __m512i x = _mm512_sub_epi32(_mm512_sll_epi32(squares[j], shift),
                                         _mm512_slli_epi32(products, 1));
            __m256i y =
                _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));

            r[j] = _mm_add_epi32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
        }
        s = _mm_hadd_epi32(_mm_hadd_epi32(r[0], r[1]), _mm_hadd_epi32(r[2], r[3]));
        s = _mm_add_epi32(s, constant);
        store(out, n, i, _mm_mul_ps(_mm_cvtepu32_ps(s), unit));
    }
}
