/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job does with its inputs: members, patterns, words for the manifest, files that change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

static wn_job *new_job(wn_ctx *ctx, const char *family, const char *method, const char *input,
                       const char *out)
{
    wn_job *j;

    ts_ok(ctx, wn_job_new(ctx, family, method, &j));
    ts_ok(ctx, wn_job_input(j, "pool", input));
    ts_ok(ctx, wn_job_output(j, out));
    return j;
}

static void write_text(const char *path, int rows, const char *word)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    for (int i = 0; i < rows; i++)
        fprintf(f, "{\"text\": \"%s number %d of %d\"}\n", word, i * 37, i);
    fclose(f);
}

/* One f32 tensor (4, 2) whose name holds a colon. */
static void write_safetensors(const char *path)
{
    static const char head[] =
        "{\"x:y\":{\"dtype\":\"F32\",\"shape\":[4,2],\"data_offsets\":[0,32]}}";
    unsigned char bytes[256] = {sizeof head - 1};
    float rows[8] = {1, 2, 3, 4, 5, 6, 7, 9};

    memcpy(bytes + 8, head, sizeof head - 1);
    memcpy(bytes + 8 + sizeof head - 1, rows, sizeof rows);
    ts_write_file(path, bytes, 8 + sizeof head - 1 + sizeof rows);
}

static void member_with_a_colon(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char input[1024];
    wn_job *j;

    (void)state;
    write_safetensors(ts_path("c.safetensors"));
    snprintf(input, sizeof input, "%s:x:y", ts_path("c.safetensors"));
    j = new_job(ctx, "cluster", "kmeans", input, ts_path("colon"));
    ts_ok(ctx, wn_job_set(j, "k", "2"));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    wn_ctx_free(ctx);
}

static void pattern_with_a_member(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char input[1024], *manifest;
    size_t bytes;
    wn_job *j;

    (void)state;
    write_safetensors(ts_path("e_1.safetensors"));
    write_safetensors(ts_path("e_2.safetensors"));
    snprintf(input, sizeof input, "%s:x:y", ts_path("e_*.safetensors"));
    j = new_job(ctx, "cluster", "kmeans", input, ts_path("pattern"));
    ts_ok(ctx, wn_job_set(j, "k", "2"));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    manifest = ts_read_file(ts_path("pattern/manifest.json"), &bytes);
    assert_non_null(manifest);
    assert_non_null(strstr(manifest, "e_1.safetensors:x:y"));
    assert_non_null(strstr(manifest, "e_2.safetensors:x:y"));
    free(manifest);
    ts_ok(ctx, wn_job_load(ctx, ts_path("pattern/manifest.json"), &j));
    ts_ok(ctx, wn_job_output(j, ts_path("pattern2")));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    wn_ctx_free(ctx);
}

/* An estimate of text builds its table where it needs no memory for it, and leaves nothing behind. */
static void plan_of_text(void **state)
{
    static char word[20000];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_estimate estimate;
    wn_table *table;
    const char *path = NULL;
    char input[1024];
    wn_job *j;

    (void)state;
    memset(word, 'a', sizeof word - 1);
    write_text(ts_path("long.jsonl"), 50, word);
    snprintf(input, sizeof input, "%s", ts_path("long.jsonl"));
    path = input;
    ts_ok(ctx, wn_table_build(ctx, &path, 1, "", NULL, &table));
    assert_int_equal(wn_table_rows(table), 50);
    wn_table_free(table);
    j = new_job(ctx, "vectorize", "lexical", input, ts_path("planned.npy"));
    ts_ok(ctx, wn_job_plan(j, &estimate));
    assert_true(estimate.peak_bytes > 0);
    assert_int_not_equal(access(ts_path("planned.npy"), F_OK), 0);
    wn_job_free(j);
    wn_ctx_free(ctx);
}

typedef struct change {
    const char *path;
    int done, lines;
} change;

static void change_input(void *user, const char *stage, int64_t done, int64_t total)
{
    change *c = user;

    (void)done;
    (void)total;
    if (c->done || strstr(stage, "check") || strstr(stage, "store")) return;
    write_text(c->path, c->lines, "other");
    c->done = 1;
}

