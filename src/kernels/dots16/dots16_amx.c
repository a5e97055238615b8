/* SPDX-License-Identifier: Apache-2.0
 *
 * The sums from tiles, the bounds as in the variant without. A dimension has two bytes.
 */
#define WNI_DOTS8_NUMBER(v)        _mm512_castsi512_ps(v)
#define WNI_TILES8_DOT(sums, a, b) WNI_TILE_DOT16(sums, a, b)
#include "kernels/dots8/dots8_bounds.h"
#include "kernels/tiles8.h"

typedef struct dots16_work {
    const wni_group8 *group;
    const wni_rows8 *rows;
    const wni_hits8 *hits;
    int64_t count;
    wni_tiles8_waiting waiting; /* the bits of f32 */
} dots16_work;

static inline void check_sums(void *arg, int64_t count)
{
    dots16_work *w = arg;
    wni_tiles8_waiting *b = &w->waiting;

    for (; count > 0 && b->row < b->end; count--, b->row++, b->dot += WNI_GROUP8)
        w->count = wni_dots8_check(w->group, w->rows, b->row, b->dot, w->hits, w->count);
}

int64_t wni_dots16_amx(const wni_group8 *group, const uint16_t *panels, const uint16_t *x,
                       int64_t m, int64_t ld, const wni_rows8 *rows, const wni_hits8 *hits)
{
    static const int32_t zero[WNI_GROUP8] __attribute__((aligned(64)));
    const wni_group8 sums = {.codes = (const int8_t *)(const void *)panels, .start = zero};
    dots16_work w = {.group = group, .rows = rows, .hits = hits};

    wni_tiles8_all(&sums, (const uint8_t *)(const void *)x, m, 2 * ld, &w.waiting, check_sums, &w);
    return w.count;
}
