/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "select/waterfill.h"

static int64_t filled(const int64_t *capacity, int64_t m, int64_t level)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < m; i++)
        sum += capacity[i] < level ? capacity[i] : level;
    return sum;
}

void wni_waterfill(const int64_t *capacity, const int64_t *id, int64_t m, int64_t budget,
                   uint64_t seed, uint64_t stream, int64_t *share, wni_keyed *scratch)
{
    int64_t level = 0, high = 0, left, open = 0;

    for (int64_t i = 0; i < m; i++)
        high = capacity[i] > high ? capacity[i] : high;
    /* No level above budget / (children that reach it) can hold, and at least one reaches every level;
     * this also keeps the sums from overflowing. */
    high = high < budget ? high : budget;
    while (level < high) {
        int64_t middle = level + (high - level + 1) / 2;
        if (filled(capacity, m, middle) <= budget)
            level = middle;
        else
            high = middle - 1;
    }
    left = budget;
    for (int64_t i = 0; i < m; i++) {
        share[i] = capacity[i] < level ? capacity[i] : level;
        left -= share[i];
        if (capacity[i] > level)
            scratch[open++] = (wni_keyed){wni_rand_u64(seed, stream, (uint64_t)id[i]), i};
    }
    if (left == 0) return;
    wni_keyed_sort(scratch, open);
    for (int64_t i = 0; i < left && i < open; i++)
        share[scratch[i].row]++;
}
