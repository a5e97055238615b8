/* SPDX-License-Identifier: Apache-2.0
 *
 * minhash: every variant against the oracle, and nothing written beyond its k numbers.
 */
#include "kernels/kernel_data.h"

enum { K_MAX = 144, N_MAX = 300, GUARD = 16 };

static void variants_agree(void **state)
{
    static const int64_t ks[] = {16, 32, 48, 128, K_MAX}, ns[] = {1, 2, 3, 17, N_MAX};
    uint32_t *a = kt_alloc(K_MAX * 4), *b = kt_alloc(K_MAX * 4), *x = kt_alloc(N_MAX * 4);
    uint32_t *want = kt_alloc((K_MAX + GUARD) * 4), *got = kt_alloc((K_MAX + GUARD) * 4);

    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        for (int64_t j = 0; j < K_MAX; j++) {
            a[j] = (uint32_t)wni_rand_u64(5, 1, (uint64_t)j) | 1;
            b[j] = (uint32_t)wni_rand_u64(5, 2, (uint64_t)j);
        }
        for (int64_t i = 0; i < N_MAX; i++) /* random; all equal; small and huge */
            x[i] = kind == 0   ? (uint32_t)wni_rand_u64(5, 3, (uint64_t)i)
                   : kind == 1 ? 0xffffffffu
                               : (i & 1 ? UINT32_MAX - (uint32_t)i : (uint32_t)i);
        for (size_t ki = 0; ki < sizeof ks / sizeof ks[0]; ki++)
            for (size_t ni = 0; ni < sizeof ns / sizeof ns[0]; ni++) {
                memset(want, 0x5a, (K_MAX + GUARD) * 4);
                wni_kernels_oracle()->minhash(x, ns[ni], a, b, ks[ki], want);
                for (int isa = WN_ISA_BASE; isa <= (int)ts_best_isa(); isa++) {
                    memset(got, 0x5a, (K_MAX + GUARD) * 4);
                    wni_kernels_at((wn_isa)isa)->minhash(x, ns[ni], a, b, ks[ki], got);
                    assert_memory_equal(got, want, (K_MAX + GUARD) * 4);
                }
            }
    }
    free(a);
    free(b);
    free(x);
    free(want);
    free(got);
}

static void known_answers(void **state)
{
    uint32_t a[16], b[16], low[16];
    const uint32_t x[3] = {10, 4, 7};

    (void)state;
    for (uint32_t j = 0; j < 16; j++) {
        a[j] = j % 2 ? UINT32_MAX : 1; /* as they are, and in reverse */
        b[j] = j;
    }
    wni_kernels_oracle()->minhash(x, 3, a, b, 16, low);
    assert_int_equal(low[0], 4);
    assert_int_equal(low[2], 6);
    assert_int_equal(low[1], (uint32_t)1 - 10);
    assert_int_equal(low[15], 5); /* 15 - 10 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_agree),
        cmocka_unit_test(known_answers),
    };

    return cmocka_run_group_tests_name("kernels: minhash", tests, NULL, NULL);
}
