/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/neon.h"
#include "kernels/variants.h"

static inline float32x4_t step(float32x4_t sum, const float *a, const float *b)
{
    float32x4_t difference = vsubq_f32(vld1q_f32(a), vld1q_f32(b));

    return vfmaq_f32(sum, difference, difference);
}

float wni_l2sq_neon(const float *a, const float *b, int64_t ld)
{
    float32x4_t q0 = vdupq_n_f32(0), q1 = q0, q2 = q0, q3 = q0;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        q0 = step(q0, a + i, b + i);
        q1 = step(q1, a + i + 4, b + i + 4);
        q2 = step(q2, a + i + 8, b + i + 8);
        q3 = step(q3, a + i + 12, b + i + 12);
    }
    return wni_tree_neon(q0, q1, q2, q3);
}
