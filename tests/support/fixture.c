/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "io/outdir.h"
#include "support/fixture.h"

/* Blobs with exact and near duplicates, so that every family has something to find. */
static void write_pool(void)
{
    enum { D = 12 };
    float *v = ts_blobs(FX_ROWS, D, 7, 0.3, 5, NULL);

    for (int64_t i = 20; i < FX_ROWS; i += 20) {
        memcpy(v + i * D, v + (i - 7) * D, D * sizeof *v);
        memcpy(v + (i + 1) * D, v + (i - 8) * D, D * sizeof *v);
        v[(i + 1) * D] += 1e-3f;
    }
    ts_write_npy(ts_path("pool.npy"), v, FX_ROWS, D);
    free(v);
}

static void write_corpus(void)
{
    static const char *const words[] = {"amber", "basin",  "cedar",  "delta",  "ember",  "fjord",
                                        "grove", "heath",  "inlet",  "jetty",  "knoll",  "ledge",
                                        "marsh", "nadir",  "oasis",  "plain",  "quarry", "ridge",
                                        "shoal", "tundra", "upland", "valley", "wharf",  "yard"};
    FILE *f = fopen(ts_path("corpus.jsonl"), "w");

    if (!f) fail_msg("cannot write corpus.jsonl");
    for (int i = 0; i < FX_ROWS; i++) {
        int from = i % 20 == 0 && i ? i - 7 : i; /* every twentieth text repeats an earlier one */
        fprintf(f, "{\"id\": \"doc%03d\", \"group\": \"g%d\", \"ts\": %d, \"text\": \"", i, i % 5,
                i * 7 % 100);
        for (int j = 0; j < 9; j++)
            fprintf(f, "%s%s", j ? " " : "",
                    words[wni_rand_below(11, 1, (uint64_t)(from * 9 + j), 24)]);
        fprintf(f, "\"}\n");
    }
    fclose(f);
}

/* ---- inputs beside the pool -------------------------------------------------------------------------- */

static void write_npy(const char *name, const char *descr, size_t item, const int64_t *shape,
                      int dims, const void *data)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_out *out;

    ts_ok(ctx, wni_out_begin(ctx, ts_path(name), 1, 1, &out));
    ts_ok(ctx, wni_out_npy(out, NULL, descr, item, shape, dims, data));
    ts_ok(ctx, wni_out_commit(out));
    wn_ctx_free(ctx);
}

enum { CLASSES = 4, EPOCHS = 6, SCORERS = 3, TARGET = 40, DIM = 12 };

static double unit(uint64_t stream, int64_t i)
{
    return wni_rand_unit(3, stream, (uint64_t)i);
}

/* A class per row that the blobs do not quite follow, probabilities that know it better than the labels, and
 * losses that fall faster on some rows. */
