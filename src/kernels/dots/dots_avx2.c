/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 3 a rows x 4 b rows. 16 registers cannot hold both halves of the 16 lanes of so many sums, so the
 * rows are passed twice: lanes 0..7 first, then lanes 8..15. A group of b rows stays in L1 meanwhile, while the next
 * one is asked for; rows too long for that are cut into pieces. Short rows go another way (dots_narrow.h).
 */
#include <immintrin.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

#define GROUP_BYTES 16384

/* Longer rows are cut into pieces, for blocks of LONG_M x LONG_N pairs. */
#define LONG_LD    1024
#define LONG_PIECE 512
#define LONG_M     63
#define LONG_N     8
#define LONG_LEAST 15 /* a rows: for fewer, neither copying b rows nor asking for them pays */

#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y))

#define LOAD(p)      _mm256_loadu_ps(p)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)

#define NARROW_LD   48
#define HELD        12
#define VEC         __m256
#define COLUMNS     8
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define ADD(a, b)   _mm256_add_ps(a, b)
#define ALL(p)      _mm256_broadcast_ss(p)
#define ZERO        _mm256_setzero_ps()

/* 8 rows of 8 numbers as 8 columns. */
static inline void turn8(const float *b, int64_t ld, float *panel)
{
    __m256 r[8], s[8];

    for (int i = 0; i < 8; i += 2) {
        __m256 x = LOAD(b + i * ld), y = LOAD(b + (i + 1) * ld);

        r[i] = _mm256_unpacklo_ps(x, y);
        r[i + 1] = _mm256_unpackhi_ps(x, y);
    }
    for (int i = 0; i < 8; i += 4)
        for (int h = 0; h < 2; h++) {
            s[i + 2 * h] = _mm256_shuffle_ps(r[i + h], r[i + h + 2], 0x44);
            s[i + 2 * h + 1] = _mm256_shuffle_ps(r[i + h], r[i + h + 2], 0xee);
        }
    /* s[i + c] has columns c and 4 + c of rows i..i + 3, a half each. */
    for (int c = 0; c < 4; c++) {
        STORE(panel + c * COLUMNS, _mm256_permute2f128_ps(s[c], s[4 + c], 0x20));
        STORE(panel + (4 + c) * COLUMNS, _mm256_permute2f128_ps(s[c], s[4 + c], 0x31));
    }
}

static inline void turn(const float *b, int64_t ld, float *panel)
{
    turn8(b, ld, panel);
    turn8(b + 8, ld, panel + 8 * COLUMNS);
}

#include "kernels/dots/dots_narrow.h"

/* Lanes l + 4 of two sums that have l + 8 behind them. */
static inline __m256 fold4(__m256 v, __m256 w)
{
    return _mm256_add_ps(_mm256_permute2f128_ps(v, w, 0x20), _mm256_permute2f128_ps(v, w, 0x31));
}

/* From l + 4 on: the four sums of one a row, in the order of the b rows. */
static inline __m128 fold4_2_1(__m256 s0, __m256 s1, __m256 s2, __m256 s3)
{
    __m256 p = fold4(s0, s1), q = fold4(s2, s3), sum;

    sum = _mm256_add_ps(_mm256_shuffle_ps(p, q, 0x44), _mm256_shuffle_ps(p, q, 0xee));
    sum = _mm256_add_ps(_mm256_shuffle_ps(sum, sum, 0x88), _mm256_shuffle_ps(sum, sum, 0xdd));
    return _mm_unpacklo_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps(sum, 1));
}

/* s[4 * r + c] += half of the lanes of a row r and b row c in `length` columns; `a` and `b` point at that half, their
 * rows lda and ldb apart. */
