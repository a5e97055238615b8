/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "scan/scan.h"
#include "select/group_stats.h"

#define BLOCK_FLOATS ((int64_t)1 << 20)
#define SLICE        ((int64_t)32) /* columns that one range adds up */

/* A block of rows at a time: read on all threads, then consumed. */
typedef struct blocks {
    const wn_pool *pool;
    const wni_grouping *g;
    int64_t d, ld, rows, grain;
    int64_t first, n; /* of the block at hand */
    float *x;         /* (rows, ld) */
    double *sum;      /* (k, d) */
    const float *centers;
    float *center;   /* (threads, ld) */
    float *distance; /* (rows) */
} blocks;

static int64_t block_rows(int64_t ld)
{
    return wni_max(BLOCK_FLOATS / ld, 16);
}

static wn_status blocks_new(wn_ctx *ctx, const wn_pool *pool, const wni_grouping *g, blocks *b)
{
    wn_status st = WN_OK;

    b->pool = pool;
    b->g = g;
    b->d = wn_pool_dim(pool);
    b->ld = wni_ld(b->d);
    b->rows = block_rows(b->ld);
    b->grain = wni_max(b->rows / 16, 1);
    WNI_NEW(ctx, b->x, b->rows * b->ld);
done:
    return st;
}

static wn_status read_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    blocks *b = arg;

    (void)worker;
    return wn_pool_read(ctx, b->pool, b->first + begin, end - begin, b->x + begin * b->ld, b->ld);
}

/* ---- means ----------------------------------------------------------------------------------------- */

static wn_status sum_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    blocks *b = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = 0; i < b->n; i++) {
        int32_t c = wni_group_of(b->g, b->first + i);
        const float *x = b->x + i * b->ld;
        double *sum = b->sum + c * b->d;
        if (c < 0) continue;
        for (int64_t j = begin; j < end; j++)
            sum[j] += (double)x[j];
    }
    return WN_OK;
}

wn_status wni_group_means(wn_ctx *ctx, const wn_pool *pool, const wni_grouping *g, float *means,
                          int64_t *count)
{
    blocks b = {0};
    wn_status st;

    WNI_TRY(blocks_new(ctx, pool, g, &b));
    WNI_NEW0(ctx, b.sum, g->k * b.d);
    memset(count, 0, (size_t)g->k * sizeof *count);
    for (b.first = 0; b.first < g->n; b.first += b.rows) {
        b.n = wni_min(b.rows, g->n - b.first);
        WNI_TRY(wni_parallel(ctx, b.n, b.grain, read_range, &b));
        WNI_TRY(wni_parallel(ctx, b.d, SLICE, sum_range, &b));
        for (int64_t i = b.first; i < b.first + b.n; i++)
            if (wni_group_of(g, i) >= 0) count[wni_group_of(g, i)]++;
        wni_progress(ctx, "means of the groups", b.first, g->n);
    }
    for (int64_t c = 0; c < g->k; c++)
        for (int64_t j = 0; j < b.d; j++)
            means[c * b.d + j] = count[c] ? (float)(b.sum[c * b.d + j] / (double)count[c]) : 0.0f;
done:
    wni_free(ctx, b.x);
    wni_free(ctx, b.sum);
    return st;
}

void wni_unit_rows(float *rows, int64_t k, int64_t d)
{
    for (int64_t c = 0; c < k; c++) {
        double norm2 = 0;
        for (int64_t j = 0; j < d; j++)
            norm2 += (double)rows[c * d + j] * (double)rows[c * d + j];
        for (int64_t j = 0; norm2 > 0 && j < d; j++)
            rows[c * d + j] = (float)((double)rows[c * d + j] / sqrt(norm2));
    }
}

/* ---- complexity -------------------------------------------------------------------------------------- */

static wn_status distance_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    blocks *b = arg;
    const wni_kernels *kern = wni_kernels_of(ctx);
    float *center = b->center + worker * b->ld;
    wn_status st = read_range(ctx, arg, worker, begin, end);

    for (int64_t i = begin; st == WN_OK && i < end; i++) {
        int32_t c = wni_group_of(b->g, b->first + i);
        const float *x = b->x + i * b->ld;
        if (c < 0) continue;
        memcpy(center, b->centers + c * b->d, (size_t)b->d * sizeof *center);
        b->distance[i] = wn_pool_metric(b->pool) == WN_COSINE
                             ? fmaxf(0.0f, 1.0f - kern->dot(x, center, b->ld))
                             : sqrtf(kern->l2sq(x, center, b->ld));
    }
    return st;
}

/* spread (k) = mean distance to the own centre. */
static wn_status spread_of(wn_ctx *ctx, const wn_pool *pool, const wni_grouping *g,
                           const float *centers, const int64_t *count, double *spread)
{
    blocks b = {.centers = centers};
    wn_status st;

    WNI_TRY(blocks_new(ctx, pool, g, &b));
    WNI_NEW0(ctx, b.center, wn_ctx_threads(ctx) * b.ld);
    WNI_NEW(ctx, b.distance, b.rows);
    memset(spread, 0, (size_t)g->k * sizeof *spread);
    for (b.first = 0; b.first < g->n; b.first += b.rows) {
        b.n = wni_min(b.rows, g->n - b.first);
        WNI_TRY(wni_parallel(ctx, b.n, b.grain, distance_range, &b));
        for (int64_t i = 0; i < b.n; i++) {
            int32_t c = wni_group_of(g, b.first + i);
            if (c >= 0) spread[c] += (double)b.distance[i];
        }
        wni_progress(ctx, "spread of the groups", b.first, g->n);
    }
    for (int32_t c = 0; c < g->k; c++)
        spread[c] = count[c] > 1 ? spread[c] / (double)count[c] : 0; /* alone: no rounding counts */
done:
    wni_free(ctx, b.x);
    wni_free(ctx, b.center);
    wni_free(ctx, b.distance);
    return st;
}

