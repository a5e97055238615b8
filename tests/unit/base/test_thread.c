/* SPDX-License-Identifier: Apache-2.0
 *
 * How many threads a context takes, two contexts at work at the same time, loops inside loops.
 */
#define _GNU_SOURCE /* CPU_SET, pthread_barrier_t */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/ctx_impl.h"

/* ---- how many ----------------------------------------------------------------------------------- */

static int32_t threads_of(int32_t asked)
{
    wn_ctx_options opt;
    int32_t threads;
    wn_ctx *ctx;

    wn_ctx_options_init(&opt);
    opt.threads = asked;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    threads = wn_ctx_threads(ctx);
    wn_ctx_free(ctx);
    return threads;
}

/* Bound to one processor, as taskset and job schedulers do, 0 threads means one; a number that was asked
 * for stays. */
static void threads_follow_the_affinity(void **state)
{
    cpu_set_t all, one;
    int cpu = 0;
    int32_t bound, asked;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    bound = threads_of(0);
    asked = threads_of(3);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(bound, 1);
    assert_int_equal(asked, 3);
    assert_in_range(threads_of(0), 1, (unsigned long)CPU_COUNT(&all));
}

/* ---- two contexts --------------------------------------------------------------------------------- */

enum { GRAIN = 10, N = 5000, ROUNDS = 100 };

typedef struct user {
    pthread_barrier_t *both;
    wn_ctx *ctx;
    int64_t factor;
    int64_t part[N / GRAIN];
    int wrong; /* rounds that did not give the right sum; asserts belong to the main thread */
} user;

static wn_status sum_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    user *u = arg;
    int64_t sum = 0;

    if (ctx != u->ctx || worker < 0 || worker >= wn_ctx_threads(ctx))
        return wni_fail(ctx, WN_E_INTERNAL, "a range ran for another context or worker");
    for (int64_t i = begin; i < end; i++)
        sum += i * u->factor;
    u->part[begin / GRAIN] = sum;
    return WN_OK;
}

static void *use_context(void *arg)
{
    user *u = arg;

    for (int round = 0; round < ROUNDS; round++) {
        int64_t sum = 0;
        memset(u->part, 0, sizeof u->part);
        pthread_barrier_wait(u->both);
        if (wni_parallel(u->ctx, N, GRAIN, sum_range, u) != WN_OK) u->wrong++;
        for (int i = 0; i < N / GRAIN; i++)
            sum += u->part[i];
        u->wrong += sum != u->factor * N * (N - 1) / 2;
    }
    return NULL;
}

static void two_contexts_work_at_the_same_time(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads *= 2) {
        static user users[2];
        pthread_barrier_t both;
        pthread_t thread[2];

        memset(users, 0, sizeof users);
        assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
        for (int i = 0; i < 2; i++) {
            users[i].both = &both;
            users[i].ctx = ts_ctx(threads, -1);
            users[i].factor = i ? -7 : 3;
        }
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, use_context, &users[i]), 0);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_join(thread[i], NULL), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(users[i].wrong, 0);
            wn_ctx_free(users[i].ctx);
        }
        pthread_barrier_destroy(&both);
    }
}

/* ---- loops inside loops --------------------------------------------------------------------------- */

enum { OUTER = 60, INNER = 95 };

typedef struct inner_loop {
    pthread_t thread;
    int worker;
    int64_t next; /* where the next range must begin */
    int64_t sum, fail_at;
} inner_loop;

static wn_status inner_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    inner_loop *in = arg;

    if (!pthread_equal(in->thread, pthread_self()) || worker != in->worker || begin != in->next)
        return wni_fail(ctx, WN_E_INTERNAL, "an inner range ran elsewhere or out of order");
    in->next = end;
    for (int64_t i = begin; i < end; i++)
        in->sum += i;
    return in->fail_at >= begin ? WN_OK : wni_fail(ctx, WN_E_DATA, "inner %lld", (long long)begin);
}

typedef struct outer_loop {
    int64_t sum[OUTER]; /* of each inner loop */
    int64_t fail_from;  /* outer rows from here have an inner loop that fails */
} outer_loop;

static wn_status outer_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    outer_loop *out = arg;
    wn_status st = WN_OK;

    for (int64_t row = begin; row < end && st == WN_OK; row++) {
        inner_loop in = {pthread_self(), worker, 0, 0, row >= out->fail_from ? 29 : INT64_MAX};
        st = wni_parallel(ctx, INNER + row, GRAIN, inner_range, &in);
        out->sum[row] = in.sum;
    }
    return st;
}

/* On the thread and with the worker number of the range around it, so that the scratch of the worker stays
 * its own. */
static void a_loop_in_a_range_is_serial(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 8; threads *= 2) {
        wn_ctx *ctx = ts_ctx(threads, -1);
        outer_loop out = {.fail_from = OUTER};

        for (int round = 0; round < 20; round++) {
            memset(out.sum, 0, sizeof out.sum);
            ts_ok(ctx, wni_parallel(ctx, OUTER, 3, outer_range, &out));
            for (int64_t row = 0; row < OUTER; row++)
                assert_int_equal(out.sum[row], (INNER + row) * (INNER + row - 1) / 2);
        }
        out.fail_from = 31; /* in the outer range that begins at 30 */
        assert_int_equal(wni_parallel(ctx, OUTER, 3, outer_range, &out), WN_E_DATA);
        assert_string_equal(wn_ctx_error(ctx), "inner 30");
        assert_int_equal(out.sum[30], (INNER + 30) * (INNER + 29) / 2);
        assert_int_equal(out.sum[31], 40 * 39 / 2); /* nothing after the range that failed */
        out.fail_from = OUTER;
        ts_ok(ctx, wni_parallel(ctx, OUTER, 3, outer_range, &out));
        wn_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_follow_the_affinity),
        cmocka_unit_test(two_contexts_work_at_the_same_time),
        cmocka_unit_test(a_loop_in_a_range_is_serial),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
