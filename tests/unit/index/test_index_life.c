/* SPDX-License-Identifier: Apache-2.0
 *
 * What may go wrong over the life of an index: rows of another type, tables with other columns, ids that are not
 * there, segments of very unequal size, queries from very far away, the same hit twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "io/outdir.h"
#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 3000, D = 16, K = 10 };

static float *rows;

static wn_status run(wn_ctx *ctx, const char *method, const wn_pool *pool, const char *table,
                     const char *rows_path, const char *set, const char *value, const char *index)
{
    wn_job *job;
    wn_status st = wn_job_new(ctx, "index", method, &job);
    const bool update = strcmp(method, "add") == 0 || strcmp(method, "delete") == 0;

    if (st == WN_OK && pool) st = wn_job_input_pool(job, "pool", pool);
    if (st == WN_OK && table) st = wn_job_input(job, "table", ts_path(table));
    if (st == WN_OK && rows_path) st = wn_job_input(job, "rows", ts_path(rows_path));
    if (st == WN_OK && update) st = wn_job_input(job, "index", ts_path(index));
    if (st == WN_OK && set) st = wn_job_set(job, set, value);
    if (st == WN_OK && !update) st = wn_job_output(job, ts_path(index));
    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static wn_hits *ask(wn_ctx *ctx, const char *dir, const float *q, int64_t nq, double recall,
                    int64_t effort, const char *where)
{
    wn_index_query query = {
        .struct_size = sizeof query, .k = K, .recall = recall, .effort = effort, .where = where};
    wn_index *index;
    wn_pool *pool;
    wn_hits *hits = NULL;

    ts_ok(ctx, wn_index_open(ctx, ts_path(dir), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, q, nq, D, WN_F32, WN_L2, &pool));
    query.queries = pool;
    if (wn_index_search(ctx, index, &query, &hits) != WN_OK) hits = NULL;
    wn_pool_free(pool);
    wn_index_free(index);
    return hits;
}

static void write_table(const char *name, const char *column, int64_t n, const char *format)
{
    FILE *f = fopen(ts_path(name), "w");

    if (!f) fail_msg("cannot write %s", name);
    fprintf(f, "%s\n", column);
    for (int64_t i = 0; i < n; i++)
        fprintf(f, format, (int)(i % 8));
    fclose(f);
}

static void test_no_hit_twice(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;

    (void)state;
    write_table("eight.csv", "a", N, "%d\n");
    ts_ok(ctx, wn_pool_wrap(ctx, rows, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, run(ctx, "hnsw", pool, "eight.csv", NULL, NULL, NULL, "twice.wni"));
    for (int64_t q = 0; q < 300; q++) {
        wn_hits *hits = ask(ctx, "twice.wni", rows + q * D, 1, 0.9, 10 + q % 3, "a = 1");
        assert_non_null(hits);
        assert_int_equal(hits->counts[0], K);
        for (int64_t i = 0; i < K; i++) {
            assert_int_equal(hits->indices[i] % 8, 1);
            for (int64_t j = 0; j < i; j++)
                assert_true(hits->indices[i] != hits->indices[j]);
        }
        wn_hits_free(hits);
    }
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void test_rows_of_another_type(void **state)
{
    static const char *const kinds[] = {"ivf", "hnsw", "flat"};
    uint8_t *small = malloc((size_t)N * D);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *bytes, *floats;

    (void)state;
    for (int64_t i = 0; i < (int64_t)N * D; i++)
        small[i] = (uint8_t)wni_rand_below(1, 2, (uint64_t)i, 200);
    ts_ok(ctx, wn_pool_wrap(ctx, small, N, D, WN_U8, WN_L2, &bytes));
    ts_ok(ctx, wn_pool_wrap(ctx, rows, N, D, WN_F32, WN_L2, &floats));
    for (int k = 0; k < 6; k++) {
        char dir[32];
        int64_t self = 0;
        wn_hits *hits;

        snprintf(dir, sizeof dir, "mixed-%d.wni", k);
        ts_ok(ctx, run(ctx, kinds[k / 2], k % 2 ? bytes : floats, NULL, NULL, "code", "f16", dir));
        ts_ok(ctx, run(ctx, "add", k % 2 ? floats : bytes, NULL, NULL, NULL, NULL, dir));
        hits = ask(ctx, dir, rows, 50, 1, 0, NULL);
        assert_non_null(hits);
        for (int64_t i = 0; i < 50; i++)
            self += hits->indices[i * K] == (k % 2 ? N : 0) + i;
        if (self < 48) fail_msg("%s: %lld of 50 rows find themselves", dir, (long long)self);
        wn_hits_free(hits);
    }
    wn_pool_free(bytes);
    wn_pool_free(floats);
    wn_ctx_free(ctx);
    free(small);
}

static void test_tables_must_agree(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;

    (void)state;
    write_table("words.csv", "a", 200, "w%d\n");
    write_table("other.csv", "b", 200, "%d\n");
    write_table("first.csv", "a", 200, "%d\n");
    ts_ok(ctx, wn_pool_wrap(ctx, rows, 200, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, run(ctx, "flat", pool, "first.csv", NULL, NULL, NULL, "agree.wni"));
    assert_int_equal(run(ctx, "add", pool, "other.csv", NULL, NULL, NULL, "agree.wni"), WN_E_DATA);
    if (!strstr(wn_ctx_error(ctx), "other.csv: the rows that are there have no column 'b'"))
        fail_msg("%s", wn_ctx_error(ctx));
    assert_int_equal(run(ctx, "add", pool, "words.csv", NULL, NULL, NULL, "agree.wni"), WN_E_DATA);
    if (!strstr(wn_ctx_error(ctx), "holds TEXT")) fail_msg("%s", wn_ctx_error(ctx));
    ts_ok(ctx, run(ctx, "add", pool, "first.csv", NULL, NULL, NULL, "agree.wni"));
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void write_text(const char *name, const char *text)
{
    FILE *f = fopen(ts_path(name), "w");

    if (!f) fail_msg("cannot write %s", name);
    fputs(text, f);
    fclose(f);
}

/* Few rows seldom show the type of a column, nor all columns in the same order. */
static void test_tables_of_few_rows(void **state)
{
    static const struct {
        const char *records, *error; /* of two rows; NULL = they fit */
    } added[] = {
        {"{\"real\": 3, \"whole\": null}\n{\"word\": 7}\n", NULL},
        {"{\"word\": null, \"whole\": 3, \"real\": null}\n{}\n", NULL},
        {"{\"real\": 1.10}\n{\"real\": -2e1}\n", NULL},
        {"{\"whole\": 3.5}\n{}\n", "column 'whole' holds REAL, expected INTEGER"},
        {"{\"whole\": 3}\n{\"real\": \"3\"}\n", "column 'real' holds TEXT, expected REAL"},
        {"{\"real\": 9007199254740993}\n{}\n", "holds INTEGER beyond 2^53, expected REAL"},
        {"{\"real\": 9007199254740993}\n{\"real\": 0.5}\n", "beyond 2^53, expected REAL"},
        {"{\"wole\": 3}\n{}\n", "no column 'wole'; did you mean 'whole'?"},
    };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *two, *twelve;
    wn_hits *hits;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, rows, 2, D, WN_F32, WN_L2, &two));
    ts_ok(ctx, wn_pool_wrap(ctx, rows, 12, D, WN_F32, WN_L2, &twelve));
    write_text("first.jsonl", "{\"whole\": 1, \"real\": 0.5, \"word\": \"a\"}\n"
                              "{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n");
    ts_ok(ctx, run(ctx, "flat", twelve, "first.jsonl", NULL, NULL, NULL, "few.wni"));
    for (size_t i = 0; i < sizeof added / sizeof added[0]; i++) {
        write_text("added.jsonl", added[i].records);
        if (!added[i].error) {
            ts_ok(ctx, run(ctx, "add", two, "added.jsonl", NULL, NULL, NULL, "few.wni"));
            continue;
        }
        assert_int_equal(run(ctx, "add", two, "added.jsonl", NULL, NULL, NULL, "few.wni"),
                         WN_E_DATA);
        if (!strstr(wn_ctx_error(ctx), added[i].error)) fail_msg("%s", wn_ctx_error(ctx));
        if (!strstr(wn_ctx_error(ctx), "added.jsonl: ")) fail_msg("%s", wn_ctx_error(ctx));
    }
    hits = ask(ctx, "few.wni", rows, 1, 0.9, 1, "real = 3 AND whole IS NULL AND word IS NULL");
    assert_non_null(hits);
    assert_int_equal(hits->indices[0], 12);
    wn_hits_free(hits);
    hits = ask(ctx, "few.wni", rows, 1, 0.9, 1, "word = '7' AND real IS NULL");
    assert_non_null(hits);
    assert_int_equal(hits->indices[0], 13);
    wn_hits_free(hits);
    wn_pool_free(two);
    wn_pool_free(twelve);
    wn_ctx_free(ctx);
}

