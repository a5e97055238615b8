/* SPDX-License-Identifier: Apache-2.0
 *
 * The same bytes: at any thread count, instruction set and memory budget, and in a replay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ctx_impl.h"
#include "support/fixture.h"

static fx_case cases[FX_CASES];

static void run_at(const fx_case *c, int threads, int isa, const char *area)
{
    wn_ctx *ctx = ts_ctx(threads, isa);
    int64_t live = fx_warm(ctx);
    wn_status st;

    /* The cases are small: without this no scan would filter. */
    ctx->filter_always = wn_ctx_isa(ctx) >= WN_ISA_VNNI;
    st = fx_run(ctx, c, NULL, fx_output(c, area));

    if (st != WN_OK)
        fail_msg("%s, threads %d, isa %d: %s: %s", fx_text(c), threads, isa, wn_status_name(st),
                 wn_ctx_error(ctx));
    assert_int_equal(wn_ctx_live_bytes(ctx), live);
    wn_ctx_free(ctx);
}

static void threads_and_isa_do_not_matter(void **state)
{
    static const int threads[] = {1, 2, 8};
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *reference = fx_area("reference");
        run_at(&cases[i], 1, WN_ISA_BASE, reference);
        for (int t = 0; t < 3; t++)
            for (int isa = WN_ISA_BASE; isa <= (int)ts_best_isa(); isa++) {
                const char *area = fx_area("other");
                run_at(&cases[i], threads[t], isa, area);
                if (!fx_same(reference, area))
                    fail_msg("%s: other bytes at %d threads, isa %s", fx_text(&cases[i]),
                             threads[t], wn_isa_name((wn_isa)isa));
            }
    }
}

static void every_choice_runs_and_keeps_the_promise(void **state)
{
    int n = fx_cases(cases, 1);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *reference = fx_area("reference"), *area = fx_area("other");
        if (!cases[i].name) continue;
        run_at(&cases[i], 1, WN_ISA_BASE, reference);
        run_at(&cases[i], 8, -1, area);
        if (!fx_same(reference, area))
            fail_msg("%s: other bytes at 8 threads, best isa: %s", fx_text(&cases[i]),
                     fx_difference());
    }
}

/* From far too little memory upwards: refused without a trace until it runs, then the same bytes. */
static void memory_budget_does_not_matter(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *reference = fx_area("reference");
        wn_status st = WN_E_BUDGET;
        int64_t bytes = 4096, live;
        int refusals = 0;
        run_at(&cases[i], 2, -1, reference);
        for (; st != WN_OK; bytes *= 2) {
            const char *area = fx_area("other");
            wn_ctx_options opt;
            wn_ctx *ctx;
            wn_ctx_options_init(&opt);
            opt.threads = 2;
            st = wn_ctx_new(&opt, &ctx);
            assert_int_equal(st, WN_OK);
            ctx->budget_bytes = bytes; /* below what the option accepts */
            live = fx_warm(ctx);
            st = fx_run(ctx, &cases[i], NULL, fx_output(&cases[i], area));
            if (st == WN_OK) {
                if (wn_ctx_peak_bytes(ctx) > bytes + 65536) /* names, paths, the manifest */
                    fail_msg("%s: %lld bytes were allocated of a budget of %lld",
                             fx_text(&cases[i]), (long long)wn_ctx_peak_bytes(ctx),
                             (long long)bytes);
                if (!fx_same(reference, area))
                    fail_msg("%s: other bytes with a budget of %lld: %s", fx_text(&cases[i]),
                             (long long)bytes, fx_difference());
            } else {
                if (st != WN_E_BUDGET)
                    fail_msg("%s with a budget of %lld: %s: %s", fx_text(&cases[i]),
                             (long long)bytes, wn_status_name(st), wn_ctx_error(ctx));
                fx_one_line(ctx, fx_text(&cases[i]));
                assert_int_equal(fx_entries(area), 0);
                refusals++;
            }
            assert_int_equal(wn_ctx_live_bytes(ctx), live);
            wn_ctx_free(ctx);
            if (bytes > (int64_t)1 << 28) fail_msg("%s: never fits", fx_text(&cases[i]));
            if (st == WN_OK) print_message("%s: fits %lld\n", fx_text(&cases[i]), (long long)bytes);
        }
        if (!refusals)
            fail_msg("%s: 4 KiB were enough: the budget is not asked", fx_text(&cases[i]));
    }
}

/* Memory for what the plan says, while the files, mapped, would take some of it: they are let go. */
static void what_the_plan_says_is_enough(void **state)
{
    enum { N = 20000, D = 12 };
    float *v = ts_blobs(N, D, 9, 0.5, 3, NULL);
    const char *file = ts_path("large.npy");
    int n = fx_cases(cases, 0), ran = 0;

    (void)state;
    ts_write_npy(file, v, N, D);
    free(v);
    for (int i = 0; i < n; i++) {
        const char *area = fx_area("other");
        wn_ctx *ctx = ts_ctx(2, -1);
        wn_estimate plan;
        wn_job *job;
        if (cases[i].file && strcmp(cases[i].file, "pool.npy") == 0 && fx_alone(&cases[i])) {
            int64_t live = fx_warm(ctx);
            ts_ok(ctx, fx_job(ctx, &cases[i], file, fx_output(&cases[i], area), &job));
            ts_ok(ctx, wn_job_plan(job, &plan));
            atomic_store(&ctx->peak_bytes, atomic_load(&ctx->live_bytes)); /* of the run alone */
            ctx->budget_bytes = live + plan.peak_bytes + 65536;            /* names, paths */
            ran += ctx->budget_bytes - live > 2 * N * D * 4 + 65536;       /* mapped at first */
            ts_ok(ctx, wn_job_run(job));
            wn_job_free(job);
            if (wn_ctx_peak_bytes(ctx) > ctx->budget_bytes + 65536)
                fail_msg("%s: %lld bytes were allocated, planned %lld", fx_text(&cases[i]),
                         (long long)wn_ctx_peak_bytes(ctx), (long long)plan.peak_bytes);
        }
        wn_ctx_free(ctx);
    }
    assert_true(ran >= 4);
    remove(file);
}

