/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes: keys against the distance to what a code stands for, worked out slowly from its arrays; what they
 * find; the same bytes everywhere; hard numbers; arrays that do not fit.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/code_impl.h"
#include "index/index_build.h"
#include "support/support.h"

enum { N = 1100, CODES = 5 };

static const char *const names[CODES] = {"f32", "f16", "i8", "pq", "rq"};

/* ---- an index of codes in the order that a test wants -------------------------------------------------------- */

typedef struct plan {
    wn_index_flat_params p;
    const int64_t *order;
    wn_status (*build)(wn_ctx *ctx, const wni_index_build *b); /* instead; NULL = wni_code_build */
} plan;

static wn_status plan_build(wn_ctx *ctx, const wni_index_build *b)
{
    const plan *it = b->params; /* p is its first member */
    const wni_code_params code = wni_code_params_of(&it->p);

    if (it->build) return it->build(ctx, b);
    return wni_code_build(ctx, b, &code, it->order, wn_pool_rows(b->rows));
}

static wn_status plan_estimate(wn_ctx *ctx, const wn_pool *rows, const void *params,
                               wn_estimate *out)
{
    const wni_code_params code = wni_code_params_of(params);

    (void)ctx;
    wni_code_estimate(rows, &code, out);
    return WN_OK;
}

static plan plan_of(int code, int bytes)
{
    plan it = {.order = NULL};

    wn_params_init(wn_method_find("index", "flat"), &it.p);
    it.p.code = code;
    it.p.code_bytes = bytes;
    it.p.seed = 3;
    return it;
}

static wn_status make(wn_ctx *ctx, const plan *it, const void *v, int64_t n, int64_t d,
                      wn_dtype dtype, wn_metric metric, const char *dir)
{
    static const wni_index_kind kind = {.estimate = plan_estimate, .build = plan_build};
    wn_method method = *wn_method_find("index", "flat");
    wni_index_head head = {.method = &method,
                           .params = it,
                           .metric = metric,
                           .dtype = dtype,
                           .d = d,
                           .next_id = n,
                           .next_segment = 2};
    json_t *segments = json_array(), *segment = NULL;
    wni_source source = {0};
    wn_pool *pool = NULL;
    wni_out *out = NULL;
    wn_status st;

    method.ops = &kind;
    WNI_TRY(wn_pool_wrap(ctx, v, n, d, dtype, metric, &pool));
    WNI_TRY(wni_out_begin(ctx, ts_path(dir), 0, 1, &out));
    source.rows = pool;
    WNI_TRY(wni_segment_write(ctx, out, &head, 1, &source, 1, NULL, &segment));
    WNI_TRY(wni_segments_append(ctx, segments, segment));
    WNI_TRY(wni_index_write_head(out, &head, segments, 0));
    WNI_TRY(
        wni_out_text(out, "manifest.json",
                     "{\"winnow\": \"\", \"family\": \"\"}\n")); /* so that it may be replaced */
    st = wni_out_commit(out);
    out = NULL;
done:
    wni_out_abort(out);
    wn_pool_free(pool);
    json_decref(segments);
    return st;
}

typedef struct opened {
    wn_index *index;
    const wni_segment *s;
    wni_code *code;
    void *scratch;
} opened;

static opened open_code(wn_ctx *ctx, const plan *it, const char *dir)
{
    const wni_code_params code = wni_code_params_of(&it->p);
    opened o;

    ts_ok(ctx, wn_index_open(ctx, ts_path(dir), &o.index));
    o.s = o.index->segment;
    ts_ok(ctx, wni_code_open(ctx, o.index, o.s, &code, &o.code));
    assert_int_equal(wni_code_scratch_bytes(o.code) % 64, 0);
    o.scratch = aligned_alloc(64, (size_t)wni_code_scratch_bytes(o.code));
    return o;
}

static void close_code(wn_ctx *ctx, opened *o)
{
    wni_code_free(ctx, o->code);
    wn_index_free(o->index);
    free(o->scratch);
}

static const void *array(wn_ctx *ctx, const opened *o, const char *name, const char *descr,
                         int dims, int64_t *shape)
{
    const void *data;

    ts_ok(ctx, wni_segment_array(ctx, o->index, o->s, name, descr, dims, shape, &data));
    return data;
}

