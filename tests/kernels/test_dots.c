/* SPDX-License-Identifier: Apache-2.0
 *
 * dot, l2sq and dots: every variant of this processor against the oracle, byte for byte.
 */
#include "kernels/kernel_data.h"

static const int64_t lengths[] = {16, 32, 48, 64, 112, 256, 272, 784, 1024, 4096};
#define LENGTHS (int)(sizeof lengths / sizeof *lengths)

static void same_bits(float got, float want, const char *what, int isa, int64_t ld, int kind)
{
    if (memcmp(&got, &want, sizeof got) != 0)
        fail_msg("%s at level %s, ld %d, kind %d: %a, the oracle says %a", what, wn_isa_name(isa),
                 (int)ld, kind, (double)got, (double)want);
}

static void dot_and_l2sq_are_the_oracle(void **state)
{
    float *a = kt_alloc(4096 * 4), *b = kt_alloc(4096 * 4);
    const wni_kernels *oracle = wni_kernels_oracle();

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int l = 0; l < LENGTHS; l++)
            for (uint64_t seed = 0; seed < 5; seed++) {
                int64_t ld = lengths[l];

                kt_fill(a, ld, kind, 2 * seed);
                kt_fill(b, ld, kind, 2 * seed + 1);
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    const wni_kernels *k = wni_kernels_at(isa);

                    same_bits(k->dot(a, b, ld), oracle->dot(a, b, ld), "dot", isa, ld, kind);
                    same_bits(k->l2sq(a, b, ld), oracle->l2sq(a, b, ld), "l2sq", isa, ld, kind);
                    assert_true(k->l2sq(a, a, ld) == 0);
                }
            }
    free(a);
    free(b);
}

static void pairs_of_rows_are_the_oracle(void **state)
{
    enum { ROWS = 11 };
    float *x = kt_alloc(ROWS * 4096 * 4), *b = kt_alloc(ROWS * 4096 * 4), out[ROWS + 1];
    const wni_kernels *oracle = wni_kernels_oracle();

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int l = 0; l < LENGTHS; l++)
            for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
                const wni_kernels *k = isa < 0 ? oracle : wni_kernels_at(isa);
                const int64_t ld = lengths[l];
                int32_t at[ROWS], of[ROWS];

                kt_fill(x, ROWS * ld, kind, 1);
                kt_fill(b, ROWS * ld, kind, 2);
                for (int n = 0; n <= ROWS; n++) {
                    for (int i = 0; i < n; i++)
                        at[i] = i * 7 % ROWS, of[i] = i * 3 % ROWS;
                    out[n] = 42;
                    k->dot_pairs(x, of, b, at, n, ld, out);
                    for (int i = 0; i < n; i++)
                        same_bits(out[i], oracle->dot(x + of[i] * ld, b + at[i] * ld, ld),
                                  "dot_pairs", isa, ld, kind);
                    k->l2sq_pairs(x, of, b, at, n, ld, out);
                    for (int i = 0; i < n; i++)
                        same_bits(out[i], oracle->l2sq(x + of[i] * ld, b + at[i] * ld, ld),
                                  "l2sq_pairs", isa, ld, kind);
                    assert_true(out[n] == 42);
                }
            }
    free(x);
    free(b);
}

/* The order itself, worked out by hand: 2^24 + 1 is lost when added last, kept when added first. */
static void the_tree_is_the_canonical_one(void **state)
{
    float a[16] __attribute__((aligned(64))) = {0}, one[16] __attribute__((aligned(64)));

    (void)state;
    for (int l = 0; l < 16; l++)
        one[l] = 1;
    a[0] = 0x1p24f;
    a[1] = 1;
    a[9] = 1; /* meets lane 1 in the first step: 2 survives the last one */
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        assert_true(k->dot(a, one, 16) == 0x1p24f + 2);
    }
    a[9] = 0;
    a[3] = 1; /* meets lane 1 in step l + 2 */
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        assert_true(k->dot(a, one, 16) == 0x1p24f + 2);
    }
    a[3] = 0;
    a[8] = 1; /* meets lane 0 at once and is lost, as lane 1 is later */
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        assert_true(k->dot(a, one, 16) == 0x1p24f);
    }
}

/* Exact cancellation: only a truly fused product leaves the low part. */
static void products_are_fused(void **state)
{
    float a[32] __attribute__((aligned(64))) = {0}, b[32] __attribute__((aligned(64))) = {0};

    (void)state;
    a[0] = -1, b[0] = 1 + 0x1p-11f;
    a[16] = 1 + 0x1p-12f, b[16] = 1 + 0x1p-12f;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        assert_true(k->dot(a, b, 32) == 0x1p-24f);
    }
}

