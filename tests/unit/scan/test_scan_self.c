/* SPDX-License-Identifier: Apache-2.0
 *
 * A self scan: every pair once, with its canonical value, and no row in the hands of two workers.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "scan/scan_self.h"
#include "support/support.h"

typedef struct seen {
    int64_t n;
    float *value;      /* (n, n), the smaller number first */
    uint8_t *times;    /* (n, n) */
    atomic_char *busy; /* (n) rows in the hands of a worker */
    atomic_int clashes;
} seen;

static wn_status take(wn_ctx *ctx, const wni_self *scan, int worker, int64_t i, const int64_t *j,
                      const float *value, int64_t n)
{
    seen *s = scan->arg;

    (void)worker;
    if (atomic_exchange(&s->busy[i], 1)) s->clashes++;
    for (int64_t h = 0; h < n; h++) {
        const int64_t at = wni_min(i, j[h]) * s->n + wni_max(i, j[h]);

        if (atomic_exchange(&s->busy[j[h]], 1)) s->clashes++;
        s->value[at] = value[h];
        s->times[at]++;
    }
    for (int64_t h = 0; h < n; h++)
        s->busy[j[h]] = 0;
    s->busy[i] = 0;
    return wni_poll(ctx);
}

/* Scans n rows of d columns; pairs with i + j odd can be left out by their floors. */
static void check_filtered(int64_t n, int64_t d, int threads, int isa, int64_t left_bytes, int l2,
                           int listed, int always)
{
    const wni_kernels *oracle = wni_kernels_oracle();
    wn_ctx *ctx = ts_ctx(threads, isa);
    float *v = ts_normal(n, d, 7);
    int64_t *list = malloc((size_t)n * sizeof *list), ld = wni_ld(d);
    float *rows = aligned_alloc(64, (size_t)(n * ld) * sizeof *rows);
    wn_pool *pool;
    wni_queries all;
    wni_self scan = {.l2 = l2, .value = l2 ? WNI_SELF_L2SQ : WNI_SELF_DOT, .take = take};
    atomic_char *busy = calloc((size_t)n, sizeof *busy);
    seen s = {.n = n};

    ctx->filter_always = always;
    for (int64_t i = 0; i < n; i++)
        list[i] = listed ? (i * 7) % n : i;
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_gather(ctx, pool, list, n, rows, ld));
    all = (wni_queries){pool, listed ? list : NULL, 0, n};
    s.value = calloc((size_t)(n * n), sizeof *s.value);
    s.times = calloc((size_t)(n * n), 1);
    s.busy = busy;
    scan.rows = &all;
    scan.floor = malloc((size_t)n * sizeof *scan.floor);
    scan.arg = &s;
    if (left_bytes) ctx->budget_bytes = wn_ctx_live_bytes(ctx) + left_bytes;
    for (int some = 0; some < 2; some++) { /* all pairs; those of the rows 0, 5, 10, ... with any */
        memset(s.times, 0, (size_t)(n * n));
        for (int64_t i = 0; i < n; i++)
            scan.floor[i] = some && i % 5 ? INFINITY : -INFINITY;
        ts_ok(ctx, wni_scan_self(ctx, &scan));
        assert_int_equal(s.clashes, 0);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                const int wanted = i < j && (!some || i % 5 == 0 || j % 5 == 0);
                float want;

                if (s.times[i * n + j] != wanted)
                    fail_msg("n %d, threads %d: pair %d, %d came %d times, expected %d", (int)n,
                             threads, (int)i, (int)j, s.times[i * n + j], wanted);
                if (!wanted || (n > 300 && (i + j) % 97)) continue;
                want = l2 ? oracle->l2sq(rows + i * ld, rows + j * ld, ld)
                          : oracle->dot(rows + i * ld, rows + j * ld, ld);
                assert_memory_equal(&s.value[i * n + j], &want, sizeof want);
            }
    }
    free(s.value);
    free(s.times);
    free((void *)(uintptr_t)busy);
    free(scan.floor);
    free(rows);
    free(list);
    free(v);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void check(int64_t n, int64_t d, int threads, int isa, int64_t left_bytes, int l2,
                  int listed)
{
    check_filtered(n, d, threads, isa, left_bytes, l2, listed, 0);
}

static void every_pair_once(void **state)
{
    static const int64_t sizes[] = {1, 2, 3, 63, 64, 65, 130, 257, 700};
    static const int threads[] = {1, 2, 8};

    (void)state;
    for (size_t c = 0; c < sizeof sizes / sizeof *sizes; c++)
        for (int t = 0; t < 3; t++)
            check(sizes[c], c % 2 ? 20 : 1, threads[t], -1, 0, t == 1, t == 2);
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
        check(300, 33, 2, isa, 0, isa % 2, 0);
}

