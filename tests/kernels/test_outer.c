/* SPDX-License-Identifier: Apache-2.0
 *
 * outer: every variant of this processor against the oracle, byte for byte, and nothing written beside.
 */
#include "kernels/kernel_data.h"

static void outer_is_the_oracle(void **state)
{
    static const int64_t widths[] = {16, 32, 48, 112, 256, 784};
    static const int64_t rows[] = {0, 1, 2, 15, 16, 17, 40};
    static const int64_t columns[] = {1, 2, 4, 5, 6, 10, 13};
    enum { SENTINELS = 16, MOST = 13 * 784 + SENTINELS };
    float *acc = kt_alloc(MOST * 4), *want = kt_alloc(MOST * 4);
    float *r = kt_alloc(40 * 16 * 4), *x = kt_alloc(40 * 784 * 4);

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int w = 0; w < 6; w++)
            for (int m = 0; m < 7; m++)
                for (int c = 0; c < 7; c++) {
                    int64_t ld = widths[w], n = columns[c], ldr = n + c % 2 * 3;
                    int64_t size = n * ld + SENTINELS;

                    kt_fill(r, rows[m] * ldr, kind, 7);
                    kt_fill(x, rows[m] * ld, kind, 8);
                    kt_fill(want, size, KT_PLAIN, 9);
                    wni_kernels_oracle()->outer(want, r, ldr, n, x, rows[m], ld);
                    for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                        kt_fill(acc, size, KT_PLAIN, 9);
                        wni_kernels_at(isa)->outer(acc, r, ldr, n, x, rows[m], ld);
                        if (memcmp(acc, want, (size_t)size * sizeof *acc) != 0)
                            fail_msg("outer at level %s, %d rows, %d columns, ld %d, kind %d",
                                     wn_isa_name(isa), (int)rows[m], (int)n, (int)ld, kind);
                    }
                }
    free(acc);
    free(want);
    free(r);
    free(x);
}

/* (1, 2) x (3, 5) + (10, 20) x (7, 11), by hand. */
static void known_sums(void **state)
{
    float r[4] = {1, 2, 10, 20}, x[32] __attribute__((aligned(64))) = {3, 5};
    float acc[32] __attribute__((aligned(64)));

    (void)state;
    x[16] = 7;
    x[17] = 11;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        memset(acc, 0, sizeof acc);
        acc[17] = 1;
        k->outer(acc, r, 2, 2, x, 2, 16);
        assert_true(acc[0] == 73 && acc[1] == 115 && acc[2] == 0);
        assert_true(acc[16] == 146 && acc[17] == 231 && acc[31] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(outer_is_the_oracle),
                                       cmocka_unit_test(known_sums)};

    return cmocka_run_group_tests_name("outer", tests, NULL, NULL);
}
