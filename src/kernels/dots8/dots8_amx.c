/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 32 rows x 64 columns: two tiles of rows times two panels in four tiles of sums, twice. A panel of codes is
 * a tile of 16 columns as it stands. While the tile unit multiplies one block, the vector units look at the block
 * before it. Integers are exact, so hits have the bits of every other variant.
 */
#include "kernels/dots8/dots8_bounds.h"
#include "kernels/tiles.h"

#define BLOCK_ROWS (2 * WNI_TILE_ROWS)

/* Rows whose integers wait for the vector units. */
typedef struct waiting {
    const int32_t *dot; /* (end - row, 64) */
    int64_t row, end;
} waiting;

typedef struct work {
    const wni_group8 *group;
    const uint8_t *x; /* (m, ld) */
    int64_t ld;
    const wni_rows8 *rows;
    const wni_hits8 *hits;
    int64_t count;
    waiting before;
} work;

/* Sums in 0..3 (rows 2, panels 2), rows in 4 and 5, panels in 6 and 7; `dims` of a row at a time. */
static void shape(int64_t rows, int64_t dims)
{
    wni_tile_shapes s = {.palette = 1};

    for (int t = 0; t < 8; t++) {
        const int second = t == 2 || t == 3 || t == 5; /* not used when there are no more than 16 */

        s.rows[t] =
            (uint8_t)(t >= 6                 ? dims / 4
                      : rows >= BLOCK_ROWS   ? WNI_TILE_ROWS
                      : rows > WNI_TILE_ROWS ? (second ? rows - WNI_TILE_ROWS : WNI_TILE_ROWS)
                                             : rows);
        s.line[t] = (uint16_t)(t == 4 || t == 5 ? dims : WNI_TILE_LINE);
    }
    WNI_TILE_FENCE(&s);
    WNI_TILE_SHAPE(&s);
}

static inline void check(work *w, int64_t rows)
{
    waiting *b = &w->before;

    for (; rows > 0 && b->row < b->end; rows--, b->row++, b->dot += WNI_GROUP8)
        w->count = wni_dots8_check(w->group, w->rows, b->row, b->dot, w->hits, w->count);
}

/* The last 64 dimensions of `rows` rows, those before `from` as 0. */
static void copy_last(const uint8_t *x, int64_t rows, int64_t ld, int64_t from, uint8_t *last)
{
    const __mmask64 behind = ~(__mmask64)0 << (from - (ld - WNI_TILE_LINE));

    for (int64_t r = 0; r < rows; r++)
        _mm512_store_si512(last + r * WNI_TILE_LINE,
                           _mm512_maskz_loadu_epi8(behind, x + (r + 1) * ld - WNI_TILE_LINE));
}

#define STEP(a, stride, panel)                                    \
    WNI_TILE_LOAD(6, panel, WNI_TILE_LINE);                       \
    WNI_TILE_LOAD(7, (panel) + ld * WNI_PANEL8, WNI_TILE_LINE);   \
    WNI_TILE_LOAD(4, a, stride);                                  \
    WNI_TILE_DOT8(0, 4, 6);                                       \
    WNI_TILE_DOT8(1, 4, 7);                                       \
    if (two) {                                                    \
        WNI_TILE_LOAD(5, (a) + WNI_TILE_ROWS * (stride), stride); \
        WNI_TILE_DOT8(2, 5, 6);                                   \
        WNI_TILE_DOT8(3, 5, 7);                                   \
    }

/* The integers of at most 32 rows into dot (rows, 64). */
static void products(work *w, int64_t row, int64_t rows, int32_t *dot)
{
    const wni_group8 *g = w->group;
    const int64_t ld = w->ld, stride = WNI_GROUP8 * (int64_t)sizeof *dot;
    const int64_t dims = ld < WNI_TILE_LINE ? ld : WNI_TILE_LINE, whole = ld / dims * dims;
    const int64_t checks = BLOCK_ROWS * dims / (2 * whole) + 1;
    const uint8_t *x = w->x + row * ld;
    const int two = rows > WNI_TILE_ROWS;
    uint8_t last[BLOCK_ROWS * WNI_TILE_LINE] __attribute__((aligned(64)));

    if (whole < ld) copy_last(x, rows, ld, whole, last);
    WNI_TILE_FENCE(last);
    for (int p = 0; p < WNI_GROUP8; p += 2 * WNI_PANEL8) {
        const int8_t *panel = g->codes + p * ld;

        /* The start of a column for every row. */
        WNI_TILE_LOAD(0, g->start + p, 0);
        WNI_TILE_LOAD(1, g->start + p + WNI_PANEL8, 0);
        if (two) {
            WNI_TILE_LOAD(2, g->start + p, 0);
            WNI_TILE_LOAD(3, g->start + p + WNI_PANEL8, 0);
        }
        for (int64_t i = 0; i < whole; i += dims) {
            STEP(x + i, ld, panel + i * WNI_PANEL8)
            check(w, checks);
        }
        if (whole < ld) {
            STEP(last, WNI_TILE_LINE, panel + (ld - dims) * WNI_PANEL8)
        }
        WNI_TILE_STORE(0, dot + p, stride);
        WNI_TILE_STORE(1, dot + p + WNI_PANEL8, stride);
        if (two) {
            WNI_TILE_STORE(2, dot + p + WNI_TILE_ROWS * WNI_GROUP8, stride);
            WNI_TILE_STORE(3, dot + p + WNI_PANEL8 + WNI_TILE_ROWS * WNI_GROUP8, stride);
        }
    }
    check(w, BLOCK_ROWS);
    w->before = (waiting){dot, row, row + rows};
}

int64_t wni_dots8_amx(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                      const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[2][BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    work w = {.group = group, .x = x, .ld = ld, .rows = rows, .hits = hits};
    int64_t shaped = 0;

    for (int64_t r = 0; r < m; r += shaped) {
        const int64_t now = m - r < BLOCK_ROWS ? m - r : BLOCK_ROWS;

        if (now != shaped) shape(now, ld < WNI_TILE_LINE ? ld : WNI_TILE_LINE);
        shaped = now;
        products(&w, r, now, dot[r / BLOCK_ROWS % 2]);
    }
    if (m > 0) WNI_TILE_RELEASE();
    check(&w, BLOCK_ROWS);
    return w.count;
}
