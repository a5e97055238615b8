/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/code16.h"
#include "kernels/variants.h"

uint64_t wni_near16_oracle(const uint16_t *code, const float *reach, float unit, float add)
{
    uint64_t bits = 0;

    for (int i = 0; i < 64; i++)
        if (!(wni_code16_value(code[i]) * unit > reach[i] + add)) bits |= (uint64_t)1 << i;
    return bits;
}
