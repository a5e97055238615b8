/* SPDX-License-Identifier: Apache-2.0
 *
 * What the VNNI and AMX variants of dots8 share: from the 64 integers of a row to its hits.
 */
#ifndef WNI_DOTS8_BOUNDS_H
#define WNI_DOTS8_BOUNDS_H

#include <immintrin.h>

#include "kernels/variants.h"

/* Integers or, for dots16, the bits of f32 become numbers. */
#ifndef WNI_DOTS8_NUMBER
#define WNI_DOTS8_NUMBER(v) _mm512_cvtepi32_ps(v)
#endif

#define WNI_PANELS8 (WNI_GROUP8 / WNI_PANEL8)

static inline __m512 upper_of(const wni_group8 *g, int p, __m512 s, const int32_t *dot)
{
    __m512 v = _mm512_fmadd_ps(_mm512_load_ps(g->scale + p * WNI_PANEL8),
                               WNI_DOTS8_NUMBER(_mm512_load_si512(dot + p * WNI_PANEL8)),
                               _mm512_load_ps(g->spread + p * WNI_PANEL8));

    return _mm512_fmadd_ps(s, v, _mm512_load_ps(g->high + p * WNI_PANEL8));
}

static inline __m512 lower_of(const wni_group8 *g, int p, __m512 s, const int32_t *dot)
{
    __m512 v = _mm512_fmsub_ps(_mm512_load_ps(g->scale + p * WNI_PANEL8),
                               WNI_DOTS8_NUMBER(_mm512_load_si512(dot + p * WNI_PANEL8)),
                               _mm512_load_ps(g->spread + p * WNI_PANEL8));

    return _mm512_fmadd_ps(s, v, _mm512_load_ps(g->low + p * WNI_PANEL8));
}

static inline __m512 highest(const __m512 *lower)
{
    return _mm512_max_ps(_mm512_max_ps(lower[0], lower[1]), _mm512_max_ps(lower[2], lower[3]));
}

/* need from the 64 lowers. */
static void lift_one(const __m512 *lower, float *need)
{
    const float most = _mm512_reduce_max_ps(highest(lower));

    if (most > *need) *need = most;
}

/* best and need, the second largest, from the 64 lowers. */
static void lift_two(const __m512 *lower, float *need, float *best)
{
    const __m512 top = highest(lower);
    const __m512 a = _mm512_min_ps(lower[0], lower[1]), b = _mm512_min_ps(lower[2], lower[3]);
    const __m512 ab =
        _mm512_min_ps(_mm512_max_ps(lower[0], lower[1]), _mm512_max_ps(lower[2], lower[3]));
    const float most = _mm512_reduce_max_ps(top);
    __mmask16 at = _mm512_cmp_ps_mask(top, _mm512_set1_ps(most), _CMP_EQ_OQ);
    __m512 next = _mm512_max_ps(_mm512_max_ps(a, b), ab); /* of each lane the second */
    float second;

    at &= (__mmask16)-at;
    next = _mm512_mask_max_ps(next, (__mmask16)~at, next, top);
    second = _mm512_reduce_max_ps(next);
    if (most > *best) {
        if (*best > second) second = *best;
        *best = most;
    } else
        second = most;
    if (second > *need) *need = second;
}

/* What the 16 columns of panel p must reach. */
static inline __m512 need_of(const wni_group8 *g, const wni_rows8 *rows, int64_t r, int p)
{
    const __m512 need = _mm512_set1_ps(rows->need[r]);

    if (!g->other) return need;
    return _mm512_min_ps(need, _mm512_add_ps(_mm512_load_ps(g->other + p * WNI_PANEL8),
                                             _mm512_set1_ps(rows->own[r])));
}

/* Lowers of known columns become the lowest. */
static inline void forget(const int32_t *known, int32_t first, __m512 *lower)
{
    for (int i = 0; i < 2; i++)
        for (int p = 0; p < WNI_PANELS8; p++) {
            const uint32_t lane = (uint32_t)known[i] - (uint32_t)first - (uint32_t)(p * WNI_PANEL8);

            if (lane < WNI_PANEL8)
                lower[p] = _mm512_mask_mov_ps(lower[p], (__mmask16)(1u << lane),
                                              _mm512_set1_ps(-__builtin_inff()));
        }
}

