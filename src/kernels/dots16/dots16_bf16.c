/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 6 rows x 64 columns as in dots8, two dimensions of 16 columns in a line of a panel.
 */
#define WNI_DOTS8_NUMBER(v) _mm512_castsi512_ps(v)
#include "kernels/dots8/dots8_bounds.h"

static inline __m512bh two(const uint16_t *x)
{
    int32_t v;

    __builtin_memcpy(&v, x, sizeof v);
    return (__m512bh)_mm512_set1_epi32(v);
}

static inline __m512bh line(const uint16_t *panel)
{
    return (__m512bh)_mm512_load_si512(panel);
}

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#define BLOCK_ROWS   6

#define BEGIN(r) __m512 s##r##0 = zero, s##r##1 = zero, s##r##2 = zero, s##r##3 = zero;
#define STEP(r)                                 \
    y = two(x + i + r * ld);                    \
    s##r##0 = _mm512_dpbf16_ps(s##r##0, y, p0); \
    s##r##1 = _mm512_dpbf16_ps(s##r##1, y, p1); \
    s##r##2 = _mm512_dpbf16_ps(s##r##2, y, p2); \
    s##r##3 = _mm512_dpbf16_ps(s##r##3, y, p3);
#define STORE(r)                                                                 \
    _mm512_store_si512(dot + r * WNI_GROUP8, _mm512_castps_si512(s##r##0));      \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 16, _mm512_castps_si512(s##r##1)); \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 32, _mm512_castps_si512(s##r##2)); \
    _mm512_store_si512(dot + r * WNI_GROUP8 + 48, _mm512_castps_si512(s##r##3));

/* The sums of 6 rows as the bits of f32 into dot (6, 64). */
static inline void products(const uint16_t *panel, const uint16_t *x, int64_t ld, int32_t *dot)
{
    const int64_t next = ld * WNI_PANEL8;
    const __m512 zero = _mm512_setzero_ps();

    EACH_ROW(BEGIN)
    for (int64_t i = 0; i < ld; i += 2, panel += 2 * WNI_PANEL8) {
        const __m512bh p0 = line(panel), p1 = line(panel + next);
        const __m512bh p2 = line(panel + 2 * next), p3 = line(panel + 3 * next);
        __m512bh y;

        EACH_ROW(STEP)
    }
    EACH_ROW(STORE)
}

/* The same for one row. */
static inline void products_1(const uint16_t *panel, const uint16_t *x, int64_t ld, int32_t *dot)
{
    for (int p = 0; p < WNI_GROUP8; p += WNI_PANEL8) {
        const uint16_t *at = panel + p * ld;
        __m512 sum = _mm512_setzero_ps();

        for (int64_t i = 0; i < ld; i += 2)
            sum = _mm512_dpbf16_ps(sum, two(x + i), line(at + i * WNI_PANEL8));
        _mm512_store_si512(dot + p, _mm512_castps_si512(sum));
    }
}

int64_t wni_dots16_bf16(const wni_group8 *group, const uint16_t *panels, const uint16_t *x,
                        int64_t m, int64_t ld, const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t count = 0, step;

    for (int64_t r = 0; r < m; r += step) {
        step = m - r >= BLOCK_ROWS ? BLOCK_ROWS : 1;
        if (step > 1)
            products(panels, x + r * ld, ld, dot);
        else
            products_1(panels, x + r * ld, ld, dot);
        for (int64_t i = 0; i < step; i++)
            count = wni_dots8_check(group, rows, r + i, dot + i * WNI_GROUP8, hits, count);
    }
    return count;
}
