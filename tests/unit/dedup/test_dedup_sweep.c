/* SPDX-License-Identifier: Apache-2.0
 *
 * A sweep tells of every threshold what a run at that threshold does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "support/support.h"

enum { N = 400, D = 4 };

static void write_pool(void)
{
    float *v = ts_normal(N, D, 4);

    for (int64_t i = N / 2; i < N; i++)
        for (int j = 0; j < D; j++)
            v[i * D + j] =
                v[(i - N / 2) * D + j] + (float)(0.6 * wni_rand_unit(1, (uint64_t)j, (uint64_t)i));
    ts_write_npy(ts_path("pool.npy"), v, N, D);
    free(v);
}

static void write_corpus(void)
{
    FILE *f = fopen(ts_path("corpus.jsonl"), "w");

    assert_non_null(f);
    for (int i = 0; i < N; i++) {
        fprintf(f, "{\"id\": \"d%d\", \"text\": \"", i);
        for (int j = 0; j < 30; j++) {
            int from = i % 2 ? i - 1 : i; /* odd rows repeat the row before, but for i % 7 words */
            fprintf(f, "%sw%d", j ? " " : "",
                    i % 2 && j < i % 7 ? 5000 + i * 9 + j
                                       : (int)wni_rand_below(2, (uint64_t)from, (uint64_t)j, 4000));
        }
        fprintf(f, "\"}\n");
    }
    fclose(f);
}

static wn_status run(wn_ctx *ctx, const char *method, const char *file, const char *name,
                     const char *value, const char *out, char *summary)
{
    wn_job *job;
    wn_status st;

    ts_ok(ctx, wn_job_new(ctx, "dedup", method, &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path(file)));
    ts_ok(ctx, wn_job_output(job, ts_path(out)));
    ts_ok(ctx, wn_job_set(job, "force", "1"));
    if (strcmp(method, "minhash") == 0) {
        ts_ok(ctx, wn_job_set(job, "num_perm", "64"));
        ts_ok(ctx, wn_job_set(job, "bands", "64"));
        ts_ok(ctx, wn_job_set(job, "id", "id"));
    }
    ts_ok(ctx, wn_job_set(job, name, value));
    st = wn_job_run(job);
    if (summary) snprintf(summary, 4096, "%s", wn_job_summary(job));
    wn_job_free(job);
    return st;
}

static void sweep_is_as_runs(wn_ctx *ctx, const char *method, const char *file)
{
    static const char *const thresholds[] = {"0.5", "0.6", "0.7", "0.8", "0.9", "0.95"};
    char summary[4096], csv[4096], line[256];
    size_t bytes;
    char *text;
    int64_t last = INT64_MAX;

    ts_ok(ctx, run(ctx, method, file, "sweep", "0.5:0.95:0.1", "sweep", summary));
    text = ts_read_file(ts_path("sweep/sweep.csv"), &bytes);
    assert_non_null(text);
    snprintf(csv, sizeof csv, "%.*s", (int)bytes, text);
    free(text);
    for (size_t t = 0; t < sizeof thresholds / sizeof thresholds[0]; t++) {
        char one[4096];
        long long kept, removed;
        const char *at;

        ts_ok(ctx, run(ctx, method, file, "min_similarity", thresholds[t], "one", one));
        at = strstr(one, "\"removed\": ");
        assert_non_null(at);
        removed = strtoll(at + 11, NULL, 10);
        kept = N - removed;
        assert_true(removed > 0 && removed <= last);
        last = removed;
        snprintf(line, sizeof line, "\n%s,%lld,%lld,0,", thresholds[t], kept, removed);
        if (!strstr(csv, line)) fail_msg("%s: no '%s' in %s", method, line + 1, csv);
        snprintf(line, sizeof line, "\"%s\": %lld", thresholds[t], removed);
        if (!strstr(summary, line)) fail_msg("%s: no '%s' in %s", method, line, summary);
    }
    assert_null(strstr(csv, "\n1,"));
    /* Nothing else is written. */
    assert_int_equal(access(ts_path("sweep/rows.npy"), F_OK), -1);
    assert_int_equal(access(ts_path("sweep/why.npy"), F_OK), -1);
    assert_int_equal(access(ts_path("sweep/table.sqlite"), F_OK), -1);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
}

static void every_threshold_is_as_its_run(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    size_t bytes;
    char *text;

    (void)state;
    write_pool();
    write_corpus();
    sweep_is_as_runs(ctx, "semantic", "pool.npy");
    sweep_is_as_runs(ctx, "minhash", "corpus.jsonl");
    text = ts_read_file(ts_path("sweep/sweep.jsonl"), &bytes);
    assert_non_null(text);
    assert_non_null(strstr(text, "{\"min_similarity\": 0.5, \"kept\": "));
    assert_non_null(strstr(text, "\"partner_id\": \"d"));
    assert_non_null(strstr(text, "\"text\": \"w"));
    free(text);
    wn_ctx_free(ctx);
}

static void bad_sweeps_are_refused(void **state)
{
    static const char *const bad[] = {"0.8",          "0.9:0.8", "0.8:",          ":0.9",
                                      "0.8:0.9:0",    "0.8:1.5", "0.1:0.9:0.001", "0.8:0.9:0.1:1",
                                      "0.8:0.9 high", "nan:1",   "-3:0.5"};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_semantic_params p;
    wn_dedup_input in = {.struct_size = sizeof in};
    const wn_method *semantic = wn_method_find("dedup", "semantic");
    float v[4] = {1, 2, 3, 4};
    wn_dedup *dedup;
    wn_pool *pool;

    (void)state;
    write_pool();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(run(ctx, "semantic", "pool.npy", "sweep", bad[i], "bad", NULL),
                         WN_E_USAGE);
        assert_non_null(strstr(wn_ctx_error(ctx), "expected LOW:HIGH"));
        assert_int_equal(access(ts_path("bad"), F_OK), -1);
    }
    wn_params_init(semantic, &p);
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, 2, WN_F32, WN_L2, &pool));
    in.pool = pool;
    assert_int_equal(wn_dedup_sweep(ctx, semantic, &in, &p, NULL, NULL), WN_E_USAGE);
    strcpy(p.sweep, "0.5:0.6");
    assert_int_equal(wn_dedup_run(ctx, semantic, &in, &p, &dedup), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "wn_dedup_sweep"));
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static int seen;

static wn_status stop_at_second(void *user, double threshold, const wn_dedup *dedup)
{
    (void)user;
    (void)threshold;
    assert_int_equal(dedup->n, 2);
    return ++seen == 2 ? WN_E_IO : WN_OK;
}

static void a_failing_sink_stops(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_semantic_params p;
    wn_dedup_input in = {.struct_size = sizeof in};
    float v[4] = {1, 2, 1, 2};
    wn_pool *pool;

    (void)state;
    wn_params_init(wn_method_find("dedup", "semantic"), &p);
    strcpy(p.sweep, "0.5:0.9");
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, 2, WN_F32, WN_L2, &pool));
    in.pool = pool;
    assert_int_equal(
        wn_dedup_sweep(ctx, wn_method_find("dedup", "semantic"), &in, &p, stop_at_second, NULL),
        WN_E_IO);
    assert_int_equal(seen, 2);
    wn_pool_free(pool);
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
        cmocka_unit_test(every_threshold_is_as_its_run),
        cmocka_unit_test(bad_sweeps_are_refused),
        cmocka_unit_test(a_failing_sink_stops),
    };

    return cmocka_run_group_tests_name("dedup sweep", tests, NULL, teardown);
}
