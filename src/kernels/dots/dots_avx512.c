/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 4 a rows x 4 b rows: 16 accumulators, one fused multiply-add per pair and 16 elements, then one
 * transposed tree for all 16 sums. A group of b rows stays in L1 while the a rows stream past it; rows too long for
 * that are cut into pieces. Short rows go another way (dots_narrow.h).
 */
#include <immintrin.h>
#include <stddef.h>

#include "kernels/tree.h"
#include "kernels/variants.h"

#define GROUP_BYTES 16384 /* of b rows in L1 */

/* Longer rows are cut into pieces, for blocks of LONG_M x LONG_N pairs. */
#define LONG_LD    560
#define LONG_PIECE 512
#define LONG_M     64
#define LONG_N     8
#define LONG_LEAST 16 /* a rows: for fewer, copying b rows costs more than it saves */

#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y))

#define LOAD(p)      _mm512_loadu_ps(p)
#define STORE(p, v)  _mm512_storeu_ps(p, v)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)

#define NARROW_LD 64
#define HELD      16
#define VEC       __m512
#define COLUMNS   16
#define ADD(a, b) _mm512_add_ps(a, b)
#define ALL(p)    _mm512_set1_ps(*(p))
#define ZERO      _mm512_setzero_ps()

/* 16 rows of 16 numbers as 16 columns: pairs, fours, then quarters of the registers change places. */
static inline void turn(const float *b, int64_t ld, float *panel)
{
    __m512 r[16], s[16];

    for (int i = 0; i < 16; i += 2) {
        __m512 x = LOAD(b + i * ld), y = LOAD(b + (i + 1) * ld);

        r[i] = _mm512_unpacklo_ps(x, y);
        r[i + 1] = _mm512_unpackhi_ps(x, y);
    }
    for (int i = 0; i < 16; i += 4)
        for (int h = 0; h < 2; h++) {
            __m512d x = _mm512_castps_pd(r[i + h]), y = _mm512_castps_pd(r[i + h + 2]);

            s[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(x, y));
            s[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x, y));
        }
    /* s[i + c] has columns c, 4 + c, 8 + c, 12 + c of rows i..i + 3, a quarter each. */
    for (int c = 0; c < 4; c++) {
        __m512 x = _mm512_shuffle_f32x4(s[c], s[4 + c], 0x88);
        __m512 y = _mm512_shuffle_f32x4(s[c], s[4 + c], 0xdd);
        __m512 z = _mm512_shuffle_f32x4(s[8 + c], s[12 + c], 0x88);
        __m512 w = _mm512_shuffle_f32x4(s[8 + c], s[12 + c], 0xdd);

        STORE(panel + c * COLUMNS, _mm512_shuffle_f32x4(x, z, 0x88));
        STORE(panel + (4 + c) * COLUMNS, _mm512_shuffle_f32x4(y, w, 0x88));
        STORE(panel + (8 + c) * COLUMNS, _mm512_shuffle_f32x4(x, z, 0xdd));
        STORE(panel + (12 + c) * COLUMNS, _mm512_shuffle_f32x4(y, w, 0xdd));
    }
}

#include "kernels/dots/dots_narrow.h"

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

/* `length` columns of 4 x 4 pairs, rows lda and ldb apart. Sums start from zero, or from those in `part` (16 vectors)
 * where they are `begun`, and go to `out`, or back to `part` where there is `more`. */
