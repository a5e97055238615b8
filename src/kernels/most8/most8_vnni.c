/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 8 rows and two panels, the products through 1 KB of L1; each row keeps the maxima of 16 lanes until its
 * last panel. A last block of fewer rows has the last one several times: sums of fewer would wait for one another.
 */
#include <immintrin.h>

#include "kernels/dots8/products8_vnni.h"
#include "kernels/tops8/tops8_row.h"

enum { ROWS = 8, LINE = 2 * WNI_PANEL8 };

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

#define ROW(r)       const uint8_t *const x##r = x[r];
#define BEGIN_TWO(r) __m512i s##r = start0, t##r = start1;
#define STEP_TWO(r)                          \
    y = wni_four(x##r + i);                  \
    s##r = _mm512_dpbusd_epi32(s##r, y, p0); \
    t##r = _mm512_dpbusd_epi32(t##r, y, p1);
#define STORE_TWO(r)                          \
    _mm512_store_si512(dot + r * LINE, s##r); \
    _mm512_store_si512(dot + r * LINE + WNI_PANEL8, t##r);

#define BEGIN_ONE(r) __m512i s##r = start0;
#define STEP_ONE(r)  s##r = _mm512_dpbusd_epi32(s##r, wni_four(x##r + i), p0);
#define STORE_ONE(r) _mm512_store_si512(dot + r * LINE, s##r);

/* Not inline: with what follows in the same function compilers move the sums about in the loop. */
#define APART __attribute__((noinline))

/* The integers of the rows x (8) and two panels into dot (8, 32). */
static APART void products_two(const int8_t *codes, const int32_t *start, const uint8_t *const *x,
                               int64_t ld, int32_t *dot)
{
    const __m512i start0 = _mm512_loadu_si512(start);
    const __m512i start1 = _mm512_loadu_si512(start + WNI_PANEL8);

    EACH(ROW)
    EACH(BEGIN_TWO)
    for (int64_t i = 0; i < ld; i += 4, codes += 4 * WNI_PANEL8) {
        const __m512i p0 = _mm512_load_si512(codes);
        const __m512i p1 = _mm512_load_si512(codes + ld * WNI_PANEL8);
        __m512i y;

        EACH(STEP_TWO)
    }
    EACH(STORE_TWO)
}

/* The same for one panel, into dot (8, 32) too. */
static APART void products_one(const int8_t *codes, const int32_t *start, const uint8_t *const *x,
                               int64_t ld, int32_t *dot)
{
    const __m512i start0 = _mm512_loadu_si512(start);

    EACH(ROW)
    EACH(BEGIN_ONE)
    for (int64_t i = 0; i < ld; i += 4, codes += 4 * WNI_PANEL8) {
        const __m512i p0 = _mm512_load_si512(codes);

        EACH(STEP_ONE)
    }
    EACH(STORE_ONE)
}

/* Eight rows on their way through the panels. */
typedef struct most8_block {
    const uint8_t *x[ROWS];
    float scale[ROWS], need[ROWS];
    int32_t skip[ROWS];
    int64_t first, rows; /* position of row 0; how many are not there again */
    __m512 most[ROWS];
} most8_block;

#define LOOK(r)                                                                                  \
    const __m512 v##r = _mm512_fmadd_ps(                                                         \
        _mm512_set1_ps(b->scale[r]),                                                             \
        _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(_mm512_load_si512(dot + r * LINE)), spread),   \
        high);                                                                                   \
    const __mmask16 other##r = _mm512_cmpneq_epi32_mask(columns, _mm512_set1_epi32(b->skip[r])); \
    const __mmask16 in##r =                                                                      \
        _mm512_mask_cmp_ps_mask(other##r, v##r, _mm512_set1_ps(b->need[r]), _CMP_GE_OQ);         \
    b->most[r] = _mm512_mask_max_ps(b->most[r], _kandn_mask16(in##r, other##r), b->most[r], v##r);

/* The integers of panel p in dot (8, 32): the larger of `most` and the uppers below need; those above are hits. */
static inline int64_t look_at_panel(const wni_group8 *g, int64_t p, const int32_t *dot,
                                    most8_block *b, const wni_pairs8 *hits, int64_t count)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const int32_t first = (int32_t)(g->first + p * WNI_PANEL8);
    const __m512i columns = _mm512_add_epi32(lanes, _mm512_set1_epi32(first));
    const __m512 scale = _mm512_loadu_ps(g->scale + p * WNI_PANEL8);
    const __m512 spread = _mm512_loadu_ps(g->spread + p * WNI_PANEL8);
    const __m512 high = _mm512_loadu_ps(g->high + p * WNI_PANEL8);
    uint64_t in[2];

    EACH(LOOK)
    in[0] = _mm512_kunpackd(_mm512_kunpackw(in3, in2), _mm512_kunpackw(in1, in0));
    in[1] = _mm512_kunpackd(_mm512_kunpackw(in7, in6), _mm512_kunpackw(in5, in4));
    for (int half = 0; half < 2; half++)
        for (uint64_t left = in[half]; left; left &= left - 1) {
            const int bit = __builtin_ctzll(left), r = 4 * half + bit / 16;

            if (r >= b->rows) break;
            hits->row[count] = (int32_t)(b->first + r);
            hits->column[count++] = first + bit % 16;
        }
    return count;
}

int64_t wni_most8_vnni(const wni_group8 *group, int64_t panels, const uint8_t *x, const int32_t *at,
                       int64_t m, int64_t ld, const float *scale, const int32_t *skip,
                       const float *need, float *most, const wni_pairs8 *hits)
{
    int32_t dot[ROWS * LINE] __attribute__((aligned(64)));
    int64_t count = 0;
    most8_block b;
    int two;

    for (int64_t r = 0; r < m; r += ROWS) {
        float of[ROWS];

        b.first = r;
        b.rows = m - r < ROWS ? m - r : ROWS;
        for (int64_t i = 0; i < ROWS; i++) {
            const int32_t row = at[i < b.rows ? r + i : m - 1];

            b.x[i] = x + row * ld;
            b.scale[i] = scale[row];
            b.need[i] = need[row];
            b.skip[i] = skip[row];
            b.most[i] = _mm512_set1_ps(-__builtin_inff());
        }
        for (int64_t p = 0; p < panels; p += 1 + two) {
            const int8_t *codes = group->codes + p * WNI_PANEL8 * ld;
            const int32_t *start = group->start + p * WNI_PANEL8;

            two = p + 1 < panels;
            (two ? products_two : products_one)(codes, start, b.x, ld, dot);
            count = look_at_panel(group, p, dot, &b, hits, count);
            if (two) count = look_at_panel(group, p + 1, dot + WNI_PANEL8, &b, hits, count);
        }
        _mm_storeu_ps(of, tops8_four(b.most[0], b.most[1], b.most[2], b.most[3]));
        _mm_storeu_ps(of + 4, tops8_four(b.most[4], b.most[5], b.most[6], b.most[7]));
        for (int64_t i = 0; i < b.rows; i++)
            most[r + i] = of[i];
    }
    return count;
}
