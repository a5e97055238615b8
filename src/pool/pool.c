/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools: opening, views, and reading rows. Reading allocates nothing and may run on any thread.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/outdir.h"
#include "kernels/fused.h"
#include "kernels/kernels.h"
#include "pool/pool_impl.h"

#define LANES 16 /* of the canonical dot product */
#define FILES_OPEN \
    256 /* descriptors a pool keeps; files beyond rest and are opened for each read */
#define FILES_NAMED 20    /* shards that are listed one by one in the log */
#define BATCH       16384 /* floats that are scaled while they are still in cache */
/* A job holds some itself before its method starts, which is in no estimate: a budget of the peak that a plan says is
 * enough for both. */
#define JOB_BYTES ((int64_t)256 << 10)

/* ---- making ---------------------------------------------------------------------------------- */

void wn_pool_options_init(wn_pool_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->metric = WN_L2;
    options->dtype = -1;
}

static wn_status pool_new(wn_ctx *ctx, int64_t n, int64_t d, wn_dtype dtype, wn_metric metric,
                          wn_pool **out)
{
    wn_pool *pool = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, pool, 1);
    pool->ctx = ctx;
    pool->n = n;
    pool->d = d;
    pool->dtype = dtype;
    pool->metric = metric;
    WNI_NEW0(ctx, pool->passed, 1);
    *out = pool;
    pool = NULL;
done:
    wn_pool_free(pool);
    return st;
}

void wn_pool_free(wn_pool *pool)
{
    wn_ctx *ctx;

    if (!pool) return;
    ctx = pool->ctx;
    for (int32_t i = 0; i < pool->n_shards; i++)
        wni_vecfile_close(ctx, &pool->shard[i]);
    wni_free(ctx, pool->shard);
    wni_free(ctx, pool->start);
    wni_free(ctx, pool->passed);
    wni_free(ctx, pool);
}

static wn_status options_check(wn_ctx *ctx, const wn_pool_options *given, wn_pool_options *opt)
{
    wn_pool_options_init(opt);
    if (given) {
        memcpy(opt, given, given->struct_size < sizeof *opt ? given->struct_size : sizeof *opt);
        opt->struct_size = sizeof *opt;
    }
    if ((unsigned)opt->metric >= WN_METRIC_COUNT)
        return wni_fail(ctx, WN_E_USAGE, "metric: found %d, expected l2 or cosine", opt->metric);
    if (opt->dtype < -1 || opt->dtype >= WN_DTYPE_COUNT)
        return wni_fail(ctx, WN_E_USAGE, "dtype: found %d, expected f32 f16 bf16 f64 i8 u8 or i32",
                        opt->dtype);
    if (opt->dim < 0 || opt->dim > WN_DIM_MAX)
        return wni_fail(ctx, WN_E_USAGE, "dim: found %lld, expected 1 to %d", (long long)opt->dim,
                        WN_DIM_MAX);
    if (opt->rows < 0 || opt->rows > WN_ROWS_MAX)
        return wni_fail(ctx, WN_E_USAGE, "rows: found %lld, expected 1 to %lld",
                        (long long)opt->rows, (long long)WN_ROWS_MAX);
    return WN_OK;
}

/* Opens one file as the next shard; sets d and dtype of the pool from the first. */
static wn_status shard_add(wn_ctx *ctx, wn_pool *pool, const char *path, const char *member,
                           const wn_pool_options *opt)
{
    wni_vecfile_want want = {opt->dtype, opt->dim, opt->rows, member ? member : opt->member};
    wni_vecfile *v = &pool->shard[pool->n_shards], *first = pool->shard;
    wn_status st;

    if (want.rows > 0) want.rows -= pool->n;
    if ((st = wni_vecfile_open(ctx, path, &want, v)) != WN_OK) return st;
    pool->n_shards++;
    if (v != first && (v->d != first->d || v->dtype != first->dtype))
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found %lld columns of %s, expected %lld columns of %s as in %s; all "
                        "files of a pool must agree: convert the one that differs or leave it out",
                        v->label, (long long)v->d, wn_dtype_name(v->dtype), (long long)first->d,
                        wn_dtype_name(first->dtype), first->label);
    if (v->n > WN_ROWS_MAX - pool->n)
        return wni_fail(ctx, WN_E_DATA, "%s: the files have more than %lld rows together", v->label,
                        (long long)WN_ROWS_MAX);
    pool->start[pool->n_shards] = pool->n += v->n;
    if (pool->n_shards > FILES_OPEN) wni_infile_rest(&v->file);
    return WN_OK;
}