/* ---- twins -------------------------------------------------------------------------------------------------- */

/* What the code of a slot stands for, from the arrays as they are described: x (d). Of i8 in the space in
 * which it is kept; *turned = the rotation, else NULL. */
static void decode(wn_ctx *ctx, const opened *o, int code, int64_t slot, double *x)
{
    const int64_t d = o->index->d, ld = wni_ld(d);
    int64_t shape[2];

    if (code == WN_CODE_F32 || code == WN_CODE_F16) {
        const char *name = wni_segment_has(o->index, o->s, "code.npy") ? "code.npy" : "rows.npy";
        const char *rows = array(ctx, o, name, code == WN_CODE_F32 ? "<f4" : "<f2", 2, shape);
        double scale = 1;

        if (wni_segment_has(o->index, o->s, "code_exponent.npy")) {
            int64_t one;
            scale = ldexp(1, -*(const int32_t *)array(ctx, o, "code_exponent.npy", "<i4", 1, &one));
        }
        for (int64_t j = 0; j < d; j++) {
            float v;
            if (code == WN_CODE_F32)
                memcpy(&v, rows + (slot * ld + j) * 4, 4);
            else
                wni_kernels_oracle()->widen_f16(rows + (slot * ld + j) * 2, &v, 1);
            x[j] = (double)v * scale;
        }
    } else if (code == WN_CODE_I8) {
        const double *about = array(ctx, o, "code_about.npy", "<f8", 1, shape);
        const float *offset = array(ctx, o, "code_offset.npy", "<f4", 2, shape);
        const int8_t *rows = array(ctx, o, "code.npy", "|i1", 2, shape);

        for (int64_t j = 0; j < d; j++)
            x[j] = (double)offset[j] + about[0] * rows[slot * shape[1] + j];
    } else if (code == WN_CODE_PQ) {
        const float *books = array(ctx, o, "code_books.npy", "<f4", 2, shape);
        const uint8_t *rows = array(ctx, o, "code.npy", "|u1", 2, shape);

        for (int64_t p = 0; p < shape[1]; p++)
            for (int64_t j = p * d / shape[1]; j < (p + 1) * d / shape[1]; j++)
                x[j] = (double)books[j * 256 + rows[slot * shape[1] + p]];
    } else {
        const float *books = array(ctx, o, "code_books.npy", "<f4", 2, shape);
        const float *mean = array(ctx, o, "code_mean.npy", "<f4", 2, shape);
        const uint8_t *rows = array(ctx, o, "code.npy", "|u1", 2, shape);

        for (int64_t j = 0; j < d; j++) {
            x[j] = (double)mean[j];
            for (int64_t s = 0; s < shape[1] - 2; s++)
                x[j] += (double)books[(s * 256 + rows[slot * shape[1] + s]) * ld + j];
        }
    }
}

/* The query in the space of the code. */
static void place(wn_ctx *ctx, const opened *o, int code, const float *q, float *out)
{
    const int64_t d = o->index->d;
    wni_rotation *r;
    int64_t two;

    memcpy(out, q, (size_t)d * sizeof *q);
    if (code != WN_CODE_I8) return;
    if (((const double *)array(ctx, o, "code_about.npy", "<f8", 1, &two))[1] == 0) return;
    ts_ok(ctx, wni_rotation_new(ctx, d, 3, &r));
    wni_rotate(r, q, out);
    wni_rotation_free(ctx, r);
}

