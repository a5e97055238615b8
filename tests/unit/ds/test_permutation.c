/* SPDX-License-Identifier: Apache-2.0
 *
 * Keyed orders: bijections, and as even over keys as shuffles are.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "ds/permutation.h"

static void every_number_once(void **state)
{
    static const int64_t sizes[] = {1,  2,  3,  4,   5,   6,   7,    8,    9,    10,    15,   16,
                                    17, 24, 25, 100, 101, 256, 1000, 4095, 4096, 65537, 99991};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (uint64_t key = 0; key < 5; key++) {
            int64_t n = sizes[s];
            char *seen = calloc((size_t)n, 1);
            wni_perm p;
            wni_perm_init(&p, n, key, 3);
            for (int64_t i = 0; i < n; i++) {
                int64_t x = wni_perm_at(&p, i);
                assert_true(x >= 0 && x < n && !seen[x]);
                seen[x] = 1;
            }
            free(seen);
        }
}

/* Beyond what can be listed: in range, and no two of a sample are the same. */
static int compare(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

    return (a > b) - (a < b);
}

static void large_orders(void **state)
{
    enum { SAMPLE = 20000 };
    static const int64_t sizes[] = {((int64_t)1 << 24) + 3, ((int64_t)1 << 32) + 15,
                                    (int64_t)1 << 40, ((int64_t)1 << 40) - 87};
    int64_t *v = malloc(SAMPLE * sizeof *v);

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t n = sizes[s], upper = 0;
        wni_perm p;
        wni_perm_init(&p, n, 7, 0);
        for (int64_t i = 0; i < SAMPLE; i++) {
            v[i] = wni_perm_at(&p, i < SAMPLE / 2 ? i : n - 1 - i);
            assert_true(v[i] >= 0 && v[i] < n);
            upper += v[i] >= n / 2;
        }
        assert_in_range(upper, SAMPLE / 2 - 500, SAMPLE / 2 + 500); /* sd 71 */
        qsort(v, SAMPLE, sizeof *v, compare);
        for (int64_t i = 1; i < SAMPLE; i++)
            assert_true(v[i] != v[i - 1]);
    }
    free(v);
}

/* All n! orders of small n come equally often. */
static int64_t rank_of(const wni_perm *p, int n)
{
    int64_t v[8], rank = 0;

    for (int i = 0; i < n; i++)
        v[i] = wni_perm_at(p, i);
    for (int i = 0; i < n; i++) {
        int64_t smaller = 0;
        for (int j = i + 1; j < n; j++)
            smaller += v[j] < v[i];
        rank = rank * (n - i) + smaller;
    }
    return rank;
}

static void every_order_equally_often(void **state)
{
    enum { KEYS = 120000 };
    static int count[720];

    (void)state;
    for (int n = 2, orders = 2; n <= 6; n++, orders *= n) {
        double chi2 = 0, expected = (double)KEYS / orders, df = orders - 1;
        memset(count, 0, sizeof count);
        for (uint64_t key = 0; key < KEYS; key++) {
            wni_perm p;
            wni_perm_init(&p, n, key, 5);
            count[rank_of(&p, n)]++;
        }
        for (int i = 0; i < orders; i++)
            chi2 += (count[i] - expected) * (count[i] - expected) / expected;
        print_message("n %d: chi2 %.1f of %d\n", n, chi2, orders - 1);
        /* Mean df and variance 2 df: six standard deviations. */
        assert_true((chi2 - df) * (chi2 - df) < 36 * 2 * df || chi2 < df);
    }
}

/* Over keys each thing stands at each place, and each pair of neighbours follows, equally often. */
static void places_and_neighbours_are_even(void **state)
{
    enum { N = 13, KEYS = 39000 };
    static int place[N][N], next[N][N];
    double chi2 = 0, pairs = 0;

    (void)state;
    for (uint64_t key = 0; key < KEYS; key++) {
        int64_t last = -1;
        wni_perm p;
        wni_perm_init(&p, N, 1, key);
        for (int i = 0; i < N; i++) {
            int64_t x = wni_perm_at(&p, i);
            place[i][x]++;
            if (last >= 0) next[last][x]++;
            last = x;
        }
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double each = (double)KEYS / N;
            chi2 += (place[i][j] - each) * (place[i][j] - each) / each;
            if (i != j) pairs += (next[i][j] - each) * (next[i][j] - each) / each;
        }
    print_message("places %.1f of 144, neighbours %.1f of 156\n", chi2, pairs);
    assert_true(chi2 > 60 && chi2 < 250); /* 144 degrees of freedom, sd 17 */
    assert_true(pairs > 60 && pairs < 270);
}

/* The step from one place to the next, and where one place leads under other keys: even over 64 bins, with the
 * few rounds that larger n get. */
static void steps_are_even(void **state)
{
    enum { BINS = 64, KEYS = 2000, PLACES = 50 };
    static const int64_t sizes[] = {256, 320, 4992, 65536, 1000000, (int64_t)1 << 33};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t n = sizes[s], step[BINS] = {0}, value[BINS] = {0};
        double chi2[2] = {0, 0}, each = (double)KEYS * PLACES / BINS;
        for (uint64_t key = 0; key < KEYS; key++) {
            wni_perm p;
            wni_perm_init(&p, n, key, 9);
            for (int64_t i = 0; i < PLACES; i++) {
                int64_t x = wni_perm_at(&p, i), y = wni_perm_at(&p, i + 1);
                step[((y - x + n) % n) * BINS / n]++;
                value[x * BINS / n]++;
            }
        }
        for (int i = 0; i < BINS; i++) {
            /* The step is never 0: what is missing there is put back. */
            double a = (double)step[i] + (i == 0 ? (double)KEYS * PLACES / (double)n : 0);
            chi2[0] += (a - each) * (a - each) / each;
            chi2[1] += ((double)value[i] - each) * ((double)value[i] - each) / each;
        }
        print_message("n %lld: steps %.1f, values %.1f of 63\n", (long long)n, chi2[0], chi2[1]);
        assert_true(chi2[0] < 63 + 7 * 11.3 && chi2[1] < 63 + 7 * 11.3); /* sd 11.2 */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_once), cmocka_unit_test(large_orders),
        cmocka_unit_test(every_order_equally_often),
        cmocka_unit_test(places_and_neighbours_are_even), cmocka_unit_test(steps_are_even)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
