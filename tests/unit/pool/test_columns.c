/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels and scores from every form in which users give them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/outdir.h"
#include "support/support.h"
#include "winnow/labels.h"
#include "winnow/score.h"

static const char *save(wn_ctx *ctx, const char *name, const char *descr, size_t item, int64_t n,
                        const void *data)
{
    wni_out *out;

    ts_ok(ctx, wni_out_begin(ctx, ts_path(name), 1, 1, &out));
    ts_ok(ctx, wni_out_npy(out, NULL, descr, item, &n, 1, data));
    ts_ok(ctx, wni_out_commit(out));
    return ts_path(name);
}

static void write_text(const char *name, const char *text)
{
    ts_write_file(ts_path(name), text, strlen(text));
}

static void expect_labels(wn_ctx *ctx, const char *path, int64_t n, const int32_t *v,
                          int32_t classes, const char *const *names)
{
    wn_labels *labels;

    ts_ok(ctx, wn_labels_load(ctx, path, n, &labels));
    assert_int_equal(labels->n, n);
    assert_int_equal(labels->classes, classes);
    assert_memory_equal(labels->v, v, (size_t)n * sizeof *v);
    for (int32_t c = 0; c < classes; c++) {
        int64_t rows = 0;
        assert_string_equal(labels->names[c], names[c]);
        for (int64_t i = 0; i < n; i++)
            rows += v[i] == c;
        assert_int_equal(labels->sizes[c], rows);
    }
    wn_labels_free(labels);
}

static void labels_in_every_form(void **state)
{
    static const char *const numbers[] = {"2", "7", "100000"}, *const words[] = {"cat", "dog",
                                                                                 "éa"};
    static const int32_t expected[] = {1, 0, -1, 1, 2};
    static const int64_t wide[] = {7, 2, -1, 7, 100000};
    static const int32_t narrow[] = {7, 2, -5, 7, 100000};
    static const uint32_t text[5][3] = {
        {'d', 'o', 'g'}, {'c', 'a', 't'}, {0}, {'d', 'o', 'g'}, {0xe9, 'a', 0}};
    wn_ctx *ctx = ts_ctx(1, -1);
    char path[1024];

    (void)state;
    expect_labels(ctx, save(ctx, "i8.npy", "<i8", 8, 5, wide), 5, expected, 3, numbers);
    expect_labels(ctx, save(ctx, "i4.npy", "<i4", 4, 5, narrow), 5, expected, 3, numbers);
    expect_labels(ctx, save(ctx, "u3.npy", "<U3", 12, 5, text), 5, expected, 3, words);
    write_text("t.jsonl", "{\"y\": 7, \"w\": \"dog\"}\n{\"y\": 2, \"w\": \"cat\"}\n{\"w\": \"\"}\n"
                          "{\"y\": 7, \"w\": \"dog\"}\n{\"y\": 100000, \"w\": \"éa\"}\n");
    snprintf(path, sizeof path, "%s:y", ts_path("t.jsonl"));
    expect_labels(ctx, path, 5, expected, 3, numbers);
    snprintf(path, sizeof path, "%s:w", ts_path("t.jsonl"));
    expect_labels(ctx, path, 5, expected, 3, words);
    wn_ctx_free(ctx);
}

/* A span far above n goes by sorting; the answer is that of the small one. */
static void labels_far_apart(void **state)
{
    static const int64_t v[] = {(int64_t)1 << 60, 5, -1, (int64_t)1 << 60, INT64_MAX, 5};
    static const int32_t expected[] = {1, 0, -1, 1, 2, 0};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_labels *labels;

    (void)state;
    ts_ok(ctx, wn_labels_from_ints(ctx, v, 6, &labels));
    assert_int_equal(labels->classes, 3);
    assert_memory_equal(labels->v, expected, sizeof expected);
    assert_true(labels->values[1] == (int64_t)1 << 60 && labels->values[2] == INT64_MAX);
    wn_labels_free(labels);
    ts_ok(ctx, wn_labels_from_ints(ctx, v, 0, &labels));
    assert_int_equal(labels->classes, 0);
    wn_labels_free(labels);
    wn_ctx_free(ctx);
}

/* Many different words: the table of numbers grows on the way. */
static void many_words(void **state)
{
    enum { N = 3000 };
    wn_ctx *ctx = ts_ctx(1, -1);
    char path[1024], *text = malloc(N * 32), *at = text;
    wn_labels *labels;

    (void)state;
    at += sprintf(at, "w\n");
    for (int i = 0; i < N; i++)
        at += sprintf(at, "word%04d\n", (i * 7) % 1500);
    write_text("w.csv", text);
    snprintf(path, sizeof path, "%s:w", ts_path("w.csv"));
    ts_ok(ctx, wn_labels_load(ctx, path, N, &labels));
    assert_int_equal(labels->classes, 1500);
    for (int i = 0; i < N; i++)
        assert_int_equal(labels->v[i], (i * 7) % 1500);
    wn_labels_free(labels);
    free(text);
    wn_ctx_free(ctx);
}

