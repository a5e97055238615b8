/* SPDX-License-Identifier: Apache-2.0
 *
 * Damaged indexes of every kind: a flipped byte, a cut file, a missing one is an error in one line or does not
 * matter; arrays whose checksums are right but whose numbers are not never make a search read where it must not.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 400, D = 16, Q = 12, K = 5, FLIPS = 160, WHOLE = 3000, FILES = 64 };

static float *rows, *questions;

/* Kinds that need nothing but rows, with the codes that they take. */
typedef struct kind {
    const char *method, *code;
} kind;

static const char *const codes[] = {"f32", "f16", "i8", "pq", "rq"};

static int list_kinds(wn_ctx *ctx, kind *v)
{
    int n = 0;

    for (int32_t i = 0; i < wn_method_count(); i++) {
        const wn_method *m = wn_method_at(i);
        if (strcmp(m->family, "index") != 0 || !m->ops || !m->inputs ||
            strcmp(m->inputs, "pool table?") != 0)
            continue;
        for (size_t c = 0; c < sizeof codes / sizeof codes[0]; c++) {
            void *params = malloc(m->params_bytes);
            wn_params_init(m, params);
            if (wn_params_set(ctx, m, params, "code", codes[c]) == WN_OK)
                v[n++] = (kind){m->name, codes[c]};
            free(params);
        }
    }
    return n;
}

/* Into folder (in memory) or, when that is NULL, to `path`. */
static void make(wn_ctx *ctx, const kind *k, wn_folder *folder, const char *path)
{
    wn_pool *pool;
    wn_job *job;

    ts_ok(ctx, wn_pool_wrap(ctx, rows, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_job_new(ctx, "index", k->method, &job));
    ts_ok(ctx, wn_job_input_pool(job, "pool", pool));
    ts_ok(ctx, wn_job_set(job, "code", k->code));
    if (folder)
        ts_ok(ctx, wn_job_output_folder(job, folder));
    else
        ts_ok(ctx, wn_job_output(job, path));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    wn_pool_free(pool);
}

/* Opens and searches; NULL and a line of error when that fails. */
static wn_hits *ask(wn_ctx *ctx, const char *path)
{
    wn_index_query query = {.struct_size = sizeof query, .k = K, .recall = 1};
    wn_index *index;
    wn_pool *pool;
    wn_hits *hits = NULL;

    if (wn_index_open(ctx, path, &index) == WN_OK) {
        ts_ok(ctx, wn_pool_wrap(ctx, questions, Q, D, WN_F32, WN_L2, &pool));
        query.queries = pool;
        if (wn_index_search(ctx, index, &query, &hits) != WN_OK) hits = NULL;
        wn_pool_free(pool);
        wn_index_free(index);
    }
    if (!hits) {
        const char *text = wn_ctx_error(ctx);
        if (!text[0] || strchr(text, '\n') || strlen(text) > 600)
            fail_msg("%s: not one line: '%s'", path, text);
    }
    return hits;
}

static void same_or_refused(wn_ctx *ctx, const char *dir, const wn_hits *truth, const char *what)
{
    wn_hits *hits = ask(ctx, dir);

    if (!hits) return;
    if (memcmp(hits->indices, truth->indices, sizeof(int64_t) * Q * K) != 0 ||
        memcmp(hits->distances, truth->distances, sizeof(float) * Q * K) != 0)
        fail_msg("%s: other answers and no error", what);
    wn_hits_free(hits);
}

/* Files below dir that searching may read, without the manifest. */
static int list_files(const char *dir, char (*v)[1024], int n)
{
    struct dirent *entry;
    DIR *d = opendir(dir);

    while (d && (entry = readdir(d))) {
        struct stat info;
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "manifest.json") == 0 || n == FILES)
            continue;
        snprintf(v[n], sizeof v[n], "%s/%.200s", dir, entry->d_name);
        if (stat(v[n], &info) == 0 && S_ISDIR(info.st_mode)) {
            char below[1024];
            snprintf(below, sizeof below, "%s", v[n]);
            n = list_files(below, v, n);
        } else {
            n++;
        }
    }
    if (d) closedir(d);
    return n;
}

static void damage_file(wn_ctx *ctx, const char *dir, const char *file, const wn_hits *truth,
                        const kind *k)
{
    const size_t cuts[] = {0, 1, 63, 64, 127, 128};
    char what[1200];
    size_t bytes;
    unsigned char *data = ts_read_file(file, &bytes);

    snprintf(what, sizeof what, "%.20s %.20s: %.1000s", k->method, k->code, file);
    for (size_t i = 0; i < (bytes < WHOLE ? bytes : FLIPS); i++) {
        const size_t at = bytes < WHOLE ? i : (size_t)wni_rand_below(1, 2, i, bytes);
        const unsigned char flip = (unsigned char)(1u << (i % 8));
        data[at] ^= flip;
        ts_write_file(file, data, bytes);
        same_or_refused(ctx, dir, truth, what);
        data[at] ^= flip;
    }
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0] + 2; i++) {
        const size_t cut = i < 6 ? cuts[i] : i == 6 ? bytes / 2 : bytes - 1;
        wn_hits *hits;
        if (cut >= bytes) continue;
        ts_write_file(file, data, cut);
        if ((hits = ask(ctx, dir))) fail_msg("%s: cut to %zu bytes and no error", what, cut);
    }
    unlink(file);
    if (ask(ctx, dir)) fail_msg("%s: missing and no error", what);
    ts_write_file(file, data, bytes);
    free(data);
}