/* The files of one argument: FILE, FILE:MEMBER or a pattern. */
static wn_status argument_add(wn_ctx *ctx, wn_pool *pool, const char *argument,
                              const wn_pool_options *opt)
{
    char *file = NULL, **paths = NULL;
    const char *member, *pattern;
    wni_vecfile *shard;
    int64_t *start;
    int32_t count;
    wn_status st;

    WNI_TRY(wni_member_split(ctx, argument, &file, &member));
    pattern = file;
    WNI_TRY(wni_paths_expand(ctx, &pattern, 1, &paths, &count));
    shard =
        wni_grow(ctx, pool->shard, pool->n_shards, (int64_t)pool->n_shards + count, sizeof *shard);
    if (shard) pool->shard = shard;
    start = wni_grow(ctx, pool->start, pool->n_shards + 1, (int64_t)pool->n_shards + count + 1,
                     sizeof *start);
    if (start) pool->start = start;
    if (!shard || !start) {
        st = WN_E_NOMEM;
        goto done;
    }
    for (int32_t i = 0; i < count && (opt->rows == 0 || pool->n < opt->rows); i++) {
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(shard_add(ctx, pool, paths[i], member, opt));
    }
done:
    wni_paths_free(ctx, paths);
    wni_free(ctx, file);
    return st;
}

static void warn_slow(wn_ctx *ctx, const wni_vecfile *v)
{
    if (!v->map.data && wni_vecfile_by_column(v))
        wni_log(ctx, WN_LOG_WARN,
                "%s is in Fortran order and too large to map: reading it is slow; save it with "
                "np.save(p, np.ascontiguousarray(a))",
                v->label);
}

/* Maps all files when they are small beside the budget; larger pools are read by pread, so that the
 * memory of the process does not grow with them. */
static wn_status map_or_not(wn_ctx *ctx, wn_pool *pool)
{
    int64_t total = 0, room = wni_budget_left(ctx) / 2;
    wn_status st = WN_OK;

    for (int32_t i = 0; i < pool->n_shards && total <= room; i++)
        total += wni_vecfile_span(&pool->shard[i]);
    for (int32_t i = 0; i < pool->n_shards && total <= room && st == WN_OK; i++)
        st = wni_vecfile_map(ctx, &pool->shard[i]);
    for (int32_t i = 0; i < pool->n_shards && st == WN_OK; i++) {
        const wni_vecfile *v = &pool->shard[i];
        if (pool->n_shards > 1 && i < FILES_NAMED)
            wni_log(ctx, WN_LOG_INFO, "shard %d: %s, %lld rows", i, v->label, (long long)v->n);
        warn_slow(ctx, v);
    }
    if (pool->n_shards > FILES_NAMED)
        wni_log(ctx, WN_LOG_INFO, "and %d more shards", pool->n_shards - FILES_NAMED);
    return st;
}

wn_status wn_pool_open(wn_ctx *ctx, const char *const *paths, int32_t n_paths,
                       const wn_pool_options *options, wn_pool **out)
{
    wn_pool_options opt;
    wn_pool *pool = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(options_check(ctx, options, &opt));
    if (n_paths < 1) {
        st = wni_fail(ctx, WN_E_USAGE, "no files; give at least one");
        goto done;
    }
    WNI_TRY(pool_new(ctx, 0, 0, WN_F32, (wn_metric)opt.metric, &pool));
    pool->in_files = 1;
    WNI_NEW0(ctx, pool->start, 1);
    for (int32_t i = 0; i < n_paths; i++)
        WNI_TRY(argument_add(ctx, pool, paths[i], &opt));
    if (opt.rows > pool->n) {
        st = wni_fail(ctx, WN_E_DATA, "%s: --rows asks for %lld rows, the files have %lld",
                      pool->shard[0].label, (long long)opt.rows, (long long)pool->n);
        goto done;
    }
    pool->d = pool->shard[0].d;
    pool->dtype = pool->shard[0].dtype;
    WNI_TRY(map_or_not(ctx, pool));
    *out = pool;
    pool = NULL;
done:
    wn_pool_free(pool);
    return st;
}

