/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables from JSONL, CSV and TSV: values, types, ids, and each way a file can be wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>
#include <zlib.h>

#include "base/ctx_impl.h"
#include "pool/text_column.h"
#include "support/support.h"

/* ---- helpers ----------------------------------------------------------------------------------- */

static const char *write_text(const char *name, const char *text)
{
    const char *path = ts_path(name);

    ts_write_file(path, text, strlen(text));
    return path;
}

static wn_status build(wn_ctx *ctx, const char *path, const char *id, const char *text,
                       wn_table **table)
{
    wn_table_options opt;

    wn_table_options_init(&opt);
    opt.id = id;
    opt.text = text;
    return wn_table_build(ctx, &path, 1, ":memory:", &opt, table);
}

/* A table of the text; fails the test when it cannot be made. */
static wn_table *make(wn_ctx *ctx, const char *name, const char *text, const char *id)
{
    wn_table *table;

    ts_ok(ctx, build(ctx, write_text(name, text), id, NULL, &table));
    return table;
}

/* `text` in a file `name` must be refused with all of the parts in the one line of the error. */
static void refuse(const char *name, const char *text, const char *id, const char *text_column,
                   const char *part, const char *part2)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    const char *path = write_text(name, text);
    wn_table *table = NULL;
    wn_status st = build(ctx, path, id, text_column, &table);

    if (st != WN_E_DATA || !strstr(wn_ctx_error(ctx), part) || !strstr(wn_ctx_error(ctx), part2) ||
        !strstr(wn_ctx_error(ctx), path))
        fail_msg("%s: got %s \"%s\", expected \"%s\" and \"%s\"", text, wn_status_name(st),
                 wn_ctx_error(ctx), part, part2);
    assert_null(table);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void expect_cell(wn_ctx *ctx, wn_table *table, int64_t row, const char *column,
                        const char *value)
{
    const char *text;
    int32_t at = wn_table_column_find(table, column);

    if (at < 0) fail_msg("no column %s", column);
    ts_ok(ctx, wn_table_text(table, row, at, &text));
    if ((!value) != (!text) || (value && strcmp(value, text) != 0))
        fail_msg("row %d %s: got '%s', expected '%s'", (int)row, column, text ? text : "(null)",
                 value ? value : "(null)");
}

static void expect_columns(const wn_table *table, const char *expected)
{
    char got[1000] = "";

    for (int32_t i = 0; i < wn_table_columns(table); i++) {
        if (i) strcat(got, " ");
        strcat(strcat(strcat(got, wn_table_column_name(table, i)), ":"),
               wn_table_column_type(table, i));
    }
    assert_string_equal(got, expected);
}

/* ---- values ------------------------------------------------------------------------------------ */