static void test_files(void **state)
{
    static char files[FILES][1024];
    wn_ctx *ctx = ts_ctx(1, -1);
    kind kinds[64];
    int n = list_kinds(ctx, kinds);

    (void)state;
    assert_true(n >= 4);
    for (int i = 0; i < n; i++) {
        char dir[1024];
        wn_hits *truth;
        int m;

        snprintf(dir, sizeof dir, "%s-%s.wni", ts_path(kinds[i].method), kinds[i].code);
        make(ctx, &kinds[i], NULL, dir);
        truth = ask(ctx, dir);
        assert_non_null(truth);
        m = list_files(dir, files, 0);
        assert_true(m >= 2);
        for (int f = 0; f < m; f++)
            damage_file(ctx, dir, files[f], truth, &kinds[i]);
        wn_hits_free(truth);
    }
    wn_ctx_free(ctx);
}

/* In memory there are no checksums to stop it: wrong numbers reach what opens the kind. */
static void test_numbers(void **state)
{
    static const uint64_t wrong[] = {0,
                                     1,
                                     N - 1,
                                     N,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0x7fffffffffffffff,
                                     0x8000000000000000,
                                     0xffffffffffffffff,
                                     0x7f800000,
                                     0x7fc00000};
    wn_ctx *ctx = ts_ctx(1, -1);
    kind kinds[64];
    int n = list_kinds(ctx, kinds);

    (void)state;
    for (int i = 0; i < n; i++) {
        wn_folder *folder;
        wn_hits *hits;

        ts_ok(ctx, wn_folder_new(ctx, &folder));
        make(ctx, &kinds[i], folder, NULL);
        for (int32_t a = 0; a < wn_folder_count(folder); a++) {
            const wn_folder_item *item = wn_folder_at(folder, a);
            unsigned char *data = (unsigned char *)(uintptr_t)item->data;
            const int64_t width = item->descr ? strtoll(item->descr + 2, NULL, 10) : 0;

            if (width < 1 || strstr(item->name, "rows.npy") || item->bytes == 0) continue;
            for (uint64_t t = 0; t < 60; t++) {
                const int64_t count = item->bytes / width;
                const int64_t at =
                    t < 4 ? (t & 1 ? count - 1 : 0)
                          : (int64_t)wni_rand_below(3, (uint64_t)a, t, (uint64_t)count);
                unsigned char before[16];

                if (width > 8) continue;
                memcpy(before, data + at * width, (size_t)width);
                memcpy(data + at * width, &wrong[t % 12], (size_t)width);
                if ((hits = ask(ctx, wn_folder_path(folder)))) {
                    for (int64_t h = 0; h < Q * K; h++)
                        assert_true(hits->indices[h] >= -1 && hits->indices[h] < N);
                    wn_hits_free(hits);
                }
                memcpy(data + at * width, before, (size_t)width);
            }
        }
        wn_folder_free(folder);
    }
    wn_ctx_free(ctx);
}

/* A newer format says so, whatever else it holds. */
static void test_newer(void **state)
{
    static const char newer[] = "{\"format\": \"winnow index\", \"version\": 99}";
    static const char other[] = "{\"format\": \"another\", \"version\": 1}";
    wn_ctx *ctx = ts_ctx(1, -1);
    const kind flat = {"flat", "f32"};
    char path[1024];
    wn_index *index;

    (void)state;
    make(ctx, &flat, NULL, ts_path("newer.wni"));
    snprintf(path, sizeof path, "%s/index.json", ts_path("newer.wni"));
    ts_write_file(path, newer, strlen(newer));
    assert_int_equal(wn_index_open(ctx, ts_path("newer.wni"), &index), WN_E_DATA);
    if (!strstr(wn_ctx_error(ctx), "version 99")) fail_msg("%s", wn_ctx_error(ctx));
    ts_write_file(path, other, strlen(other));
    assert_int_equal(wn_index_open(ctx, ts_path("newer.wni"), &index), WN_E_DATA);
    if (!strstr(wn_ctx_error(ctx), "not the index.json of a winnow index"))
        fail_msg("%s", wn_ctx_error(ctx));
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files), cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_newer)};
    int failed;

    rows = ts_blobs(N, D, 8, 0.4, 1, NULL);
    questions = ts_blobs(Q, D, 8, 0.4, 2, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(rows);
    free(questions);
    ts_tmp_remove();
    return failed;
}
