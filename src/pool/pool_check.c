/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over every row: which are not finite, which are zero, and how long they are. Blocks of rows
 * have bounds that depend on the shape alone and are added up in order, so the report does not depend on
 * threads.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "pool/pool_ahead.h"
#include "pool/pool_impl.h"

#define BLOCK_FLOATS 262144 /* of a block: about a millisecond */
#define TILE_FLOATS  65536  /* read at a time, to stay in cache */
#define ROUND_BLOCKS 512    /* blocks between two progress reports */
#define SOON         16     /* rows ahead that are asked for */
#define INF_BITS     0x7f800000
#define EXACT_I32    (1 << 24) /* whole numbers up to here are exact in f32 */

typedef struct tally {
    int64_t nan_rows, inf_rows, zero_rows, bad_rows, good_rows;
    int64_t bad_row[WN_POOL_BAD_ROWS], zero_row[WN_POOL_BAD_ROWS]; /* filled up to their counts */
    int64_t wide_row; /* first row with an i32 that f32 cannot hold; -1 = none */
    int32_t wide_value, wide_column;
    int32_t max_abs_bits;
    double sum, min, max; /* of norms */
} tally;

typedef struct check_arg {
    const wn_pool *pool;
    int64_t ld, block_rows, tile_rows, first_row;
    wni_ahead *ahead;
    float *tile;    /* (workers, tile_rows, ld) */
    int32_t *whole; /* (workers, tile_rows, d) for i32; else NULL */
    tally *of;      /* (ROUND_BLOCKS) */
} check_arg;

static void add_row(int64_t *list, int64_t count, int64_t row)
{
    if (count < WN_POOL_BAD_ROWS) list[count] = row;
}

static void tally_row(tally *t, const wni_kernels *k, int64_t row, const float *x, int64_t d)
{
    int32_t most; /* bits of the largest |x|: Inf and NaN at the top */
    double norm = sqrt(k->norm64(x, d, &most));

    if (most >= INF_BITS) {
        bool nan = most > INF_BITS, inf = false;
        for (int64_t j = 0; j < d; j++)
            inf |= isinf(x[j]) != 0;
        t->nan_rows += nan;
        t->inf_rows += inf;
        add_row(t->bad_row, t->bad_rows++, row);
        return;
    }
    if (most == 0) add_row(t->zero_row, t->zero_rows++, row);
    t->min = t->good_rows == 0 || norm < t->min ? norm : t->min;
    t->max = t->good_rows == 0 || norm > t->max ? norm : t->max;
    t->sum += norm;
    t->good_rows++;
    t->max_abs_bits = most > t->max_abs_bits ? most : t->max_abs_bits;
}

static void merge(tally *into, const tally *t)
{
    for (int64_t i = 0; i < wni_min(t->bad_rows, WN_POOL_BAD_ROWS); i++)
        add_row(into->bad_row, into->bad_rows + i, t->bad_row[i]);
    for (int64_t i = 0; i < wni_min(t->zero_rows, WN_POOL_BAD_ROWS); i++)
        add_row(into->zero_row, into->zero_rows + i, t->zero_row[i]);
    if (t->good_rows > 0) {
        into->min = into->good_rows == 0 || t->min < into->min ? t->min : into->min;
        into->max = into->good_rows == 0 || t->max > into->max ? t->max : into->max;
    }
    if (into->wide_row < 0 && t->wide_row >= 0) {
        into->wide_row = t->wide_row;
        into->wide_value = t->wide_value;
        into->wide_column = t->wide_column;
    }
    into->nan_rows += t->nan_rows;
    into->inf_rows += t->inf_rows;
    into->zero_rows += t->zero_rows;
    into->bad_rows += t->bad_rows;
    into->good_rows += t->good_rows;
    into->sum += t->sum;
    if (t->max_abs_bits > into->max_abs_bits) into->max_abs_bits = t->max_abs_bits;
}