static void keys_are_distances_to_codes(void **state)
{
    static const int64_t widths[] = {1, 5, 16, 100, 128, 1000};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int w = 0; w < 6; w++)
        for (int c = 0; c < 2 * CODES; c++) {
            const int64_t d = widths[w], ld = wni_ld(d);
            const int code = c % CODES;
            const wn_metric metric = c < CODES ? WN_L2 : WN_COSINE;
            const plan it = plan_of(code, d == 1000 && code >= WN_CODE_PQ ? 20 : 0);
            float *v = ts_blobs(N, d, 8, 0.5, 5, NULL), *q = aligned_alloc(64, (size_t)ld * 8);
            float *keys = malloc(sizeof(float) * N), *placed = q + ld;
            double *x = malloc(sizeof(double) * (size_t)d), most = 0;
            wn_pool *pool;
            opened o;

            ts_ok(ctx, make(ctx, &it, v, N, d, WN_F32, metric, "keys"));
            o = open_code(ctx, &it, "keys");
            assert_int_equal(wni_code_exact(o.code), code == WN_CODE_F32);
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, d, WN_F32, metric, &pool));
            for (int64_t i = 0; i < N; i += 200) {
                ts_ok(ctx, wn_pool_read(ctx, pool, i, 1, q, ld));
                /* Between rows, and within what i8 keeps of a query. */
                q[0] *= 0.9f;
                place(ctx, &o, code, q, placed);
                wni_code_prepare(o.code, q, o.scratch);
                wni_code_keys_run(o.code, o.scratch, 0, N, keys);
                for (int64_t r = 0; r < N; r++)
                    most = fmax(most, (double)keys[r]);
                for (int64_t r = 0; r < N; r += 7) {
                    double want = 0, size = 0;

                    decode(ctx, &o, code, r, x);
                    for (int64_t j = 0; j < d; j++) {
                        want += ((double)placed[j] - x[j]) * ((double)placed[j] - x[j]);
                        size += x[j] * x[j] + (double)placed[j] * (double)placed[j];
                    }
                    if (!(fabs((double)keys[r] - want) <=
                          (code < WN_CODE_I8 ? 1e-5 * size : 1e-3 * size + 3e-4 * most)))
                        fail_msg("code %s, d %d, row %d: the key is %g, the distance %g",
                                 names[code], (int)d, (int)r, (double)keys[r], want);
                }
            }
            wn_pool_free(pool);
            close_code(ctx, &o);
            free(v);
            free(q);
            free(keys);
            free(x);
        }
    wn_ctx_free(ctx);
}

/* Arrays and keys are the same bytes at any number of threads and level; keys by run, by slot and of shuffled
 * codes agree. */
static void the_same_bytes_everywhere(void **state)
{
    enum { D = 50 };
    float *v = ts_blobs(N, D, 40, 0.4, 9, NULL), q[64] __attribute__((aligned(64))) = {0};
    int64_t order[N];
    int32_t at[N];

    (void)state;
    memcpy(q, v + 77 * D, D * sizeof *v);
    for (int i = 0; i < N; i++) {
        order[i] = (int64_t)i * 7 % N;
        at[i] = (int32_t)((int64_t)i * 471 % N); /* 7 * 471 = 3 * 1100 - 3 */
    }
    for (int code = 0; code < CODES; code++) {
        float first[N], keys[N];
        plan it = plan_of(code, 0);
        wn_ctx *ctx = ts_ctx(1, 0);
        opened o;

        ts_ok(ctx, make(ctx, &it, v, N, D, WN_F32, WN_COSINE, "one"));
        o = open_code(ctx, &it, "one");
        wni_code_prepare(o.code, q, o.scratch);
        wni_code_keys_run(o.code, o.scratch, 0, N, first);
        close_code(ctx, &o);
        wn_ctx_free(ctx);
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
            ctx = ts_ctx(isa % 2 ? 2 : 8, isa);
            ts_ok(ctx, make(ctx, &it, v, N, D, WN_F32, WN_COSINE, "other"));
            assert_true(ts_same_tree(ts_path("one"), ts_path("other")));
            o = open_code(ctx, &it, "other");
            wni_code_prepare(o.code, q, o.scratch);
            wni_code_keys_run(o.code, o.scratch, 0, N, keys);
            assert_memory_equal(keys, first, sizeof keys);
            wni_code_keys_run(o.code, o.scratch, 700, 13, keys);
            assert_memory_equal(keys, first + 700, 13 * sizeof *keys);
            wni_code_keys_at(o.code, o.scratch, at, N, keys);
            for (int i = 0; i < N; i++)
                assert_memory_equal(keys + i, first + at[i], sizeof *keys);
            close_code(ctx, &o);
            wn_ctx_free(ctx);
        }
        if (code >= WN_CODE_PQ) continue; /* those learn from rows in the order they come */
        ctx = ts_ctx(2, -1);
        it.order = order;
        ts_ok(ctx, make(ctx, &it, v, N, D, WN_F32, WN_COSINE, "shuffled"));
        it.order = NULL;
        o = open_code(ctx, &it, "shuffled");
        wni_code_prepare(o.code, q, o.scratch);
        wni_code_keys_run(o.code, o.scratch, 0, N, keys);
        for (int i = 0; i < N; i++)
            assert_memory_equal(keys + i, first + order[i], sizeof *keys);
        close_code(ctx, &o);
        wn_ctx_free(ctx);
    }
    free(v);
}

