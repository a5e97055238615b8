/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a measurement: metrics.json is JSON whatever the words are, table.csv quotes, counts keep names.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/outdir.h"
#include "support/support.h"
#include "winnow/job.h"

static void write_rows(const char *name, int64_t n, const int64_t *rows)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_out *out;

    ts_ok(ctx, wni_out_begin(ctx, ts_path(name), 1, 1, &out));
    ts_ok(ctx, wni_out_npy(out, NULL, "<i8", 8, &n, 1, rows));
    ts_ok(ctx, wni_out_commit(out));
    wn_ctx_free(ctx);
}

static void words_of_every_kind(void **state)
{
    static const char table[] = "{\"kind\": \"a,\\\"b\\\"\"}\n{\"kind\": \"tab\\there\"}\n"
                                "{\"kind\": \"gr\\u00fcn\\\\\"}\n{\"kind\": \"a,\\\"b\\\"\"}\n";
    wn_ctx *ctx = ts_ctx(1, -1);
    json_t *metrics, *counts, *row;
    json_error_t error;
    char *text;
    size_t bytes;
    wn_job *job;

    (void)state;
    ts_write_file(ts_path("t.jsonl"), table, strlen(table));
    if (mkdir(ts_path("sels"), 0777)) fail_msg("cannot make sels");
    write_rows("sels/v0.5.npy", 2, (const int64_t[]){0, 2});
    write_rows("sels/w.npy", 1, (const int64_t[]){1});
    text = malloc(strlen(ts_path("t.jsonl")) + 16);
    sprintf(text, "%s:kind", ts_path("t.jsonl"));
    ts_ok(ctx, wn_job_new(ctx, "measure", "balance", &job));
    ts_ok(ctx, wn_job_input(job, "labels", text));
    ts_ok(ctx, wn_job_input(job, "selection", ts_path("sels")));
    ts_ok(ctx, wn_job_output(job, ts_path("out")));
    ts_ok(ctx, wn_job_run(job));
    free(text);

    metrics = json_load_file(ts_path("out/metrics.json"), 0, &error);
    if (!metrics) fail_msg("metrics.json: line %d: %s", error.line, error.text);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(metrics, "values"), "classes")), 3);
    row = json_object_get(json_object_get(metrics, "selections"), "v0.5");
    assert_true(fabs(json_real_value(json_object_get(row, "evenness")) - 1 / log2(3)) < 1e-8);
    assert_non_null(json_object_get(json_object_get(metrics, "selections"), "w"));
    assert_int_equal(json_array_size(json_object_get(metrics, "table")), 6);
    row = json_array_get(json_object_get(metrics, "table"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "class")), "a,\"b\"");
    assert_int_equal(json_integer_value(json_object_get(row, "pool_rows")), 2);
    row = json_array_get(json_object_get(metrics, "table"), 1);
    assert_string_equal(json_string_value(json_object_get(row, "class")), "gr\xc3\xbcn\\");
    row = json_array_get(json_object_get(metrics, "table"), 2);
    assert_string_equal(json_string_value(json_object_get(row, "class")), "tab\there");
    json_decref(metrics);

    text = ts_read_file(ts_path("out/table.csv"), &bytes);
    assert_non_null(text);
    assert_memory_equal(text, "selection,class,pool_rows,", 26);
    text = realloc(text, bytes + 1);
    text[bytes] = 0;
    assert_non_null(strstr(text, "\nv0.5,\"a,\"\"b\"\"\",2,0.5,1,0.5,1\n"));
    free(text);

    /* dots in a selection's name make no objects in the counts */
    metrics = json_loads(wn_job_summary(job), 0, &error);
    counts = json_object_get(json_object_get(metrics, "counts"), "selections");
    assert_int_equal(json_object_size(counts), 2);
    assert_non_null(json_object_get(json_object_get(counts, "v0_5"), "entropy_bits"));
    json_decref(metrics);
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
        cmocka_unit_test(words_of_every_kind),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
