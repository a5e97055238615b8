/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

void wni_minhash_oracle(const uint32_t *x, int64_t n, const uint32_t *a, const uint32_t *b,
                        int64_t k, uint32_t *low)
{
    for (int64_t j = 0; j < k; j++) {
        low[j] = UINT32_MAX;
        for (int64_t i = 0; i < n; i++) {
            uint32_t v = (uint32_t)((uint64_t)a[j] * x[i] + b[j]);

            if (v < low[j]) low[j] = v;
        }
    }
}
