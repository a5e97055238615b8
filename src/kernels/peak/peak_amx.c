/* SPDX-License-Identifier: Apache-2.0
 *
 * Row l of the one tile has the four codes of lane l in place l and zeros else, the other tile has lane l in column l
 * of line l: so the diagonal of their product is the lanes. Four tiles of sums are multiplied into in turn.
 */
#include <string.h>

#include "kernels/tiles.h"
#include "kernels/variants.h"

#define SUMS 4

int64_t wni_peak_i8_amx(int64_t rounds, const uint8_t *a, const int8_t *b, int32_t *out)
{
    uint8_t rows[WNI_TILE_ROWS * WNI_TILE_LINE] __attribute__((aligned(64))) = {0};
    int8_t panel[WNI_TILE_ROWS * WNI_TILE_LINE] __attribute__((aligned(64))) = {0};
    int32_t sums[SUMS][WNI_TILE_ROWS * WNI_LANES] __attribute__((aligned(64)));
    wni_tile_shapes s = {.palette = 1};

    for (int t = 0; t < SUMS + 2; t++) {
        s.rows[t] = WNI_TILE_ROWS;
        s.line[t] = WNI_TILE_LINE;
    }
    for (int l = 0; l < WNI_LANES; l++) {
        memcpy(rows + l * WNI_TILE_LINE + 4 * l, a + 4 * l, 4);
        memcpy(panel + l * WNI_TILE_LINE + 4 * l, b + 4 * l, 4);
    }
    WNI_TILE_FENCE(rows);
    WNI_TILE_FENCE(panel);
    WNI_TILE_FENCE(&s);
    WNI_TILE_SHAPE(&s); /* sums are zero */
    WNI_TILE_LOAD(4, rows, WNI_TILE_LINE);
    WNI_TILE_LOAD(5, panel, WNI_TILE_LINE);
    for (int64_t r = 0; r < rounds * (WNI_PEAK_COPIES / SUMS); r++) {
        WNI_TILE_DOT8(0, 4, 5);
        WNI_TILE_DOT8(1, 4, 5);
        WNI_TILE_DOT8(2, 4, 5);
        WNI_TILE_DOT8(3, 4, 5);
    }
    WNI_TILE_STORE(0, sums[0], WNI_TILE_LINE);
    WNI_TILE_STORE(1, sums[1], WNI_TILE_LINE);
    WNI_TILE_STORE(2, sums[2], WNI_TILE_LINE);
    WNI_TILE_STORE(3, sums[3], WNI_TILE_LINE);
    WNI_TILE_RELEASE();
    for (int l = 0; l < WNI_LANES; l++) {
        uint32_t sum = 0;

        for (int t = 0; t < SUMS; t++)
            sum += (uint32_t)sums[t][l * WNI_LANES + l];
        out[l] = (int32_t)sum;
    }
    return rounds * WNI_PEAK_COPIES * WNI_TILE_ROWS * WNI_LANES * WNI_TILE_LINE;
}
