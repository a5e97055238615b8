/* SPDX-License-Identifier: Apache-2.0
 *
 * The integers from tiles, the bounds as in the VNNI variant. Integers are exact, so hits have the same bits.
 */
#include "kernels/dots8/dots8_bounds.h"
#include "kernels/tiles8.h"

typedef struct dots8_work {
    const wni_group8 *group;
    const wni_rows8 *rows;
    const wni_hits8 *hits;
    int64_t count;
    wni_tiles8_waiting waiting;
} dots8_work;

static inline void check_rows(void *arg, int64_t count)
{
    dots8_work *w = arg;
    wni_tiles8_waiting *b = &w->waiting;

    for (; count > 0 && b->row < b->end; count--, b->row++, b->dot += WNI_GROUP8)
        w->count = wni_dots8_check(w->group, w->rows, b->row, b->dot, w->hits, w->count);
}

int64_t wni_dots8_amx(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                      const wni_rows8 *rows, const wni_hits8 *hits)
{
    dots8_work w = {.group = group, .rows = rows, .hits = hits};

    wni_tiles8_all(group, x, m, ld, &w.waiting, check_rows, &w);
    return w.count;
}
