/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "kernels/variants.h"

int64_t wni_over_neon(const float *s, const float *bias, int64_t n, float floor, int32_t *at)
{
    const float32x4_t bar = vdupq_n_f32(floor);
    int64_t count = 0, j = 0;

    for (; j + 4 <= n; j += 4) {
        float32x4_t v = vld1q_f32(s + j);
        uint64_t hits;

        if (bias) v = vsubq_f32(v, vld1q_f32(bias + j));
        /* 16 bits of ones or zeros per lane */
        hits = vget_lane_u64(vreinterpret_u64_u16(vmovn_u32(vcgeq_f32(v, bar))), 0);
        for (hits &= 0x0001000100010001; hits; hits &= hits - 1)
            at[count++] = (int32_t)j + __builtin_ctzll(hits) / 16;
    }
    for (; j < n; j++)
        if (s[j] - (bias ? bias[j] : 0) >= floor) at[count++] = (int32_t)j;
    return count;
}
