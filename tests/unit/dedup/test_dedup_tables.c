/* SPDX-License-Identifier: Apache-2.0
 *
 * dedup tables against comparing every row with every row, and on folders made by hand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/support.h"
#include "base/ctx_impl.h"
#include "base/rng.h"
#include "pool/decimal.h"
#include "winnow/job.h"

static char *containment, *suggestions, *listing;

static int make_folder(void **state)
{
    (void)state;
    assert_int_equal(mkdir(ts_path("lake"), 0777), 0);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    free(containment);
    free(suggestions);
    free(listing);
    containment = suggestions = listing = NULL;
    ts_tmp_remove();
    return 0;
}

static void put(const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "lake/%s", name);
    ts_write_file(ts_path(path), text, strlen(text));
}

/* settings: "compare=set equal=number" */
static wn_status run_job(wn_ctx *ctx, const char *settings)
{
    char copy[256], *save = NULL;
    wn_job *job;
    wn_status st = WN_OK;

    snprintf(copy, sizeof copy, "%s", settings);
    ts_ok(ctx, wn_job_new(ctx, "dedup", "tables", &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("lake")));
    ts_ok(ctx, wn_job_output(job, ts_path("out")));
    ts_ok(ctx, wn_job_set(job, "force", "1"));
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');
        *value = 0;
        ts_ok(ctx, wn_job_set(job, word, value + 1));
    }
    st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static void run(wn_ctx *ctx, const char *settings)
{
    size_t bytes;

    ts_ok(ctx, run_job(ctx, settings));
    free(containment);
    free(suggestions);
    free(listing);
    containment = ts_read_file(ts_path("out/containment.csv"), &bytes);
    suggestions = ts_read_file(ts_path("out/suggestions.csv"), &bytes);
    listing = ts_read_file(ts_path("out/tables.csv"), &bytes);
    assert_non_null(containment);
    assert_non_null(suggestions);
    assert_non_null(listing);
}

static void is_containment(const char *lines)
{
    char text[4096];

    snprintf(text, sizeof text,
             "child,parent,child_rows,parent_rows,contained_rows,share,exact\n%s", lines);
    assert_string_equal(containment, text);
}

static void is_suggestions(const char *lines)
{
    char text[4096];

    snprintf(text, sizeof text, "delete,rebuild_from,how,bytes\n%s", lines);
    assert_string_equal(suggestions, text);
}

/* ---- by hand ------------------------------------------------------------------------------------- */

#define PEOPLE "id,year,name\n1,1990,ann\n2,1991,bob\n3,1992,\n4,1993,\"d, e\"\n"

static void parts_are_found(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    put("people.csv", PEOPLE);
    put("rows.csv", "id,year,name\n3,1992,\n2,1991,bob\n");
    put("columns.tsv", "name\tid\nann\t1\nbob\t2\n\t3\nd, e\t4\n"); /* in another order */
    put("both.jsonl", "{\"name\": \"d, e\", \"id\": 4}\n{\"id\": 3}\n");
    put("one.csv", "year\n1993\n1990\n");
    put("other.csv", "id,year,name\n1,1991,bob\n4,1992,ann\n"); /* values and ranges, not rows */
    put("wider.csv", "id,year,name,more\n1,1990,ann,9\n");
    put("readme.txt", "no table");
    run(ctx, "");
    is_containment("both.jsonl,columns.tsv,2,4,2,1,1\n"
                   "both.jsonl,people.csv,2,4,2,1,1\n"
                   "columns.tsv,people.csv,4,4,4,1,1\n"
                   "one.csv,people.csv,2,4,2,1,1\n"
                   "rows.csv,people.csv,2,4,2,1,1\n");
    /* By way of columns.tsv too, which goes itself. */
    is_suggestions("both.jsonl,people.csv,rows of columns,36\n"
                   "columns.tsv,people.csv,columns,30\n"
                   "one.csv,people.csv,rows of columns,15\n"
                   "rows.csv,people.csv,rows,32\n");
    assert_non_null(strstr(listing, "name,rows,columns,bytes\nboth.jsonl,2,2,36\n"));
    assert_non_null(strstr(listing, "\nwider.csv,1,4,"));
    assert_null(strstr(listing, "readme"));
    wn_ctx_free(ctx);
}

