/* SPDX-License-Identifier: Apache-2.0
 *
 * Similarity to a target, numbers from elsewhere, and what a run of the family writes.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "winnow/job.h"

enum { N = 500, M = 40, D = 13 };

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

static void target_equals_the_twin(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1), *w = ts_normal(M, D, 2);

    (void)state;
    memcpy(v, w, 3 * D * sizeof *v); /* rows of the target itself */
    for (int metric = 0; metric < 2; metric++)
        for (int k = 1; k <= M; k = k * 5 + (k == 1) * 3) {
            wn_score_target_params p = {.struct_size = sizeof p, .k = k};
            wn_score_input in = {.struct_size = sizeof in};
            wn_pool *pool, *target;
            wn_scores *s;
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, (wn_metric)metric, &pool));
            ts_ok(ctx, wn_pool_wrap(ctx, w, M, D, WN_F32, WN_L2, &target));
            in.pool = pool;
            in.target = target;
            ts_ok(ctx, wn_score_target(ctx, &in, &p, &s));
            for (int i = 0; i < N; i++) {
                double x[M], sum = 0;
                for (int j = 0; j < M; j++) {
                    double dot = 0, aa = 0, bb = 0, l2sq = 0;
                    for (int c = 0; c < D; c++) {
                        double a = (double)v[i * D + c], b = (double)w[j * D + c];
                        dot += a * b;
                        aa += a * a;
                        bb += b * b;
                        l2sq += (a - b) * (a - b);
                    }
                    x[j] = metric == WN_COSINE ? dot / sqrt(aa * bb) : -sqrt(l2sq);
                }
                qsort(x, M, sizeof *x, descending);
                for (int j = 0; j < k; j++)
                    sum += x[j];
                if (fabs(s->v[i] - sum / k) > 1e-5 * (1 + fabs(sum / k)))
                    fail_msg("k %d, row %d: found %.9g, expected %.9g", k, i, (double)s->v[i],
                             sum / k);
            }
            wn_scores_free(s);
            wn_pool_free(pool);
            wn_pool_free(target);
        }
    free(v);
    free(w);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, wn_status st, wn_status want, wn_scores *const *s,
                    const char *text)
{
    if (st != want || *s || !strstr(wn_ctx_error(ctx), text))
        fail_msg("expected %s with '%s', found %s: %s", wn_status_name(want), text,
                 wn_status_name(st), wn_ctx_error(ctx));
}

