/* SPDX-License-Identifier: Apache-2.0
 *
 * curate from files to a folder: text and vectors in, arrays, lines, ids, report and reasons out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

/* ---- a small corpus ---------------------------------------------------------------------------- */

enum { ROWS = 240 };

static const char *const subject[] = {"river", "engine", "violin", "market", "glacier", "lantern"};
static const char *const verb[] = {"carries", "breaks", "follows", "measures", "hides"};
static const char *const object[] = {"stone",    "copper wire", "old songs",    "salt fish",
                                     "blue ice", "paper boats", "seven engines"};

/* One line per row: most about rivers, every 20th row the same text as row 0, an id, a category and, in row
 * 5, a text that a page must escape. Blank lines carry no row. */
static void write_corpus(const char *path)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    for (int i = 0; i < ROWS; i++) {
        int s = i % 3 ? 0 : i / 3 % 6;
        fprintf(f, "{\"key\": \"doc-%03d\", \"category\": \"%s\", \"gloss\": \"", i,
                i % 20 == 0 ? "river" : subject[s]);
        if (i == 5)
            fprintf(f, "a <script>alert(1)</script> & \\\"more\\\" of it");
        else if (i % 20 == 0)
            fprintf(f, "the first words of all");
        else
            fprintf(f, "the %s %s %s near number %d and %s", subject[s], verb[i % 5], object[i % 7],
                    i * 37, object[i / 7 % 7]);
        fprintf(f, "\"}\n%s", i % 50 == 10 ? "\n  \n" : "");
    }
    fclose(f);
}

static wn_job *job(wn_ctx *ctx, const char *input, const char *out, const char *const *pairs)
{
    wn_job *j;

    ts_ok(ctx, wn_job_new(ctx, "curate", NULL, &j));
    ts_ok(ctx, wn_job_input(j, "pool", input));
    ts_ok(ctx, wn_job_output(j, out));
    for (; pairs && *pairs; pairs += 2)
        ts_ok(ctx, wn_job_set(j, pairs[0], pairs[1]));
    return j;
}

static const char *const corpus_params[] = {"text", "gloss", "id", "key",  "size",           "40",
                                            "dim",  "64",    "k",  "12,3", "resample_steps", "2",
                                            NULL};

static void run(wn_ctx *ctx, const char *input, const char *out, const char *const *pairs)
{
    wn_job *j = job(ctx, input, out, pairs);

    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
}

static char *read_text(const char *dir, const char *name)
{
    char path[2048];
    size_t bytes;
    char *text;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    text = ts_read_file(path, &bytes);
    if (!text) fail_msg("%s is not there", path);
    return text;
}

