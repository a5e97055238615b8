/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stddef.h>

#include "kernels/variants.h"

static float column_part(const wni_product8 *pair, float y, float sum)
{
    float away = y - pair->column, size = fabsf(y) + fabsf(pair->column);

    sum = fmaf(pair->row, away, sum);
    sum = fmaf(-(0.5f / pair->weight * away), away, sum);
    return fmaf(-(0x1p-18f / pair->weight * size), size, sum);
}

void wni_lifts8_oracle(const wni_guess8 *guess, const wni_group8 *group, const float *other,
                       int32_t *lift)
{
    for (int c = 0; c < WNI_GROUP8; c++) {
        float u = 1 / group->scale[c], more = other ? other[c] : 0;
        float base = other ? guess->origin + more : guess->origin;
        float room = base - group->high[c], sum = column_part(&guess->need, u, 0);

        if (group->head) room += column_part(&guess->rest, group->rest[c] * group->scale[c], 0);
        sum = column_part(&guess->high, room * u, sum);
        sum = fmaf(-(1 + 0x1p-18f), group->spread[c] * u, sum);
        sum = fmaf(-(0x1p-18f * guess->most * (fabsf(guess->origin) + fabsf(more))), u, sum);
        if (!(sum > -0x1p28f)) sum = -0x1p28f; /* NaN too */
        if (sum > 0x1p28f) sum = 0x1p28f;
        lift[c] = (int32_t)ceilf(-sum) + 1;
        if (group->scale[c] == 0) lift[c] = 1 << 28;
        if (room == INFINITY) lift[c] = -(1 << 28);
    }
}
