/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

#define WIDTH 16
#define PASS  12 /* registers at a time */

/* Loops over v have fixed bounds: compilers unroll them into registers. */
int64_t wni_peak_f32_avx512(int64_t rounds, const float *start, float *out)
{
    const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1);

    for (int i = 0; i < WNI_PEAK_COPIES * WNI_LANES; i += WIDTH * PASS) {
        __m512 x[PASS];

        for (int v = 0; v < PASS; v++)
            x[v] = _mm512_loadu_ps(start + i + WIDTH * v);
        for (int64_t r = 0; r < rounds; r++)
            for (int v = 0; v < PASS; v++)
                x[v] = _mm512_fmadd_ps(x[v], half, one);
        for (int v = 0; v < PASS; v++) {
            const int at = (i + WIDTH * v) % WNI_LANES, first = i + WIDTH * v < WNI_LANES;

            _mm512_storeu_ps(out + at,
                             first ? x[v] : _mm512_max_ps(x[v], _mm512_loadu_ps(out + at)));
        }
    }
    return rounds * WNI_PEAK_COPIES * WNI_LANES;
}
