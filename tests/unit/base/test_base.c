/* SPDX-License-Identifier: Apache-2.0
 *
 * Contexts, errors, memory, parallel loops, random numbers.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/support.h"
#include "base/ctx_impl.h"
#include "base/fixmath.h"
#include "base/rng.h"

/* Known answers of the Random123 distribution for philox4x32-10. */
static void philox_known_answers(void **state)
{
    uint32_t out[4];

    (void)state;
    wni_philox(0, 0, 0, out);
    assert_int_equal(out[0], 0x6627e8d5u);
    assert_int_equal(out[1], 0xe169c58du);
    assert_int_equal(out[2], 0xbc57ac4cu);
    assert_int_equal(out[3], 0x9b00dbd8u);
    wni_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX, out);
    assert_int_equal(out[0], 0x408f276du);
    assert_int_equal(out[1], 0x41c83b0eu);
    assert_int_equal(out[2], 0xa20bc7c6u);
    assert_int_equal(out[3], 0x6d5451fdu);
}

static void random_subset_is_sorted_distinct_and_fair(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t out[10];
    int hits[20] = {0};

    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        ts_ok(ctx, wni_rand_subset(ctx, seed, 7, 20, 10, out));
        for (int i = 0; i < 10; i++) {
            assert_in_range(out[i], i ? (unsigned long)out[i - 1] + 1 : 0, 19);
            hits[out[i]]++;
        }
    }
    for (int i = 0; i < 20; i++) /* 1000 expected, sd 22 */
        assert_in_range(hits[i], 880, 1120);
    wn_ctx_free(ctx);
}

static int stop_at_once(void *user)
{
    ++*(int64_t *)user;
    return 1;
}

static void random_subset_can_be_stopped(void **state)
{
    wn_ctx_options opt;
    int64_t asked = 0, out[3];
    wn_ctx *ctx;

    (void)state;
    wn_ctx_options_init(&opt);
    opt.user = &asked;
    opt.cancel = stop_at_once;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    assert_int_equal(wni_rand_subset(ctx, 1, 7, (int64_t)1 << 40, 3, out), WN_E_CANCELLED);
    assert_int_equal(asked, 1);
    wn_ctx_free(ctx);
}

static void log_fixed_is_log(void **state)
{
    (void)state;
    assert_true(wni_log_fixed(1.0) == 0.0);
    for (int i = -1000; i <= 1000; i++) {
        double x = exp(i * 0.7) * (1 + i * 1e-4), want = log(x);
        assert_true(fabs(wni_log_fixed(x) - want) <= 4e-16 * (1e-3 + fabs(want)));
    }
    assert_true(fabs(wni_log_fixed(5e-324) - log(5e-324)) < 1e-12);
}

static void exp_fixed_is_exp(void **state)
{
    double many[2001];

    (void)state;
    assert_true(wni_exp_fixed(0.0) == 1.0);
    assert_true(wni_exp_fixed(-0.0) == 1.0);
    for (int i = -1000; i <= 1000; i++) {
        double x = i * 0.707 + i * i * 1e-7, want = exp(x);
        many[i + 1000] = x;
        assert_true(fabs(wni_exp_fixed(x) - want) <= 4.4e-16 * want);
        x = i * 1e-3;
        assert_true(fabs(wni_exp_fixed(x) - exp(x)) <= 4.4e-16 * exp(x));
    }
    wni_exp_fixed_n(many, 2001);
    for (int i = -1000; i <= 1000; i++)
        assert_true(many[i + 1000] == wni_exp_fixed(i * 0.707 + i * i * 1e-7));
    assert_true(wni_exp_fixed(-709) == 0 && wni_exp_fixed(-HUGE_VAL) == 0);
    assert_true(isfinite(wni_exp_fixed(709.7)) && wni_exp_fixed(709.9) == HUGE_VAL);
    assert_true(wni_exp_fixed(HUGE_VAL) == HUGE_VAL);
}

typedef struct sum_arg {
    int64_t part[1000];
    int64_t fail_from;
} sum_arg;

static wn_status sum_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    sum_arg *a = arg;

    assert_in_range(worker, 0, 7);
    if (end > a->fail_from) return wni_fail(ctx, WN_E_DATA, "range at %lld", (long long)begin);
    for (int64_t i = begin; i < end; i++)
        a->part[begin / 10] += i;
    return WN_OK;
}

static void parallel_covers_every_row_once(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads *= 2) {
        wn_ctx *ctx = ts_ctx(threads, -1);
        for (int64_t n = 0; n < 10000; n = n * 3 + 1) {
            sum_arg a = {.fail_from = INT64_MAX};
            int64_t sum = 0;
            ts_ok(ctx, wni_parallel(ctx, n, 10, sum_range, &a));
            for (int i = 0; i < 1000; i++)
                sum += a.part[i];
            assert_int_equal(sum, n * (n - 1) / 2);
        }
        wn_ctx_free(ctx);
    }
}

static void first_failure_wins_at_any_thread_count(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads *= 2)
        for (int round = 0; round < 50; round++) {
            sum_arg a = {.fail_from = 4321};
            wn_ctx *ctx = ts_ctx(threads, -1);
            assert_int_equal(wni_parallel(ctx, 10000, 10, sum_range, &a), WN_E_DATA);
            assert_string_equal(wn_ctx_error(ctx), "range at 4320");
            wn_ctx_free(ctx);
        }
}

