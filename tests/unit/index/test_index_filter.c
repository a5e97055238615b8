/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters: conditions, windows and tenants against a twin that asks every row; what is refused; that the records
 * follow their rows through add, delete and compact.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "io/outdir.h"
#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 500, MORE = 300, D = 8, K = 6, Q = 10 };

static void write_table(const char *name, int from, int n)
{
    FILE *f = fopen(ts_path(name), "w");

    if (!f) fail_msg("cannot write %s", name);
    for (int i = from; i < from + n; i++)
        fprintf(f, "{\"year\": %d, \"lang\": \"%s\", \"ts\": %g, \"tenant\": \"t%d\"}\n",
                1990 + i % 40, i % 3 ? "en" : "d'e", i * 0.5, i % 7);
    fclose(f);
}

static wn_status run(wn_ctx *ctx, const char *method, const char *const (*in)[2], int n,
                     const char *out)
{
    wn_job *job;
    wn_status st = wn_job_new(ctx, "index", method, &job);

    for (int i = 0; st == WN_OK && i < n; i++)
        st = wn_job_input(job, in[i][0], ts_path(in[i][1]));
    if (st == WN_OK && out) st = wn_job_output(job, ts_path(out));
    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

typedef int (*predicate)(int64_t row);

static int is_recent_english(int64_t i)
{
    return i % 40 >= 30 && i % 3;
}
static int is_in_window(int64_t i)
{
    return i >= 40 && i <= 90;
}
static int is_tenant(int64_t i)
{
    return i % 7 == 3;
}
static int is_quoted(int64_t i)
{
    return i % 3 == 0;
}
static int is_tenant_in_window(int64_t i)
{
    return is_tenant(i) && is_in_window(i);
}

static const struct {
    const char *where, *window, *tenant;
    predicate match;
} asks[] = {{"year >= 2020 and lang = 'en'", NULL, NULL, is_recent_english},
            {"lang = 'd''e' -- a comment", NULL, NULL, is_quoted},
            {NULL, "ts:20:45", NULL, is_in_window},
            {NULL, NULL, "t3", is_tenant},
            {NULL, "ts:20:45", "t3", is_tenant_in_window}};

/* Every hit matches and is alive, as many as there are, in the order of the exact scan of the matches. */
static void check(wn_ctx *ctx, const wn_index *index, const float *v, int64_t n,
                  const uint8_t *gone, size_t which)
{
    wn_index_query query = {.struct_size = sizeof query, .k = K, .recall = 1};
    int64_t matches[N + MORE], m = 0;
    float *sub = malloc(sizeof(float) * (N + MORE) * D), *q = ts_normal(Q, D, 9);
    wn_pool *queries;
    wn_hits *hits;

    for (int64_t i = 0; i < n; i++)
        if (asks[which].match(i) && !gone[i]) {
            memcpy(sub + m * D, v + i * D, D * sizeof *v);
            matches[m++] = i;
        }
    ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, WN_L2, &queries));
    query.queries = queries;
    query.where = asks[which].where;
    query.window = asks[which].window;
    query.tenant = asks[which].tenant;
    ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
    assert_int_equal(hits->report.matching, m);
    for (int64_t i = 0; i < Q; i++) {
        float last = -1;
        assert_int_equal(hits->counts[i], m < K ? m : K);
        for (int64_t j = 0; j < hits->counts[i]; j++) {
            float best = 1e30f;
            for (int64_t r = 0; r < m; r++) { /* the nearest match behind the hit before */
                float sum = 0;
                int taken = 0;
                for (int64_t t = 0; t < j; t++)
                    taken += hits->indices[i * K + t] == matches[r];
                for (int c = 0; c < D; c++)
                    sum += (sub[r * D + c] - q[i * D + c]) * (sub[r * D + c] - q[i * D + c]);
                if (!taken && sum < best) best = sum;
            }
            assert_true(hits->distances[i * K + j] >= last);
            last = hits->distances[i * K + j];
            assert_true(last * last < best * 1.0001f + 1e-5f);
        }
    }
    wn_hits_free(hits);
    wn_pool_free(queries);
    free(sub);
    free(q);
}

