/* SPDX-License-Identifier: Apache-2.0
 *
 * fixsum: every variant against the oracle, and a sum that does not depend on the order.
 */
#include "kernels/kernel_data.h"

enum { MOST = 100, SENTINELS = 8 };

static void fixsum_is_the_oracle(void **state)
{
    float x[MOST + 8];
    double scale[MOST];
    int64_t acc[MOST + SENTINELS], want[MOST + SENTINELS];

    (void)state;
    for (int64_t d = 0; d <= MOST; d++)
        for (uint64_t seed = 0; seed < 20; seed++)
            for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                double weight = seed % 3 ? 1 : wni_rand_unit(seed, 3, 0);
                int64_t sign = seed % 2 ? 1 : -1;
                int start = (int)(seed % 8);

                kt_fill(x, MOST + 8, seed % 4 == 3 ? KT_DENORMAL : KT_PLAIN, seed);
                for (int64_t j = 0; j < MOST; j++) {
                    scale[j] = ldexp(1, (int)wni_rand_below(seed, 4, (uint64_t)j, 51));
                    acc[j] = want[j] = (int64_t)wni_rand_u64(seed, 5, (uint64_t)j) / 4;
                }
                for (int64_t j = MOST; j < MOST + SENTINELS; j++)
                    acc[j] = want[j] = 77;
                wni_kernels_oracle()->fixsum(want, x + start, scale, weight, sign, d);
                wni_kernels_at(isa)->fixsum(acc, x + start, scale, weight, sign, d);
                assert_memory_equal(acc, want, sizeof acc);
            }
}

static void halves_round_to_even_and_order_is_nothing(void **state)
{
    static const float x[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.75f, -0.75f, 0x1p50f};
    static const int64_t want[] = {0, 2, 2, 0, -2, -2, 1, -1, (int64_t)1 << 50};
    double scale[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};

    (void)state;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);
        int64_t acc[9] = {0};

        k->fixsum(acc, x, scale, 1, 1, 9);
        assert_memory_equal(acc, want, sizeof acc);
        k->fixsum(acc, x, scale, 3, 1, 9);
        k->fixsum(acc, x, scale, 1, -1, 9);
        k->fixsum(acc, x, scale, 3, -1, 9);
        for (int j = 0; j < 9; j++)
            assert_int_equal(acc[j], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixsum_is_the_oracle),
        cmocka_unit_test(halves_round_to_even_and_order_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