/* Groups with rows: number (there) of them into list (k). */
static int64_t groups_there(const int64_t *count, int32_t k, int64_t *list)
{
    int64_t there = 0;

    for (int32_t c = 0; c < k; c++)
        if (count[c] > 0) list[there++] = c;
    return there;
}

static wn_status too_far(wn_ctx *ctx, int64_t group)
{
    return wni_fail(ctx, WN_E_DATA,
                    "complexity of the groups: rows or the mean of group %lld are so far from "
                    "others that the distance is not finite in float32: scale the values down",
                    (long long)group);
}

wn_status wni_group_complexity(wn_ctx *ctx, const wn_pool *pool, const wni_grouping *g,
                               const float *centers, const int64_t *count, int64_t near,
                               double *complexity)
{
    int64_t d = wn_pool_dim(pool), *list = NULL, *at = NULL, there;
    bool cosine = wn_pool_metric(pool) == WN_COSINE;
    wn_pool *middle = NULL;
    float *score = NULL;
    wn_status st;

    WNI_TRY(spread_of(ctx, pool, g, centers, count, complexity));
    WNI_NEW(ctx, list, g->k);
    there = groups_there(count, g->k, list);
    near = wni_min(near, there - 1);
    if (near < 1) goto done;
    WNI_NEW(ctx, at, there * near);
    WNI_NEW(ctx, score, there * near);
    WNI_TRY(wn_pool_wrap(ctx, centers, g->k, d, WN_F32, wn_pool_metric(pool), &middle));
    {
        wni_queries rows = {.pool = middle, .rows = list, .n = there};
        WNI_TRY(wni_scan_topk(ctx, &rows, &rows, near, !cosine, 1, at, score));
    }
    for (int64_t i = 0; i < there; i++) {
        double sum = 0;
        const float *a = centers + list[i] * d;
        for (int64_t t = 0; t < near; t++) {
            const float *b;
            double l2sq = 0;
            if (at[i * near + t] < 0) { /* scores that are no numbers */
                st = too_far(ctx, list[i]);
                goto done;
            }
            b = centers + list[at[i * near + t]] * d;
            for (int64_t j = 0; j < d; j++)
                l2sq += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
            sum += cosine ? l2sq / 2 : sqrt(l2sq); /* of unit vectors 1 - cosine */
        }
        complexity[list[i]] *= sum / (double)near;
        if (!isfinite(complexity[list[i]])) {
            st = too_far(ctx, list[i]);
            goto done;
        }
    }
done:
    wn_pool_free(middle);
    wni_free(ctx, list);
    wni_free(ctx, at);
    wni_free(ctx, score);
    return st;
}

/* ---- target -------------------------------------------------------------------------------------------- */

wn_status wni_group_match(wn_ctx *ctx, const wn_pool *target, int32_t k, const float *centers,
                          const int64_t *count, double *match)
{
    int64_t d = wn_pool_dim(target), m = wn_pool_rows(target), *list = NULL, there;
    wni_queries rows = {.pool = target, .n = m};
    float *bias = NULL, *score = NULL;
    int32_t *at = NULL;
    wni_mat base = {0};
    wn_status st;

    memset(match, 0, (size_t)k * sizeof *match);
    WNI_NEW(ctx, list, k);
    there = groups_there(count, k, list);
    WNI_TRY(wni_mat_new(ctx, there, d, &base));
    for (int64_t i = 0; i < there; i++)
        memcpy(wni_mat_row(&base, i), centers + list[i] * d, (size_t)d * sizeof *centers);
    WNI_NEW(ctx, at, m);
    WNI_NEW(ctx, score, m);
    if (wn_pool_metric(target) == WN_L2) {
        WNI_NEW(ctx, bias, there);
        WNI_TRY(wni_mat_half_norms(ctx, &base, bias));
    }
    if (there == 0) goto done;
    WNI_TRY(wni_scan_argmin(ctx, &rows, &base, bias, at, score, NULL));
    for (int64_t i = 0; i < m; i++)
        match[list[at[i]]]++;
done:
    wni_mat_free(ctx, &base);
    wni_free(ctx, list);
    wni_free(ctx, bias);
    wni_free(ctx, score);
    wni_free(ctx, at);
    return st;
}

int64_t wni_group_stats_bytes(wn_ctx *ctx, int64_t d, int64_t k, int64_t m)
{
    int64_t ld = wni_ld(d), scan = (int64_t)4 << 20; /* tiles of the scan engine */

    return block_rows(ld) * (ld + 1) * 4 + k * ld * 12 + k * 300 + m * 8 +
           wn_ctx_threads(ctx) * (ld * 4 + 64 + scan) + scan;
}
