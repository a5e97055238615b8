/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels for tiles over a tile unit in plain C, which refuses what the processor would: shapes that do not fit
 * together, registers without a shape.
 */
#include "kernels/emulated_amx.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/emulated_tiles.h"

static wni_tile_shapes shapes;
static int tile_shaped;
static unsigned char tile[8][WNI_TILE_ROWS][WNI_TILE_LINE];
static int64_t products_done;

static void must(int holds)
{
    if (!holds) abort(); /* where the processor would stop */
}

void kt_tile_shape(const wni_tile_shapes *s)
{
    must(s->palette == 1 && s->start_row == 0);
    for (int i = 0; i < 14; i++)
        must(s->none[i] == 0);
    for (int t = 0; t < 16; t++) {
        must(s->rows[t] <= (t < 8 ? WNI_TILE_ROWS : 0) &&
             s->line[t] <= (t < 8 ? WNI_TILE_LINE : 0));
        must((s->rows[t] == 0) == (s->line[t] == 0));
    }
    shapes = *s;
    tile_shaped = 1;
    memset(tile, 0, sizeof tile);
}

void kt_tile_load(int t, const void *from, int64_t stride)
{
    must(tile_shaped && shapes.rows[t]);
    memset(tile[t], 0, sizeof tile[t]);
    for (int r = 0; r < shapes.rows[t]; r++)
        memcpy(tile[t][r], (const char *)from + r * stride, shapes.line[t]);
}

void kt_tile_store(int t, void *to, int64_t stride)
{
    must(tile_shaped && shapes.rows[t]);
    for (int r = 0; r < shapes.rows[t]; r++)
        memcpy((char *)to + r * stride, tile[t][r], shapes.line[t]);
}

void kt_tile_dot8(int sums, int a, int b)
{
    must(tile_shaped && shapes.rows[sums] && shapes.rows[sums] == shapes.rows[a]);
    must(shapes.line[sums] == shapes.line[b] && shapes.line[a] == 4 * shapes.rows[b]);
    must(sums != a && sums != b && a != b && shapes.line[a] % 4 == 0 && shapes.line[b] % 4 == 0);
    for (int r = 0; r < shapes.rows[sums]; r++)
        for (int c = 0; c < shapes.line[sums] / 4; c++) {
            uint32_t sum;

            memcpy(&sum, tile[sums][r] + 4 * c, sizeof sum);
            for (int i = 0; i < shapes.line[a]; i++)
                sum += (uint32_t)((int32_t)tile[a][r][i] *
                                  (int32_t)(int8_t)tile[b][i / 4][4 * c + i % 4]);
            memcpy(tile[sums][r] + 4 * c, &sum, sizeof sum);
        }
    products_done++;
}

static float f32_of(const unsigned char *at)
{
    float v;

    memcpy(&v, at, sizeof v);
    return v;
}

/* bf16 number i of a row of a tile. */
static float bf16_in(const unsigned char *row, int i)
{
    const unsigned char bytes[4] = {0, 0, row[2 * i], row[2 * i + 1]};

    return f32_of(bytes);
}

/* What is not normal counts as 0. */
static float flushed(float v)
{
    return fabsf(v) < FLT_MIN ? copysignf(0, v) : v;
}

/* As the processor is described to do it: even and odd products in a sum each, then both into the tile. */
void kt_tile_dot16(int sums, int a, int b)
{
    must(tile_shaped && shapes.rows[sums] && shapes.rows[sums] == shapes.rows[a]);
    must(shapes.line[sums] == shapes.line[b] && shapes.line[a] == 4 * shapes.rows[b]);
    must(sums != a && sums != b && a != b && shapes.line[a] % 4 == 0 && shapes.line[b] % 4 == 0);
    for (int r = 0; r < shapes.rows[sums]; r++)
        for (int c = 0; c < shapes.line[sums] / 4; c++) {
            float two[2] = {0, 0}, sum = flushed(f32_of(tile[sums][r] + 4 * c));

            for (int i = 0; i < shapes.line[a] / 2; i++)
                two[i % 2] =
                    flushed(fmaf(flushed(bf16_in(tile[a][r], i)),
                                 flushed(bf16_in(tile[b][i / 2], 2 * c + i % 2)), two[i % 2]));
            sum = flushed(sum + flushed(two[0] + two[1]));
            memcpy(tile[sums][r] + 4 * c, &sum, sizeof sum);
        }
    products_done++;
}

void kt_tile_release(void)
{
    tile_shaped = 0;
}

#define wni_dots8_amx   kt_dots8_emulated
#define wni_peak_i8_amx kt_peak_i8_emulated
#define wni_tops8_amx   kt_tops8_emulated
#include "kernels/dots8/dots8_amx.c"
#include "kernels/peak/peak_amx.c"
#include "kernels/tops8/tops8_amx.c"

int64_t kt_tile_products(void)
{
    must(!tile_shaped); /* given back */
    return products_done;
}
