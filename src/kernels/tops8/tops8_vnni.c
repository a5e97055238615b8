/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of 6 rows x 64 columns as in dots8, the products through 1.5 KB of L1, then four maxima a row.
 */
#include "kernels/dots8/products8_vnni.h"
#include "kernels/tops8/tops8_row.h"

void wni_tops8_vnni(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                    const float *scale, float *top)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t step;

    for (int64_t r = 0; r < m; r += step) {
        step = wni_products8(group, x, r, m, ld, dot);
        for (int64_t i = 0; i < step; i++)
            wni_tops8_row(group, dot + i * WNI_GROUP8, r + i, m, scale, top);
    }
}
