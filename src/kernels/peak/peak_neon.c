/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "kernels/variants.h"

#define WIDTH 4
#define PASS  16 /* registers at a time */

/* Loops over v have fixed bounds: compilers unroll them into registers. */
int64_t wni_peak_f32_neon(int64_t rounds, const float *start, float *out)
{
    const float32x4_t half = vdupq_n_f32(0.5f), one = vdupq_n_f32(1);

    for (int i = 0; i < WNI_PEAK_COPIES * WNI_LANES; i += WIDTH * PASS) {
        float32x4_t x[PASS];

        for (int v = 0; v < PASS; v++)
            x[v] = vld1q_f32(start + i + WIDTH * v);
        for (int64_t r = 0; r < rounds; r++)
            for (int v = 0; v < PASS; v++)
                x[v] = vfmaq_f32(one, x[v], half);
        for (int v = 0; v < PASS; v++) {
            const int at = (i + WIDTH * v) % WNI_LANES, first = i + WIDTH * v < WNI_LANES;

            vst1q_f32(out + at, first ? x[v] : vmaxq_f32(x[v], vld1q_f32(out + at)));
        }
    }
    return rounds * WNI_PEAK_COPIES * WNI_LANES;
}
