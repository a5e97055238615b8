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

/* Dimensions 0..to of the rows x (6), added to `begin` (64), into dot (6, 64). They are always stored: with the
 * tests in the same function compilers would keep the sums in memory during the loop. */
static inline void wni_products6(const wni_group8 *g, const uint8_t *const *x, int64_t ld,
                                 int64_t to, const int32_t *begin, int32_t *dot)
{
    const uint8_t *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3], *x4 = x[4], *x5 = x[5];
    const int8_t *panel = g->codes;
    const int64_t next = ld * WNI_PANEL8;
    const __m512i start0 = _mm512_load_si512(begin), start1 = _mm512_load_si512(begin + 16);
    const __m512i start2 = _mm512_load_si512(begin + 32), start3 = _mm512_load_si512(begin + 48);

    EACH_ROW(BEGIN)
    for (int64_t i = 0; i < to; i += 4, panel += 4 * WNI_PANEL8) {
        const __m512i p0 = _mm512_load_si512(panel), p1 = _mm512_load_si512(panel + next);
        const __m512i p2 = _mm512_load_si512(panel + 2 * next);
        const __m512i p3 = _mm512_load_si512(panel + 3 * next);
        __m512i y;

        EACH_ROW(STEP)
    }
    EACH_ROW(STORE)
}

/* The same for one row, all dimensions. */
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