/* ---- what they find ------------------------------------------------------------------------------------------ */

/* Share of the 10 nearest of `nq` rows (each moved a little) that come back from a flat index. */
static double recall_of(wn_ctx *ctx, const plan *it, const wn_pool *pool, const void *v,
                        wn_dtype type, int64_t nq)
{
    const int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool);
    wn_index_query query = {.struct_size = sizeof query, .k = 10, .recall = 1};
    float *q = malloc((size_t)(nq * d) * sizeof *q);
    plan exact = plan_of(WN_CODE_F32, 0);
    wn_pool *queries;
    wn_hits *hits[2];
    double found = 0;

    for (int64_t i = 0; i < nq; i++) {
        ts_ok(ctx, wn_pool_read(ctx, pool, i * (n / nq), 1, q + i * d, d));
        q[i * d] *= 1.01f;
    }
    ts_ok(ctx, wn_pool_wrap(ctx, q, nq, d, WN_F32, wn_pool_metric(pool), &queries));
    query.queries = queries;
    for (int i = 0; i < 2; i++) {
        wn_index *index;

        ts_ok(ctx, make(ctx, i ? it : &exact, v, n, d, type, wn_pool_metric(pool), "flat"));
        ts_ok(ctx, wn_index_open(ctx, ts_path("flat"), &index));
        ts_ok(ctx, wn_index_search(ctx, index, &query, &hits[i]));
        wn_index_free(index);
    }
    for (int64_t i = 0; i < nq; i++)
        for (int a = 0; a < 10; a++)
            for (int b = 0; b < 10; b++)
                found += hits[0]->indices[i * 10 + a] == hits[1]->indices[i * 10 + b];
    wn_hits_free(hits[0]);
    wn_hits_free(hits[1]);
    wn_pool_free(queries);
    free(q);
    return found / (double)nq / 10;
}

static void finds(wn_ctx *ctx, int code, int bytes, const void *v, int64_t n, int64_t d,
                  wn_dtype type, wn_metric metric, double least, const char *what)
{
    const plan it = plan_of(code, bytes);
    wn_pool *pool;
    double recall;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, type, metric, &pool));
    recall = recall_of(ctx, &it, pool, v, type, 40);
    if (recall < least)
        fail_msg("%s, code %s: recall %.3f, expected %.3f", what, names[code], recall, least);
    wn_pool_free(pool);
}

static void codes_find_the_nearest(void **state)
{
    enum { M = 3000, D = 32 };
    static const double least[CODES] = {1, 1, 1, 0.95, 0.95};
    float *v = ts_blobs(M, D, 60, 0.5, 2, NULL), *wide = malloc(sizeof(float) * M * D);
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int code = 0; code < CODES; code++) {
        finds(ctx, code, 0, v, M, D, WN_F32, WN_L2, least[code], "blobs");
        finds(ctx, code, 0, v, M, D, WN_F32, WN_COSINE, least[code], "blobs by direction");
        for (int e = -1; e <= 1; e += 2) {
            for (int i = 0; i < M * D; i++)
                wide[i] = ldexpf(v[i], 50 * e);
            finds(ctx, code, 0, wide, M, D, WN_F32, WN_L2, least[code], e < 0 ? "tiny" : "huge");
        }
        /* Far from the origin; one row far from the others. */
        for (int i = 0; i < M * D; i++)
            wide[i] = v[i] + 300;
        for (int j = 0; j < D; j++)
            wide[(M - 1) * D + j] = 1e6f;
        finds(ctx, code, 0, wide, M, D, WN_F32, WN_L2,
              least[code] - (code == WN_CODE_RQ ? 0.1 : 0.05), "one row apart");
    }
    /* One column much wider than the rest: i8 rotates. */
    memcpy(wide, v, sizeof(float) * M * D);
    for (int i = 0; i < M; i++)
        wide[i * D] *= 60;
    finds(ctx, WN_CODE_I8, 0, wide, M, D, WN_F32, WN_L2, 0.99, "one wide column");
    free(v);
    free(wide);
    wn_ctx_free(ctx);
}

