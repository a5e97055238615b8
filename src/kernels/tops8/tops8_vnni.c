/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 6 rows x 64 columns as in dots8, the products through 1.5 KB of L1, then four maxima a row.
 */
#include "kernels/tops8/tops8_row.h"

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

void wni_tops8_vnni(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                    const float *scale, float *top)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t step;

    for (int64_t r = 0; r < m; r += step) {
        step = m - r >= BLOCK_ROWS ? BLOCK_ROWS : 1;
        if (step > 1)
            products(group, x + r * ld, ld, dot);
        else
            products_1(group, x + r * ld, ld, dot);
        for (int64_t i = 0; i < step; i++)
            wni_tops8_row(group, dot + i * WNI_GROUP8, r + i, m, scale, top);
    }
}
