/* SPDX-License-Identifier: Apache-2.0
 *
 * bound16 and near16: every variant of this processor against the oracle.
 */
#include <float.h>

#include "kernels/code16.h"
#include "kernels/kernel_data.h"

enum { N = 200 };

/* The square of a distance of any size, and what is none. */
static float square(uint64_t i)
{
    static const float odd[] = {0,
                                -0.0f,
                                -1,
                                1e-40f,
                                FLT_MAX,
                                INFINITY,
                                -INFINITY,
                                NAN,
                                -NAN,
                                0x1p-28f,
                                65504.0f * 65504.0f,
                                1};

    if (i % 3 == 0) return odd[i / 3 % 12];
    return ldexpf(1 + (float)wni_rand_below(5, 1, i, 1 << 20) * 0x1p-20f,
                  (int)wni_rand_below(5, 2, i, 80) - 45);
}

static void bound16_is_the_oracle(void **state)
{
    static const float adds[] = {0, 0.3f, 1000}, scales[] = {1, 0x1p-7f, 37};
    float v[N];
    uint16_t want[N + 1], got[N + 1];

    (void)state;
    for (int i = 0; i < N; i++)
        v[i] = square((uint64_t)i);
    for (int a = 0; a < 9; a++)
        for (int64_t n = 0; n <= N; n += n < 34 ? 1 : 83) {
            want[n] = 77;
            wni_kernels_oracle()->bound16(v, n, adds[a % 3], scales[a / 3], want);
            assert_int_equal(want[n], 77);
            for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                got[n] = 77;
                wni_kernels_at(isa)->bound16(v, n, adds[a % 3], scales[a / 3], got);
                assert_memory_equal(got, want, (size_t)(n + 1) * sizeof *got);
            }
        }
}

static void bound16_by_hand(void **state)
{
    const float v[] = {9, -4, NAN, INFINITY, 0x1.8p-40f};
    uint16_t code[5];

    (void)state;
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
        wni_kernels_at(isa)->bound16(v, 5, 1, 2, code);
        assert_true(wni_code16_value(code[0]) == 8);
        assert_true(wni_code16_value(code[1]) == 2);
        assert_true(wni_code16_value(code[2]) == 2);
        assert_true(wni_code16_value(code[3]) == 65504);
        assert_true(wni_code16_value(code[4]) == 2); /* rounded down */
    }
}

static void near16_is_the_oracle(void **state)
{
    uint16_t code[64];
    float reach[64];
    int64_t in = 0;

    (void)state;
    for (uint64_t round = 0; round < 200; round++) {
        const float unit = ldexpf(1, (int)(round % 5) * 30 - 60),
                    add = round % 3 ? 0.25f * unit : 0;
        uint64_t want;

        for (uint64_t i = 0; i < 64; i++) {
            const uint64_t at = 64 * round + i;

            code[i] = (uint16_t)wni_rand_below(6, 1, at, 0x7c00);
            if (at % 7 == 0) code[i] &= 1023; /* denormal */
            reach[i] = wni_code16_value((uint16_t)(code[i] + at % 3 - (code[i] > 0))) * unit - add;
            if (at % 11 == 0) reach[i] = at % 2 ? INFINITY : -INFINITY;
            if (at % 97 == 0) reach[i] = NAN;
        }
        want = wni_kernels_oracle()->near16(code, reach, unit, add);
        in += __builtin_popcountll(want);
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
            assert_true(wni_kernels_at(isa)->near16(code, reach, unit, add) == want);
    }
    assert_true(in > 1000 && in < 200 * 64 - 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound16_is_the_oracle),
        cmocka_unit_test(bound16_by_hand),
        cmocka_unit_test(near16_is_the_oracle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
