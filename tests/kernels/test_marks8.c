/* SPDX-License-Identifier: Apache-2.0
 *
 * marks8 and lifts8: every variant of this processor against the oracle, and what they promise to dots8: where an upper
 * reaches need, the sum with its lift is not below the mark.
 */
#include <float.h>

#include "kernels/kernel_data.h"

enum { ROWS = 75 };

typedef struct numbers {
    float scale[ROWS], need[ROWS], rest[ROWS];
    float column_scale[WNI_GROUP8], spread[WNI_GROUP8], high[WNI_GROUP8], column_rest[WNI_GROUP8];
    float other[WNI_GROUP8];
    wni_guess8 guess;
} numbers;

static double unit(uint64_t seed, int which, int i)
{
    return wni_rand_unit(seed, (uint64_t)which, (uint64_t)i);
}

/* Like those of a filter: scales and needs that differ by `wide` about their means. Now and then what is at an end. */
static void make(numbers *n, uint64_t seed, double wide, int ends)
{
    const double row = ldexp(1, (int)(seed % 5) * 8 - 16),
                 column = ldexp(1, (int)(seed % 3) * 6 - 10);
    const double need = row * column * 1e5 * (unit(seed, 1, 0) * 2 - 0.5);

    for (int r = 0; r < ROWS; r++) {
        n->scale[r] = (float)(row * (1 + wide * unit(seed, 2, r)));
        n->need[r] = (float)(need * (1 + wide * unit(seed, 3, r)));
        n->rest[r] = (float)(1 + 500 * (1 + wide * unit(seed, 4, r)));
        if (ends && r % 11 == 3) n->scale[r] = 0, n->need[r] = r % 2 ? INFINITY : 3;
        if (ends && r % 11 == 5) n->need[r] = -FLT_MAX;
        if (ends && r % 11 == 7) n->need[r] = FLT_MAX;
        if (ends && r % 11 == 9) n->scale[r] = r % 2 ? 0x1p-60f : 0x1p60f;
    }
    for (int c = 0; c < WNI_GROUP8; c++) {
        n->column_scale[c] = (float)(column * (1 + wide * unit(seed, 5, c)));
        n->spread[c] = (float)(column * 1000 * unit(seed, 6, c));
        n->high[c] = (float)(need * (0.3 + wide * unit(seed, 7, c)));
        n->column_rest[c] = (float)(1 + 500 * (1 + wide * unit(seed, 8, c)));
        n->other[c] = (float)(need * (0.2 + wide * unit(seed, 9, c)));
        if (ends && c % 13 == 3) n->column_scale[c] = 0, n->high[c] = c % 2 ? -INFINITY : FLT_MAX;
        if (ends && c % 13 == 5) n->column_scale[c] = 0;
        if (ends && c % 13 == 7) n->column_scale[c] = c % 2 ? 0x1p-60f : 0x1p60f;
        if (ends && c % 13 == 9) n->other[c] = c % 2 ? INFINITY : -0x1p126f;
    }
    n->guess = (wni_guess8){
        .need = {(float)(need / row), (float)(1 / column), (float)(row / column / need)},
        .high = {(float)(1 / row), 0, (float)(need / column * row)},
        .rest = {(float)(-700 * row), (float)(700 * column), (float)(column / row)},
        .origin = (float)(need * 0.4),
        .most = ends ? 0x1p60f : (float)(1 / row)};
    n->guess.need.weight = fabsf(n->guess.need.weight);
    n->guess.high.weight = fabsf(n->guess.high.weight);
    if (unit(seed, 10, 0) < 0.3) { /* a poor guess is as right */
        n->guess.need.row *= 9;
        n->guess.need.weight *= 100;
        n->guess.high.row = n->guess.rest.column = 0;
    }
}

static wni_group8 group_of(const numbers *n, int head)
{
    return (wni_group8){.scale = n->column_scale,
                        .spread = n->spread,
                        .high = n->high,
                        .rest = n->column_rest,
                        .head = head ? 16 : 0};
}

static void marks8_is_the_oracle(void **state)
{
    numbers n;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++)
        for (int head = 0; head < 2; head++) {
            const wni_group8 group = group_of(&n, head);
            const int m = (int)(seed * 7 % (ROWS + 1));
            const float *rest = head ? n.rest : NULL, *other = seed % 3 == 1 ? n.other : NULL;
            int32_t want[ROWS + 1], got[ROWS + 1], lift[WNI_GROUP8 + 1], lifts[WNI_GROUP8 + 1];

            make(&n, seed, seed % 4 * 0.3, seed % 2 == 1);
            want[m] = lift[WNI_GROUP8] = -7;
            wni_kernels_oracle()->marks8(&n.guess, n.scale, n.need, rest, m, want);
            wni_kernels_oracle()->lifts8(&n.guess, &group, other, lift);
            assert_true(want[m] == -7 && lift[WNI_GROUP8] == -7);
            for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                got[m] = lifts[WNI_GROUP8] = -7;
                wni_kernels_at(isa)->marks8(&n.guess, n.scale, n.need, rest, m, got);
                wni_kernels_at(isa)->lifts8(&n.guess, &group, other, lifts);
                assert_memory_equal(got, want, (size_t)(m + 1) * sizeof *got);
                assert_memory_equal(lifts, lift, sizeof lift);
            }
        }
}

