/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind window: windows against an exact scan of the rows in them, through the life of an index; bounds against the
 * SQL of another kind; equal rows, rows without a number; what is refused, damaged arrays, memory that runs out.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "index/index_build.h"
#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 6000, MORE = 2000, D = 64, K = 10, Q = 8, GONE = 100, GROUPS = 13 };

static float *rows, *questions;

/* ---- the table ---------------------------------------------------------------------------------------- */

static int has_number(int64_t i)
{
    return i % 50 != 7;
}
/* Whole numbers, each several times, some below zero. */
static int64_t whole_of(int64_t i)
{
    return (int64_t)wni_rand_below(5, 1, (uint64_t)i, 1500) - 200;
}
/* With as many digits as a double has. */
static double real_of(int64_t i)
{
    return wni_rand_unit(5, 2, (uint64_t)i) * 1e9;
}

static void write_table(const char *name, int64_t from, int64_t n)
{
    FILE *f = fopen(ts_path(name), "w");

    if (!f) fail_msg("cannot write %s", name);
    for (int64_t i = from; i < from + n; i++) {
        fprintf(f, "{\"group\": %d, \"word\": \"w%d\"", (int)(i % GROUPS), (int)(i % 3));
        fprintf(f, ", \"time\": %.17g", real_of(i));
        if (has_number(i)) fprintf(f, ", \"ts\": %lld", (long long)whole_of(i));
        fprintf(f, "}\n");
    }
    fclose(f);
}