static void of_equal_tables_the_first_stays(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    put("c.csv", "b,a\nx,1\ny,2\n");
    put("b.jsonl", "{\"a\": 2, \"b\": \"y\"}\n{\"a\": 1, \"b\": \"x\"}\n");
    put("a.csv", "a,b\n1,x\n2,y\n");
    run(ctx, "");
    is_containment("a.csv,b.jsonl,2,2,2,1,1\na.csv,c.csv,2,2,2,1,1\n"
                   "b.jsonl,a.csv,2,2,2,1,1\nb.jsonl,c.csv,2,2,2,1,1\n"
                   "c.csv,a.csv,2,2,2,1,1\nc.csv,b.jsonl,2,2,2,1,1\n");
    is_suggestions("b.jsonl,a.csv,copy,38\nc.csv,a.csv,copy,12\n");
    put("whole.csv", "a,b\n1,x\n2,y\n3,z\n"); /* then none of them does */
    run(ctx, "");
    is_suggestions("a.csv,whole.csv,rows,12\nb.jsonl,whole.csv,rows,38\nc.csv,whole.csv,rows,12\n");
    wn_ctx_free(ctx);
}

static void repeated_rows_count_or_not(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    put("once.csv", "a\n1\n2\n3\n");
    put("twice.csv", "a\n2\n1\n1\n");
    run(ctx, "");
    is_containment("");
    is_suggestions("");
    run(ctx, "min_containment=0.6");
    is_containment("once.csv,twice.csv,3,3,2,0.666666667,0\n"
                   "twice.csv,once.csv,3,3,2,0.666666667,0\n");
    is_suggestions("");
    run(ctx, "compare=set");
    is_containment("twice.csv,once.csv,3,3,3,1,1\n");
    is_suggestions("twice.csv,once.csv,rows,8\n");
    wn_ctx_free(ctx);
}

static void what_counts_as_equal(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    /* Alike as written: a number and its text, null and nothing, true and its word. */
    put("a.csv", "n,t,w\n1,,true\n2.5,\"\",x\n");
    put("b.jsonl", "{\"n\": \"1\", \"w\": true}\n{\"n\": 2.5, \"t\": \"\", \"w\": \"x\"}\n");
    run(ctx, "");
    assert_non_null(strstr(containment, "a.csv,b.jsonl,2,2,2,1,1\nb.jsonl,a.csv,2,2,2,1,1\n"));
    /* Null is not the empty text. */
    put("b.jsonl", "{\"n\": 1, \"t\": \"\", \"w\": true}\n{\"n\": 2.5, \"w\": \"x\"}\n");
    run(ctx, "");
    is_containment("");
    /* The same number written in other ways; 01 is a text. */
    put("a.csv", "n\n1.0\n-0\n0.5\n100\n");
    put("b.jsonl", "{\"n\": 1}\n{\"n\": 0}\n{\"n\": 5e-1}\n{\"n\": 1e2}\n{\"n\": \"01\"}\n");
    run(ctx, "");
    is_containment("");
    run(ctx, "equal=number");
    is_containment("a.csv,b.jsonl,4,5,4,1,1\n");
    put("a.csv", "n\n1\n01\n01\n");
    run(ctx, "equal=number min_containment=0.5");
    assert_non_null(strstr(containment, "a.csv,b.jsonl,3,5,2,0.666666667,0\n"));
    wn_ctx_free(ctx);
}

