/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact k nearest neighbours of every row. The scan engine takes each pair of rows once and hands on those
 * whose score leaves room for a distance among the k least of one of the two, for all that rounding may have
 * done to it; these are measured by the distance that the graph stores.
 */
#include <float.h>
#include <math.h>

#include "base/param.h"
#include "ds/topk.h"
#include "graph/graph_impl.h"
#include "pool/pool_use.h"
#include "scan/scan_self.h"

extern const wn_method wni_method_graph_knn;

WN_PARAM_TABLE(wn_graph_knn_params, WN_GRAPH_KNN_PARAMS);

#define WARM 256 /* rows that give the first floors, 4 k if that is more */

typedef struct knn {
    wn_metric metric;
    wn_graph *graph; /* its arrays are heaps until the end: minus the distance, neighbour */
    int64_t k, ld;
    int32_t *size; /* (n) entries of each heap */
} knn;

wn_status wni_graph_overflow(wn_ctx *ctx, int64_t row)
{
    return wni_fail_at(ctx, row, WN_E_DATA,
                       "graph: row %lld is so far from others that the distance is not finite in "
                       "float32: scale the values down",
                       (long long)row);
}

/* For a row c within `farthest` of x the true score (|x|^2 - |x - c|^2) / 2 is at least `reach`, and the one computed
 * at least that less the error of a dot product of |x| and |c| <= |x| + farthest and of |c|^2 / 2. Of that
 * |c|^2 <= 2 (|x|^2 + farthest^2) and |x| |c| <= (|x|^2 + |c|^2) / 2 are enough. */
float wni_graph_floor(wn_metric metric, int64_t ld, float half, float farthest)
{
    const double gamma = ((double)ld / 16 + 8) * 0x1p-23, tiny = (double)ld * 0x1p-147;
    const double norm2 = 2 * (double)half, far = (double)farthest;
    const double radius2 = (metric == WN_COSINE ? 2 * far : far * far) * (1 + gamma) + tiny;
    const double most2 = norm2 * (1 + gamma) + tiny, c2 = 2 * (most2 + radius2);
    double reach, floor;

    if (!(c2 < 1e37)) return -INFINITY;
    reach = (norm2 * (1 - gamma) - tiny - radius2) / 2;
    floor = reach - gamma * (most2 / 2 + c2) * (1 + 0x1p-40) - tiny;
    return (float)(floor - fabs(floor) * 0x1p-23) - FLT_MIN; /* rounded down */
}

static void offer(const knn *s, const wni_self *scan, int64_t i, int64_t j, float distance)
{
    float *nearness = s->graph->distances + i * s->k;
    int64_t size = s->size[i];

    if (size == s->k && -distance < nearness[0]) return;
    wni_topk_push(nearness, s->graph->indices + i * s->k, s->k, &size, -distance, j);
    s->size[i] = (int32_t)size;
    if (size == s->k)
        scan->floor[i] = wni_graph_floor(s->metric, s->ld, scan->half[i], -nearness[0]);
}

static wn_status take_pairs(wn_ctx *ctx, const wni_self *scan, int worker, int64_t i,
                            const int64_t *j, const float *l2sq, int64_t n)
{
    const knn *s = scan->arg;

    (void)ctx;
    (void)worker;
    for (int64_t h = 0; h < n; h++) {
        const float distance = wni_graph_distance_of(s->metric, l2sq[h]);

        offer(s, scan, i, j[h], distance);
        offer(s, scan, j[h], i, distance);
    }
    return WN_OK;
}

static wn_status sort_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const knn *s = arg;

    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        float *distances = s->graph->distances + i * s->k;

        wni_topk_sort(distances, s->graph->indices + i * s->k, s->k);
        for (int64_t h = 0; h < s->k; h++)
            distances[h] = 0.0f - distances[h];
        if (!isfinite(distances[s->k - 1])) return wni_graph_overflow(ctx, i);
    }
    return WN_OK;
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
    const int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool);
    wn_graph_knn_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_graph_knn, params, &p));
    WNI_TRY(check_k(ctx, n, p.k));
    *out = (wn_estimate){0};
    /* The graph, sizes and floors, the scan. */
    out->peak_bytes = n * (8 + p.k * 12 + 8) + 65536;
    out->peak_bytes += wni_scan_self_bytes(ctx, n, d, out->peak_bytes);
    out->flops = (double)n * (double)n * (double)wni_ld(d);
    out->bytes_read = 4.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status knn_run(wn_ctx *ctx, const wn_graph_input *in, const void *params, wn_graph **out)
{
    const int64_t n = wn_pool_rows(in->pool);
    const wni_queries all = {in->pool, NULL, 0, n};
    knn s = {.metric = wn_pool_metric(in->pool), .ld = wni_ld(wn_pool_dim(in->pool))};
    wni_self scan = {.rows = &all, .l2 = 1, .value = WNI_SELF_L2SQ, .take = take_pairs, .arg = &s};
    wn_graph_knn_params p;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_graph_knn, params, &p));
    WNI_TRY(check_k(ctx, n, p.k));
    s.k = p.k;
    WNI_TRY(wn_graph_new(ctx, n, n * p.k, s.metric, &s.graph));
    for (int64_t i = 0; i <= n; i++)
        s.graph->indptr[i] = i * p.k;
    WNI_NEW0(ctx, s.size, n);
    WNI_NEW(ctx, scan.floor, n);
    scan.warm = wni_max(WARM, 4 * p.k);
    for (int64_t i = 0; i < n; i++)
        scan.floor[i] = -INFINITY;
    WNI_TRY(wni_scan_self(ctx, &scan));
    WNI_TRY(wni_parallel(ctx, n, wni_max(65536 / p.k, 1), sort_range, &s));
    *out = s.graph;
    s.graph = NULL;
done:
    wn_graph_free(s.graph);
    wni_free(ctx, s.size);
    wni_free(ctx, scan.floor);
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
    .cost = "n^2 d / 2 multiply-adds; 16 + 12 k bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_graph_knn_params),
    .inputs = "pool",
    .ops = &ops,
};
