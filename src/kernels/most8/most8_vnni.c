/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 8 rows and two panels, the products through 1 KB of L1; each row keeps the maxima of 16 lanes until its
 * last panel. A last block of fewer rows overlaps the one before it: what is known of these rows comes out again.
 */
#include <immintrin.h>

#include "kernels/dots8/products8_vnni.h"
#include "kernels/tops8/tops8_row.h"

enum { ROWS = 8, FEW = 4 };

#define EACH8(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define EACH4(DO) DO(0) DO(1) DO(2) DO(3)

#define ROW(r)       const uint8_t *const x##r = x[r];
#define BEGIN_TWO(r) __m512i s##r = start0, t##r = start1;
#define STEP_TWO(r)                          \
    y = wni_four(x##r + i);                  \
    s##r = _mm512_dpbusd_epi32(s##r, y, p0); \
    t##r = _mm512_dpbusd_epi32(t##r, y, p1);
#define STORE_TWO(r)                                    \
    _mm512_store_si512(dot + r * 2 * WNI_PANEL8, s##r); \
    _mm512_store_si512(dot + r * 2 * WNI_PANEL8 + WNI_PANEL8, t##r);

#define BEGIN_ONE(r) __m512i s##r = start0;
#define STEP_ONE(r)  s##r = _mm512_dpbusd_epi32(s##r, wni_four(x##r + i), p0);
#define STORE_ONE(r) _mm512_store_si512(dot + r * 2 * WNI_PANEL8, s##r);

/* The integers of some rows and two panels, or one, into dot (rows, 32). */
#define PRODUCTS_TWO(name, EACH)                                                         \
    static void name(const int8_t *codes, const int32_t *start, const uint8_t *const *x, \
                     int64_t ld, int32_t *dot)                                           \
    {                                                                                    \
        const __m512i start0 = _mm512_loadu_si512(start);                                \
        const __m512i start1 = _mm512_loadu_si512(start + WNI_PANEL8);                   \
                                                                                         \
        EACH(ROW)                                                                        \
        EACH(BEGIN_TWO)                                                                  \
        for (int64_t i = 0; i < ld; i += 4, codes += 4 * WNI_PANEL8) {                   \
            const __m512i p0 = _mm512_load_si512(codes);                                 \
            const __m512i p1 = _mm512_load_si512(codes + ld * WNI_PANEL8);               \
            __m512i y;                                                                   \
                                                                                         \
            EACH(STEP_TWO)                                                               \
        }                                                                                \
        EACH(STORE_TWO)                                                                  \
    }
#define PRODUCTS_ONE(name, EACH)                                                         \
    static void name(const int8_t *codes, const int32_t *start, const uint8_t *const *x, \
                     int64_t ld, int32_t *dot)                                           \
    {                                                                                    \
        const __m512i start0 = _mm512_loadu_si512(start);                                \
                                                                                         \
        EACH(ROW)                                                                        \
        EACH(BEGIN_ONE)                                                                  \
        for (int64_t i = 0; i < ld; i += 4, codes += 4 * WNI_PANEL8) {                   \
            const __m512i p0 = _mm512_load_si512(codes);                                 \
                                                                                         \
            EACH(STEP_ONE)                                                               \
        }                                                                                \
        EACH(STORE_ONE)                                                                  \
    }
PRODUCTS_TWO(products_8x2, EACH8)
PRODUCTS_TWO(products_4x2, EACH4)
PRODUCTS_ONE(products_8x1, EACH8)
PRODUCTS_ONE(products_4x1, EACH4)

static void products_1x1(const int8_t *codes, const int32_t *start, const uint8_t *const *x,
                         int64_t ld, int32_t *dot)
{
    __m512i s = _mm512_loadu_si512(start);

    for (int64_t i = 0; i < ld; i += 4, codes += 4 * WNI_PANEL8)
        s = _mm512_dpbusd_epi32(s, wni_four(x[0] + i), _mm512_load_si512(codes));
    _mm512_store_si512(dot, s);
}

/* Some rows on their way through the panels. */
typedef struct most8_block {
    float scale[ROWS], need[ROWS];
    int32_t skip[ROWS];
    int64_t first, known; /* position of row 0; rows before this one have given their hits */
    __m512 most[ROWS];
} most8_block;

/* The integers of panel p in dot (rows, 32): the larger of `most` and the uppers below need; those above are hits. */
static inline __attribute__((always_inline)) int64_t
look_at_panel(const wni_group8 *g, int64_t p, const int32_t *dot, int64_t rows, int skips,
              most8_block *b, const wni_pairs8 *hits, int64_t count)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const int32_t first = (int32_t)(g->first + p * WNI_PANEL8);
    const __m512i columns = _mm512_add_epi32(lanes, _mm512_set1_epi32(first));
    const __m512 scale = _mm512_loadu_ps(g->scale + p * WNI_PANEL8);
    const __m512 spread = _mm512_loadu_ps(g->spread + p * WNI_PANEL8);
    const __m512 high = _mm512_loadu_ps(g->high + p * WNI_PANEL8);

    for (int64_t i = 0; i < rows; i++) {
        const __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(dot + i * 2 * WNI_PANEL8));
        const __m512 v =
            _mm512_fmadd_ps(_mm512_set1_ps(b->scale[i]), _mm512_fmadd_ps(scale, sum, spread), high);
        const __mmask16 below =
            _mm512_cmp_ps_mask(v, _mm512_set1_ps(b->need[i]), _CMP_LT_OQ) &
            (skips ? _mm512_cmpneq_epi32_mask(columns, _mm512_set1_epi32(b->skip[i]))
                   : (__mmask16)0xffff);

        b->most[i] = _mm512_mask_max_ps(b->most[i], below, b->most[i], v);
        if (below == 0xffff || i < b->known) continue;
        for (uint32_t in = (__mmask16)~below; in; in &= in - 1) {
            const int32_t column = first + __builtin_ctz(in);

            if (column == b->skip[i]) continue;
            hits->row[count] = (int32_t)(b->first + i);
            hits->column[count++] = column;
        }
    }
    return count;
}

/* All panels of `rows` rows. */
static inline __attribute__((always_inline)) int64_t
look_at_rows(const wni_group8 *g, int64_t panels, const uint8_t *const *x, int64_t rows, int64_t ld,
             int skips, most8_block *b, const wni_pairs8 *hits, int64_t count)
{
    int32_t dot[ROWS * 2 * WNI_PANEL8] __attribute__((aligned(64)));
    int two;

    for (int64_t p = 0; p < panels; p += 1 + two) {
        const int8_t *codes = g->codes + p * WNI_PANEL8 * ld;
        const int32_t *start = g->start + p * WNI_PANEL8;

        two = p + 1 < panels && rows > 1;
        if (rows == ROWS)
            (two ? products_8x2 : products_8x1)(codes, start, x, ld, dot);
        else if (rows == FEW)
            (two ? products_4x2 : products_4x1)(codes, start, x, ld, dot);
        else
            products_1x1(codes, start, x, ld, dot);
        count = look_at_panel(g, p, dot, rows, skips, b, hits, count);
        if (two) count = look_at_panel(g, p + 1, dot + WNI_PANEL8, rows, skips, b, hits, count);
    }
    return count;
}

/* The next `rows` rows, numbers at (rows); whether a column of the group is left out of any. */
static inline __attribute__((always_inline)) int begin(const wni_group8 *g, int64_t panels,
                                                       const int32_t *at, int64_t rows,
                                                       const float *scale, const int32_t *skip,
                                                       const float *need, most8_block *b)
{
    const __mmask8 in = (__mmask8)((1 << rows) - 1);
    const __m256i row = _mm256_maskz_loadu_epi32(in, at);
    const __m256 none = _mm256_setzero_ps();
    const __m256i skips =
        _mm256_mmask_i32gather_epi32(_mm256_set1_epi32(-1), in, row, skip, sizeof *skip);

    _mm256_storeu_ps(b->scale, _mm256_mmask_i32gather_ps(none, in, row, scale, sizeof *scale));
    _mm256_storeu_ps(b->need, _mm256_mmask_i32gather_ps(none, in, row, need, sizeof *need));
    _mm256_storeu_si256((__m256i *)(void *)b->skip, skips);
    for (int64_t i = 0; i < rows; i++)
        b->most[i] = _mm512_set1_ps(-__builtin_inff());
    return _mm256_cmplt_epu32_mask(_mm256_sub_epi32(skips, _mm256_set1_epi32(g->first)),
                                   _mm256_set1_epi32((int32_t)(panels * WNI_PANEL8))) != 0;
}

int64_t wni_most8_vnni(const wni_group8 *group, int64_t panels, const uint8_t *x, const int32_t *at,
                       int64_t m, int64_t ld, const float *scale, const int32_t *skip,
                       const float *need, float *most, const wni_pairs8 *hits)
{
    const uint8_t *row[ROWS];
    int64_t rows, count = 0;
    most8_block b;

    for (int64_t r = 0; r < m; r += rows) {
        b.known = r;
        rows = m - r >= ROWS ? ROWS : m >= FEW ? FEW : 1;
        if (r > m - rows) r = m - rows;
        b.first = r;
        b.known -= r;
        for (int64_t i = 0; i < rows; i++)
            row[i] = x + at[r + i] * ld;
        if (rows == ROWS) {
            if (begin(group, panels, at + r, ROWS, scale, skip, need, &b))
                count = look_at_rows(group, panels, row, ROWS, ld, 1, &b, hits, count);
            else
                count = look_at_rows(group, panels, row, ROWS, ld, 0, &b, hits, count);
        } else if (rows == FEW) {
            begin(group, panels, at + r, FEW, scale, skip, need, &b);
            count = look_at_rows(group, panels, row, FEW, ld, 1, &b, hits, count);
        } else {
            begin(group, panels, at + r, 1, scale, skip, need, &b);
            count = look_at_rows(group, panels, row, 1, ld, 1, &b, hits, count);
            most[r] = _mm512_reduce_max_ps(b.most[0]);
        }
        for (int64_t i = 0; i + FEW <= rows; i += FEW)
            _mm_storeu_ps(most + r + i,
                          tops8_four(b.most[i], b.most[i + 1], b.most[i + 2], b.most[i + 3]));
    }
    return count;
}