/* Other lines under the same name while the run goes on: nothing may be committed. */
static void changed_input_is_refused(void **state)
{
    wn_ctx_options options;
    wn_ctx *ctx;
    char input[1024], out[1024];
    change c = {input, 0, 60};
    wn_job *j;

    (void)state;
    snprintf(input, sizeof input, "%s", ts_path("moving.jsonl"));
    snprintf(out, sizeof out, "%s", ts_path("moved"));
    write_text(input, 60, "first");
    wn_ctx_options_init(&options);
    options.threads = 1; /* worker threads count as live */
    options.progress = change_input;
    options.user = &c;
    assert_int_equal(wn_ctx_new(&options, &ctx), WN_OK);
    j = new_job(ctx, "curate", "balanced", input, out);
    ts_ok(ctx, wn_job_set(j, "size", "10"));
    ts_ok(ctx, wn_job_set(j, "k", "4"));
    assert_int_equal(wn_job_run(j), WN_E_IO);
    assert_true(c.done);
    assert_non_null(strstr(wn_ctx_error(ctx), "changed while the run was going on; run again"));
    assert_int_not_equal(access(out, F_OK), 0);
    wn_job_free(j);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* JSON cannot hold the word: without it a replay would run with other settings. */
static void words_that_are_not_utf8(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char input[1024];
    wn_job *j;

    (void)state;
    write_safetensors(ts_path("c.safetensors"));
    snprintf(input, sizeof input, "%s", ts_path("c.safetensors"));
    j = new_job(ctx, "cluster", "kmeans", input, ts_path("bad\xFF"));
    ts_ok(ctx, wn_job_set(j, "k", "2"));
    assert_int_equal(wn_job_run(j), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "output: the value is not UTF-8"));
    assert_int_not_equal(access(ts_path("bad\xFF"), F_OK), 0);
    wn_job_free(j);
    write_text(ts_path("plain.jsonl"), 9, "some");
    j = new_job(ctx, "curate", "balanced", ts_path("plain.jsonl"), ts_path("bad"));
    ts_ok(ctx, wn_job_set(j, "text", "caf\xE9"));
    assert_int_equal(wn_job_run(j), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "text: the value is not UTF-8"));
    wn_job_free(j);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Ids that are numbers: a row number goes first, and the row with that id is named. */
static void why_tells_id_from_row(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char *why;
    FILE *f = fopen(ts_path("ids.jsonl"), "wb");
    wn_job *j;

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < 20; i++)
        fprintf(f, "{\"key\": %d, \"text\": \"number %d of %d\"}\n", i == 3 ? 3 : 100 - i * 5,
                i * 41, i);
    fclose(f);
    j = new_job(ctx, "curate", "balanced", ts_path("ids.jsonl"), ts_path("ids"));
    ts_ok(ctx, wn_job_set(j, "id", "key"));
    ts_ok(ctx, wn_job_set(j, "size", "5"));
    ts_ok(ctx, wn_job_set(j, "k", "3"));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    ts_ok(ctx, wn_why_text(ctx, ts_path("ids"), "5", &why));
    assert_non_null(strstr(why, "row 5 (key 75)"));
    assert_non_null(strstr(why, "5 is also the key of row 19"));
    wn_text_free(ctx, why);
    ts_ok(ctx, wn_why_text(ctx, ts_path("ids"), "3", &why));
    assert_null(strstr(why, "is also"));
    wn_text_free(ctx, why);
    ts_ok(ctx, wn_why_text(ctx, ts_path("ids"), "90", &why));
    assert_non_null(strstr(why, "row 2 (key 90)"));
    wn_text_free(ctx, why);
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
        cmocka_unit_test(member_with_a_colon),
        cmocka_unit_test(pattern_with_a_member),
        cmocka_unit_test(plan_of_text),
        cmocka_unit_test(changed_input_is_refused),
        cmocka_unit_test(words_that_are_not_utf8),
        cmocka_unit_test(why_tells_id_from_row),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