static void test_jsonl(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_table *t = make(
        ctx, "a.jsonl",
        "\xef\xbb\xbf{\"id\": \"x\", \"n\": 1, \"gloss\": \"caf\\u00e9 \\\"au\\\" lait\"}\n"
        "  \r\n"
        "{\"gloss\":\"b\",\"n\":2.5,\"deep\" : {\"k\": [1, 0.1, \"}\\\"]\"] }, \"id\":\"y\"}\r\n"
        "{\"id\": \"z\", \"n\": -9223372036854775808, \"flag\": true, \"mix\": 1.50}\n"
        "{}\n"
        "{\"flag\":false,\"mix\":\"t\",\"deep\":[],\"none\":null}\n"
        "{\"mix\": true , \"big\": 1e300}",
        NULL);

    (void)state;
    assert_int_equal(wn_table_rows(t), 6);
    expect_columns(t, "id:TEXT n:TEXT gloss:TEXT deep:TEXT flag:INTEGER mix:TEXT none:TEXT "
                      "big:REAL");
    expect_cell(ctx, t, 0, "gloss", "caf\xc3\xa9 \"au\" lait");
    expect_cell(ctx, t, 0, "n", "1");
    expect_cell(ctx, t, 0, "deep", NULL);
    expect_cell(ctx, t, 1, "n", "2.5");
    expect_cell(ctx, t, 1, "deep", "{\"k\": [1, 0.1, \"}\\\"]\"] }");
    expect_cell(ctx, t, 1, "id", "y");
    expect_cell(ctx, t, 2, "flag", "1");
    expect_cell(ctx, t, 2, "mix", "1.50");
    expect_cell(ctx, t, 3, "id", NULL);
    expect_cell(ctx, t, 4, "flag", "0");
    expect_cell(ctx, t, 4, "mix", "t");
    expect_cell(ctx, t, 4, "deep", "[]");
    expect_cell(ctx, t, 4, "none", NULL);
    expect_cell(ctx, t, 5, "mix", "true");
    expect_cell(ctx, t, 5, "big", "1.0e+300");
    assert_null(wn_table_id_column(t));
    wn_table_free(t);

    t = make(ctx, "int.ndjson", "{\"a\":9007199254740993}\n{\"a\":-1}\n", NULL);
    expect_columns(t, "a:INTEGER");
    expect_cell(ctx, t, 0, "a", "9007199254740993");
    wn_table_free(t);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void test_csv(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_table *t = make(ctx, "a.csv",
                       "\xef\xbb\xbfid,text,n,x,zip,\"od,d\"\r\n"
                       "1,\"He said \"\"hi\"\",\r\nthen left\",5,0.5,01234,\r\n"
                       "\r\n"
                       "2,5\" pipe,-7,3,99999,\"\"\r\n"
                       "3,,,1e3,12,\" \"",
                       NULL);

    (void)state;
    assert_int_equal(wn_table_rows(t), 3);
    expect_columns(t, "id:INTEGER text:TEXT n:INTEGER x:TEXT zip:TEXT od,d:TEXT");
    expect_cell(ctx, t, 0, "text", "He said \"hi\",\r\nthen left");
    expect_cell(ctx, t, 0, "x", "0.5");
    expect_cell(ctx, t, 0, "zip", "01234");
    expect_cell(ctx, t, 0, "od,d", NULL);
    expect_cell(ctx, t, 1, "text", "5\" pipe");
    expect_cell(ctx, t, 1, "n", "-7");
    expect_cell(ctx, t, 1, "x", "3");
    expect_cell(ctx, t, 1, "zip", "99999");
    expect_cell(ctx, t, 1, "od,d", "");
    expect_cell(ctx, t, 2, "text", NULL);
    expect_cell(ctx, t, 2, "x", "1e3");
    expect_cell(ctx, t, 2, "od,d", " ");
    wn_table_free(t);

    t = make(ctx, "b.csv", "a\n18446744073709551615\n7\n-0\n", NULL); /* not to be changed */
    expect_columns(t, "a:TEXT");
    expect_cell(ctx, t, 0, "a", "18446744073709551615");
    expect_cell(ctx, t, 1, "a", "7");
    expect_cell(ctx, t, 2, "a", "-0");
    wn_table_free(t);

    t = make(ctx, "a.tsv",
             "a\tb\tc\n\"quoted \"\"so\"\"\"\t\"bare\" quote\t5\"\n\t\"\t\"\"\r\n\"a\"b\"\t1\t2\n",
             NULL);
    expect_cell(ctx, t, 0, "a", "quoted \"so\"");
    expect_cell(ctx, t, 0, "b", "\"bare\" quote");
    expect_cell(ctx, t, 0, "c", "5\"");
    expect_cell(ctx, t, 1, "a", NULL);
    expect_cell(ctx, t, 1, "b", "\"");
    expect_cell(ctx, t, 1, "c", "");
    expect_cell(ctx, t, 2, "a", "\"a\"b\"");
    wn_table_free(t);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Fields of every shape, written by the rules and read back. */
/* A column that REAL would change becomes TEXT; one that it keeps stays REAL. */
static void test_no_value_changes_its_form(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t;

    (void)state;
    t = make(ctx, "exact.jsonl",
             "{\"a\": 9007199254740993, \"b\": 9007199254740992, \"c\": 9007199254740993}\n"
             "{\"a\": 0.5, \"b\": 0.5, \"c\": 1}\n",
             NULL);
    expect_columns(t, "a:TEXT b:REAL c:INTEGER");
    expect_cell(ctx, t, 0, "a", "9007199254740993");
    expect_cell(ctx, t, 1, "a", "0.5");
    wn_table_free(t);
    t = make(ctx, "exact.csv", "a,b,c\n1.1,1.5,9007199254740993\n1.10,-2.25,2.5\n", NULL);
    expect_columns(t, "a:TEXT b:REAL c:TEXT");
    expect_cell(ctx, t, 0, "a", "1.1");
    expect_cell(ctx, t, 1, "a", "1.10");
    expect_cell(ctx, t, 1, "b", "-2.25");
    expect_cell(ctx, t, 0, "c", "9007199254740993");
    wn_table_free(t);
    wn_ctx_free(ctx);
}

static void test_text_by_name(void **state)
{
    static const char *const text[] = {"a.jsonl", "A.CSV", "a.tsv.GZ", "b/a.ndjson.zst", "a.b.csv"};
    static const char *const other[] = {"a.npy", ".csv", ".jsonl.gz", "a.json", "a.csv.gz.gz",
                                        "csv",   "",     "a.csv.npz", ".gz"};

    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        if (!wn_table_is_text_path(text[i])) fail_msg("%s is text", text[i]);
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        if (wn_table_is_text_path(other[i])) fail_msg("'%s' is no text", other[i]);
}

static void test_csv_round_trip(void **state)
{
    static const char piece[] = {'a', '"', ',', '\n', '\r', ' '};
    char *file = malloc(1 << 20), want[400][8];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t;
    size_t at = (size_t)sprintf(file, "f,g\n");

    (void)state;
    for (int i = 0; i < 400; i++) {
        int length = i % 7;
        unsigned code = (unsigned)i * 2654435u;

        for (int j = 0; j < length; j++, code /= 6)
            want[i][j] = piece[code % 6];
        want[i][length] = 0;
        file[at++] = '"';
        for (const char *p = want[i]; *p; p++) {
            if (*p == '"') file[at++] = '"';
            file[at++] = *p;
        }
        at += (size_t)sprintf(file + at, "\",%d\n", i);
    }
    ts_write_file(ts_path("r.csv"), file, at);
    ts_ok(ctx, build(ctx, ts_path("r.csv"), NULL, NULL, &t));
    assert_int_equal(wn_table_rows(t), 400);
    for (int i = 0; i < 400; i++) {
        char number[16];

        sprintf(number, "%d", i);
        expect_cell(ctx, t, i, "f", want[i]);
        expect_cell(ctx, t, i, "g", number);
    }
    wn_table_free(t);
    wn_ctx_free(ctx);
    free(file);
}

static wn_status count_rows(void *user, int64_t row, const char *text)
{
    int64_t *seen = user;

    if (row != seen[0]++) return WN_E_INTERNAL;
    if (!text) seen[1]++;
    return row == seen[2] ? WN_E_USAGE : WN_OK;
}

static void test_many_files(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    const char *patterns[2];
    char pattern[1024], tsv[1024], where[1200];
    wn_table *t;
    int64_t seen[3] = {0, 0, -1};
    gzFile gz;

    (void)state;
    write_text("part_b.jsonl", "{\"b\": 2}\n\n");
    write_text("part_a.jsonl", "{\"a\": \"x\"}\n{\"a\": null}\n");
    gz = gzopen(ts_path("part_c.jsonl.gz"), "wb");
    gzputs(gz, "{\"a\": \"zipped\"}");
    gzclose(gz);
    strcpy(pattern, ts_path("part_*.jsonl*"));
    strcpy(tsv, write_text("last.tsv", "c\ta\n1\t2\n"));
    patterns[0] = pattern;
    patterns[1] = tsv;
    ts_ok(ctx, wn_table_build(ctx, patterns, 2, ":memory:", NULL, &t));
    assert_int_equal(wn_table_rows(t), 5);
    expect_columns(t, "a:TEXT b:INTEGER c:INTEGER");
    expect_cell(ctx, t, 0, "a", "x");
    expect_cell(ctx, t, 2, "b", "2");
    expect_cell(ctx, t, 3, "a", "zipped");
    expect_cell(ctx, t, 4, "a", "2");
    assert_non_null(
        strstr(wni_table_where(t, 0, where, sizeof where), "/part_a.jsonl line 1 (row 0)"));
    assert_non_null(
        strstr(wni_table_where(t, 1, where, sizeof where), "/part_a.jsonl line 2 (row 1)"));
    assert_non_null(
        strstr(wni_table_where(t, 2, where, sizeof where), "/part_b.jsonl line 1 (row 2)"));
    assert_non_null(strstr(wni_table_where(t, 4, where, sizeof where), "/last.tsv line 2 (row 4)"));
    ts_ok(ctx, wn_table_scan(t, 0, count_rows, seen));
    assert_int_equal(seen[0], 5);
    assert_int_equal(seen[1], 2);
    seen[0] = 0;
    seen[2] = 3; /* what the function returns stops the scan */
    assert_int_equal(wn_table_scan(t, 0, count_rows, seen), WN_E_USAGE);
    assert_int_equal(seen[0], 4);
    assert_int_equal(wn_table_scan(t, 3, count_rows, seen), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "column 3, the table has 3"));
    wn_table_free(t);
    wn_ctx_free(ctx);
}

/* ---- the database ------------------------------------------------------------------------------ */

static void test_open_again(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    char source[1024], db[1024], again[1024];
    const char *path = source, *text;
    wn_table_options opt;
    wn_table *t;
    size_t na, nb;
    char *a, *b;
    int64_t row;

    (void)state;
    strcpy(source,
           write_text("d.jsonl", "{\"id\": 7, \"odd \\\"name\\\"\": \"v\"}\n{\"id\": \"q\"}\n"));
    strcpy(db, ts_path("d.sqlite"));
    strcpy(again, ts_path("e.sqlite"));
    wn_table_options_init(&opt);
    opt.id = "id";
    ts_ok(ctx, wn_table_build(ctx, &path, 1, db, &opt, &t));
    wn_table_free(t);
    ts_ok(ctx, wn_table_build(ctx, &path, 1, again, &opt, &t));
    wn_table_free(t);
    a = ts_read_file(db, &na);
    b = ts_read_file(again, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na); /* same files, same bytes */
    free(a);
    free(b);

    ts_ok(ctx, wn_table_open(ctx, db, &t));
    assert_int_equal(wn_table_rows(t), 2);
    expect_columns(t, "id:TEXT odd \"name\":TEXT");
    assert_string_equal(wn_table_id_column(t), "id");
    expect_cell(ctx, t, 0, "odd \"name\"", "v");
    ts_ok(ctx, wn_table_find_id(t, "7", &row));
    assert_int_equal(row, 0);
    ts_ok(ctx, wn_table_find_id(t, "q", &row));
    assert_int_equal(row, 1);
    assert_int_equal(wn_table_find_id(t, "8", &row), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no row has the id '8'"));
    assert_int_equal(wn_table_text(t, 2, 0, &text), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "rows 0 to 1"));
    wn_table_free(t);

    assert_int_equal(wn_table_build(ctx, &path, 1, db, &opt, &t), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "exists already"));
    ts_ok(ctx, wn_table_open(ctx, db, &t)); /* and was left alone */
    wn_table_free(t);
    assert_int_equal(wn_table_open(ctx, source, &t), WN_E_DATA);
    assert_int_equal(wn_table_open(ctx, ts_path("absent.sqlite"), &t), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "cannot open"));
    assert_int_equal(wn_table_build(ctx, &path, 1, "/absent/x.sqlite", &opt, &t), WN_E_IO);
    wn_ctx_free(ctx);
}

