/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind disk: lists as they should be, answers against the exact kind, damaged lists, the same bytes
 * everywhere.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "index/disk_impl.h"
#include "support/index_case.h"

enum { N = 3000, D = 24, Q = 40, K = 10 };

static void fails(wn_ctx *ctx, wn_status st, wn_status expected, const char *text)
{
    if (st != expected || !strstr(wn_ctx_error(ctx), text))
        fail_msg("expected %s with '%s', found %s: %s", wn_status_name(expected), text,
                 wn_status_name(st), wn_ctx_error(ctx));
}

static void same_hits(const wn_hits *a, const wn_hits *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->k, b->k);
    assert_memory_equal(a->indices, b->indices, sizeof(int64_t) * (size_t)(a->n * a->k));
    assert_memory_equal(a->distances, b->distances, sizeof(float) * (size_t)(a->n * a->k));
}

/* ---- the closure rule ----------------------------------------------------------------------------------- */

typedef struct line {
    const float *x; /* places of centres on a line */
} line;

static float on_a_line(const void *self, int64_t a, int64_t b)
{
    const line *l = self;
    const float gap = l->x[a] - l->x[b];

    return gap * gap;
}

/* A row at 0 between centres at -2, 2.1, 2.2 and 8. */
static void closure_by_hand(void **state)
{
    const float x[] = {-2, 2.1f, 2.2f, 8};
    const line l = {x};
    float dist2[4];
    int64_t at[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        at[i] = i;
        dist2[i] = x[i] * x[i];
    }
    /* 2.2 lies too near to 2.1; 8 is near enough only when the rule says so. */
    assert_int_equal(wni_disk_closure(at, dist2, 4, 8, 20, on_a_line, &l), 3);
    assert_int_equal(at[0], 0);
    assert_int_equal(at[1], 1);
    assert_int_equal(at[2], 3);
    for (int i = 0; i < 4; i++) {
        at[i] = i;
        dist2[i] = x[i] * x[i];
    }
    assert_int_equal(wni_disk_closure(at, dist2, 4, 8, 1.2f, on_a_line, &l), 2);
    at[1] = 1;
    assert_int_equal(wni_disk_closure(at, dist2, 4, 1, 9, on_a_line, &l), 1);
    assert_int_equal(at[0], 0);
}

/* A row on a centre has no copies but on a centre that is as near. */
static void closure_on_a_centre(void **state)
{
    const float x[] = {0, 1, -1};
    const line l = {x};
    float dist2[] = {0, 1, 1};
    int64_t at[] = {0, 1, 2};

    (void)state;
    assert_int_equal(wni_disk_closure(at, dist2, 3, 8, 1e6f, on_a_line, &l), 1);
}

/* ---- what is in the lists --------------------------------------------------------------------------------- */

typedef struct arrays {
    float *centers;
    int64_t *node_list, *list_at;
    int32_t *list_rows;
    uint8_t *bytes;
    int64_t nodes, lists;
} arrays;

static void *load(wn_ctx *ctx, const char *index, const char *name, const char *descr, int dims,
                  int64_t *shape)
{
    char path[96];
    void *data;

    snprintf(path, sizeof path, "%s/s1/%s", index, name);
    ts_ok(ctx, wni_npy_load(ctx, ts_path(path), descr, dims, shape, &data));
    return data;
}

static void load_all(wn_ctx *ctx, const char *index, arrays *a)
{
    int64_t shape[2];

    a->centers = load(ctx, index, "centers.npy", "<f4", 2, shape);
    a->nodes = shape[0];
    a->node_list = load(ctx, index, "node_list.npy", "<i8", 1, shape);
    a->list_at = load(ctx, index, "list_at.npy", "<i8", 1, shape);
    a->list_rows = load(ctx, index, "list_rows.npy", "<i4", 1, shape);
    a->lists = shape[0];
    a->bytes = load(ctx, index, "lists.npy", "|u1", 2, shape);
}

static void free_all(wn_ctx *ctx, arrays *a)
{
    wni_free(ctx, a->centers);
    wni_free(ctx, a->node_list);
    wni_free(ctx, a->list_at);
    wni_free(ctx, a->list_rows);
    wni_free(ctx, a->bytes);
}

static double dist2(const float *a, const float *b)
{
    double sum = 0;

    for (int j = 0; j < D; j++)
        sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sum;
}

