/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools: reading, gathering, views, scaling under cosine, and the check, against plain loops.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/ctx_impl.h"
#include "base/rng.h"
#include "pool/pool_use.h"

static wn_pool *open_files(wn_ctx *ctx, const char *const *paths, int32_t n, wn_metric metric)
{
    wn_pool_options opt;
    wn_pool *pool = NULL;

    wn_pool_options_init(&opt);
    opt.metric = metric;
    ts_ok(ctx, wn_pool_open(ctx, paths, n, &opt, &pool));
    return pool;
}

/* The slow twin of scaling: canonical dot with 16 strided lanes. */
static void unit_twin(float *x, int64_t d)
{
    float lane[16] = {0}, inverse;

    for (int64_t j = 0; j < d; j++)
        lane[j % 16] = fmaf(x[j], x[j], lane[j % 16]);
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    inverse = 1 / sqrtf(lane[0]);
    for (int64_t j = 0; j < d; j++)
        x[j] *= inverse;
}

/* Rows in three shards of different length; mapped (large budget) and by pread (small one). */
static void shards_read_as_one(void **state)
{
    const int64_t cut[4] = {0, 700, 701, 2000};
    const int64_t n = 2000, d = 37, ld = 48;
    float *v = ts_normal(n, d, 5), *got = malloc((size_t)(n * ld) * sizeof *got);
    const char *paths[3] = {ts_path("s0.npy"), ts_path("s1.npy"), ts_path("s2.npy")};

    (void)state;
    for (int s = 0; s < 3; s++)
        ts_write_npy(paths[s], v + cut[s] * d, cut[s + 1] - cut[s], d);
    for (int mapped = 0; mapped < 2; mapped++) {
        wn_ctx *ctx = ts_ctx(2, -1);
        int64_t taken = mapped ? 0 : wni_budget_left(ctx);
        wni_account(ctx, taken);
        wn_pool *pool = open_files(ctx, paths, 3, WN_L2);

        assert_int_equal(wn_pool_rows(pool), n);
        assert_int_equal(wn_pool_dim(pool), d);
        assert_int_equal(wn_pool_dtype(pool), WN_F32);
        assert_int_equal(wn_pool_shards(pool), 3);
        assert_string_equal(wn_pool_shard_path(pool, 1), paths[1]);
        assert_null(wn_pool_shard_path(pool, 3));
        assert_int_equal(wn_pool_shard_rows(pool, 2), 1299);
        for (int64_t first = 0; first < n; first += 333) {
            int64_t m = wni_min(n - first, 777);
            memset(got, 0x7f, (size_t)(n * ld) * sizeof *got);
            ts_ok(ctx, wn_pool_read(ctx, pool, first, m, got, ld));
            for (int64_t i = 0; i < m; i++) {
                assert_memory_equal(got + i * ld, v + (first + i) * d, (size_t)d * 4);
                for (int64_t j = d; j < ld; j++)
                    assert_true(got[i * ld + j] == 0);
            }
        }
        memset(got, 0x7f, (size_t)(n * d) * sizeof *got);
        ts_ok(ctx, wn_pool_read_raw(ctx, pool, 0, n, got));
        assert_memory_equal(got, v, (size_t)(n * d) * 4);
        wn_pool_free(pool);
        wni_account(ctx, -taken);
        assert_int_equal(wn_ctx_live_bytes(ctx) < 100000, 1);
        wn_ctx_free(ctx);
    }
    free(v);
    free(got);
}