static void codes_of_real_features(void **state)
{
    static const double least[CODES] = {1, 0.999, 0.999, 0.93, 0.93};
    const char *path = ts_shared("cifar10_256_f16.npy");
    enum { M = 3000, D = 256 };
    wn_pool_options options;
    wn_ctx *ctx;
    wn_pool *pool;
    uint16_t *v;

    (void)state;
    if (!path) {
        print_message("../shared/data/cifar10_256_f16.npy is not there\n");
        skip();
    }
    ctx = ts_ctx(2, -1);
    v = malloc(sizeof *v * M * D);
    wn_pool_options_init(&options);
    options.rows = M;
    ts_ok(ctx, wn_pool_open(ctx, &path, 1, &options, &pool));
    ts_ok(ctx, wn_pool_read_raw(ctx, pool, 0, M, v));
    wn_pool_free(pool);
    for (int code = 0; code < CODES; code++)
        finds(ctx, code, 0, v, M, D, WN_F16, WN_COSINE, least[code], "CIFAR features");
    free(v);
    wn_ctx_free(ctx);
}

/* ---- edges ---------------------------------------------------------------------------------------------------- */

static void rows_in_place_are_not_written_again(void **state)
{
    static const struct {
        int code;
        wn_dtype type;
        wn_metric metric;
        int64_t d;
        int written, exact;
    } cases[] = {
        {WN_CODE_F32, WN_F32, WN_L2, 32, 0, 1},     {WN_CODE_F32, WN_F32, WN_L2, 33, 1, 1},
        {WN_CODE_F32, WN_F32, WN_COSINE, 32, 1, 1}, {WN_CODE_F32, WN_U8, WN_L2, 32, 1, 1},
        {WN_CODE_F16, WN_F16, WN_L2, 32, 0, 1},     {WN_CODE_F16, WN_F16, WN_L2, 31, 1, 1},
        {WN_CODE_F16, WN_U8, WN_L2, 32, 1, 1},      {WN_CODE_F16, WN_F16, WN_COSINE, 32, 1, 0},
        {WN_CODE_F16, WN_F32, WN_L2, 32, 1, 0},
    };
    unsigned char *v = calloc(N * 33, 4);
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int i = 0; i < N * 33 * 4; i++)
        v[i] = i % 4 == 3 || i % 4 == 1 ? 0x3c : (unsigned char)(i % 251); /* numbers in any type */
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const plan it = plan_of(cases[c].code, 0);
        const int64_t d = cases[c].d, ld = wni_ld(d);
        float x[2][48] __attribute__((aligned(64))), key;
        wn_pool *pool;
        opened o;

        ts_ok(ctx, make(ctx, &it, v, N, d, cases[c].type, cases[c].metric, "place"));
        o = open_code(ctx, &it, "place");
        assert_int_equal(wni_segment_has(o.index, o.s, "code.npy"), cases[c].written);
        assert_int_equal(wni_code_exact(o.code), cases[c].exact);
        ts_ok(ctx, wn_pool_wrap(ctx, v, N, d, cases[c].type, cases[c].metric, &pool));
        ts_ok(ctx, wn_pool_read(ctx, pool, 5, 1, x[0], ld));
        for (int64_t r = 0; r < N && cases[c].exact; r += 99) {
            float want;

            ts_ok(ctx, wn_pool_read(ctx, pool, r, 1, x[1], ld));
            want = wni_kernels_oracle()->l2sq(x[0], x[1], ld);
            wni_code_prepare(o.code, x[0], o.scratch);
            wni_code_keys_run(o.code, o.scratch, r, 1, &key);
            assert_memory_equal(&key, &want, sizeof key);
        }
        wn_pool_free(pool);
        close_code(ctx, &o);
    }
    free(v);
    wn_ctx_free(ctx);
}

