/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

#define PASS 12 /* registers at a time */

int64_t wni_peak_i8_vnni(int64_t rounds, const uint8_t *a, const int8_t *b, int32_t *out)
{
    const __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b);
    __m512i all = _mm512_setzero_si512();

    for (int i = 0; i < WNI_PEAK_COPIES; i += PASS) {
        __m512i sum[PASS];

        for (int v = 0; v < PASS; v++)
            sum[v] = _mm512_setzero_si512();
        for (int64_t r = 0; r < rounds; r++)
            for (int v = 0; v < PASS; v++) {
                sum[v] = _mm512_dpbusd_epi32(sum[v], x, y);
                __asm__("" : "+v"(sum[v])); /* or the copies, all alike, would become one */
            }
        for (int v = 0; v < PASS; v++)
            all = _mm512_add_epi32(all, sum[v]);
    }
    _mm512_storeu_si512(out, all);
    return rounds * WNI_PEAK_COPIES * WNI_LANES * 4;
}