static void test_missing_ids(void **state)
{
    const int64_t ids[] = {3, 100000}, n = 2;
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;
    wni_out *out;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, rows, 200, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, run(ctx, "flat", pool, NULL, NULL, NULL, NULL, "missing.wni"));
    ts_ok(ctx, wni_out_begin(ctx, ts_path("two.npy"), 1, 1, &out));
    ts_ok(ctx, wni_out_npy(out, NULL, "<i8", 8, &n, 1, ids));
    ts_ok(ctx, wni_out_commit(out));
    assert_int_equal(run(ctx, "delete", NULL, NULL, "two.npy", NULL, NULL, "missing.wni"),
                     WN_E_DATA);
    if (!strstr(wn_ctx_error(ctx), "id 100000 is not in the index"))
        fail_msg("%s", wn_ctx_error(ctx));
    ts_ok(ctx, run(ctx, "delete", NULL, NULL, "two.npy", "missing_ok", "1", "missing.wni"));
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* A small index that a large segment joins keeps its word about recall. */
static void test_recall_after_add(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *few, *many;
    wn_hits *hits, *truth;
    int64_t good = 0;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, rows, 100, D, WN_F32, WN_L2, &few));
    ts_ok(ctx, wn_pool_wrap(ctx, rows + 100 * D, N - 100, D, WN_F32, WN_L2, &many));
    ts_ok(ctx, run(ctx, "hnsw", few, NULL, NULL, NULL, NULL, "grown.wni"));
    ts_ok(ctx, run(ctx, "add", many, NULL, NULL, "merge", "0", "grown.wni"));
    wn_pool_free(few);
    ts_ok(ctx, wn_pool_wrap(ctx, rows, N, D, WN_F32, WN_L2, &few));
    ts_ok(ctx, run(ctx, "flat", few, NULL, NULL, NULL, NULL, "grown-flat.wni"));
    hits = ask(ctx, "grown.wni", rows, 200, 0.99, 0, NULL);
    truth = ask(ctx, "grown-flat.wni", rows, 200, 1, 0, NULL);
    assert_non_null(hits);
    assert_true(hits->report.effort > 0);
    for (int64_t i = 0; i < 200 * K; i++)
        for (int64_t j = i / K * K; j < i / K * K + K; j++)
            good += hits->indices[i] == truth->indices[j];
    if (good < 200 * K * 97 / 100) fail_msg("found %lld of %d", (long long)good, 200 * K);
    wn_hits_free(hits);
    wn_hits_free(truth);
    wn_pool_free(many);
    wn_pool_free(few);
    wn_ctx_free(ctx);
}