static wn_status run(wn_ctx *ctx, const char *method, const char *pool, const char *table,
                     const char *index, const char *const *params, const char *out)
{
    wn_job *job;
    wn_status st = wn_job_new(ctx, "index", method, &job);

    if (st == WN_OK && index) st = wn_job_input(job, "index", ts_path(index));
    if (st == WN_OK && pool)
        st = wn_job_input(job, strstr(pool, "gone") ? "rows" : "pool", ts_path(pool));
    if (st == WN_OK && table) st = wn_job_input(job, "table", ts_path(table));
    for (; st == WN_OK && params && *params; params += 2)
        st = wn_job_set(job, params[0], params[1]);
    if (st == WN_OK && out) st = wn_job_output(job, ts_path(out));
    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static wn_status search(wn_ctx *ctx, const wn_index *index, const wn_index_query *asked,
                        wn_metric m, wn_hits **hits)
{
    wn_index_query query = *asked;
    wn_pool *pool;
    wn_status st;

    ts_ok(ctx, wn_pool_wrap(ctx, questions, Q, D, WN_F32, m, &pool));
    query.struct_size = sizeof query;
    query.queries = pool;
    query.k = K;
    st = wn_index_search(ctx, index, &query, hits);
    wn_pool_free(pool);
    return st;
}

static void fails(wn_ctx *ctx, wn_status st, wn_status expected, const char *text)
{
    assert_int_equal(st, expected);
    if (!strstr(wn_ctx_error(ctx), text) || strchr(wn_ctx_error(ctx), '\n'))
        fail_msg("found the error '%s', expected '%s' in it", wn_ctx_error(ctx), text);
}

/* ---- the twin ----------------------------------------------------------------------------------------- */

typedef struct asked {
    const char *where, *window;
    int64_t low, high; /* of ts; low > high: the window is on group */
} asked;

static const asked asks[] = {
    {NULL, "ts:-200:1300", -200, 1300},      {NULL, "ts:-1e3:5e3", -1000, 5000},
    {NULL, "ts:100:900", 100, 900},          {NULL, "ts:99.5:900.5", 100, 900},
    {NULL, "ts:640:660", 640, 660},          {NULL, "ts:540:560", 540, 560},
    {NULL, "ts:300:300", 300, 300},          {NULL, "ts:900:100", 900, 100},
    {NULL, "ts:-200:100", -200, 100},        {NULL, "ts:1000:1300", 1000, 1300},
    {NULL, "ts:400:1000", 400, 1000},        {"\"group\" < 6", "ts:0:1000", 0, 1000},
    {"\"group\" = 3", "ts:0:1000", 0, 1000}, {"ts is null", NULL, 1, 0},
    {"\"group\" < 12", NULL, 1, 0},
};

static int matches(const asked *a, int64_t i)
{
    const int64_t ts = whole_of(i);

    if (a->where && strstr(a->where, "null")) return !has_number(i);
    if (a->where && strstr(a->where, "< 6") && i % GROUPS >= 6) return 0;
    if (a->where && strstr(a->where, "= 3") && i % GROUPS != 3) return 0;
    if (a->where && strstr(a->where, "< 12") && i % GROUPS >= 12) return 0;
    return !a->window || (has_number(i) && ts >= a->low && ts <= a->high);
}

static double distance(const float *a, const float *b, int cosine)
{
    double sum = 0, aa = 0, bb = 0;

    for (int j = 0; j < D; j++) {
        sum += cosine ? (double)a[j] * b[j] : ((double)a[j] - b[j]) * ((double)a[j] - b[j]);
        aa += (double)a[j] * a[j];
        bb += (double)b[j] * b[j];
    }
    return cosine ? 1 - sum / sqrt(aa * bb) : sqrt(sum);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Every hit matches, is alive and there once, in the right order, with its true distance; as many as there are. Returns
 * the recall. */
static double check(const wn_hits *hits, const asked *a, const float *v, int64_t n,
                    const uint8_t *gone)
{
    double *all = malloc((size_t)n * sizeof *all);
    int64_t good = 0, possible = 0, m = 0;

    for (int64_t i = 0; i < n; i++)
        m += matches(a, i) && !gone[i];
    assert_int_equal(hits->report.matching, m);
    for (int64_t q = 0; q < Q; q++) {
        const int64_t count = hits->counts[q];
        double reach;

        m = 0;
        for (int64_t i = 0; i < n; i++)
            if (matches(a, i) && !gone[i])
                all[m++] = distance(questions + q * D, v + i * D, hits->metric == WN_COSINE);
        qsort(all, (size_t)m, sizeof *all, by_size);
        assert_int_equal(count, m < K ? m : K);
        reach = count ? all[count - 1] * (1 + 1e-5) + 1e-6 : 0;
        possible += count;
        for (int64_t j = 0; j < K; j++) {
            const int64_t id = hits->indices[q * K + j];
            const double far = hits->distances[q * K + j];

            if (j >= count) {
                assert_int_equal(id, -1);
                continue;
            }
            assert_true(id >= 0 && id < n && !gone[id] && matches(a, id));
            assert_true(fabs(far - distance(questions + q * D, v + id * D,
                                            hits->metric == WN_COSINE)) < 1e-4);
            assert_true(j == 0 || far >= hits->distances[q * K + j - 1]);
            for (int64_t other = 0; other < j; other++)
                assert_int_not_equal(hits->indices[q * K + other], id);
            good += far <= reach;
        }
    }
    free(all);
    return possible ? (double)good / (double)possible : 1;
}

/* Everything that is asked, at the default effort and at one that looks at all. */
static void check_all(wn_ctx *ctx, const char *name, const float *v, int64_t n, const uint8_t *gone,
                      wn_metric metric)
{
    double sum = 0;
    wn_index *index;
    int walks = 0;

    ts_ok(ctx, wn_index_open(ctx, ts_path(name), &index));
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        wn_index_query query = {.recall = 0.95, .where = asks[i].where, .window = asks[i].window};
        double recall;
        wn_hits *hits;

        ts_ok(ctx, search(ctx, index, &query, metric, &hits));
        sum += recall = check(hits, &asks[i], v, n, gone);
        if (recall < 0.85)
            fail_msg("%s: %s %s: recall %g", name, asks[i].window ? asks[i].window : "",
                     asks[i].where ? asks[i].where : "", recall);
        walks += hits->report.visited > 0;
        wn_hits_free(hits);
        query.effort = n;
        ts_ok(ctx, search(ctx, index, &query, metric, &hits));
        recall = check(hits, &asks[i], v, n, gone);
        if (recall < 0.999) fail_msg("%s: ask %d: recall %g", name, (int)i, recall);
        wn_hits_free(hits);
    }
    assert_true(sum / (double)(sizeof asks / sizeof asks[0]) >= 0.95);
    assert_true(walks >= 4); /* and not all scanned */
    wn_index_free(index);
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void windows_through_the_life(void **state)
{
    static const char *const params[] = {"column", "ts", "leaf", "100", NULL};
    uint8_t gone[N + MORE] = {0};
    int64_t drop[GONE];
    const int64_t n_gone = GONE;
    wn_ctx *ctx = ts_ctx(2, -1);
    wni_out *out;

    (void)state;
    for (int64_t i = 0; i < GONE; i++)
        drop[i] = i * 59 + 2;
    ts_ok(ctx, wni_out_begin(ctx, ts_path("gone.npy"), 1, 1, &out));
    ts_ok(ctx, wni_out_npy(out, NULL, "<i8", 8, &n_gone, 1, drop));
    ts_ok(ctx, wni_out_commit(out));
    ts_ok(ctx, run(ctx, "window", "rows.npy", "rows.jsonl", NULL, params, "life"));
    check_all(ctx, "life", rows, N, gone, WN_L2);
    ts_ok(ctx, run(ctx, "delete", "gone.npy", NULL, "life", NULL, NULL));
    for (int64_t i = 0; i < GONE; i++)
        gone[drop[i]] = 1;
    check_all(ctx, "life", rows, N, gone, WN_L2);
    ts_ok(ctx, run(ctx, "add", "more.npy", "more.jsonl", "life", NULL, NULL));
    check_all(ctx, "life", rows, N + MORE, gone, WN_L2);
    ts_ok(ctx, run(ctx, "compact", NULL, NULL, "life", NULL, NULL));
    check_all(ctx, "life", rows, N + MORE, gone, WN_L2);
    wn_ctx_free(ctx);
}

static void shapes_and_codes(void **state)
{
    static const char *const trees[][9] = {
        {"column", "ts", "beta", "5", "leaf", "64", "metric", "cosine", NULL},
        {"column", "ts", "beta", "3", "leaf", "50", "code", "i8", NULL},
        {"column", "ts", "leaf", "1500", "m", "8", NULL},
        {"column", "ts", "code", "f16", "beta", "64", "leaf", "600", NULL}};
    const uint8_t gone[N] = {0};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
        char name[16];

        snprintf(name, sizeof name, "tree%zu", i);
        ts_ok(ctx, run(ctx, "window", "rows.npy", "rows.jsonl", NULL, trees[i], name));
        check_all(ctx, name, rows, N, gone, i == 0 ? WN_COSINE : WN_L2);
    }
    wn_ctx_free(ctx);
}

/* As many rows as SQL finds, on both types of numbers, and none are lost between two windows. */
static void bounds(void **state)
{
    static const char *const params[][5] = {{"column", "ts", "leaf", "300", NULL},
                                            {"column", "time", "leaf", "300", NULL}};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *flat, *index;

    (void)state;
    ts_ok(ctx, run(ctx, "flat", "rows.npy", "rows.jsonl", NULL, NULL, "flat"));
    ts_ok(ctx, wn_index_open(ctx, ts_path("flat"), &flat));
    for (int c = 0; c < 2; c++) {
        ts_ok(ctx, run(ctx, "window", "rows.npy", "rows.jsonl", NULL, params[c],
                       c ? "times" : "numbers"));
        ts_ok(ctx, wn_index_open(ctx, ts_path(c ? "times" : "numbers"), &index));
        for (uint64_t t = 0; t < 60; t++) {
            const int64_t a = (int64_t)wni_rand_below(1, 1, t, N);
            const int64_t b = (int64_t)wni_rand_below(1, 2, t, N);
            wn_filter *ours, *sql;
            char window[96];

            if (c == 0 && t == 0)
                snprintf(window, sizeof window, "ts:-1e300:9223372036854775807");
            else if (c == 0 && t == 1)
                snprintf(window, sizeof window, "ts:-9223372036854775808:1e19");
            else if (c == 0 && t == 2)
                snprintf(window, sizeof window, "ts:1e19:1e20");
            else if (c == 0)
                snprintf(window, sizeof window, t % 2 ? "ts:%lld:%lld" : "ts:%lld.25:%lld.75",
                         (long long)whole_of(a), (long long)whole_of(b));
            else
                snprintf(window, sizeof window, "time:%.17g:%.17g", real_of(a), real_of(b));
            ts_ok(ctx, wn_filter_new(ctx, index, NULL, window, NULL, &ours));
            ts_ok(ctx, wn_filter_new(ctx, flat, NULL, window, NULL, &sql));
            if (wn_filter_matching(ours) != wn_filter_matching(sql))
                fail_msg("%s: %d rows, by SQL %d", window, (int)wn_filter_matching(ours),
                         (int)wn_filter_matching(sql));
            wn_filter_free(ours);
            wn_filter_free(sql);
        }
        wn_index_free(index);
    }
    wn_index_free(flat);
    wn_ctx_free(ctx);
}

/* A window on a column that the index is not over. */
static void another_column(void **state)
{
    static const char *const params[] = {"column", "time", NULL};
    const wn_index_query on_ts = {.recall = 1, .effort = N, .window = "ts:100:900"};
    const uint8_t gone[N] = {0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *index;
    wn_hits *hits;

    (void)state;
    ts_ok(ctx, run(ctx, "window", "rows.npy", "rows.jsonl", NULL, params, "another"));
    ts_ok(ctx, wn_index_open(ctx, ts_path("another"), &index));
    ts_ok(ctx, search(ctx, index, &on_ts, WN_L2, &hits));
    assert_true(check(hits, &asks[2], rows, N, gone) > 0.999);
    wn_hits_free(hits);
    wn_index_free(index);
    wn_ctx_free(ctx);
}

/* Few rows, each many times: the copies of one lie all over the column. */
static void equal_rows(void **state)
{
    enum { DISTINCT = 300 };
    static const char *const params[] = {"column", "ts", "leaf", "100", NULL};
    const uint8_t gone[N] = {0};
    float *v = malloc(sizeof(float) * N * D);
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int64_t i = 0; i < N; i++) /* half are of one kind, the others go round */
        memcpy(v + i * D, rows + (i % 2 ? 0 : i / 2 % DISTINCT) * D, D * sizeof *v);
    ts_write_npy(ts_path("equal.npy"), v, N, D);
    ts_ok(ctx, run(ctx, "window", "equal.npy", "rows.jsonl", NULL, params, "equal"));
    check_all(ctx, "equal", v, N, gone, WN_L2);
    wn_ctx_free(ctx);
    free(v);
}

/* A long index, and windows that are a small part of it and lie across its middle, or not. */
static void thin_windows(void **state)
{
    enum { LONG = 22000, WIDE = 128, WINDOW = 2700, ASKED = 16 };
    static const char *const params[] = {"column",          "ts", "leaf", "1400",
                                         "ef_construction", "40", NULL};
    static const int64_t starts[] = {LONG / 2 - WINDOW / 2, LONG / 2 - 200, LONG / 4 - 1700, 0,
                                     LONG - WINDOW};
    float *v = ts_blobs(LONG, WIDE, 40, 0.5, 3, NULL), *q = ts_blobs(ASKED, WIDE, 40, 0.5, 3, NULL);
    double *all = malloc(sizeof *all * WINDOW);
    FILE *f = fopen(ts_path("long.jsonl"), "w");
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_index *index;
    wn_pool *pool;

    (void)state;
    if (!f) fail_msg("cannot write long.jsonl");
    for (int i = 0; i < LONG; i++)
        fprintf(f, "{\"ts\": %d}\n", i * 7 % LONG); /* row i is in place 7 i */
    fclose(f);
    for (int64_t i = 0; i < ASKED * WIDE; i++)
        q[i] += 0.03f;
    ts_write_npy(ts_path("long.npy"), v, LONG, WIDE);
    ts_ok(ctx, run(ctx, "window", "long.npy", "long.jsonl", NULL, params, "long"));
    ts_ok(ctx, wn_index_open(ctx, ts_path("long"), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, q, ASKED, WIDE, WN_F32, WN_L2, &pool));
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        char window[64];
        wn_index_query query = {.struct_size = sizeof query,
                                .queries = pool,
                                .k = K,
                                .effort = 10,
                                .recall = 1,
                                .window = window};
        int64_t good = 0;
        wn_hits *hits;

        snprintf(window, sizeof window, "ts:%lld:%lld", (long long)starts[s],
                 (long long)starts[s] + WINDOW - 1);
        ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
        assert_int_equal(hits->report.matching, WINDOW);
        for (int64_t i = 0; i < ASKED; i++) {
            int64_t m = 0;

            for (int64_t r = 0; r < LONG; r++) {
                const int64_t at = r * 7 % LONG;
                double sum = 0;

                if (at < starts[s] || at >= starts[s] + WINDOW) continue;
                for (int j = 0; j < WIDE; j++)
                    sum += ((double)v[r * WIDE + j] - q[i * WIDE + j]) *
                           ((double)v[r * WIDE + j] - q[i * WIDE + j]);
                all[m++] = sqrt(sum);
            }
            qsort(all, WINDOW, sizeof *all, by_size);
            assert_int_equal(hits->counts[i], K);
            for (int64_t j = 0; j < K; j++) {
                const int64_t at = hits->indices[i * K + j] * 7 % LONG;

                assert_true(at >= starts[s] && at < starts[s] + WINDOW);
                good += hits->distances[i * K + j] <= all[K - 1] * (1 + 1e-5);
            }
        }
        if (good < 95 * ASKED * K / 100) fail_msg("%s: %d of %d", window, (int)good, ASKED * K);
        wn_hits_free(hits);
    }
    wn_pool_free(pool);
    wn_index_free(index);
    wn_ctx_free(ctx);
    free(all);
    free(v);
    free(q);
}

