/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact k nearest neighbours of every row. The scan engine proposes a few more than k by their scores;
 * these are measured by the distance that the graph stores and sorted. A score carries the rounding error of
 * a dot product, so a row that it left out might still be nearer: where the error bound does not rule that
 * out, the row is compared with the whole pool again, by distance.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "ds/topk.h"
#include "graph/graph_impl.h"
#include "pool/pool_use.h"
#include "scan/scan.h"

extern const wn_method wni_method_graph_knn;

WN_PARAM_TABLE(wn_graph_knn_params, WN_GRAPH_KNN_PARAMS);

#define SPARE           8                  /* neighbours proposed beyond k */
#define BLOCK_BYTES_MIN ((int64_t)1 << 20) /* of proposals in memory at a time */
#define BLOCK_BYTES_MAX ((int64_t)64 << 20)
#define DOUBTS          1024 /* rows that are compared again in one pass over the pool */
#define GATHER          16   /* proposals read at a time */

typedef struct knn {
    const wni_kernels *kernels;
    const wn_pool *pool;
    wn_metric metric;
    wn_graph *graph;
    int64_t k, wide, ld; /* wide: proposals of each row */
    int64_t first, m;    /* rows of the block */
    int64_t *at;         /* (m, wide) */
    float *score;        /* (m, wide) */
    uint8_t *doubt;      /* (m) */
    int64_t slot;
    float *slots; /* (threads, slot): a row, GATHER proposals */
} knn;

wn_status wni_graph_overflow(wn_ctx *ctx, int64_t row)
{
    return wni_fail_at(ctx, row, WN_E_DATA,
                       "graph: row %lld is so far from others that the distance is not finite in "
                       "float32: scale the values down",
                       (long long)row);
}

/* Whether a row c that is not among the proposals could lie within `farthest` of x. Of such a row the true
 * score (|x|^2 - |x - c|^2) / 2 is at least `reach`, and the one computed at least that less the error of a
 * dot product of |x| and |c| <= |x| + farthest and of |c|^2 / 2. `lowest` is the score of the worst proposal;
 * no other row has a higher one. */
static int in_doubt(const knn *s, double norm2, double farthest, double lowest)
{
    const double gamma = ((double)s->ld / 16 + 8) * 0x1p-23, tiny = (double)s->ld * 0x1p-147;
    double radius2 = s->metric == WN_COSINE ? 2 * farthest : farthest * farthest;
    double norm = sqrt(norm2) * (1 + gamma), c, reach, error;

    radius2 = radius2 * (1 + gamma) + tiny;
    c = norm + sqrt(radius2);
    if (!isfinite(lowest) || !(c * c < 1e37)) return 1;
    reach = (norm2 * (1 - gamma) - tiny - radius2) / 2;
    error = gamma * (norm * c + c * c / 2) + tiny;
    return !(lowest < reach - error);
}

static wn_status measure_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const knn *s = arg;
    float *x = s->slots + worker * s->slot, *rows = x + s->ld;

    for (int64_t q = begin; q < end; q++) {
        int64_t *at = s->at + q * s->wide, size = 0;
        int64_t *indices = s->graph->indices + (s->first + q) * s->k;
        float *score = s->score + q * s->wide;
        float *distances = s->graph->distances + (s->first + q) * s->k;
        float lowest = score[s->wide - 1];
        int64_t found = s->wide;
        wn_status st;

        while (found > 0 && at[found - 1] < 0)
            found--;
        /* Scores that are no numbers are not proposed. */
        s->doubt[q] = 1;
        if (found < s->wide) continue;
        if ((st = wn_pool_read(ctx, s->pool, s->first + q, 1, x, s->ld)) != WN_OK) return st;
        for (int64_t i = 0; i < found; i += GATHER) {
            const int64_t n = wni_min(GATHER, found - i);

            if ((st = wn_pool_gather(ctx, s->pool, at + i, n, rows, s->ld)) != WN_OK) return st;
            for (int64_t j = 0; j < n; j++) {
                float distance =
                    wni_graph_distance(s->kernels, s->metric, x, rows + j * s->ld, s->ld);

                if (!isfinite(distance)) return wni_graph_overflow(ctx, s->first + q);
                wni_topk_push(distances, indices, s->k, &size, -distance, at[i + j]);
            }
        }
        wni_topk_sort(distances, indices, s->k);
        for (int64_t i = 0; i < s->k; i++)
            distances[i] = 0.0f - distances[i];
        s->doubt[q] = s->wide < s->graph->n - 1 &&
                      in_doubt(s, s->kernels->dot(x, x, s->ld), distances[s->k - 1], lowest);
    }
    return WN_OK;
}