/* Every row is in the list of its nearest centre and in no list of a far one; lists are short; the rows in
 * them are the rows of the pool. */
static void every_row_is_in_its_lists(void **state)
{
    const char *params[] = {"per_center", "12", "longest", "40", "closure", "0.3", NULL};
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL);
    int *near = calloc(N, sizeof *near), copies = 0;
    wn_ctx *ctx = ts_ctx(2, -1);
    arrays a;

    (void)state;
    ts_ok(ctx, ts_index(ctx, "disk", v, N, D, params, "lists"));
    load_all(ctx, "lists", &a);
    assert_in_range(a.nodes, N / 18, N / 4);
    for (int64_t c = 0; c < a.nodes; c++)
        for (int64_t l = a.node_list[c]; l < a.node_list[c + 1]; l++) {
            const uint8_t *list = a.bytes + a.list_at[l];
            const int64_t m = a.list_rows[l];

            assert_in_range(m, 1, 40);
            for (int64_t i = 0; i < m; i++) {
                const int32_t row = ((const int32_t *)(const void *)list)[i];
                const float *x = v + row * D;
                double own, best = INFINITY;

                assert_in_range(row, 0, N - 1);
                assert_memory_equal(list + wni_disk_head_bytes(m) + i * D * 4, x, D * 4);
                own = dist2(x, a.centers + c * D);
                for (int64_t o = 0; o < a.nodes; o++)
                    best = fmin(best, dist2(x, a.centers + o * D));
                assert_true(own <= best * 1.3 * 1.3 * 1.001);
                near[row] += own <= best * 1.00001;
                copies++;
            }
        }
    for (int i = 0; i < N; i++)
        assert_true(near[i] >= 1);
    assert_true(copies > N * 1.1);
    assert_true(copies <= N * 8);
    free_all(ctx, &a);
    free(near);
    free(v);
    wn_ctx_free(ctx);
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static void near_and_exact(void **state)
{
    static const char *const metrics[] = {"l2", "cosine"};
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL), *q = ts_blobs(Q, D, 30, 0.4, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int m = 0; m < 2; m++) {
        const char *params[] = {"metric", metrics[m], NULL};
        char name[2][32];
        wn_hits *hits, *truth, *one;

        snprintf(name[0], sizeof name[0], "disk-%s", metrics[m]);
        snprintf(name[1], sizeof name[1], "exact-%s", metrics[m]);
        ts_ok(ctx, ts_index(ctx, "disk", v, N, D, params, name[0]));
        ts_ok(ctx, ts_index(ctx, "flat", v, N, D, params, name[1]));
        ts_ok(ctx, ts_index_search(ctx, name[1], q, Q, D, K, 0, 1, &truth));
        ts_ok(ctx, ts_index_search(ctx, name[0], q, Q, D, K, 1000000, 1, &hits));
        same_hits(hits, truth);
        wn_hits_free(hits);
        ts_ok(ctx, ts_index_search(ctx, name[0], q, Q, D, K, 0, 0.9, &hits));
        assert_true(ts_recall(hits, truth) >= 0.9);
        assert_true(hits->report.compared < (int64_t)N * Q / 4);
        /* one query at a time */
        for (int64_t i = 0; i < 5; i++) {
            ts_ok(ctx, ts_index_search(ctx, name[0], q + i * D, 1, D, K, 0, 0.9, &one));
            assert_memory_equal(one->indices, hits->indices + i * K, K * sizeof(int64_t));
            wn_hits_free(one);
        }
        wn_hits_free(hits);
        wn_hits_free(truth);
    }
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

