/* SPDX-License-Identifier: Apache-2.0 */
#include <arm_neon.h>

#include "kernels/variants.h"

void wni_minhash_neon(const uint32_t *x, int64_t n, const uint32_t *a, const uint32_t *b, int64_t k,
                      uint32_t *low)
{
    for (int64_t j = 0; j < k; j += 16) {
        uint32x4_t ja[4], jb[4], least[4];

        for (int q = 0; q < 4; q++) {
            ja[q] = vld1q_u32(a + j + 4 * q);
            jb[q] = vld1q_u32(b + j + 4 * q);
            least[q] = vdupq_n_u32(UINT32_MAX);
        }
        for (int64_t i = 0; i < n; i++)
            for (int q = 0; q < 4; q++)
                least[q] = vminq_u32(least[q], vmlaq_n_u32(jb[q], ja[q], x[i]));
        for (int q = 0; q < 4; q++)
            vst1q_u32(low + j + 4 * q, least[q]);
    }
}
