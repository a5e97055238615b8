/* SPDX-License-Identifier: Apache-2.0
 *
 * norm64: every variant against the oracle, at any length and any place, and by hand.
 */
#include <float.h>

#include "kernels/kernel_data.h"

#define MOST 333

static void norm64_is_the_oracle(void **state)
{
    float *v = kt_alloc((MOST + 17) * (int64_t)sizeof *v);

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int64_t d = 0; d <= MOST; d += d < 70 ? 1 : 263)
            for (int64_t off = 0; off < 17; off += 5) {
                int32_t want_most, most;
                double want;

                kt_fill(v, MOST + 17, kind, (uint64_t)(d + 1000 * off));
                if (d % 7 == 3) v[off + d / 2] = -v[off + d / 2] * 4;
                v[off + d] = FLT_MAX; /* not of the row */
                want = wni_kernels_oracle()->norm64(v + off, d, &want_most);
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    const double got = wni_kernels_at((wn_isa)isa)->norm64(v + off, d, &most);

                    if (memcmp(&got, &want, sizeof got) != 0 || most != want_most)
                        fail_msg("level %s, d %d, offset %d, kind %d: %a and %x, the oracle says "
                                 "%a and %x",
                                 wn_isa_name((wn_isa)isa), (int)d, (int)off, kind, got,
                                 (unsigned)most, want, (unsigned)want_most);
                }
            }
    free(v);
}

static void norm64_by_hand(void **state)
{
    float v[20] = {3, -4};
    int32_t most, four;

    (void)state;
    memcpy(&four, &(float){4}, sizeof four);
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at((wn_isa)isa);

        assert_true(k->norm64(v, 20, &most) == 25 && most == four);
        assert_true(k->norm64(v, 0, &most) == 0 && most == 0);
        v[19] = -INFINITY;
        k->norm64(v, 20, &most);
        assert_true(most == 0x7f800000);
        v[18] = -NAN;
        k->norm64(v, 20, &most);
        assert_true(most > 0x7f800000);
        v[18] = v[19] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norm64_is_the_oracle),
        cmocka_unit_test(norm64_by_hand),
    };
    return cmocka_run_group_tests_name("norm64", tests, NULL, NULL);
}