static int cancel_at;
static int cancel_countdown(void *user)
{
    (void)user;
    return cancel_at-- <= 0;
}

static void cancel_stops_and_the_context_stays_usable(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads *= 8) {
        wn_ctx_options opt;
        wn_ctx *ctx;
        wn_ctx_options_init(&opt);
        opt.threads = threads;
        opt.cancel = cancel_countdown;
        assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
        ctx->poll_ns = 0;
        /* With helpers the caller may find no range left, so only the first poll is sure. */
        for (int at = 0; at < (threads == 1 ? 5 : 1); at++) {
            sum_arg a = {.fail_from = INT64_MAX};
            cancel_at = at;
            assert_int_equal(wni_parallel(ctx, 10000, 10, sum_range, &a), WN_E_CANCELLED);
            cancel_at = 1 << 30;
            memset(a.part, 0, sizeof a.part);
            ts_ok(ctx, wni_parallel(ctx, 10000, 10, sum_range, &a));
        }
        wn_ctx_free(ctx);
    }
}

static wn_status slow_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    (void)arg;
    (void)begin;
    (void)end;
    for (int i = 0; worker == 0 && i < 1000; i++)
        if (wni_poll(ctx) != WN_OK) return WN_E_CANCELLED;
    return WN_OK;
}

static wn_status failing_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wn_status st = slow_range(ctx, arg, worker, begin, end);

    return st == WN_OK ? st : wni_fail(ctx, WN_E_DATA, "another failure");
}

/* One long range: the calling thread's own polls inside it reach the callback, and a cancel that meets
 * another failure does not wait for the next call. */
static void cancel_reaches_into_a_range(void **state)
{
    wn_ctx_options opt;
    wn_ctx *ctx;

    (void)state;
    wn_ctx_options_init(&opt);
    opt.threads = 1;
    opt.cancel = cancel_countdown;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    ctx->poll_ns = 0;
    cancel_at = 500;
    assert_int_equal(wni_parallel(ctx, 1, 1, slow_range, NULL), WN_E_CANCELLED);
    assert_true(cancel_at <= 0);
    cancel_at = 500;
    assert_int_equal(wni_parallel(ctx, 1, 1, failing_range, NULL), WN_E_DATA);
    cancel_at = 1 << 30;
    ts_ok(ctx, wni_parallel(ctx, 1, 1, slow_range, NULL));
    wn_ctx_free(ctx);
}

/* ThreadSanitizer does not follow threads that start in a forked child. */
#if defined(__SANITIZE_THREAD__)
#define FORKED_WORK 1
#else
#define FORKED_WORK 2
#endif

/* The child has the parent's context but not its threads: it may work with it and free it. */
static void a_forked_child_works_and_frees(void **state)
{
    wn_ctx *ctx = ts_ctx(4, -1);
    sum_arg a = {.fail_from = INT64_MAX};
    int status = -1;
    pid_t child;

    (void)state;
    ts_ok(ctx, wni_parallel(ctx, 10000, 10, sum_range, &a));
    for (int work = 0; work < FORKED_WORK; work++) {
        child = fork();
        if (child == 0) {
            alarm(20); /* a child that hangs is killed, and the parent sees it */
            if (work && wni_parallel(ctx, 10000, 10, sum_range, &a) != WN_OK) _exit(1);
            wn_ctx_free(ctx);
            _exit(0);
        }
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    wn_ctx_free(ctx);
}

static void allocation_is_aligned_counted_and_checked(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char *p = wni_calloc(ctx, 100, 3), *q;

    (void)state;
    assert_int_equal((uintptr_t)p % 64, 0);
    assert_int_equal(wn_ctx_live_bytes(ctx), 300);
    p[0] = 42;
    q = wni_grow(ctx, p, 100, 1000, 3);
    assert_int_equal(q[0], 42);
    assert_int_equal(wn_ctx_live_bytes(ctx), 3000);
    assert_true(wn_ctx_peak_bytes(ctx) >= 3300);
    assert_null(wni_alloc(ctx, INT64_MAX, 8));
    assert_non_null(strstr(wn_ctx_error(ctx), "out of memory"));
    wni_free(ctx, q);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    assert_int_equal(wni_budget_need(ctx, (int64_t)1 << 40, "this"), WN_E_BUDGET);
    assert_non_null(strstr(wn_ctx_error(ctx), "1.00 TiB"));
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers),
        cmocka_unit_test(random_subset_is_sorted_distinct_and_fair),
        cmocka_unit_test(random_subset_can_be_stopped),
        cmocka_unit_test(log_fixed_is_log),
        cmocka_unit_test(exp_fixed_is_exp),
        cmocka_unit_test(parallel_covers_every_row_once),
        cmocka_unit_test(first_failure_wins_at_any_thread_count),
        cmocka_unit_test(cancel_stops_and_the_context_stays_usable),
        cmocka_unit_test(cancel_reaches_into_a_range),
        cmocka_unit_test(a_forked_child_works_and_frees),
        cmocka_unit_test(allocation_is_aligned_counted_and_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
