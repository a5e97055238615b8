/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/tiles8.h"
#include "kernels/tops8/tops8_row.h"

typedef struct tops8_work {
    const wni_group8 *group;
    const float *scale; /* (m) */
    float *top;         /* (4, m) */
    int64_t m;
    wni_tiles8_waiting waiting;
} tops8_work;

static inline void top_rows(void *arg, int64_t count)
{
    tops8_work *w = arg;
    wni_tiles8_waiting *b = &w->waiting;

    for (; count > 0 && b->row < b->end; count--, b->row++, b->dot += WNI_GROUP8)
        wni_tops8_row(w->group, b->dot, b->row, w->m, w->scale, w->top);
}

void wni_tops8_amx(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                   const float *scale, float *top)
{
    tops8_work w = {.group = group, .scale = scale, .top = top, .m = m};

    wni_tiles8_all(group, x, m, ld, &w.waiting, top_rows, &w);
}