static void dots_is_dot_for_every_pair(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 13};
    enum { MOST = 13, SENTINELS = 16 };
    int64_t most = (int64_t)MOST * 4096;
    float *a = kt_alloc(most * 4), *b = kt_alloc(most * 4);
    float out[MOST * (MOST + 3) + SENTINELS];
    const wni_kernels *oracle = wni_kernels_oracle();

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int l = 0; l < LENGTHS; l++)
            for (int mi = 0; mi < 9; mi++)
                for (int ni = 0; ni < 9; ni++) {
                    int64_t ld = lengths[l], m = sizes[mi], n = sizes[ni], ldo = n + 3;
                    float want[MOST * MOST];

                    if (ld > 300 && (mi + ni + kind) % 7) continue; /* the oracle is slow */
                    kt_fill(a, m * ld, kind, 10);
                    kt_fill(b, n * ld, kind, 11);
                    oracle->dots(a, m, b, n, ld, want, MOST);
                    for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                        memset(out, 0xa5, sizeof out);
                        wni_kernels_at(isa)->dots(a, m, b, n, ld, out, ldo);
                        for (int64_t i = 0; i < m; i++)
                            for (int64_t j = 0; j < n; j++)
                                same_bits(out[i * ldo + j], want[i * MOST + j], "dots", isa, ld,
                                          kind);
                        for (int64_t i = 0; i < (int64_t)(sizeof out / sizeof *out); i++)
                            if (i >= m * ldo || i % ldo >= n) {
                                uint32_t bits;

                                memcpy(&bits, out + i, sizeof bits);
                                assert_int_equal(bits, 0xa5a5a5a5u);
                            }
                    }
                }
    free(a);
    free(b);
}

/* One block at every level against the oracle, the room beside it left alone. */
static void a_block_is_dot(int64_t m, int64_t n, int64_t ld, int kind)
{
    const int64_t ldo = n + 3;
    float *a = kt_alloc(m * ld * 4), *b = kt_alloc(n * ld * 4);
    float *out = kt_alloc(m * ldo * 4), *want = kt_alloc(m * n * 4);

    kt_fill(a, m * ld, kind, 12);
    kt_fill(b, n * ld, kind, 13);
    wni_kernels_oracle()->dots(a, m, b, n, ld, want, n);
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
        memset(out, 0xa5, (size_t)(m * ldo) * 4);
        wni_kernels_at(isa)->dots(a, m, b, n, ld, out, ldo);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < n; j++)
                same_bits(out[i * ldo + j], want[i * n + j], "dots", isa, ld, kind);
            for (int64_t j = n; j < ldo; j++) {
                uint32_t bits;

                memcpy(&bits, out + i * ldo + j, sizeof bits);
                assert_int_equal(bits, 0xa5a5a5a5u);
            }
        }
    }
    free(a);
    free(b);
    free(out);
    free(want);
}

/* Sizes from which short rows are turned into columns, and those beside them. */
static void short_rows_are_dot_too(void **state)
{
    static const int64_t ms[] = {11, 12, 13, 64, 65, 130}, ns[] = {7, 8, 15, 16, 17, 33, 64};

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int64_t ld = 16; ld <= 80; ld += 16)
            for (int mi = 0; mi < 6; mi++)
                for (int ni = 0; ni < 7; ni++) {
                    if (ms[mi] > 13 && (mi + ni + kind) % 3) continue; /* the oracle is slow */
                    a_block_is_dot(ms[mi], ns[ni], ld, kind);
                }
}

/* Lengths from which rows are cut into pieces, of one length and of several; blocks that are filled and not. */
static void long_rows_are_dot_too(void **state)
{
    static const int64_t ms[] = {12, 15, 16, 19, 64, 69, 84}, ns[] = {3, 4, 8, 9, 12, 21};
    static const int64_t lds[] = {544, 560, 576, 1024, 1040, 1552, 2064, 4096};

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int li = 0; li < 8; li++)
            for (int mi = 0; mi < 7; mi++)
                for (int ni = 0; ni < 6; ni++) {
                    if ((li + 2 * mi + 3 * ni + kind) % 11) continue; /* the oracle is slow */
                    a_block_is_dot(ms[mi], ns[ni], lds[li], kind);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dot_and_l2sq_are_the_oracle),
        cmocka_unit_test(pairs_of_rows_are_the_oracle),
        cmocka_unit_test(the_tree_is_the_canonical_one),
        cmocka_unit_test(products_are_fused),
        cmocka_unit_test(dots_is_dot_for_every_pair),
        cmocka_unit_test(short_rows_are_dot_too),
        cmocka_unit_test(long_rows_are_dot_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
