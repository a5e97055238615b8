/* SPDX-License-Identifier: Apache-2.0 */
#include <immintrin.h>
#include <math.h>

#include "kernels/variants.h"

#define WIDTH 8

/* Each lane keeps its own best, that one's index and its second best; strict > keeps the lower index.
 * The rest of n and the lanes are settled one by one. */
void wni_best_avx2(const float *s, const float *bias, int64_t n, float *value, int64_t *at,
                   float *second)
{
    const __m256i step = _mm256_set1_epi32(WIDTH);
    __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), top_index = index;
    __m256 top = _mm256_set1_ps(-INFINITY), other = top;
    float lane_top[WIDTH], lane_other[WIDTH], best = -INFINITY, rest = -INFINITY;
    int32_t lane_index[WIDTH], winner = 0;
    int64_t j = 0;

    for (; j + WIDTH <= n; j += WIDTH) {
        __m256 v = _mm256_loadu_ps(s + j), more;

        if (bias) v = _mm256_sub_ps(v, _mm256_loadu_ps(bias + j));
        more = _mm256_cmp_ps(v, top, _CMP_GT_OQ);
        other = _mm256_max_ps(other, _mm256_min_ps(v, top));
        top = _mm256_blendv_ps(top, v, more);
        top_index = _mm256_blendv_epi8(top_index, index, _mm256_castps_si256(more));
        index = _mm256_add_epi32(index, step);
    }
    if (j > 0) {
        _mm256_storeu_ps(lane_top, top);
        _mm256_storeu_ps(lane_other, other);
        _mm256_storeu_si256((__m256i *)(void *)lane_index, top_index);
        best = lane_top[0];
        winner = lane_index[0];
        rest = lane_other[0];
        for (int l = 1; l < WIDTH; l++) {
            float loser = lane_top[l];

            if (loser > best || (loser == best && lane_index[l] < winner)) {
                loser = best;
                best = lane_top[l];
                winner = lane_index[l];
            }
            if (loser > rest) rest = loser;
            if (lane_other[l] > rest) rest = lane_other[l];
        }
    }
    for (; j < n; j++) {
        float v = s[j] - (bias ? bias[j] : 0);

        if (v > best) {
            rest = best;
            best = v;
            winner = (int32_t)j;
        } else if (v > rest)
            rest = v;
    }
    *value = s[winner] - (bias ? bias[winner] : 0);
    *at = winner;
    *second = rest + 0.0f; /* +0, whichever zero came first */
}
