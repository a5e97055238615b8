/* SPDX-License-Identifier: Apache-2.0
 *
 * All pairs of a few rows, as dense tiles: dot products of 16 rows at a time with the columns to their right,
 * then only what may enter a list is looked at one by one.
 *
 * Of rows a and b the squared distance is |a|^2 + |b|^2 - 2 ab; it may enter the list of a when it lies below
 * `far` of a, that is ab - |b|^2 / 2 > (|a|^2 - far) / 2, and that of b when ab - (|b|^2 - far_b) / 2 > |a|^2 / 2.
 * So both questions are one comparison per column (kernel `over`). They are asked with a margin above all
 * rounding errors: whether a pair enters is decided by its distance, computed in one way. Since the ends of
 * lists only move inwards, an old one asks too little of a pair, never too much.
 */
#include <math.h>

#include "graph/descent_impl.h"

#define MARGIN 0x1p-20f

wn_status wni_panel_new(wn_ctx *ctx, int64_t room, int64_t ld, wni_panel *p)
{
    wn_status st = WN_OK;

    p->room = room;
    WNI_NEW(ctx, p->own, room * ld);
    WNI_NEW(ctx, p->node, room);
    WNI_NEW(ctx, p->norm, room);
    WNI_NEW(ctx, p->half, room);
    WNI_NEW(ctx, p->reach, room);
    WNI_NEW(ctx, p->scores, WNI_PANEL_ROWS * WNI_DESCENT_COLUMNS);
done:
    return st;
}

void wni_panel_free(wn_ctx *ctx, wni_panel *p)
{
    wni_free(ctx, p->own);
    wni_free(ctx, p->node);
    wni_free(ctx, p->norm);
    wni_free(ctx, p->half);
    wni_free(ctx, p->reach);
    wni_free(ctx, p->scores);
}

int64_t wni_panel_bytes(int64_t room, int64_t ld)
{
    return room * (ld + 4) * 4 + WNI_PANEL_ROWS * WNI_DESCENT_COLUMNS * 4 + 6 * WNI_ALIGN;
}

wn_status wni_panel_fill(wn_ctx *ctx, const wni_descent *s, wni_panel *p)
{
    wn_status st = WN_OK;

    if (s->rows && p->node[p->n - 1] - p->node[0] == (uint32_t)p->n - 1) {
        int64_t i = 1;

        while (i < p->n && p->node[i] == p->node[i - 1] + 1)
            i++;
        p->v = i == p->n ? s->rows + p->node[0] * s->ld : p->own;
    } else {
        p->v = p->own;
    }
    if (p->v == p->own) st = wni_descent_rows(ctx, s, p->node, p->n, p->own);
    return st;
}

static void hold(const wni_descent *s, uint32_t v)
{
    while (atomic_exchange_explicit(&s->held[v], 1, memory_order_acquire))
        while (atomic_load_explicit(&s->held[v], memory_order_relaxed))
            ;
}

static void offer(const wni_descent *s, wni_panel *p, int64_t to, int64_t from, float dot,
                  int shared)
{
    const uint32_t v = p->node[to];
    const uint32_t bits = wni_descent_bits(p->norm[to], p->norm[from], dot);

    if (bits > atomic_load_explicit(&s->far[v], memory_order_relaxed)) return;
    if (shared) hold(s, v);
    if (wni_list_offer(s->list + v * s->k, s->k, bits, p->node[from])) {
        wni_far_set(s, v);
        p->reach[to] = (p->norm[to] - wni_far(s, v)) / 2;
    }
    if (shared) atomic_store_explicit(&s->held[v], 0, memory_order_release);
}

void wni_panel_join(const wni_descent *s, wni_panel *p, int shared)
{
    const wni_kernels *kernels = s->kernels;
    int32_t hits[WNI_DESCENT_COLUMNS];
    float longest = 0;

    for (int64_t i = 0; i < p->n; i++) {
        /* In a leaf every list is used, and much of a list changes. */
        for (int64_t c = 0; !shared && c < s->k; c += WNI_ALIGN / (int64_t)sizeof *s->list)
            __builtin_prefetch(s->list + p->node[i] * s->k + c, 1);
        p->norm[i] = s->norm[p->node[i]];
        p->half[i] = p->norm[i] / 2;
        p->reach[i] = (p->norm[i] - wni_far(s, p->node[i])) / 2;
        longest = p->norm[i] > longest ? p->norm[i] : longest;
    }
    for (int64_t i0 = 0; i0 < p->m; i0 += WNI_PANEL_ROWS) {
        const int64_t m = wni_min(WNI_PANEL_ROWS, p->m - i0);

        for (int64_t j0 = i0 / 4 * 4; j0 < p->n; j0 += WNI_DESCENT_COLUMNS) {
            const int64_t n = wni_min(WNI_DESCENT_COLUMNS, p->n - j0);

            kernels->dots(p->v + i0 * s->ld, m, p->v + j0 * s->ld, n, s->ld, p->scores,
                          WNI_DESCENT_COLUMNS);
            for (int64_t i = i0; i < i0 + m; i++) {
                const float *row = p->scores + (i - i0) * WNI_DESCENT_COLUMNS;
                const int64_t from = wni_max(i + 1 - j0, 0), count = n - from;
                const float margin = MARGIN * (p->norm[i] + longest);
                int64_t hit;

                if (count <= 0) continue;
                hit = kernels->over(row + from, p->half + j0 + from, count, p->reach[i] - margin,
                                    hits);
                for (int64_t h = 0; h < hit; h++)
                    offer(s, p, i, j0 + from + hits[h], row[from + hits[h]], shared);
                hit = kernels->over(row + from, p->reach + j0 + from, count, p->half[i] - margin,
                                    hits);
                for (int64_t h = 0; h < hit; h++)
                    offer(s, p, j0 + from + hits[h], i, row[from + hits[h]], shared);
            }
        }
    }
}