static void write_columns(void)
{
    static float probs[FX_ROWS * CLASSES], losses[FX_ROWS * EPOCHS], scorers[FX_ROWS * SCORERS];
    static float scores[FX_ROWS];
    static int32_t labels[FX_ROWS], groups[FX_ROWS];
    int64_t rows[20], quota[CLASSES], updates[150], n_updates = 0;

    for (int64_t i = 0; i < FX_ROWS; i++) {
        double sum = 0;
        labels[i] = (int32_t)(i % CLASSES);
        groups[i] = (int32_t)((i * i + i / 7) % CLASSES);
        scores[i] = (float)unit(1, i);
        for (int c = 0; c < CLASSES; c++)
            sum += probs[i * CLASSES + c] =
                (float)(0.1 + unit(2, i * CLASSES + c) + (c == labels[i] && i % 7 ? 2 : 0));
        for (int c = 0; c < CLASSES; c++)
            probs[i * CLASSES + c] = (float)(probs[i * CLASSES + c] / sum);
        for (int t = 0; t < EPOCHS; t++)
            losses[i * EPOCHS + t] =
                (float)(unit(4, i) * (EPOCHS - t) + 0.3 * unit(5, i * EPOCHS + t));
        for (int s = 0; s < SCORERS; s++)
            scorers[i * SCORERS + s] = (float)unit(6, i * SCORERS + s);
    }
    for (int i = 0; i < 20; i++)
        rows[i] = 11 * i + 3;
    for (int c = 0; c < CLASSES; c++)
        quota[c] = 5 + c;
    for (int i = 0; i < 100; i++) { /* a row comes; of every two an earlier one goes */
        updates[n_updates++] = i * 2 % FX_ROWS;
        if (i % 2) updates[n_updates++] = -(i / 2 * 2 + 1);
    }
    write_npy("labels.npy", "<i4", 4, (int64_t[]){FX_ROWS}, 1, labels);
    write_npy("groups.npy", "<i4", 4, (int64_t[]){FX_ROWS}, 1, groups);
    write_npy("target-labels.npy", "<i4", 4, (int64_t[]){TARGET}, 1, labels);
    write_npy("scores.npy", "<f4", 4, (int64_t[]){FX_ROWS}, 1, scores);
    write_npy("probs.npy", "<f4", 4, (int64_t[]){FX_ROWS, CLASSES}, 2, probs);
    write_npy("losses.npy", "<f4", 4, (int64_t[]){FX_ROWS, EPOCHS}, 2, losses);
    write_npy("scorers.npy", "<f4", 4, (int64_t[]){FX_ROWS, SCORERS}, 2, scorers);
    write_npy("rows.npy", "<i8", 8, (int64_t[]){20}, 1, rows);
    for (int i = 0; i < 20; i++)
        rows[i] = 11 * i + 7;
    write_npy("heldout.npy", "<i8", 8, (int64_t[]){20}, 1, rows);
    write_npy("updates.npy", "<i8", 8, &n_updates, 1, updates);
    write_npy("quota.npy", "<i8", 8, (int64_t[]){CLASSES}, 1, quota);
}

/* b.csv is part of a.csv, c.csv of neither. */
static void write_tables(void)
{
    static const char *const files[][2] = {
        {"tables/a.csv", "id,year,name\n1,1990,ann\n2,1991,bob\n3,1992,cid\n4,1993,dot\n"},
        {"tables/b.csv", "id,year,name\n2,1991,bob\n4,1993,dot\n"},
        {"tables/c.csv", "id,year,name\n2,1991,bea\n9,1993,dot\n"},
        {"tables/d.jsonl", "{\"id\": 3, \"name\": \"cid\"}\n"}};

    if (mkdir(ts_path("tables"), 0777)) fail_msg("cannot make the folder tables");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        ts_write_file(ts_path(files[i][0]), files[i][1], strlen(files[i][1]));
}

static void write_target(void)
{
    float *v = ts_blobs(TARGET, DIM, 3, 0.3, 5, NULL);

    ts_write_npy(ts_path("target.npy"), v, TARGET, DIM);
    free(v);
}

/* The file or folder of an input that has no file for its name: by its kind. */
static const char *file_of_kind(const char *kind)
{
    static const char *const files[][2] = {
        {"model", "model"},       {"pool", "target.npy"}, {"tree", "tree"},
        {"graph", "graph"},       {"rows", "rows.npy"},   {"labels", "labels.npy"},
        {"scores", "scores.npy"}, {"ints", "quota.npy"},  {"matrix", "losses.npy"},
        {"text", "corpus.jsonl"}, {"index", "index"},
    };

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (strncmp(kind, files[i][0], strlen(files[i][0])) == 0) return files[i][1];
    fail_msg("no fixture for an input of kind %s: add one in tests/support/fixture.c", kind);
    return NULL;
}

/* A file called like the input, else the one of its kind. */
static const char *file_of_input(const wn_family_input *input)
{
    static char name[64];
    struct stat info;

    snprintf(name, sizeof name, "%s.npy", input->name);
    if (strcmp(input->name, "pool") != 0 && stat(ts_path(name), &info) == 0) return name;
    return file_of_kind(input->kind);
}

/* Runs a method on pool.npy to make the folder that others read. */
static void make_folder(const char *family, const char *method, const char *name)
{
    const wn_method *m = wn_method_find(family, method);
    wn_ctx *ctx = ts_ctx(1, -1);
    fx_case c = {m, wn_family_find(family), "pool", "pool.npy", NULL, NULL, NULL};

    if (m) ts_ok(ctx, fx_run(ctx, &c, NULL, ts_path(name)));
    wn_ctx_free(ctx);
}