static void every_pair_once_in_several_blocks(void **state)
{
    (void)state;
    /* 2000 rows of 1.3 KB in blocks of 1 MB: three; rows of 8 KB: twelve. */
    check(2000, 330, 2, -1, (int64_t)3 << 20, 1, 0);
    check(2001, 330, 8, -1, (int64_t)5 << 20, 0, 1);
    check(1500, 2048, 2, -1, (int64_t)3 << 20, 0, 0);
    /* Codes in both widths and those kept of the left block find room beside blocks of 2 MB, and not beside those
     * of 1 MB. */
    for (int always = 1; always <= 2; always++) {
        check_filtered(2000, 1024, 2, -1, (int64_t)9 << 20, 1, 0, always);
        check_filtered(1001, 1024, 2, -1, (int64_t)9 << 20, 0, 1, always);
        check_filtered(1001, 1024, 1, -1, (int64_t)4 << 20, 1, 0, always);
    }
}

/* Rows and their negatives, whose mean is 0, so that all of them need the same, by turns long and short: what a worker
 * knows of one tile must not be taken for another, also where its codes are there already. */
static void rows_that_need_the_same_are_told_apart(void **state)
{
    const int64_t n = 3000, d = 256, half = n / 2;
    const float floor_of_all = 450;
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(n, d, 3), *scores = malloc((size_t)n * sizeof *scores);
    wn_pool *pool;
    wni_queries all;
    wni_self scan = {.rows = &all, .value = WNI_SELF_DOT, .take = take};
    seen s = {.n = n};
    int64_t wanted = 0;

    (void)state;
    for (int64_t i = 0; i < n; i += 2) {
        const float by = i / 192 % 2 ? 1.5f : 0.7f;
        const float *twin = v + (i < half ? 0 : (i - half) * 7 % half * d); /* in the other block */

        for (int64_t j = 0; j < d; j++) {
            v[i * d + j] = i < half ? by * v[i * d + j] : twin[j];
            v[(i + 1) * d + j] = -v[i * d + j];
        }
    }
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_L2, &pool));
    all = (wni_queries){pool, NULL, 0, n};
    s.value = calloc((size_t)(n * n), sizeof *s.value);
    s.times = calloc((size_t)(n * n), 1);
    s.busy = (atomic_char *)calloc((size_t)n, sizeof *s.busy);
    scan.floor = malloc((size_t)n * sizeof *scan.floor);
    scan.arg = &s;
    for (int64_t i = 0; i < n; i++)
        scan.floor[i] = floor_of_all;
    ctx->filter_always = 1;
    ctx->budget_bytes = wn_ctx_live_bytes(ctx) + ((int64_t)6 << 20);
    ts_ok(ctx, wni_scan_self(ctx, &scan));
    for (int64_t i = 0; i < n; i++) {
        wni_kernels_of(ctx)->dots(v + i * d, 1, v, n, d, scores, n);
        for (int64_t j = i + 1; j < n; j++) {
            const uint8_t times = s.times[i * n + j];

            if (scores[j] >= floor_of_all ? times != 1 : times > 1)
                fail_msg("pair %d, %d with %g came %d times", (int)i, (int)j, (double)scores[j],
                         times);
            wanted += scores[j] >= floor_of_all;
        }
    }
    assert_true(wanted > 400);
    free(s.value);
    free(s.times);
    free((void *)(uintptr_t)s.busy);
    free(scan.floor);
    free(scores);
    free(v);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void scores_leave_out_pairs_below_both_floors(void **state)
{
    /* On a line 0 1 3 7: dot - |c|^2 / 2. */
    static const float v[] = {0, 1, 3, 7};
    wn_ctx *ctx = ts_ctx(1, -1);
    float floor[4] = {INFINITY, 0.5f, 21 - 24.5f, INFINITY};
    uint8_t times[16] = {0};
    float value[16] = {0};
    atomic_char busy[4] = {0};
    wn_pool *pool;
    wni_queries all;
    seen s = {4, value, times, busy, 0};
    wni_self scan = {.rows = &all, .l2 = 1, .floor = floor, .take = take, .arg = &s};

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 4, 1, WN_F32, WN_L2, &pool));
    all = (wni_queries){pool, NULL, 0, 4};
    ts_ok(ctx, wni_scan_self(ctx, &scan));
    /* For row 1: 0 scores 0, 3 scores -1.5, 7 scores -17.5. For row 2: 0, 2.5 and -3.5. */
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            assert_int_equal(times[i * 4 + j],
                             (i == 0 && j == 2) || (i == 1 && j == 2) || (i == 2 && j == 3));
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_once),
        cmocka_unit_test(every_pair_once_in_several_blocks),
        cmocka_unit_test(rows_that_need_the_same_are_told_apart),
        cmocka_unit_test(scores_leave_out_pairs_below_both_floors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
