/* SPDX-License-Identifier: Apache-2.0
 *
 * A row of a block leaves the fast path when one of its 64 columns reaches what it needs. With a head that is first
 * asked of the head and the most that the rest may add. Rows that may reach are listed, and taken again with all
 * dimensions: so blocks follow each other without a branch that is hard to foresee.
 */
#include "kernels/dots8/dots8_bounds.h"
#include "kernels/dots8/products8_vnni.h"

#define SLICE_ROWS 192 /* for which rows that may reach are listed */
#define LINE       64  /* bytes that are fetched together: a group has ld of them */

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

/* A call, since what is around would cost the sums their registers. */
static __attribute__((noinline)) void head_products(const wni_group8 *g, const uint8_t *x,
                                                    int64_t ld, const int32_t *begin, int32_t *dot)
{
    wni_products_of6(g, x, ld, g->head, begin, dot);
}

/* The n rows from r on that are listed, all their dimensions, six at a time: those that reach are hits. */
static __attribute__((noinline)) int64_t finish(const wni_group8 *g, const uint8_t *x, int64_t ld,
                                                const wni_rows8 *rows, int64_t r,
                                                const int32_t *list, int64_t n,
                                                const wni_hits8 *hits, int64_t count)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));

    for (int64_t l = 0; l < n; l += BLOCK_ROWS) {
        const int64_t some = n - l < BLOCK_ROWS ? n - l : BLOCK_ROWS;
        const uint8_t *six[BLOCK_ROWS];

        if (some == 1)
            wni_products1(g, x + (r + list[l]) * ld, ld, dot);
        else {
            for (int64_t i = 0; i < BLOCK_ROWS; i++)
                six[i] = x + (r + list[l + (i < some ? i : 0)]) * ld;
            wni_products6(g, six, ld, ld, g->start, dot);
        }
        for (int64_t i = 0; i < some; i++)
            count = wni_dots8_check(g, rows, r + list[l + i], dot + i * WNI_GROUP8, hits, count);
    }
    return count;
}

/* A multiple of 6 rows by their heads. */
static int64_t by_heads(const wni_group8 *g, const uint8_t *x, int64_t m, int64_t ld,
                        const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int32_t list[SLICE_ROWS + BLOCK_ROWS];
    int64_t count = 0, ahead = g->next ? 0 : ld;

    for (int64_t r = 0; r < m; r += SLICE_ROWS) {
        const int64_t some = m - r < SLICE_ROWS ? m - r : SLICE_ROWS;
        int64_t n = 0;

        for (int64_t i = 0; i < some; i += BLOCK_ROWS) {
            unsigned bits;

            for (; ahead < ld * (r + i) / m; ahead++)
                _mm_prefetch((const char *)g->next + ahead * LINE, _MM_HINT_T1);
            head_products(g, x + (r + i) * ld, ld, g->head_start, dot);
            bits = g->other ? reaching(g, rows, r + i, dot, 1, 1)
                            : reaching(g, rows, r + i, dot, 1, 0);
            for (int l = 0; l < BLOCK_ROWS; l++, bits >>= 1) {
                list[n] = (int32_t)i + l;
                n += bits & 1;
            }
        }
        *rows->passed += n;
        count = finish(g, x, ld, rows, r, list, n, hits, count);
    }
    return count;
}

int64_t wni_dots8_vnni(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                       const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t count = 0, r = 0;

    if (group->head) {
        r = m / BLOCK_ROWS * BLOCK_ROWS;
        count = by_heads(group, x, r, ld, rows, hits);
    }
    for (; r + BLOCK_ROWS <= m; r += BLOCK_ROWS) {
        unsigned bits;

        wni_products_of6(group, x + r * ld, ld, ld, group->start, dot);
        bits = group->other ? reaching(group, rows, r, dot, 0, 1)
                            : reaching(group, rows, r, dot, 0, 0);
        for (; bits; bits &= bits - 1) {
            const int i = __builtin_ctz(bits);

            count = row_hits(group, dot + i * WNI_GROUP8, r + i, rows, hits, count);
        }
    }
    for (; r < m; r++) {
        wni_products1(group, x + r * ld, ld, dot);
        count = wni_dots8_check(group, rows, r, dot, hits, count);
    }
    return count;
}