static void gather_and_views(void **state)
{
    const int64_t n = 500, d = 20, m = 300, ld = 32;
    float *v = ts_normal(n, d, 6), *got = malloc((size_t)(m * ld) * sizeof *got);
    float *raw = malloc((size_t)(m * d) * sizeof *raw);
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t rows[300], inner[300], bad[2] = {3, 300};
    wn_pool *pool, *view, *second;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_L2, &pool));
    for (int64_t i = 0; i < m; i++) {
        rows[i] =
            i % 3 ? (i > 0 ? (rows[i - 1] + 1) % n : 7) : wni_rand_below(1, 2, (uint64_t)i, n);
        inner[i] = wni_rand_below(1, 3, (uint64_t)i, m);
    }
    ts_ok(ctx, wn_pool_gather(ctx, pool, rows, m, got, ld));
    for (int64_t i = 0; i < m; i++)
        assert_memory_equal(got + i * ld, v + rows[i] * d, (size_t)d * 4);
    ts_ok(ctx, wn_pool_view(ctx, pool, rows, m, &view));
    ts_ok(ctx, wn_pool_view(ctx, view, inner, m, &second));
    assert_int_equal(wn_pool_rows(second), m);
    assert_int_equal(wn_pool_shards(second), 0);
    assert_int_equal(wn_pool_source_row(second, 5), inner[5]);
    assert_int_equal(wn_pool_source_row(view, 5), rows[5]);
    assert_int_equal(wn_pool_source_row(pool, 5), 5);
    ts_ok(ctx, wn_pool_read(ctx, second, 10, m - 10, got, ld));
    ts_ok(ctx, wn_pool_read_raw(ctx, second, 10, m - 10, raw));
    for (int64_t i = 10; i < m; i++) {
        assert_memory_equal(got + (i - 10) * ld, v + rows[inner[i]] * d, (size_t)d * 4);
        assert_memory_equal(raw + (i - 10) * d, v + rows[inner[i]] * d, (size_t)d * 4);
    }
    ts_ok(ctx, wn_pool_gather(ctx, second, rows, 0, got, ld));
    rows[0] = 299;
    ts_ok(ctx, wn_pool_gather(ctx, second, inner, 40, got, ld));
    for (int64_t i = 0; i < 40; i++)
        assert_memory_equal(got + i * ld, v + rows[inner[inner[i]]] * d, (size_t)d * 4);

    assert_int_equal(wn_pool_gather(ctx, view, bad, 2, got, ld), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "300 rows"));
    assert_int_equal(wn_pool_read(ctx, view, 299, 2, got, ld), WN_E_USAGE);
    assert_int_equal(wn_pool_read(ctx, view, -1, 1, got, ld), WN_E_USAGE);
    assert_int_equal(wn_pool_read(ctx, view, 0, 1, got, d - 1), WN_E_USAGE);
    wn_pool_free(second);
    assert_int_equal(wn_pool_view(ctx, view, bad, 2, &second), WN_E_DATA);
    assert_null(second);
    assert_non_null(strstr(wn_ctx_error(ctx), "entry 1 is row 300"));
    wn_pool_free(view);
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
    free(v);
    free(got);
    free(raw);
}

/* Unit rows have the same bits at every ISA, row length and whether padded or not, and are the twin's. */
static void cosine_rows_are_the_same_bits(void **state)
{
    static const int64_t dims[] = {1, 2, 15, 16, 17, 64, 100, 769};

    (void)state;
    for (size_t s = 0; s < sizeof dims / sizeof dims[0]; s++) {
        const int64_t n = 33, d = dims[s], wide = wni_ld(d);
        float *v = ts_normal(n, d, s), *want = malloc((size_t)(n * d) * sizeof *want);
        float *got = malloc((size_t)(n * wide + 1) * sizeof *got);
        memcpy(want, v, (size_t)(n * d) * sizeof *v);
        for (int64_t i = 0; i < n; i++)
            unit_twin(want + i * d, d);
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
            wn_ctx *ctx = ts_ctx(1, isa);
            wn_pool *pool;
            ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_COSINE, &pool));
            for (int64_t ld = d; ld <= wide; ld += wide > d ? wide - d : 1) {
                ts_ok(ctx, wn_pool_read(ctx, pool, 0, n, got + 1, ld)); /* not aligned either */
                for (int64_t i = 0; i < n; i++)
                    assert_memory_equal(got + 1 + i * ld, want + i * d, (size_t)d * sizeof *v);
            }
            wn_pool_free(pool);
            wn_ctx_free(ctx);
        }
        free(v);
        free(want);
        free(got);
    }
}

