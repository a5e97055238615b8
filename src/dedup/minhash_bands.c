/* SPDX-License-Identifier: Apache-2.0
 *
 * How many bands of how many values: the curve 1 - (1 - s^r)^b of leskovec2020, chapter 3.4, fitted to a
 * threshold.
 */
#include "dedup/minhash_impl.h"

#define STEPS 1000 /* of the similarity, for the areas */

/* x^n, n >= 0; multiplications only, so that the choice is the same everywhere. */
static double power(double x, int32_t n)
{
    double y = 1;

    for (; n > 0; n >>= 1, x *= x)
        if (n & 1) y *= x;
    return y;
}

double wni_bands_chance(wni_bands bands, double similarity)
{
    return 1 - power(1 - power(similarity, bands.rows), bands.count);
}

/* Area under the curve below the threshold, and above the curve beyond it. */
static double cost(wni_bands bands, double threshold, double miss_weight)
{
    double wasted = 0, missed = 0;

    for (int i = 0; i < STEPS; i++) {
        double s = (i + 0.5) / STEPS, chance = wni_bands_chance(bands, s);

        if (s < threshold)
            wasted += chance;
        else
            missed += 1 - chance;
    }
    return (miss_weight * missed + (1 - miss_weight) * wasted) / STEPS;
}

wni_bands wni_bands_choose(double min_similarity, int32_t num_perm, double miss_weight)
{
    wni_bands best = {num_perm, 1};
    double least = cost(best, min_similarity, miss_weight);

    /* For so many values a band, more bands only help against misses, fewer only against waste: the optimum
     * need not use all values. Bands are tried in steps that are small beside what they change. */
    for (int32_t rows = 1; rows <= num_perm; rows++) {
        int32_t most = num_perm / rows;

        for (int32_t count = 1; count <= most; count += 1 + count / 16) {
            wni_bands bands = {count, rows};
            double c = cost(bands, min_similarity, miss_weight);

            if (c < least) {
                least = c;
                best = bands;
            }
        }
        if (most == 1 && rows > 32) break; /* one band of so many values finds copies only */
    }
    return best;
}
