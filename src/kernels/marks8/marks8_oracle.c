/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stddef.h>

#include "kernels/variants.h"

static float row_part(const wni_product8 *pair, float x, float sum)
{
    float away = x - pair->row, size = fabsf(x) + fabsf(pair->row);

    sum = fmaf(x, pair->column, sum);
    sum = fmaf(-(0.5f * pair->weight * away), away, sum);
    return fmaf(-(0x1p-18f * pair->weight * size), size, sum);
}

void wni_marks8_oracle(const wni_guess8 *guess, const float *scale, const float *need,
                       const float *rest, int64_t m, int32_t *mark)
{
    for (int64_t r = 0; r < m; r++) {
        float b = 1 / scale[r], left = need[r], sum;

        if (rest) {
            float part = row_part(&guess->rest, -(rest[r] * scale[r]), 0);

            left += fmaf(0x1p-18f, part, part); /* part is not above 0 */
        }
        sum = row_part(&guess->need, (left - guess->origin) * b, 0);
        sum = row_part(&guess->high, b, sum);
        if (!(sum > -0x1p30f)) sum = -0x1p30f; /* NaN too */
        if (sum > 0x1p27f) sum = 0x1p27f;
        mark[r] = (int32_t)floorf(sum) - 1;
        if (scale[r] == 0) mark[r] = need[r] == INFINITY ? INT32_MAX : -(1 << 30);
    }
}