/* i32 is looked at before it is rounded to f32. */
static wn_status read_i32(wn_ctx *ctx, const check_arg *a, tally *t, int32_t *whole, int64_t row,
                          int64_t n, float *tile)
{
    int64_t d = a->pool->d;
    wn_status st = wn_pool_read_raw(ctx, a->pool, row, n, whole);

    for (int64_t i = 0; i < n && st == WN_OK; i++) {
        const int32_t *x = whole + i * d;
        for (int64_t j = 0; j < d && t->wide_row < 0; j++)
            if (x[j] > EXACT_I32 || x[j] < -EXACT_I32) {
                t->wide_row = row + i;
                t->wide_value = x[j];
                t->wide_column = (int32_t)j;
            }
        wni_kernels_of(ctx)->widen_i32(x, tile + i * a->ld, d);
    }
    return st;
}

static wn_status check_blocks(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const check_arg *a = arg;
    const wni_kernels *kernels = wni_kernels_of(ctx);
    float *tile = a->tile + worker * a->tile_rows * a->ld;
    int32_t *whole = a->whole ? a->whole + worker * a->tile_rows * a->pool->d : NULL;
    wn_status st = WN_OK;

    for (int64_t b = begin; b < end; b++) {
        int64_t row = a->first_row + b * a->block_rows;
        int64_t stop = wni_min(row + a->block_rows, a->pool->n);
        tally *t = &a->of[b];
        memset(t, 0, sizeof *t);
        t->wide_row = -1;
        for (; row < stop; row += a->tile_rows) {
            int64_t n = wni_min(a->tile_rows, stop - row), ld = a->pool->d;
            const float *x = wni_pool_stored_in_place(a->pool, row, n);

            wni_ahead_at(a->ahead, row);
            if (!x) {
                x = tile;
                ld = a->ld;
                st = whole ? read_i32(ctx, a, t, whole, row, n, tile)
                           : wni_pool_read_stored(ctx, a->pool, row, n, tile, ld);
            }
            if (st != WN_OK) return st;
            for (int64_t i = 0; i < n; i++) {
                if (x != tile && i + SOON < n) /* memory is then some times as fast */
                    for (int64_t j = 0; j < ld; j += 16)
                        __builtin_prefetch(x + (i + SOON) * ld + j);
                tally_row(t, kernels, row + i, x + i * ld, a->pool->d);
            }
        }
    }
    return st;
}

/* ---- judging ----------------------------------------------------------------------------------- */

static wn_status fail_wide(wn_ctx *ctx, const wn_pool *pool, const tally *t)
{
    char where[512];

    return wni_fail(ctx, WN_E_DATA,
                    "%s: column %d holds %d, expected whole numbers from -16777216 to 16777216, "
                    "which f32 holds exactly; scale the values or store them as f64",
                    wni_pool_row_text(pool, t->wide_row, where, sizeof where), t->wide_column,
                    t->wide_value);
}

static wn_status fail_bad(wn_ctx *ctx, const wn_pool *pool, const tally *t, float *row)
{
    char where[512], which[64] = "a value";
    wn_status st = wni_pool_read_stored(ctx, pool, t->bad_row[0], 1, row, pool->d);

    if (st != WN_OK) return st;
    for (int64_t j = 0; j < pool->d; j++)
        if (!isfinite(row[j])) {
            snprintf(which, sizeof which, "column %lld is %s", (long long)j,
                     isnan(row[j])           ? "NaN"
                     : pool->dtype == WN_F64 ? "Inf or beyond the range of f32"
                                             : "Inf");
            break;
        }
    return wni_fail(
        ctx, WN_E_DATA,
        "%s: %s, expected finite numbers; %lld of %lld rows are bad: remove or fix them, "
        "`winnow info` lists them",
        wni_pool_row_text(pool, t->bad_row[0], where, sizeof where), which, (long long)t->bad_rows,
        (long long)pool->n);
}

static wn_status fail_zero(wn_ctx *ctx, const wn_pool *pool, const tally *t)
{
    char where[512];

    return wni_fail(
        ctx, WN_E_DATA,
        "%s: all values are zero, expected a direction under the cosine metric; %lld of "
        "%lld rows are zero: remove or fix them, `winnow info` lists them, or use "
        "--metric l2",
        wni_pool_row_text(pool, t->zero_row[0], where, sizeof where), (long long)t->zero_rows,
        (long long)pool->n);
}

