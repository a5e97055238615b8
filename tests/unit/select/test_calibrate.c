/* SPDX-License-Identifier: Apache-2.0
 *
 * Calibration: the weights by their formula, and weighted sums that hit the sum over all rows on average.
 */
#include <math.h>
#include <string.h>

#include "support/support.h"
#include "select/calibrate.h"

enum { N = 12, SEEDS = 20000 };

static const float scores[N] = {5, 1, 9, 2, 7, 3, 8, 4, 6, 0, 11, 10};
static const int32_t group[N] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, -1};
static const double f[N] = {3, 1, 40, 1, 5, 9, 2, 6, 5, 3, 50, 8};

static void select(wn_ctx *ctx, const int64_t *quota, double share, uint64_t seed, uint8_t *rule,
                   float *weights)
{
    wni_picking p = {.how = WN_PICK_TOP,
                     .groups = {N, 2, group},
                     .quota = quota,
                     .scores = scores,
                     .seed = seed};

    wni_open_all(&p.groups, rule);
    memset(weights, 0, N * sizeof *weights);
    ts_ok(ctx, wni_pick_calibrated(ctx, &p, share, rule, weights));
}

static void parts(void **state)
{
    (void)state;
    assert_int_equal(wni_random_part(0, 10), 0);
    assert_int_equal(wni_random_part(0.01, 10), 1);
    assert_int_equal(wni_random_part(0.25, 10), 3);
    assert_int_equal(wni_random_part(1, 10), 10);
    assert_int_equal(wni_random_part(0.5, 0), 0);
}

/* Group 0: 7 rows, 4 asked for, 1 drawn: weight (7 - 3) / 1; group 1: 4 rows, 2 asked for: (4 - 1) / 1; all
 * times 6 / 11. */
static void weights_by_formula(void **state)
{
    static const int64_t quota[] = {4, 2};
    wn_ctx *ctx = ts_ctx(1, -1);
    uint8_t rule[N];
    float weights[N];
    int64_t drawn = 0;
    double sum = 0;

    (void)state;
    select(ctx, quota, 0.2, 3, rule, weights);
    for (int i = 0; i < N; i++) {
        int top = i == 2 || i == 6 || i == 4 || i == 10;
        sum += (double)weights[i];
        if (rule[i] != WN_WHY_KEPT) {
            assert_true(weights[i] == 0 && !top);
            assert_int_equal(rule[i], group[i] < 0 ? WN_WHY_NO_CLUSTER : WN_WHY_SCORE);
            continue;
        }
        drawn += !top;
        assert_true(weights[i] == (float)((top ? 1.0 : group[i] ? 3.0 : 4.0) * (6.0 / 11.0)));
    }
    assert_int_equal(drawn, 2);
    assert_true(fabs(sum - 6) < 1e-6);
    wn_ctx_free(ctx);
}

static void unbiased(void **state)
{
    static const int64_t quotas[][2] = {{4, 2}, {7, 1}, {1, 4}, {3, 0}};
    static const double shares[] = {0.01, 0.5, 1};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (int q = 0; q < 4; q++)
        for (int s = 0; s < 3; s++) {
            double sum = 0, squares = 0, want = 0, error;
            int64_t there = 0, size = quotas[q][0] + quotas[q][1];
            for (int i = 0; i < N; i++)
                if (group[i] >= 0 && quotas[q][group[i]]) {
                    want += f[i];
                    there++;
                }
            want *= (double)size / (double)there;
            for (int seed = 0; seed < SEEDS; seed++) {
                uint8_t rule[N];
                float weights[N];
                double estimate = 0;
                int64_t taken = 0;
                select(ctx, quotas[q], shares[s], (uint64_t)seed, rule, weights);
                for (int i = 0; i < N; i++) {
                    estimate += (double)weights[i] * f[i];
                    taken += rule[i] == WN_WHY_KEPT;
                }
                assert_int_equal(taken, size);
                sum += estimate;
                squares += estimate * estimate;
            }
            error = sqrt(fmax(squares / SEEDS - sum / SEEDS * (sum / SEEDS), 0) / SEEDS);
            if (fabs(sum / SEEDS - want) > 4 * error + 1e-4)
                fail_msg("quota %lld %lld share %g: mean %g, expected %g, standard error %g",
                         (long long)quotas[q][0], (long long)quotas[q][1], shares[s], sum / SEEDS,
                         want, error);
        }
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts), cmocka_unit_test(weights_by_formula), cmocka_unit_test(unbiased)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