int fx_setup(void **state)
{
    (void)state;
    write_pool();
    write_corpus();
    write_columns();
    write_target();
    write_tables();
    make_folder("cluster", "hkmeans", "tree");
    make_folder("graph", "knn", "graph");
    make_folder("learn", "logistic", "model");
    make_folder("index", "flat", "index");
    return 0;
}

int fx_teardown(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

static void add(fx_case *cases, int *n, fx_case c)
{
    if (*n == FX_CASES) fail_msg("more than %d cases: raise FX_CASES", FX_CASES);
    cases[(*n)++] = c;
}

static void add_wide(fx_case *cases, int *n, fx_case c)
{
    static char words[FX_CASES][32];
    static int used;

    for (int32_t i = 0; i < c.method->n_params; i++) {
        const wn_param *p = &c.method->params[i];
        c.name = p->name;
        if (p->type == WN_P_BOOL) {
            c.value = p->def != 0 ? "0" : "1";
            add(cases, n, c);
        }
        if (p->type == WN_P_CHOICE) {
            const char *at = p->text;
            for (int word = 0; *at; word++) {
                size_t length = strcspn(at, "|");
                char *copy = words[used++ % FX_CASES];
                snprintf(copy, sizeof words[0], "%.*s", (int)length, at);
                c.value = copy;
                if (word != (int)p->def) add(cases, n, c);
                at += length + (at[length] == '|');
            }
        }
        /* Paths that defaults do not reach at this size. */
        if (strcmp(p->name, "split") == 0 || strcmp(p->name, "blocks") == 0 ||
            strcmp(p->name, "max_repeat") == 0) {
            c.value = "3";
            add(cases, n, c);
        }
        if (strcmp(p->name, "resample_steps") == 0 || strcmp(p->name, "tol") == 0) {
            c.value = "0";
            add(cases, n, c);
        }
    }
}

static void add_kind(fx_case *cases, int *n, fx_case c, int wide)
{
    add(cases, n, c);
    if (wide) add_wide(cases, n, c);
}

static const wn_family_input *positional_of(const wn_family *family)
{
    for (int32_t j = 0; j < family->n_inputs; j++)
        if (strcmp(family->inputs[j].name, "pool") == 0) return &family->inputs[j];
    return NULL;
}

int fx_cases(fx_case *cases, int wide)
{
    int n = 0;

    for (int32_t i = 0; i < wn_method_count(); i++) {
        const wn_method *method = wn_method_at(i);
        const wn_family *family = wn_family_find(method->family);
        const wn_family_input *pool;
        fx_case c = {method, family, "pool", NULL, NULL, NULL, NULL};
        char kind[64] = "";

        if (!family) fail_msg("%s has no family", method->family);
        pool = positional_of(family);
        if (pool && wn_method_takes(method, pool)) wn_method_kind(method, pool, kind, sizeof kind);
        if (!kind[0]) {
            c.main = NULL; /* everything it reads has a flag */
            add_kind(cases, &n, c, wide);
        }
        if (strstr(kind, "files")) {
            c.file = "tables";
            add_kind(cases, &n, c, wide);
        }
        if (strstr(kind, "text")) {
            c.file = "corpus.jsonl";
            add_kind(cases, &n, c, wide);
        }
        if (strstr(kind, "pool")) {
            c.file = "pool.npy";
            add_kind(cases, &n, c, wide);
            if (method->flags & WN_METHOD_OWN_METRIC) continue;
            c.metric = "cosine";
            add_kind(cases, &n, c, wide);
        }
    }
    return n;
}

int fx_alone(const fx_case *c)
{
    for (int32_t i = 0; i < c->family->n_inputs; i++)
        if (strcmp(c->family->inputs[i].name, "pool") != 0 &&
            wn_method_takes(c->method, &c->family->inputs[i]) > WN_TAKES_OPTIONAL)
            return 0;
    return 1;
}

const char *fx_text(const fx_case *c)
{
    static char text[256];

    snprintf(text, sizeof text, "%s %s %s%s%s%s%s%s%s", c->method->family, c->method->name,
             c->file ? c->file : "", c->metric ? " " : "", c->metric ? c->metric : "",
             c->name ? " " : "", c->name ? c->name : "", c->name ? "=" : "",
             c->name ? c->value : "");
    return text;
}

/* Small values for parameters whose defaults are meant for large pools. */
static const char *small_value(const wn_param *p)
{
    static const struct {
        const char *name;
        wn_param_type type;
        const char *value;
    } values[] = {{"k", WN_P_I64, "9"},
                  {"k", WN_P_LIST, "9,3"},
                  {"size", WN_P_I64, "31"},
                  {"sample", WN_P_I64, "60"},
                  {"per_source", WN_P_I64, "5"},
                  {"repeats", WN_P_I32, "1"},
                  {"batch_size", WN_P_I64, "16"},
                  {"dim", WN_P_I64, "24"},
                  {"max_iter", WN_P_I32, "6"},
                  {"resample_steps", WN_P_I32, "2"},
                  {"leaf", WN_P_I64, "16"},
                  {"list_max", WN_P_I64, "8"},
                  {"tenant_column", WN_P_TEXT, "group"},
                  {"column", WN_P_TEXT, "ts"}};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(values[i].name, p->name) == 0 && values[i].type == p->type)
            return values[i].value;
    return NULL;
}