static inline void half_3x4(const float *a, int64_t lda, const float *b, int64_t ldb,
                            int64_t length, __m256 s[12])
{
    const float *a1 = a + lda, *a2 = a1 + lda, *b1 = b + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
    __m256 s00 = s[0], s01 = s[1], s02 = s[2], s03 = s[3], s10 = s[4], s11 = s[5], s12 = s[6];
    __m256 s13 = s[7], s20 = s[8], s21 = s[9], s22 = s[10], s23 = s[11];

    for (int64_t i = 0; i < length; i += WNI_LANES) {
        __m256 x0 = LOAD(a + i), x1 = LOAD(a1 + i), x2 = LOAD(a2 + i), y = LOAD(b + i);

        s00 = FMA(x0, y, s00), s10 = FMA(x1, y, s10), s20 = FMA(x2, y, s20);
        y = LOAD(b1 + i);
        s01 = FMA(x0, y, s01), s11 = FMA(x1, y, s11), s21 = FMA(x2, y, s21);
        y = LOAD(b2 + i);
        s02 = FMA(x0, y, s02), s12 = FMA(x1, y, s12), s22 = FMA(x2, y, s22);
        y = LOAD(b3 + i);
        s03 = FMA(x0, y, s03), s13 = FMA(x1, y, s13), s23 = FMA(x2, y, s23);
    }
    s[0] = s00, s[1] = s01, s[2] = s02, s[3] = s03, s[4] = s10, s[5] = s11;
    s[6] = s12, s[7] = s13, s[8] = s20, s[9] = s21, s[10] = s22, s[11] = s23;
}

/* Both halves of all sums, from l + 8 on. */
static inline void fold_3x4(const __m256 low[12], const __m256 high[12], float *out, int64_t ldo)
{
    __m256 s[12];

    for (int t = 0; t < 12; t++)
        s[t] = _mm256_add_ps(low[t], high[t]);
    for (int r = 0; r < 3; r++)
        _mm_storeu_ps(out + r * ldo, fold4_2_1(s[4 * r], s[4 * r + 1], s[4 * r + 2], s[4 * r + 3]));
}

static inline void tile_3x4(const float *a, const float *b, int64_t ld, float *out, int64_t ldo)
{
    __m256 low[12], high[12];

    for (int t = 0; t < 12; t++)
        low[t] = high[t] = _mm256_setzero_ps();
    half_3x4(a, ld, b, ld, ld, low);
    half_3x4(a + 8, ld, b + 8, ld, ld, high);
    fold_3x4(low, high, out, ldo);
}

static inline void tile_1x4(const float *a, const float *b, int64_t ld, float *out)
{
    const float *b1 = b + ld, *b2 = b1 + ld, *b3 = b2 + ld;
    __m256 low0 = _mm256_setzero_ps(), low1 = low0, low2 = low0, low3 = low0;
    __m256 high0 = low0, high1 = low0, high2 = low0, high3 = low0;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        __m256 x = LOAD(a + i), y = LOAD(a + i + 8);

        low0 = FMA(x, LOAD(b + i), low0), high0 = FMA(y, LOAD(b + i + 8), high0);
        low1 = FMA(x, LOAD(b1 + i), low1), high1 = FMA(y, LOAD(b1 + i + 8), high1);
        low2 = FMA(x, LOAD(b2 + i), low2), high2 = FMA(y, LOAD(b2 + i + 8), high2);
        low3 = FMA(x, LOAD(b3 + i), low3), high3 = FMA(y, LOAD(b3 + i + 8), high3);
    }
    _mm_storeu_ps(out, fold4_2_1(_mm256_add_ps(low0, high0), _mm256_add_ps(low1, high1),
                                 _mm256_add_ps(low2, high2), _mm256_add_ps(low3, high3)));
}

static inline float tile_1x1(const float *a, const float *b, int64_t ld)
{
    __m256 low = _mm256_setzero_ps(), high = low;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        low = FMA(LOAD(a + i), LOAD(b + i), low);
        high = FMA(LOAD(a + i + 8), LOAD(b + i + 8), high);
    }
    return wni_tree_256(_mm256_add_ps(low, high));
}

/* What later tiles will read, asked for a few lines at a time between tiles. */
static inline const float *fetch(const float *next, int64_t lines)
{
    for (const float *end = next + lines * WNI_LANES; next < end; next += WNI_LANES)
        _mm_prefetch((const char *)next, _MM_HINT_T0);
    return next;
}

