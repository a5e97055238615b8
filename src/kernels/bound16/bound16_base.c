/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/code16.h"
#include "kernels/variants.h"

void wni_bound16_base(const float *v, int64_t n, float add, float scale, uint16_t *code)
{
    for (int64_t i = 0; i < n; i++)
        code[i] = wni_code16((sqrtf(v[i] > 0 ? v[i] : 0) + add) * scale);
}