/* Rows whose squares leave f32 still become unit rows; zeros stay zeros. */
static void cosine_of_huge_and_tiny_rows(void **state)
{
    const float v[5][2] = {{3e30f, 4e30f}, {3e-30f, -4e-30f}, {0, 0}, {0, 1e-42f}, {FLT_MAX, 0}};
    const float want[5][2] = {{0.6f, 0.8f}, {0.6f, -0.8f}, {0, 0}, {0, 1}, {1, 0}};
    float got[5][2];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 5, 2, WN_F32, WN_COSINE, &pool));
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, 5, got[0], 2));
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 2; j++)
            assert_true(fabsf(got[i][j] - want[i][j]) < 1e-6f);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void check_twin(const float *v, int64_t n, int64_t d, wn_pool_report *r)
{
    double sum = 0;
    int64_t good = 0, bad = 0, zeros = 0;

    memset(r, 0, sizeof *r);
    for (int i = 0; i < WN_POOL_BAD_ROWS; i++)
        r->bad_row[i] = r->zero_row[i] = -1;
    for (int64_t i = 0; i < n; i++) {
        bool nan = false, inf = false, zero = true;
        double norm = 0;
        for (int64_t j = 0; j < d; j++) {
            float x = v[i * d + j];
            nan |= isnan(x) != 0;
            inf |= isinf(x) != 0;
            zero &= x == 0;
            norm += (double)x * x;
        }
        r->nan_rows += nan;
        r->inf_rows += inf;
        r->zero_rows += zero;
        if (nan || inf) {
            if (bad < WN_POOL_BAD_ROWS) r->bad_row[bad] = i;
            bad++;
            continue;
        }
        if (zero && zeros++ < WN_POOL_BAD_ROWS) r->zero_row[zeros - 1] = i;
        for (int64_t j = 0; j < d; j++)
            r->max_abs = fmax(r->max_abs, fabs((double)v[i * d + j]));
        norm = sqrt(norm);
        r->min_norm = good ? fmin(r->min_norm, norm) : norm;
        r->max_norm = fmax(r->max_norm, norm);
        sum += norm;
        good++;
    }
    r->rows = n;
    r->dim = d;
    r->mean_norm = good ? sum / (double)good : 0;
}

/* Enough rows for many blocks; the report is the twin's and the same bytes for any threads and ISA. */
static void check_reports(void **state)
{
    const int64_t n = 60000, d = 24;
    float *v = ts_normal(n, d, 8);
    wn_pool_report want, first, got;

    (void)state;
    for (int i = 0; i < 20; i++) {
        v[(59999 - 2900 * i) * d + i] = i % 2 ? NAN : i % 4 ? INFINITY : -INFINITY;
        memset(v + (1000 + 2777 * i) * d, 0, (size_t)d * sizeof *v);
    }
    v[59999 * d + 23] = NAN; /* both in one row */
    check_twin(v, n, d, &want);
    assert_int_equal(want.inf_rows, 10);
    for (int threads = 1; threads <= 8; threads += threads == 1 ? 1 : 6)
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
            wn_ctx *ctx = ts_ctx(threads, isa);
            wn_pool *pool;
            ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_COSINE, &pool));
            memset(&got, 0, sizeof got);
            ts_ok(ctx, wn_pool_check(ctx, pool, 0, &got));
            if (threads == 1 && isa == 0) first = got;
            assert_memory_equal(&got, &first, sizeof got);
            assert_int_equal(wn_pool_check(ctx, pool, 1, NULL), WN_E_DATA);
            assert_non_null(strstr(wn_ctx_error(ctx), "row 4899"));
            assert_non_null(strstr(wn_ctx_error(ctx), "column 19 is NaN"));
            assert_non_null(strstr(wn_ctx_error(ctx), "20 of 60000 rows"));
            wn_pool_free(pool);
            assert_int_equal(wn_ctx_live_bytes(ctx) < 100000, 1);
            wn_ctx_free(ctx);
        }
    assert_int_equal(first.nan_rows, want.nan_rows);
    assert_int_equal(first.inf_rows, want.inf_rows);
    assert_int_equal(first.zero_rows, want.zero_rows);
    assert_memory_equal(first.bad_row, want.bad_row, sizeof want.bad_row);
    assert_memory_equal(first.zero_row, want.zero_row, sizeof want.zero_row);
    assert_true(first.max_abs == want.max_abs);
    assert_true(fabs(first.min_norm - want.min_norm) <= 1e-12);
    assert_true(fabs(first.max_norm - want.max_norm) <= 1e-12);
    assert_true(fabs(first.mean_norm - want.mean_norm) <= 1e-12 * want.mean_norm);
    free(v);
}

