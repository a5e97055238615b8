/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a job: its words, its manifest read back field by field, replays that must and must not work.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include <xxhash.h>

#include "support/support.h"

enum { ROWS = 60, DIM = 4 };

static const char *pool(void)
{
    if (access(ts_path("pool.npy"), F_OK) != 0) {
        float *v = ts_blobs(ROWS, DIM, 3, 0.3, 11, NULL);
        ts_write_npy(ts_path("pool.npy"), v, ROWS, DIM);
        free(v);
    }
    return ts_path("pool.npy");
}

/* A job of k-means on `input` (NULL = none) into the scratch folder `out` (NULL = none). */
static wn_job *kmeans(wn_ctx *ctx, const char *input, const char *out)
{
    wn_job *j;

    ts_ok(ctx, wn_job_new(ctx, "cluster", "kmeans", &j));
    if (input) ts_ok(ctx, wn_job_input(j, "pool", input));
    if (out) ts_ok(ctx, wn_job_output(j, ts_path(out)));
    ts_ok(ctx, wn_job_set(j, "k", "3"));
    return j;
}

static void run_kmeans(wn_ctx *ctx, const char *input, const char *out)
{
    wn_job *j = kmeans(ctx, input, out);

    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
}

static void told(wn_ctx *ctx, wn_status found, wn_status want, const char *text)
{
    assert_int_equal(found, want);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("'%s' is not in: %s", text, wn_ctx_error(ctx));
}

/* ---- words --------------------------------------------------------------------------------------- */

static void unknown_words(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *j = (wn_job *)&ctx;

    (void)state;
    told(ctx, wn_job_new(ctx, "clustr", NULL, &j), WN_E_USAGE,
         "unknown family 'clustr'; did you mean 'cluster'?");
    assert_null(j);
    told(ctx, wn_job_new(ctx, "dedup", "semantc", &j), WN_E_USAGE,
         "unknown method 'semantc'; did you mean 'semantic'?");
    assert_null(j);
    told(ctx, wn_job_new(ctx, "select", "kmeans", &j), WN_E_USAGE, "unknown method 'kmeans'");
    assert_null(strstr(wn_ctx_error(ctx), "did you mean")); /* a method of another family */

    j = kmeans(ctx, NULL, NULL);
    told(ctx, wn_job_set(j, "max_itr", "3"), WN_E_USAGE,
         "unknown parameter 'max_itr'; did you mean 'max_iter'?");
    told(ctx, wn_job_set(j, "metrik", "l2"), WN_E_USAGE,
         "unknown parameter 'metrik'; did you mean 'metric'?");
    told(ctx, wn_job_set(j, "metric", "dot"), WN_E_USAGE,
         "metric: found 'dot', expected l2 or cosine");
    told(ctx, wn_job_set(j, "dtype", "f33"), WN_E_USAGE, "dtype: found 'f33', expected f32");
    told(ctx, wn_job_set(j, "rows", "0"), WN_E_USAGE,
         "rows: found '0', expected a whole number from 1");
    told(ctx, wn_job_set(j, "dim", "8x"), WN_E_USAGE, "dim: found '8x'");
    told(ctx, wn_job_set(j, "force", "yes"), WN_E_USAGE, "force: found 'yes', expected 0 or 1");
    told(ctx, wn_job_input(j, "pol", "a.npy"), WN_E_USAGE,
         "unknown input 'pol'; did you mean 'pool'?");
    assert_string_equal(wn_job_summary(j), "{}");
    wn_job_free(j);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void missing_words(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *j = kmeans(ctx, NULL, "missing");

    (void)state;
    told(ctx, wn_job_run(j), WN_E_USAGE, "cluster kmeans: no input; give at least one file");
    told(ctx, wn_job_plan(j, NULL), WN_E_USAGE, "cluster kmeans: no input");
    wn_job_free(j);
    j = kmeans(ctx, pool(), NULL);
    told(ctx, wn_job_run(j), WN_E_USAGE, "cluster kmeans: no output; give -o NAME");
    ts_ok(ctx, wn_job_plan(j, NULL)); /* a plan needs none */
    wn_job_free(j);
    ts_ok(ctx, wn_job_new(ctx, "select", NULL, &j));
    ts_ok(ctx, wn_job_input(j, "pool", pool()));
    ts_ok(ctx, wn_job_output(j, ts_path("missing")));
    told(ctx, wn_job_run(j), WN_E_USAGE, "no tree; give --tree");
    ts_ok(ctx, wn_job_input(j, "tree", "a"));
    ts_ok(ctx, wn_job_input(j, "tree", "b"));
    told(ctx, wn_job_run(j), WN_E_USAGE, "--tree stands 2 times, expected once");
    wn_job_free(j);
    assert_int_not_equal(access(ts_path("missing"), F_OK), 0);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- the manifest --------------------------------------------------------------------------------- */

static json_t *load(const char *path)
{
    json_error_t error;
    json_t *m = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

    if (!m) fail_msg("%s: line %d: %s", path, error.line, error.text);
    return m;
}

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    if (!text) fail_msg("no text under '%s'", key);
    return text;
}

/* "bytes" and "xxh3" are those of the file, hashed here in one piece. */
static void matches_file(const json_t *entry, const char *path)
{
    size_t bytes;
    char *data = ts_read_file(path, &bytes), hex[17];

    assert_non_null(data);
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)XXH3_64bits(data, bytes));
    assert_true(json_is_integer(json_object_get(entry, "bytes")));
    assert_int_equal(json_integer_value(json_object_get(entry, "bytes")), bytes);
    assert_string_equal(word(entry, "xxh3"), hex);
    free(data);
}