static void scores_in_every_form(void **state)
{
    static const double f8[] = {0.5, -2, 1e10};
    static const float f4[] = {0.5f, -2, 1e10f};
    static const uint16_t f2[] = {0x3800, 0xc000, 0x7bff};
    static const int16_t i2[] = {3, -4, 5};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_scores *s;
    char path[1024];

    (void)state;
    ts_ok(ctx, wn_scores_load(ctx, save(ctx, "f8.npy", "<f8", 8, 3, f8), 3, &s));
    assert_memory_equal(s->v, f4, sizeof f4);
    wn_scores_free(s);
    ts_ok(ctx, wn_scores_load(ctx, save(ctx, "f2.npy", "<f2", 2, 3, f2), -1, &s));
    assert_true(s->v[0] == 0.5f && s->v[1] == -2 && s->v[2] == 65504);
    wn_scores_free(s);
    ts_ok(ctx, wn_scores_load(ctx, save(ctx, "i2.npy", "<i2", 2, 3, i2), 3, &s));
    assert_true(s->v[0] == 3 && s->v[1] == -4 && s->v[2] == 5);
    wn_scores_free(s);
    write_text("s.csv", "a,b\n1,x\n2.5,y\n-3,z\n");
    snprintf(path, sizeof path, "%s:a", ts_path("s.csv"));
    ts_ok(ctx, wn_scores_load(ctx, path, 3, &s));
    assert_true(s->v[0] == 1 && s->v[1] == 2.5f && s->v[2] == -3);
    wn_scores_free(s);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, int scores, const char *path, int64_t n, const char *mentions)
{
    wn_labels *labels = NULL;
    wn_scores *s = NULL;
    wn_status st =
        scores ? wn_scores_load(ctx, path, n, &s) : wn_labels_load(ctx, path, n, &labels);

    assert_int_equal(st, WN_E_DATA);
    assert_null(labels);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), mentions))
        fail_msg("'%s' does not mention '%s'", wn_ctx_error(ctx), mentions);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
}

/* A table keeps 0.50 as it is written, as text; as a score it is a number. */
static void numbers_that_stand_as_text(void **state)
{
    static const float want[] = {0.5f, -1.25f, 3, 1e-3f};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_scores *s;
    char path[1024];

    (void)state;
    write_text("forms.csv", "s,t\n0.50,0.50\n-1.250,1.0\n3.00,three\n1e-3,1\n");
    snprintf(path, sizeof path, "%s:s", ts_path("forms.csv"));
    ts_ok(ctx, wn_scores_load(ctx, path, 4, &s));
    assert_memory_equal(s->v, want, sizeof want);
    wn_scores_free(s);
    snprintf(path, sizeof path, "%s:t", ts_path("forms.csv"));
    refused(ctx, 1, path, 4, "row 2: found 'three', expected one number per row");
    write_text("holes.csv", "s,t\n0.50,1\n,2\n");
    snprintf(path, sizeof path, "%s:s", ts_path("holes.csv"));
    refused(ctx, 1, path, 2, "row 1: found no value");
    wn_ctx_free(ctx);
}

static void bad_columns_are_refused(void **state)
{
    static const float nan[] = {1, 2, NAN};
    wn_ctx *ctx = ts_ctx(1, -1);
    char path[1024];

    (void)state;
    save(ctx, "nan.npy", "<f4", 4, 3, nan);
    refused(ctx, 1, ts_path("nan.npy"), 3, "row 2");
    refused(ctx, 1, ts_path("nan.npy"), 4, "found 3 rows, expected 4");
    refused(ctx, 0, ts_path("nan.npy"), 3, "real numbers");
    refused(ctx, 0, ts_path("nowhere.npy"), 3, "nowhere.npy");
    write_text("b.jsonl", "{\"label\": \"x\", \"s\": 1}\n{\"label\": \"y\"}\n");
    refused(ctx, 0, ts_path("b.jsonl"), 2, "name the column");
    snprintf(path, sizeof path, "%s:lable", ts_path("b.jsonl"));
    refused(ctx, 0, path, 2, "did you mean 'label'");
    snprintf(path, sizeof path, "%s:label", ts_path("b.jsonl"));
    refused(ctx, 1, path, 2, "expected one number per row");
    snprintf(path, sizeof path, "%s:s", ts_path("b.jsonl"));
    refused(ctx, 1, path, 2, "row 1: found no value");
    wn_ctx_free(ctx);
}

static int cleanup(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_in_every_form),
        cmocka_unit_test(labels_far_apart),
        cmocka_unit_test(many_words),
        cmocka_unit_test(scores_in_every_form),
        cmocka_unit_test(numbers_that_stand_as_text),
        cmocka_unit_test(bad_columns_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, cleanup);
}