/* All rows alike, or almost; the largest and smallest numbers; queries far outside. Keys stay numbers. */
static void hard_rows(void **state)
{
    enum { D = 20, KINDS = 5 };
    float *v = malloc(sizeof(float) * N * D), q[32] __attribute__((aligned(64))) = {0};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (int code = 0; code < CODES; code++) {
            const plan it = plan_of(code, 0);
            float keys[N];
            opened o;

            for (int i = 0; i < N * D; i++)
                v[i] = kind == 0   ? 2.5f
                       : kind == 1 ? (i < D ? 3.0f : 0.0f)
                       : kind == 2 ? (i % 3 ? 1e15f : -1e15f) * (float)(i % 7)
                       : kind == 3 ? 1e-40f * (float)(i % 11)
                                   : (i < D ? 1e18f : (float)(i % 5));
            ts_ok(ctx, make(ctx, &it, v, N, D, WN_F32, WN_L2, "hard"));
            o = open_code(ctx, &it, "hard");
            for (int far = 0; far < 3; far++) {
                for (int j = 0; j < D; j++)
                    q[j] = far == 0 ? v[9 * D + j] : far == 1 ? -3e38f : 1e-30f;
                wni_code_prepare(o.code, q, o.scratch);
                wni_code_keys_run(o.code, o.scratch, 0, N, keys);
                for (int i = 0; i < N; i++) {
                    if (isnan(keys[i]) || keys[i] < 0)
                        fail_msg("kind %d, code %s, query %d, row %d: %g", kind, names[code], far,
                                 i, (double)keys[i]);
                    /* No row is nearer than the query itself, up to what the codes lose. */
                    if (far == 0 && kind < 2) assert_true(keys[9] <= keys[i] + 1e-3f);
                }
            }
            close_code(ctx, &o);
        }
    free(v);
    wn_ctx_free(ctx);
}

/* Share of the rows that would have to move for all entries to have the same number, mean over the parts. */
static double crowding(wn_ctx *ctx, const plan *it, const float *v, int64_t n, int64_t d)
{
    int64_t shape[2], wrong = 0;
    const uint8_t *rows;
    opened o;

    ts_ok(ctx, make(ctx, it, v, n, d, WN_F32, WN_L2, "crowd"));
    o = open_code(ctx, it, "crowd");
    rows = array(ctx, &o, "code.npy", "|u1", 2, shape);
    for (int64_t p = 0; p < shape[1]; p++) {
        int64_t size[256] = {0};

        for (int64_t i = 0; i < n; i++)
            size[rows[i * shape[1] + p]]++;
        for (int c = 0; c < 256; c++)
            wrong += llabs(size[c] - n / 256);
    }
    close_code(ctx, &o);
    return (double)wrong / 2 / (double)n / (double)shape[1];
}

/* Rows of a normal distribution crowd in its middle; k-means has few centres far out with few rows each. */
static void uniform_codebooks_are_used_evenly(void **state)
{
    enum { M = 5120, D = 8 };
    float *v = ts_normal(M, D, 8);
    wn_ctx *ctx = ts_ctx(2, -1);
    plan it = plan_of(WN_CODE_PQ, 2);
    double plain = crowding(ctx, &it, v, M, D), even;

    (void)state;
    it.p.pq_uniform = 1;
    even = crowding(ctx, &it, v, M, D);
    if (!(even < 0.05 && plain > 3 * even))
        fail_msg("rows out of place: %.3f plain, %.3f uniform", plain, even);
    free(v);
    v = ts_normal(N, 50, 9);
    it = plan_of(WN_CODE_PQ, 0);
    it.p.pq_uniform = 1;
    wn_ctx_free(ctx);
    ctx = ts_ctx(1, 0);
    ts_ok(ctx, make(ctx, &it, v, N, 50, WN_F32, WN_L2, "even1"));
    wn_ctx_free(ctx);
    ctx = ts_ctx(8, -1);
    ts_ok(ctx, make(ctx, &it, v, N, 50, WN_F32, WN_L2, "even8"));
    assert_true(ts_same_tree(ts_path("even1"), ts_path("even8")));
    /* Nothing to share out: all rows alike. */
    for (int i = 0; i < N * 50; i++)
        v[i] = 1;
    ts_ok(ctx, make(ctx, &it, v, N, 50, WN_F32, WN_L2, "alike"));
    wn_ctx_free(ctx);
    free(v);
}

