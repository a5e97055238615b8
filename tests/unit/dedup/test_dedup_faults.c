/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation may fail and every poll may cancel where the defaults of the contract tests do not go: with a
 * reference, in a sweep, with sources, out of memory into files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "support/support.h"

typedef struct fault_case {
    const char *method, *pool, *against, *name, *value, *name2, *value2;
} fault_case;

static const fault_case cases[] = {
    {"minhash", "pool.jsonl", "reference.jsonl", "id", "id", NULL, NULL},
    {"minhash", "pool.jsonl", "reference.jsonl", "sweep", "0.5:0.6", "within_pool", "0"},
    {"minhash", "pool.jsonl", NULL, "source", "site", "scope", "across"},
    {"semantic", "pool.npy", "reference.npy", "rule", "earlier", NULL, NULL},
    {"semantic", "pool.npy", "reference.npy", "sweep", "0.9:0.95", NULL, NULL},
};

static void write_inputs(void)
{
    enum { N = 120, D = 6 };
    float *v = ts_normal(N, D, 3);

    for (int64_t i = 60; i < N; i++)
        memcpy(v + i * D, v + (i - 50) * D, D * sizeof *v);
    memset(v + 7 * D, 0, D * sizeof *v);
    ts_write_npy(ts_path("pool.npy"), v, N, D);
    ts_write_npy(ts_path("reference.npy"), v + 5 * D, 30, D);
    free(v);
    for (int f = 0; f < 2; f++) {
        FILE *file = fopen(ts_path(f ? "reference.jsonl" : "pool.jsonl"), "w");
        assert_non_null(file);
        for (int i = f * 20; i < (f ? 50 : N); i++) {
            fprintf(file, "{\"id\": %d, \"site\": \"s%d\", \"text\": \"", i, i % 4);
            for (int j = 0; j < 12; j++)
                fprintf(file, "w%d ", (int)wni_rand_below(1, 1, (uint64_t)(i % 70 * 12 + j), 500));
            fprintf(file, "\"}\n");
        }
        fclose(file);
    }
}

static wn_status run(wn_ctx *ctx, const fault_case *c)
{
    wn_job *job = NULL;
    wn_status st = wn_job_new(ctx, "dedup", c->method, &job);

    if (st == WN_OK) st = wn_job_input(job, "pool", ts_path(c->pool));
    if (st == WN_OK && c->against) st = wn_job_input(job, "against", ts_path(c->against));
    if (st == WN_OK) st = wn_job_output(job, ts_path("out"));
    if (st == WN_OK) st = wn_job_set(job, "force", "1");
    if (st == WN_OK) st = wn_job_set(job, c->name, c->value);
    if (st == WN_OK && c->name2) st = wn_job_set(job, c->name2, c->value2);
    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static void allocations_fail(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ts_alloc count = {.fail_at = -1};
        wn_ctx *ctx = ts_ctx_failing(&count, 1);
        ts_ok(ctx, run(ctx, &cases[k]));
        wn_ctx_free(ctx);
        print_message("%s %s: %lld allocations\n", cases[k].method, cases[k].name,
                      (long long)count.count);
        for (int64_t at = 0; at < count.count; at += at < 100 ? 1 : 3) {
            ts_alloc fail = {.fail_at = at};
            wn_status st;
            ctx = ts_ctx_failing(&fail, 1);
            st = run(ctx, &cases[k]);
            if (st != WN_E_NOMEM)
                fail_msg("%s %s, allocation %lld: %s: %s", cases[k].method, cases[k].name,
                         (long long)at, wn_status_name(st), wn_ctx_error(ctx));
            assert_int_equal(wn_ctx_live_bytes(ctx), 0);
            wn_ctx_free(ctx);
            assert_int_equal(fail.live, 0);
        }
    }
}

static int64_t polls, cancel_at;

static int cancel(void *user)
{
    (void)user;
    return polls++ >= cancel_at;
}

static wn_status run_cancelled(const fault_case *c, int64_t at)
{
    wn_ctx_options opt;
    wn_status st;
    wn_ctx *ctx;

    wn_ctx_options_init(&opt);
    opt.threads = 1;
    opt.cancel = cancel;
    polls = 0;
    cancel_at = at;
    if (wn_ctx_new(&opt, &ctx) != WN_OK) fail_msg("no context");
    ctx->poll_ns = 0; /* every poll asks */
    st = run(ctx, c);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
    return st;
}

static void polls_cancel(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        int64_t all;
        assert_int_equal(run_cancelled(&cases[k], INT64_MAX), WN_OK);
        all = polls;
        assert_true(all > 3);
        for (int64_t at = 0; at < all; at++)
            if (run_cancelled(&cases[k], at) != WN_E_CANCELLED)
                fail_msg("%s %s, poll %lld", cases[k].method, cases[k].name, (long long)at);
    }
}

/* Budgets from far too little upwards: refused, or the same bytes. */
static void budgets_refuse_or_do_not_matter(void **state)
{
    static const char *const names[] = {"c0", "c1", "c2", "c3", "c4"};

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        wn_status st = WN_E_BUDGET;
        int refused = 0;
        wn_ctx *ctx = ts_ctx(1, -1);
        ts_ok(ctx, run(ctx, &cases[k]));
        wn_ctx_free(ctx);
        assert_int_equal(access(ts_path("first"), F_OK), -1);
        assert_int_equal(rename(ts_path("out"), ts_path("first")), 0);
        for (int64_t bytes = 4096; st != WN_OK; bytes *= 2) {
            ctx = ts_ctx(2, -1);
            ctx->budget_bytes = bytes;
            st = run(ctx, &cases[k]);
            if (st != WN_OK && st != WN_E_BUDGET)
                fail_msg("%s %s, budget %lld: %s: %s", cases[k].method, cases[k].name,
                         (long long)bytes, wn_status_name(st), wn_ctx_error(ctx));
            if (st == WN_OK && wn_ctx_peak_bytes(ctx) > bytes + 65536)
                fail_msg("%s %s, budget %lld: %lld were allocated", cases[k].method, cases[k].name,
                         (long long)bytes, (long long)wn_ctx_peak_bytes(ctx));
            refused += st != WN_OK;
            wn_ctx_free(ctx);
        }
        assert_true(refused > 0);
        assert_true(ts_same_tree(ts_path("out"), ts_path("first")));
        assert_int_equal(rename(ts_path("first"), ts_path(names[k])), 0);
    }
}

static int setup(void **state)
{
    (void)state;
    write_inputs();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_fail),
        cmocka_unit_test(polls_cancel),
        cmocka_unit_test(budgets_refuse_or_do_not_matter),
    };

    return cmocka_run_group_tests_name("dedup faults", tests, setup, teardown);
}
