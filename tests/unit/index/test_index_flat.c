/* SPDX-License-Identifier: Apache-2.0
 *
 * An index from files to hits against a slow twin that measures every pair; the life of an index: add, delete,
 * compact, ids; what is refused.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "io/outdir.h"
#include "kernels/kernels.h"
#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 400, D = 20, Q = 30, K = 7 };

typedef struct input {
    const char *name, *path;
} input;

static wn_status run(wn_ctx *ctx, const char *family, const char *method, const char *metric,
                     const input *in, int n, const char *out)
{
    wn_job *job;
    wn_status st = wn_job_new(ctx, family, method, &job);

    for (int i = 0; st == WN_OK && i < n; i++)
        st = wn_job_input(job, in[i].name, ts_path(in[i].path));
    if (st == WN_OK && metric) st = wn_job_set(job, "metric", metric);
    if (st == WN_OK && out) st = wn_job_output(job, ts_path(out));
    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static void fails(wn_ctx *ctx, wn_status st, wn_status expected, const char *text)
{
    assert_int_equal(st, expected);
    if (!strstr(wn_ctx_error(ctx), text))
        fail_msg("found the error '%s', expected '%s' in it", wn_ctx_error(ctx), text);
}

static void write_ints(wn_ctx *ctx, const char *name, const int64_t *v, int64_t n)
{
    wni_out *out;

    ts_ok(ctx, wni_out_begin(ctx, ts_path(name), 1, 1, &out));
    ts_ok(ctx, wni_out_npy(out, NULL, "<i8", sizeof *v, &n, 1, v));
    ts_ok(ctx, wni_out_commit(out));
}

static void make(wn_ctx *ctx, const char *pool, const char *metric, const char *out)
{
    const input in[] = {{"pool", pool}};

    ts_ok(ctx, run(ctx, "index", "flat", metric, in, 1, out));
}

static wn_hits *search(wn_ctx *ctx, const char *dir, const float *q, int64_t nq, int64_t k)
{
    wn_index_query query = {.struct_size = sizeof query, .k = k, .recall = 1};
    wn_index *index;
    wn_pool *pool;
    wn_hits *hits;

    ts_ok(ctx, wn_index_open(ctx, ts_path(dir), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, q, nq, D, WN_F32, WN_L2, &pool));
    query.queries = pool;
    ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
    wn_pool_free(pool);
    wn_index_free(index);
    return hits;
}

/* Rows v (n, D) with their ids, dead ones NULL: every distance, sorted by insertion. */
static void twin(wn_ctx *ctx, const wn_hits *hits, const float *q, const float *v,
                 const int64_t *ids, int64_t n, wn_metric metric)
{
    const wni_kernels *oracle = wni_kernels_oracle();
    const int64_t ld = wni_ld(D);
    float *a = aligned_alloc(64, (size_t)(ld * 2) * sizeof *a), *b = a + ld;
    wn_pool *queries, *rows;

    ts_ok(ctx, wn_pool_wrap(ctx, q, hits->n, D, WN_F32, metric, &queries));
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, D, WN_F32, metric, &rows));
    for (int64_t i = 0; i < hits->n; i++) {
        int64_t at[64], size = 0;
        float key[64];

        ts_ok(ctx, wn_pool_read(ctx, queries, i, 1, a, ld));
        for (int64_t r = 0; r < n; r++) {
            float x;
            int64_t place = size;
            if (ids[r] < 0) continue;
            ts_ok(ctx, wn_pool_read(ctx, rows, r, 1, b, ld));
            x = oracle->l2sq(a, b, ld);
            while (place > 0 &&
                   (x < key[place - 1] || (!(x > key[place - 1]) && ids[r] < at[place - 1])))
                place--;
            if (place >= hits->k) continue;
            for (int64_t j = wni_min(size, hits->k - 1); j > place; j--)
                at[j] = at[j - 1], key[j] = key[j - 1];
            at[place] = ids[r];
            key[place] = x;
            size = wni_min(size + 1, hits->k);
        }
        assert_int_equal(hits->counts[i], size);
        for (int64_t j = 0; j < hits->k; j++) {
            float d = j < size ? metric == WN_COSINE ? key[j] / 2 : sqrtf(key[j]) : INFINITY;
            assert_int_equal(hits->indices[i * hits->k + j], j < size ? at[j] : -1);
            assert_memory_equal(&hits->distances[i * hits->k + j], &d, sizeof d);
        }
    }
    wn_pool_free(queries);
    wn_pool_free(rows);
    free(a);
}