wn_status wn_pool_wrap(wn_ctx *ctx, const void *rows, int64_t n, int64_t d, wn_dtype dtype,
                       wn_metric metric, wn_pool **out)
{
    wn_pool *pool = NULL;
    wn_status st;

    *out = NULL;
    if (n < 0 || n > WN_ROWS_MAX || d < 1 || d > WN_DIM_MAX || (unsigned)dtype >= WN_DTYPE_COUNT ||
        (unsigned)metric >= WN_METRIC_COUNT || (!rows && n > 0))
        return wni_fail(ctx, WN_E_USAGE,
                        "pool in memory: found %lld rows, %lld columns, dtype %d, metric %d%s; "
                        "expected 0 to %lld rows of 1 to %d columns",
                        (long long)n, (long long)d, (int)dtype, (int)metric,
                        rows ? "" : ", no memory", (long long)WN_ROWS_MAX, WN_DIM_MAX);
    WNI_TRY(pool_new(ctx, n, d, dtype, metric, &pool));
    WNI_NEW0(ctx, pool->shard, 1);
    WNI_NEW0(ctx, pool->start, 2);
    wni_vecfile_wrap(rows, n, d, dtype, pool->shard);
    pool->n_shards = 1;
    pool->start[1] = n;
    *out = pool;
    pool = NULL;
done:
    wn_pool_free(pool);
    return st;
}

wn_status wn_pool_view(wn_ctx *ctx, const wn_pool *parent, const int64_t *rows, int64_t n,
                       wn_pool **out)
{
    wn_status st;

    *out = NULL;
    if (n < 0 || n > WN_ROWS_MAX || (n > 0 && !rows))
        return wni_fail(ctx, WN_E_USAGE, "view: found %lld rows, expected 0 to %lld", (long long)n,
                        (long long)WN_ROWS_MAX);
    for (int64_t i = 0; i < n; i++)
        if (rows[i] < 0 || rows[i] >= parent->n)
            return wni_fail(ctx, WN_E_DATA,
                            "view: entry %lld is row %lld, expected 0 to %lld (rows of the pool)",
                            (long long)i, (long long)rows[i], (long long)parent->n - 1);
    if ((st = pool_new(ctx, n, parent->d, parent->dtype, parent->metric, out)) != WN_OK) return st;
    (*out)->parent = parent;
    (*out)->rows = rows;
    return WN_OK;
}

wn_status wn_pool_with_metric(wn_ctx *ctx, const wn_pool *parent, wn_metric metric, wn_pool **out)
{
    wn_status st;

    *out = NULL;
    if ((unsigned)metric >= WN_METRIC_COUNT)
        return wni_fail(ctx, WN_E_USAGE, "metric: found %d, expected l2 or cosine", (int)metric);
    if ((st = pool_new(ctx, parent->n, parent->d, parent->dtype, metric, out)) != WN_OK) return st;
    (*out)->parent = parent;
    return WN_OK;
}

/* ---- what it is -------------------------------------------------------------------------------- */

int64_t wn_pool_rows(const wn_pool *pool)
{
    return pool->n;
}

int64_t wn_pool_dim(const wn_pool *pool)
{
    return pool->d;
}

wn_dtype wn_pool_dtype(const wn_pool *pool)
{
    return pool->dtype;
}

wn_metric wn_pool_metric(const wn_pool *pool)
{
    return pool->metric;
}

int32_t wn_pool_shards(const wn_pool *pool)
{
    return pool->in_files ? pool->n_shards : 0;
}

const char *wn_pool_shard_path(const wn_pool *pool, int32_t shard)
{
    return shard >= 0 && shard < wn_pool_shards(pool) ? pool->shard[shard].file.path : NULL;
}

int64_t wn_pool_shard_rows(const wn_pool *pool, int32_t shard)
{
    return shard >= 0 && shard < wn_pool_shards(pool) ? pool->shard[shard].n : 0;
}

int64_t wn_pool_source_row(const wn_pool *pool, int64_t row)
{
    return pool->rows ? pool->rows[row] : row;
}

static const wn_pool *root_of(const wn_pool *pool)
{
    while (pool->parent)
        pool = pool->parent;
    return pool;
}

static int64_t root_row(const wn_pool *pool, int64_t row)
{
    for (; pool->parent; pool = pool->parent)
        if (pool->rows) row = pool->rows[row];
    return row;
}

