/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_bench_run: complete, positive, at every level; stopping and failing leave nothing behind.
 */
#include <math.h>
#include <string.h>

#include "support/support.h"

static int has(const wn_bench *bench, const char *group, const char *name)
{
    for (int64_t i = 0; i < bench->n; i++)
        if (!strcmp(bench->lines[i].group, group) && !strcmp(bench->lines[i].name, name)) return 1;
    return 0;
}

static void every_line_has_a_rate(void **state)
{
    (void)state;
    for (int isa = WN_ISA_BASE; isa <= (int)ts_best_isa(); isa++)
        for (int threads = 1; threads < 3; threads++) {
            wn_ctx *ctx = ts_ctx(threads, isa);
            wn_bench *bench;

            if (isa == WN_ISA_BASE && threads == 2) {
                wn_ctx_free(ctx);
                continue; /* slow */
            }
            ts_ok(ctx, wn_bench_run(ctx, 1e-6, &bench));
            assert_true(bench->n > 20);
            for (int64_t i = 0; i < bench->n; i++) {
                const wn_bench_line *line = &bench->lines[i];

                assert_true(line->rate > 0 && isfinite(line->rate));
                assert_true(*line->name && *line->shape && *line->unit && *line->group);
                if (line->limit)
                    assert_true(line->share > 0 && has(bench, "limit", line->limit));
                else
                    assert_true(line->share == 0);
            }
            assert_true(has(bench, "limit", "memory read") && has(bench, "kernel", "dots"));
            assert_true(has(bench, "scan", "argmin") && has(bench, "scan", "softmax-sum"));
            assert_int_equal(has(bench, "scan", "argmin, filtered"), isa >= WN_ISA_VNNI);
            assert_int_equal(has(bench, "limit", "8-bit multiply-add"), isa >= WN_ISA_VNNI);
            wn_bench_free(bench);
            wn_ctx_free(ctx);
        }
}

static void no_filter_is_heard(void **state)
{
    wn_ctx_options options;
    wn_bench *bench;
    wn_ctx *ctx;

    (void)state;
    wn_ctx_options_init(&options);
    options.threads = 1;
    options.no_filter = 1;
    assert_int_equal(wn_ctx_new(&options, &ctx), WN_OK);
    ts_ok(ctx, wn_bench_run(ctx, 1e-6, &bench));
    assert_true(has(bench, "scan", "argmin") && !has(bench, "scan", "argmin, filtered"));
    wn_bench_free(bench);
    wn_ctx_free(ctx);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int64_t fail_at = 0;; fail_at++) {
        ts_alloc alloc = {0, fail_at, 0};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wn_bench *bench;
        wn_status st = wn_bench_run(ctx, 1e-6, &bench);

        if (st != WN_OK) {
            assert_int_equal(st, WN_E_NOMEM);
            assert_null(bench);
        }
        wn_bench_free(bench);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
        if (alloc.count <= fail_at) break;
        /* Scans make many; the first, and every one of those in between now and then. */
        if (fail_at > 12) fail_at += 61;
        assert_true(fail_at < 100000);
    }
}

static int stop(void *user)
{
    (void)user;
    return 1;
}

static void cancelling_stops(void **state)
{
    wn_ctx_options options;
    wn_bench *bench;
    wn_ctx *ctx;

    (void)state;
    wn_ctx_options_init(&options);
    options.threads = 2;
    options.cancel = stop;
    assert_int_equal(wn_ctx_new(&options, &ctx), WN_OK);
    assert_int_equal(wn_bench_run(ctx, 5, &bench), WN_E_CANCELLED);
    assert_null(bench);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_has_a_rate),
        cmocka_unit_test(no_filter_is_heard),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(cancelling_stops),
    };

    return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}
