/* SPDX-License-Identifier: Apache-2.0
 *
 * An index of dedup minhash: day by day the same rows stay as when all days come together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "io/outdir.h"
#include "support/support.h"

enum { DAYS = 3, DAY = 300, WORDS = 40 };

/* Texts of the whole time; every third repeats an earlier one, of any day, but for a few words. */
static void add_text(FILE *f, int64_t i)
{
    int64_t from = i % 3 == 2 ? wni_rand_below(1, 1, (uint64_t)i, i) : i;

    fprintf(f, "{\"id\": \"t%lld\", \"text\": \"", (long long)i);
    for (int j = 0; j < WORDS; j++)
        fprintf(f, "%sw%d", j ? " " : "",
                from != i && j % 13 == 5 && j < (i % 4) * 13
                    ? 9000 + (int)i
                    : (int)wni_rand_below(1, 2, (uint64_t)(from * WORDS + j), 3000));
    fprintf(f, "\"}\n");
}

static void write_days(void)
{
    FILE *all = fopen(ts_path("all.jsonl"), "w");

    assert_non_null(all);
    for (int day = 0; day < DAYS; day++) {
        char name[32];
        FILE *f;
        snprintf(name, sizeof name, "day%d.jsonl", day);
        f = fopen(ts_path(name), "w");
        assert_non_null(f);
        for (int64_t i = 0; i < DAY; i++) {
            add_text(f, day * DAY + i);
            add_text(all, day * DAY + i);
        }
        fclose(f);
    }
    fclose(all);
}

static wn_status run(wn_ctx *ctx, const char *file, const char *index, const char *out,
                     const char *name, const char *value)
{
    wn_job *job = NULL;
    wn_status st = wn_job_new(ctx, "dedup", "minhash", &job);

    if (st == WN_OK) st = wn_job_input(job, "pool", ts_path(file));
    if (st == WN_OK && index) st = wn_job_input(job, "index", ts_path(index));
    if (st == WN_OK) st = wn_job_output(job, ts_path(out));
    if (st == WN_OK) st = wn_job_set(job, "save_index", "1");
    if (st == WN_OK) st = wn_job_set(job, "force", "1");
    if (st == WN_OK) st = wn_job_set(job, "id", "id");
    if (st == WN_OK && name) st = wn_job_set(job, name, value);
    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static int64_t *kept(wn_ctx *ctx, const char *out, int64_t *count)
{
    char name[64];
    void *data;

    snprintf(name, sizeof name, "%s/rows.npy", out);
    ts_ok(ctx, wni_npy_load(ctx, ts_path(name), "<i8", 1, count, &data));
    return data;
}

static void days_are_as_all_together(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t n, at = 0, m, *all, *day;
    wn_dedup_index *index;
    size_t bytes;
    char *text;

    (void)state;
    write_days();
    ts_ok(ctx, run(ctx, "all.jsonl", NULL, "all", NULL, NULL));
    all = kept(ctx, "all", &n);
    assert_in_range(n, 600, 850);
    ts_ok(ctx, run(ctx, "day0.jsonl", NULL, "out0", NULL, NULL));
    ts_ok(ctx, run(ctx, "day1.jsonl", "out0/index", "out1", NULL, NULL));
    ts_ok(ctx, run(ctx, "day2.jsonl", "out1/index", "out2", NULL, NULL));
    for (int d = 0; d < DAYS; d++) {
        char out[16];
        snprintf(out, sizeof out, "out%d", d);
        day = kept(ctx, out, &m);
        for (int64_t i = 0; i < m; i++)
            assert_int_equal(day[i] + d * DAY, all[at++]);
        wni_free(ctx, day);
    }
    assert_int_equal(at, n);
    wni_free(ctx, all);

    ts_ok(ctx, wn_dedup_index_open(ctx, ts_path("out2/index"), &index));
    assert_int_equal(wn_dedup_index_rows(index), n);
    wn_dedup_index_free(index);

    /* Row 2 of a day repeats something: on day 2 the file says what, with its id. */
    text = ts_read_file(ts_path("out2/removed.jsonl"), &bytes);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"index\": "));
    assert_non_null(strstr(text, "\"index_segment\": 1, "));
    for (char *p = text; (p = strstr(p, "\"index_segment\": ")); p++) {
        int segment;
        long long row, id;
        assert_int_equal(
            sscanf(p, "\"index_segment\": %d, \"index_row\": %lld, \"index_id\": \"t%lld\"",
                   &segment, &row, &id),
            3);
        assert_int_equal(id, segment * DAY + row);
    }
    free(text);
    wn_ctx_free(ctx);
}