/* Whether the value that the case sets needs this optional input. */
static int needed(const fx_case *c, const char *input)
{
    static const struct {
        const char *method, *value, *inputs; /* with a space before and behind each */
    } needs[] = {{"stratified", "top", " scores groups "},
                 {"stratified", "bottom", " scores tree "},
                 {"stratified", "band", " scores groups "},
                 {"stratified", "threshold", " scores "},
                 {"stratified", "closest", " groups "},
                 {"stratified", "farthest", " tree "},
                 {"stratified", "k-center", " groups "},
                 {"stratified", "herding", " tree "},
                 {"stratified", "facility-location", " graph groups "},
                 {"stratified", "graph-cut", " graph "},
                 {"stratified", "equal", " groups "},
                 {"stratified", "complexity", " tree "},
                 {"stratified", "target", " groups target "},
                 {"stratified", "quota", " groups quota "}};
    char word[64];

    snprintf(word, sizeof word, " %s ", input);
    for (size_t i = 0; c->name && i < sizeof needs / sizeof needs[0]; i++)
        if (strcmp(needs[i].method, c->method->name) == 0 && strcmp(needs[i].value, c->value) == 0)
            return strstr(needs[i].inputs, word) != NULL;
    return 0;
}

wn_status fx_job(wn_ctx *ctx, const fx_case *c, const char *file, const char *output, wn_job **out)
{
    wn_job *job = NULL;
    wn_status st = wn_job_new(ctx, c->method->family, c->method->name, &job);

    for (int32_t i = 0; st == WN_OK && i < c->method->n_params; i++) {
        const char *value = small_value(&c->method->params[i]);
        /* Of vectors it must be what the file says. */
        if (strcmp(c->method->params[i].name, "dim") == 0 && c->file && strstr(c->file, ".npy"))
            continue;
        if (value) st = wn_job_set(job, c->method->params[i].name, value);
    }
    if (st == WN_OK && c->name) st = wn_job_set(job, c->name, c->value);
    if (st == WN_OK && c->metric) st = wn_job_set(job, "metric", c->metric);
    if (st == WN_OK && c->main) st = wn_job_input(job, c->main, file ? file : ts_path(c->file));
    for (int32_t i = 0, one_of = 0; st == WN_OK && i < c->family->n_inputs; i++) {
        const wn_family_input *input = &c->family->inputs[i];
        wn_takes takes = wn_method_takes(c->method, input);
        if (strcmp(input->name, "pool") == 0 || takes == WN_TAKES_NOT) continue;
        if (takes == WN_TAKES_OPTIONAL && !needed(c, input->name)) continue;
        if (takes == WN_TAKES_ONE_OF && one_of++) continue;
        st = wn_job_input(job, input->name, ts_path(file_of_input(input)));
    }
    if (st == WN_OK) st = wn_job_output(job, output);
    if (st == WN_OK) {
        *out = job;
        return WN_OK;
    }
    wn_job_free(job);
    *out = NULL;
    return st;
}