static void manifest_of(const fx_case *c, const char *area, char *path, size_t bytes)
{
    snprintf(path, bytes, "%s%smanifest.json", fx_output(c, area),
             c->family->output_is_file ? "." : "/");
}

static void replay_repeats(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *reference = fx_area("reference"), *area = fx_area("other");
        wn_ctx *ctx = ts_ctx(2, -1);
        char manifest[1200];
        int64_t live = fx_warm(ctx);
        wn_job *job;
        run_at(&cases[i], 1, WN_ISA_BASE, reference);
        manifest_of(&cases[i], reference, manifest, sizeof manifest);
        ts_ok(ctx, wn_job_load(ctx, manifest, &job));
        ts_ok(ctx, wn_job_output(job, fx_output(&cases[i], area)));
        ts_ok(ctx, wn_job_run(job));
        wn_job_free(job);
        assert_int_equal(wn_ctx_live_bytes(ctx), live);
        if (!fx_same(reference, area))
            fail_msg("%s: the replay differs: %s", fx_text(&cases[i]), fx_difference());
        wn_ctx_free(ctx);
    }
}

/* One bit of an input changed after the run: the replay names the file and writes nothing. */
static void replay_refuses_changed_inputs(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *reference = fx_area("reference"), *area = fx_area("other");
        wn_ctx *ctx = ts_ctx(1, -1);
        char copy[1024], manifest[1200];
        size_t bytes;
        char *data;
        wn_status st;
        wn_job *job;
        if (!cases[i].file || strcmp(cases[i].file, "tables") == 0) {
            wn_ctx_free(ctx);
            continue;
        }
        data = ts_read_file(ts_path(cases[i].file), &bytes);
        snprintf(copy, sizeof copy, "%s/copy-%s", ts_tmp(), cases[i].file);
        ts_write_file(copy, data, bytes);
        ts_ok(ctx, fx_run(ctx, &cases[i], copy, fx_output(&cases[i], reference)));
        data[bytes - 3] ^= 1;
        ts_write_file(copy, data, bytes);
        manifest_of(&cases[i], reference, manifest, sizeof manifest);
        st = wn_job_load(ctx, manifest, &job);
        if (st == WN_OK) st = wn_job_output(job, fx_output(&cases[i], area));
        if (st == WN_OK) st = wn_job_run(job);
        wn_job_free(job);
        assert_int_equal(st, WN_E_DATA);
        fx_one_line(ctx, fx_text(&cases[i]));
        assert_non_null(strstr(wn_ctx_error(ctx), copy));
        assert_int_equal(fx_entries(area), 0);
        remove(copy);
        free(data);
        wn_ctx_free(ctx);
    }
}

/* Another seed gives another result where the descriptor says so, and only there. */
static void seed_matters_where_it_is_said(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *reference = fx_area("reference");
        int differs = 0;
        if (!(cases[i].method->flags & WN_METHOD_SEEDED)) continue;
        run_at(&cases[i], 1, -1, reference);
        for (int seed = 1; seed <= 3 && !differs; seed++) {
            const char *area = fx_area("other");
            fx_case c = cases[i];
            char text[16];
            snprintf(text, sizeof text, "%d", seed);
            c.name = "seed";
            c.value = text;
            run_at(&c, 1, -1, area);
            differs = !fx_same(reference, area);
        }
        /* Of a small pool all pairs are compared there: nothing is left to chance. */
        if (!differs && strcmp(cases[i].method->family, "dedup") != 0 &&
            strcmp(cases[i].method->family, "graph") != 0)
            fail_msg("%s: three other seeds change nothing", fx_text(&cases[i]));
    }
}

static void why_answers_for_every_row(void **state)
{
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const char *area = fx_area("reference");
        wn_ctx *ctx = ts_ctx(1, -1);
        char path[1200], row[16], *text = NULL;
        run_at(&cases[i], 1, -1, area);
        snprintf(path, sizeof path, "%s/why.npy", fx_output(&cases[i], area));
        if (access(path, R_OK) == 0) {
            for (int r = 0; r < FX_ROWS; r += 7) {
                snprintf(row, sizeof row, "%d", r);
                ts_ok(ctx, wn_why_text(ctx, fx_output(&cases[i], area), row, &text));
                assert_true(strlen(text) > 10);
                wn_text_free(ctx, text);
            }
            assert_int_not_equal(wn_why_text(ctx, fx_output(&cases[i], area), "240", &text), WN_OK);
            fx_one_line(ctx, fx_text(&cases[i]));
        }
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_isa_do_not_matter),
        cmocka_unit_test(every_choice_runs_and_keeps_the_promise),
        cmocka_unit_test(memory_budget_does_not_matter),
        cmocka_unit_test(what_the_plan_says_is_enough),
        cmocka_unit_test(replay_repeats),
        cmocka_unit_test(replay_refuses_changed_inputs),
        cmocka_unit_test(seed_matters_where_it_is_said),
        cmocka_unit_test(why_answers_for_every_row),
    };

    return cmocka_run_group_tests_name("contract: same bytes", tests, fx_setup, fx_teardown);
}
