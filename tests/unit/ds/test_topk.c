/* SPDX-License-Identifier: Apache-2.0
 *
 * The heap of the k best against sorting everything.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "ds/topk.h"
#include "support/support.h"

enum { MOST = 200 };

typedef struct entry {
    float score;
    int64_t number;
} entry;

static int better_first(const void *a, const void *b)
{
    const entry *x = a, *y = b;

    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static void keeps_the_k_best_in_any_order(void **state)
{
    static const int64_t ks[] = {1, 2, 3, 7, 64, 200, 250};

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++)
        for (int c = 0; c < 7; c++) {
            int64_t n = wni_rand_below(seed, 1, 0, MOST + 1), k = ks[c], size = 0;
            float score[250];
            int64_t at[250];
            entry all[MOST];

            for (int64_t i = 0; i < n; i++) {
                all[i].score = (float)wni_rand_below(seed, 2, (uint64_t)i, seed % 2 ? 5 : 1 << 20);
                if (seed % 7 == 3 && i % 4 == 0) all[i].score = -INFINITY;
                all[i].number = seed % 3 ? i : n - i; /* ascending or descending */
                wni_topk_push(score, at, k, &size, all[i].score, all[i].number);
            }
            assert_int_equal(size, n < k ? n : k);
            wni_topk_sort(score, at, size);
            qsort(all, (size_t)n, sizeof *all, better_first);
            for (int64_t i = 0; i < size; i++) {
                assert_int_equal(at[i], all[i].number);
                assert_true(score[i] == all[i].score);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_k_best_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
