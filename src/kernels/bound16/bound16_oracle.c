/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/code16.h"
#include "kernels/variants.h"

void wni_bound16_oracle(const float *v, int64_t n, float add, float scale, uint16_t *code)
{
    for (int64_t i = 0; i < n; i++) {
        float want = v[i] > 0 ? sqrtf(v[i]) : 0;
        uint16_t c = 0;

        want = (want + add) * scale;
        if (want >= 0x1p-14f) /* the largest that is not above */
            while (c < 0x7bff && wni_code16_value((uint16_t)(c + 1)) <= want)
                c++;
        else
            c = wni_code16(want);
        code[i] = c;
    }
}
