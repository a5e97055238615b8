/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <stddef.h>

#include "kernels/fused.h"
#include "kernels/variants.h"

static float size_of(float v)
{
    return v < 0 ? -v : v;
}

static float column_part(const wni_product8 *pair, float y, float sum)
{
    const float away = y - pair->column, size = size_of(y) + size_of(pair->column);

    sum = wni_fused(pair->row, away, sum);
    sum = wni_fused(-(0.5f / pair->weight * away), away, sum);
    return wni_fused(-(0x1p-18f / pair->weight * size), size, sum);
}

/* The whole number above the negative sum; what is no number counts as the lowest sum. */
static int32_t lift_of(float sum)
{
    int32_t whole;

    sum = sum > -0x1p28f ? sum : -0x1p28f;
    sum = sum < 0x1p28f ? sum : 0x1p28f;
    whole = (int32_t)-sum;
    return whole + ((float)whole < -sum) + 1;
}

void wni_lifts8_base(const wni_guess8 *guess, const wni_group8 *group, const float *other,
                     int32_t *lift)
{
    for (int c = 0; c < WNI_GROUP8; c++) {
        const float more = other ? other[c] : 0, size = size_of(guess->origin) + size_of(more);
        const float base = other ? guess->origin + more : guess->origin;
        float room = base - group->high[c], u, sum;

        if (group->scale[c] == 0 || room > FLT_MAX) {
            lift[c] = room > FLT_MAX ? -(1 << 28) : 1 << 28;
            continue;
        }
        u = 1 / group->scale[c];
        if (group->head) room += column_part(&guess->rest, group->rest[c] * group->scale[c], 0);
        sum = column_part(&guess->need, u, 0);
        sum = column_part(&guess->high, room * u, sum);
        sum = wni_fused(-(1 + 0x1p-18f), group->spread[c] * u, sum);
        sum = wni_fused(-(0x1p-18f * guess->most * size), u, sum);
        lift[c] = lift_of(sum);
    }
}
