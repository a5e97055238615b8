/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <stddef.h>

#include "kernels/fused.h"
#include "kernels/variants.h"

static float size_of(float v)
{
    return v < 0 ? -v : v;
}

static float row_part(const wni_product8 *pair, float x, float sum)
{
    const float away = x - pair->row, size = size_of(x) + size_of(pair->row);

    sum = wni_fused(x, pair->column, sum);
    sum = wni_fused(-(0.5f * pair->weight * away), away, sum);
    return wni_fused(-(0x1p-18f * pair->weight * size), size, sum);
}

/* The whole number below a sum; what is no number counts as the lowest. */
static int32_t mark_of(float sum)
{
    int32_t whole;

    sum = sum > -0x1p30f ? sum : -0x1p30f;
    sum = sum < 0x1p27f ? sum : 0x1p27f;
    whole = (int32_t)sum;
    return whole - ((float)whole > sum) - 1;
}

void wni_marks8_base(const wni_guess8 *guess, const float *scale, const float *need,
                     const float *rest, int64_t m, int32_t *mark)
{
    for (int64_t r = 0; r < m; r++) {
        float b, left = need[r], sum;

        if (scale[r] == 0) {
            mark[r] = need[r] > FLT_MAX ? INT32_MAX : -(1 << 30);
            continue;
        }
        b = 1 / scale[r];
        if (rest) {
            const float part = row_part(&guess->rest, -(rest[r] * scale[r]), 0);

            left += wni_fused(0x1p-18f, part, part); /* part is not above 0 */
        }
        sum = row_part(&guess->need, (left - guess->origin) * b, 0);
        sum = row_part(&guess->high, b, sum);
        mark[r] = mark_of(sum);
    }
}