/* Compares the rows of the block that are in doubt with the whole pool. */
static wn_status settle(wn_ctx *ctx, const knn *s, int64_t *settled)
{
    int64_t *rows = NULL, *at = NULL, count = 0;
    float *distance = NULL;
    wn_status st = WN_OK;

    for (int64_t q = 0; q < s->m; q++)
        count += s->doubt[q];
    *settled += count;
    if (count == 0) return WN_OK;
    count = wni_min(count, DOUBTS);
    WNI_NEW(ctx, rows, count);
    WNI_NEW(ctx, at, count * s->k);
    WNI_NEW(ctx, distance, count * s->k);
    for (int64_t q = 0; q < s->m;) {
        int64_t m = 0;

        for (; q < s->m && m < count; q++)
            if (s->doubt[q]) rows[m++] = s->first + q;
        WNI_TRY(wni_graph_exact(ctx, s->pool, rows, m, s->k, at, distance));
        for (int64_t i = 0; i < m; i++) {
            memcpy(s->graph->indices + rows[i] * s->k, at + i * s->k, (size_t)s->k * sizeof *at);
            memcpy(s->graph->distances + rows[i] * s->k, distance + i * s->k,
                   (size_t)s->k * sizeof *distance);
        }
    }
done:
    wni_free(ctx, rows);
    wni_free(ctx, at);
    wni_free(ctx, distance);
    return st;
}

static int64_t row_bytes(int64_t wide)
{
    return wide * 12 + 8 + 1; /* proposals, the scan's heap size, the doubt */
}

static int64_t doubt_bytes(const wn_ctx *ctx, const wn_pool *pool, int64_t k)
{
    const int64_t m = wni_min(DOUBTS, wn_pool_rows(pool));

    return m * (8 + k * 12) + wni_graph_exact_bytes(ctx, pool, m);
}

/* Beside the proposals: the least that the scan and the second comparison take. */
static int64_t work_bytes(const wn_ctx *ctx, const wn_pool *pool, int64_t k)
{
    const int64_t ld = wni_ld(wn_pool_dim(pool)), threads = wn_ctx_threads(ctx);
    const int64_t base = wni_max((int64_t)1 << 20, 16 * (ld + 1) * 4);

    return wni_max(doubt_bytes(ctx, pool, k), base + threads * 64 * (ld + 256) * 4) +
           threads * (GATHER + 1) * ld * 4 + 65536;
}

static wn_status check_k(wn_ctx *ctx, int64_t n, int64_t k)
{
    if (k < n) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "graph knn: k is %lld but the pool has %lld row%s: a row has at most %lld "
                    "others; lower --k",
                    (long long)k, (long long)n, n == 1 ? "" : "s", (long long)wni_max(n - 1, 0));
}

