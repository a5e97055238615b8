/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles of 4 a rows x 4 b rows. Sixteen sums of 16 lanes would need 64 registers, so the rows are passed
 * four times, four lanes at a time, from L1.
 */
#include "kernels/neon.h"
#include "kernels/variants.h"

#define GROUP_BYTES 16384 /* of b rows in L1 */

#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y))

#define LOAD(p)      vld1q_f32(p)
#define FMA(a, b, c) vfmaq_f32(c, a, b)

/* s[4 * r + c] = a quarter of the lanes of a row r and b row c; `a` and `b` point at that quarter. */
static inline void quarter_4x4(const float *a, const float *b, int64_t ld, float32x4_t s[16])
{
    const float *a1 = a + ld, *a2 = a1 + ld, *a3 = a2 + ld;
    const float *b1 = b + ld, *b2 = b1 + ld, *b3 = b2 + ld;
    float32x4_t s00 = vdupq_n_f32(0), s01 = s00, s02 = s00, s03 = s00;
    float32x4_t s10 = s00, s11 = s00, s12 = s00, s13 = s00;
    float32x4_t s20 = s00, s21 = s00, s22 = s00, s23 = s00;
    float32x4_t s30 = s00, s31 = s00, s32 = s00, s33 = s00;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        float32x4_t x0 = LOAD(a + i), x1 = LOAD(a1 + i), x2 = LOAD(a2 + i), x3 = LOAD(a3 + i);
        float32x4_t y = LOAD(b + i);

        s00 = FMA(x0, y, s00), s10 = FMA(x1, y, s10), s20 = FMA(x2, y, s20), s30 = FMA(x3, y, s30);
        y = LOAD(b1 + i);
        s01 = FMA(x0, y, s01), s11 = FMA(x1, y, s11), s21 = FMA(x2, y, s21), s31 = FMA(x3, y, s31);
        y = LOAD(b2 + i);
        s02 = FMA(x0, y, s02), s12 = FMA(x1, y, s12), s22 = FMA(x2, y, s22), s32 = FMA(x3, y, s32);
        y = LOAD(b3 + i);
        s03 = FMA(x0, y, s03), s13 = FMA(x1, y, s13), s23 = FMA(x2, y, s23), s33 = FMA(x3, y, s33);
    }
    s[0] = s00, s[1] = s01, s[2] = s02, s[3] = s03, s[4] = s10, s[5] = s11, s[6] = s12, s[7] = s13;
    s[8] = s20, s[9] = s21, s[10] = s22, s[11] = s23;
    s[12] = s30, s[13] = s31, s[14] = s32, s[15] = s33;
}

/* Lanes l + 2 of a sum that has l + 8 and l + 4 behind it. */
static inline float32x2_t fold2(float32x4_t x)
{
    return vadd_f32(vget_low_f32(x), vget_high_f32(x));
}

static inline void tile_4x4(const float *a, const float *b, int64_t ld, float *out, int64_t ldo)
{
    float32x4_t s0[16], s1[16], s2[16];

    quarter_4x4(a, b, ld, s0);
    quarter_4x4(a + 8, b + 8, ld, s2);
    for (int t = 0; t < 16; t++)
        s0[t] = vaddq_f32(s0[t], s2[t]);
    quarter_4x4(a + 4, b + 4, ld, s1);
    quarter_4x4(a + 12, b + 12, ld, s2);
    for (int t = 0; t < 16; t++)
        s0[t] = vaddq_f32(s0[t], vaddq_f32(s1[t], s2[t]));
    for (int r = 0; r < 4; r++) {
        const float32x4_t *s = s0 + 4 * r;

        vst1_f32(out + r * ldo, vpadd_f32(fold2(s[0]), fold2(s[1])));
        vst1_f32(out + r * ldo + 2, vpadd_f32(fold2(s[2]), fold2(s[3])));
    }
}

void wni_dots_neon(const float *a, int64_t m, const float *b, int64_t n, int64_t ld, float *out,
                   int64_t ldo)
{
    const int64_t group = MAX(GROUP_BYTES / (ld * (int64_t)sizeof(float)) / 4 * 4, 4);
    const int64_t m4 = m / 4 * 4, n4 = n / 4 * 4;

    for (int64_t g = 0; g < n4; g += group) {
        const int64_t end = MIN(g + group, n4);

        for (int64_t i = 0; i < m4; i += 4)
            for (int64_t j = g; j < end; j += 4)
                tile_4x4(a + i * ld, b + j * ld, ld, out + i * ldo + j, ldo);
    }
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = i < m4 ? n4 : 0; j < n; j++)
            out[i * ldo + j] = wni_dot_neon(a + i * ld, b + j * ld, ld);
}