static void strict_check_names_file_and_row(void **state)
{
    float v[12] = {1, 2, 3, 4, 5, 6, 0, 0, 9, 10, 11, 12};
    const char *paths[2] = {ts_path("a.npy"), ts_path("b.npy")};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *pool;

    (void)state;
    ts_write_npy(paths[0], v, 2, 2);
    ts_write_npy(paths[1], v + 4, 4, 2);
    pool = open_files(ctx, paths, 2, WN_L2);
    ts_ok(ctx, wn_pool_check(ctx, pool, 1, NULL)); /* zeros are fine under L2 */
    ts_ok(ctx, wn_pool_check(ctx, pool, 1, NULL));
    wn_pool_free(pool);
    pool = open_files(ctx, paths, 2, WN_COSINE);
    assert_int_equal(wn_pool_check(ctx, pool, 1, NULL), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "b.npy: row 1 (row 3 of the pool)"));
    assert_non_null(strstr(wn_ctx_error(ctx), "zero"));
    assert_non_null(strstr(wn_ctx_error(ctx), "--metric l2"));
    ts_ok(ctx, wn_pool_check(ctx, pool, 0, NULL));
    assert_int_equal(wn_pool_check(ctx, pool, 1, NULL), WN_E_DATA); /* a look is no pass */
    wn_pool_free(pool);
    v[9] = INFINITY;
    ts_write_npy(paths[1], v + 4, 4, 2);
    pool = open_files(ctx, paths + 1, 1, WN_L2);
    assert_int_equal(wn_pool_check(ctx, pool, 1, NULL), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "b.npy: row 2: column 1 is Inf"));
    assert_non_null(strstr(wn_ctx_error(ctx), "winnow info"));
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* Values that f32 cannot hold: f64 out of range counts as Inf, i32 beyond 2^24 is refused. */
static void check_of_wide_types(void **state)
{
    const double wide[4] = {1, 2, 1e39, 0};
    int32_t whole[4] = {1, 16777216, -16777216, 0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool_report report;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, wide, 2, 2, WN_F64, WN_L2, &pool));
    ts_ok(ctx, wn_pool_check(ctx, pool, 0, &report));
    assert_int_equal(report.inf_rows, 1);
    assert_int_equal(report.bad_row[0], 1);
    assert_int_equal(wn_pool_check(ctx, pool, 1, NULL), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "row 1 of the pool in memory: column 0"));
    assert_non_null(strstr(wn_ctx_error(ctx), "range of f32"));
    wn_pool_free(pool);
    ts_ok(ctx, wn_pool_wrap(ctx, whole, 2, 2, WN_I32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_check(ctx, pool, 1, &report));
    assert_true(report.max_abs == 16777216.0);
    whole[2] = 16777217; /* rounds to a number that would pass */
    assert_int_equal(wn_pool_check(ctx, pool, 0, &report), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "column 0 holds 16777217"));
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void a_passed_pool_is_not_read_again(void **state)
{
    float v[4] = {1, 2, 3, 4};
    const int64_t rows[1] = {1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool, *view;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 2, 2, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_view(ctx, pool, rows, 1, &view));
    ts_ok(ctx, wn_pool_check(ctx, pool, 1, NULL));
    v[3] = NAN; /* against the rules of wn_pool_wrap, to see whether it is read */
    ts_ok(ctx, wn_pool_check(ctx, pool, 1, NULL));
    ts_ok(ctx, wn_pool_check(ctx, view, 1, NULL));
    wn_pool_free(view);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void wrap_refuses_nonsense(void **state)
{
    float v[4] = {0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;

    (void)state;
    assert_int_equal(wn_pool_wrap(ctx, v, -1, 2, WN_F32, WN_L2, &pool), WN_E_USAGE);
    assert_null(pool);
    assert_int_equal(wn_pool_wrap(ctx, v, 2, 0, WN_F32, WN_L2, &pool), WN_E_USAGE);
    assert_int_equal(wn_pool_wrap(ctx, v, 2, WN_DIM_MAX + 1, WN_F32, WN_L2, &pool), WN_E_USAGE);
    assert_int_equal(wn_pool_wrap(ctx, v, 2, 2, WN_DTYPE_COUNT, WN_L2, &pool), WN_E_USAGE);
    assert_int_equal(wn_pool_wrap(ctx, v, 2, 2, WN_F32, (wn_metric)7, &pool), WN_E_USAGE);
    assert_int_equal(wn_pool_wrap(ctx, NULL, 2, 2, WN_F32, WN_L2, &pool), WN_E_USAGE);
    ts_ok(ctx, wn_pool_wrap(ctx, NULL, 0, 2, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_check(ctx, pool, 1, NULL));
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, 0, v, 2));
    wn_pool_free(pool);
    wn_pool_free(NULL);
    wn_ctx_free(ctx);
}

typedef struct readers {
    const wn_pool *pool;
    const float *want;
    int64_t d;
} readers;

static wn_status read_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const readers *r = arg;
    float got[4 * 64];

    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        wn_status st = wn_pool_read(ctx, r->pool, i, 4, got, r->d);
        if (st != WN_OK) return st;
        if (memcmp(got, r->want + i * r->d, (size_t)(4 * r->d) * sizeof *got) != 0)
            return wni_fail(ctx, WN_E_INTERNAL, "row %lld differs", (long long)i);
    }
    return WN_OK;
}