static void report_fill(const wn_pool *pool, const tally *t, wn_pool_report *r)
{
    float max_abs;

    memset(r, 0, sizeof *r);
    r->rows = pool->n;
    r->dim = pool->d;
    r->nan_rows = t->nan_rows;
    r->inf_rows = t->inf_rows;
    r->zero_rows = t->zero_rows;
    for (int i = 0; i < WN_POOL_BAD_ROWS; i++) {
        r->bad_row[i] = i < t->bad_rows ? t->bad_row[i] : -1;
        r->zero_row[i] = i < t->zero_rows ? t->zero_row[i] : -1;
    }
    r->min_norm = t->min;
    r->max_norm = t->max;
    r->mean_norm = t->good_rows ? t->sum / (double)t->good_rows : 0;
    memcpy(&max_abs, &t->max_abs_bits, sizeof max_abs);
    r->max_abs = (double)max_abs;
}

/* NULL = no strict check found the rows good yet; those of a view passed with the pool underneath. */
static const wni_passed *has_passed(const wn_pool *pool)
{
    wn_metric metric = pool->metric;

    /* A pass under cosine holds under L2, not the other way round: zero rows. */
    for (; pool; pool = pool->parent)
        if (atomic_load(&pool->passed->yes) == 1 && (pool->metric == metric || metric == WN_L2))
            return pool->passed;
    return NULL;
}

double wni_pool_norm_bound(const wn_pool *pool)
{
    const wni_passed *passed = has_passed(pool);

    return passed ? passed->max_norm : (double)INFINITY;
}

/* Two checks of one pool at once find the same: the first one writes. */
static void pass(const wn_pool *pool, const tally *t)
{
    int none = 0;

    if (!atomic_compare_exchange_strong(&pool->passed->yes, &none, -1)) return;
    pool->passed->max_norm = t->max;
    atomic_store(&pool->passed->yes, 1);
}

wn_status wn_pool_check(wn_ctx *ctx, const wn_pool *pool, int strict, wn_pool_report *report)
{
    check_arg a = {.pool = pool, .ld = wni_ld(pool->d)};
    int64_t scratch, workers = wn_ctx_threads(ctx);
    tally all = {.wide_row = -1};
    wn_status st = WN_OK;

    if (!report && has_passed(pool)) return WN_OK;
    a.block_rows = wni_max(BLOCK_FLOATS / a.ld, 1);
    a.tile_rows = wni_max(TILE_FLOATS / a.ld, 1);
    if (wni_pool_by_column(pool)) a.tile_rows = a.block_rows;
    scratch = workers * a.tile_rows * a.ld * (int64_t)sizeof(float);
    if (pool->dtype == WN_I32) scratch *= 2;
    WNI_TRY(wni_pool_need(ctx, pool, scratch, "checking a pool"));
    WNI_NEW(ctx, a.tile, workers * a.tile_rows * a.ld);
    if (pool->dtype == WN_I32) WNI_NEW(ctx, a.whole, workers * a.tile_rows * pool->d);
    WNI_NEW(ctx, a.of, ROUND_BLOCKS);
    WNI_TRY(wni_ahead_start(ctx, pool, 0, pool->n, 0, &a.ahead));
    for (; a.first_row < pool->n; a.first_row += ROUND_BLOCKS * a.block_rows) {
        int64_t left = pool->n - a.first_row;
        int64_t blocks = wni_min((left + a.block_rows - 1) / a.block_rows, ROUND_BLOCKS);
        WNI_TRY(wni_parallel(ctx, blocks, 1, check_blocks, &a));
        for (int64_t b = 0; b < blocks; b++)
            merge(&all, &a.of[b]);
        wni_progress(ctx, "check", wni_min(a.first_row + blocks * a.block_rows, pool->n), pool->n);
    }
    if (report) report_fill(pool, &all, report);
    if (all.wide_row >= 0)
        st = fail_wide(ctx, pool, &all);
    else if (strict && all.bad_rows > 0)
        st = fail_bad(ctx, pool, &all, a.tile);
    else if (strict && pool->metric == WN_COSINE && all.zero_rows > 0)
        st = fail_zero(ctx, pool, &all);
    else if (all.bad_rows == 0 && (pool->metric != WN_COSINE || all.zero_rows == 0))
        pass(pool, &all);
done:
    wni_ahead_stop(ctx, a.ahead);
    wni_free(ctx, a.tile);
    wni_free(ctx, a.whole);
    wni_free(ctx, a.of);
    return st;
}