static void count_ids(int64_t *ids, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        ids[i] = i;
}

static void test_flat_is_exact(void **state)
{
    static const char *const metrics[] = {"l2", "cosine"};
    float *v = ts_blobs(N, D, 6, 0.3, 1, NULL), *q = ts_normal(Q, D, 2);
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t ids[N];

    (void)state;
    count_ids(ids, N);
    memcpy(v + 9 * D, v + 8 * D,
           D * sizeof *v); /* two rows at one distance: the smaller id first */
    memcpy(q, v + 8 * D, D * sizeof *v);
    ts_write_npy(ts_path("a.npy"), v, N, D);
    for (int m = 0; m < 2; m++) {
        char out[16];
        wn_hits *hits;
        snprintf(out, sizeof out, "flat-%s", metrics[m]);
        make(ctx, "a.npy", metrics[m], out);
        hits = search(ctx, out, q, Q, K);
        twin(ctx, hits, q, v, ids, N, m ? WN_COSINE : WN_L2);
        assert_int_equal(hits->indices[0], 8);
        assert_int_equal(hits->indices[1], 9);
        wn_hits_free(hits);
    }
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

/* An index that grows and shrinks holds what a list of rows would. */
static void test_life(void **state)
{
    static float v[N * 4 * D];
    static int64_t ids[N * 4];
    float *q = ts_normal(Q, D, 4);
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t n = N, gone[40];
    wn_hits *hits, *after;
    const input add[] = {{"index", "life"}, {"pool", "more.npy"}};
    const input drop[] = {{"index", "life"}, {"rows", "gone.npy"}};
    const input compact[] = {{"index", "life"}};

    (void)state;
    for (int part = 0; part < 4; part++) {
        float *more = ts_blobs(N, D, 6, 0.3, 7 + (uint64_t)part, NULL);
        memcpy(v + part * N * D, more, sizeof(float) * N * D);
        free(more);
    }
    count_ids(ids, N * 4);
    ts_write_npy(ts_path("life.npy"), v, N, D);
    make(ctx, "life.npy", NULL, "life");
    for (int part = 1; part < 4; part++) {
        const int64_t m = part == 2 ? 30 : N; /* a small segment, later joined */
        ts_write_npy(ts_path("more.npy"), v + n * D, m, D);
        ts_ok(ctx, run(ctx, "index", "add", NULL, add, 2, NULL));
        n += m;
        for (int i = 0; i < 40; i++) {
            gone[i] = i * 11 + part;
            ids[gone[i]] = -1;
        }
        write_ints(ctx, "gone.npy", gone, 40);
        ts_ok(ctx, run(ctx, "index", "delete", NULL, drop, 2, NULL));
        fails(ctx, run(ctx, "index", "delete", NULL, drop, 2, NULL), WN_E_DATA,
              "is not in the index (40 such ids)");
        hits = search(ctx, "life", q, Q, K);
        twin(ctx, hits, q, v, ids, n, WN_L2);
        wn_hits_free(hits);
    }
    hits = search(ctx, "life", q, Q, K);
    ts_ok(ctx, run(ctx, "index", "compact", NULL, compact, 1, NULL));
    after = search(ctx, "life", q, Q, K);
    assert_memory_equal(hits->indices, after->indices, sizeof(int64_t) * Q * K);
    assert_memory_equal(hits->distances, after->distances, sizeof(float) * Q * K);
    {
        wn_index_about about = {.struct_size = sizeof about};
        wn_index *index;
        ts_ok(ctx, wn_index_open(ctx, ts_path("life"), &index));
        wn_index_describe(index, &about);
        assert_int_equal(about.rows, n - 120);
        assert_int_equal(about.deleted, 0);
        assert_int_equal(about.segments, 1);
        assert_int_equal(about.next_id, n);
        wn_index_free(index);
    }
    wn_hits_free(hits);
    wn_hits_free(after);
    free(q);
    wn_ctx_free(ctx);
}

/* A deleted id may come back with another row. */
static void test_ids_of_the_user(void **state)
{
    float *v = ts_normal(N, D, 5);
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t ids[3] = {7, 5000, 9};
    const input add[] = {{"index", "ids"}, {"pool", "three.npy"}, {"ids", "three-ids.npy"}};
    const input drop[] = {{"index", "ids"}, {"rows", "drop.npy"}};
    wn_hits *hits;

    (void)state;
    ts_write_npy(ts_path("ids.npy"), v, N, D);
    make(ctx, "ids.npy", NULL, "ids");
    ts_write_npy(ts_path("three.npy"), v + 20 * D, 3, D);
    write_ints(ctx, "three-ids.npy", ids, 3);
    fails(ctx, run(ctx, "index", "add", NULL, add, 3, NULL), WN_E_DATA,
          "id 7 is in the index already");
    write_ints(ctx, "drop.npy", (int64_t[]){7, 9}, 2);
    ts_ok(ctx, run(ctx, "index", "delete", NULL, drop, 2, NULL));
    ts_ok(ctx, run(ctx, "index", "add", NULL, add, 3, NULL));
    hits = search(ctx, "ids", v + 20 * D, 3, 2);
    assert_int_equal(hits->indices[0], 7);
    assert_int_equal(hits->indices[1], 20);
    assert_int_equal(hits->indices[2], 21);
    assert_int_equal(hits->indices[3], 5000);
    assert_int_equal(hits->indices[4], 9);
    wn_hits_free(hits);
    free(v);
    wn_ctx_free(ctx);
}

static void test_refused(void **state)
{
    float *v = ts_normal(N, D, 6), bad[D] = {0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index_query query = {.struct_size = sizeof query, .k = 5, .recall = 1};
    wn_index *index;
    wn_pool *pool;
    wn_hits *hits;

    (void)state;
    ts_write_npy(ts_path("r.npy"), v, N, D);
    make(ctx, "r.npy", "cosine", "r");
    fails(ctx, wn_index_open(ctx, ts_path("r.npy"), &index), WN_E_DATA, "not an index");
    ts_ok(ctx, wn_index_open(ctx, ts_path("r"), &index));
    fails(ctx, wn_index_search(ctx, index, &query, &hits), WN_E_USAGE, "no queries");
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, D / 2, WN_F32, WN_L2, &pool));
    query.queries = pool;
    fails(ctx, wn_index_search(ctx, index, &query, &hits), WN_E_DATA, "have 10 columns");
    wn_pool_free(pool);
    ts_ok(ctx, wn_pool_wrap(ctx, bad, 1, D, WN_F32, WN_L2, &pool));
    query.queries = pool;
    fails(ctx, wn_index_search(ctx, index, &query, &hits), WN_E_DATA, "zero");
    query.k = N + 1;
    fails(ctx, wn_index_search(ctx, index, &query, &hits), WN_E_DATA, "k is 401 but");
    bad[3] = NAN;
    query.k = 1;
    fails(ctx, wn_index_search(ctx, index, &query, &hits), WN_E_DATA, "NaN");
    wn_pool_free(pool);
    wn_index_free(index);
    free(v);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat_is_exact), cmocka_unit_test(test_life),
        cmocka_unit_test(test_ids_of_the_user), cmocka_unit_test(test_refused)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    ts_tmp_remove();
    return failed;
}
