/* SPDX-License-Identifier: Apache-2.0
 *
 * expsum and exps: every variant of this processor against the oracle, byte for byte, and the oracle against
 * sums in long double.
 */
#include "base/fixmath.h"
#include "kernels/kernel_data.h"

enum { MOST = 300, SENTINELS = 8 };

typedef struct scores {
    float s[MOST], bias[MOST];
    double add[MOST];
} scores;

static void fill(scores *x, int kind, uint64_t seed)
{
    kt_fill(x->s, MOST, kind, seed);
    kt_fill(x->bias, MOST, kind == KT_HUGE ? KT_PLAIN : kind, seed + 1);
    for (uint64_t j = 0; j < MOST; j++)
        x->add[j] = 20 * wni_rand_unit(seed, 3, j) - 10;
    if (kind == KT_HUGE) /* finite after scaling */
        for (int j = 0; j < MOST; j++)
            x->s[j] = j % 2 ? 1e30f : -1e30f;
    if (seed % 3 == 0) x->add[seed % MOST] = -INFINITY; /* a column that takes no part */
}

static void variants_are_the_oracle(void **state)
{
    static const double scales[] = {1, -3.5, 20, 1e-3, 1000};
    scores *x = malloc(sizeof *x);

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int64_t n = 0; n <= MOST; n = n < 40 ? n + 1 : n + 13)
            for (uint64_t seed = 0; seed < 6; seed++) {
                const float *bias = seed & 1 ? x->bias : NULL;
                const double *add = seed & 2 ? x->add : NULL, scale = scales[seed % 5];
                double want_top = seed == 4 ? 3 : -1e300, want_sum = seed == 4 ? 2 : 0;
                double start_top = want_top, start_sum = want_sum;
                float want[MOST + SENTINELS], got[MOST + SENTINELS];

                fill(x, kind, 50 * seed);
                wni_kernels_oracle()->expsum(x->s, bias, add, n, scale, &want_top, &want_sum);
                memset(want, 0xa5, sizeof want);
                wni_kernels_oracle()->exps(x->s, bias, add, n, scale, 1.5, want);
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    const wni_kernels *k = wni_kernels_at(isa);
                    double top = start_top, sum = start_sum;

                    k->expsum(x->s, bias, add, n, scale, &top, &sum);
                    if (memcmp(&top, &want_top, 8) || memcmp(&sum, &want_sum, 8))
                        fail_msg("expsum at level %s, n %d, kind %d: %a %a, the oracle says %a %a",
                                 wn_isa_name(isa), (int)n, kind, top, sum, want_top, want_sum);
                    /* In two calls, cut at a multiple of 16. */
                    top = start_top, sum = start_sum;
                    if (n > 48) {
                        k->expsum(x->s, bias, add, 48, scale, &top, &sum);
                        k->expsum(x->s + 48, bias ? bias + 48 : NULL, add ? add + 48 : NULL, n - 48,
                                  scale, &top, &sum);
                        assert_memory_equal(&top, &want_top, 8);
                        assert_memory_equal(&sum, &want_sum, 8);
                    }
                    memset(got, 0xa5, sizeof got);
                    k->exps(x->s, bias, add, n, scale, 1.5, got);
                    if (memcmp(got, want, sizeof got))
                        fail_msg("exps at level %s, n %d, kind %d", wn_isa_name(isa), (int)n, kind);
                }
            }
    free(x);
}

static void sums_are_right(void **state)
{
    float s[MOST];

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        const double scale = 5 * (double)(seed + 1);
        double top = -1e300, sum = 0;
        long double want = 0;

        kt_fill(s, MOST, KT_PLAIN, seed);
        for (int j = 0; j < MOST; j++)
            want += expl((long double)s[j] * scale);
        wni_kernels_at(ts_best_isa())->expsum(s, NULL, NULL, MOST, scale, &top, &sum);
        assert_true(fabsl((logl((long double)sum) + top) - logl(want)) < 1e-13L * scale);
    }
}

/* e^0 + e^0 + e^-1000; a maximum that comes late; only columns that take no part. */
static void known_sums(void **state)
{
    float s[40] = {7, 7, -993};
    double add[3] = {-INFINITY, -INFINITY, -INFINITY}, top, sum;

    (void)state;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);

        top = -1e300, sum = 0;
        k->expsum(s, NULL, NULL, 3, 1, &top, &sum);
        assert_true(top == 7 && sum == 2);
        s[35] = 2000;
        k->expsum(s + 32, NULL, NULL, 4, 1, &top, &sum);
        assert_true(top == 2000 && sum == 1);
        s[35] = 0;
        top = -1e300, sum = 0;
        k->expsum(s, NULL, add, 3, 1, &top, &sum);
        assert_true(top == -1e300 && sum == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_are_the_oracle),
        cmocka_unit_test(sums_are_right),
        cmocka_unit_test(known_sums),
    };

    return cmocka_run_group_tests_name("expsum", tests, NULL, NULL);
}
