/* SPDX-License-Identifier: Apache-2.0
 *
 * The peak that a plan says is a budget under which the index is made, its recall measured, for every kind; and the
 * index is the same as with room.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 6000, D = 2048 }; /* most of a peak is mapped files, beside which nothing fits */

typedef struct kind {
    const char *name, *flag[3][2];
    int table;
} kind;

static const kind kinds[] = {
    {"flat", {{"code", "i8"}}, 0},
    {"ivf", {{"code", "f32"}}, 0},
    {"ivf", {{"code", "i8"}}, 0},
    {"hnsw", {{"ef-construction", "16"}, {"m", "4"}}, 0},
    {"disk", {{NULL, NULL}}, 0},
    {"window", {{"ef-construction", "16"}, {"leaf", "4000"}, {"column", "ts"}}, 1},
    {"tenants", {{"tenant-column", "user"}}, 1},
};

static wn_job *job_of(wn_ctx *ctx, const kind *k, const char *out)
{
    wn_job *job;

    ts_ok(ctx, wn_job_new(ctx, "index", k->name, &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("rows.npy")));
    if (k->table) ts_ok(ctx, wn_job_input(job, "table", ts_path("table.csv")));
    for (int i = 0; i < 3 && k->flag[i][0]; i++)
        ts_ok(ctx, wn_job_set(job, k->flag[i][0], k->flag[i][1]));
    ts_ok(ctx, wn_job_output(job, ts_path(out)));
    return job;
}

static int64_t planned(const kind *k, int64_t budget)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_estimate plan;
    wn_job *job;

    if (budget) ctx->budget_bytes = budget;
    job = job_of(ctx, k, "none");
    ts_ok(ctx, wn_job_plan(job, &plan));
    wn_job_free(job);
    wn_ctx_free(ctx);
    return plan.peak_bytes;
}

static void make(const kind *k, int64_t budget, const char *out)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_job *job;
    wn_status st;

    if (budget) ctx->budget_bytes = budget;
    job = job_of(ctx, k, out);
    st = wn_job_run(job);
    if (st != WN_OK)
        fail_msg("index %s %s with %lld bytes: %s", k->name, k->flag[0][1] ? k->flag[0][1] : "",
                 (long long)budget, wn_ctx_error(ctx));
    wn_job_free(job);
    wn_ctx_free(ctx);
}

static void the_planned_peak_is_enough(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const int64_t peak = planned(&kinds[i], 0);
        char tight[32], roomy[32];

        assert_true(planned(&kinds[i], peak) <= peak);
        snprintf(tight, sizeof tight, "tight%d.wni", (int)i);
        snprintf(roomy, sizeof roomy, "roomy%d.wni", (int)i);
        make(&kinds[i], peak, tight);
        make(&kinds[i], 0, roomy);
        assert_true(ts_same_tree(ts_path(tight), ts_path(roomy)));
    }
}

static void far_less_is_refused(void **state)
{
    (void)state;
    for (size_t i = 1; i < sizeof kinds / sizeof *kinds; i++) {
        wn_ctx *ctx = ts_ctx(2, -1);
        wn_job *job;

        ctx->budget_bytes = (int64_t)4 << 20;
        job = job_of(ctx, &kinds[i], "refused.wni");
        assert_int_equal(wn_job_run(job), WN_E_BUDGET);
        assert_non_null(strstr(wn_ctx_error(ctx), "raise --memory"));
        wn_job_free(job);
        wn_ctx_free(ctx);
    }
}

static int setup(void **state)
{
    float *rows = ts_blobs(N, D, 200, 0.6, 1, NULL);
    FILE *f;

    (void)state;
    ts_tmp();
    ts_write_npy(ts_path("rows.npy"), rows, N, D);
    free(rows);
    if (!(f = fopen(ts_path("table.csv"), "w"))) return 1;
    fprintf(f, "ts,user\n");
    for (int i = 0; i < N; i++)
        fprintf(f, "%d,u%d\n", i * 7 % N, i % 50);
    fclose(f);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_planned_peak_is_enough),
                                       cmocka_unit_test(far_less_is_refused)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