static void empty_tables_stay(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    size_t bytes;
    char *manifest;

    (void)state;
    put("a.csv", "a,b\n1,2\n");
    put("head.csv", "a,b\n");
    put("nothing.csv", "");
    put("nothing.jsonl", "");
    put("bare.jsonl", "{}\n{}\n");
    run(ctx, "min_containment=0.01");
    is_containment("");
    is_suggestions("");
    manifest = ts_read_file(ts_path("out/manifest.json"), &bytes);
    assert_non_null(strstr(manifest, "tables without rows (4)"));
    free(manifest);
    wn_ctx_free(ctx);
}

/* A name that is a link, or a second name of a file, must not send its file away. */
static void one_file_is_one_table(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    put("b.csv", "a\n1\n");
    assert_int_equal(link(ts_path("lake/b.csv"), ts_path("lake/c.csv")), 0);
    assert_int_equal(symlink("b.csv", ts_path("lake/a.csv")), 0);
    assert_int_equal(symlink(".", ts_path("lake/again")), 0);
    assert_int_equal(mkdir(ts_path("lake/sub"), 0777), 0);
    put("sub/x.csv", "a\n1\n");
    run(ctx, "");
    is_suggestions("sub/x.csv,b.csv,copy,4\n");
    assert_string_equal(listing, "name,rows,columns,bytes\nb.csv,1,1,4\nsub/x.csv,1,1,4\n");
    wn_ctx_free(ctx);
}

static void bad_input_is_named(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    assert_int_equal(run_job(ctx, ""), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no tables: expected files called .csv"));
    put("a.csv", "a,b\n1,2\n");
    put("b.csv", "a,b\n1,2\n1\n");
    assert_int_equal(run_job(ctx, ""), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "lake/b.csv line 3: 1 field, expected 2"));
    put("b.csv", "a,b\n1,\xff\n");
    assert_int_equal(run_job(ctx, ""), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "lake/b.csv line 2"));
    assert_int_not_equal(access(ts_path("out"), F_OK), 0);
    wn_ctx_free(ctx);
}

static void replay_sees_a_changed_table(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *job;

    (void)state;
    put("a.csv", "a\n1\n2\n");
    put("b.csv", "a\n1\n");
    run(ctx, "");
    ts_ok(ctx, wn_job_load(ctx, ts_path("out/manifest.json"), &job));
    ts_ok(ctx, wn_job_output(job, ts_path("again")));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    put("b.csv", "a\n3\n"); /* as many bytes */
    ts_ok(ctx, wn_job_load(ctx, ts_path("out/manifest.json"), &job));
    ts_ok(ctx, wn_job_output(job, ts_path("third")));
    assert_int_equal(wn_job_run(job), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "the input changed"));
    wn_job_free(job);
    wn_ctx_free(ctx);
}

/* ---- in little memory ---------------------------------------------------------------------------- */

static void rows_that_do_not_fit(void **state)
{
    enum { N = 60000 };
    wn_ctx *ctx = ts_ctx(2, -1);
    char *text = malloc(N * 8), *at = text, *roomy;

    (void)state;
    at += sprintf(at, "a\n");
    for (int i = 0; i < N; i++)
        at += sprintf(at, "%d\n", i % 50000);
    put("a.csv", text);
    for (char *line = text; line < at; line += 1 + strcspn(line, "\n"))
        if (*line == '7') *line = '8';
    put("b.csv", text);
    run(ctx, "min_containment=0.1 sample=10");
    roomy = strdup(containment);
    assert_non_null(strstr(roomy, "a.csv,b.csv,60000,60000,"));
    ctx->budget_bytes = 2 << 20;
    run(ctx, "min_containment=0.1 sample=10");
    assert_string_equal(containment, roomy);
    ctx->budget_bytes = 1 << 20;
    assert_int_equal(run_job(ctx, ""), WN_E_BUDGET);
    free(roomy);
    free(text);
    wn_ctx_free(ctx);
}

/* ---- against the slow twin ----------------------------------------------------------------------- */

