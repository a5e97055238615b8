/* SPDX-License-Identifier: Apache-2.0
 *
 * Sorting of (key, row) pairs against the C library's sort.
 */
#include <math.h>
#include <stdlib.h>

#include "support/support.h"
#include "base/rng.h"
#include "ds/keyed.h"

static int compare(const void *x, const void *y)
{
    const wni_keyed *a = x, *b = y;

    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static void sorts_like_qsort(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 31, 32, 33, 34, 257, 5000, 70001};
    /* masks: all random, few keys, all equal, only high or low bytes differ */
    static const uint64_t masks[] = {UINT64_MAX, 3, 0, (uint64_t)255 << 56, 0xff00ff};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t m = 0; m < sizeof masks / sizeof *masks; m++) {
            int64_t n = sizes[s];
            wni_keyed *a = malloc((size_t)n * sizeof *a + 1),
                      *b = malloc((size_t)n * sizeof *b + 1);
            for (int64_t i = 0; i < n; i++) {
                a[i].key = wni_rand_u64(s, m, (uint64_t)i) & masks[m];
                a[i].row = wni_rand_below(s, m + 100, (uint64_t)i, 2 * n);
                b[i] = a[i];
            }
            wni_keyed_sort(a, n);
            qsort(b, (size_t)n, sizeof *b, compare);
            for (int64_t i = 0; i < n; i++)
                assert_true(a[i].key == b[i].key && a[i].row == b[i].row);
            for (int threads = 1; threads <= 8; threads *= 2) { /* and again, on threads */
                wn_ctx *ctx = ts_ctx(threads, -1);
                for (int64_t i = n - 1; i > 0; i--) {
                    int64_t j = wni_rand_below(s, m + 200, (uint64_t)i, i + 1);
                    wni_keyed x = a[i];
                    a[i] = a[j];
                    a[j] = x;
                }
                ts_ok(ctx, wni_keyed_sort_long(ctx, a, n));
                assert_memory_equal(a, b, (size_t)n * sizeof *a);
                wn_ctx_free(ctx);
            }
            free(a);
            free(b);
        }
}

/* Put in order behind a mixed-up start, the first m are those of the whole order. */
static void the_first_are_the_first(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 32, 33, 257, 5000};
    static const uint64_t masks[] = {UINT64_MAX, 3, 0, 0xff00ff};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t m = 0; m < sizeof masks / sizeof *masks; m++)
            for (int64_t part = 0; part <= 4; part++) {
                int64_t n = sizes[s], first = n * part / 4;
                wni_keyed *a = malloc((size_t)n * sizeof *a + 1),
                          *b = malloc((size_t)n * sizeof *b + 1);
                for (int64_t i = 0; i < n; i++)
                    b[i] = a[i] = (wni_keyed){wni_rand_u64(s, m, (uint64_t)i) & masks[m], i};
                ts_ok(ctx, wni_keyed_first(ctx, a, n, first));
                qsort(a, (size_t)first, sizeof *a, compare);
                qsort(a + first, (size_t)(n - first), sizeof *a, compare);
                qsort(b, (size_t)n, sizeof *b, compare);
                for (int64_t i = 0; i < n; i++)
                    assert_true(a[i].key == b[i].key && a[i].row == b[i].row);
                free(a);
                free(b);
            }
    wn_ctx_free(ctx);
}

static int count_down(void *user)
{
    return --*(int64_t *)user < 0;
}

/* A long sort asks while it counts, while it moves, and between parts. */
static void long_sorts_can_be_stopped(void **state)
{
    enum { N = 1000000 };
    wni_keyed *v = malloc(sizeof *v * N);
    wn_status st = WN_E_CANCELLED;
    int64_t stopped = 0;

    (void)state;
    for (int64_t polls = 0; st != WN_OK; polls += 1 + polls / 2) {
        wn_ctx_options opt;
        int64_t left = polls;
        wn_ctx *ctx;
        wn_ctx_options_init(&opt);
        opt.threads = 1;
        opt.user = &left;
        opt.cancel = count_down;
        assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
        ctx->poll_ns = 0;
        for (int64_t i = 0; i < N; i++)
            v[i] = (wni_keyed){wni_rand_u64(5, 6, (uint64_t)i), i};
        st = wni_keyed_sort_long(ctx, v, N);
        if (st != WN_OK) assert_int_equal(st, WN_E_CANCELLED);
        stopped += st != WN_OK;
        if (polls < 2 * (N / 65536)) assert_int_equal(st, WN_E_CANCELLED);
        wn_ctx_free(ctx);
    }
    assert_true(stopped > 5);
    free(v);
}

static void float_keys_keep_order(void **state)
{
    static const float x[] = {-INFINITY, -3e38f, -1, -1e-40f, 0, 1e-40f, 0.5f, 1, 3e38f, INFINITY};

    (void)state;
    for (size_t i = 1; i < sizeof x / sizeof *x; i++)
        assert_true(wni_key_of_float(x[i - 1]) < wni_key_of_float(x[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_like_qsort), cmocka_unit_test(the_first_are_the_first),
        cmocka_unit_test(long_sorts_can_be_stopped), cmocka_unit_test(float_keys_keep_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