static void rotations_keep_lengths(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (int64_t d = 1; d < 140; d += d < 20 ? 1 : 17) {
        float *v = ts_normal(2, d, (uint64_t)d), *w = malloc(sizeof *w * (size_t)(2 * d));
        double before[3] = {0}, after[3] = {0};
        wni_rotation *r;

        ts_ok(ctx, wni_rotation_new(ctx, d, 7, &r));
        for (int i = 0; i < 2; i++)
            wni_rotate(r, v + i * d, w + i * d);
        for (int64_t j = 0; j < d; j++) {
            before[0] += v[j] * v[j], after[0] += w[j] * w[j];
            before[1] += v[d + j] * v[d + j], after[1] += w[d + j] * w[d + j];
            before[2] += v[j] * v[d + j], after[2] += w[j] * w[d + j];
        }
        for (int i = 0; i < 3; i++)
            assert_true(fabs(before[i] - after[i]) < 1e-4 * (before[0] + before[1]));
        /* One full column spreads over at least half of them. */
        memset(v, 0, sizeof *v * (size_t)d);
        v[d / 2] = 1;
        wni_rotate(r, v, w);
        for (int64_t j = 0; d > 2 && j < d; j++)
            assert_true(fabsf(w[j]) < 0.9f);
        wni_rotation_free(ctx, r);
        free(v);
        free(w);
    }
    wn_ctx_free(ctx);
}

/* ---- what is refused -------------------------------------------------------------------------------------------- */

static void fails(wn_ctx *ctx, wn_status st, wn_status expected, const char *text)
{
    assert_int_equal(st, expected);
    if (!strstr(wn_ctx_error(ctx), text))
        fail_msg("found the error '%s', expected '%s' in it", wn_ctx_error(ctx), text);
}

static wn_status check(wn_ctx *ctx, int code, int bytes, int uniform)
{
    const wni_code_params p = {(wn_code)code, bytes, 0, uniform};

    return wni_code_check(ctx, 40, &p);
}

static void parameters_that_do_not_go_together(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    fails(ctx, check(ctx, WN_CODE_PQ, 41, 0), WN_E_USAGE,
          "code_bytes is 41 but a row has 40 columns");
    fails(ctx, check(ctx, WN_CODE_RQ, 2, 0), WN_E_USAGE,
          "code_bytes is 2 but a row needs at least 3");
    fails(ctx, check(ctx, WN_CODE_F16, 8, 0), WN_E_USAGE, "only the codes pq and rq can be cut");
    ts_ok(ctx, check(ctx, WN_CODE_PQ, 40, 1));
    ts_ok(ctx, check(ctx, WN_CODE_RQ, 3, 0));
    ts_ok(ctx, check(ctx, WN_CODE_I8, 0, 0));
    wn_ctx_free(ctx);
}

/* Arrays of the right type and shape whose numbers cannot be. */
static wn_status bogus(wn_ctx *ctx, const wni_index_build *b)
{
    const plan *it = b->params;
    const int64_t one = 1, two = 2, wide[2] = {1, 20}, codes[2] = {N, 32};
    const double about[2] = {it->p.rerank < 2 ? NAN : 1, 0};
    float offset[20] = {0};
    int32_t exponent = 1000;
    int64_t least = -1;
    int8_t *rows = NULL;
    wn_status st = WN_OK;

    offset[3] = INFINITY;
    WNI_NEW0(ctx, rows, N * 64);
    if (it->p.code == WN_CODE_I8) {
        WNI_TRY(wni_build_npy(b, "code_about.npy", "<f8", 8, &two, 1, about));
        WNI_TRY(wni_build_npy(b, "code_offset.npy", "<f4", 4, wide, 2, offset));
        WNI_TRY(wni_build_npy(b, "code.npy", "|i1", 1, codes, 2, rows));
    } else if (it->p.code == WN_CODE_F16) {
        WNI_TRY(wni_build_npy(b, "code_exponent.npy", "<i4", 4, &one, 1, &exponent));
        WNI_TRY(wni_build_npy(b, "code.npy", "<f2", 2, codes, 2, rows));
    } else {
        WNI_TRY(wni_build_npy(b, "code_least.npy", "<i8", 8, &one, 1, &least));
    }
done:
    wni_free(ctx, rows);
    return st;
}