static void manifest_says_it_all(void **state)
{
    static const char *const argv[] = {"winnow", "cluster", "a b.npy", ""};
    static const char *const outputs[] = {"centers.npy", "labels.npy", "sizes.npy"};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_job *j = kmeans(ctx, pool(), "full");
    json_t *m, *params, *input, *counts, *at;

    (void)state;
    ts_ok(ctx, wn_job_set(j, "seed", "18446744073709551615")); /* more than JSON readers keep */
    ts_ok(ctx, wn_job_set(j, "tol", "0.1"));
    ts_ok(ctx, wn_job_set(j, "bounds", "false"));
    ts_ok(ctx, wn_job_set(j, "metric", "cosine"));
    ts_ok(ctx, wn_job_command(j, 4, argv));
    ts_ok(ctx, wn_job_run(j));
    m = load(ts_path("full/manifest.json"));
    assert_string_equal(word(m, "winnow"), wn_version());
    assert_string_equal(word(m, "family"), "cluster");
    assert_string_equal(word(m, "method"), "kmeans");
    assert_string_equal(word(m, "command"), "winnow cluster 'a b.npy' ''");
    assert_string_equal(word(m, "output"), ts_path("full"));
    assert_string_equal(word(m, "isa"), wn_isa_name(wn_ctx_isa(ctx)));
    assert_int_equal(json_integer_value(json_object_get(m, "threads")), 2);

    params = json_object_get(m, "params");
    assert_int_equal(json_object_size(params), wn_method_find("cluster", "kmeans")->n_params);
    assert_true(json_is_integer(json_object_get(params, "k")));
    assert_int_equal(json_integer_value(json_object_get(params, "k")), 3);
    assert_true(json_is_real(json_object_get(params, "tol")));
    assert_true(json_real_value(json_object_get(params, "tol")) == 0.1); /* every digit */
    assert_true(json_is_false(json_object_get(params, "bounds")));
    assert_string_equal(word(params, "init"), "auto");
    assert_string_equal(word(params, "seed"), "18446744073709551615");
    at = json_object_get(m, "options");
    assert_int_equal(json_object_size(at), 1);
    assert_string_equal(word(at, "metric"), "cosine");

    at = json_object_get(m, "inputs");
    assert_int_equal(json_array_size(at), 1);
    input = json_array_get(at, 0);
    assert_string_equal(word(input, "name"), "pool");
    assert_string_equal(word(input, "path"), pool());
    assert_string_equal(word(input, "absolute"), pool());
    matches_file(input, pool());

    at = json_object_get(m, "outputs");
    assert_int_equal(json_array_size(at), 3);
    for (int i = 0; i < 3; i++) {
        char path[64];
        assert_string_equal(word(json_array_get(at, (size_t)i), "name"), outputs[i]);
        snprintf(path, sizeof path, "full/%s", outputs[i]);
        matches_file(json_array_get(at, (size_t)i), ts_path(path));
    }

    counts = json_object_get(m, "counts");
    assert_int_equal(json_integer_value(json_object_get(counts, "rows")), ROWS);
    assert_int_equal(json_integer_value(json_object_get(counts, "k")), 3);
    assert_null(json_object_get(counts, "arrays_identical_to_replayed"));
    assert_true(json_is_array(json_object_get(m, "warnings")));

    at = json_loads(wn_job_summary(j), 0, NULL); /* the same counts, for the command's --json */
    assert_non_null(at);
    assert_int_equal(json_object_size(json_object_get(at, "counts")), json_object_size(counts));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(at, "counts"), "rows")),
                     ROWS);
    assert_string_equal(word(at, "method"), "kmeans");
    assert_true(json_is_array(json_object_get(at, "warnings")));
    json_decref(at);
    json_decref(m);
    wn_job_free(j);
    wn_ctx_free(ctx);
}

