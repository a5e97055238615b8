/* SPDX-License-Identifier: Apache-2.0
 *
 * `winnow why` on hand-made pools of which every row's fate is known: dedup, select, curate.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

/* Runs family/method on `input` into the scratch folder `name`; pairs of words end in NULL. */
static void run(wn_ctx *ctx, const char *family, const char *method, const char *input,
                const char *tree, const char *name, const char *const *pairs)
{
    wn_job *j;

    ts_ok(ctx, wn_job_new(ctx, family, method, &j));
    ts_ok(ctx, wn_job_input(j, "pool", input));
    if (tree) ts_ok(ctx, wn_job_input(j, "tree", tree));
    ts_ok(ctx, wn_job_output(j, ts_path(name)));
    for (; pairs && *pairs; pairs += 2)
        ts_ok(ctx, wn_job_set(j, pairs[0], pairs[1]));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
}

static void says(wn_ctx *ctx, const char *name, const char *row, const char *want)
{
    char *text = NULL;

    ts_ok(ctx, wn_why_text(ctx, ts_path(name), row, &text));
    assert_string_equal(text, want);
    wn_text_free(ctx, text);
}

static void refuses(wn_ctx *ctx, const char *name, const char *row, const char *want)
{
    char *text = NULL;

    assert_int_equal(wn_why_text(ctx, ts_path(name), row, &text), WN_E_DATA);
    assert_null(text);
    if (!strstr(wn_ctx_error(ctx), want)) fail_msg("'%s' is not in: %s", want, wn_ctx_error(ctx));
}

/* ---- dedup --------------------------------------------------------------------------------------- */

/* Row 2 is row 0 again, row 3 almost, row 5 almost row 4. */
static void write_doubles(void)
{
    static const float rows[] = {1, 0, 0, 1, 1, 0, .999f, .01f, -1, 0, -1, .02f};

    ts_write_npy(ts_path("doubles.npy"), rows, 6, 2);
}