static void arrays_that_do_not_fit(void **state)
{
    float *v = ts_normal(N, 20, 1);
    wn_ctx *ctx = ts_ctx(1, -1);
    plan it;

    (void)state;
    for (int made = 0; made < CODES; made++) {
        wn_index *index;

        it = plan_of(made, made >= WN_CODE_PQ ? 6 : 0);
        ts_ok(ctx, make(ctx, &it, v, N, 20, WN_F32, WN_L2, "made"));
        ts_ok(ctx, wn_index_open(ctx, ts_path("made"), &index));
        for (int asked = 0; asked < CODES; asked++) {
            const wni_code_params other = {(wn_code)asked, asked == made ? 7 : 0, 3, 0};
            wni_code *code = NULL;
            wn_status st = wni_code_open(ctx, index, index->segment, &other, &code);

            if (asked == made && made < WN_CODE_PQ)
                assert_int_equal(st, WN_OK);
            else if (asked == made)
                fails(ctx, st, WN_E_DATA, "s1/code");
            else
                fails(ctx, st, WN_E_DATA, "s1/");
            if (asked == made && made >= WN_CODE_PQ) fails(ctx, st, WN_E_DATA, "expected (");
            wni_code_free(ctx, code);
        }
        wn_index_free(index);
    }
    for (int i = 0; i < 4; i++) {
        static const char *const want[] = {"not a step and a rotation", "not finite", "not a scale",
                                           "not the least of the lengths"};
        wn_index *index;

        it = plan_of(i < 2 ? WN_CODE_I8 : i == 2 ? WN_CODE_F16 : WN_CODE_RQ, 0);
        it.p.rerank = i == 0 ? 1 : 2;
        it.build = bogus;
        ts_ok(ctx, make(ctx, &it, v, N, 20, WN_F32, WN_L2, "bogus"));
        fails(ctx, wn_index_open(ctx, ts_path("bogus"), &index), WN_E_DATA, want[i]);
    }
    free(v);
    wn_ctx_free(ctx);
}

/* Without memory at any point a build or an opening says so and leaves nothing behind. */
static void no_memory_at_any_point(void **state)
{
    float *v = ts_normal(N, 6, 3);

    (void)state;
    for (int code = 0; code < CODES; code++)
        for (int phase = 0; phase < 2; phase++) {
            plan it = plan_of(code, code == WN_CODE_RQ ? 3 : code == WN_CODE_PQ ? 2 : 0);
            ts_alloc memory = {.fail_at = -1};
            int64_t count = 1;

            it.p.pq_uniform = 1;
            for (int64_t at = -1; at < count; at += 1 + (at >= 0 ? count / 60 : 0)) {
                wn_ctx *ctx = ts_ctx(1, -1);
                wn_status st;

                if (phase) ts_ok(ctx, make(ctx, &it, v, N, 6, WN_F32, WN_COSINE, "memory"));
                wn_ctx_free(ctx);
                memory = (ts_alloc){.fail_at = at};
                ctx = ts_ctx_failing(&memory, 1);
                if (phase) {
                    wn_index *index = NULL;

                    st = wn_index_open(ctx, ts_path("memory"), &index);
                    wn_index_free(index);
                } else {
                    st = make(ctx, &it, v, N, 6, WN_F32, WN_COSINE, "memory");
                }
                if (at < 0) count = memory.count;
                assert_int_equal(st, at < 0 ? WN_OK : WN_E_NOMEM);
                wn_ctx_free(ctx);
                assert_int_equal(memory.live, 0);
            }
        }
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_distances_to_codes),
        cmocka_unit_test(the_same_bytes_everywhere),
        cmocka_unit_test(codes_find_the_nearest),
        cmocka_unit_test(codes_of_real_features),
        cmocka_unit_test(rows_in_place_are_not_written_again),
        cmocka_unit_test(hard_rows),
        cmocka_unit_test(uniform_codebooks_are_used_evenly),
        cmocka_unit_test(rotations_keep_lengths),
        cmocka_unit_test(no_memory_at_any_point),
        cmocka_unit_test(parameters_that_do_not_go_together),
        cmocka_unit_test(arrays_that_do_not_fit),
    };
    int failed;

    ts_tmp();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    ts_tmp_remove();
    return failed;
}