static void test_foreign_database(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    const char *path = ts_path("foreign.sqlite");
    sqlite3 *db;
    wn_table *t;

    (void)state;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_exec(db, "CREATE TABLE rows(a)", NULL, NULL, NULL);
    assert_int_equal(wn_table_open(ctx, path, &t), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "not a table that winnow made"));
    sqlite3_exec(db, "PRAGMA application_id=2003719234", NULL, NULL, NULL);
    assert_int_equal(wn_table_open(ctx, path, &t), WN_E_DATA);
    sqlite3_exec(db, "CREATE TABLE _meta(key, value)", NULL, NULL, NULL);
    assert_int_equal(wn_table_open(ctx, path, &t), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "not finished"));
    sqlite3_exec(db, "INSERT INTO _meta VALUES('rows', 0)", NULL, NULL, NULL);
    assert_int_equal(wn_table_open(ctx, path, &t), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "_files"));
    sqlite3_close(db);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void test_ids(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    const char *paths[2];
    char first[1024];
    wn_table_options opt;
    wn_table *t;
    int64_t row;
    size_t bytes;

    (void)state;
    t = make(ctx, "i.csv", "k,v\n3,a\n1,b\n2,c\n", "k");
    ts_ok(ctx, wn_table_find_id(t, "1", &row));
    assert_int_equal(row, 1);
    wn_table_free(t);
    t = make(ctx, "r.csv", "k,v\n1.50,a\n1.5,b\n", "k"); /* numbers with a point are names here */
    ts_ok(ctx, wn_table_find_id(t, "1.5", &row));
    assert_int_equal(row, 1);
    assert_int_equal(wn_table_find_id(t, "1.500", &row), WN_E_DATA);
    wn_table_free(t);

    refuse("i.jsonl",
           "{\"i\":\"a\"}\n\n{\"i\":\"b\"}\n{\"i\":\"c\"}\n{\"i\":\"b\"}\n{\"i\":\"a\"}\n", "i",
           NULL, "line 5: its i repeats that of line 3", "unique");
    refuse("i.jsonl", "{\"i\":12}\n{\"i\":\"12\"}\n", "i", NULL, "line 2: its i repeats", "line 1");
    refuse("i.csv", "i,t\n1,\"a\nb\"\n2,x\n1,y\n", "i", NULL, "line 5: its i repeats", "line 2");
    refuse("i.jsonl", "{\"i\":1}\n{\"i\":null}\n", "i", NULL, "line 2: the id 'i' is null", "text");
    refuse("i.jsonl", "{\"i\":1}\n{\"i\":[1]}\n", "i", NULL, "line 2: the id 'i' is an array", "");
    refuse("i.jsonl", "{\"i\":1.5}\n", "i", NULL, "line 1: the id 'i' is a number", "integer");
    refuse("i.jsonl", "{\"ident\":1}\n", "idents", NULL, "no field 'idents'", "'ident'?");

    strcpy(first, write_text("one.csv", "i\na\nb\n"));
    paths[0] = first;
    paths[1] = write_text("two.csv", "i\nc\n\nb\n");
    wn_table_options_init(&opt);
    opt.id = "i";
    assert_int_equal(wn_table_build(ctx, paths, 2, ts_path("dup.sqlite"), &opt, &t), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "two.csv line 4: its i repeats that of "));
    assert_non_null(strstr(wn_ctx_error(ctx), "one.csv line 3"));
    /* What was begun is not left behind. */
    assert_null(ts_read_file(ts_path("dup.sqlite"), &bytes));
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- bad input --------------------------------------------------------------------------------- */

