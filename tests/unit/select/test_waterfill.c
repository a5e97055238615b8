/* SPDX-License-Identifier: Apache-2.0
 *
 * Water-filling against giving out one unit at a time.
 */
#include <stdlib.h>

#include "support/support.h"
#include "base/rng.h"
#include "select/waterfill.h"

/* Each unit goes to the child that is not full and has least; among equals, by random key. */
static void one_by_one(const int64_t *capacity, const int64_t *id, int64_t m, int64_t budget,
                       uint64_t seed, uint64_t stream, int64_t *share)
{
    for (int64_t i = 0; i < m; i++)
        share[i] = 0;
    for (int64_t unit = 0; unit < budget; unit++) {
        int64_t best = -1;
        for (int64_t i = 0; i < m; i++) {
            if (share[i] == capacity[i]) continue;
            if (best < 0 || share[i] < share[best] ||
                (share[i] == share[best] && wni_rand_u64(seed, stream, (uint64_t)id[i]) <
                                                wni_rand_u64(seed, stream, (uint64_t)id[best])))
                best = i;
        }
        share[best]++;
    }
}

static void like_one_unit_at_a_time(void **state)
{
    int64_t capacity[40], id[40], share[40], want[40];
    wni_keyed scratch[40];

    (void)state;
    for (uint64_t round = 0; round < 400; round++) {
        int64_t m = 1 + wni_rand_below(1, 1, round, 40), total = 0, budget, sum = 0;
        int64_t most = 1 + wni_rand_below(1, 2, round, 30);
        for (int64_t i = 0; i < m; i++) {
            capacity[i] = wni_rand_below(2, round, (uint64_t)i, most + 1);
            id[i] = 7 * i + 3;
            total += capacity[i];
        }
        budget = wni_rand_below(3, 1, round, total + 1);
        if (round % 10 == 0) budget = total;
        if (round % 10 == 1) budget = 0;
        wni_waterfill(capacity, id, m, budget, round, 5, share, scratch);
        one_by_one(capacity, id, m, budget, round, 5, want);
        for (int64_t i = 0; i < m; i++) {
            assert_int_equal(share[i], want[i]);
            sum += share[i];
        }
        assert_int_equal(sum, budget);
    }
}

static void by_hand(void **state)
{
    static const int64_t capacity[] = {1, 100, 5, 0, 100}, id[] = {0, 1, 2, 3, 4};
    int64_t share[5];
    wni_keyed scratch[5];

    (void)state;
    wni_waterfill(capacity, id, 5, 26, 0, 0, share, scratch); /* 1 + 5, then 10 each */
    assert_int_equal(share[0], 1);
    assert_int_equal(share[1], 10);
    assert_int_equal(share[2], 5);
    assert_int_equal(share[3], 0);
    assert_int_equal(share[4], 10);
    wni_waterfill(capacity, id, 5, 27, 0, 0, share, scratch);
    assert_int_equal(share[1] + share[4], 21);
    assert_in_range(share[1], 10, 11);
    wni_waterfill(capacity, id, 0, 0, 0, 0, share, scratch);
}

/* Capacities as large as rows x repeats can be: nothing overflows. */
static void huge_capacities(void **state)
{
    int64_t big = (int64_t)1 << 59, capacity[] = {big, big}, id[] = {0, 1}, share[2];
    wni_keyed scratch[2];

    (void)state;
    wni_waterfill(capacity, id, 2, 2 * big - 1, 1, 1, share, scratch);
    assert_true(share[0] + share[1] == 2 * big - 1 && share[0] <= big && share[1] <= big);
}

static void remainder_follows_the_seed(void **state)
{
    int64_t capacity[64], id[64], a[64], b[64], same = 0;
    wni_keyed scratch[64];

    (void)state;
    for (int64_t i = 0; i < 64; i++) {
        capacity[i] = 10;
        id[i] = i;
    }
    wni_waterfill(capacity, id, 64, 32, 1, 0, a, scratch);
    wni_waterfill(capacity, id, 64, 32, 2, 0, b, scratch);
    for (int64_t i = 0; i < 64; i++)
        same += a[i] == b[i];
    assert_in_range(same, 10, 54);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(like_one_unit_at_a_time),
                                       cmocka_unit_test(by_hand), cmocka_unit_test(huge_capacities),
                                       cmocka_unit_test(remainder_follows_the_seed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
