/* SPDX-License-Identifier: Apache-2.0
 *
 * most8: every variant of this processor against the oracle.
 */
#include <float.h>

#include "kernels/kernel_data.h"

enum { ROWS = 75, COLUMNS = 112 };

typedef struct found {
    float most[ROWS + 1];
    int32_t row[ROWS * COLUMNS + 1], column[ROWS * COLUMNS + 1];
    int64_t pair[ROWS * COLUMNS]; /* sorted */
    int64_t hits;
} found;

static int by_pair(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void find(const wni_kernels *k, const wni_group8 *g, int64_t panels, const uint8_t *x,
                 const int32_t *at, int64_t m, int64_t ld, const float *scale, const int32_t *skip,
                 const float *need, found *out)
{
    const wni_pairs8 hits = {out->row, out->column};

    out->most[m] = -7;
    memset(out->row, 0xff, sizeof out->row);
    out->hits = k->most8(g, panels, x, at, m, ld, scale, skip, need, out->most, &hits);
    assert_true(out->most[m] == -7);
    assert_int_equal(out->row[out->hits], -1);
    for (int64_t h = 0; h < out->hits; h++)
        out->pair[h] = (int64_t)out->row[h] * 1000 + out->column[h];
    qsort(out->pair, (size_t)out->hits, sizeof *out->pair, by_pair);
}

static void most8_is_the_oracle(void **state)
{
    static const int64_t lengths[] = {16, 48, 256, 1040, 64, 80}, panels[] = {0, 1, 2, 3, 7};
    int8_t *codes = kt_alloc(COLUMNS * 1040);
    uint8_t *x = kt_alloc(ROWS * 1040);
    int32_t *start = kt_alloc(COLUMNS * 4), skip[ROWS], at[ROWS];
    float *columns = kt_alloc(3 * COLUMNS * 4), scale[ROWS], need[ROWS];
    found *want = kt_alloc(sizeof *want), *got = kt_alloc(sizeof *got);
    int64_t hits = 0;

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
            /* The column that wins is left out for some, any or none for the others; few columns, none or all reach
             * what a row needs, exactly some of them. */
            for (int r = 0; r < ROWS; r++) {
                skip[r] = -1;
                need[r] = INFINITY;
            }
            for (int r = 0; r < ROWS && panels[p] > 0; r++) {
                float most;

                find(wni_kernels_oracle(), &g, panels[p], x, &r, 1, ld, scale, skip, need, want);
                most = want->most[0];
                skip[r] = r % 3 == 0 ? 160 : r % 3 == 1 ? 160 + r : -1;
                for (int c = 0; c < panels[p] * 16 && r % 3 == 2; c++) {
                    skip[r] = 160 + c;
                    find(wni_kernels_oracle(), &g, panels[p], x, &r, 1, ld, scale, skip, need,
                         want);
                    if (want->most[0] < most) break;
                }
                if (r % 5 < 2) need[r] = most;
                if (r % 5 == 2) need[r] = want->most[0];
                if (r % 5 == 3) need[r] = r % 2 ? -FLT_MAX : most - fabsf(most) / 8;
            }
            for (int64_t m = 0; m <= ROWS; m += m < 18 ? 1 : 19) {
                find(wni_kernels_oracle(), &g, panels[p], x, at, m, ld, scale, skip, need, want);
                hits += want->hits;
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    find(wni_kernels_at(isa), &g, panels[p], x, at, m, ld, scale, skip, need, got);
                    for (int64_t i = 0; i < m; i++)
                        if (got->most[i] != want->most[i])
                            fail_msg("%s, ld %d, %d panels, m %d, row %d: %a, not %a",
                                     wn_isa_name(isa), (int)ld, (int)panels[p], (int)m, (int)i,
                                     (double)got->most[i], (double)want->most[i]);
                    assert_int_equal(got->hits, want->hits);
                    assert_memory_equal(got->pair, want->pair,
                                        (size_t)want->hits * sizeof *want->pair);
                }
            }
        }
    }
    assert_true(hits > 1000);
    free(codes), free(x), free(start), free(columns), free(want), free(got);
}

/* 16 ones at 2 against the codes 1, 3 and 2: 16 (130 - 128) = 32, 96 and 64, twice that by the row's scale. */
static void most8_by_hand(void **state)
{
    int8_t *codes = kt_alloc(32 * 16);
    int32_t *start = kt_alloc(32 * 4);
    uint8_t *x = kt_alloc(3 * 16);
    float *one = kt_alloc(32 * 4), *none = kt_alloc(32 * 4), scale[] = {2, 2, 2};
    const float far[] = {INFINITY, INFINITY, INFINITY}, need[] = {193, 65, 129.5f};
    const int32_t skip[] = {-1, 121, 107}, at[] = {0, 1, 2};
    found *got = kt_alloc(sizeof *got);

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

        find(k, &g, 2, x, at, 3, 16, scale, skip, far, got);
        assert_true(got->most[0] == 193 && got->most[1] == 129 && got->most[2] == 193);
        assert_int_equal(got->hits, 0);
        find(k, &g, 1, x, at, 3, 16, scale, skip, far, got);
        assert_true(got->most[0] == 129 && got->most[1] == 129 && got->most[2] == 65);
        /* The 3 is a hit of row 0 and of row 2; of row 1 all others are. */
        find(k, &g, 2, x, at, 3, 16, scale, skip, need, got);
        assert_true(got->most[0] == 129 && got->most[1] == -INFINITY && got->most[2] == 65);
        assert_int_equal(got->hits, 33);
        assert_int_equal(got->pair[0], 121);
        assert_int_equal(got->pair[21], 1120);
        assert_int_equal(got->pair[22], 1122);
        assert_int_equal(got->pair[32], 2121);
    }
    free(codes), free(start), free(x), free(one), free(none), free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most8_is_the_oracle),
        cmocka_unit_test(most8_by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
