/* SPDX-License-Identifier: Apache-2.0
 *
 * tops8: every variant of this processor against the oracle.
 */
#include "kernels/kernel_data.h"
#if defined(__x86_64__)
#include "kernels/emulated_amx.h"
#endif

enum { ROWS = 75 };

/* `only`, or NULL for every level of this processor. */
static void tops8_as_the_oracle(const wni_kernels *only)
{
    static const int64_t lengths[] = {16, 48, 256, 1040, 64, 80};
    int8_t *codes = kt_alloc(64 * 1040);
    uint8_t *x = kt_alloc(ROWS * 1040);
    int32_t *start = kt_alloc(64 * 4);
    float *columns = kt_alloc(4 * 64 * 4), scale[ROWS], want[4 * ROWS + 1], got[4 * ROWS + 1];

    for (int l = 0; l < 6; l++) {
        const int64_t ld = lengths[l];
        wni_group8 g = {.codes = codes,
                        .start = start,
                        .scale = columns,
                        .spread = columns + 64,
                        .high = columns + 128,
                        .low = columns + 192};

        for (int64_t i = 0; i < 64 * ld; i++)
            codes[i] = (int8_t)(wni_rand_below(1, 1, (uint64_t)i, 255) - 127);
        for (int64_t i = 0; i < ROWS * ld; i++)
            x[i] = (uint8_t)(l == 2 ? 255 : 1 + wni_rand_below(1, 2, (uint64_t)i, 255));
        for (int c = 0; c < 64; c++) {
            start[c] = (int32_t)wni_rand_below(1, 3, (uint64_t)c, 100000) - 50000;
            columns[c] = (float)(c % 3 + 1) * 0x1p-10f;
            columns[64 + c] = (float)(c % 5) / 3;
            columns[128 + c] = c == 33 && l == 1 ? INFINITY : c > 60 ? -INFINITY : (float)(c % 11);
            columns[192 + c] = 0;
        }
        for (int r = 0; r < ROWS; r++)
            scale[r] = r % 6 == 5 ? 0 : 0.25f + (float)(r % 5);
        for (int64_t m = 0; m <= ROWS; m += m < 8 || m % 16 == 0 ? 1 : 4) {
            want[4 * m] = -7;
            wni_kernels_oracle()->tops8(&g, x, m, ld, scale, want);
            assert_true(want[4 * m] == -7);
            for (int isa = 0; isa <= (only ? 0 : (int)ts_best_isa()); isa++) {
                got[4 * m] = -7;
                (only ? only : wni_kernels_at(isa))->tops8(&g, x, m, ld, scale, got);
                for (int64_t i = 0; i <= 4 * m; i++)
                    if (got[i] != want[i])
                        fail_msg("%s, ld %d, m %d, number %d: %a, not %a",
                                 only ? "emulated" : wn_isa_name(isa), (int)ld, (int)m, (int)i,
                                 (double)got[i], (double)want[i]);
            }
        }
    }
    free(codes), free(x), free(start), free(columns);
}

static void tops8_is_the_oracle(void **state)
{
    (void)state;
    tops8_as_the_oracle(NULL);
}

/* The kernel for tiles has its own logic tested where there are none. */
static void tops8_in_tiles_is_the_oracle(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (ts_best_isa() >= WN_ISA_VNNI) {
        wni_kernels emulated = *wni_kernels_oracle();
        const int64_t before = kt_tile_products();

        emulated.tops8 = kt_tops8_emulated;
        tops8_as_the_oracle(&emulated);
        assert_true(kt_tile_products() > before);
        return;
    }
#endif
    print_message("no AVX-512 with VNNI here\n");
    skip();
}

/* 16 ones at 2 against the codes 1 and 2: 16 (130 - 128) = 32 and 64, twice that by the row's scale. */
static void tops8_by_hand(void **state)
{
    int8_t *codes = kt_alloc(64 * 16);
    int32_t *start = kt_alloc(64 * 4);
    uint8_t *x = kt_alloc(16);
    float *one = kt_alloc(64 * 4), *none = kt_alloc(64 * 4), scale = 2, top[4];

    (void)state;
    memset(x, 130, 16);
    for (int c = 0; c < 64; c++) {
        int8_t code = c == 21 ? 2 : 1;

        for (int i = 0; i < 16; i++)
            codes[(c / 16 * 16 + i / 4 * 4) * 16 + c % 16 * 4 + i % 4] = code;
        start[c] = -128 * 16 * code;
        one[c] = 1;
        none[c] = 0;
    }
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);
        wni_group8 g = {
            .codes = codes, .start = start, .scale = one, .spread = none, .high = one, .low = none};

        k->tops8(&g, x, 1, 16, &scale, top);
        assert_true(top[0] == 65 && top[1] == 129 && top[2] == 65 && top[3] == 65);
    }
    free(codes), free(start), free(x), free(one), free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tops8_is_the_oracle),
        cmocka_unit_test(tops8_in_tiles_is_the_oracle),
        cmocka_unit_test(tops8_by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
