/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs from and to memory give what the same jobs give through files.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/outdir.h"
#include "support/support.h"
#include "winnow/job.h"

enum { N = 400, D = 8 };

static float *rows;

static wn_job *cluster_job(wn_ctx *ctx)
{
    wn_job *job;

    ts_ok(ctx, wn_job_new(ctx, "cluster", "hkmeans", &job));
    ts_ok(ctx, wn_job_set(job, "k", "20,4"));
    ts_ok(ctx, wn_job_set(job, "metric", "cosine"));
    return job;
}

static wn_job *select_job(wn_ctx *ctx)
{
    wn_job *job;

    ts_ok(ctx, wn_job_new(ctx, "select", "balanced", &job));
    ts_ok(ctx, wn_job_set(job, "size", "50"));
    return job;
}

static void run(wn_ctx *ctx, wn_job *job)
{
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
}

static void expect_file(wn_ctx *ctx, const wn_folder *folder, const char *name, const char *path)
{
    const wn_folder_item *item = wn_folder_find(folder, name);
    int64_t shape[WN_FOLDER_DIMS];
    void *data;

    if (!item) fail_msg("%s is not in the folder", name);
    ts_ok(ctx, wni_npy_load(ctx, path, item->descr, item->dims, shape, &data));
    for (int32_t i = 0; i < item->dims; i++)
        assert_int_equal(shape[i], item->shape[i]);
    assert_memory_equal(data, item->data, (size_t)item->bytes);
    wni_free(ctx, data);
}

static const char *in(const char *folder, const char *name)
{
    static char path[1200];

    snprintf(path, sizeof path, "%s/%s", ts_path(folder), name);
    return path;
}

static void memory_gives_what_files_give(void **state)
{
    static const char *const tree_names[] = {"labels.npy", "centers.npy", "sizes.npy",
                                             "level2/labels.npy"};
    static const char *const select_names[] = {"rows.npy", "weights.npy", "why.npy"};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_folder *tree, *selection;
    wn_pool *pool;
    wn_job *job;

    (void)state;
    ts_write_npy(ts_path("pool.npy"), rows, N, D);
    job = cluster_job(ctx);
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("pool.npy")));
    ts_ok(ctx, wn_job_output(job, ts_path("tree")));
    run(ctx, job);
    job = select_job(ctx);
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("pool.npy")));
    ts_ok(ctx, wn_job_input(job, "tree", ts_path("tree")));
    ts_ok(ctx, wn_job_output(job, ts_path("selection")));
    run(ctx, job);

    ts_ok(ctx, wn_pool_wrap(ctx, rows, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_folder_new(ctx, &tree));
    ts_ok(ctx, wn_folder_new(ctx, &selection));
    job = cluster_job(ctx);
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_output_folder(job, tree));
    run(ctx, job);
    for (size_t i = 0; i < sizeof tree_names / sizeof tree_names[0]; i++)
        expect_file(ctx, tree, tree_names[i], in("tree", tree_names[i]));
    job = select_job(ctx);
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_input_folder(job, "tree", tree));
    ts_ok(ctx, wn_job_output_folder(job, selection));
    run(ctx, job);
    for (size_t i = 0; i < sizeof select_names / sizeof select_names[0]; i++)
        expect_file(ctx, selection, select_names[i], in("selection", select_names[i]));
    assert_non_null(strstr(wn_folder_find(selection, "manifest.json")->data, "\"memory\": true"));
    wn_folder_free(tree);
    wn_folder_free(selection);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* Whatever fails, the folder holds what it held before and nothing leaks. */