static void dedup_exact(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    write_doubles();
    run(ctx, "dedup", "exact", ts_path("doubles.npy"), NULL, "exact", NULL);
    says(ctx, "exact", "0", "row 0: kept\n");
    says(ctx, "exact", "2",
         "row 2: dropped, an exact duplicate: the same bytes as an earlier row\n"
         "  beside   row 0: kept\n");
    says(ctx, "exact", "3", "row 3: kept\n");
    refuses(ctx, "exact", "6", "exact: there is no row 6; rows go from 0 to 5");
    refuses(ctx, "exact", "9,223,372,036,854,775,808", "rows go from 0 to 5");
    refuses(ctx, "exact", "-1", "'-1' is not a row number and the output has no id column");
    refuses(ctx, "exact", "", "'' is not a row number");
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void dedup_semantic(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    write_doubles();
    run(ctx, "dedup", "semantic", ts_path("doubles.npy"), NULL, "semantic", NULL);
    says(ctx, "semantic", "1", "row 1: kept\n");
    says(ctx, "semantic", "2",
         "row 2: dropped, a near duplicate\n"
         "  beside   row 0, cosine 1.0000: kept\n");
    says(ctx, "semantic", "3", /* 0.999 / |(0.999, 0.01)| = 0.99995 */
         "row 3: dropped, a near duplicate\n"
         "  beside   row 0, cosine 0.9999: kept\n");
    says(ctx, "semantic", "5", /* 1 / |(1, 0.02)| = 0.99980 */
         "row 5: dropped, a near duplicate\n"
         "  beside   row 4, cosine 0.9998: kept\n");
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- select -------------------------------------------------------------------------------------- */

/* Two heaps far apart, of 6 and of 2 rows; each centre is nearest to the middle rows. */
static void select_by_distance(void **state)
{
    static const float rows[] = {-4, -2, -1, 1, 2, 4, 99, 101};
    static const char *const two[] = {"k", "2", NULL};
    static const char *const four[] = {"size", "4", "pick", "closest", NULL};
    wn_ctx *ctx = ts_ctx(1, -1);
    int small = 0;
    char *text, want[128];

    (void)state;
    ts_write_npy(ts_path("heaps.npy"), rows, 8, 1);
    run(ctx, "cluster", "kmeans", ts_path("heaps.npy"), NULL, "tree", two);
    run(ctx, "select", "balanced", ts_path("heaps.npy"), ts_path("tree"), "four", four);
    /* Which heap is cluster 0 is k-means' choice. */
    ts_ok(ctx, wn_why_text(ctx, ts_path("four"), "6", &text));
    small = strstr(text, "cluster  1") != NULL;
    wn_text_free(ctx, text);
    snprintf(want, sizeof want, "row 6: kept\n  cluster  %d: 2 rows, 2 selected\n", small);
    says(ctx, "four", "6", want);
    snprintf(want, sizeof want, "row 2: kept\n  cluster  %d: 6 rows, 2 selected\n", !small);
    says(ctx, "four", "2", want);
    snprintf(want, sizeof want,
             "row 0: dropped, over quota: its cluster's share of the selection went to other rows\n"
             "  cluster  %d: 6 rows, 2 selected\n",
             !small);
    says(ctx, "four", "0", want);
    refuses(
        ctx, "tree", "0",
        "tree: an output of cluster kmeans, which keeps no reasons row by row; give one of curate, "
        "select or dedup that does");
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Every reason that select stratified gives, in words: scores 0..7, a graph of three edges. */
static void select_with_reasons(void **state)
{
    static const struct {
        const char *pick, *row, *want;
    } cases[] = {
        {"top", "7", "row 7: kept\n"},
        {"top", "0", "row 0: dropped, passed over: other rows of its group rank better\n"},
        {"threshold", "1", "row 1: dropped, its score lies outside the limits asked for\n"},
        {"k-center", "1",
         "row 1: dropped, covered: a row that is kept stands for it\n  beside   row "},
    };
    static const float rows[] = {0, 0.1f, 0.2f, 50, 50.1f, 100, 100.1f, 100.2f};
    wn_ctx *ctx = ts_ctx(1, -1);
    FILE *f = fopen(ts_path("scores.csv"), "w");

    (void)state;
    fprintf(f, "score\n0\n1\n2\n3\n4\n5\n6\n7\n");
    fclose(f);
    ts_write_npy(ts_path("line.npy"), rows, 8, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text, column[1024];
        wn_job *job;
        snprintf(column, sizeof column, "%s:score", ts_path("scores.csv"));
        ts_ok(ctx, wn_job_new(ctx, "select", "stratified", &job));
        ts_ok(ctx, wn_job_input(job, "pool", ts_path("line.npy")));
        ts_ok(ctx, wn_job_input(job, "scores", column));
        ts_ok(ctx, wn_job_set(job, "pick", cases[i].pick));
        ts_ok(ctx, wn_job_set(job, "size", "3"));
        ts_ok(ctx, wn_job_set(job, "min-score", "4"));
        snprintf(column, sizeof column, "%s-pick", ts_path(cases[i].pick));
        ts_ok(ctx, wn_job_output(job, column));
        ts_ok(ctx, wn_job_set(job, "force", "1"));
        ts_ok(ctx, wn_job_run(job));
        wn_job_free(job);
        ts_ok(ctx, wn_why_text(ctx, column, cases[i].row, &text));
        if (strncmp(text, cases[i].want, strlen(cases[i].want)) != 0 &&
            !(strcmp(cases[i].pick, "k-center") == 0 && strstr(text, "row 1: kept")))
            fail_msg("%s: %s", cases[i].pick, text);
        wn_text_free(ctx, text);
    }
    /* Of five that pass the threshold three were drawn: one of rows 4 to 7 was not. */
    for (int row = 4, dropped = 0; row < 8; row++) {
        char number[16], *text;
        snprintf(number, sizeof number, "%d", row);
        ts_ok(ctx, wn_why_text(ctx, ts_path("threshold-pick"), number, &text));
        if (strstr(text, ": dropped, not drawn: chance took other rows of its group\n")) dropped++;
        assert_true(dropped || strstr(text, ": kept\n"));
        wn_text_free(ctx, text);
        assert_in_range(dropped, row == 7, 1);
    }
    wn_ctx_free(ctx);
}

/* Without a partner the similarity is to the centre of the cluster. */
static void near_and_far_from_a_target(void **state)
{
    static const float rows[] = {0, 1, 1, 0, .6f, .8f, -1, 0}, target[] = {2, 0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *j;

    (void)state;
    ts_write_npy(ts_path("around.npy"), rows, 4, 2);
    ts_write_npy(ts_path("target.npy"), target, 1, 2);
    ts_ok(ctx, wn_job_new(ctx, "select", "simcore", &j));
    ts_ok(ctx, wn_job_input(j, "pool", ts_path("around.npy")));
    ts_ok(ctx, wn_job_input(j, "target", ts_path("target.npy")));
    ts_ok(ctx, wn_job_set(j, "size", "1"));
    ts_ok(ctx, wn_job_output(j, ts_path("near")));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    says(ctx, "near", "1",
         "row 1: kept\n"
         "  cluster  0: 4 rows, 1 selected; cosine 1.0000 to its centre\n");
    says(ctx, "near", "2",
         "row 2: dropped, off target: it is not what the target looks like\n"
         "  cluster  0: 4 rows, 1 selected; cosine 0.6000 to its centre\n");
    wn_ctx_free(ctx);
}

static void taken_more_than_once(void **state)
{
    static const float rows[] = {-1, 0, 1, 100};
    static const char *const two[] = {"k", "2", NULL};
    static const char *const six[] = {"size", "6", "max_repeat", "4", NULL};
    wn_ctx *ctx = ts_ctx(1, -1);
    char *text;

    (void)state;
    ts_write_npy(ts_path("lone.npy"), rows, 4, 1);
    run(ctx, "cluster", "kmeans", ts_path("lone.npy"), NULL, "lone", two);
    run(ctx, "select", "balanced", ts_path("lone.npy"), ts_path("lone"), "repeated", six);
    ts_ok(ctx, wn_why_text(ctx, ts_path("repeated"), "3", &text));
    assert_non_null(strstr(text, "row 3: kept, taken 3 times\n"));
    assert_non_null(strstr(text, ": 1 row, 1 selected\n"));
    wn_text_free(ctx, text);
    wn_ctx_free(ctx);
}

/* ---- curate -------------------------------------------------------------------------------------- */

/* Ids, texts with a line break and texts that are cut. */
static void curate_by_id(void **state)
{
    static const char *const params[] = {"text", "body", "id", "key", "size", "4", "k", "2", NULL};
    wn_ctx *ctx = ts_ctx(1, -1);
    FILE *f = fopen(ts_path("ids.jsonl"), "wb");
    char *text, *byrow;

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < 12; i++) {
        fprintf(f, "{\"key\": \"n%02d\", \"body\": \"", i);
        if (i % 4 == 1)
            fprintf(f, "same words\\nover two lines");
        else
            for (int w = 0; w < (i == 2 ? 200 : 4); w++)
                fprintf(f, "w%dx%d ", i * 31 % 12, w);
        fprintf(f, "\"}\n");
    }
    fclose(f);
    run(ctx, "curate", "balanced", ts_path("ids.jsonl"), NULL, "ids", params);
    ts_ok(ctx, wn_why_text(ctx, ts_path("ids"), "n09", &text));
    ts_ok(ctx, wn_why_text(ctx, ts_path("ids"), "9", &byrow));
    assert_string_equal(text, byrow);
    assert_non_null(strstr(text, "row 9 (key n09): dropped, an exact duplicate"));
    assert_non_null(strstr(text, "  beside   row 1 (key n01): "));
    assert_non_null(strstr(text, "  text     same words over two lines\n"));
    assert_non_null(strstr(text, "  partner  same words over two lines\n"));
    wn_text_free(ctx, text);
    wn_text_free(ctx, byrow);
    ts_ok(ctx, wn_why_text(ctx, ts_path("ids"), "n02", &text));
    assert_non_null(strstr(text, "row 2 (key n02): "));
    assert_non_null(strstr(text, " w2x3 "));
    assert_null(strstr(text, "w2x199"));
    assert_non_null(strstr(text, "\xE2\x80\xA6\n"));
    wn_text_free(ctx, text);
    refuses(ctx, "ids", "n12", "no row has the number or the key 'n12'; rows go from 0 to 11");
    refuses(ctx, "ids", "12", "no row has the number or the key '12'");
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- folders that are no outputs ------------------------------------------------------------------ */

static void damaged_folders(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char *why;
    size_t bytes;
    int64_t partner = 6; /* one past the last row */

    (void)state;
    write_doubles();
    run(ctx, "dedup", "exact", ts_path("doubles.npy"), NULL, "hurt", NULL);
    refuses(ctx, "doubles.npy", "0", "no manifest.json in it");
    why = ts_read_file(ts_path("hurt/why.npy"), &bytes);
    assert_non_null(why);
    memcpy(why + bytes - 6 * sizeof(wn_why), &partner, sizeof partner); /* of row 0 */
    ts_write_file(ts_path("hurt/why.npy"), why, bytes);
    refuses(ctx, "hurt", "1", "why.npy: row 0: found partner 6");
    ts_write_file(ts_path("hurt/why.npy"), why, bytes - 5);
    refuses(ctx, "hurt", "1", "why.npy");
    ts_write_file(ts_path("hurt/manifest.json"), "{\n\"winnow\":", 11);
    refuses(ctx, "hurt", "1", "manifest.json: line 2: not JSON");
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    free(why);
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
        cmocka_unit_test(dedup_exact),
        cmocka_unit_test(dedup_semantic),
        cmocka_unit_test(select_by_distance),
        cmocka_unit_test(select_with_reasons),
        cmocka_unit_test(near_and_far_from_a_target),
        cmocka_unit_test(taken_more_than_once),
        cmocka_unit_test(curate_by_id),
        cmocka_unit_test(damaged_folders),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
