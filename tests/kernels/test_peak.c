/* SPDX-License-Identifier: Apache-2.0
 *
 * peak_f32 and peak_i8: they do the work that they count.
 */
#include "kernels/kernel_data.h"
#if defined(__x86_64__)
#include "kernels/emulated_amx.h"
#endif

static void peaks_are_the_oracle(void **state)
{
    static const int64_t rounds[] = {0, 1, 2, 3, 17};
    float start[WNI_PEAK_COPIES * 16], want[16], got[16];
    int32_t want_sum[16], got_sum[16];
    uint8_t a[64];
    int8_t b[64];

    (void)state;
    kt_fill(start, WNI_PEAK_COPIES * 16, KT_PLAIN, 4);
    start[WNI_PEAK_COPIES * 16 - 5] = 3; /* every copy has a say */
    for (int j = 0; j < 64; j++) {
        a[j] = (uint8_t)wni_rand_below(5, 1, (uint64_t)j, 256);
        b[j] = (int8_t)(wni_rand_below(5, 2, (uint64_t)j, 256) - 128);
    }
    for (int i = 0; i < 5; i++) {
        const int64_t r = rounds[i];

        assert_int_equal(wni_kernels_oracle()->peak_f32(r, start, want), r * WNI_PEAK_COPIES * 16);
        wni_kernels_oracle()->peak_i8(r, a, b, want_sum);
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
            const wni_kernels *k = wni_kernels_at((wn_isa)isa);

            assert_int_equal(k->peak_f32(r, start, got), r * WNI_PEAK_COPIES * 16);
            assert_memory_equal(got, want, sizeof got);
            assert_true(k->peak_i8(r, a, b, got_sum) >= r * 64);
            assert_memory_equal(got_sum, want_sum, sizeof got_sum);
        }
#if defined(__x86_64__)
        if (ts_best_isa() >= WN_ISA_VNNI) {
            const int64_t before = kt_tile_products();

            assert_int_equal(kt_peak_i8_emulated(r, a, b, got_sum), r * WNI_PEAK_COPIES * 16384);
            assert_int_equal(kt_tile_products() - before, r * WNI_PEAK_COPIES);
            assert_memory_equal(got_sum, want_sum, sizeof got_sum);
        }
#endif
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(peaks_are_the_oracle)};

    return cmocka_run_group_tests_name("peak", tests, NULL, NULL);
}
