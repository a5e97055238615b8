/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

void wni_minhash_base(const uint32_t *x, int64_t n, const uint32_t *a, const uint32_t *b, int64_t k,
                      uint32_t *low)
{
    for (int64_t j = 0; j < k; j += WNI_LANES) {
        uint32_t least[WNI_LANES];

        for (int l = 0; l < WNI_LANES; l++)
            least[l] = UINT32_MAX;
        for (int64_t i = 0; i < n; i++)
            for (int l = 0; l < WNI_LANES; l++) {
                uint32_t v = a[j + l] * x[i] + b[j + l];

                least[l] = v < least[l] ? v : least[l];
            }
        for (int l = 0; l < WNI_LANES; l++)
            low[j + l] = least[l];
    }
}