/* The new index stands alone, and threads, memory and faults do as they do elsewhere. */
static void new_indexes_stand_alone(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1), *small;
    ts_alloc count = {.fail_at = -1};
    char *answer, *text, *at, number[16];
    size_t bytes;
    int row;

    (void)state;
    ts_ok(ctx, run(ctx, "day1.jsonl", "out0/index", "again", NULL, NULL));
    assert_true(ts_same_tree(ts_path("again"), ts_path("out1")));
    small = ts_ctx(8, WN_ISA_BASE);
    small->budget_bytes = 24 << 20;
    ts_ok(small, run(small, "day1.jsonl", "out0/index", "again", NULL, NULL));
    assert_true(ts_same_tree(ts_path("again"), ts_path("out1")));
    wn_ctx_free(small);
    /* Replacing the old one does not touch the links. */
    ts_ok(ctx, run(ctx, "day2.jsonl", NULL, "out0", NULL, NULL));
    ts_ok(ctx, run(ctx, "day2.jsonl", "out1/index", "again", NULL, NULL));
    assert_true(ts_same_tree(ts_path("again"), ts_path("out2")));
    text = ts_read_file(ts_path("again/removed.jsonl"), &bytes);
    assert_non_null(text);
    for (at = text; !strstr(at, "\"index\": ") || strchr(at, '\n') < strstr(at, "\"index\": ");)
        at = strchr(at, '\n') + 1;
    assert_int_equal(sscanf(at, "{\"row\": %d,", &row), 1);
    free(text);
    snprintf(number, sizeof number, "%d", row);
    ts_ok(ctx, wn_why_text(ctx, ts_path("again"), number, &answer));
    if (!strstr(answer, "of the index, Jaccard similarity")) fail_msg("why: %s", answer);
    wn_text_free(ctx, answer);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);

    ctx = ts_ctx_failing(&count, 1);
    ts_ok(ctx, run(ctx, "day1.jsonl", "out1/index", "faults", NULL, NULL));
    wn_ctx_free(ctx);
    assert_true(count.count > 100);
    ctx = ts_ctx(1, -1);
    ts_ok(ctx, run(ctx, "day0.jsonl", NULL, "faults", NULL, NULL));
    wn_ctx_free(ctx);
    for (int64_t i = 0; i < count.count; i += i < 60 ? 1 : 4) {
        ts_alloc fail = {.fail_at = i};
        ctx = ts_ctx_failing(&fail, 1);
        assert_int_equal(run(ctx, "day1.jsonl", "out1/index", "faults", NULL, NULL), WN_E_NOMEM);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
        assert_int_equal(fail.live, 0);
    }
    assert_int_equal(access(ts_path("faults/index/000001"), F_OK), -1); /* still the first one */
}

static void refused(wn_ctx *ctx, const char *index, const char *name, const char *value,
                    wn_status status, const char *mentions)
{
    assert_int_equal(run(ctx, "day1.jsonl", index, "refused", name, value), status);
    if (!strstr(wn_ctx_error(ctx), mentions))
        fail_msg("no '%s' in: %s", mentions, wn_ctx_error(ctx));
    assert_int_equal(access(ts_path("refused"), F_OK), -1);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
}

/* Replaces a word of the same length in a file. */
static void patch(const char *name, const char *from, const char *to)
{
    size_t bytes;
    char *text = ts_read_file(ts_path(name), &bytes), *at;

    assert_non_null(text);
    at = strstr(text, from);
    assert_non_null(at);
    memcpy(at, to, strlen(to));
    remove(ts_path(name)); /* it may be a link */
    ts_write_file(ts_path(name), text, bytes);
    free(text);
}

static void bad_indexes_are_refused(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    size_t bytes;
    char *data;

    (void)state;
    refused(ctx, "nowhere", NULL, NULL, WN_E_DATA, "nowhere");
    refused(ctx, "out1", NULL, NULL, WN_E_DATA, "no index there");
    refused(ctx, "out1/index", "shingle", "4", WN_E_USAGE, "made with --shingle 5");
    refused(ctx, "out1/index", "seed", "1", WN_E_USAGE, "make a new index");
    refused(ctx, "out1/index", "bands", "7", WN_E_USAGE, "made with --shingle 5");
    refused(ctx, "out1/index", "verify", "0", WN_E_USAGE, "leave out --no-verify");
    refused(ctx, "out1/index", "source", "id", WN_E_USAGE, "leave out --source");
    refused(ctx, "out1/index", "sweep", "0.8:0.9", WN_E_USAGE, "a sweep keeps nothing");
    /* Another threshold is served by the same bands. */
    ts_ok(ctx, run(ctx, "day1.jsonl", "out1/index", "other", "min_similarity", "0.9"));

    data = ts_read_file(ts_path("other/index/000000/set.npy"), &bytes);
    data[bytes / 2] ^= 1;
    remove(ts_path("other/index/000000/set.npy"));
    ts_write_file(ts_path("other/index/000000/set.npy"), data, bytes);
    free(data);
    refused(ctx, "other/index", NULL, NULL, WN_E_DATA, "000000/set.npy");
    remove(ts_path("other/index/000000/set.npy"));
    refused(ctx, "other/index", NULL, NULL, WN_E_DATA, "000000/set.npy");
    patch("other/index/index.json", "\"minhash_index\": 1", "\"minhash_index\": 2");
    refused(ctx, "other/index", NULL, NULL, WN_E_DATA, "found version 2");
    patch("other/index/index.json", "{", "[");
    refused(ctx, "other/index", NULL, NULL, WN_E_DATA, "damaged");
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
        cmocka_unit_test(days_are_as_all_together),
        cmocka_unit_test(new_indexes_stand_alone),
        cmocka_unit_test(bad_indexes_are_refused),
    };

    return cmocka_run_group_tests_name("dedup index", tests, NULL, teardown);
}
