/* SPDX-License-Identifier: Apache-2.0
 *
 * Every allocation may fail, every poll may cancel, every pool may be bad: the status says so, the text is
 * one line, nothing leaks and nothing is left on disk.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "support/fixture.h"

/* Longer runs are sampled behind the first half of `every`; a prime stride meets every phase. The points are
 * shared by all cases, so that the registry may grow. */
#if defined(__SANITIZE_THREAD__)
#define POINTS 1600 /* slow there, and one thread has no races: the other builds do it at length */
#else
#define POINTS 16000
#endif

static int64_t every = 400;

static fx_case cases[FX_CASES];

static int64_t next_point(int64_t at, int64_t total)
{
    int64_t stride = (total - every / 2) / (every / 2) + 1;

    if (total <= every || at < every / 2) return at + 1;
    return at + 1 >= total - 20 ? at + 1 : wni_min(at + stride, total - 20);
}

static void every_allocation_may_fail(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    every = wni_max(wni_min(POINTS / n, 400), 40);
    for (int i = 0; i < n; i++) {
        ts_alloc count = {.fail_at = -1};
        const char *area = fx_area("faults");
        wn_ctx *ctx = ts_ctx_failing(&count, 1);
        ctx->filter_always = 1;
        ts_ok(ctx, fx_run(ctx, &cases[i], NULL, fx_output(&cases[i], area)));
        wn_ctx_free(ctx);
        assert_int_equal(count.live, 0);
        print_message("%s: %lld allocations\n", fx_text(&cases[i]), (long long)count.count);
        area = fx_area("faults");
        for (int64_t at = 0; at < count.count; at = next_point(at, count.count)) {
            ts_alloc fail = {.fail_at = at};
            wn_status st;
            ctx = ts_ctx_failing(&fail, 1);
            ctx->filter_always = 1;
            st = fx_run(ctx, &cases[i], NULL, fx_output(&cases[i], area));
            if (st != WN_E_NOMEM)
                fail_msg("%s, allocation %lld: %s: %s", fx_text(&cases[i]), (long long)at,
                         wn_status_name(st), wn_ctx_error(ctx));
            fx_one_line(ctx, fx_text(&cases[i]));
            if (wn_ctx_live_bytes(ctx))
                fail_msg("%s, allocation %lld: %lld bytes leak", fx_text(&cases[i]), (long long)at,
                         (long long)wn_ctx_live_bytes(ctx));
            if (fx_entries(area))
                fail_msg("%s, allocation %lld: something was written", fx_text(&cases[i]),
                         (long long)at);
            wn_ctx_free(ctx);
            assert_int_equal(fail.live, 0);
        }
    }
}

/* With helpers the number of an allocation is chance; the answer is not. */
static void allocations_fail_beside_threads(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *area = fx_area("faults");
        for (int64_t at = 0; at < 200; at = at * 3 / 2 + 1) {
            ts_alloc fail = {.fail_at = at};
            wn_ctx *ctx = ts_ctx_failing(&fail, 3);
            wn_status st = fx_run(ctx, &cases[i], NULL, fx_output(&cases[i], area));
            if (st == WN_OK) area = fx_area("faults"); /* there were fewer */
            if (st != WN_OK && st != WN_E_NOMEM)
                fail_msg("%s, allocation %lld: %s: %s", fx_text(&cases[i]), (long long)at,
                         wn_status_name(st), wn_ctx_error(ctx));
            if (fx_entries(area))
                fail_msg("%s, allocation %lld: something was written", fx_text(&cases[i]),
                         (long long)at);
            wn_ctx_free(ctx);
            assert_int_equal(fail.live, 0);
        }
    }
}

typedef struct poll_state {
    int64_t count, cancel_at;
} poll_state;

static int cancel_at_poll(void *user)
{
    poll_state *s = user;

    return s->count++ >= s->cancel_at;
}

static wn_ctx *cancelling(poll_state *s, int64_t cancel_at)
{
    wn_ctx_options opt;
    wn_ctx *ctx;

    *s = (poll_state){0, cancel_at};
    wn_ctx_options_init(&opt);
    opt.threads = 1;
    opt.memory_bytes = (int64_t)256 << 20;
    opt.user = s;
    opt.cancel = cancel_at_poll;
    if (wn_ctx_new(&opt, &ctx) != WN_OK) fail_msg("no context");
    ctx->poll_ns = 0; /* every poll asks */
    return ctx;
}

static void every_poll_may_cancel(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *area = fx_area("faults");
        poll_state s;
        wn_ctx *ctx = cancelling(&s, INT64_MAX);
        int64_t polls;
        ts_ok(ctx, fx_run(ctx, &cases[i], NULL, fx_output(&cases[i], area)));
        wn_ctx_free(ctx);
        polls = s.count;
        print_message("%s: %lld polls\n", fx_text(&cases[i]), (long long)polls);
        if (!polls) fail_msg("%s never polls", fx_text(&cases[i]));
        area = fx_area("faults");
        for (int64_t at = 0; at < polls; at = next_point(at, polls)) {
            wn_status st;
            ctx = cancelling(&s, at);
            st = fx_run(ctx, &cases[i], NULL, fx_output(&cases[i], area));
            if (st != WN_E_CANCELLED)
                fail_msg("%s, poll %lld: %s: %s", fx_text(&cases[i]), (long long)at,
                         wn_status_name(st), wn_ctx_error(ctx));
            assert_int_equal(wn_ctx_live_bytes(ctx), 0);
            if (fx_entries(area))
                fail_msg("%s, poll %lld: something was written", fx_text(&cases[i]), (long long)at);
            wn_ctx_free(ctx);
        }
    }
}

