/* SPDX-License-Identifier: Apache-2.0
 *
 * A run allocates no more than its plan said, with room and at the budget that the plan asked for, on rows that stay
 * in 8 bits and on rows for which scans go on in bf16.
 */
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "support/support.h"
#include "winnow/job.h"

enum { N = 9000, D = 128, FRAME = 256 << 10 }; /* what a job holds beside its method */

/* About `points` points. */
static float *rows_about(int points, double spread)
{
    float *v = ts_normal(N, D, 3), *center = ts_normal(points, D, 4);

    for (int64_t i = 0; i < N * D; i++)
        v[i] = center[i / D % points * D + i % D] + (float)spread * v[i];
    free(center);
    return v;
}

typedef struct task {
    const char *family, *method, *flag[3][2];
} task;

static const task tasks[] = {
    {"cluster", "kmeans", {{"k", "300"}, {"max-iter", "4"}}},
    {"cluster", "kmeans", {{"k", "300"}, {"max-iter", "4"}, {"bounds", "false"}}},
    {"graph", "knn", {{"k", "10"}}},
    {"graph", "radius", {{"radius", "0.03"}}},
    {"graph", "descent", {{"k", "10"}}},
    {"dedup", "semantic", {{"min-similarity", "0.99"}}},
    {"measure", "duplicates", {{NULL, NULL}}},
};

/* Returns what the plan said. */
static int64_t run(const task *t, const float *v, int isa, int64_t budget)
{
    wn_ctx *ctx = ts_ctx(2, isa);
    wn_estimate plan;
    wn_folder *folder;
    wn_pool *pool;
    wn_job *job;
    int64_t before;

    if (budget) ctx->budget_bytes = budget;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool));
    ts_ok(ctx, wn_folder_new(ctx, &folder));
    ts_ok(ctx, wn_job_new(ctx, t->family, t->method, &job));
    for (int i = 0; i < 3 && t->flag[i][0]; i++)
        ts_ok(ctx, wn_job_set(job, t->flag[i][0], t->flag[i][1]));
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_output_folder(job, folder));
    ts_ok(ctx, wn_job_plan(job, &plan));
    before = wn_ctx_live_bytes(ctx);
    ts_ok(ctx, wn_job_run(job));
    if (wn_ctx_peak_bytes(ctx) - before > plan.peak_bytes + FRAME)
        fail_msg("%s %s, level %d, budget %lld: planned %lld, took %lld", t->family, t->method, isa,
                 (long long)budget, (long long)plan.peak_bytes,
                 (long long)(wn_ctx_peak_bytes(ctx) - before));
    wn_job_free(job);
    wn_folder_free(folder);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    return plan.peak_bytes;
}

static void runs_stay_under_their_plans(void **state)
{
    (void)state;
    for (int near = 0; near < 2; near++) {
        float *v = near ? rows_about(8, 0.3) : rows_about(90, 1);

        for (size_t t = 0; t < sizeof tasks / sizeof *tasks; t++) {
            const int64_t peak = run(&tasks[t], v, -1, 0);

            run(&tasks[t], v, near ? WN_ISA_AVX2 : -1, peak + FRAME + ((int64_t)1 << 20));
        }
        free(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs_stay_under_their_plans)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