/* The least sum at which the upper reaches need, as dots8 rounds: by bisection, for it never falls as I grows.
 * most + 1: none does. */
static int64_t least_sum(const numbers *n, int r, int c, float need, int64_t most)
{
    int64_t low = -most, high = most + 1;

    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const float upper =
            fmaf(n->scale[r], fmaf(n->column_scale[c], (float)middle, n->spread[c]), n->high[c]);

        if (upper >= need)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void no_row_is_passed_over_wrongly(void **state)
{
    const int64_t most = (1 << 27) - 1;
    int64_t reached = 0, near = 0;
    numbers n;

    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        const wni_group8 group = group_of(&n, 0), headed = group_of(&n, 1);
        const int ends = seed % 2 == 1;
        const float *other = seed % 3 == 1 ? n.other : NULL;
        int32_t mark[ROWS], lift[WNI_GROUP8], head_mark[ROWS], head_lift[WNI_GROUP8];

        make(&n, seed, seed % 4 * 0.3, ends);
        for (int r = 0; ends && r < ROWS;
             r++) /* what both ends make together has no upper: it is not finite */
            if (n.scale[r] == 0x1p60f) n.scale[r] = 0x1p30f;
        for (int c = 0; ends && c < WNI_GROUP8; c++)
            if (n.column_scale[c] == 0x1p60f) n.column_scale[c] = 0x1p30f;
        wni_kernels_oracle()->marks8(&n.guess, n.scale, n.need, NULL, ROWS, mark);
        wni_kernels_oracle()->lifts8(&n.guess, &group, other, lift);
        wni_kernels_oracle()->marks8(&n.guess, n.scale, n.need, n.rest, ROWS, head_mark);
        wni_kernels_oracle()->lifts8(&n.guess, &headed, other, head_lift);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < WNI_GROUP8; c++) {
                const float need = other ? other[c] + n.need[r] : n.need[r];
                const int64_t least = least_sum(&n, r, c, need, most);
                const double rest = (double)n.rest[r] * (double)n.column_rest[c];

                if (least > most) continue;
                reached++;
                near += least + lift[c] < mark[r] + (least < 0 ? -least : least) / 4 + 100;
                assert_true(least + lift[c] >= mark[r]);
                if (least - rest > -(double)most)
                    assert_true(ceil((double)least - rest) + head_lift[c] >= head_mark[r]);
            }
    }
    /* Neither is all looked at. */
    assert_true(reached > 100000 && near > reached / 8);
}

/* What a row needs of its own and what the columns add cancel: the rest that is taken off the former is lost in its
 * rounding. Rests of 5.5 x 5.5, so that sums of the head from -30 on may reach what a whole sum of 0 reaches. */
static void what_is_needed_may_cancel(void **state)
{
    const wni_guess8 guess = {.need = {0, 32, 1},
                              .high = {32, 0, 1},
                              .rest = {-5.5f / 32, 5.5f / 32, 1},
                              .origin = 0x1p20f,
                              .most = 32};
    float scale[WNI_GROUP8], none[WNI_GROUP8] = {0}, rest[WNI_GROUP8], other[WNI_GROUP8];
    const float row = 0x1p-5f, own = 0x1p20f, row_rest = 5.5f;
    const wni_group8 group = {
        .scale = scale, .spread = none, .high = none, .rest = rest, .head = 16};
    int32_t mark, lift[WNI_GROUP8];

    (void)state;
    for (int c = 0; c < WNI_GROUP8; c++)
        scale[c] = 0x1p-5f, rest[c] = 5.5f, other[c] = -0x1p20f;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        k->marks8(&guess, &row, &own, &row_rest, 1, &mark);
        k->lifts8(&guess, &group, other, lift);
        assert_true(-30 + lift[0] >= mark);
    }
}

/* A row that needs 10 of 2 I + 4 needs an I of 3. Where all numbers are the usual ones mark and lift say just that, but
 * for the margin and one whole number: each rounds past 3 and past 0, and goes one on. */
static void marks_by_hand(void **state)
{
    const wni_guess8 guess = {.need = {6, 0.5f, 1}, .high = {1, 0, 1}, .origin = 4, .most = 1};
    float scale[WNI_GROUP8], high[WNI_GROUP8], none[WNI_GROUP8] = {0}, row = 1, need = 10;
    int32_t mark, lift[WNI_GROUP8];
    const wni_group8 group = {.scale = scale, .spread = none, .high = high};

    (void)state;
    for (int c = 0; c < WNI_GROUP8; c++)
        scale[c] = 2, high[c] = 4;
    high[9] = -INFINITY;
    scale[10] = 0;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        k->marks8(&guess, &row, &need, NULL, 1, &mark);
        k->lifts8(&guess, &group, NULL, lift);
        assert_int_equal(mark, 1);
        assert_int_equal(lift[0], 2);
        assert_true(lift[9] == -(1 << 28) && lift[10] == 1 << 28);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks8_is_the_oracle),
        cmocka_unit_test(no_row_is_passed_over_wrongly),
        cmocka_unit_test(what_is_needed_may_cancel),
        cmocka_unit_test(marks_by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
