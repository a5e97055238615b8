/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>
#include <math.h>

#include "kernels/variants.h"

#define WIDTH 4

/* Each lane keeps its own best, that one's index and its second best; strict > keeps the lower index.
 * The rest of n and the lanes are settled one by one. */
void wni_best_neon(const float *s, const float *bias, int64_t n, float *value, int64_t *at,
                   float *second)
{
    static const int32_t first[WIDTH] = {0, 1, 2, 3};
    int32x4_t index = vld1q_s32(first), top_index = index;
    float32x4_t top = vdupq_n_f32(-INFINITY), other = top;
    float lane_top[WIDTH], lane_other[WIDTH], best = -INFINITY, rest = -INFINITY;
    int32_t lane_index[WIDTH], winner = 0;
    int64_t j = 0;

    for (; j + WIDTH <= n; j += WIDTH) {
        float32x4_t v = vld1q_f32(s + j);
        uint32x4_t more;

        if (bias) v = vsubq_f32(v, vld1q_f32(bias + j));
        more = vcgtq_f32(v, top);
        other = vmaxq_f32(other, vminq_f32(v, top));
        top = vbslq_f32(more, v, top);
        top_index = vbslq_s32(more, index, top_index);
        index = vaddq_s32(index, vdupq_n_s32(WIDTH));
    }
    if (j > 0) {
        vst1q_f32(lane_top, top);
        vst1q_f32(lane_other, other);
        vst1q_s32(lane_index, top_index);
        best = lane_top[0];
        winner = lane_index[0];
        rest = lane_other[0];
        for (int l = 1; l < WIDTH; l++) {
            float loser = lane_top[l];

            if (loser > best || (loser == best && lane_index[l] < winner)) {
                loser = best;
                best = lane_top[l];
                winner = lane_index[l];
            }
            if (loser > rest) rest = loser;
            if (lane_other[l] > rest) rest = lane_other[l];
        }
    }
    for (; j < n; j++) {
        float v = s[j] - (bias ? bias[j] : 0);

        if (v > best) {
            rest = best;
            best = v;
            winner = (int32_t)j;
        } else if (v > rest)
            rest = v;
    }
    *value = s[winner] - (bias ? bias[winner] : 0);
    *at = winner;
    *second = rest + 0.0f; /* +0, whichever zero came first */
}
