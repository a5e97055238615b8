/* SPDX-License-Identifier: Apache-2.0
 *
 * widen_*: every value of the small types, hard values of the large ones, at any byte.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <sys/mman.h>
#include <unistd.h>

#include "base/ctx_impl.h"
#include "kernels/kernel_data.h"

typedef void (*widen_fn)(const void *src, float *dst, int64_t count);

#define GUARD  8 /* floats in front of and behind the output */
#define SHORTS 70

static widen_fn at_slot(const wni_kernels *kernels, size_t slot)
{
    widen_fn fn;

    memcpy(&fn, (const char *)kernels + slot, sizeof fn);
    return fn;
}

/* One call into sentinels: `want` and not a byte more. got holds n + 2 * GUARD + 1 floats. */
static void check_call(widen_fn fn, const void *src, int64_t n, int odd, const float *want,
                       float *got)
{
    float *dst = got + GUARD + odd;

    memset(got, 0xa5, (size_t)(n + 2 * GUARD + 1) * 4);
    fn(src, dst, n);
    assert_memory_equal(dst, want, (size_t)n * 4);
    for (int64_t i = 0; i < GUARD + odd; i++)
        assert_memory_equal(got + i, "\xa5\xa5\xa5\xa5", 4);
    for (int64_t i = n; i < n + GUARD; i++)
        assert_memory_equal(dst + i, "\xa5\xa5\xa5\xa5", 4);
}

/* Every variant against the oracle: all counts up to SHORTS and those up to `count`, the source at eight
 * starts and then with its end at the end of a page that nobody may read beyond. */
static void check(const void *bytes, int64_t count, size_t element_bytes, size_t slot)
{
    const int64_t size = (int64_t)element_bytes, page = sysconf(_SC_PAGESIZE);
    char *src = kt_alloc(count * size + 64), *pages;
    float *got = kt_alloc((count + 2 * GUARD + 1) * 4), *want = kt_alloc(count * 4);

    pages =
        mmap(NULL, (size_t)(2 * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, (size_t)page, PROT_NONE), 0);
    at_slot(wni_kernels_oracle(), slot)(bytes, want, count);
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
        widen_fn fn = at_slot(wni_kernels_at(isa), slot);

        for (int start = 0; start < 8; start++) {
            memcpy(src + start, bytes, (size_t)(count * size));
            for (int64_t n = 0; n <= wni_min(count, SHORTS); n++)
                check_call(fn, src + start, n, start % 2, want, got);
            for (int64_t n = wni_max(count - 9, 0); n <= count; n++)
                check_call(fn, src + start, n, start % 2, want, got);
        }
        for (int64_t n = 0; n <= wni_min(count, SHORTS); n++) {
            memcpy(pages + page - n * size, bytes, (size_t)(n * size));
            check_call(fn, pages + page - n * size, n, 0, want, got);
        }
    }
    munmap(pages, (size_t)(2 * page));
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

/* What the oracle promises: sign and upper payload stay, f16 and f64 come out quiet, bf16 as it is. */
static void nans_keep_sign_and_payload(void **state)
{
    static const uint16_t f16[] = {0x7c01, 0xfc01, 0x7e00, 0xffff};
    static const uint32_t f16_wide[] = {0x7fc02000, 0xffc02000, 0x7fc00000, 0xffffe000};
    static const uint16_t bf16[] = {0x7f81, 0xff81, 0x7fc0, 0xffff};
    static const uint32_t bf16_wide[] = {0x7f810000, 0xff810000, 0x7fc00000, 0xffff0000};
    static const uint64_t f64[] = {0x7ff0000000000001, 0xfff0000020000000, 0x7ff8000000000000,
                                   0xffffffffffffffff};
    static const uint32_t f64_wide[] = {0x7fc00000, 0xffc00001, 0x7fc00000, 0xffffffff};
    uint64_t many[SHORTS];
    float out[4];

    (void)state;
    wni_kernels_oracle()->widen_f16(f16, out, 4);
    assert_memory_equal(out, f16_wide, sizeof out);
    wni_kernels_oracle()->widen_bf16(bf16, out, 4);
    assert_memory_equal(out, bf16_wide, sizeof out);
    wni_kernels_oracle()->widen_f64(f64, out, 4);
    assert_memory_equal(out, f64_wide, sizeof out);
    for (uint64_t i = 0; i < SHORTS; i++) /* NaN, and now and then an infinity */
        many[i] = wni_rand_u64(9, 4, i) | 0x7ff0000000000000;
    for (int i = 0; i < SHORTS; i += 9)
        many[i] &= 0xfff0000000000000;
    check(f64, 4, 8, SLOT(widen_f64));
    check(many, SHORTS, 8, SLOT(widen_f64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_f16_and_bf16),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(f64_and_i32_round_to_nearest_even),
        cmocka_unit_test(nans_keep_sign_and_payload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