/* m x n pairs of long rows, m a multiple of 3 and n of 4, in pieces of the rows. Those of b are copied side by side,
 * so that their lines do not meet in few sets of the cache; the sums of all pairs are kept in between. `more` b rows
 * follow. */
static void long_rows(const float *a, int64_t m, const float *b, int64_t n, int64_t more,
                      int64_t ld, float *out, int64_t ldo)
{
    __m256 part[LONG_M / 3 * LONG_N / 4][24];
    float held[LONG_N * (LONG_PIECE + WNI_LANES)] __attribute__((aligned(64)));
    const int64_t pieces = (ld + LONG_PIECE - 1) / LONG_PIECE;
    const int64_t piece = (ld / WNI_LANES + pieces - 1) / pieces * WNI_LANES; /* of equal length */
    const int64_t ldh = piece + WNI_LANES;
    const int64_t lines = more * ld / WNI_LANES / (m / 3 * (n / 4) * pieces); /* of each tile */
    const float *next = b + n * ld;

    for (int64_t from = 0; from < ld; from += piece) {
        const int64_t length = MIN(piece, ld - from);

        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < length; i += 8)
                STORE(held + j * ldh + i, LOAD(b + j * ld + from + i));
        for (int64_t i = 0; i < m; i += 3)
            for (int64_t j = 0; j < n; j += 4) {
                __m256 *s = part[(i / 3 * LONG_N + j) / 4];

                next = fetch(next, lines);
                for (int t = 0; t < 24 && from == 0; t++)
                    s[t] = _mm256_setzero_ps();
                half_3x4(a + i * ld + from, ld, held + j * ldh, ldh, length, s);
                half_3x4(a + i * ld + from + 8, ld, held + j * ldh + 8, ldh, length, s + 12);
                if (from + length == ld) fold_3x4(s, s + 12, out + i * ldo + j, ldo);
            }
    }
}

void wni_dots_avx2(const float *a, int64_t m, const float *b, int64_t n, int64_t ld, float *out,
                   int64_t ldo)
{
    const int64_t group = MAX(GROUP_BYTES / (ld * (int64_t)sizeof(float)) / 4 * 4, 4);
    const int64_t m3 = m / 3 * 3, n4 = n / 4 * 4;
    const int pieces = ld > LONG_LD && m3 >= LONG_LEAST;

    if (ld <= NARROW_LD && m >= NARROW_ROWS && n >= COLUMNS) {
        const int64_t whole = n / COLUMNS * COLUMNS;

        narrow_dots(a, m, b, whole, ld, out, ldo);
        if (whole < n) wni_dots_avx2(a, m, b + whole * ld, n - whole, ld, out + whole, ldo);
        return;
    }

    for (int64_t i = 0; i < m3 && pieces; i += LONG_M)
        for (int64_t j = 0; j < n4; j += LONG_N)
            long_rows(a + i * ld, MIN(LONG_M, m3 - i), b + j * ld, MIN(LONG_N, n4 - j),
                      MIN(LONG_N, MAX(n4 - j - LONG_N, 0)), ld, out + i * ldo + j, ldo);
    for (int64_t g = 0; g < n4; g += group) {
        const int64_t end = MIN(g + group, n4), tiles = m3 / 3 * ((end - g) / 4);
        const int64_t lines = m3 < LONG_LEAST ? 0 : MIN(group, n4 - end) * ld / WNI_LANES / tiles;
        const float *next = b + end * ld;

        for (int64_t i = 0; i < m3 && !pieces; i += 3)
            for (int64_t j = g; j < end; j += 4) {
                next = fetch(next, lines);
                tile_3x4(a + i * ld, b + j * ld, ld, out + i * ldo + j, ldo);
            }
        for (int64_t i = m3; i < m; i++)
            for (int64_t j = g; j < end; j += 4)
                tile_1x4(a + i * ld, b + j * ld, ld, out + i * ldo + j);
    }
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = n4; j < n; j++)
            out[i * ldo + j] = tile_1x1(a + i * ld, b + j * ld, ld);
}
