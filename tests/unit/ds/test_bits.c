/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting and listing the bits of a stretch against asking each bit.
 */
#include <string.h>

#include "base/rng.h"
#include "ds/bits.h"
#include "support/support.h"

enum { WORDS = 4, N = WORDS * 64 };

static void stretches_are_those_of_single_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        uint64_t bits[WORDS] = {0};

        for (int64_t i = 0; i < N; i++)
            if (wni_rand_below(seed, 1, (uint64_t)i, 4) <= (int64_t)seed) wni_bit_set(bits, i);
        for (int64_t first = 0; first <= N; first++)
            for (int64_t end = first; end <= N; end += 1 + end % 7) {
                int64_t out[N], n = 0;
                int32_t out32[N];

                assert_int_equal(wni_bits_list(bits, first, end, out),
                                 wni_bits_count(bits, first, end));
                assert_int_equal(wni_bits_list32(bits, first, end, out32),
                                 wni_bits_count(bits, first, end));
                for (int64_t i = first; i < end; i++) {
                    if (!wni_bit(bits, i)) continue;
                    assert_int_equal(out[n], i);
                    assert_int_equal(out32[n], i);
                    n++;
                }
                assert_int_equal(wni_bits_count(bits, first, end), n);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(stretches_are_those_of_single_bits)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
