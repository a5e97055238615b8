/* SPDX-License-Identifier: Apache-2.0
 *
 * A row of a block leaves the fast path when one of its 64 columns reaches what it needs. With a head that is first
 * asked of the head and the most that the rest may add.
 */
#include "kernels/dots8/dots8_bounds.h"
#include "kernels/dots8/products8_vnni.h"

#define FINISH_ROWS 3 /* of a block, from which all are finished together */

/* Which of the 6 rows from r have an upper that reaches what it needs; sums of the head alone in dot (6, 64) when
 * `head`. One panel at a time, its numbers in registers. */
static inline __attribute__((always_inline)) unsigned reaching(const wni_group8 *g,
                                                               const wni_rows8 *rows, int64_t r,
                                                               const int32_t *dot, int head,
                                                               int both)
{
    __m512 top[BLOCK_ROWS];
    unsigned found[BLOCK_ROWS] = {0}, bits = 0;

    for (int p = 0; p < WNI_GROUP8; p += WNI_PANEL8) {
        const __m512 scale = _mm512_load_ps(g->scale + p), spread = _mm512_load_ps(g->spread + p);
        const __m512 high = _mm512_load_ps(g->high + p);
        const __m512 rest = head ? _mm512_load_ps(g->rest + p) : high;
        const __m512 other = both ? _mm512_load_ps(g->other + p) : high;

        for (int i = 0; i < BLOCK_ROWS; i++) {
            __m512 v = _mm512_cvtepi32_ps(_mm512_load_si512(dot + i * WNI_GROUP8 + p));

            if (head) v = _mm512_fmadd_ps(_mm512_set1_ps(rows->rest[r + i]), rest, v);
            v = _mm512_fmadd_ps(scale, v, spread);
            v = _mm512_fmadd_ps(_mm512_set1_ps(rows->scale[r + i]), v, high);
            if (both)
                found[i] |= _mm512_cmp_ps_mask(
                    v,
                    _mm512_min_ps(_mm512_set1_ps(rows->need[r + i]),
                                  _mm512_add_ps(other, _mm512_set1_ps(rows->own[r + i]))),
                    _CMP_GE_OQ);
            else
                top[i] = p == 0 ? v : _mm512_max_ps(top[i], v);
        }
    }
    for (int i = 0; i < BLOCK_ROWS; i++) {
        if (!both)
            found[i] = _mm512_cmp_ps_mask(top[i], _mm512_set1_ps(rows->need[r + i]), _CMP_GE_OQ);
        bits |= (unsigned)(found[i] != 0) << i;
    }
    return bits;
}

static inline unsigned reaching_whole(const wni_group8 *g, const wni_rows8 *rows, int64_t r,
                                      const int32_t *dot)
{
    return g->other ? reaching(g, rows, r, dot, 0, 1) : reaching(g, rows, r, dot, 0, 0);
}

/* The start of what the head has not seen. */
static inline void add_rest(const wni_group8 *g, int32_t *dot)
{
    for (int p = 0; p < WNI_GROUP8; p += WNI_PANEL8) {
        const __m512i more =
            _mm512_sub_epi32(_mm512_load_si512(g->start + p), _mm512_load_si512(g->head_start + p));

        _mm512_store_si512(dot + p, _mm512_add_epi32(_mm512_load_si512(dot + p), more));
    }
}

/* Rows r.. of a block, those in `bits` or more: from the head's sums to all of them; returns those that reach what
 * they need. */
static __attribute__((noinline)) unsigned finish(const wni_group8 *g, const uint8_t *x, int64_t ld,
                                                 const wni_rows8 *rows, int64_t r, int32_t *dot,
                                                 unsigned bits)
{
    unsigned left = bits;

    if (__builtin_popcount(bits) >= FINISH_ROWS) {
        for (int i = 0; i < BLOCK_ROWS; i++)
            add_rest(g, dot + i * WNI_GROUP8);
        wni_products6(g, x, ld, g->head, ld, dot, WNI_GROUP8, dot);
        return reaching_whole(g, rows, r, dot);
    }
    for (; left; left &= left - 1) {
        const int i = __builtin_ctz(left);
        int32_t *row = dot + i * WNI_GROUP8;

        add_rest(g, row);
        wni_products1(g, x + i * ld, ld, g->head, ld, row, row);
        if (!(g->other ? reaches_both(g, rows, r + i, row) : reaches(g, rows, r + i, row)))
            bits &= ~(1u << i);
    }
    return bits;
}

int64_t wni_dots8_vnni(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                       const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t count = 0, passed = 0, r = 0;

    for (; r + BLOCK_ROWS <= m; r += BLOCK_ROWS) {
        unsigned bits;

        if (group->head) {
            wni_products6(group, x + r * ld, ld, 0, group->head, group->head_start, 0, dot);
            bits = group->other ? reaching(group, rows, r, dot, 1, 1)
                                : reaching(group, rows, r, dot, 1, 0);
            if (!bits) continue;
            passed += __builtin_popcount(bits);
            bits = finish(group, x + r * ld, ld, rows, r, dot, bits);
        } else {
            wni_products6(group, x + r * ld, ld, 0, ld, group->start, 0, dot);
            bits = reaching_whole(group, rows, r, dot);
        }
        for (; bits; bits &= bits - 1) {
            const int i = __builtin_ctz(bits);

            count = row_hits(group, dot + i * WNI_GROUP8, r + i, rows, hits, count);
        }
    }
    for (; r < m; r++) {
        wni_products1(group, x + r * ld, ld, 0, ld, group->start, dot);
        count = wni_dots8_check(group, rows, r, dot, hits, count);
    }
    if (group->head) *rows->passed += passed;
    return count;
}
