/* SPDX-License-Identifier: Apache-2.0
 *
 * colbest: every variant against the oracle, for every width and height of a tile.
 */
#include <math.h>
#include <string.h>

#include "kernels/kernel_data.h"
#include "kernels/kernels.h"
#include "support/support.h"

#define LDS  64
#define MOST 23

static void colbest_is_the_oracle(void **state)
{
    static float s[MOST * LDS], bias[MOST];

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int64_t m = 1; m <= MOST; m += m < 5 ? 1 : 6)
            for (int64_t n = 1; n <= LDS; n++) {
                float want[2][LDS], got[2][LDS];
                int32_t want_at[LDS], at[LDS];

                kt_fill(s, MOST * LDS, kind, (uint64_t)(m * 100 + n));
                kt_fill(bias, MOST, kind, (uint64_t)n);
                wni_kernels_oracle()->colbest(s, LDS, bias, m, n, want[0], want_at, want[1]);
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    wni_kernels_at(isa)->colbest(s, LDS, bias, m, n, got[0], at, got[1]);
                    for (int64_t j = 0; j < n; j++)
                        if (got[0][j] != want[0][j] || got[1][j] != want[1][j] ||
                            at[j] != want_at[j])
                            fail_msg("level %s, %d x %d, kind %d, column %d: %a at %d then %a, the "
                                     "oracle says %a at %d then %a",
                                     wn_isa_name(isa), (int)m, (int)n, kind, (int)j,
                                     (double)got[0][j], at[j], (double)got[1][j],
                                     (double)want[0][j], want_at[j], (double)want[1][j]);
                }
            }
}

/* Ties go to the first row; columns past n are not touched. */
static void colbest_by_hand(void **state)
{
    const float s[3 * 4] = {1, 7, 2, 9, 4, 7, 2, 9, 3, 6, 5, 9}, bias[3] = {0, 0, 1};

    (void)state;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);
        float value[4] = {0, 0, 0, -5}, second[4] = {0, 0, 0, -6};
        int32_t at[4] = {0, 0, 0, -7};

        k->colbest(s, 4, bias, 3, 3, value, at, second);
        assert_true(value[0] == 4 && at[0] == 1 && second[0] == 2);
        assert_true(value[1] == 7 && at[1] == 0 && second[1] == 7);
        assert_true(value[2] == 4 && at[2] == 2 && second[2] == 2);
        assert_true(value[3] == -5 && at[3] == -7 && second[3] == -6);
        k->colbest(s, 4, bias, 1, 1, value, at, second);
        assert_true(value[0] == 1 && at[0] == 0 && isinf(second[0]) && second[0] < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colbest_is_the_oracle),
        cmocka_unit_test(colbest_by_hand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