static int has_file(const char *dir, const char *name)
{
    char path[2048];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static int64_t *selected_rows(const char *dir, int64_t *n)
{
    char path[2048], *data;
    size_t bytes;
    int64_t *rows;

    snprintf(path, sizeof path, "%s/rows.npy", dir);
    data = ts_read_file(path, &bytes);
    assert_non_null(data);
    assert_non_null(strstr(data + 10, "'<i8'"));
    *n = (int64_t)(bytes - 128) / 8;
    rows = malloc((size_t)*n * 8);
    memcpy(rows, data + 128, (size_t)*n * 8);
    free(data);
    return rows;
}

/* ---- text -------------------------------------------------------------------------------------- */

/* selected.jsonl and ids.txt hold exactly the lines and ids of rows.npy. */
static void lines_match_rows(const char *out)
{
    char *source = read_text(ts_tmp(), "corpus.jsonl"), *lines = read_text(out, "selected.jsonl");
    char *ids = read_text(out, "ids.txt"), *line = lines, *id = ids, expected[16];
    int64_t n, *rows = selected_rows(out, &n);

    assert_int_equal(n, 40);
    for (int64_t i = 0; i < n; i++) {
        char *end = strchr(line, '\n'), *id_end = strchr(id, '\n');

        assert_non_null(end);
        assert_non_null(id_end);
        *end = *id_end = 0;
        snprintf(expected, sizeof expected, "doc-%03d", (int)rows[i]);
        assert_string_equal(id, expected);
        assert_non_null(strstr(line, expected));
        assert_non_null(strstr(source, line)); /* as it stands there */
        line = end + 1;
        id = id_end + 1;
    }
    assert_int_equal(*line, 0);
    assert_int_equal(*id, 0);
    free(source);
    free(lines);
    free(ids);
    free(rows);
}

/* The column is counted over all rows, as a second count here tells, and over the 40 selected. */
static void check_balance(const char *summary)
{
    char plain[8192], expected[64];
    const char *at;
    int before = 0, after, selected = 0, length = 0;

    for (; *summary && length < 8191; summary++)
        if (*summary != ' ' && *summary != '\n') plain[length++] = *summary;
    plain[length] = 0;
    for (int i = 0; i < ROWS; i++)
        before += i % 20 == 0 || i % 3 != 0 || i / 3 % 6 == 0;
    snprintf(expected, sizeof expected,
             "\"balance\":{\"column\":\"category\",\"values\":{\"river\":[%d,", before);
    at = strstr(plain, expected);
    if (!at) fail_msg("no %s in %s", expected, plain);
    for (at = strchr(at, '['); at && *at; at = strchr(at, '[')) {
        if (sscanf(at, "[%*d,%d]", &after) == 1) selected += after;
        at++;
    }
    assert_int_equal(selected, 40);
}

static void text_in(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    char out[1024], *html, *why;
    wn_job *j;

    (void)state;
    write_corpus(ts_path("corpus.jsonl"));
    snprintf(out, sizeof out, "%s", ts_path("out"));
    j = job(ctx, ts_path("corpus.jsonl"), out, corpus_params);
    ts_ok(ctx, wn_job_run(j));
    assert_non_null(strstr(wn_job_summary(j), "\"rows\": 240"));
    assert_non_null(strstr(wn_job_summary(j), "\"exact_duplicates\": 11"));
    assert_non_null(strstr(wn_job_summary(j), "\"selected\": 40"));
    assert_non_null(strstr(wn_job_summary(j), "\"entropy_bits_after\""));
    check_balance(wn_job_summary(j));
    wn_job_free(j);
    assert_false(has_file(out, "vectors.npy"));
    assert_true(has_file(out, "table.sqlite"));
    assert_true(has_file(out, "why.npy"));
    assert_true(has_file(out, "weights.npy"));
    assert_true(has_file(out, "clusters/rows.npy"));
    assert_true(has_file(out, "clusters/level2/labels.npy"));
    lines_match_rows(out);

    html = read_text(out, "report.html");
    assert_null(strstr(html, "<script"));
    assert_non_null(strstr(html, "40 rows chosen from 240"));
    assert_non_null(strstr(html, "values of <span class=\"mono\">category"));
    assert_non_null(strstr(html, "manifest.json -o again"));
    free(html);

    ts_ok(ctx, wn_why_text(ctx, out, "20", &why));
    assert_non_null(strstr(why, "row 20 (key doc-020): dropped, an exact duplicate"));
    assert_non_null(strstr(why, "row 0 (key doc-000)"));
    assert_non_null(strstr(why, "the first words of all"));
    wn_text_free(ctx, why);
    ts_ok(ctx, wn_why_text(ctx, out, "doc-005", &why));
    assert_non_null(strstr(why, "row 5 (key doc-005)"));
    assert_non_null(strstr(why, "<script>")); /* a terminal is no page */
    wn_text_free(ctx, why);
    assert_int_equal(wn_why_text(ctx, out, "doc-999", &why), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no row has the number or the key 'doc-999'"));
    wn_ctx_free(ctx);
}

static void tree_is_the_rows_left(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char dir[1024];
    wn_tree *tree;

    (void)state;
    snprintf(dir, sizeof dir, "%s/clusters", ts_path("out"));
    ts_ok(ctx, wn_tree_load(ctx, dir, &tree));
    assert_int_equal(tree->levels, 2);
    assert_int_equal(tree->level[0]->k, 12);
    assert_true(tree->level[0]->n <= ROWS - 11);
    wn_tree_free(tree);
    wn_ctx_free(ctx);
}

static void same_folder_everywhere(void **state)
{
    static const int threads[] = {1, 8};
    char first[1024], again[1024], *a, *b;

    (void)state;
    snprintf(first, sizeof first, "%s", ts_path("out"));
    snprintf(again, sizeof again, "%s", ts_path("again"));
    for (int t = 0; t < 2; t++)
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
            const char *pairs[64];
            wn_ctx *ctx = ts_ctx(threads[t], isa);
            int n = 0;

            for (; corpus_params[n]; n++)
                pairs[n] = corpus_params[n];
            pairs[n++] = "force";
            pairs[n++] = "1";
            pairs[n] = NULL;
            run(ctx, ts_path("corpus.jsonl"), again, pairs);
            assert_true(ts_same_tree(first, again));
            wn_ctx_free(ctx);
        }
    /* The page differs in the output's name alone. */
    a = read_text(first, "report.html");
    b = read_text(again, "report.html");
    assert_int_equal(strlen(a) + strlen("again") - strlen("out"), strlen(b));
    *strstr(a, "winnow replay") = *strstr(b, "winnow replay") = 0;
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void replay_gives_the_same(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    char first[1024], manifest[1100];
    wn_job *j;

    (void)state;
    snprintf(first, sizeof first, "%s", ts_path("out"));
    snprintf(manifest, sizeof manifest, "%s/manifest.json", first);
    ts_ok(ctx, wn_job_load(ctx, manifest, &j));
    ts_ok(ctx, wn_job_output(j, ts_path("replayed")));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    assert_true(ts_same_tree(first, ts_path("replayed")));
    wn_ctx_free(ctx);
}

/* CSV: the header once, records that span lines whole, over two files. */
static void csv_lines_are_copied(void **state)
{
    static const char *const params[] = {"size", "4", "k", "2", "text", "body", "dim", "32", NULL};
    static const char one[] =
        "id,body\r\n1,\"red apples, many\nof them\"\r\n\r\n2,\"say \"\"no\"\" "
        "twice\"\r\n",
                      two[] = "id,body\n3,5\" pipes of lead\n4,green pears\n";
    wn_ctx *ctx = ts_ctx(1, -1);
    char out[1024], *text;
    wn_job *j;

    (void)state;
    ts_write_file(ts_path("one.csv"), one, sizeof one - 1);
    ts_write_file(ts_path("two.csv"), two, sizeof two - 1);
    snprintf(out, sizeof out, "%s", ts_path("csv"));
    j = job(ctx, ts_path("one.csv"), out, params);
    ts_ok(ctx, wn_job_input(j, "pool", ts_path("two.csv")));
    ts_ok(ctx, wn_job_run(j));
    assert_non_null(strstr(wn_job_summary(j), "\"warnings\": []"));
    wn_job_free(j);
    text = read_text(out, "selected.csv");
    assert_string_equal(text, "id,body\n1,\"red apples, many\nof them\"\r\n2,\"say \"\"no\"\" "
                              "twice\"\r\n3,5\" pipes of lead\n4,green pears\n");
    free(text);
    assert_false(has_file(out, "ids.txt")); /* no id column was named */

    ts_write_file(ts_path("two.csv"), "body,id\nlead,3\npears,4\n", 23);
    snprintf(out, sizeof out, "%s", ts_path("csv2"));
    j = job(ctx, ts_path("one.csv"), out, params);
    ts_ok(ctx, wn_job_input(j, "pool", ts_path("two.csv")));
    ts_ok(ctx, wn_job_run(j));
    assert_non_null(strstr(wn_job_summary(j), "the headers of the inputs differ"));
    assert_false(has_file(out, "selected.csv"));
    wn_job_free(j);
    wn_ctx_free(ctx);
}

/* ---- vectors ----------------------------------------------------------------------------------- */

static void vectors_in(void **state)
{
    static const char *const params[] = {"size", "30",     "k",      "8", "resample_steps",
                                         "1",    "metric", "cosine", NULL};
    float *v = ts_blobs(200, 8, 4, 0.8, 3, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    char out[1024], *why;
    wn_estimate estimate;
    wn_job *j;

    (void)state;
    memcpy(v + 150 * 8, v + 17 * 8, 8 * sizeof *v);
    ts_write_npy(ts_path("v.npy"), v, 200, 8);
    snprintf(out, sizeof out, "%s", ts_path("vec"));
    j = job(ctx, ts_path("v.npy"), out, params);
    ts_ok(ctx, wn_job_plan(j, &estimate));
    assert_true(estimate.peak_bytes > 200 * 8 * 4);
    assert_true(estimate.flops > 0);
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    assert_false(has_file(out, "table.sqlite"));
    ts_ok(ctx, wn_why_text(ctx, out, "150", &why));
    assert_non_null(strstr(why, "row 150: dropped, an exact duplicate"));
    assert_non_null(strstr(why, "row 17"));
    wn_text_free(ctx, why);
    assert_int_equal(wn_why_text(ctx, out, "200", &why), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no row 200; rows go from 0 to 199"));
    assert_null(why);
    assert_int_equal(wn_why_text(ctx, out, "doc", &why), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "not a row number"));
    wn_ctx_free(ctx);
    free(v);
}

static void fewer_levels_are_told(void **state)
{
    static const char *const params[] = {"size", "30", "levels", "2", "resample_steps", "1", NULL};
    float *v = ts_normal(60, 8, 3);
    wn_ctx *ctx = ts_ctx(2, -1);
    char out[1024], *text;

    (void)state;
    ts_write_npy(ts_path("few.npy"), v, 60, 8);
    snprintf(out, sizeof out, "%s", ts_path("few"));
    run(ctx, ts_path("few.npy"), out, params);
    text = read_text(out, "manifest.json");
    assert_non_null(strstr(text, "2 levels were asked for; the 60 rows left make 1"));
    free(text);
    wn_ctx_free(ctx);
    free(v);
}

/* Columns named like winnow's own counts, or with a dot: their values stand beside the counts. */
static void any_column_name_is_counted(void **state)
{
    static const char *const names[] = {
        "rows",    "left",      "selected",        "level1",
        "balance", "meta.lang", "level1.clusters", "entropy_bits_before"};
    wn_ctx *ctx = ts_ctx(1, -1);
    char out[1024], expected[128];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *params[] = {"text", "gloss", "balance", names[i], "size", "4",
                                "k",    "3",     "dim",     "64",     NULL};
        FILE *f = fopen(ts_path("names.jsonl"), "wb");
        wn_job *j;

        assert_non_null(f);
        for (int r = 0; r < 12; r++)
            fprintf(f, "{\"gloss\": \"the %s %s %d\", \"%s\": \"a.b\"}\n", subject[r % 6],
                    verb[r % 5], r, names[i]);
        fclose(f);
        snprintf(out, sizeof out, "%s", ts_path("names"));
        j = job(ctx, ts_path("names.jsonl"), out, params);
        ts_ok(ctx, wn_job_set(j, "force", "1"));
        ts_ok(ctx, wn_job_run(j));
        snprintf(expected, sizeof expected, "\"column\": \"%s\"", names[i]);
        assert_non_null(strstr(wn_job_summary(j), expected));
        assert_non_null(strstr(wn_job_summary(j), "\"a.b\": ["));
        assert_non_null(strstr(wn_job_summary(j), "\"rows\": 12"));
        assert_non_null(strstr(wn_job_summary(j), "\"selected\": 4"));
        wn_job_free(j);
    }
    wn_ctx_free(ctx);
}

static void fails(const char *input, const char *const *pairs, wn_status want, const char *word)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *j = job(ctx, input, ts_path("bad"), pairs);

    assert_int_equal(wn_job_run(j), want);
    if (!strstr(wn_ctx_error(ctx), word)) fail_msg("'%s' is not in: %s", word, wn_ctx_error(ctx));
    assert_false(has_file(ts_tmp(), "bad"));
    wn_job_free(j);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void bad_runs_leave_nothing(void **state)
{
    char text[1024], vectors[1024];

    (void)state;
    snprintf(text, sizeof text, "%s", ts_path("corpus.jsonl"));
    snprintf(vectors, sizeof vectors, "%s", ts_path("v.npy"));
    fails(text, (const char *const[]){"text", "gloss", "size", "241", NULL}, WN_E_DATA,
          "size is 241, the pool has 240 rows");
    fails(text, (const char *const[]){"text", "gloss", "size", "235", NULL}, WN_E_DATA, "are left");
    fails(text, (const char *const[]){"text", "glos", "size", "10", NULL}, WN_E_DATA, "gloss");
    fails(text, (const char *const[]){"text", "gloss", "balance", "categorie", NULL}, WN_E_DATA,
          "did you mean 'category'?");
    fails(vectors, (const char *const[]){"size", "10", "balance", "label", NULL}, WN_E_USAGE,
          "--balance names a column of a text file");
    fails(vectors, (const char *const[]){"size", "10", "text", "gloss", NULL}, WN_E_USAGE,
          "--text names a column of a text file");
}

static void why_needs_an_output(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char *why;

    (void)state;
    assert_int_equal(wn_why_text(ctx, ts_path("nowhere"), "1", &why), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "there is no such folder"));
    assert_int_equal(wn_why_text(ctx, ts_tmp(), "1", &why), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no manifest.json"));
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static int end(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_in),
        cmocka_unit_test(tree_is_the_rows_left),
        cmocka_unit_test(same_folder_everywhere),
        cmocka_unit_test(replay_gives_the_same),
        cmocka_unit_test(csv_lines_are_copied),
        cmocka_unit_test(vectors_in),
        cmocka_unit_test(fewer_levels_are_told),
        cmocka_unit_test(any_column_name_is_counted),
        cmocka_unit_test(bad_runs_leave_nothing),
        cmocka_unit_test(why_needs_an_output),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