static void test_bad_json(void **state)
{
    (void)state;
    refuse("x.jsonl", "{\"a\":1}\n\n{\"a\":}\n", NULL, NULL, "line 3: broken JSON", "near '}'");
    refuse("x.jsonl", "{\"a\":1} trailing\n", NULL, NULL, "line 1: broken JSON", "trailing");
    refuse("x.jsonl", "[\n{\"a\":1}\n]\n", NULL, NULL, "line 1: broken JSON", "jq -c");
    refuse("x.jsonl", "{\"a\":1}\n[1,2]\n", NULL, NULL, "line 2: an array where", "object");
    refuse("x.jsonl", "\"text\"\n", NULL, NULL, "line 1: a string where", "object");
    refuse("x.jsonl", "{\"a\":NaN}\n", NULL, NULL, "line 1: broken JSON", "write null");
    refuse("x.jsonl", "{\"a\":18446744073709551615}\n", NULL, NULL, "line 1: broken JSON",
           "as a string");
    refuse("x.jsonl", "{\"a\":1,\"a\":2}\n", NULL, NULL, "line 1: broken JSON", "duplicate");
    refuse("x.jsonl", "{\"a\":\"\\u0000\"}\n", NULL, NULL, "line 1: broken JSON", "u0000");
    refuse("x.jsonl", "{\"a\":1}\n{\"A\":1}\n", NULL, NULL, "line 2: fields 'a' and 'A'", "case");
    refuse("x.jsonl", "{\"_ROW\":1}\n", NULL, NULL, "line 1: the field name '_ROW'", "rename");
    refuse("x.jsonl", "{\"\":1}\n", NULL, NULL, "line 1: a field without a name", "");
    refuse("x.jsonl", "{\"a\":\"\xff\"}\n", NULL, NULL, "line 1: byte 7 (0xff)", "UTF-8");
    refuse("x.jsonl", "", NULL, NULL, "no rows", "empty");
    refuse("x.jsonl", "\n \n", NULL, NULL, "no rows", "empty");
    refuse("x.jsonl", "{\"gloss\":\"a\"}\n{\"word\":\"b\"}\n", NULL, "gloss",
           "line 2: no field 'gloss'", "earlier rows have");
    refuse("x.jsonl", "{\"gloss\":\"a\"}\n", NULL, "glos", "line 1: no field 'glos'", "'gloss'?");
    refuse("x.jsonl", "{\"id\":1,\"gloss\":\"a\"}\n", NULL, "text", "line 1: no field 'text'",
           "the fields are id, gloss");
    refuse("x.jsonl", "{\"gloss\":5}\n", NULL, "gloss", "line 1: field 'gloss' is a number",
           "text");
    refuse("x.jsonl", "{\"gloss\":{}}\n", NULL, "gloss", "'gloss' is an object", "text");
    refuse("x.jsonl", "{\"gloss\":null}\n", NULL, "gloss", "'gloss' is null", "text");
    refuse("x.json", "{}", NULL, NULL, "does not tell the format", "jq -c");
    refuse("x.txt", "{}", NULL, NULL, "does not tell the format", ".jsonl");
}