enum { TABLES = 9, ROWS = 24, COLUMNS = 4, BASE = 16 };

/* A value: 0 = null, 1..6 = numbers, each in two writings, 7.. = texts. */
typedef struct made_table {
    int columns, column[COLUMNS], rows, value[ROWS][COLUMNS]; /* by column number, not place */
    int json;
} made_table;

static uint64_t seed, drawn;

static int below(int n)
{
    return (int)wni_rand_below(seed, 1, drawn++, n);
}

static const char *const writings[] = {"", "1", "1.0", "2", "20e-1", "3", "0.3e1", "x", "y"};

static int same(int a, int b, int by_number)
{
    return by_number && a >= 1 && a <= 6 && b >= 1 ? (a + 1) / 2 == (b + 1) / 2 : a == b;
}

static void write_made(const made_table *m, const char *name)
{
    static char text[ROWS * COLUMNS * 24 + 100];
    char *at = text;

    for (int c = 0; c < m->columns && !m->json; c++)
        at += sprintf(at, "%s%c", c ? "," : "", 'a' + m->column[c]);
    if (!m->json) *at++ = '\n';
    for (int r = 0; r < m->rows; r++) {
        if (m->json) *at++ = '{';
        for (int c = 0; c < m->columns; c++) {
            int v = m->value[r][m->column[c]];
            const char *quote = v >= 7 ? "\"" : "";
            if (m->json)
                at += sprintf(at, "%s\"%c\": %s%s%s", c ? ", " : "", 'a' + m->column[c], quote,
                              v ? writings[v] : "null", quote);
            else
                at += sprintf(at, "%s%s", c ? "," : "", writings[v]);
        }
        at += sprintf(at, m->json ? "}\n" : "\n");
    }
    *at = 0;
    put(name, text);
}

static int same_row(const made_table *child, const int *a, const int *b, int by_number)
{
    for (int c = 0; c < child->columns; c++)
        if (!same(a[child->column[c]], b[child->column[c]], by_number)) return 0;
    return 1;
}

/* Rows of the child that the parent holds, -1 when it lacks a column. */
static int twin(const made_table *child, const made_table *parent, int set, int by_number)
{
    int used[ROWS] = {0}, held = 0;

    for (int c = 0; c < child->columns; c++) {
        int found = 0;
        for (int p = 0; p < parent->columns; p++)
            found |= parent->column[p] == child->column[c];
        if (!found) return -1;
    }
    for (int r = 0; r < child->rows; r++)
        for (int s = 0; s < parent->rows; s++) {
            if (used[s] || !same_row(child, child->value[r], parent->value[s], by_number)) continue;
            used[s] = !set;
            held++;
            break;
        }
    return held;
}

/* Parts of one base table, with and without rows of their own. */
static void make_tables(made_table *m)
{
    int base[BASE][COLUMNS];

    for (int r = 0; r < BASE; r++)
        for (int c = 0; c < COLUMNS; c++)
            base[r][c] = below(9);
    for (int i = 0; i < TABLES; i++) {
        int first = below(COLUMNS), whole = below(3) == 0, own = below(2) ? below(4) : 0;

        m[i].json = below(2);
        m[i].columns = whole ? COLUMNS : 1 + below(COLUMNS);
        for (int c = 0; c < m[i].columns; c++)
            m[i].column[c] = (first + (m[i].json ? c : COLUMNS - c)) % COLUMNS;
        m[i].rows = whole ? BASE + below(ROWS - BASE + 1) : 1 + below(6);
        if (m[i].columns == 1) /* a CSV line without a byte is no row */
            m[i].json = 1;
        for (int r = 0; r < m[i].rows; r++)
            for (int c = 0; c < COLUMNS; c++)
                m[i].value[r][c] =
                    r < own ? below(9) : base[whole ? r % BASE : (r * 5 + i) % BASE][c];
    }
}

