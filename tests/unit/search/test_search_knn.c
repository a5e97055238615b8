/* SPDX-License-Identifier: Apache-2.0
 *
 * The verb `search knn`: the files of its output are the hits of wn_index_search; an index in a folder in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 300, D = 12, K = 5, Q = 20 };

static void set(wn_ctx *ctx, wn_job *job, const char *input, const char *path, const char *out)
{
    if (input) ts_ok(ctx, wn_job_input(job, input, path));
    if (out) ts_ok(ctx, wn_job_output(job, out));
}

static void test_files_are_the_hits(void **state)
{
    float *v = ts_normal(N, D, 1), *q = ts_normal(Q, D, 2);
    wn_index_query query = {.struct_size = sizeof query, .k = K, .recall = 1};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_hits *hits, *read;
    wn_folder *folder, *out;
    wn_index *index;
    wn_pool *pool, *rows;
    wn_job *job;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &rows));
    ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_folder_new(ctx, &folder));
    ts_ok(ctx, wn_folder_new(ctx, &out));

    ts_ok(ctx, wn_job_new(ctx, "index", "flat", &job));
    ts_ok(ctx, wn_job_input_pool(job, "pool", rows));
    ts_ok(ctx, wn_job_output_folder(job, folder));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);

    ts_ok(ctx, wn_job_new(ctx, "search", "knn", &job));
    set(ctx, job, "index", wn_folder_path(folder), wn_folder_path(out));
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_set(job, "k", "5"));
    ts_ok(ctx, wn_job_set(job, "explain", "1"));
    ts_ok(ctx, wn_job_run(job));
    if (!strstr(wn_job_summary(job), "\"route\": \"flat\"")) fail_msg("%s", wn_job_summary(job));
    wn_job_free(job);

    ts_ok(ctx, wn_index_open(ctx, wn_folder_path(folder), &index));
    query.queries = pool;
    ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
    ts_ok(ctx, wn_hits_load(ctx, wn_folder_path(out), &read));
    assert_int_equal(read->n, Q);
    assert_int_equal(read->k, K);
    assert_memory_equal(read->indices, hits->indices, sizeof(int64_t) * Q * K);
    assert_memory_equal(read->distances, hits->distances, sizeof(float) * Q * K);
    assert_memory_equal(read->counts, hits->counts, sizeof(int64_t) * Q);
    wn_hits_free(hits);
    wn_hits_free(read);
    wn_index_free(index);
    wn_pool_free(pool);
    wn_pool_free(rows);
    wn_folder_free(folder);
    wn_folder_free(out);
    wn_ctx_free(ctx);
    free(v);
    free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files_are_the_hits)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    ts_tmp_remove();
    return failed;
}
