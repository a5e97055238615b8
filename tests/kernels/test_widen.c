/* SPDX-License-Identifier: Apache-2.0
 *
 * widen_*: every value of the small types, hard values of the large ones, at any byte.
 */
#include "kernels/kernel_data.h"

typedef void (*widen_fn)(const void *src, float *dst, int64_t count);

/* The same bytes at eight starts and several counts, against the oracle, with sentinels behind. */
static void check(const void *bytes, int64_t count, size_t element_bytes, size_t slot)
{
    char *src = kt_alloc(count * (int64_t)element_bytes + 64);
    float *got = kt_alloc((count + 8) * 4), *want = kt_alloc((count + 8) * 4);
    widen_fn oracle, fn;

    memcpy(&oracle, (const char *)wni_kernels_oracle() + slot, sizeof oracle);
    oracle(bytes, want, count);
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
        memcpy(&fn, (const char *)wni_kernels_at(isa) + slot, sizeof fn);
        for (int64_t start = 0; start < 8; start++)
            for (int64_t n = count - 9 * (count > 9); n <= count; n++) {
                memcpy(src + start, bytes, (size_t)count * element_bytes);
                memset(got, 0xa5, (size_t)(count + 8) * 4);
                fn(src + start, got + start % 2, n);
                assert_memory_equal(got + start % 2, want, (size_t)n * 4);
                for (int64_t i = n + start % 2; i < count + 8; i++)
                    assert_memory_equal(got + i, "\xa5\xa5\xa5\xa5", 4);
            }
    }
    free(src);
    free(got);
    free(want);
}

#define SLOT(name) offsetof(wni_kernels, name)

static void every_f16_and_bf16(void **state)
{
    static uint16_t all[65536];

    (void)state;
    for (int i = 0; i < 65536; i++)
        all[i] = (uint16_t)i;
    check(all, 65536, 2, SLOT(widen_f16));
    check(all, 65536, 2, SLOT(widen_bf16));
}

static void every_byte(void **state)
{
    uint8_t all[1024];

    (void)state;
    for (int i = 0; i < 1024; i++)
        all[i] = (uint8_t)(i * 7);
    check(all, 1024, 1, SLOT(widen_i8));
    check(all, 1024, 1, SLOT(widen_u8));
}

static void f64_and_i32_round_to_nearest_even(void **state)
{
    static const double hard[] = {1 + 0x1p-24,
                                  1 + 3 * 0x1p-24,
                                  1 + 0x1p-24 + 0x1p-50,
                                  -1 - 0x1p-24,
                                  0x1.fffffefp127,
                                  0x1.ffffffp127,
                                  -1e300,
                                  1e300,
                                  0x1p-149,
                                  0x1p-150,
                                  0x1.8p-150,
                                  5e-324,
                                  0.0,
                                  -0.0,
                                  1e-40,
                                  3.14};
    double random[500];
    int32_t whole[500] = {0, 1, -1, INT32_MAX, INT32_MIN, 16777217, 16777219, -16777217};
    float out[16];

    (void)state;
    for (uint64_t i = 0; i < 500; i++)
        random[i] = ldexp(wni_rand_unit(9, 1, i) - 0.5, (int)wni_rand_below(9, 2, i, 300) - 160);
    for (uint64_t i = 8; i < 500; i++)
        whole[i] = (int32_t)(uint32_t)wni_rand_u64(9, 3, i);
    check(hard, 16, 8, SLOT(widen_f64));
    check(random, 500, 8, SLOT(widen_f64));
    check(whole, 500, 4, SLOT(widen_i32));
    wni_kernels_at(WN_ISA_BASE)->widen_f64(hard, out, 16);
    assert_true(out[0] == 1 && out[1] == 1 + 0x1p-22f && out[2] == 1 + 0x1p-23f && out[3] == -1);
    assert_true(isfinite(out[4]) && isinf(out[5]) && out[6] == -INFINITY && out[7] == INFINITY);
    assert_true(out[8] == 0x1p-149f && out[9] == 0 && out[10] == 0x1p-149f && out[11] == 0);
    wni_kernels_at(WN_ISA_BASE)->widen_i32(whole, out, 8);
    assert_true(out[5] == 16777216 && out[6] == 16777220);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_and_bf16),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(f64_and_i32_round_to_nearest_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
