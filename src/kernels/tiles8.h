/* SPDX-License-Identifier: Apache-2.0
 *
 * What dots8, tops8 and dots16 do in tiles: the sums of 32 rows x 64 columns, two tiles of rows times two panels in
 * four tiles of sums, twice. A panel of codes is a tile of 16 columns as it stands. While the tile unit multiplies one
 * block, the vector units look at the block before it.
 *
 * x and ld are in bytes: two of them are a dimension in bf16, whose panels have the same form. A file for bf16 defines
 * WNI_TILES8_DOT before.
 */
#ifndef WNI_TILES8_H
#define WNI_TILES8_H

#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/tiles.h"

#ifndef WNI_TILES8_DOT
#define WNI_TILES8_DOT(sums, a, b) WNI_TILE_DOT8(sums, a, b)
#endif

enum { WNI_TILES8_ROWS = 2 * WNI_TILE_ROWS };

/* Dimensions of a tile. */
static inline int64_t wni_tiles8_dims(int64_t ld)
{
    return ld < WNI_TILE_LINE ? ld : WNI_TILE_LINE;
}

/* Sums in 0..3 (2 of rows, 2 of panels), rows in 4 and 5, panels in 6 and 7; for blocks of so many rows. */
static inline void wni_tiles8_shape(int64_t rows, int64_t ld)
{
    const int64_t first = rows < WNI_TILE_ROWS ? rows : WNI_TILE_ROWS;
    const int64_t second = rows > first ? rows - first : first; /* no more than 16: not used */
    wni_tile_shapes s = {.palette = 1};

    for (int t = 0; t < 8; t++) {
        s.rows[t] = (uint8_t)(t == 2 || t == 3 || t == 5 ? second : first);
        s.line[t] = (uint16_t)(t == 4 || t == 5 ? wni_tiles8_dims(ld) : WNI_TILE_LINE);
    }
    s.rows[6] = s.rows[7] = (uint8_t)(wni_tiles8_dims(ld) / 4);
    WNI_TILE_FENCE(&s);
    WNI_TILE_SHAPE(&s);
}

/* The last 64 dimensions of `rows` rows, those before `from` as 0. */
static inline void wni_tiles8_last(const uint8_t *x, int64_t rows, int64_t ld, int64_t from,
                                   uint8_t *last)
{
    const __mmask64 behind = ~(__mmask64)0 << (from - (ld - WNI_TILE_LINE));

    for (int64_t r = 0; r < rows; r++)
        _mm512_store_si512(last + r * WNI_TILE_LINE,
                           _mm512_maskz_loadu_epi8(behind, x + (r + 1) * ld - WNI_TILE_LINE));
}

#define WNI_TILES8_STEP(a, stride, panel)                         \
    WNI_TILE_LOAD(6, panel, WNI_TILE_LINE);                       \
    WNI_TILE_LOAD(7, (panel) + ld * WNI_PANEL8, WNI_TILE_LINE);   \
    WNI_TILE_LOAD(4, a, stride);                                  \
    WNI_TILES8_DOT(0, 4, 6);                                      \
    WNI_TILES8_DOT(1, 4, 7);                                      \
    if (two) {                                                    \
        WNI_TILE_LOAD(5, (a) + WNI_TILE_ROWS * (stride), stride); \
        WNI_TILES8_DOT(2, 5, 6);                                  \
        WNI_TILES8_DOT(3, 5, 7);                                  \
    }

/* The integers of at most 32 rows of x into dot (rows, 64), shaped for them before. meanwhile(arg, count) is called
 * between steps, such that its counts sum to 32 at least. */
static inline __attribute__((always_inline)) void
wni_tiles8_products(const wni_group8 *g, const uint8_t *x, int64_t rows, int64_t ld, int32_t *dot,
                    void (*meanwhile)(void *arg, int64_t count), void *arg)
{
    const int64_t stride = WNI_GROUP8 * (int64_t)sizeof *dot, dims = wni_tiles8_dims(ld);
    const int64_t whole = ld / dims * dims, count = WNI_TILES8_ROWS * dims / (2 * whole) + 1;
    const int two = rows > WNI_TILE_ROWS;
    uint8_t last[WNI_TILES8_ROWS * WNI_TILE_LINE] __attribute__((aligned(64)));

    if (whole < ld) wni_tiles8_last(x, rows, ld, whole, last);
    WNI_TILE_FENCE(last);
    for (int p = 0; p < WNI_GROUP8; p += 2 * WNI_PANEL8) {
        const int8_t *panel = g->codes + p * ld;

        /* The start of a column, for every row. */
        WNI_TILE_LOAD(0, g->start + p, 0);
        WNI_TILE_LOAD(1, g->start + p + WNI_PANEL8, 0);
        if (two) {
            WNI_TILE_LOAD(2, g->start + p, 0);
            WNI_TILE_LOAD(3, g->start + p + WNI_PANEL8, 0);
        }
        for (int64_t i = 0; i < whole; i += dims) {
            WNI_TILES8_STEP(x + i, ld, panel + i * WNI_PANEL8)
            meanwhile(arg, count);
        }
        if (whole < ld) {
            WNI_TILES8_STEP(last, WNI_TILE_LINE, panel + (ld - dims) * WNI_PANEL8)
        }
        WNI_TILE_STORE(0, dot + p, stride);
        WNI_TILE_STORE(1, dot + p + WNI_PANEL8, stride);
        if (two) {
            WNI_TILE_STORE(2, dot + p + WNI_TILE_ROWS * WNI_GROUP8, stride);
            WNI_TILE_STORE(3, dot + p + WNI_PANEL8 + WNI_TILE_ROWS * WNI_GROUP8, stride);
        }
    }
}

/* Rows whose integers wait for the vector units. */
typedef struct wni_tiles8_waiting {
    const int32_t *dot; /* (end - row, 64) */
    int64_t row, end;
} wni_tiles8_waiting;

/* All m rows: meanwhile(arg, count) takes up to `count` rows from *waiting, and forgets them. */
static inline __attribute__((always_inline)) void
wni_tiles8_all(const wni_group8 *g, const uint8_t *x, int64_t m, int64_t ld,
               wni_tiles8_waiting *waiting, void (*meanwhile)(void *arg, int64_t count), void *arg)
{
    int32_t dot[2][WNI_TILES8_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t rows = 0;

    for (int64_t r = 0; r < m; r += rows) {
        const int64_t now = m - r < WNI_TILES8_ROWS ? m - r : WNI_TILES8_ROWS;
        int32_t *to = dot[r / WNI_TILES8_ROWS % 2];

        if (now != rows) wni_tiles8_shape(now, ld);
        rows = now;
        wni_tiles8_products(g, x + r * ld, rows, ld, to, meanwhile, arg);
        *waiting = (wni_tiles8_waiting){to, r, r + rows};
    }
    if (m > 0) WNI_TILE_RELEASE();
    meanwhile(arg, WNI_TILES8_ROWS);
}

#endif
