/* SPDX-License-Identifier: Apache-2.0
 *
 * The integers of blocks of 6 rows x 64 columns, for what looks at them in its own way: 24 accumulators, 4 panel
 * lines, 1 broadcast of 4 row codes. The products go through 1.5 KB of L1 only.
 */
#ifndef WNI_PRODUCTS8_VNNI_H
#define WNI_PRODUCTS8_VNNI_H

#include <immintrin.h>

#include "kernels/variants.h"

static inline __m512i wni_four(const uint8_t *x)
{
    int32_t v;

    __builtin_memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#define BLOCK_ROWS   6

#define BEGIN(r) __m512i s##r##0 = start0, s##r##1 = start1, s##r##2 = start2, s##r##3 = start3;
#define STEP(r)                                    \
    y = wni_four(x##r + i);                        \
    s##r##0 = _mm512_dpbusd_epi32(s##r##0, y, p0); \
    s##r##1 = _mm512_dpbusd_epi32(s##r##1, y, p1); \
    s##r##2 = _mm512_dpbusd_epi32(s##r##2, y, p2); \
    s##r##3 = _mm512_dpbusd_epi32(s##r##3, y, p3);
#define STORE(r)                                            \
    _mm512_store_si512(dot + r * WNI_GROUP8, s##r##0);      \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 16, s##r##1); \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 32, s##r##2); \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 48, s##r##3);

/* The sums of dimensions 0..to of rows x0 to x5 and 4 panels, on top of `begin` (64): s00, s01, ... s53. */
#define SUM_UP(codes, ld, to, begin)                                                              \
    const int8_t *panel = codes;                                                                  \
    const int64_t next = ld * WNI_PANEL8;                                                         \
    const __m512i start0 = _mm512_load_si512(begin), start1 = _mm512_load_si512(begin + 16);      \
    const __m512i start2 = _mm512_load_si512(begin + 32), start3 = _mm512_load_si512(begin + 48); \
                                                                                                  \
    EACH_ROW(BEGIN)                                                                               \
    for (int64_t i = 0; i < to; i += 4, panel += 4 * WNI_PANEL8) {                                \
        const __m512i p0 = _mm512_load_si512(panel), p1 = _mm512_load_si512(panel + next);        \
        const __m512i p2 = _mm512_load_si512(panel + 2 * next);                                   \
        const __m512i p3 = _mm512_load_si512(panel + 3 * next);                                   \
        __m512i y;                                                                                \
                                                                                                  \
        EACH_ROW(STEP)                                                                            \
    }

/* Dimensions 0..to of the rows x (6), added to `begin` (64), into dot (6, 64). They are always stored: with the
 * tests in the same function compilers would keep the sums in memory during the loop. */
static inline void wni_products6(const wni_group8 *g, const uint8_t *const *x, int64_t ld,
                                 int64_t to, const int32_t *begin, int32_t *dot)
{
    const uint8_t *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3], *x4 = x[4], *x5 = x[5];

    SUM_UP(g->codes, ld, to, begin)
    EACH_ROW(STORE)
}

/* The sums stay where they are: else gcc keeps them in memory during the loop for what comes after it. */
#define HOLD(r) __asm__("" : "+v"(s##r##0), "+v"(s##r##1), "+v"(s##r##2), "+v"(s##r##3));
#define REACH(r)                                    \
    const __mmask16 k##r = _mm512_cmpge_epi32_mask( \
        wni_most_of4(s##r##0, s##r##1, s##r##2, s##r##3), _mm512_set1_epi32(mark[r]));
#define REACH_OTHER(r)                                                              \
    const __mmask16 o##r = _mm512_cmpge_epi32_mask(                                 \
        wni_most_of4(_mm512_add_epi32(s##r##0, a0), _mm512_add_epi32(s##r##1, a1),  \
                     _mm512_add_epi32(s##r##2, a2), _mm512_add_epi32(s##r##3, a3)), \
        _mm512_set1_epi32(other[r]));

static inline __m512i wni_most_of4(__m512i a, __m512i b, __m512i c, __m512i d)
{
    return _mm512_max_epi32(_mm512_max_epi32(a, b), _mm512_max_epi32(c, d));
}

/* A bit for each of four fields of 16 bits: whether it is not 0. */
static inline unsigned wni_fields(uint64_t four)
{
    const uint64_t low = 0x7fff7fff7fff7fffu, set = (((four & low) + low) | four) & ~low;

    return (unsigned)((set >> 15 & 1) | (set >> 30 & 2) | (set >> 45 & 4) | (set >> 60 & 8));
}

/* Which of the 6 rows from x on have a sum over dimensions 0..to and `begin` of at least mark[r], or one that is with
 * apart (64) at least other[r]; apart NULL = that does not count. The sums of all 6 are in dot (6, 64) if there is
 * such a row and dot is not NULL: stores of every block would cost a tenth at 128 dimensions. */
static inline __attribute__((always_inline)) unsigned
wni_reaching6(const wni_group8 *g, const uint8_t *x, int64_t ld, int64_t to, const int32_t *begin,
              const int32_t *mark, const int32_t *apart, const int32_t *other, int32_t *dot)
{
    const uint8_t *x0 = x, *x1 = x + ld, *x2 = x1 + ld, *x3 = x2 + ld, *x4 = x3 + ld, *x5 = x4 + ld;
    uint64_t four, two;
    unsigned bits;

    SUM_UP(g->codes, ld, to, begin)
    EACH_ROW(HOLD)
    EACH_ROW(REACH)
    four = _mm512_kunpackd(_mm512_kunpackw(k3, k2), _mm512_kunpackw(k1, k0));
    two = _mm512_kunpackw(k5, k4);
    if (apart) {
        const __m512i a0 = _mm512_load_si512(apart), a1 = _mm512_load_si512(apart + 16);
        const __m512i a2 = _mm512_load_si512(apart + 32), a3 = _mm512_load_si512(apart + 48);

        EACH_ROW(REACH_OTHER)
        four |= _mm512_kunpackd(_mm512_kunpackw(o3, o2), _mm512_kunpackw(o1, o0));
        two |= _mm512_kunpackw(o5, o4);
    }
    bits = wni_fields(four) | wni_fields(two) << 4;
    if (dot && bits) {
        EACH_ROW(STORE)
    }
    return bits;
}

/* wni_products6 for one row, all dimensions. */
static inline void wni_products1(const wni_group8 *g, const uint8_t *x, int64_t ld, int32_t *dot)
{
    const int8_t *panel = g->codes;
    const int64_t next = ld * WNI_PANEL8;
    __m512i s0 = _mm512_load_si512(g->start), s1 = _mm512_load_si512(g->start + 16);
    __m512i s2 = _mm512_load_si512(g->start + 32), s3 = _mm512_load_si512(g->start + 48);

    for (int64_t i = 0; i < ld; i += 4, panel += 4 * WNI_PANEL8) {
        const __m512i y = wni_four(x + i);

        s0 = _mm512_dpbusd_epi32(s0, y, _mm512_load_si512(panel));
        s1 = _mm512_dpbusd_epi32(s1, y, _mm512_load_si512(panel + next));
        s2 = _mm512_dpbusd_epi32(s2, y, _mm512_load_si512(panel + 2 * next));
        s3 = _mm512_dpbusd_epi32(s3, y, _mm512_load_si512(panel + 3 * next));
    }
    _mm512_store_si512(dot, s0);
    _mm512_store_si512(dot + 16, s1);
    _mm512_store_si512(dot + 32, s2);
    _mm512_store_si512(dot + 48, s3);
}

/* Dimensions 0..to of the 6 rows from x on. */
static inline void wni_products_of6(const wni_group8 *g, const uint8_t *x, int64_t ld, int64_t to,
                                    const int32_t *begin, int32_t *dot)
{
    const uint8_t *const rows[] = {x, x + ld, x + 2 * ld, x + 3 * ld, x + 4 * ld, x + 5 * ld};

    wni_products6(g, rows, ld, to, begin, dot);
}

/* All of the next rows of m - r into dot (6, 64): six, or the one at r when fewer are left. Returns how many. */
static inline int64_t wni_products8(const wni_group8 *g, const uint8_t *x, int64_t r, int64_t m,
                                    int64_t ld, int32_t *dot)
{
    if (m - r < BLOCK_ROWS) {
        wni_products1(g, x + r * ld, ld, dot);
        return 1;
    }
    wni_products_of6(g, x + r * ld, ld, ld, g->start, dot);
    return BLOCK_ROWS;
}

#endif
