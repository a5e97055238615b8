/* SPDX-License-Identifier: Apache-2.0
 *
 * The tile unit of AMX: eight registers of up to 16 rows of 64 bytes. Registers are named by literal numbers. A test
 * puts a unit of its own in place of the processor's by defining WNI_TILES_EMULATED and these macros first.
 */
#ifndef WNI_TILES_H
#define WNI_TILES_H

#include <stdint.h>

enum { WNI_TILE_ROWS = 16, WNI_TILE_LINE = 64 };

/* The shapes of all registers, as the processor reads them. */
typedef struct wni_tile_shapes {
    uint8_t palette, start_row, none[14];
    uint16_t line[16]; /* bytes of a row, a multiple of 4 */
    uint8_t rows[16];
} wni_tile_shapes;

#ifndef WNI_TILES_EMULATED
#include <immintrin.h>

/* What was written behind p is in memory: compilers do not all know that tile instructions read it. */
#define WNI_TILE_FENCE(p) __asm__ volatile("" : : "r"(p) : "memory")

#define WNI_TILE_SHAPE(shapes)         _tile_loadconfig(shapes)
#define WNI_TILE_LOAD(t, from, stride) _tile_loadd(t, from, stride)
#define WNI_TILE_STORE(t, to, stride)  _tile_stored(t, to, stride)
/* sums += the products of 4 unsigned bytes of a and 4 signed bytes of b, mod 2^32 */
#define WNI_TILE_DOT8(sums, a, b) _tile_dpbusd(sums, a, b)
/* sums += (the products of the even bf16 of a and b + those of the odd ones), f32 rounded to nearest; what is not
 * normal, read or made, is 0 */
#define WNI_TILE_DOT16(sums, a, b) _tile_dpbf16ps(sums, a, b)
#define WNI_TILE_RELEASE()         _tile_release()
#endif

#endif