static wn_status knn_estimate(wn_ctx *ctx, const wn_graph_input *in, const void *params,
                              wn_estimate *out)
{
    const int64_t n = wn_pool_rows(in->pool), ld = wni_ld(wn_pool_dim(in->pool));
    wn_graph_knn_params p;
    int64_t wide, rows, blocks;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_graph_knn, params, &p));
    WNI_TRY(check_k(ctx, n, p.k));
    wide = wni_min(p.k + SPARE, n - 1);
    rows = wni_min(wni_max(BLOCK_BYTES_MIN / row_bytes(wide), 64), n);
    blocks = (n + rows - 1) / rows;
    *out = (wn_estimate){0};
    /* The graph, the least block of proposals, the rest. */
    out->peak_bytes = n * (8 + p.k * 12) + rows * row_bytes(wide) + work_bytes(ctx, in->pool, p.k);
    out->flops = 2.0 * (double)n * (double)n * (double)ld;
    out->bytes_read = (double)n * (double)(blocks + 1 + wide) * (double)wn_pool_dim(in->pool) *
                      (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status knn_run(wn_ctx *ctx, const wn_graph_input *in, const void *params, wn_graph **out)
{
    const int64_t n = wn_pool_rows(in->pool), threads = wn_ctx_threads(ctx);
    knn s = {.kernels = wni_kernels_of(ctx),
             .pool = in->pool,
             .metric = wn_pool_metric(in->pool),
             .ld = wni_ld(wn_pool_dim(in->pool))};
    wni_queries all = {in->pool, NULL, 0, n};
    int64_t bytes, rows, settled = 0;
    wn_graph_knn_params p;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_graph_knn, params, &p));
    WNI_TRY(check_k(ctx, n, p.k));
    s.k = p.k;
    s.wide = wni_min(p.k + SPARE, n - 1);
    s.slot = (GATHER + 1) * s.ld;
    WNI_TRY(wn_graph_new(ctx, n, n * p.k, s.metric, &s.graph));
    for (int64_t i = 0; i <= n; i++)
        s.graph->indptr[i] = i * p.k;
    /* How the rows are cut never shows in the graph, so it may depend on the budget. */
    bytes = (wni_budget_left(ctx) - work_bytes(ctx, in->pool, p.k)) / 2;
    bytes = wni_max(wni_min(bytes, BLOCK_BYTES_MAX), BLOCK_BYTES_MIN);
    rows = wni_min(wni_max(bytes / row_bytes(s.wide), 64), n);
    WNI_NEW(ctx, s.slots, threads * s.slot);
    WNI_NEW(ctx, s.at, rows * s.wide);
    WNI_NEW(ctx, s.score, rows * s.wide);
    WNI_NEW(ctx, s.doubt, rows);
    for (s.first = 0; s.first < n; s.first += rows) {
        wni_queries block = {in->pool, NULL, s.first, wni_min(rows, n - s.first)};

        s.m = block.n;
        wni_progress(ctx, "rows with neighbours", s.first, n);
        WNI_TRY(wni_scan_topk(ctx, &block, &all, s.wide, 1, 1, s.at, s.score));
        WNI_TRY(wni_parallel(ctx, s.m, 16, measure_range, &s));
        WNI_TRY(settle(ctx, &s, &settled));
    }
    wni_progress(ctx, "rows with neighbours", n, n);
    wni_log(ctx, WN_LOG_DEBUG, "graph knn: %lld of %lld rows were compared twice",
            (long long)settled, (long long)n);
    *out = s.graph;
    s.graph = NULL;
done:
    wn_graph_free(s.graph);
    wni_free(ctx, s.slots);
    wni_free(ctx, s.at);
    wni_free(ctx, s.score);
    wni_free(ctx, s.doubt);
    return st;
}

wn_status wn_graph_knn(wn_ctx *ctx, const wn_graph_input *in, const wn_graph_knn_params *params,
                       wn_graph **out)
{
    return wn_graph_run(ctx, &wni_method_graph_knn, in, params, out);
}

static const wn_graph_ops ops = {knn_estimate, knn_run};

const wn_method wni_method_graph_knn = {
    .family = "graph",
    .name = "knn",
    .summary = "the exact k nearest neighbours of every row",
    .papers = "",
    .cost = "n^2 d multiply-adds; 8 + 12 k bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_graph_knn_params),
    .ops = &ops,
};