/* One run on a bad file. `expect` WN_OK = may succeed or be WN_E_DATA; else exactly that. */
static void bad_file(const fx_case *c, const char *file, wn_status expect, const char *mentions)
{
    for (int threads = 1; threads <= 2; threads++) {
        const char *area = fx_area("faults");
        wn_ctx *ctx = ts_ctx(threads, -1);
        int64_t live = fx_warm(ctx);
        wn_status st = fx_run(ctx, c, ts_path(file), fx_output(c, area));
        char what[512];
        snprintf(what, sizeof what, "%s on %s", fx_text(c), file);
        if (expect != WN_OK ? st != expect : st != WN_OK && st != WN_E_DATA)
            fail_msg("%s: %s: %s", what, wn_status_name(st), wn_ctx_error(ctx));
        if (st == WN_OK) {
            assert_int_not_equal(fx_entries(area), 0);
        } else {
            fx_one_line(ctx, what);
            if (fx_entries(area)) fail_msg("%s: something was written", what);
            if (mentions && !strstr(wn_ctx_error(ctx), mentions))
                fail_msg("%s: no '%s' in: %s", what, mentions, wn_ctx_error(ctx));
        }
        if (wn_ctx_live_bytes(ctx) != live)
            fail_msg("%s: %lld bytes leak", what, (long long)(wn_ctx_live_bytes(ctx) - live));
        wn_ctx_free(ctx);
    }
}

static void write_bad_pools(void)
{
    float *v = ts_blobs(FX_ROWS, 12, 5, 0.3, 9, NULL);
    size_t bytes;
    char *data;

    ts_write_npy(ts_path("n0.npy"), v, 0, 12);
    ts_write_npy(ts_path("n1.npy"), v, 1, 12);
    ts_write_npy(ts_path("n2.npy"), v, 2, 12);
    ts_write_npy(ts_path("n8.npy"), v, 8, 12);
    ts_write_npy(ts_path("d1.npy"), v, FX_ROWS * 12, 1);
    data = ts_read_file(ts_path("pool.npy"), &bytes);
    ts_write_file(ts_path("short.npy"), data, bytes - 5);
    free(data);
    v[12 * 17 + 3] = NAN;
    ts_write_npy(ts_path("nan.npy"), v, FX_ROWS, 12);
    v[12 * 17 + 3] = INFINITY;
    ts_write_npy(ts_path("inf.npy"), v, FX_ROWS, 12);
    memset(v + 12 * 17, 0, 12 * sizeof *v);
    ts_write_npy(ts_path("zero.npy"), v, FX_ROWS, 12);
    for (int64_t i = 0; i < FX_ROWS * 12; i++)
        v[i] = (float)(i % 12) - 3;
    ts_write_npy(ts_path("equal.npy"), v, FX_ROWS, 12);
    for (int64_t i = 0; i < FX_ROWS * 12; i++) /* finite, but its square is not */
        v[i] = (i % 7 < 3 ? -3e38f : 3e38f) / (float)(1 + i % 5);
    ts_write_npy(ts_path("huge.npy"), v, FX_ROWS, 12);
    for (int64_t i = 0; i < FX_ROWS * 12; i++) /* denormal */
        v[i] = (float)(i % 11 + 1) * 1e-42f;
    ts_write_npy(ts_path("tiny.npy"), v, FX_ROWS, 12);
    ts_write_file(ts_path("empty.npy"), "", 0);
    free(v);
}

static void bad_pools_are_refused_in_one_line(void **state)
{
    static const char *const maybe[] = {"n0.npy",    "n1.npy",   "n2.npy",   "n8.npy",  "d1.npy",
                                        "equal.npy", "huge.npy", "tiny.npy", "zero.npy"};
    int n = fx_cases(cases, 0);

    (void)state;
    write_bad_pools();
    for (int i = 0; i < n; i++) {
        const fx_case *c = &cases[i];
        int cosine = c->metric && strcmp(c->metric, "cosine") == 0;
        if (!c->file || strcmp(c->file, "pool.npy") != 0) continue;
        for (size_t j = 0; j < sizeof maybe / sizeof maybe[0]; j++)
            bad_file(c, maybe[j], WN_OK, NULL);
        bad_file(c, "nan.npy", WN_E_DATA, "17");
        bad_file(c, "inf.npy", WN_E_DATA, "17");
        if (cosine) bad_file(c, "zero.npy", WN_E_DATA, "17");
        bad_file(c, "short.npy", WN_E_DATA, "short.npy");
        bad_file(c, "empty.npy", WN_E_DATA, "empty.npy");
        bad_file(c, "nowhere.npy", WN_E_DATA, "nowhere.npy");
        bad_file(c, "nowhere-*.npy", WN_E_DATA, "nowhere-*.npy");
    }
}

