/* SPDX-License-Identifier: Apache-2.0
 *
 * index auto: what it chooses reaches the recall on rows that it did not try, fits the memory, and is the same
 * each time; a plan writes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 6000, D = 24, Q = 100, K = 10 };

static wn_status run(wn_ctx *ctx, const wn_pool *pool, wn_folder *out, const char *recall,
                     wn_job **job)
{
    wn_status st = wn_job_new(ctx, "index", "auto", job);

    if (st == WN_OK) st = wn_job_input_pool(*job, "pool", pool);
    if (st == WN_OK) st = wn_job_set(*job, "sample", "2000");
    if (st == WN_OK) st = wn_job_set(*job, "recall", recall);
    if (st == WN_OK && out) st = wn_job_output_folder(*job, out);
    if (st == WN_OK) st = out ? wn_job_run(*job) : wn_job_plan(*job, NULL);
    return st;
}

static void test_chooses_what_reaches_the_recall(void **state)
{
    float *v = ts_blobs(N, D, 50, 0.4, 1, NULL), *q = ts_blobs(Q, D, 50, 0.4, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_index_query query = {.struct_size = sizeof query, .k = K, .recall = 0.9};
    wn_folder *folder[2], *flat;
    wn_pool *pool, *queries;
    wn_index *index, *exact;
    wn_hits *hits, *truth;
    int64_t good = 0;
    wn_job *job;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, WN_L2, &queries));
    for (int i = 0; i < 2; i++) {
        ts_ok(ctx, wn_folder_new(ctx, &folder[i]));
        ts_ok(ctx, run(ctx, pool, folder[i], "0.9", &job));
        if (!strstr(wn_job_summary(job), "\"tried\"")) fail_msg("%s", wn_job_summary(job));
        wn_job_free(job);
    }
    assert_string_equal((const char *)wn_folder_find(folder[0], "index.json")->data,
                        (const char *)wn_folder_find(folder[1], "index.json")->data);
    ts_ok(ctx, wn_folder_new(ctx, &flat));
    ts_ok(ctx, wn_job_new(ctx, "index", "flat", &job));
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_output_folder(job, flat));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    ts_ok(ctx, wn_index_open(ctx, wn_folder_path(folder[0]), &index));
    ts_ok(ctx, wn_index_open(ctx, wn_folder_path(flat), &exact));
    query.queries = queries;
    ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
    ts_ok(ctx, wn_index_search(ctx, exact, &query, &truth));
    for (int64_t i = 0; i < Q; i++)
        for (int64_t j = 0; j < K; j++)
            for (int64_t t = 0; t < K; t++)
                good += hits->indices[i * K + j] == truth->indices[i * K + t];
    assert_true(good >= Q * K * 85 / 100);
    /* It is not the scan of everything that any recall would allow. */
    assert_true(hits->report.compared < Q * N / 2);
    wn_hits_free(hits);
    wn_hits_free(truth);
    wn_index_free(index);
    wn_index_free(exact);
    wn_folder_free(folder[0]);
    wn_folder_free(folder[1]);
    wn_folder_free(flat);
    wn_pool_free(pool);
    wn_pool_free(queries);
    wn_ctx_free(ctx);
    free(v);
    free(q);
}

static void test_plan_and_too_little(void **state)
{
    float *v = ts_normal(20, D, 1);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_folder *folder;
    wn_pool *pool;
    wn_job *job;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 20, D, WN_F32, WN_COSINE, &pool));
    ts_ok(ctx, run(ctx, pool, NULL, "0.95", &job));
    assert_non_null(strstr(wn_job_summary(job), "\"choice\": \"flat\""));
    wn_job_free(job);
    ts_ok(ctx, wn_folder_new(ctx, &folder));
    ts_ok(ctx, run(ctx, pool, folder, "0.95", &job));
    assert_non_null(
        strstr((const char *)wn_folder_find(folder, "index.json")->data, "\"method\": \"flat\""));
    wn_job_free(job);
    wn_folder_free(folder);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    free(v);
}

/* The scan of all rows promises too little to be tried on the larger sample, and pq is not learnt where others fit;
 * the disk is thought of. */
static void test_tries_what_promises_most(void **state)
{
    float *v = ts_blobs(N, D, 50, 0.4, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    const char *said, *flat;
    wn_pool *pool;
    wn_job *job;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, run(ctx, pool, NULL, "0.9", &job));
    said = wn_job_summary(job);
    assert_non_null(flat = strstr(said, "\"flat f32\""));
    assert_non_null(strstr(flat, "\"sample_rows\": 500"));
    assert_non_null(strstr(flat, "us_per_query_at_least"));
    assert_non_null(strstr(said, "\"disk f32\""));
    assert_non_null(strstr(said, "\"sample_rows\": 2000"));
    assert_null(strstr(said, " pq\""));
    assert_null(strstr(said, "\"choice\": \"flat\""));
    wn_job_free(job);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chooses_what_reaches_the_recall),
                                       cmocka_unit_test(test_plan_and_too_little),
                                       cmocka_unit_test(test_tries_what_promises_most)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    ts_tmp_remove();
    return failed;
}