/* Pools of small types are kept as they are, and the answers are those of the exact index. */
static void types_of_rows(void **state)
{
    static const wn_dtype types[] = {WN_F16, WN_BF16, WN_I8, WN_U8, WN_F64};
    static const char *const descr[] = {"<f2", "<V2", "|i1", "|u1", "<f8"};
    static unsigned char raw[N * D * 8];
    float *q = ts_normal(Q, D, 3);
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int64_t i = 0; i < Q * D; i++)
        q[i] *= 40;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        for (int kind = 0; kind < 2; kind++) {
            const size_t item = wn_dtype_bytes(types[t]);
            wni_out *out;
            wn_job *job;

            for (int64_t i = 0; i < N * D; i++) {
                const uint64_t bits = wni_rand_u64(t, 1, (uint64_t)i);
                const double x = (double)(int)(bits % 200) / 2;
                uint32_t f32;
                float f = (float)(int)(bits % 200);

                memcpy(&f32, &f, 4);
                if (types[t] == WN_F16) /* any finite number: small ones, and those below them */
                    f32 = (uint32_t)(bits & 0x83ff) | (uint32_t)(bits >> 20) % 20 << 10;
                if (types[t] == WN_BF16) f32 >>= 16;
                if (types[t] == WN_I8 || types[t] == WN_U8) f32 = (uint32_t)(bits & 255);
                if (types[t] == WN_F64)
                    memcpy(raw + 8 * i, &x, 8);
                else
                    memcpy(raw + (int64_t)item * i, &f32, item);
            }
            ts_ok(ctx, wni_out_begin(ctx, ts_path("typed.npy"), 1, 1, &out));
            ts_ok(ctx, wni_out_npy(out, NULL, descr[t], item, (int64_t[]){N, D}, 2, raw));
            ts_ok(ctx, wni_out_commit(out));
            ts_ok(ctx, wn_job_new(ctx, "index", kind ? "disk" : "flat", &job));
            ts_ok(ctx, wn_job_input(job, "pool", ts_path("typed.npy")));
            if (types[t] == WN_BF16) ts_ok(ctx, wn_job_set(job, "dtype", "bf16"));
            ts_ok(ctx, wn_job_set(job, "force", "1"));
            ts_ok(ctx, wn_job_output(job, ts_path(kind ? "typed-disk" : "typed-flat")));
            ts_ok(ctx, wn_job_run(job));
            wn_job_free(job);
            if (kind) {
                wn_hits *hits, *truth;
                ts_ok(ctx, ts_index_search(ctx, "typed-disk", q, Q, D, K, 1000000, 1, &hits));
                ts_ok(ctx, ts_index_search(ctx, "typed-flat", q, Q, D, K, 0, 1, &truth));
                same_hits(hits, truth);
                wn_hits_free(hits);
                wn_hits_free(truth);
            }
        }
    free(q);
    wn_ctx_free(ctx);
}

static void rows_that_go_and_come(void **state)
{
    float *v = ts_blobs(2 * N, D, 30, 0.4, 3, NULL), *q = ts_blobs(Q, D, 30, 0.4, 3, NULL);
    static int64_t gone[N];
    static float left[2 * N * D];
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t n_gone = 0, n_left = 0;
    wn_hits *hits, *truth;

    (void)state;
    for (int64_t i = 0; i < 2 * N; i++)
        if (i < N && i % 100 != 7)
            gone[n_gone++] = i;
        else
            memcpy(left + n_left++ * D, v + i * D, D * sizeof *v);
    ts_ok(ctx, ts_index(ctx, "disk", v, N, D, NULL, "life"));
    ts_ok(ctx, ts_index_delete(ctx, "life", gone, n_gone));
    ts_ok(ctx, ts_index_search(ctx, "life", q, Q, D, K, 1, 1, &hits));
    for (int64_t i = 0; i < Q * K; i++)
        assert_int_equal(hits->indices[i] % 100, 7);
    assert_int_equal(hits->report.short_hits, 0);
    wn_hits_free(hits);
    ts_ok(ctx, ts_index_add(ctx, "life", v + N * D, N, D));
    ts_ok(ctx, ts_index(ctx, "flat", left, n_left, D, NULL, "life-flat"));
    ts_ok(ctx, ts_index_search(ctx, "life-flat", q, Q, D, K, 0, 1, &truth));
    for (int again = 0; again < 2; again++) {
        ts_ok(ctx, ts_index_search(ctx, "life", q, Q, D, K, 0, 0.95, &hits));
        assert_true(ts_recall(hits, truth) >= 0.9);
        wn_hits_free(hits);
        ts_ok(ctx, ts_index_search(ctx, "life", q, Q, D, K, 1000000, 0.95, &hits));
        assert_memory_equal(hits->distances, truth->distances, Q * K * sizeof(float));
        wn_hits_free(hits);
        if (!again) ts_ok(ctx, ts_index_compact(ctx, "life"));
    }
    wn_hits_free(truth);
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

/* One centre with more rows of its own than a list may have. */
static void equal_rows(void **state)
{
    float *v = ts_normal(N, D, 5);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_hits *hits;

    (void)state;
    for (int64_t i = 0; i < N - 100; i++)
        memcpy(v + i * D, v, D * sizeof *v);
    ts_ok(ctx, ts_index(ctx, "disk", v, N, D, NULL, "equal"));
    ts_ok(ctx, ts_index_search(ctx, "equal", v + (N - 3) * D, 3, D, K, 0, 0.95, &hits));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hits->indices[i * K], N - 3 + i);
        assert_true(hits->distances[i * K] == 0);
    }
    wn_hits_free(hits);
    ts_ok(ctx, ts_index_search(ctx, "equal", v, 1, D, K, 1000000, 1, &hits));
    for (int i = 0; i < K; i++)
        assert_int_equal(hits->indices[i], i);
    wn_hits_free(hits);
    free(v);
    wn_ctx_free(ctx);
}