static void test_bad_csv(void **state)
{
    (void)state;
    refuse("x.csv", "a,b\n1,2\n\n3\n", NULL, NULL, "line 4: 1 field, expected 2", "header");
    refuse("x.csv", "a,b\n1,2,3\n", NULL, NULL, "line 2: 3 fields, expected 2", "header");
    refuse("x.tsv", "a\tb\n1\n", NULL, NULL, "line 2: 1 field, expected 2", "header");
    refuse("x.csv", "a,b\n1,\"x\n\n2,y\n", NULL, NULL, "line 2: field 2 opens a quote",
           "never ends");
    refuse("x.csv", "a,b\n1,\"x\ny\"z\n", NULL, NULL, "line 3: text after the closing quote",
           "field 2");
    refuse("x.csv", "a,b,a\n1,2,3\n", NULL, NULL, "fields 1 and 3 of the header", "'a'");
    refuse("x.csv", "a,,c\n1,2,3\n", NULL, NULL, "line 1: a field without a name", "");
    refuse("x.csv", "a,b\n", NULL, NULL, "no rows", "header");
    refuse("x.csv", "", NULL, NULL, "no rows", "empty");
    refuse("x.csv", "gloss,b\nx,2\n,2\n", NULL, "gloss", "line 3: field 'gloss' is null", "text");
    refuse("x.csv", "a,b\n1,\xe9\n", NULL, NULL, "line 2: byte 3 (0xe9)", "UTF-8");
}