wn_status fx_run(wn_ctx *ctx, const fx_case *c, const char *file, const char *output)
{
    wn_job *job;
    wn_status st = fx_job(ctx, c, file, output, &job);

    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

const char *fx_area(const char *name)
{
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/area-%s", ts_tmp(), name);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (mkdir(path, 0777)) fail_msg("cannot make %s", path);
    return path;
}

const char *fx_output(const fx_case *c, const char *area)
{
    static char paths[8][1100];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/out%s", area, c->family->output_is_file ? ".npy" : "");
    return path;
}

int fx_entries(const char *area)
{
    DIR *dir = opendir(area);
    int count = 0;

    if (!dir) fail_msg("cannot read %s", area);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) count++;
    closedir(dir);
    return count;
}

static const char *walk_from, *walk_to;
static int walk_files, walk_same;
static char difference[1024];

const char *fx_difference(void)
{
    return difference;
}

static int ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The share of work that was skipped, at any level of a tree: it is another one with the filter. */
static void drop_shares(json_t *counts)
{
    json_object_del(counts, "skipped_share");
    for (void *at = json_object_iter(counts); at; at = json_object_iter_next(counts, at))
        json_object_del(json_object_iter_value(at), "skipped_share"); /* nothing of a number */
}

/* What was counted and told belongs to the promise; times, threads, memory and skipped work do not, nor what a
 * replay says about itself. */
static int same_counts(const char *a, const char *b)
{
    json_t *m[2] = {json_load_file(a, 0, NULL), json_load_file(b, 0, NULL)};
    int same;

    for (int i = 0; i < 2; i++) {
        json_object_del(json_object_get(m[i], "counts"), "arrays_identical_to_replayed");
        drop_shares(json_object_get(m[i], "counts"));
    }
    same = json_object_get(m[0], "counts") && json_object_get(m[1], "counts") &&
           json_equal(json_object_get(m[0], "counts"), json_object_get(m[1], "counts")) &&
           json_equal(json_object_get(m[0], "warnings"), json_object_get(m[1], "warnings"));
    json_decref(m[0]);
    json_decref(m[1]);
    return same;
}

static int compare_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    char other[2048];
    size_t na = 0, nb = 0;
    char *a, *b;

    (void)st;
    (void)ftw;
    if (type != FTW_F || ends_with(path, "report.html")) return 0;
    snprintf(other, sizeof other, "%s%s", walk_to, path + strlen(walk_from));
    if (ends_with(path, "manifest.json")) {
        if (same_counts(path, other)) return 0;
        snprintf(difference, sizeof difference, "counts or warnings of %s",
                 path + strlen(walk_from));
        walk_same = 0;
        return 0;
    }
    a = ts_read_file(path, &na);
    b = ts_read_file(other, &nb);
    if (!a || !b || na != nb || memcmp(a, b, na)) {
        snprintf(difference, sizeof difference, "%s", path + strlen(walk_from));
        walk_same = 0;
    }
    walk_files++;
    free(a);
    free(b);
    return 0;
}

int fx_same(const char *a, const char *b)
{
    int files;

    walk_from = a;
    walk_to = b;
    walk_same = 1;
    walk_files = 0;
    difference[0] = 0;
    if (nftw(a, compare_one, 16, FTW_PHYS)) return 0;
    files = walk_files;
    walk_from = b;
    walk_to = a;
    walk_files = 0;
    if (nftw(b, compare_one, 16, FTW_PHYS)) return 0;
    return walk_same && files > 0 && walk_files == files;
}

static wn_status nothing(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    (void)ctx;
    (void)arg;
    (void)worker;
    (void)begin;
    (void)end;
    return WN_OK;
}

int64_t fx_warm(wn_ctx *ctx)
{
    ts_ok(ctx, wni_parallel(ctx, 1000, 1, nothing, NULL));
    return wn_ctx_live_bytes(ctx);
}

void fx_one_line(wn_ctx *ctx, const char *what)
{
    const char *text = wn_ctx_error(ctx);

    if (!*text || strchr(text, '\n') || strlen(text) > 600)
        fail_msg("%s: the error is not one line: '%s'", what, text);
}