static void one_answer_everywhere(void **state)
{
    static const char *const params[] = {"column", "ts", "leaf", "200", NULL};
    const wn_index_query query = {.effort = 20, .recall = 1, .window = "ts:100:900"};
    int64_t ids[Q * K];
    float far[Q * K];
    int runs = 0;

    (void)state;
    write_table("short.jsonl", 0, N / 2);
    ts_write_npy(ts_path("short.npy"), rows, N / 2, D);
    for (int isa = WN_ISA_BASE; isa <= (int)ts_best_isa(); isa++) {
        for (int threads = isa == WN_ISA_BASE ? 1 : 3; threads <= 3; threads += 2) {
            wn_ctx *ctx = ts_ctx(threads, isa);
            wn_index *index;
            wn_hits *hits;
            char name[32];

            snprintf(name, sizeof name, "same%d-%d", isa, threads);
            ts_ok(ctx, run(ctx, "window", "short.npy", "short.jsonl", NULL, params, name));
            ts_ok(ctx, wn_index_open(ctx, ts_path(name), &index));
            ts_ok(ctx, search(ctx, index, &query, WN_L2, &hits));
            if (runs++ == 0) {
                memcpy(ids, hits->indices, sizeof ids);
                memcpy(far, hits->distances, sizeof far);
            }
            assert_memory_equal(hits->indices, ids, sizeof ids);
            assert_memory_equal(hits->distances, far, sizeof far);
            wn_hits_free(hits);
            wn_index_free(index);
            wn_ctx_free(ctx);
        }
    }
}

