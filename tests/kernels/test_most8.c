/* SPDX-License-Identifier: Apache-2.0
 *
 * most8: every variant of this processor against the oracle.
 */
#include "kernels/kernel_data.h"

enum { ROWS = 75, COLUMNS = 112 };

static void most8_is_the_oracle(void **state)
{
    static const int64_t lengths[] = {16, 48, 256, 1040, 64, 80}, panels[] = {0, 1, 2, 3, 7};
    int8_t *codes = kt_alloc(COLUMNS * 1040);
    uint8_t *x = kt_alloc(ROWS * 1040);
    int32_t *start = kt_alloc(COLUMNS * 4), skip[ROWS], at[ROWS];
    float *columns = kt_alloc(3 * COLUMNS * 4), scale[ROWS], want[ROWS + 1], got[ROWS + 1];

    (void)state;
    for (int l = 0; l < 6; l++) {
        const int64_t ld = lengths[l];
        wni_group8 g = {.codes = codes,
                        .start = start,
                        .scale = columns,
                        .spread = columns + COLUMNS,
                        .high = columns + 2 * COLUMNS,
                        .first = 160};

        for (int64_t i = 0; i < COLUMNS * ld; i++)
            codes[i] = (int8_t)(wni_rand_below(1, 1, (uint64_t)i, 255) - 127);
        for (int64_t i = 0; i < ROWS * ld; i++)
            x[i] = (uint8_t)(l == 2 ? 255 : 1 + wni_rand_below(1, 2, (uint64_t)i, 255));
        for (int c = 0; c < COLUMNS; c++) {
            start[c] = (int32_t)wni_rand_below(1, 3, (uint64_t)c, 100000) - 50000;
            columns[c] = (float)(c % 3 + 1) * 0x1p-10f;
            columns[COLUMNS + c] = (float)(c % 5) / 3;
            columns[2 * COLUMNS + c] = c == 33 && l == 1 ? INFINITY
                                       : c > 108         ? -INFINITY
                                                         : (float)(c % 11);
        }
        for (int r = 0; r < ROWS; r++)
            scale[r] = r % 6 == 5 ? 0 : 0.25f + (float)(r % 5);
        for (int r = 0; r < ROWS; r++) /* not in order */
            at[r] = r * 11 % ROWS;
        for (int p = 0; p < 5; p++) {
            /* The column that wins is left out for some, any or none for the others. */
            for (int r = 0; r < ROWS; r++)
                skip[r] = -1;
            for (int r = 0; r < ROWS && panels[p] > 0; r++) {
                float most, less;

                wni_kernels_oracle()->most8(&g, panels[p], x, &r, 1, ld, scale, skip, &most);
                skip[r] = r % 3 == 0 ? 160 : r % 3 == 1 ? 160 + r : -1;
                for (int c = 0; c < panels[p] * 16 && r % 3 == 2; c++) {
                    skip[r] = 160 + c;
                    wni_kernels_oracle()->most8(&g, panels[p], x, &r, 1, ld, scale, skip, &less);
                    if (less < most) break;
                }
            }
            for (int64_t m = 0; m <= ROWS; m += m < 18 ? 1 : 19) {
                want[m] = -7;
                wni_kernels_oracle()->most8(&g, panels[p], x, at, m, ld, scale, skip, want);
                assert_true(want[m] == -7);
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    got[m] = -7;
                    wni_kernels_at(isa)->most8(&g, panels[p], x, at, m, ld, scale, skip, got);
                    for (int64_t i = 0; i <= m; i++)
                        if (got[i] != want[i])
                            fail_msg("%s, ld %d, %d panels, m %d, row %d: %a, not %a",
                                     wn_isa_name(isa), (int)ld, (int)panels[p], (int)m, (int)i,
                                     (double)got[i], (double)want[i]);
                }
            }
        }
    }
    free(codes), free(x), free(start), free(columns);
}

/* 16 ones at 2 against the codes 1, 3 and 2: 16 (130 - 128) = 32, 96 and 64, twice that by the row's scale. */
static void most8_by_hand(void **state)
{
    int8_t *codes = kt_alloc(32 * 16);
    int32_t *start = kt_alloc(32 * 4);
    uint8_t *x = kt_alloc(3 * 16);
    float *one = kt_alloc(32 * 4), *none = kt_alloc(32 * 4), scale[] = {2, 2, 2}, most[3];
    const int32_t skip[] = {-1, 121, 107}, at[] = {0, 1, 2};

    (void)state;
    memset(x, 130, 3 * 16);
    for (int c = 0; c < 32; c++) {
        int8_t code = c == 21 ? 3 : c == 7 ? 2 : 1;

        for (int i = 0; i < 16; i++)
            codes[(c / 16 * 16 + i / 4 * 4) * 16 + c % 16 * 4 + i % 4] = code;
        start[c] = -128 * 16 * code;
        one[c] = 1;
        none[c] = 0;
    }
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);
        wni_group8 g = {.codes = codes,
                        .start = start,
                        .scale = one,
                        .spread = none,
                        .high = one,
                        .low = none,
                        .first = 100};

        k->most8(&g, 2, x, at, 3, 16, scale, skip, most);
        assert_true(most[0] == 193 && most[1] == 129 && most[2] == 193);
        k->most8(&g, 1, x, at, 3, 16, scale, skip, most);
        assert_true(most[0] == 129 && most[1] == 129 && most[2] == 65);
    }
    free(codes), free(start), free(x), free(one), free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most8_is_the_oracle),
        cmocka_unit_test(most8_by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
