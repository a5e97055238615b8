/* SPDX-License-Identifier: Apache-2.0
 *
 * What the NEON variants share: the canonical sum of 16 lanes, held in four registers.
 */
#ifndef WNI_NEON_H
#define WNI_NEON_H

#include <arm_neon.h>

/* Lanes l + 8, l + 4, l + 2, l + 1; q0 holds lanes 0..3, q3 lanes 12..15. */
static inline float wni_tree_neon(float32x4_t q0, float32x4_t q1, float32x4_t q2, float32x4_t q3)
{
    float32x4_t x = vaddq_f32(vaddq_f32(q0, q2), vaddq_f32(q1, q3));
    float32x2_t y = vadd_f32(vget_low_f32(x), vget_high_f32(x));

    return vget_lane_f32(vpadd_f32(y, y), 0);
}

#endif