/* ---- what goes wrong ---------------------------------------------------------------------------------- */

/* The index of the first n rows in memory, where no checksum stands between it and wrong numbers; its table lies
 * elsewhere. */
static void in_memory(wn_ctx *ctx, const float *v, int64_t n, wn_folder **folder)
{
    const wn_method *m = wn_method_find("index", "window");
    wn_index_window_params p;
    wni_index_head head = {.method = m, .params = &p, .dtype = WN_F32, .d = D, .next_id = n};
    wni_index_build b = {.params = &p, .prefix = "s1/", .arrays = json_array()};
    json_t *segments;
    wn_pool *pool;

    write_table("few.jsonl", 0, n);
    ts_write_npy(ts_path("few.npy"), v, n, D);
    ts_ok(ctx, run(ctx, "flat", "few.npy", "few.jsonl", NULL, NULL, "few"));
    wn_params_init(m, &p);
    p.leaf = 80;
    ts_ok(ctx, wn_params_set(ctx, m, &p, "column", "ts"));
    ts_ok(ctx, wn_folder_new(ctx, folder));
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wni_out_begin(ctx, wn_folder_path(*folder), 0, 0, &b.out));
    b.table = ts_path("few/s1/table.sqlite");
    b.rows = pool;
    ts_ok(ctx, wni_build_npy(&b, "rows.npy", "<f4", 4, (int64_t[]){n, D}, 2, v));
    ts_ok(ctx, ((const wni_index_kind *)m->ops)->build(ctx, &b));
    ts_ok(ctx, wni_index_seal(ctx, b.out, b.prefix, b.arrays));
    segments = json_pack("[{s:i, s:I, s:i, s:i, s:o}]", "number", 1, "rows", (json_int_t)n,
                         "deleted", 0, "first_id", 0, "arrays", b.arrays);
    ts_ok(ctx, wni_index_write_head(b.out, &head, segments, 0));
    ts_ok(ctx, wni_out_commit(b.out));
    json_decref(segments);
    wn_pool_free(pool);
}