/* A byte of a list that is not what was written is found when the list is read, and not before. */
static void damaged_lists(void **state)
{
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    unsigned char *bytes;
    wn_hits *hits;
    size_t size;

    (void)state;
    ts_ok(ctx, ts_index(ctx, "disk", v, N, D, NULL, "damaged"));
    bytes = ts_read_file(ts_path("damaged/s1/lists.npy"), &size);
    assert_non_null(bytes);
    bytes[size - 200] ^= 4; /* of the last list */
    ts_write_file(ts_path("damaged/s1/lists.npy"), bytes, size);
    fails(ctx, ts_index_search(ctx, "damaged", v, N, D, 1, 2, 1, &hits), WN_E_DATA, "lists.npy");
    fails(ctx, ts_index_search(ctx, "damaged", v, 1, D, 1, 1000000, 1, &hits), WN_E_DATA,
          "is not what was written");
    ts_write_file(ts_path("damaged/s1/lists.npy"), bytes, size / 2);
    fails(ctx, ts_index_search(ctx, "damaged", v, N, D, 1, 2, 1, &hits), WN_E_DATA, "lists.npy");
    free(bytes);
    free(v);
    wn_ctx_free(ctx);
}

static void same_bytes_everywhere(void **state)
{
    static const int threads[] = {1, 2, 8};
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL);
    wn_hits *first = NULL;
    wn_ctx *first_ctx = ts_ctx(1, 0);

    (void)state;
    ts_ok(first_ctx, ts_index(first_ctx, "disk", v, N, D, NULL, "first"));
    ts_ok(first_ctx, ts_index_search(first_ctx, "first", v, 300, D, K, 5, 1, &first));
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
        for (int t = 0; t < 3; t++) {
            wn_ctx *ctx = ts_ctx(threads[t], isa);
            char name[32] = "first", one[1200];
            wn_hits *hits;

            if (threads[t] != 1) {
                snprintf(name, sizeof name, "again%d-%d", isa, t);
                ts_ok(ctx, ts_index(ctx, "disk", v, N, D, NULL, name));
                snprintf(one, sizeof one, "%s", ts_path("first"));
                assert_true(ts_same_tree(one, ts_path(name)));
            }
            ts_ok(ctx, ts_index_search(ctx, name, v, 300, D, K, 5, 1, &hits));
            same_hits(hits, first);
            wn_hits_free(hits);
            wn_ctx_free(ctx);
        }
    wn_hits_free(first);
    wn_ctx_free(first_ctx);
    free(v);
}

/* Rows that are alone in their lists: a query there goes on to other lists, and the rows are never all compared;
 * where all rows are asked for, all lists are read. */
static void lists_of_few_rows(void **state)
{
    enum { FAR = 60 };
    const char *params[] = {"copies", "1", NULL};
    float *v = ts_blobs(N, D, 10, 0.1, 1, NULL), *far = ts_normal(FAR, D, 9);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_hits *hits, *truth;

    (void)state;
    for (int64_t i = 0; i < FAR * D; i++)
        v[(N - FAR) * D + i] = far[i] *= 50;
    ts_ok(ctx, ts_index(ctx, "flat", v, N, D, NULL, "few-flat"));
    ts_ok(ctx, ts_index(ctx, "disk", v, N, D, params, "few"));
    ts_ok(ctx, ts_index_search(ctx, "few", far, FAR, D, K, 1, 1, &hits));
    assert_string_equal(hits->report.route, "disk");
    assert_true(hits->report.visited > 2 * FAR);
    assert_true(hits->report.compared < FAR * (int64_t)N / 2);
    for (int64_t i = 0; i < FAR; i++) {
        assert_int_equal(hits->counts[i], K);
        assert_int_equal(hits->indices[i * K], N - FAR + i);
    }
    wn_hits_free(hits);
    ts_ok(ctx, ts_index_search(ctx, "few-flat", far, 3, D, N, 0, 1, &truth));
    ts_ok(ctx, ts_index_search(ctx, "few", far, 3, D, N, 1, 1, &hits));
    assert_string_equal(hits->report.route, "disk");
    same_hits(hits, truth);
    wn_hits_free(hits);
    wn_hits_free(truth);
    free(far);
    free(v);
    wn_ctx_free(ctx);
}