static void test_too_many_columns(void **state)
{
    char *text = malloc(100000);
    size_t at = 0;

    (void)state;
    for (int i = 0; i <= 1900; i++)
        at += (size_t)sprintf(text + at, "{\"key%d\": 1}\n", i);
    refuse("x.jsonl", text, NULL, NULL, "line 1901: more than 1900 different", "nest");
    free(text);
}

static void test_numeric_text_of_csv(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t;

    (void)state;
    ts_ok(ctx, build(ctx, write_text("n.csv", "a,b\n1,2\n"), NULL, "b", &t));
    expect_columns(t, "a:INTEGER b:TEXT");
    expect_cell(ctx, t, 0, "b", "2");
    wn_table_free(t);
    wn_ctx_free(ctx);
}

static void test_text_column(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t =
        make(ctx, "c.jsonl", "{\"n\":1,\"body\":\"x\",\"gloss\":\"y\",\"content\":\"z\"}", NULL);
    int32_t column;

    (void)state;
    ts_ok(ctx, wni_text_column(ctx, t, "", &column));
    assert_int_equal(column, 3);
    ts_ok(ctx, wni_text_column(ctx, t, "gloss", &column));
    assert_int_equal(column, 2);
    assert_int_equal(wni_text_column(ctx, t, "glos", &column), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "did you mean 'gloss'?"));
    assert_int_equal(wni_text_column(ctx, t, "something", &column), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "the text columns are: body, gloss, content"));
    assert_int_equal(wni_text_column(ctx, t, "n", &column), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "holds INTEGER values"));
    wn_table_free(t);
    t = make(ctx, "c.jsonl", "{\"id\":\"q\",\"n\":1,\"gloss\":\"y\"}", "id");
    ts_ok(ctx, wni_text_column(ctx, t, NULL, &column));
    assert_int_equal(column, 2);
    wn_table_free(t);
    t = make(ctx, "c.jsonl", "{\"a\":\"q\",\"text\":1,\"gloss\":\"y\"}", NULL);
    assert_int_equal(wni_text_column(ctx, t, "", &column), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "several columns hold text"));
    assert_non_null(strstr(wn_ctx_error(ctx), "a, gloss"));
    wn_table_free(t);
    t = make(ctx, "c.jsonl", "{\"a\":1}", NULL);
    assert_int_equal(wni_text_column(ctx, t, "", &column), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no column holds text"));
    wn_table_free(t);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- failures of the machine ------------------------------------------------------------------- */

static void test_allocation_failures(void **state)
{
    static const char *const files[] = {"f.jsonl", "f.csv", "f.tsv"};

    (void)state;
    write_text("f.jsonl", "{\"id\":1,\"t\":\"a\",\"d\":{\"x\":1}}\n{\"id\":2,\"t\":\"b\"}\n");
    write_text("f.csv", "id,t\n1,\"a\nb\"\n2,c\n");
    write_text("f.tsv", "id\tt\n1\ta\n2\tc\n");
    for (int f = 0; f < 3; f++) {
        for (int64_t i = 0;; i++) {
            ts_alloc alloc = {0, i, 0};
            wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
            wn_table *t;
            const char *text;
            wn_status st = build(ctx, ts_path(files[f]), "id", "t", &t);

            if (st == WN_OK) {
                st = wn_table_text(t, 1, 1, &text);
                wn_table_free(t);
            }
            assert_int_equal(wn_ctx_live_bytes(ctx), 0);
            wn_ctx_free(ctx);
            if (st == WN_OK) {
                assert_true(i > 10);
                break;
            }
            assert_int_equal(st, WN_E_NOMEM);
        }
    }
}

static int stop_at(void *user)
{
    int *left = user;

    return (*left)-- <= 0;
}

static void test_cancel(void **state)
{
    const char *path = write_text("s.jsonl", "{\"id\":1,\"t\":\"a\"}\n{\"id\":2,\"t\":\"b\"}\n");
    int stopped = 0;

    (void)state;
    for (int polls = 0; polls < 100; polls++) {
        int left = polls;
        wn_ctx_options opt;
        wn_ctx *ctx;
        wn_table *t;
        wn_status st;

        wn_ctx_options_init(&opt);
        opt.threads = 1;
        opt.user = &left;
        opt.cancel = stop_at;
        assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
        ctx->poll_ns = 0;
        st = build(ctx, path, "id", NULL, &t);
        if (st == WN_OK) wn_table_free(t);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
        if (st == WN_OK) break;
        assert_int_equal(st, WN_E_CANCELLED);
        stopped++;
    }
    assert_true(stopped >= 2 && stopped < 100);
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
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_round_trip),
        cmocka_unit_test(test_text_by_name),
        cmocka_unit_test(test_no_value_changes_its_form),
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_open_again),
        cmocka_unit_test(test_foreign_database),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_bad_csv),
        cmocka_unit_test(test_too_many_columns),
        cmocka_unit_test(test_numeric_text_of_csv),
        cmocka_unit_test(test_text_column),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