static void any_thread_may_read(void **state)
{
    const int64_t n = 3000, d = 33;
    float *v = ts_normal(n, d, 9);
    const char *path = ts_path("t.npy");

    (void)state;
    ts_write_npy(path, v, n, d);
    for (int mapped = 0; mapped < 2; mapped++) {
        wn_ctx *ctx = ts_ctx(8, -1);
        int64_t taken = mapped ? 0 : wni_budget_left(ctx);
        wni_account(ctx, taken);
        wn_pool *pool = open_files(ctx, &path, 1, WN_L2);
        readers r = {pool, v, d};
        ts_ok(ctx, wni_parallel(ctx, n - 3, 7, read_range, &r));
        wn_pool_free(pool);
        wni_account(ctx, -taken);
        wn_ctx_free(ctx);
    }
    free(v);
}

/* Mapped files are let go when an estimate needs their room, and only then; rows stay the same. */
static void mappings_give_way(void **state)
{
    enum { FILES = 3, N = 900, D = 20 };
    float *v = ts_normal((int64_t)FILES * N, D, 14), *got = malloc(sizeof *got * FILES * N * D);
    const char *paths[FILES] = {ts_path("g0.npy"), ts_path("g1.npy"), ts_path("g2.npy")};
    const int64_t bytes = (int64_t)FILES * N * D * 4;
    int64_t row = 1700;
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *pool, *cosine, *view;
    int64_t left, mapped;

    (void)state;
    for (int i = 0; i < FILES; i++)
        ts_write_npy(paths[i], v + (int64_t)i * N * D, N, D);
    left = wni_budget_left(ctx);
    pool = open_files(ctx, paths, FILES, WN_L2);
    ts_ok(ctx, wn_pool_with_metric(ctx, pool, WN_COSINE, &cosine));
    ts_ok(ctx, wn_pool_view(ctx, cosine, &row, 1, &view));
    mapped = wni_budget_left(ctx);
    assert_true(left - mapped >= bytes);
    ts_ok(ctx, wni_pool_need(ctx, view, mapped, "a test"));
    assert_int_equal(wni_budget_left(ctx), mapped);
    /* Far too much is refused; what fits without the mappings is not, from a view too. */
    ts_ok(ctx, wni_pool_need(ctx, view, mapped + bytes, "a test"));
    assert_true(wni_budget_left(ctx) >= mapped + bytes);
    assert_int_equal(wni_pool_need(ctx, view, left + 1, "a test"), WN_E_BUDGET);
    assert_non_null(strstr(wn_ctx_error(ctx), "a test needs"));
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, FILES * N, got, D));
    assert_memory_equal(got, v, (size_t)bytes);
    ts_ok(ctx, wn_pool_read(ctx, view, 0, 1, got, D));
    unit_twin(v + row * D, D);
    assert_memory_equal(got, v + row * D, D * 4);
    wn_pool_free(view);
    wn_pool_free(cosine);
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    /* Memory of the caller is nobody's to let go. */
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    assert_int_equal(wni_pool_need(ctx, pool, left + 1, "a test"), WN_E_BUDGET);
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, N, got, D));
    assert_memory_equal(got, v, (size_t)N * D * 4);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    free(v);
    free(got);
}

