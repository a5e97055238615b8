/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "kernels/variants.h"

void wni_fixsum_neon(int64_t *acc, const float *x, const double *scale, double weight, int64_t sign,
                     int64_t d)
{
    const float64x2_t w = vdupq_n_f64(weight), magic = vdupq_n_f64(6755399441055744.0);
    const int64x2_t flip = vdupq_n_s64(sign < 0 ? -1 : 0);
    int64_t j = 0;

    for (; j + 2 <= d; j += 2) {
        float64x2_t t = vcvt_f64_f32(vld1_f32(x + j));
        int64x2_t whole;

        t = vmulq_f64(vmulq_f64(t, w), vld1q_f64(scale + j));
        /* Adding 1.5 * 2^52 leaves the rounded integer in the low bits of the double. */
        whole = vreinterpretq_s64_f64(vaddq_f64(t, magic));
        whole = vsubq_s64(whole, vreinterpretq_s64_f64(magic));
        whole = vsubq_s64(veorq_s64(whole, flip), flip);
        vst1q_s64(acc + j, vaddq_s64(vld1q_s64(acc + j), whole));
    }
    if (j < d) wni_fixsum_base(acc + j, x + j, scale + j, weight, sign, d - j);
}