int32_t wni_pool_shard_of(const wn_pool *root, int64_t row)
{
    int32_t low = 0, high = root->n_shards;

    while (high - low > 1) {
        int32_t middle = low + (high - low) / 2;
        if (root->start[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

wn_status wni_pool_unmap(wn_ctx *ctx, const wn_pool *pool)
{
    const wn_pool *root = root_of(pool);
    wn_status st = WN_OK;

    for (int32_t i = 0; i < root->n_shards && st == WN_OK; i++) {
        if (!root->shard[i].map.base) continue;
        st = wni_vecfile_unmap(ctx, &root->shard[i], i < FILES_OPEN);
        if (st == WN_OK) warn_slow(ctx, &root->shard[i]);
    }
    return st;
}

wn_status wni_pool_need(wn_ctx *ctx, const wn_pool *pool, int64_t bytes, const char *what)
{
    wn_status st;

    if (bytes <= wni_budget_left(ctx)) return WN_OK;
    if ((st = wni_pool_unmap(ctx, pool)) != WN_OK) return st;
    return wni_budget_need(ctx, bytes, what);
}

wn_status wni_pool_need_run(wn_ctx *ctx, const wn_pool *pool, const wn_method *method,
                            const wn_estimate *estimate)
{
    const int64_t peak = estimate->peak_bytes;
    char what[128];
    wn_status st;

    if (peak <= wni_budget_left(ctx)) return WN_OK;
    if (pool && (st = wni_pool_unmap(ctx, pool)) != WN_OK) return st;
    if (peak <= ctx->budget_bytes - wni_max(wn_ctx_live_bytes(ctx) - JOB_BYTES, 0)) return WN_OK;
    snprintf(what, sizeof what, "%s %s", method->family, method->name);
    return wni_budget_need(ctx, peak, what);
}

int wni_pool_by_column(const wn_pool *pool)
{
    const wn_pool *root = root_of(pool);

    for (int32_t i = 0; i < root->n_shards; i++)
        if (wni_vecfile_by_column(&root->shard[i])) return 1;
    return 0;
}

const char *wni_pool_row_text(const wn_pool *pool, int64_t row, char *buf, size_t bytes)
{
    const wn_pool *root = root_of(pool);
    int64_t at = root_row(pool, row);
    int32_t s = wni_pool_shard_of(root, at);

    if (!root->in_files)
        snprintf(buf, bytes, "row %lld of the pool in memory", (long long)at);
    else if (root->n_shards == 1)
        snprintf(buf, bytes, "%s: row %lld", root->shard[s].label, (long long)at);
    else
        snprintf(buf, bytes, "%s: row %lld (row %lld of the pool)", root->shard[s].label,
                 (long long)(at - root->start[s]), (long long)at);
    return buf;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* Canonical dot(x, x); the kernel wants whole groups of lanes, rows of the caller need not have them. */
static float norm2(const wni_kernels *k, const float *x, int64_t d, int64_t ld)
{
    float lane[LANES] = {0};

    if (ld % LANES == 0) return k->dot(x, x, ld);
    for (int64_t j = 0; j < d; j++)
        lane[j % LANES] = wni_fused(x[j], x[j], lane[j % LANES]);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

/* Scales a row to unit length: canonical dot, one square root, one division, one product per element. A
 * row whose square leaves the range of f32 is brought near 1 by a power of two first. Rows of zeros and
 * rows that are not finite stay as they are; wn_pool_check() reports them. */
static void unit_row(const wni_kernels *k, float *x, int64_t d, int64_t ld)
{
    float sum = norm2(k, x, d, ld), largest = 0, inverse;

    if (!(sum >= 0x1p-80f && sum <= 0x1p120f)) {
        int exponent;
        for (int64_t j = 0; j < d; j++) {
            float a = fabsf(x[j]);
            if (!(a <= FLT_MAX)) return;
            largest = a > largest ? a : largest;
        }
        if (largest == 0) return;
        (void)frexpf(largest, &exponent);
        for (int64_t j = 0; j < d; j++)
            x[j] = ldexpf(x[j], -exponent);
        sum = norm2(k, x, d, ld);
    }
    inverse = 1 / sqrtf(sum);
    for (int64_t j = 0; j < d; j++)
        x[j] *= inverse;
}

/* Rows of a root, as f32, from however many shards. */
static wn_status run_floats(wn_ctx *ctx, const wn_pool *root, int64_t first, int64_t n, bool unit,
                            float *out, int64_t ld)
{
    const wni_kernels *k = wni_kernels_of(ctx);
    wn_status st = WN_OK;

    for (int32_t s = n > 0 ? wni_pool_shard_of(root, first) : 0; n > 0 && st == WN_OK; s++) {
        const wni_vecfile *v = &root->shard[s];
        int64_t here = wni_min(n, root->start[s + 1] - first);
        int64_t batch = unit && !wni_vecfile_by_column(v) ? wni_max(BATCH / ld, 1) : here;
        for (int64_t i = 0; i < here && st == WN_OK; i += batch) {
            int64_t m = wni_min(batch, here - i);
            st = wni_vecfile_floats(ctx, v, first - root->start[s] + i, m, out + i * ld, ld);
            for (int64_t r = i; unit && r < i + m && st == WN_OK; r++)
                unit_row(k, out + r * ld, root->d, ld);
        }
        first += here;
        n -= here;
        out += here * ld;
    }
    return st;
}

static wn_status run_raw(wn_ctx *ctx, const wn_pool *root, int64_t first, int64_t n,
                         unsigned char *out)
{
    int64_t row_bytes = root->d * (int64_t)wn_dtype_bytes(root->dtype);
    wn_status st = WN_OK;

    for (int32_t s = n > 0 ? wni_pool_shard_of(root, first) : 0; n > 0 && st == WN_OK; s++) {
        int64_t here = wni_min(n, root->start[s + 1] - first);
        st = wni_vecfile_raw(ctx, &root->shard[s], first - root->start[s], here, out);
        first += here;
        n -= here;
        out += here * row_bytes;
    }
    return st;
}

/* Rows rows[0..n) of any pool (NULL: first, first + 1, ...) become runs of consecutive rows of its root;
 * exactly one of floats and raw is given. */
static wn_status read_rows(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t first,
                           int64_t n, bool unit, float *floats, int64_t ld, unsigned char *raw)
{
    const wn_pool *root = root_of(pool);
    int64_t row_bytes = pool->d * (int64_t)wn_dtype_bytes(pool->dtype), length;
    wn_status st = WN_OK;

    while (pool->parent && !pool->rows) /* other metric, same rows */
        pool = pool->parent;
    if (!rows && !pool->parent)
        return raw ? run_raw(ctx, root, first, n, raw)
                   : run_floats(ctx, root, first, n, unit, floats, ld);
    for (int64_t i = 0; i < n && st == WN_OK; i += length) {
        int64_t begin = root_row(pool, rows ? rows[i] : first + i);
        for (length = 1; i + length < n; length++)
            if (root_row(pool, rows ? rows[i + length] : first + i + length) != begin + length)
                break;
        st = raw ? run_raw(ctx, root, begin, length, raw + i * row_bytes)
                 : run_floats(ctx, root, begin, length, unit, floats + i * ld, ld);
    }
    return st;
}

static wn_status check_range(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n, int64_t ld)
{
    if (first < 0 || n < 0 || n > pool->n - first)
        return wni_fail(ctx, WN_E_USAGE, "read: found rows %lld to %lld, the pool has %lld rows",
                        (long long)first, (long long)(first + n), (long long)pool->n);
    if (ld < pool->d)
        return wni_fail(ctx, WN_E_USAGE, "read: found row length %lld, the pool has %lld columns",
                        (long long)ld, (long long)pool->d);
    return WN_OK;
}

wn_status wn_pool_read(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n, float *out,
                       int64_t ld)
{
    wn_status st = check_range(ctx, pool, first, n, ld);

    if (st != WN_OK) return st;
    return read_rows(ctx, pool, NULL, first, n, pool->metric == WN_COSINE, out, ld, NULL);
}

wn_status wni_pool_read_stored(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n,
                               float *out, int64_t ld)
{
    return read_rows(ctx, pool, NULL, first, n, false, out, ld, NULL);
}

wn_status wn_pool_gather(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t n,
                         float *out, int64_t ld)
{
    wn_status st = check_range(ctx, pool, 0, 0, ld);

    for (int64_t i = 0; i < n && st == WN_OK; i++)
        st = check_range(ctx, pool, rows[i], 1, ld);
    if (st != WN_OK) return st;
    return read_rows(ctx, pool, rows, 0, n, pool->metric == WN_COSINE, out, ld, NULL);
}

wn_status wn_pool_read_raw(wn_ctx *ctx, const wn_pool *pool, int64_t first, int64_t n, void *out)
{
    wn_status st = check_range(ctx, pool, first, n, pool->d);

    if (st != WN_OK) return st;
    return read_rows(ctx, pool, NULL, first, n, false, NULL, 0, out);
}
