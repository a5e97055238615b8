/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/code16.h"
#include "kernels/variants.h"

uint64_t wni_near16_base(const uint16_t *code, const float *reach, float unit, float add)
{
    unsigned char flag[64];
    uint64_t eight[8], bits = 0;

    for (int64_t i = 0; i < 64; i++)
        flag[i] = !(wni_code16_value(code[i]) * unit > reach[i] + add);
    memcpy(eight, flag, sizeof eight);
    for (int i = 0; i < 8; i++) /* bytes of 0 and 1, the first the lowest, to bits */
        bits |= (eight[i] * 0x0102040810204080u >> 56) << 8 * i;
    return bits;
}