/* More files than a pool keeps open. */
static void many_shards(void **state)
{
    enum { FILES = 300 };
    static char names[FILES][64];
    char kept[1024];
    const char *pattern = strcpy(kept, ts_path("m_*.npy"));
    float *v = ts_normal(FILES * 2, 3, 4), got[FILES * 2 * 3];
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t taken;
    wn_pool *pool;

    (void)state;
    for (int i = 0; i < FILES; i++) {
        snprintf(names[i], sizeof names[i], "m_%03d.npy", i);
        ts_write_npy(ts_path(names[i]), v + i * 6, 2, 3);
    }
    taken = wni_budget_left(ctx);
    wni_account(ctx, taken);
    pool = open_files(ctx, &pattern, 1, WN_L2);
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, FILES * 2, got, 3));
    assert_memory_equal(got, v, sizeof got);
    /* A resting file that is replaced is noticed. */
    ts_write_npy(ts_path("new.npy"), v, 2, 3);
    assert_int_equal(rename(ts_path("new.npy"), ts_path("m_280.npy")), 0);
    assert_int_equal(wn_pool_read(ctx, pool, 560, 1, got, 3), WN_E_IO);
    assert_non_null(strstr(wn_ctx_error(ctx), "m_280.npy: was replaced"));
    wn_pool_free(pool);
    wni_account(ctx, -taken);
    wn_ctx_free(ctx);
    free(v);
}

static void a_file_that_shrinks_is_an_error(void **state)
{
    const char *path = ts_path("shrink.npy");
    float *v = ts_normal(1000, 16, 3), got[16];
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t taken = wni_budget_left(ctx);
    wn_pool *pool;

    (void)state;
    wni_account(ctx, taken);
    ts_write_npy(path, v, 1000, 16);
    pool = open_files(ctx, &path, 1, WN_L2);
    ts_write_npy(path, v, 10, 16); /* the same file, cut */
    assert_int_equal(wn_pool_read(ctx, pool, 900, 1, got, 16), WN_E_IO);
    assert_non_null(strstr(wn_ctx_error(ctx), "shrank"));
    wn_pool_free(pool);
    wni_account(ctx, -taken);
    wn_ctx_free(ctx);
    free(v);
}