/* need, or best and need, from those of the lowers that count. */
static void lift(const wni_group8 *g, const wni_rows8 *rows, int64_t r, const float *stored)
{
    __m512 lower[WNI_PANELS8];

    for (int p = 0; p < WNI_PANELS8; p++)
        lower[p] = _mm512_load_ps(stored + p * WNI_PANEL8);
    if (rows->known) forget(rows->known + 2 * r, g->first, lower);
    if (rows->keep == 2)
        lift_two(lower, &rows->need[r], &rows->best[r]);
    else
        lift_one(lower, &rows->need[r]);
}

/* A row with the 64 integers in `dot`: raises what it needs and lists its hits, of which there are few. */
static __attribute__((noinline)) int64_t row_hits(const wni_group8 *g, const int32_t *dot,
                                                  int64_t r, const wni_rows8 *rows,
                                                  const wni_hits8 *hits, int64_t count)
{
    float upper[WNI_GROUP8] __attribute__((aligned(64)));
    float lower[WNI_GROUP8] __attribute__((aligned(64)));
    const __m512 s = _mm512_set1_ps(rows->scale[r]), before = _mm512_set1_ps(rows->need[r]);
    unsigned above = 0;
    uint64_t reached = 0;

    for (int p = 0; p < WNI_PANELS8; p++) {
        const __m512 low = lower_of(g, p, s, dot);

        _mm512_store_ps(upper + p * WNI_PANEL8, upper_of(g, p, s, dot));
        _mm512_store_ps(lower + p * WNI_PANEL8, low);
        above |= _mm512_cmp_ps_mask(low, before, _CMP_GT_OQ);
    }
    if (above && rows->keep) lift(g, rows, r, lower);
    for (int p = 0; p < WNI_PANELS8; p++) {
        const __m512 high = _mm512_load_ps(upper + p * WNI_PANEL8);

        reached |= (uint64_t)_mm512_cmp_ps_mask(high, need_of(g, rows, r, p), _CMP_GE_OQ)
                   << p * WNI_PANEL8;
    }
    for (; reached; reached &= reached - 1) {
        const int c = __builtin_ctzll(reached);

        hits->row[count] = rows->first + (int32_t)r;
        hits->column[count] = g->first + c;
        hits->upper[count] = upper[c];
        hits->lower[count++] = lower[c];
    }
    return count;
}

/* Whether one of the 64 uppers of row r reaches what the row needs. */
static inline unsigned reaches(const wni_group8 *g, const wni_rows8 *rows, int64_t r,
                               const int32_t *dot)
{
    const __m512 s = _mm512_set1_ps(rows->scale[r]);
    __m512 a = _mm512_max_ps(upper_of(g, 0, s, dot), upper_of(g, 1, s, dot));
    __m512 b = _mm512_max_ps(upper_of(g, 2, s, dot), upper_of(g, 3, s, dot));

    return _mm512_cmp_ps_mask(_mm512_max_ps(a, b), _mm512_set1_ps(rows->need[r]), _CMP_GE_OQ);
}

/* The same where columns have needs of their own. */
static inline unsigned reaches_both(const wni_group8 *g, const wni_rows8 *rows, int64_t r,
                                    const int32_t *dot)
{
    const __m512 s = _mm512_set1_ps(rows->scale[r]);
    unsigned hits = 0;

    for (int p = 0; p < WNI_PANELS8; p++)
        hits |= _mm512_cmp_ps_mask(upper_of(g, p, s, dot), need_of(g, rows, r, p), _CMP_GE_OQ);
    return hits;
}

/* Row r with its integers in dot (64), on a line: its hits go behind the `count` there are; returns how many there are
 * then. */
static inline int64_t wni_dots8_check(const wni_group8 *g, const wni_rows8 *rows, int64_t r,
                                      const int32_t *dot, const wni_hits8 *hits, int64_t count)
{
    if (g->other ? reaches_both(g, rows, r, dot) : reaches(g, rows, r, dot))
        return row_hits(g, dot, r, rows, hits, count);
    return count;
}

#endif