/* Numbers in the arrays that cannot be are refused at open, or lead to no harm. */
static void wrong_numbers(void **state)
{
    enum { FEW = 1000 };
    static const uint64_t wrong[] = {0,
                                     1,
                                     FEW - 1,
                                     FEW,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0x7fffffffffffffff,
                                     0x8000000000000000,
                                     0xffffffffffffffff,
                                     0x7f800000,
                                     0x7fc00000};
    const wn_index_query windows[] = {{.effort = 10, .recall = 1},
                                      {.effort = 10, .recall = 1, .window = "ts:-100:1200"},
                                      {.effort = 10, .recall = 1, .window = "ts:300:800"},
                                      {.effort = 800, .recall = 1, .window = "ts:300:800"}};
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = malloc(sizeof(float) * FEW * D);
    wn_folder *folder;
    int refused = 0;

    (void)state;
    for (int64_t i = 0; i < FEW; i++)
        memcpy(v + i * D, rows + (i % 5 ? i : 0) * D, D * sizeof *v);
    in_memory(ctx, v, FEW, &folder);
    for (int32_t a = 0; a < wn_folder_count(folder); a++) {
        const wn_folder_item *item = wn_folder_at(folder, a);
        unsigned char *data = (unsigned char *)(uintptr_t)item->data;
        const int64_t width = item->descr ? strtoll(item->descr + 2, NULL, 10) : 0;
        const int64_t count = width > 0 ? item->bytes / width : 0;

        if (width < 1 || width > 8 || strstr(item->name, "/rows.npy") || count == 0) continue;
        for (uint64_t t = 0; t < 120; t++) {
            const int64_t at = t < 4 ? (t & 1 ? count - 1 : 0)
                                     : (int64_t)wni_rand_below(3, (uint64_t)a, t, (uint64_t)count);
            unsigned char before[8];
            wn_index *index;
            wn_hits *hits;

            memcpy(before, data + at * width, (size_t)width);
            memcpy(data + at * width, &wrong[t % 12], (size_t)width);
            if (wn_index_open(ctx, wn_folder_path(folder), &index) == WN_OK) {
                for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
                    if (search(ctx, index, &windows[i], WN_L2, &hits) != WN_OK) continue;
                    for (int64_t h = 0; h < Q * K; h++)
                        assert_true(hits->indices[h] >= -1 && hits->indices[h] < FEW);
                    wn_hits_free(hits);
                }
                wn_index_free(index);
            } else {
                refused++;
                if (!strstr(wn_ctx_error(ctx), "damaged")) fail_msg("%s", wn_ctx_error(ctx));
            }
            memcpy(data + at * width, before, (size_t)width);
        }
    }
    assert_true(refused > 100);
    wn_folder_free(folder);
    wn_ctx_free(ctx);
    free(v);
}

