/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/at/at.h"
#include "kernels/neon.h"

static inline float32x4_t step(float32x4_t sum, const float *a, float32x4_t b)
{
    float32x4_t difference = vsubq_f32(vld1q_f32(a), b);

    return vfmaq_f32(sum, difference, difference);
}

void wni_l2sq_at_neon(const float *q, const float *rows, int64_t ld, const int32_t *at, int64_t n,
                      float *out)
{
    const int64_t ahead = wni_at_ahead(ld * 4);

    wni_at_fetch(rows, ld * 4, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i++) {
        wni_at_fetch(rows, ld * 4, at, n, i + ahead, i + ahead + 1);
        out[i] = wni_l2sq_neon(q, rows + wni_at_row(at, n, i) * ld, ld);
    }
}

void wni_l2sq_f16_at_neon(const float *q, const uint16_t *rows, int64_t ld, const int32_t *at,
                          int64_t n, float *out)
{
    const int64_t ahead = wni_at_ahead(ld * 2);

    wni_at_fetch(rows, ld * 2, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i++) {
        const uint16_t *row = rows + wni_at_row(at, n, i) * ld;
        float32x4_t q0 = vdupq_n_f32(0), q1 = q0, q2 = q0, q3 = q0;

        wni_at_fetch(rows, ld * 2, at, n, i + ahead, i + ahead + 1);
        for (int64_t l = 0; l < ld; l += WNI_LANES) {
            float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(row + l));
            float16x8_t high = vreinterpretq_f16_u16(vld1q_u16(row + l + 8));

            q0 = step(q0, q + l, vcvt_f32_f16(vget_low_f16(low)));
            q1 = step(q1, q + l + 4, vcvt_high_f32_f16(low));
            q2 = step(q2, q + l + 8, vcvt_f32_f16(vget_low_f16(high)));
            q3 = step(q3, q + l + 12, vcvt_high_f32_f16(high));
        }
        out[i] = wni_tree_neon(q0, q1, q2, q3);
    }
}

void wni_l2sq_i8_at_neon(const wni_query_i8 *q, const int8_t *rows, int64_t ld, const int32_t *at,
                         int64_t n, float *out)
{
    const int64_t ahead = wni_at_ahead(ld);

    wni_at_fetch(rows, ld, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i++) {
        const int8_t *row = rows + wni_at_row(at, n, i) * ld;
        int32x4_t squares = vdupq_n_s32(0), products = squares;
        uint32_t square, product;

        wni_at_fetch(rows, ld, at, n, i + ahead, i + ahead + 1);
        for (int64_t l = 0; l < ld; l += 8) {
            int16x8_t x = vmovl_s8(vld1_s8(row + l)), y = vld1q_s16(q->q + l);

            squares = vmlal_s16(squares, vget_low_s16(x), vget_low_s16(x));
            squares = vmlal_high_s16(squares, x, x);
            products = vmlal_s16(products, vget_low_s16(x), vget_low_s16(y));
            products = vmlal_high_s16(products, x, y);
        }
        square = vaddvq_u32(vreinterpretq_u32_s32(squares));
        product = vaddvq_u32(vreinterpretq_u32_s32(products));
        out[i] = (float)((square << q->shift) - 2 * product + q->constant) * q->unit;
    }
}