static void test_filters_through_the_life(void **state)
{
    static const char *const make[][2] = {{"pool", "a.npy"}, {"table", "a.jsonl"}};
    static const char *const add[][2] = {
        {"index", "filtered"}, {"pool", "b.npy"}, {"table", "b.jsonl"}};
    static const char *const drop[][2] = {{"index", "filtered"}, {"rows", "gone.npy"}};
    float *v = ts_normal(N + MORE, D, 1);
    uint8_t gone[N + MORE] = {0};
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t rows[60], n = N;
    wni_out *out;

    (void)state;
    ts_write_npy(ts_path("a.npy"), v, N, D);
    ts_write_npy(ts_path("b.npy"), v + N * D, MORE, D);
    write_table("a.jsonl", 0, N);
    write_table("b.jsonl", N, MORE);
    for (int64_t i = 0; i < 60; i++)
        gone[rows[i] = i * 8] = 1;
    {
        const int64_t sixty = 60;
        ts_ok(ctx, wni_out_begin(ctx, ts_path("gone.npy"), 1, 1, &out));
        ts_ok(ctx, wni_out_npy(out, NULL, "<i8", 8, &sixty, 1, rows));
        ts_ok(ctx, wni_out_commit(out));
    }
    memset(gone, 0, sizeof gone);
    for (int step = 0; step < 4; step++) {
        wn_index *index;
        if (step == 0) ts_ok(ctx, run(ctx, "flat", make, 2, "filtered"));
        if (step == 1) ts_ok(ctx, run(ctx, "add", add, 3, NULL));
        if (step == 2) ts_ok(ctx, run(ctx, "delete", drop, 2, NULL));
        if (step == 3) ts_ok(ctx, run(ctx, "compact", drop, 1, NULL));
        if (step == 1) n = N + MORE;
        for (int64_t i = 0; step == 2 && i < 60; i++)
            gone[rows[i]] = 1;
        ts_ok(ctx, wn_index_open(ctx, ts_path("filtered"), &index));
        for (size_t a = 0; a < sizeof asks / sizeof asks[0]; a++)
            check(ctx, index, v, n, gone, a);
        wn_index_free(index);
    }
    wn_ctx_free(ctx);
    free(v);
}

static void refused(wn_ctx *ctx, const wn_index *index, const char *where, const char *window,
                    const char *tenant, const char *text)
{
    wn_filter *filter;

    assert_int_equal(wn_filter_new(ctx, index, where, window, tenant, &filter), WN_E_USAGE);
    if (!strstr(wn_ctx_error(ctx), text) || strchr(wn_ctx_error(ctx), '\n'))
        fail_msg("found the error '%s', expected '%s' in it", wn_ctx_error(ctx), text);
}

static void test_refused(void **state)
{
    static const char *const make[][2] = {{"pool", "a.npy"}, {"table", "a.jsonl"}};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *index;
    wn_filter *filter;

    (void)state;
    ts_ok(ctx, run(ctx, "flat", make, 2, "refused"));
    ts_ok(ctx, wn_index_open(ctx, ts_path("refused"), &index));
    refused(ctx, index, "yaer > 3", NULL, NULL, "did you mean 'year'");
    refused(ctx, index, "\"yaer\" > 3", NULL, NULL, "no such column");
    refused(ctx, index, "1); DELETE FROM rows; --", NULL, NULL, "more than one statement");
    refused(ctx, index, "_row in (SELECT value FROM _meta)", NULL, NULL, "nothing else");
    refused(ctx, index, "load_extension('x')", NULL, NULL, "nothing else");
    refused(ctx, index, "year >", NULL, NULL, "where: 'year >'");
    refused(ctx, index, NULL, "lang:1:2", NULL, "holds text");
    refused(ctx, index, NULL, "tss:1:2", NULL, "did you mean 'ts'");
    refused(ctx, index, NULL, "ts:1", NULL, "expected COLUMN:LOW:HIGH");
    refused(ctx, index, NULL, "ts:1:nan", NULL, "expected COLUMN:LOW:HIGH");
    refused(ctx, index, NULL, NULL, "t99", "no row of 't99'");
    ts_ok(ctx, wn_filter_new(ctx, index, "year > 3000", NULL, NULL, &filter));
    assert_int_equal(wn_filter_matching(filter), 0);
    wn_filter_free(filter);
    wn_index_free(index);
    wn_ctx_free(ctx);
}

/* A quote in the name of a column, a colon too. */
static void test_odd_names(void **state)
{
    static const char *const make[][2] = {{"pool", "a.npy"}, {"table", "odd.jsonl"}};
    FILE *f = fopen(ts_path("odd.jsonl"), "w");
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *index;
    wn_filter *filter;

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < N; i++)
        fprintf(f, "{\"size 3\\\": in\": %d, \"tenant\": \"%s\"}\n", i, i < 7 ? "" : "t");
    fclose(f);
    ts_ok(ctx, run(ctx, "flat", make, 2, "odd"));
    ts_ok(ctx, wn_index_open(ctx, ts_path("odd"), &index));
    ts_ok(ctx, wn_filter_new(ctx, index, NULL, "size 3\": in:5:9", NULL, &filter));
    assert_int_equal(wn_filter_matching(filter), 5);
    wn_filter_free(filter);
    ts_ok(ctx, wn_filter_new(ctx, index, NULL, "size 3\": in:5:9", "", &filter));
    assert_int_equal(wn_filter_matching(filter), 2);
    wn_filter_free(filter);
    wn_index_free(index);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_filters_through_the_life),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_odd_names)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    ts_tmp_remove();
    return failed;
}