static void a_failed_run_leaves_the_folder(void **state)
{
    ts_alloc count = {.fail_at = -1};
    int64_t shape = 3;
    static const int32_t mine[3] = {1, 2, 3};

    (void)state;
    for (int64_t at = -1; at < count.count; at = at < 40 ? at + 1 : at + 7) {
        ts_alloc fail = {.fail_at = at};
        wn_ctx *ctx = ts_ctx_failing(at < 0 ? &count : &fail, 1);
        wn_folder *folder = NULL;
        wn_pool *pool = NULL;
        wn_job *job = NULL;
        wn_status st = wn_folder_new(ctx, &folder);
        if (st == WN_OK) st = wn_folder_add(folder, "mine.npy", "<i4", 4, 1, &shape, mine);
        if (st == WN_OK) st = wn_pool_wrap(ctx, rows, N, D, WN_F32, WN_L2, &pool);
        if (st == WN_OK) st = wn_job_new(ctx, "cluster", "kmeans", &job);
        if (st == WN_OK) st = wn_job_set(job, "k", "5");
        if (st == WN_OK) st = wn_job_input_pool(job, "pool", pool);
        if (st == WN_OK) st = wn_job_output_folder(job, folder);
        if (st == WN_OK && (st = wn_job_run(job)) != WN_OK)
            assert_int_equal(wn_folder_count(folder), 1);
        assert_int_equal(st, at < 0 ? WN_OK : WN_E_NOMEM);
        wn_job_free(job);
        wn_pool_free(pool);
        wn_folder_free(folder);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
    }
    assert_true(count.count > 40);
}

static void wrong_uses_are_refused(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_folder *folder, *lying;
    wn_pool *pool;
    wn_job *job;
    int64_t shape = 1;
    int32_t one = 1;
    char manifest[1200];

    (void)state;
    ts_ok(ctx, wn_folder_new(ctx, &folder));
    ts_ok(ctx, wn_folder_add(folder, "a.npy", "<i4", 4, 1, &shape, &one));
    assert_int_equal(wn_folder_add(folder, "a.npy", "<i4", 4, 1, &shape, &one), WN_E_USAGE);
    assert_int_equal(wn_folder_add(folder, "b.npy", "<i4", 4, 0, &shape, &one), WN_E_USAGE);
    assert_int_equal(wn_folder_add(folder, "b.npy", NULL, 4, 1, &shape, &one), WN_E_USAGE);
    assert_null(wn_folder_find(folder, "b.npy"));
    assert_null(wn_folder_at(folder, 1));
    ts_ok(ctx, wn_pool_wrap(ctx, rows, N, D, WN_F32, WN_L2, &pool));

    job = select_job(ctx);
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_input_folder(job, "tree", folder));
    ts_ok(ctx, wn_job_output_folder(job, folder));
    assert_int_equal(wn_job_run(job), WN_E_DATA); /* no clustering in there */
    assert_non_null(strstr(wn_ctx_error(ctx), "labels.npy"));
    wn_job_free(job);

    ts_ok(ctx, wn_folder_new(ctx, &lying)); /* four bytes an element, given as eight */
    ts_ok(ctx, wn_folder_add(lying, "labels.npy", "<i8", 4, 1, &shape, &one));
    ts_ok(ctx, wn_job_new(ctx, "select", "stratified", &job));
    ts_ok(ctx, wn_job_set(job, "size", "1"));
    ts_ok(ctx, wn_job_input_folder(job, "groups", lying));
    ts_ok(ctx, wn_job_output_folder(job, folder));
    assert_int_equal(wn_job_run(job), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "an array of 4 bytes was given as <i8, which has 8"));
    wn_job_free(job);
    wn_folder_free(lying);

    ts_ok(ctx, wn_job_new(ctx, "vectorize", NULL, &job));
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_output_folder(job, folder));
    assert_int_equal(wn_job_run(job), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "does not read vectors"));
    wn_job_free(job);

    job = cluster_job(ctx);
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_output(job, ts_path("from-memory")));
    run(ctx, job);
    snprintf(manifest, sizeof manifest, "%s/manifest.json", ts_path("from-memory"));
    assert_int_equal(wn_job_load(ctx, manifest, &job), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "cannot be replayed"));
    assert_int_equal(wn_folder_count(folder), 1);
    wn_folder_free(folder);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    rows = ts_blobs(N, D, 9, 0.4, 3, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(rows);
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_gives_what_files_give),
        cmocka_unit_test(a_failed_run_leaves_the_folder),
        cmocka_unit_test(wrong_uses_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