/* Allocation 0, 1, 2, ... fails: a clean WN_E_NOMEM each time, and nothing left behind. */
static void every_allocation_may_fail(void **state)
{
    const char *paths[2] = {ts_path("f0.npy"), ts_path("f*.npy")};
    float *v = ts_normal(4, 3, 1);
    const int64_t rows[2] = {1, 2};
    wn_status st = WN_E_NOMEM;
    int64_t fail_at;

    (void)state;
    ts_write_npy(paths[0], v, 4, 3);
    ts_write_npy(ts_path("f1.npy"), v, 4, 3);
    for (fail_at = 0; st != WN_OK; fail_at++) {
        ts_alloc alloc = {.fail_at = fail_at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wn_pool *pool = NULL, *view = NULL;
        st = wn_pool_open(ctx, paths, 2, NULL, &pool);
        if (st == WN_OK) st = wn_pool_view(ctx, pool, rows, 2, &view);
        if (st == WN_OK) st = wn_pool_check(ctx, view, 1, NULL);
        assert_true(st == WN_OK || st == WN_E_NOMEM);
        wn_pool_free(view);
        wn_pool_free(pool);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
    }
    assert_true(fail_at > 10);
    free(v);
}

static int stop_now(void *user)
{
    (void)user;
    return 1;
}

static void check_can_be_cancelled(void **state)
{
    float *v = ts_normal(20000, 16, 2);
    wn_ctx_options opt;
    wn_ctx *ctx;
    wn_pool *pool;

    (void)state;
    wn_ctx_options_init(&opt);
    opt.threads = 2;
    opt.cancel = stop_now;
    assert_int_equal(wn_ctx_new(&opt, &ctx), WN_OK);
    ctx->poll_ns = 0;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 20000, 16, WN_F32, WN_L2, &pool));
    assert_int_equal(wn_pool_check(ctx, pool, 1, NULL), WN_E_CANCELLED);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    free(v);
}

/* Rows, views and the check under another metric than the pool's own. */
static void another_metric(void **state)
{
    static const float v[] = {3, 4, 0, 0, 0, 2};
    static const int64_t rows[] = {2, 0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool, *cosine, *view, *back;
    float got[6], one[2];

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 3, 2, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_check(ctx, pool, 1, NULL)); /* a pass under L2 must not count for cosine */
    ts_ok(ctx, wn_pool_with_metric(ctx, pool, WN_COSINE, &cosine));
    assert_int_equal(wn_pool_metric(cosine), WN_COSINE);
    ts_ok(ctx, wn_pool_read(ctx, cosine, 0, 3, got, 2));
    assert_true(fabs((double)got[0] - 0.6) < 1e-6 && fabs((double)got[1] - 0.8) < 1e-6);
    assert_true(got[2] == 0 && got[3] == 0 && got[4] == 0 && got[5] == 1);
    assert_int_equal(wn_pool_check(ctx, cosine, 1, NULL), WN_E_DATA);
    assert_int_equal(wn_pool_source_row(cosine, 2), 2);
    ts_ok(ctx, wn_pool_read_raw(ctx, cosine, 0, 3, got));
    assert_memory_equal(got, v, sizeof v);
    ts_ok(ctx, wn_pool_view(ctx, cosine, rows, 2, &view));
    ts_ok(ctx, wn_pool_gather(ctx, view, rows + 1, 1, one, 2));
    assert_true(one[0] == 0 && one[1] == 1);
    ts_ok(ctx, wn_pool_check(ctx, view, 1, NULL)); /* it leaves the zero row out */
    ts_ok(ctx, wn_pool_with_metric(ctx, view, WN_L2, &back));
    ts_ok(ctx, wn_pool_read(ctx, back, 1, 1, one, 2));
    assert_true(one[0] == 3 && one[1] == 4);
    wn_pool_free(back);
    wn_pool_free(view);
    wn_pool_free(cosine);
    assert_int_equal(wn_pool_with_metric(ctx, pool, (wn_metric)7, &cosine), WN_E_USAGE);
    assert_null(cosine);
    wn_pool_free(pool);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_read_as_one),
        cmocka_unit_test(gather_and_views),
        cmocka_unit_test(another_metric),
        cmocka_unit_test(cosine_rows_are_the_same_bits),
        cmocka_unit_test(cosine_of_huge_and_tiny_rows),
        cmocka_unit_test(check_reports),
        cmocka_unit_test(strict_check_names_file_and_row),
        cmocka_unit_test(check_of_wide_types),
        cmocka_unit_test(a_passed_pool_is_not_read_again),
        cmocka_unit_test(wrap_refuses_nonsense),
        cmocka_unit_test(any_thread_may_read),
        cmocka_unit_test(mappings_give_way),
        cmocka_unit_test(many_shards),
        cmocka_unit_test(a_file_that_shrinks_is_an_error),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(check_can_be_cancelled),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, ts_tidy);
}
