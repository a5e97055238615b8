/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>

#include "kernels/variants.h"

#define WIDTH 8
#define PASS  12 /* registers at a time */

/* Loops over v have fixed bounds: compilers unroll them into registers. */
int64_t wni_peak_f32_avx2(int64_t rounds, const float *start, float *out)
{
    const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1);

    for (int i = 0; i < WNI_PEAK_COPIES * WNI_LANES; i += WIDTH * PASS) {
        __m256 x[PASS];

        for (int v = 0; v < PASS; v++)
            x[v] = _mm256_loadu_ps(start + i + WIDTH * v);
        for (int64_t r = 0; r < rounds; r++)
            for (int v = 0; v < PASS; v++)
                x[v] = _mm256_fmadd_ps(x[v], half, one);
        for (int v = 0; v < PASS; v++) {
            const int at = (i + WIDTH * v) % WNI_LANES, first = i + WIDTH * v < WNI_LANES;

            _mm256_storeu_ps(out + at,
                             first ? x[v] : _mm256_max_ps(x[v], _mm256_loadu_ps(out + at)));
        }
    }
    return rounds * WNI_PEAK_COPIES * WNI_LANES;
}
