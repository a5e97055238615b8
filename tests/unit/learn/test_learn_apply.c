/* SPDX-License-Identifier: Apache-2.0
 *
 * A model applied through files is the model applied in memory.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/outdir.h"
#include "support/support.h"
#include "winnow/job.h"
#include "winnow/learn.h"

enum { N = 300, D = 6, C = 3 };

static wn_job *job_of(wn_ctx *ctx, const char *method, const char *pool, const char *name,
                      const char *path, const char *out)
{
    wn_job *job;

    ts_ok(ctx, wn_job_new(ctx, "learn", method, &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path(pool)));
    ts_ok(ctx, wn_job_input(job, name, ts_path(path)));
    ts_ok(ctx, wn_job_output(job, ts_path(out)));
    return job;
}

static int setup(void **state)
{
    float *x = ts_blobs(N, D, C, 0.2, 4, NULL);
    wn_ctx *ctx = ts_ctx(1, -1);
    char text[N * 8] = "y\n";
    wn_job *job;

    (void)state;
    ts_write_npy(ts_path("x.npy"), x, N, D);
    ts_write_npy(ts_path("narrow.npy"), x, N, D - 1);
    for (int i = 0; i < N; i++)
        snprintf(text + strlen(text), 8, "%s\n",
                 x[i * D] > 0 ? (x[i * D + 1] > 0 ? "b" : "c") : "a");
    ts_write_file(ts_path("y.csv"), text, strlen(text));
    job = job_of(ctx, "logistic", "x.npy", "labels", "y.csv:y", "model");
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    wn_ctx_free(ctx);
    free(x);
    return 0;
}

static void as_in_memory(void **state)
{
    static float probs[N * C];
    static int32_t best[N];
    wn_ctx *ctx = ts_ctx(2, -1);
    const char *path = ts_path("x.npy");
    wn_pool *pool;
    wn_model *model;
    int64_t shape[2];
    void *data;
    char names[64] = "";
    char *text;
    wn_job *job = job_of(ctx, "apply", "x.npy", "model", "model", "applied");

    (void)state;
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    ts_ok(ctx, wn_pool_open(ctx, &path, 1, NULL, &pool));
    ts_ok(ctx, wn_model_load(ctx, ts_path("model"), &model));
    assert_int_equal(model->classes, C);
    ts_ok(ctx, wn_model_probs(ctx, model, pool, NULL, 0, N, probs));
    ts_ok(ctx, wn_model_predict(ctx, model, pool, NULL, 0, N, best));
    ts_ok(ctx, wni_npy_load(ctx, ts_path("applied/probs.npy"), "<f4", 2, shape, &data));
    assert_true(shape[0] == N && shape[1] == C);
    assert_memory_equal(data, probs, sizeof probs);
    wni_free(ctx, data);
    ts_ok(ctx, wni_npy_load(ctx, ts_path("applied/labels.npy"), "<i4", 1, shape, &data));
    assert_memory_equal(data, best, sizeof best);
    wni_free(ctx, data);
    for (int c = 0; c < C; c++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s\n", model->names[c]);
    ts_ok(ctx, wni_text_load(ctx, ts_path("applied/classes.txt"), &text));
    assert_string_equal(text, names);
    wni_free(ctx, text);
    wn_model_free(model);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void probabilities_may_be_left_out(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *job = job_of(ctx, "apply", "x.npy", "model", "model", "short");

    (void)state;
    ts_ok(ctx, wn_job_set(job, "probs", "false"));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    assert_false(wni_path_exists(ctx, ts_path("short/probs.npy")));
    assert_true(wni_path_exists(ctx, ts_path("short/labels.npy")));
    wn_ctx_free(ctx);
}

static void another_width_is_refused(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *job = job_of(ctx, "apply", "narrow.npy", "model", "model", "wrong");

    (void)state;
    assert_int_equal(wn_job_run(job), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "rows of 6 columns, the pool has rows of 5"));
    wn_job_free(job);
    assert_false(wni_path_exists(ctx, ts_path("wrong")));
    wn_ctx_free(ctx);
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
        cmocka_unit_test(as_in_memory),
        cmocka_unit_test(probabilities_may_be_left_out),
        cmocka_unit_test(another_width_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