/* A file has no room for a manifest in it: it lies beside. */
static void file_has_a_companion(void **state)
{
    static const char lines[] =
        "{\"t\": \"one two\"}\n{\"t\": \"three four\"}\n{\"t\": \"five\"}\n";
    wn_ctx *ctx = ts_ctx(1, -1);
    json_t *m, *outputs;
    wn_job *j;

    (void)state;
    ts_write_file(ts_path("t.jsonl"), lines, sizeof lines - 1);
    ts_ok(ctx, wn_job_new(ctx, "vectorize", NULL, &j));
    ts_ok(ctx, wn_job_input(j, "pool", ts_path("t.jsonl")));
    ts_ok(ctx, wn_job_output(j, ts_path("v.npy")));
    ts_ok(ctx, wn_job_set(j, "dim", "32"));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    m = load(ts_path("v.npy.manifest.json"));
    assert_string_equal(word(m, "family"), "vectorize");
    assert_string_equal(word(m, "method"), "lexical");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(m, "counts"), "rows")), 3);
    matches_file(json_array_get(json_object_get(m, "inputs"), 0), ts_path("t.jsonl"));
    outputs = json_object_get(m, "outputs");
    assert_int_equal(json_array_size(outputs), 1);
    assert_string_equal(word(json_array_get(outputs, 0), "name"), "data");
    matches_file(json_array_get(outputs, 0), ts_path("v.npy"));
    assert_int_not_equal(access(ts_path("v.npy.table.sqlite"), F_OK), 0); /* scratch */
    json_decref(m);
    wn_ctx_free(ctx);
}

/* ---- replays -------------------------------------------------------------------------------------- */

static wn_status replay(wn_ctx *ctx, const char *manifest, const char *out)
{
    wn_job *j;
    wn_status st = wn_job_load(ctx, ts_path(manifest), &j);

    if (st != WN_OK) {
        assert_null(j);
        return st;
    }
    ts_ok(ctx, wn_job_output(j, ts_path(out)));
    st = wn_job_run(j);
    if (st != WN_OK) assert_string_equal(wn_job_summary(j), "{}");
    wn_job_free(j);
    return st;
}

static void replay_counts_what_is_the_same(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    json_t *m;
    wn_job *j;

    (void)state;
    run_kmeans(ctx, pool(), "once");
    ts_ok(ctx, wn_job_load(ctx, ts_path("once/manifest.json"), &j));
    told(ctx, wn_job_run(j), WN_E_USAGE, "no output"); /* never over the first one */
    wn_job_free(j);
    ts_ok(ctx, replay(ctx, "once/manifest.json", "twice"));
    assert_true(ts_same_tree(ts_path("once"), ts_path("twice")));
    m = load(ts_path("twice/manifest.json"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(m, "counts"),
                                                        "arrays_identical_to_replayed")),
                     3);
    json_decref(m);
    wn_ctx_free(ctx);
}

/* One bit other is refused, put right it runs again, and no file at all is refused too. */
static void replay_of_another_input(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    size_t bytes;
    char *data = ts_read_file(pool(), &bytes), path[1024];

    (void)state;
    snprintf(path, sizeof path, "%s", ts_path("moving.npy"));
    ts_write_file(path, data, bytes);
    run_kmeans(ctx, path, "before");
    data[bytes - 2] ^= 1;
    ts_write_file(path, data, bytes);
    told(ctx, replay(ctx, "before/manifest.json", "after"), WN_E_DATA, path);
    assert_non_null(strstr(wn_ctx_error(ctx), "the input changed, so run the command anew"));
    assert_int_not_equal(access(ts_path("after"), F_OK), 0);
    data[bytes - 2] ^= 1;
    ts_write_file(path, data, bytes);
    ts_ok(ctx, replay(ctx, "before/manifest.json", "after"));
    assert_int_equal(remove(path), 0);
    assert_int_not_equal(replay(ctx, "before/manifest.json", "gone"), WN_OK);
    assert_non_null(strstr(wn_ctx_error(ctx), path));
    assert_int_not_equal(access(ts_path("gone"), F_OK), 0);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    free(data);
    wn_ctx_free(ctx);
}

