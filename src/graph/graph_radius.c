/* SPDX-License-Identifier: Apache-2.0
 *
 * All pairs of rows within a radius. The scan engine takes each pair of rows once and hands on those whose score
 * leaves room for a distance within the radius, whatever rounding may have done to it; these are measured.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "ds/topk.h"
#include "graph/graph_impl.h"
#include "scan/scan_self.h"

extern const wn_method wni_method_graph_radius;

WN_PARAM_TABLE(wn_graph_radius_params, WN_GRAPH_RADIUS_PARAMS);

#define GRAIN 256 /* rows of a range */

typedef struct radius {
    const wni_kernels *kernels;
    const wn_pool *pool;
    wn_metric metric;
    int64_t n, ld;
    float within;     /* a distance that is not above it counts */
    float *floor;     /* (n) */
    float *slots;     /* (threads, ld) */
    wni_pairs *found; /* (threads) */
    wni_pairs pairs;  /* all of them */
    wn_graph *graph;
    int64_t *size; /* (n) neighbours put in so far */
} radius;

static wn_status floor_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const radius *s = arg;
    float *x = s->slots + worker * s->ld;

    for (int64_t i = begin; i < end; i++) {
        const wn_status st = wn_pool_read(ctx, s->pool, i, 1, x, s->ld);

        if (st != WN_OK) return st;
        s->floor[i] =
            wni_graph_floor(s->metric, s->ld, s->kernels->dot(x, x, s->ld) / 2, s->within);
    }
    return WN_OK;
}

static wn_status take_pairs(wn_ctx *ctx, const wni_self *scan, int worker, int64_t i,
                            const int64_t *j, const float *l2sq, int64_t n)
{
    const radius *s = scan->arg;
    wn_status st = WN_OK;

    for (int64_t h = 0; h < n && st == WN_OK; h++) {
        const float distance = wni_graph_distance_of(s->metric, l2sq[h]);

        if (distance <= s->within)
            st =
                wni_pairs_add(ctx, &s->found[worker], wni_max(i, j[h]), wni_min(i, j[h]), distance);
    }
    return st;
}

static void put(const radius *s, int64_t i, int64_t j, float distance)
{
    const int64_t at = s->graph->indptr[i];

    wni_topk_push(s->graph->distances + at, s->graph->indices + at, s->graph->indptr[i + 1] - at,
                  &s->size[i], -distance, j);
}

static wn_status sort_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const radius *s = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = s->graph->indptr[i], n = s->graph->indptr[i + 1] - at;
        float *distances = s->graph->distances + at;

        wni_topk_sort(distances, s->graph->indices + at, n);
        for (int64_t h = 0; h < n; h++)
            distances[h] = 0.0f - distances[h];
    }
    return WN_OK;
}

/* The pairs as a graph: both directions, nearest first. */
static wn_status graph_of(wn_ctx *ctx, radius *s)
{
    const int64_t edges = 2 * s->pairs.n;
    wn_status st;

    WNI_TRY(wni_budget_need(ctx, edges * 12 + s->n * 16, "the graph of pairs within the radius"));
    WNI_TRY(wn_graph_new(ctx, s->n, edges, s->metric, &s->graph));
    WNI_NEW0(ctx, s->size, s->n);
    for (int64_t p = 0; p < s->pairs.n; p++) {
        const wni_pair *pair = wni_pairs_at(&s->pairs, p);

        s->graph->indptr[pair->query + 1]++;
        s->graph->indptr[pair->base + 1]++;
    }
    for (int64_t i = 0; i < s->n; i++)
        s->graph->indptr[i + 1] += s->graph->indptr[i];
    for (int64_t p = 0; p < s->pairs.n; p++) {
        const wni_pair *pair = wni_pairs_at(&s->pairs, p);

        if (p % 65536 == 0) WNI_TRY(wni_poll(ctx));
        put(s, pair->query, pair->base, pair->score);
        put(s, pair->base, pair->query, pair->score);
    }
    WNI_TRY(wni_parallel(ctx, s->n, GRAIN, sort_range, s));
done:
    return st;
}

static wn_status radius_estimate(wn_ctx *ctx, const wn_graph_input *in, const void *params,
                                 wn_estimate *out)
{
    const int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool);

    (void)params;
    *out = (wn_estimate){0};
    /* Floors, places of pairs, the graph's rows, the scan; pairs are not known before: 16 neighbours a row. */
    out->peak_bytes = n * (4 + 16 + 16) + n * 8 * 36 +
                      wn_ctx_threads(ctx) * (wni_ld(d) * 4 + WNI_PAIRS_CHUNK * 12) + 65536;
    out->peak_bytes += wni_scan_self_bytes(ctx, n, d, out->peak_bytes);
    out->flops = (double)n * (double)n * (double)wni_ld(d);
    out->bytes_read = 5.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
    return WN_OK;
}

static wn_status radius_run(wn_ctx *ctx, const wn_graph_input *in, const void *params,
                            wn_graph **out)
{
    const wni_queries all = {in->pool, NULL, 0, wn_pool_rows(in->pool)};
    radius s = {.kernels = wni_kernels_of(ctx),
                .pool = in->pool,
                .metric = wn_pool_metric(in->pool),
                .n = all.n,
                .ld = wni_ld(wn_pool_dim(in->pool))};
    wni_self scan = {.rows = &all, .l2 = 1, .value = WNI_SELF_L2SQ, .take = take_pairs, .arg = &s};
    wn_graph_radius_params p;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_graph_radius, params, &p));
    if (all.n > UINT32_MAX) {
        st = wni_fail(ctx, WN_E_USAGE, "graph radius: the pool has more than 2^32 rows");
        goto done;
    }
    s.within = (float)p.radius;
    WNI_NEW(ctx, s.floor, s.n);
    WNI_NEW(ctx, s.slots, ctx->threads * s.ld);
    WNI_NEW0(ctx, s.found, ctx->threads);
    WNI_TRY(wni_parallel(ctx, s.n, GRAIN, floor_range, &s));
    scan.floor = s.floor;
    WNI_TRY(wni_scan_self(ctx, &scan));
    WNI_TRY(wni_pairs_join(ctx, s.found, ctx->threads, s.n, &s.pairs));
    WNI_TRY(graph_of(ctx, &s));
    *out = s.graph;
    s.graph = NULL;
done:
    for (int w = 0; s.found && w < ctx->threads; w++)
        wni_pairs_free(ctx, &s.found[w]);
    wni_free(ctx, s.found);
    wni_pairs_free(ctx, &s.pairs);
    wni_free(ctx, s.floor);
    wni_free(ctx, s.slots);
    wni_free(ctx, s.size);
    wn_graph_free(s.graph);
    return st;
}

wn_status wn_graph_radius(wn_ctx *ctx, const wn_graph_input *in,
                          const wn_graph_radius_params *params, wn_graph **out)
{
    return wn_graph_run(ctx, &wni_method_graph_radius, in, params, out);
}

static const wn_graph_ops ops = {radius_estimate, radius_run};

const wn_method wni_method_graph_radius = {
    .family = "graph",
    .name = "radius",
    .summary = "all pairs of rows within a distance of each other",
    .papers = "",
    .cost = "n^2 d / 2 multiply-adds; 36 bytes a pair",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_graph_radius_params),
    .ops = &ops,
};