static void no_memory(void **state)
{
    enum { FEW = 400 };
    static const char *const params[] = {"column", "ts", "leaf", "100", "force", "1", NULL};
    const wn_index_query one = {.effort = 10, .recall = 1, .window = "ts:100:1200"};

    (void)state;
    write_table("memory.jsonl", 0, FEW);
    ts_write_npy(ts_path("memory.npy"), rows, FEW, D);
    for (int64_t at = 0, step = 1;; at += step, step += at % 3 == 0) {
        ts_alloc alloc = {.fail_at = at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wn_index *index = NULL;
        wn_hits *hits = NULL;
        wn_status st = run(ctx, "window", "memory.npy", "memory.jsonl", NULL, params, "memory");

        if (st == WN_OK) st = wn_index_open(ctx, ts_path("memory"), &index);
        if (st == WN_OK) st = search(ctx, index, &one, WN_L2, &hits);
        if (st != WN_OK) assert_int_equal(st, WN_E_NOMEM);
        wn_hits_free(hits);
        wn_index_free(index);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
        if (st == WN_OK) break;
    }
}

static void refused(void **state)
{
    static const char *const typo[] = {"column", "tss", NULL};
    static const char *const text[] = {"column", "word", NULL};
    static const char *const right[] = {"column", "ts", NULL};
    const wn_index_query words = {.recall = 1, .window = "word:1:2"};
    const wn_index_query missing = {.recall = 1, .window = "tss:1:2"};
    const wn_index_query nonsense = {.recall = 1, .window = "ts:1:many"};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *index;
    wn_hits *hits;

    (void)state;
    write_table("tiny.jsonl", 0, 20);
    ts_write_npy(ts_path("tiny.npy"), rows, 20, D);
    for (int i = 0; i < 2; i++) {
        const char *pool = i ? "tiny.npy" : "rows.npy", *table = i ? "tiny.jsonl" : "rows.jsonl";
        const char *name = i ? "tiny" : "right";

        fails(ctx, run(ctx, "window", pool, NULL, NULL, right, "no"), WN_E_USAGE, "table");
        fails(ctx, run(ctx, "window", pool, table, NULL, typo, "no"), WN_E_USAGE,
              "did you mean 'ts'");
        fails(ctx, run(ctx, "window", pool, table, NULL, text, "no"), WN_E_USAGE, "holds text");
        ts_ok(ctx, run(ctx, "window", pool, table, NULL, right, name));
        ts_ok(ctx, wn_index_open(ctx, ts_path(name), &index));
        fails(ctx, search(ctx, index, &words, WN_L2, &hits), WN_E_USAGE, "holds text");
        fails(ctx, search(ctx, index, &missing, WN_L2, &hits), WN_E_USAGE, "did you mean 'ts'");
        fails(ctx, search(ctx, index, &nonsense, WN_L2, &hits), WN_E_USAGE, "COLUMN:LOW:HIGH");
        wn_index_free(index);
    }
    wn_ctx_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    ts_tmp();
    rows = ts_blobs(N + MORE, D, 30, 0.6, 1, NULL);
    questions = ts_blobs(Q, D, 30, 0.6, 1, NULL);
    for (int64_t i = 0; i < Q * D; i++)
        questions[i] += 0.05f;
    ts_write_npy(ts_path("rows.npy"), rows, N, D);
    ts_write_npy(ts_path("more.npy"), rows + N * D, MORE, D);
    write_table("rows.jsonl", 0, N);
    write_table("more.jsonl", N, MORE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(rows);
    free(questions);
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows_through_the_life),
                                       cmocka_unit_test(shapes_and_codes),
                                       cmocka_unit_test(bounds),
                                       cmocka_unit_test(another_column),
                                       cmocka_unit_test(equal_rows),
                                       cmocka_unit_test(thin_windows),
                                       cmocka_unit_test(one_answer_everywhere),
                                       cmocka_unit_test(wrong_numbers),
                                       cmocka_unit_test(no_memory),
                                       cmocka_unit_test(refused)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
