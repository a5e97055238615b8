/* SPDX-License-Identifier: Apache-2.0
 *
 * A row of a block leaves the fast path when one of its 64 columns reaches what it needs. With marks
 * that is first asked of whole numbers, while the sums are in registers. With a head that is first
 * asked of the head and the most that the rest may add. Rows that may reach are listed, and taken
 * again with all dimensions: so blocks follow each other without a branch that is hard to foresee.
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

/* What blocks of 6 rows begin with where rows have marks, and what their sums are then apart from others'. */
typedef struct marked {
    int32_t begin[WNI_GROUP8], apart[WNI_GROUP8];
} marked;

static void mark_columns(const wni_group8 *g, marked *w)
{
    const int32_t *start = g->head ? g->head_start : g->start;

    for (int c = 0; c < WNI_GROUP8; c++) {
        w->begin[c] = start[c] + g->lift[c];
        if (g->other) w->apart[c] = g->lift_other[c] - g->lift[c];
    }
}

/* Which of the 6 rows from r may reach what they need; their sums with lifts in dot (6, 64) if any does. */
static __attribute__((noinline)) unsigned marked_rows(const wni_group8 *g, const marked *w,
                                                      const uint8_t *x, int64_t r, int64_t ld,
                                                      const wni_rows8 *rows, int32_t *dot)
{
    return wni_reaching6(g, x + r * ld, ld, ld, w->begin, rows->mark + r, 0, 0, dot);
}

/* The same by their heads, without the sums. */
static __attribute__((noinline)) unsigned marked_heads(const wni_group8 *g, const marked *w,
                                                       const uint8_t *x, int64_t r, int64_t ld,
                                                       const wni_rows8 *rows)
{
    return wni_reaching6(g, x + r * ld, ld, g->head, w->begin, rows->mark + r, 0, 0, 0);
}

/* Both for rows against rows. */
static __attribute__((noinline)) unsigned marked_both(const wni_group8 *g, const marked *w,
                                                      const uint8_t *x, int64_t r, int64_t ld,
                                                      const wni_rows8 *rows, int32_t *dot)
{
    return wni_reaching6(g, x + r * ld, ld, g->head ? g->head : ld, w->begin, rows->mark + r,
                         w->apart, rows->mark_other + r, g->head ? 0 : dot);
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
    int32_t list[SLICE_ROWS + 8];
    int64_t count = 0, ahead = g->next ? 0 : ld;
    marked w __attribute__((aligned(64)));

    if (g->lift) mark_columns(g, &w);
    for (int64_t r = 0; r < m; r += SLICE_ROWS) {
        const int64_t some = m - r < SLICE_ROWS ? m - r : SLICE_ROWS;
        int64_t n = 0;

        for (int64_t i = 0; i < some; i += BLOCK_ROWS) {
            unsigned bits;

            for (; ahead < ld * (r + i) / m; ahead++)
                _mm_prefetch((const char *)g->next + ahead * LINE, _MM_HINT_T1);
            if (g->lift)
                bits = g->other ? marked_both(g, &w, x, r + i, ld, rows, dot)
                                : marked_heads(g, &w, x, r + i, ld, rows);
            else {
                head_products(g, x + (r + i) * ld, ld, g->head_start, dot);
                bits = g->other ? reaching(g, rows, r + i, dot, 1, 1)
                                : reaching(g, rows, r + i, dot, 1, 0);
            }
            _mm256_storeu_si256(
                (__m256i *)(void *)(list + n),
                _mm256_maskz_compress_epi32(
                    (__mmask8)bits, _mm256_add_epi32(_mm256_set1_epi32((int32_t)i),
                                                     _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))));
            n += __builtin_popcount(bits);
        }
        *rows->passed += n;
        count = finish(g, x, ld, rows, r, list, n, hits, count);
    }
    return count;
}

/* The same with marks and all dimensions. */
static int64_t by_marks(const wni_group8 *g, const uint8_t *x, int64_t m, int64_t ld,
                        const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    marked w __attribute__((aligned(64)));
    int64_t count = 0;

    mark_columns(g, &w);
    for (int64_t r = 0; r < m; r += BLOCK_ROWS) {
        unsigned bits = g->other ? marked_both(g, &w, x, r, ld, rows, dot)
                                 : marked_rows(g, &w, x, r, ld, rows, dot);

        *rows->passed += __builtin_popcount(bits);
        for (; bits; bits &= bits - 1) {
            int32_t *at = dot + __builtin_ctz(bits) * WNI_GROUP8;

            for (int c = 0; c < WNI_GROUP8; c++)
                at[c] -= g->lift[c];
            count = wni_dots8_check(g, rows, r + __builtin_ctz(bits), at, hits, count);
        }
    }
    return count;
}

/* The same without marks. */
static int64_t by_bounds(const wni_group8 *g, const uint8_t *x, int64_t m, int64_t ld,
                         const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t count = 0;

    for (int64_t r = 0; r < m; r += BLOCK_ROWS) {
        unsigned bits;

        wni_products_of6(g, x + r * ld, ld, ld, g->start, dot);
        bits = g->other ? reaching(g, rows, r, dot, 0, 1) : reaching(g, rows, r, dot, 0, 0);
        for (; bits; bits &= bits - 1) {
            const int i = __builtin_ctz(bits);

            count = row_hits(g, dot + i * WNI_GROUP8, r + i, rows, hits, count);
        }
    }
    return count;
}

int64_t wni_dots8_vnni(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                       const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[WNI_GROUP8] __attribute__((aligned(64)));
    const int64_t whole = m / BLOCK_ROWS * BLOCK_ROWS;
    int64_t count = group->head   ? by_heads(group, x, whole, ld, rows, hits)
                    : group->lift ? by_marks(group, x, whole, ld, rows, hits)
                                  : by_bounds(group, x, whole, ld, rows, hits);

    for (int64_t r = whole; r < m; r++) {
        wni_products1(group, x + r * ld, ld, dot);
        count = wni_dots8_check(group, rows, r, dot, hits, count);
    }
    return count;
}
