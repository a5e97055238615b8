/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 5 columns of r x 16 columns of x, summed over a group of rows that stays in L1.
 */
#include <arm_neon.h>

#include "kernels/variants.h"

#define GROUP 16 /* rows */
#define TILE  5  /* columns of r */

#define MIN(x, y) ((x) < (y) ? (x) : (y))

/* The loops over c and q have fixed bounds: compilers unroll them into registers. */
static inline void tile_5x16(float *acc, const float *r, int64_t ldr, const float *x, int64_t m,
                             int64_t ld)
{
    float32x4_t s[TILE][4];

    for (int c = 0; c < TILE; c++)
        for (int q = 0; q < 4; q++)
            s[c][q] = vld1q_f32(acc + c * ld + 4 * q);
    for (int64_t i = 0; i < m; i++, r += ldr, x += ld) {
        float32x4_t y[4] = {vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)};

        for (int c = 0; c < TILE; c++)
            for (int q = 0; q < 4; q++)
                s[c][q] = vfmaq_f32(s[c][q], vdupq_n_f32(r[c]), y[q]);
    }
    for (int c = 0; c < TILE; c++)
        for (int q = 0; q < 4; q++)
            vst1q_f32(acc + c * ld + 4 * q, s[c][q]);
}

static inline void tile_1x16(float *acc, const float *r, int64_t ldr, const float *x, int64_t m,
                             int64_t ld)
{
    float32x4_t s[4];

    for (int q = 0; q < 4; q++)
        s[q] = vld1q_f32(acc + 4 * q);
    for (int64_t i = 0; i < m; i++)
        for (int q = 0; q < 4; q++)
            s[q] = vfmaq_f32(s[q], vdupq_n_f32(r[i * ldr]), vld1q_f32(x + i * ld + 4 * q));
    for (int q = 0; q < 4; q++)
        vst1q_f32(acc + 4 * q, s[q]);
}

void wni_outer_neon(float *acc, const float *r, int64_t ldr, int64_t n, const float *x, int64_t m,
                    int64_t ld)
{
    const int64_t n5 = n / TILE * TILE;

    for (int64_t g = 0; g < m; g += GROUP) {
        const int64_t rows = MIN(GROUP, m - g);
        const float *rg = r + g * ldr, *xg = x + g * ld;

        for (int64_t c = 0; c < n5; c += TILE)
            for (int64_t j = 0; j < ld; j += WNI_LANES)
                tile_5x16(acc + c * ld + j, rg + c, ldr, xg + j, rows, ld);
        for (int64_t c = n5; c < n; c++)
            for (int64_t j = 0; j < ld; j += WNI_LANES)
                tile_1x16(acc + c * ld + j, rg + c, ldr, xg + j, rows, ld);
    }
}
