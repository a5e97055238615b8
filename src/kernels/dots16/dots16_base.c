/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/dots8/dots8_row.h"

static float number(uint16_t bf16)
{
    const uint32_t bits = (uint32_t)bf16 << 16;
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

int64_t wni_dots16_base(const wni_group8 *group, const uint16_t *panels, const uint16_t *x,
                        int64_t m, int64_t ld, const wni_rows8 *rows, const wni_hits8 *hits)
{
    int64_t count = 0;

    for (int64_t r = 0; r < m; r++) {
        float dot[WNI_GROUP8] = {0};

        for (int p = 0; p < WNI_GROUP8; p += WNI_PANEL8)
            for (int64_t i = 0; i < ld; i++) {
                const uint16_t *line = panels + p * ld + i / 2 * 2 * WNI_PANEL8 + i % 2;
                const float v = number(x[r * ld + i]);

                for (int c = 0; c < WNI_PANEL8; c++)
                    dot[p + c] += v * number(line[2 * c]);
            }
        count = wni_dots8_row(group, rows, r, dot, hits, count);
    }
    return count;
}