static void test_far_queries(void **state)
{
    static const char *const kinds[] = {"flat", "ivf", "hnsw", "disk"};
    float far[D];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;

    (void)state;
    for (int j = 0; j < D; j++)
        far[j] = j % 2 ? 3e38f : -3e38f;
    ts_ok(ctx, wn_pool_wrap(ctx, rows, 1000, D, WN_F32, WN_L2, &pool));
    for (int k = 0; k < 4; k++) {
        char dir[32];
        snprintf(dir, sizeof dir, "far-%d.wni", k);
        ts_ok(ctx, run(ctx, kinds[k], pool, NULL, NULL, NULL, NULL, dir));
        assert_null(ask(ctx, dir, far, 1, 0.9, 0, NULL));
        if (!strstr(wn_ctx_error(ctx), "scale the values down")) fail_msg("%s", wn_ctx_error(ctx));
    }
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_hit_twice),      cmocka_unit_test(test_rows_of_another_type),
        cmocka_unit_test(test_tables_must_agree), cmocka_unit_test(test_tables_of_few_rows),
        cmocka_unit_test(test_missing_ids),       cmocka_unit_test(test_recall_after_add),
        cmocka_unit_test(test_far_queries)};
    int failed;

    rows = ts_blobs(N, D, 30, 0.4, 1, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(rows);
    ts_tmp_remove();
    return failed;
}