/* Around the query all rows are gone: it gets those that are left, from farther lists. */
static void all_near_rows_gone(void **state)
{
    static int64_t gone[N];
    float *v = ts_blobs(N, D, 30, 0.2, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t n_gone = 0;
    wn_hits *hits;

    (void)state;
    for (int64_t i = 0; i < N; i++)
        if (dist2(v + i * D, v) < 10 || i % 2) gone[n_gone++] = i;
    assert_in_range(n_gone, N / 2 + 2 * K, N - 4 * K);
    ts_ok(ctx, ts_index(ctx, "disk", v, N, D, NULL, "gone"));
    ts_ok(ctx, ts_index_delete(ctx, "gone", gone, n_gone));
    ts_ok(ctx, ts_index_search(ctx, "gone", v, 1, D, K, 1, 1, &hits));
    assert_int_equal(hits->counts[0], K);
    for (int64_t i = 0; i < K; i++) {
        assert_int_equal(hits->indices[i] % 2, 0);
        assert_true(dist2(v + hits->indices[i] * D, v) >= 10);
    }
    wn_hits_free(hits);
    free(v);
    wn_ctx_free(ctx);
}

/* So many centres that they are found by their graph: made twice, for other threads and another level. */
static void many_centres(void **state)
{
    enum { ROWS = 20000, DIM = 8 };
    const char *params[] = {"per_center", "4", NULL};
    float *v = ts_blobs(ROWS, DIM, 50, 0.4, 1, NULL), *q = ts_blobs(200, DIM, 50, 0.4, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1), *other = ts_ctx(1, 0);
    wn_hits *hits, *truth, *again;
    int64_t shape[2];
    char one[1200];
    void *links;

    (void)state;
    ts_ok(ctx, ts_index(ctx, "flat", v, ROWS, DIM, NULL, "many-flat"));
    ts_ok(ctx, ts_index(ctx, "disk", v, ROWS, DIM, params, "many"));
    links = load(ctx, "many", "graph.npy", "<i4", 2, shape);
    assert_in_range(shape[0], 4096, ROWS / 2);
    wni_free(ctx, links);
    ts_ok(ctx, ts_index_search(ctx, "many-flat", q, 200, DIM, K, 0, 1, &truth));
    ts_ok(ctx, ts_index_search(ctx, "many", q, 200, DIM, K, 0, 0.95, &hits));
    assert_true(ts_recall(hits, truth) >= 0.92);
    assert_true(hits->report.compared < (int64_t)200 * ROWS / 10);
    wn_hits_free(hits);
    ts_ok(ctx, ts_index_search(ctx, "many", q, 200, DIM, 50, 1, 1, &hits));
    assert_string_equal(hits->report.route, "disk");
    assert_int_equal(hits->report.short_hits, 0);
    wn_hits_free(hits);
    ts_ok(ctx, ts_index_search(ctx, "many", q, 200, DIM, K, 0, 0.95, &hits));
    ts_ok(other, ts_index(other, "disk", v, ROWS, DIM, params, "many2"));
    snprintf(one, sizeof one, "%s", ts_path("many"));
    assert_true(ts_same_tree(one, ts_path("many2")));
    ts_ok(other, ts_index_search(other, "many", q, 200, DIM, K, 0, 0.95, &again));
    same_hits(hits, again);
    wn_hits_free(again);
    wn_hits_free(hits);
    ts_ok(ctx,
          ts_index_search(ctx, "many", q, 200, DIM, K, 10000, 1, &hits)); /* all are compared */
    assert_true(ts_recall(hits, truth) >= 0.999);
    wn_hits_free(hits);
    wn_hits_free(truth);
    free(v);
    free(q);
    wn_ctx_free(other);
    wn_ctx_free(ctx);
}

/* In a folder in memory the lists are read where they are. */
static void in_memory(void **state)
{
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_index_query query = {.struct_size = sizeof query, .k = K, .effort = 4, .recall = 1};
    wn_hits *hits, *file;
    wn_folder *folder;
    wn_index *index;
    wn_pool *pool;
    wn_job *job;

    (void)state;
    ts_ok(ctx, ts_index(ctx, "disk", v, N, D, NULL, "file"));
    ts_ok(ctx, ts_index_search(ctx, "file", v, Q, D, K, 4, 1, &file));
    ts_ok(ctx, wn_folder_new(ctx, &folder));
    ts_ok(ctx, wn_job_new(ctx, "index", "disk", &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("file-rows.npy")));
    ts_ok(ctx, wn_job_output(job, wn_folder_path(folder)));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    ts_ok(ctx, wn_index_open(ctx, wn_folder_path(folder), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, v, Q, D, WN_F32, WN_L2, &pool));
    query.queries = pool;
    ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
    same_hits(hits, file);
    wn_hits_free(hits);
    wn_hits_free(file);
    wn_pool_free(pool);
    wn_index_free(index);
    wn_folder_free(folder);
    free(v);
    wn_ctx_free(ctx);
}

/* Rows rounded to f16 in the lists: half the bytes, and the answers are exact distances all the same, of small
 * numbers and of large ones. */
static void rounded_rows(void **state)
{
    const char *params[] = {"code", "f16", "force", "1", NULL}, *again[] = {"force", "1", NULL};
    static const float scales[] = {1, 1e-12f, 3e9f};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int s = 0; s < 3; s++) {
        float *v = ts_blobs(N, D, 30, 0.4, 1, NULL);
        wn_hits *hits, *truth;
        size_t whole, half;

        for (int64_t i = 0; i < N * D; i++)
            v[i] *= scales[s];
        ts_ok(ctx, ts_index(ctx, "flat", v, N, D, again, "rounded-flat"));
        ts_ok(ctx, ts_index(ctx, "disk", v, N, D, again, "rounded-f32"));
        ts_ok(ctx, ts_index(ctx, "disk", v, N, D, params, "rounded"));
        free(ts_read_file(ts_path("rounded-f32/s1/lists.npy"), &whole));
        free(ts_read_file(ts_path("rounded/s1/lists.npy"), &half));
        assert_true(half < whole * 6 / 10);
        ts_ok(ctx, ts_index_search(ctx, "rounded-flat", v, Q, D, K, 0, 1, &truth));
        ts_ok(ctx, ts_index_search(ctx, "rounded", v, Q, D, K, 1000000, 1, &hits));
        assert_true(hits->report.verified >= Q * K);
        same_hits(hits, truth);
        wn_hits_free(hits);
        wn_hits_free(truth);
        free(v);
    }
    wn_ctx_free(ctx);
}

