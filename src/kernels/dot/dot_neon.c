/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/neon.h"
#include "kernels/variants.h"

float wni_dot_neon(const float *a, const float *b, int64_t ld)
{
    float32x4_t q0 = vdupq_n_f32(0), q1 = q0, q2 = q0, q3 = q0;

    for (int64_t i = 0; i < ld; i += WNI_LANES) {
        q0 = vfmaq_f32(q0, vld1q_f32(a + i), vld1q_f32(b + i));
        q1 = vfmaq_f32(q1, vld1q_f32(a + i + 4), vld1q_f32(b + i + 4));
        q2 = vfmaq_f32(q2, vld1q_f32(a + i + 8), vld1q_f32(b + i + 8));
        q3 = vfmaq_f32(q3, vld1q_f32(a + i + 12), vld1q_f32(b + i + 12));
    }
    return wni_tree_neon(q0, q1, q2, q3);
}