static void more_than_there_is_is_refused(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++)
        for (int32_t j = 0; j < cases[i].method->n_params; j++) {
            const wn_param *p = &cases[i].method->params[j];
            const char *area = fx_area("faults");
            wn_ctx *ctx;
            wn_job *job;
            wn_status st;
            int64_t live;
            if (strcmp(p->name, "k") != 0 && strcmp(p->name, "size") != 0) continue;
            ctx = ts_ctx(2, -1);
            live = fx_warm(ctx);
            ts_ok(ctx, fx_job(ctx, &cases[i], NULL, fx_output(&cases[i], area), &job));
            ts_ok(ctx, wn_job_set(job, p->name, "241"));
            st = wn_job_run(job);
            wn_job_free(job);
            if (st != WN_E_DATA)
                fail_msg("%s, %s=241: %s: %s", fx_text(&cases[i]), p->name, wn_status_name(st),
                         wn_ctx_error(ctx));
            fx_one_line(ctx, fx_text(&cases[i]));
            assert_non_null(strstr(wn_ctx_error(ctx), "241"));
            assert_int_equal(fx_entries(area), 0);
            assert_int_equal(wn_ctx_live_bytes(ctx), live);
            wn_ctx_free(ctx);
        }
}

static void bad_texts_are_refused_in_one_line(void **state)
{
    static const struct {
        const char *file, *text, *mentions;
    } bad[] = {
        {"broken.jsonl", "{\"text\": \"one two three\"}\n{\"text\": \"four\n", "2"},
        {"field.jsonl", "{\"text\": \"one two three\"}\n{\"words\": 3}\n", "text"},
        {"number.jsonl", "{\"text\": 7}\n{\"text\": 8}\n", "text"},
        {"bytes.jsonl", "{\"text\": \"one two \xff\xfe three\"}\n", "UTF-8"},
        {"array.jsonl", "[1, 2]\n", "1"},
    };
    int n = fx_cases(cases, 0);

    (void)state;
    for (size_t j = 0; j < sizeof bad / sizeof bad[0]; j++)
        ts_write_file(ts_path(bad[j].file), bad[j].text, strlen(bad[j].text));
    ts_write_file(ts_path("empty.jsonl"), "", 0);
    ts_write_file(ts_path("one.jsonl"), "{\"text\": \"one two three\"}\n", 26);
    for (int i = 0; i < n; i++) {
        const fx_case *c = &cases[i];
        if (!c->file || strcmp(c->file, "corpus.jsonl") != 0) continue;
        for (size_t j = 0; j < sizeof bad / sizeof bad[0]; j++)
            bad_file(c, bad[j].file, WN_E_DATA, bad[j].mentions);
        bad_file(c, "empty.jsonl", WN_OK, NULL);
        bad_file(c, "one.jsonl", WN_OK, NULL);
    }
}

/* Without force an output that exists stays as it is; with force it is replaced, or kept on failure. */
static void existing_outputs_are_kept(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *area = fx_area("faults"), *before = fx_area("before");
        const char *out = fx_output(&cases[i], area);
        ts_alloc fail = {.fail_at = 20}; /* the smallest run makes some thirty */
        wn_ctx *ctx = ts_ctx(1, -1);
        wn_job *job;
        ts_ok(ctx, fx_run(ctx, &cases[i], NULL, out));
        ts_ok(ctx, fx_run(ctx, &cases[i], NULL, fx_output(&cases[i], before)));
        assert_int_equal(fx_run(ctx, &cases[i], NULL, out), WN_E_DATA);
        fx_one_line(ctx, fx_text(&cases[i]));
        assert_non_null(strstr(wn_ctx_error(ctx), "force"));
        assert_true(fx_same(area, before));
        ts_ok(ctx, fx_job(ctx, &cases[i], NULL, out, &job));
        ts_ok(ctx, wn_job_set(job, "force", "1"));
        ts_ok(ctx, wn_job_run(job));
        wn_job_free(job);
        assert_true(fx_same(area, before));
        assert_int_equal(fx_entries(area), fx_entries(before));
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);

        ctx = ts_ctx_failing(&fail, 1);
        if (fx_job(ctx, &cases[i], NULL, out, &job) == WN_OK) {
            if (wn_job_set(job, "force", "1") == WN_OK)
                assert_int_equal(wn_job_run(job), WN_E_NOMEM);
            wn_job_free(job);
        }
        assert_true(fx_same(area, before));
        assert_int_equal(fx_entries(area), fx_entries(before));
        wn_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(allocations_fail_beside_threads),
        cmocka_unit_test(every_poll_may_cancel),
        cmocka_unit_test(bad_pools_are_refused_in_one_line),
        cmocka_unit_test(more_than_there_is_is_refused),
        cmocka_unit_test(bad_texts_are_refused_in_one_line),
        cmocka_unit_test(existing_outputs_are_kept),
    };

    return cmocka_run_group_tests_name("contract: faults", tests, fx_setup, fx_teardown);
}