/* Memory that is not there, at many points of building and searching: one clear status, nothing kept. */
static void no_memory(void **state)
{
    const char *params[] = {"per_center", "64", "max_iter", "2", "force", "1", NULL};

    (void)state;
    ts_index_without_memory("disk", 1100, params);
}

static void refused(void **state)
{
    const char *longest[] = {"longest", "3", NULL};
    float *v = ts_normal(2000, D, 1);
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    fails(ctx, ts_index(ctx, "disk", v, 2000, D, longest, "no"), WN_E_USAGE,
          "longest is 3, expected at least per_center, 32");
    free(v);
    wn_ctx_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    ts_tmp();
    return 0;
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
        cmocka_unit_test(closure_by_hand),
        cmocka_unit_test(closure_on_a_centre),
        cmocka_unit_test(every_row_is_in_its_lists),
        cmocka_unit_test(near_and_exact),
        cmocka_unit_test(types_of_rows),
        cmocka_unit_test(rows_that_go_and_come),
        cmocka_unit_test(equal_rows),
        cmocka_unit_test(lists_of_few_rows),
        cmocka_unit_test(all_near_rows_gone),
        cmocka_unit_test(damaged_lists),
        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(many_centres),
        cmocka_unit_test(in_memory),
        cmocka_unit_test(rounded_rows),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