static inline void tile_4x4(const float *a, int64_t lda, const float *b, int64_t ldb,
                            int64_t length, float *part, int begun, int more, float *out,
                            int64_t ldo)
{
    const float *a1 = a + lda, *a2 = a1 + lda, *a3 = a2 + lda;
    const float *b1 = b + ldb, *b2 = b1 + ldb, *b3 = b2 + ldb;
    __m512 s00 = _mm512_setzero_ps(), s10 = s00, s20 = s00, s30 = s00;
    __m512 s01 = s00, s11 = s00, s21 = s00, s31 = s00;
    __m512 s02 = s00, s12 = s00, s22 = s00, s32 = s00;
    __m512 s03 = s00, s13 = s00, s23 = s00, s33 = s00;
    __m512 sum;

    if (begun) {
        s00 = LOAD(part), s10 = LOAD(part + 16), s20 = LOAD(part + 32), s30 = LOAD(part + 48);
        s01 = LOAD(part + 64), s11 = LOAD(part + 80), s21 = LOAD(part + 96), s31 = LOAD(part + 112);
        s02 = LOAD(part + 128), s12 = LOAD(part + 144), s22 = LOAD(part + 160);
        s32 = LOAD(part + 176);
        s03 = LOAD(part + 192), s13 = LOAD(part + 208), s23 = LOAD(part + 224);
        s33 = LOAD(part + 240);
    }
    for (int64_t i = 0; i < length; i += WNI_LANES) {
        __m512 x0 = LOAD(a + i), x1 = LOAD(a1 + i), x2 = LOAD(a2 + i), x3 = LOAD(a3 + i);
        __m512 y = LOAD(b + i);

        s00 = FMA(x0, y, s00), s10 = FMA(x1, y, s10), s20 = FMA(x2, y, s20), s30 = FMA(x3, y, s30);
        y = LOAD(b1 + i);
        s01 = FMA(x0, y, s01), s11 = FMA(x1, y, s11), s21 = FMA(x2, y, s21), s31 = FMA(x3, y, s31);
        y = LOAD(b2 + i);
        s02 = FMA(x0, y, s02), s12 = FMA(x1, y, s12), s22 = FMA(x2, y, s22), s32 = FMA(x3, y, s32);
        y = LOAD(b3 + i);
        s03 = FMA(x0, y, s03), s13 = FMA(x1, y, s13), s23 = FMA(x2, y, s23), s33 = FMA(x3, y, s33);
    }
    if (more) {
        STORE(part, s00), STORE(part + 16, s10), STORE(part + 32, s20), STORE(part + 48, s30);
        STORE(part + 64, s01), STORE(part + 80, s11), STORE(part + 96, s21), STORE(part + 112, s31);
        STORE(part + 128, s02), STORE(part + 144, s12), STORE(part + 160, s22);
        STORE(part + 176, s32);
        STORE(part + 192, s03), STORE(part + 208, s13), STORE(part + 224, s23);
        STORE(part + 240, s33);
        return;
    }
    s00 = fold4(fold8(s00, s10), fold8(s20, s30));
    s01 = fold4(fold8(s01, s11), fold8(s21, s31));
    s02 = fold4(fold8(s02, s12), fold8(s22, s32));
    s03 = fold4(fold8(s03, s13), fold8(s23, s33));
    sum = fold2_1(s00, s01, s02, s03);
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
        __m512 y = LOAD(b + i);

        s0 = FMA(LOAD(a + i), y, s0);
        s1 = FMA(LOAD(a1 + i), y, s1);
        s2 = FMA(LOAD(a2 + i), y, s2);
        s3 = FMA(LOAD(a3 + i), y, s3);
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
        sum = FMA(LOAD(a + i), LOAD(b + i), sum);
    return wni_tree_512(sum);
}

/* What the next tiles will read, asked for a few lines at a time between tiles. */
typedef struct ahead {
    const float *row; /* first of `rows` pieces of `piece` elements, `ld` apart */
    int64_t rows, piece, ld, at;
} ahead;

static inline void fetch(ahead *h, int64_t lines)
{
    for (; lines > 0 && h->rows > 0; lines--) {
        _mm_prefetch((const char *)(h->row + h->at), _MM_HINT_T0);
        h->at += WNI_LANES;
        if (h->at < h->piece) continue;
        h->at = 0;
        h->row += h->ld;
        h->rows--;
    }
}

/* Rows too long for a group of them in L1: m x n pairs, both multiples of 4, in pieces of the rows. Those of b are
 * copied side by side, so that their lines do not meet in few sets of the cache; the a rows pass them from L2, and
 * the sums of all pairs are kept in between. `more` b rows follow, asked for a few lines at a time meanwhile. */
