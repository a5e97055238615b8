/* SPDX-License-Identifier: Apache-2.0
 *
 * best, over and over_both: every variant against the oracle, byte for byte, at every start within a line.
 */
#include "kernels/kernel_data.h"

enum { MOST = 300 };

static void check_best(const float *s, const float *bias, int64_t n, int isa, int kind)
{
    float value, second, want_value, want_second;
    int64_t at, want_at;

    wni_kernels_oracle()->best(s, bias, n, &want_value, &want_at, &want_second);
    wni_kernels_at(isa)->best(s, bias, n, &value, &at, &second);
    if (at != want_at || memcmp(&value, &want_value, 4) || memcmp(&second, &want_second, 4))
        fail_msg(
            "best at level %s, n %d, kind %d: %a at %d then %a, the oracle says %a at %d then %a",
            wn_isa_name(isa), (int)n, kind, (double)value, (int)at, (double)second,
            (double)want_value, (int)want_at, (double)want_second);
}

static void best_is_the_oracle(void **state)
{
    float s[MOST + 16], bias[MOST + 16];

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int64_t n = 1; n <= MOST; n = n < 40 ? n + 1 : n + 13)
            for (uint64_t seed = 0; seed < 8; seed++) {
                int start = (int)(seed * 5 % 16);

                kt_fill(s, MOST + 16, kind, 100 + seed);
                kt_fill(bias, MOST + 16, kind, 200 + seed);
                if (seed == 7) /* scores may overflow */
                    for (int64_t j = 0; j < MOST + 16; j++)
                        s[j] = j % 3 ? -INFINITY : INFINITY;
                if (seed == 6)
                    for (int64_t j = 0; j < MOST + 16; j++)
                        s[j] = -INFINITY;
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    check_best(s + start, NULL, n, isa, kind);
                    check_best(s + start, bias + (start + 3) % 16, n, isa, kind);
                }
            }
}

static void best_by_hand(void **state)
{
    float s[20] = {1, 5, 5, 2}, value, second;
    int64_t at;

    (void)state;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        k->best(s, NULL, 4, &value, &at, &second);
        assert_true(value == 5 && at == 1 && second == 5);
        k->best(s + 2, NULL, 2, &value, &at, &second);
        assert_true(value == 5 && at == 0 && second == 2);
        k->best(s, NULL, 1, &value, &at, &second);
        assert_true(value == 1 && at == 0 && isinf(second) && second < 0);
    }
}

static void over_is_the_oracle(void **state)
{
    float s[MOST + 16], bias[MOST + 16];
    int32_t at[MOST + 4], want[MOST + 4];

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int64_t n = 0; n <= MOST; n = n < 40 ? n + 1 : n + 13)
            for (uint64_t seed = 0; seed < 6; seed++) {
                static const float floors[] = {-INFINITY, -1, -0.0f, 0, 1, INFINITY};
                int start = (int)(seed * 5 % 16);

                kt_fill(s, MOST + 16, kind, 300 + seed);
                kt_fill(bias, MOST + 16, kind, 400 + seed);
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
                    for (int with = 0; with < 2; with++) {
                        float floor = seed < 3 ? floors[seed * 2 + (uint64_t)with] : s[start];
                        const float *b = with ? bias + (start + 3) % 16 : NULL;
                        int64_t count, want_count;

                        memset(at, 0x5a, sizeof at);
                        want_count = wni_kernels_oracle()->over(s + start, b, n, floor, want);
                        count = wni_kernels_at(isa)->over(s + start, b, n, floor, at);
                        assert_int_equal(count, want_count);
                        assert_memory_equal(at, want, (size_t)count * sizeof *at);
                        for (int64_t j = n; j < MOST + 4; j++)
                            assert_int_equal(at[j], 0x5a5a5a5a);
                    }
            }
}

static void over_both_is_the_oracle(void **state)
{
    float s[MOST + 16], bias[MOST + 16], floors[MOST + 16];
    int32_t at[MOST + 4], want[MOST + 4];

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int64_t n = 0; n <= MOST; n = n < 40 ? n + 1 : n + 13)
            for (uint64_t seed = 0; seed < 6; seed++) {
                int start = (int)(seed * 5 % 16);

                kt_fill(s, MOST + 16, kind, 300 + seed);
                kt_fill(bias, MOST + 16, kind, 400 + seed);
                kt_fill(floors, MOST + 16, kind, 500 + seed);
                if (seed == 5) s[start] = NAN, s[start + n / 2] = INFINITY;
                for (int64_t j = 0; seed == 4 && j < MOST + 16; j++)
                    floors[j] = j % 3 ? INFINITY : s[j];
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
                    for (int with = 0; with < 2; with++) {
                        float floor = seed < 2 ? INFINITY : seed == 2 ? -INFINITY : s[start];
                        float own = with ? bias[0] : 0;
                        const float *b = with ? bias + (start + 3) % 16 : NULL;
                        int64_t count, want_count;

                        memset(at, 0x5a, sizeof at);
                        want_count = wni_kernels_oracle()->over_both(s + start, b, floors + start,
                                                                     n, floor, own, want);
                        count = wni_kernels_at(isa)->over_both(s + start, b, floors + start, n,
                                                               floor, own, at);
                        assert_int_equal(count, want_count);
                        assert_memory_equal(at, want, (size_t)count * sizeof *at);
                        for (int64_t j = n; j < MOST + 4; j++)
                            assert_int_equal(at[j], 0x5a5a5a5a);
                    }
            }
}

static void over_both_by_hand(void **state)
{
    const float s[6] = {1, 5, 4, NAN, 2, 3}, bias[6] = {0, 1, 2, 0, 0, 0};
    const float floors[6] = {1, 9, 9, 9, 0, 9};
    int32_t at[6 + 16];

    (void)state;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        assert_int_equal(k->over_both(s, bias, floors, 6, 4, 1, at), 3); /* 5 - 1, NaN, 2 - 1 */
        assert_memory_equal(at, ((int32_t[]){1, 3, 4}), 3 * sizeof *at);
        assert_int_equal(k->over_both(s, NULL, floors, 6, 6, 0, at), 3); /* 1, NaN, 2 */
        assert_memory_equal(at, ((int32_t[]){0, 3, 4}), 3 * sizeof *at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_is_the_oracle), cmocka_unit_test(best_by_hand),
        cmocka_unit_test(over_is_the_oracle), cmocka_unit_test(over_both_is_the_oracle),
        cmocka_unit_test(over_both_by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