/* A copy of hash/manifest.json with another hash of labels.npy and, if given, another version. */
static void write_edited(const char *name, const char *version)
{
    json_t *m = load(ts_path("hash/manifest.json"));
    json_t *labels = json_array_get(json_object_get(m, "outputs"), 1);

    assert_string_equal(word(labels, "name"), "labels.npy");
    json_object_set_new(labels, "xxh3", json_string("0123456789abcdef"));
    if (version) json_object_set_new(m, "winnow", json_string(version));
    assert_int_equal(json_dump_file(m, ts_path(name), 0), 0);
    json_decref(m);
}

/* The same version must repeat its bytes; another one may differ and says where. */
static void replay_that_differs(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    json_t *m, *warnings;

    (void)state;
    run_kmeans(ctx, pool(), "hash");
    write_edited("edited.json", NULL);
    told(ctx, replay(ctx, "edited.json", "differs"), WN_E_INTERNAL,
         "the replayed manifest says 0123456789abcdef");
    assert_int_equal(strncmp(wn_ctx_error(ctx), "labels.npy: ", 12), 0);
    assert_int_not_equal(access(ts_path("differs"), F_OK), 0);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);

    write_edited("older.json", "0.0.1");
    ts_ok(ctx, replay(ctx, "older.json", "newer"));
    m = load(ts_path("newer/manifest.json"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(m, "counts"),
                                                        "arrays_identical_to_replayed")),
                     2);
    warnings = json_object_get(m, "warnings");
    assert_int_equal(json_array_size(warnings), 1);
    assert_string_equal(json_string_value(json_array_get(warnings, 0)),
                        "labels.npy differs from the replayed run, which another version made");
    json_decref(m);
    wn_ctx_free(ctx);
}

static void what_is_no_manifest(void **state)
{
    static const struct {
        const char *text, *want;
        wn_status st;
    } bad[] = {
        {"", "bad.json: line 1: not JSON", WN_E_DATA},
        {"{\n\"winnow\": }", "bad.json: line 2: not JSON", WN_E_DATA},
        {"{\"winnow\": \"1\", \"winnow\": \"2\"}", "not JSON", WN_E_DATA},
        {"[]", "bad.json: not a manifest of winnow", WN_E_DATA},
        {"{\"name\": \"page\", \"family\": \"cluster\", \"method\": \"kmeans\"}",
         "not a manifest of winnow", WN_E_DATA},
        {"{\"winnow\": \"1\", \"family\": \"cluster\"}", "not a manifest of winnow", WN_E_DATA},
        {"{\"winnow\": \"1\", \"family\": \"cluster\", \"method\": \"kmeans\","
         " \"params\": {\"k\": [3]}}",
         "the manifest's value of 'k' is not a number or text", WN_E_DATA},
        {"{\"winnow\": \"1\", \"family\": \"cluster\", \"method\": \"kmeans\","
         " \"inputs\": [{\"name\": \"pool\", \"path\": \"a.npy\"}]}",
         "the manifest's input 0 has no name, path or xxh3", WN_E_DATA},
        {"{\"winnow\": \"1\", \"family\": \"cluster\", \"method\": \"kmeanz\"}",
         "did you mean 'kmeans'?", WN_E_USAGE},
    };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *j;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ts_write_file(ts_path("bad.json"), bad[i].text, strlen(bad[i].text));
        told(ctx, wn_job_load(ctx, ts_path("bad.json"), &j), bad[i].st, bad[i].want);
        assert_null(j);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    }
    told(ctx, wn_job_load(ctx, ts_path("none.json"), &j), WN_E_DATA,
         "none.json: there is no such file");
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
        cmocka_unit_test(unknown_words),
        cmocka_unit_test(missing_words),
        cmocka_unit_test(manifest_says_it_all),
        cmocka_unit_test(file_has_a_companion),
        cmocka_unit_test(replay_counts_what_is_the_same),
        cmocka_unit_test(replay_of_another_input),
        cmocka_unit_test(replay_that_differs),
        cmocka_unit_test(what_is_no_manifest),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
