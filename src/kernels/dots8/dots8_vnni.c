/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 6 rows x 64 columns: 24 accumulators, 4 panel lines, 1 broadcast of 4 row codes. The products go
 * through 1.5 KB of L1 only, and a row leaves the fast path when one of its 64 columns reaches what it needs.
 */
#include "kernels/dots8/dots8_bounds.h"

static inline __m512i four(const uint8_t *x)
{
    int32_t v;

    __builtin_memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#define BLOCK_ROWS   6

#define BEGIN(r) __m512i s##r##0 = start0, s##r##1 = start1, s##r##2 = start2, s##r##3 = start3;
#define STEP(r)                                    \
    y = four(x + i + r * ld);                      \
    s##r##0 = _mm512_dpbusd_epi32(s##r##0, y, p0); \
    s##r##1 = _mm512_dpbusd_epi32(s##r##1, y, p1); \
    s##r##2 = _mm512_dpbusd_epi32(s##r##2, y, p2); \
    s##r##3 = _mm512_dpbusd_epi32(s##r##3, y, p3);
#define STORE(r)                                            \
    _mm512_store_si512(dot + r * WNI_GROUP8, s##r##0);      \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 16, s##r##1); \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 32, s##r##2); \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 48, s##r##3);

/* The integers of 6 rows into dot (6, 64). They are always stored: with the tests in the same function
 * compilers would keep the sums in memory during the loop. */
static inline void products(const wni_group8 *g, const uint8_t *x, int64_t ld, int32_t *dot)
{
    const int8_t *panel = g->codes;
    const int64_t next = ld * WNI_PANEL8;
    const __m512i start0 = _mm512_load_si512(g->start), start1 = _mm512_load_si512(g->start + 16);
    const __m512i start2 = _mm512_load_si512(g->start + 32);
    const __m512i start3 = _mm512_load_si512(g->start + 48);

    EACH_ROW(BEGIN)
    for (int64_t i = 0; i < ld; i += 4, panel += 4 * WNI_PANEL8) {
        const __m512i p0 = _mm512_load_si512(panel), p1 = _mm512_load_si512(panel + next);
        const __m512i p2 = _mm512_load_si512(panel + 2 * next);
        const __m512i p3 = _mm512_load_si512(panel + 3 * next);
        __m512i y;

        EACH_ROW(STEP)
    }
    EACH_ROW(STORE)
}

/* The same for one row. */
static inline void products_1(const wni_group8 *g, const uint8_t *x, int64_t ld, int32_t *dot)
{
    const int8_t *panel = g->codes;
    const int64_t next = ld * WNI_PANEL8;
    __m512i s0 = _mm512_load_si512(g->start), s1 = _mm512_load_si512(g->start + 16);
    __m512i s2 = _mm512_load_si512(g->start + 32), s3 = _mm512_load_si512(g->start + 48);

    for (int64_t i = 0; i < ld; i += 4, panel += 4 * WNI_PANEL8) {
        const __m512i y = four(x + i);

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

int64_t wni_dots8_vnni(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                       const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t count = 0, step;

    for (int64_t r = 0; r < m; r += step) {
        step = m - r >= BLOCK_ROWS ? BLOCK_ROWS : 1;
        if (step > 1)
            products(group, x + r * ld, ld, dot);
        else
            products_1(group, x + r * ld, ld, dot);
        for (int64_t i = 0; i < step; i++)
            count = wni_dots8_check(group, rows, r + i, dot + i * WNI_GROUP8, hits, count);
    }
    return count;
}