static void long_rows(const float *a, int64_t m, const float *b, int64_t n, int64_t more,
                      int64_t ld, float *out, int64_t ldo)
{
    float part[LONG_M * LONG_N * WNI_LANES] __attribute__((aligned(64)));
    float held[LONG_N * (LONG_PIECE + WNI_LANES)] __attribute__((aligned(64)));
    const int64_t pieces = (ld + LONG_PIECE - 1) / LONG_PIECE;
    const int64_t piece = (ld / WNI_LANES + pieces - 1) / pieces * WNI_LANES; /* of equal length */
    const int64_t ldh = piece + WNI_LANES;
    const int64_t lines = more * ld / WNI_LANES / (m / 4 * (n / 4) * pieces); /* of each tile */
    const float *next = b + n * ld;

    for (int64_t from = 0; from < ld; from += piece) {
        const int64_t length = MIN(piece, ld - from);

        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < length; i += WNI_LANES)
                STORE(held + j * ldh + i, LOAD(b + j * ld + from + i));
        for (int64_t i = 0; i < m; i += 4)
            for (int64_t j = 0; j < n; j += 4) {
                for (const float *end = next + lines * WNI_LANES; next < end; next += WNI_LANES)
                    _mm_prefetch((const char *)next, _MM_HINT_T0);
                tile_4x4(a + i * ld + from, ld, held + j * ldh, ldh, length,
                         part + (i * LONG_N + j * 4) * WNI_LANES, from > 0, from + length < ld,
                         out + i * ldo + j, ldo);
            }
    }
}

void wni_dots_avx512(const float *a, int64_t m, const float *b, int64_t n, int64_t ld, float *out,
                     int64_t ldo)
{
    const int64_t m4 = m / 4 * 4, n4 = n / 4 * 4;

    if (ld <= NARROW_LD && m >= NARROW_ROWS && n >= COLUMNS) {
        const int64_t whole = n / COLUMNS * COLUMNS;

        narrow_dots(a, m, b, whole, ld, out, ldo);
        if (whole < n) wni_dots_avx512(a, m, b + whole * ld, n - whole, ld, out + whole, ldo);
        return;
    }
    if (ld > LONG_LD && m4 >= LONG_LEAST) {
        for (int64_t i = 0; i < m4; i += LONG_M)
            for (int64_t j = 0; j < n4; j += LONG_N)
                long_rows(a + i * ld, MIN(LONG_M, m4 - i), b + j * ld, MIN(LONG_N, n4 - j),
                          MIN(LONG_N, MAX(n4 - j - LONG_N, 0)), ld, out + i * ldo + j, ldo);
    } else {
        const int64_t group = MAX(GROUP_BYTES / (ld * (int64_t)sizeof(float)) / 4 * 4, 4);

        for (int64_t g = 0; g < n4; g += group) {
            const int64_t end = MIN(g + group, n4);
            ahead next = {b + end * ld, MIN(group, n4 - end), ld, ld, 0};

            for (int64_t i = 0; i < m4; i += 4)
                for (int64_t j = g; j < end; j += 4) {
                    fetch(&next, 4 * ld / WNI_LANES * 4 / m4 + 1);
                    tile_4x4(a + i * ld, ld, b + j * ld, ld, ld, NULL, 0, 0, out + i * ldo + j,
                             ldo);
                }
        }
    }
    for (int64_t j = n4; j < n; j++)
        for (int64_t i = 0; i < m4; i += 4)
            tile_4x1(a + i * ld, b + j * ld, ld, out + i * ldo + j, ldo);
    for (int64_t i = m4; i < m; i++) {
        for (int64_t j = 0; j < n4; j += 4)
            tile_4x1(b + j * ld, a + i * ld, ld, out + i * ldo + j, 1);
        for (int64_t j = n4; j < n; j++)
            out[i * ldo + j] = tile_1x1(a + i * ld, b + j * ld, ld);
    }
}