static void bad_targets(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1), *w = ts_normal(M, D, 2);
    wn_score_input in = {.struct_size = sizeof in};
    wn_score_target_params p = {.struct_size = sizeof p, .k = 4};
    wn_pool *pool, *target;
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &pool));
    in.pool = pool;
    refused(ctx, wn_score_target(ctx, &in, &p, &s), WN_E_USAGE, &s, "no target is given");
    ts_ok(ctx, wn_pool_wrap(ctx, w, 3, D, WN_F32, WN_L2, &target));
    in.target = target;
    refused(ctx, wn_score_target(ctx, &in, &p, &s), WN_E_DATA, &s,
            "k is 4 but the target has 3 rows: lower --k");
    wn_pool_free(target);
    ts_ok(ctx, wn_pool_wrap(ctx, w, 0, D, WN_F32, WN_L2, &target));
    in.target = target;
    refused(ctx, wn_score_target(ctx, &in, &p, &s), WN_E_DATA, &s, "has 0 rows: give a target");
    wn_pool_free(target);
    ts_ok(ctx, wn_pool_wrap(ctx, w, M, D - 1, WN_F32, WN_L2, &target));
    in.target = target;
    refused(ctx, wn_score_target(ctx, &in, &p, &s), WN_E_DATA, &s,
            "the target has rows of 12 columns, the pool of 13");
    wn_pool_free(target);
    memset(w + 2 * D, 0, D * sizeof *w);
    ts_ok(ctx, wn_pool_wrap(ctx, w, M, D, WN_F32, WN_L2, &target));
    in.target = target; /* a zero row has no direction */
    refused(ctx, wn_score_target(ctx, &in, &p, &s), WN_E_DATA, &s, "2");
    wn_pool_free(target);
    wn_pool_free(pool);
    free(v);
    free(w);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void column(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_score_input in = {.struct_size = sizeof in};
    wn_score_column_params p = {.struct_size = sizeof p, .negate = 1};
    wn_scores *given, *s;

    (void)state;
    ts_ok(ctx, wn_scores_new(ctx, 3, &given));
    memcpy(given->v, (float[]){3, 0, -1}, 3 * sizeof(float));
    refused(ctx, wn_score_column(ctx, &in, NULL, &s), WN_E_USAGE, &s, "no scores is given");
    in.scores = given;
    ts_ok(ctx, wn_score_column(ctx, &in, NULL, &s));
    assert_memory_equal(s->v, given->v, 3 * sizeof(float));
    wn_scores_free(s);
    ts_ok(ctx, wn_score_column(ctx, &in, &p, &s));
    assert_memory_equal(s->v, ((float[]){-3, 0, 1}), 3 * sizeof(float));
    wn_scores_free(s);
    given->v[1] = NAN;
    refused(ctx, wn_score_column(ctx, &in, NULL, &s), WN_E_DATA, &s, "row 1 gets the score nan");
    wn_scores_free(given);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- files -------------------------------------------------------------------------------------------- */

static void run(wn_ctx *ctx, const char *method, const char *input, const char *path,
                const char *input2, const char *path2, const char *out)
{
    wn_job *job;

    ts_ok(ctx, wn_job_new(ctx, "score", method, &job));
    ts_ok(ctx, wn_job_input(job, input, path));
    if (input2) ts_ok(ctx, wn_job_input(job, input2, path2));
    ts_ok(ctx, wn_job_output(job, out));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
}

static void files_of_a_run(void **state)
{
    static const char csv[] = "id,quality,class\na,1.5,cat\nb,-2,dog\nc,0.25,cat\nd,7,cat\n";
    wn_ctx *ctx = ts_ctx(1, -1);
    char path[1200], column_of[1100];
    wn_scores *s;
    wn_job *job;
    size_t bytes;
    char *text;

    (void)state;
    ts_write_file(ts_path("table.csv"), csv, sizeof csv - 1);
    snprintf(column_of, sizeof column_of, "%s:quality", ts_path("table.csv"));
    run(ctx, "column", "scores", column_of, NULL, NULL, ts_path("quality"));
    ts_ok(ctx, wn_scores_load(ctx, ts_path("quality"), 4, &s));
    assert_memory_equal(s->v, ((float[]){1.5f, -2, 0.25f, 7}), 4 * sizeof(float));
    wn_scores_free(s);

    ts_write_npy(ts_path("line.npy"), (float[]){0, 1, 2.5f, 2.25f}, 4, 1);
    ts_ok(ctx, wn_job_new(ctx, "graph", "knn", &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("line.npy")));
    ts_ok(ctx, wn_job_set(job, "k", "2"));
    ts_ok(ctx, wn_job_output(job, ts_path("graph")));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    /* The dash and the underscore are the same in the name of a method. */
    snprintf(column_of, sizeof column_of, "%s:class", ts_path("table.csv"));
    run(ctx, "label-agreement", "graph", ts_path("graph"), "labels", column_of, ts_path("agree"));
    snprintf(path, sizeof path, "%s/flags.txt", ts_path("agree"));
    text = ts_read_file(path, &bytes);
    assert_int_equal(bytes, strlen("agree\ndisagree\nunknown\n"));
    assert_memory_equal(text, "agree\ndisagree\nunknown\n", bytes);
    free(text);
    snprintf(path, sizeof path, "%s/classes.txt", ts_path("agree"));
    text = ts_read_file(path, &bytes);
    assert_int_equal(bytes, 8);
    assert_memory_equal(text, "cat\ndog\n", bytes);
    free(text);
    snprintf(path, sizeof path, "%s/suggested.npy", ts_path("agree"));
    text = ts_read_file(path, &bytes);
    assert_memory_equal(text + bytes - 16, ((int32_t[]){0, 0, 0, 0}), 16);
    free(text);
    snprintf(path, sizeof path, "%s/flags.npy", ts_path("agree"));
    text = ts_read_file(path, &bytes);
    assert_memory_equal(text + bytes - 4, "\0\1\0\0", 4);
    free(text);

    /* A graph of other rows. */
    ts_write_npy(ts_path("three.npy"), (float[]){0, 1, 2.5f}, 3, 1);
    snprintf(column_of, sizeof column_of, "%s", ts_path("three.npy"));
    ts_ok(ctx, wn_job_new(ctx, "score", "label_agreement", &job));
    ts_ok(ctx, wn_job_input(job, "graph", ts_path("graph")));
    ts_ok(ctx, wn_job_output(job, ts_path("none")));
    assert_int_equal(wn_job_run(job), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "labels"));
    wn_job_free(job);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
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
        cmocka_unit_test(target_equals_the_twin),
        cmocka_unit_test(bad_targets),
        cmocka_unit_test(column),
        cmocka_unit_test(files_of_a_run),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
