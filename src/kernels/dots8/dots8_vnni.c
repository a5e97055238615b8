/* SPDX-License-Identifier: Apache-2.0
 *
 * A row of a block leaves the fast path when one of its 64 columns reaches what it needs.
 */
#include "kernels/dots8/dots8_bounds.h"
#include "kernels/dots8/products8_vnni.h"

int64_t wni_dots8_vnni(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                       const wni_rows8 *rows, const wni_hits8 *hits)
{
    int32_t dot[BLOCK_ROWS * WNI_GROUP8] __attribute__((aligned(64)));
    int64_t count = 0, step;

    for (int64_t r = 0; r < m; r += step) {
        step = wni_products8(group, x, r, m, ld, dot);
        for (int64_t i = 0; i < step; i++)
            count = wni_dots8_check(group, rows, r + i, dot + i * WNI_GROUP8, hits, count);
    }
    return count;
}