static void like_every_row_with_every_row(void **state)
{
    static const char *const settings[] = {"",
                                           "sample=0",
                                           "sample=1",
                                           "compare=set",
                                           "equal=number",
                                           "compare=set equal=number sample=2",
                                           "min_containment=0.5",
                                           "min_containment=0.5 compare=set sample=3",
                                           "min_containment=0.3 equal=number"};
    int found = 0, near = 0;

    (void)state;
    for (seed = 0; seed < 12; seed++) {
        wn_ctx *ctx = ts_ctx(1 + (int)seed % 3, -1);
        made_table m[TABLES];
        char name[TABLES][24], want[8192], *at;

        drawn = 0;
        make_tables(m);
        for (int i = 0; i < TABLES; i++) {
            snprintf(name[i], sizeof name[i], "t%d.%s", i, m[i].json ? "jsonl" : "csv");
            write_made(&m[i], name[i]);
        }
        for (size_t s = 0; s < sizeof settings / sizeof settings[0]; s++) {
            const char *least = strstr(settings[s], "min_containment=");
            double share = least ? strtod(least + 16, NULL) : 1;

            at = want;
            *at = 0;
            for (int c = 0; c < TABLES; c++)
                for (int p = 0; p < TABLES; p++) {
                    int held = c == p ? -1
                                      : twin(&m[c], &m[p], strstr(settings[s], "set") != NULL,
                                             strstr(settings[s], "number") != NULL);
                    if (held < 0 || held < share * m[c].rows) continue;
                    at += sprintf(at, "%s,%s,%d,%d,%d,%.9g,%d\n", name[c], name[p], m[c].rows,
                                  m[p].rows, held, (double)held / m[c].rows, held == m[c].rows);
                    found += held == m[c].rows;
                    near += held < m[c].rows;
                }
            run(ctx, settings[s]);
            is_containment(want);
        }
        for (int i = 0; i < TABLES; i++) {
            char path[300];
            snprintf(path, sizeof path, "lake/%s", name[i]);
            remove(ts_path(path));
        }
        wn_ctx_free(ctx);
    }
    assert_true(found > 200 && near > 50);
}

static void numbers_have_one_form(void **state)
{
    static const char *const cases[][2] = {
        {"1500", "15e2"},    {"1.5e+3", "15e2"}, {"-0", "0"},       {"0.000e9", "0"},
        {"-1.50", "-15e-1"}, {"10", "1e1"},      {"0.001", "1e-3"}, {"1E2", "1e2"},
        {"007", ""},         {"+1", ""},         {".5", ""},        {"5.", ""},
        {"1e", ""},          {"1e1234567", ""},  {"", ""},          {"-", ""},
        {"nan", ""},         {"1 ", ""},         {"0x10", ""},      {"--1", ""}};
    char buf[WNI_DECIMAL_BYTES];
    double real;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t bytes = wni_decimal(cases[i][0], (int64_t)strlen(cases[i][0]), buf, &real);
        assert_int_equal(bytes, strlen(cases[i][1]));
        if (bytes) assert_string_equal(buf, cases[i][1]);
        if (bytes) assert_true(real == strtod(cases[i][0], NULL));
    }
}

int main(void)
{
#define ON_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_one_form),
        ON_FOLDER(parts_are_found),
        ON_FOLDER(of_equal_tables_the_first_stays),
        ON_FOLDER(repeated_rows_count_or_not),
        ON_FOLDER(what_counts_as_equal),
        ON_FOLDER(empty_tables_stay),
        ON_FOLDER(one_file_is_one_table),
        ON_FOLDER(bad_input_is_named),
        ON_FOLDER(replay_sees_a_changed_table),
        ON_FOLDER(rows_that_do_not_fit),
        ON_FOLDER(like_every_row_with_every_row),
    };

    return cmocka_run_group_tests_name("dedup_tables", tests, NULL, NULL);
}
