/* SPDX-License-Identifier: Apache-2.0
 *
 * Recall of a graph: how many of the true nearest neighbours it has, on a sample of rows.
 */
#include <math.h>

#include "base/param.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "measure/measure_impl.h"
#include "measure/spread.h"
#include "scan/scan.h"

extern const wn_method wni_method_measure_graph;

WN_PARAM_TABLE(wn_measure_graph_params, WN_MEASURE_GRAPH_PARAMS);

typedef struct judging {
    const wn_pool *pool; /* under the metric of the graph */
    const wn_graph *graph;
    int64_t k; /* most neighbours of a row that are judged */
    int64_t *judged, sample;
    int64_t *at; /* (sample, k) true neighbours */
    float *score;
    double *recall;           /* (sample) NaN = it has no neighbours */
    double *ours, *exact_sum; /* (sample) sums of distances */
    uint8_t *first;           /* (sample) the nearest one is there */
    int64_t ld;
    float *slots; /* (threads, 2 x ld) */
} judging;

/* The neighbours of a row that are judged; there are no more than the other rows. */
static int64_t degree(const wn_graph *graph, int64_t row, int64_t k)
{
    int64_t d = wni_min(graph->indptr[row + 1] - graph->indptr[row], graph->n - 1);

    return k ? wni_min(d, k) : d;
}

static wn_status judge_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    judging *j = arg;
    const wni_kernels *kern = wni_kernels_of(ctx);
    float *x = j->slots + worker * 2 * j->ld, *y = x + j->ld;
    bool l2 = j->graph->metric == WN_L2;
    wn_status st = WN_OK;

    for (int64_t q = begin; q < end; q++) {
        int64_t row = j->judged[q], d = degree(j->graph, row, j->k), hits = 0;
        const int64_t *near = j->graph->indices + j->graph->indptr[row];
        const int64_t *want = j->at + q * j->k;
        float last = d ? j->score[q * j->k + d - 1] : 0;

        j->recall[q] = NAN;
        j->first[q] = 0;
        j->ours[q] = j->exact_sum[q] = 0;
        if (d == 0) continue;
        WNI_TRY(wn_pool_gather(ctx, j->pool, &row, 1, x, j->ld));
        for (int64_t i = 0; i < d; i++)
            if (want[i] < 0 || !isfinite(j->score[q * j->k + i]))
                return wni_measure_overflow(ctx, &wni_method_measure_graph, row);
        for (int64_t i = 0; i < 2 * d; i++) {
            double *sum = i < d ? &j->ours[q] : &j->exact_sum[q];
            WNI_TRY(wn_pool_gather(ctx, j->pool, i < d ? &near[i] : &want[i - d], 1, y, j->ld));
            *sum += l2 ? sqrt((double)kern->l2sq(x, y, j->ld))
                       : fmax(1 - (double)kern->dot(x, y, j->ld), 0);
            if (i >= d) continue;
            /* the scan's score of this pair, with the scan's roundings */
            hits += kern->dot(x, y, j->ld) - (l2 ? kern->dot(y, y, j->ld) / 2 : 0) >= last;
            j->first[q] |= near[i] == want[0];
        }
        j->recall[q] = (double)hits / (double)d;
    }
done:
    return st;
}

static int64_t sample_of(const wn_measure_graph_params *p, int64_t n)
{
    return p->sample && p->sample < n ? p->sample : n;
}

/* Of all rows: that any row may be in the sample. */
static int64_t largest_degree(const wn_graph *graph, int64_t k)
{
    int64_t most = 1;

    for (int64_t i = 0; i < graph->n; i++)
        most = wni_max(most, degree(graph, i, k));
    return most;
}

static wn_status report(wn_measurement *m, const judging *j, double *scratch)
{
    const wn_graph *g = j->graph;
    int64_t least = INT64_MAX, most = 0, whole = 0, first = 0, near = 0;
    int32_t n = 0;
    double ours = 0, exact = 0;
    wni_spread spread;
    wn_status st;

    for (int64_t i = 0; i < g->n; i++) {
        least = wni_min(least, degree(g, i, 0));
        most = wni_max(most, degree(g, i, 0));
    }
    for (int64_t q = 0; q < j->sample; q++) {
        if (isnan(j->recall[q])) continue;
        scratch[n++] = j->recall[q];
        whole += j->recall[q] == 1;
        first += j->first[q];
        near += degree(g, j->judged[q], j->k);
        ours += j->ours[q];
        exact += j->exact_sum[q];
    }
    WNI_TRY(wni_measured_int(m, NULL, "rows", g->n));
    WNI_TRY(wni_measured_int(m, NULL, "edges", g->edges));
    WNI_TRY(wni_measured_int(m, NULL, "smallest_degree", least));
    WNI_TRY(wni_measured_int(m, NULL, "largest_degree", most));
    WNI_TRY(wni_measured_int(m, NULL, "rows_judged", n));
    WNI_TRY(wni_measured_int(m, NULL, "rows_without_neighbours", j->sample - n));
    if (n == 0) goto done;
    spread = wni_spread_of(scratch, n);
    WNI_TRY(wni_measured_real(m, NULL, "recall", spread.mean));
    if (n < g->n && n > 1) {
        double half = wni_spread_half(&spread);
        WNI_TRY(wni_measured_real(m, NULL, "recall_low", fmax(spread.mean - half, 0)));
        WNI_TRY(wni_measured_real(m, NULL, "recall_high", fmin(spread.mean + half, 1)));
    }
    WNI_TRY(wni_measured_real(m, NULL, "rows_all_found", (double)whole / n));
    WNI_TRY(wni_measured_real(m, NULL, "nearest_found", (double)first / n));
    WNI_TRY(wni_measured_real(m, NULL, "mean_distance", ours / (double)near));
    WNI_TRY(wni_measured_real(m, NULL, "distance_ratio", exact > 0 ? ours / exact : 1));
done:
    return st;
}

static wn_status graph_estimate(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                                wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), sample, k;
    wn_measure_graph_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_graph, params, &p));
    if (n < 2)
        return wni_fail(ctx, WN_E_DATA, "measure graph: found %lld rows, expected at least 2",
                        (long long)n);
    if (p.k >= n)
        return wni_fail(ctx, WN_E_DATA,
                        "measure graph: k is %lld, but a row of %lld has at most %lld neighbours",
                        (long long)p.k, (long long)n, (long long)n - 1);
    sample = sample_of(&p, n);
    k = largest_degree(in->graph, p.k);
    *out = (wn_estimate){0};
    out->peak_bytes = sample * (k * 12 + 8 * 6 + 1) + wn_ctx_threads(ctx) * wni_ld(d) * 8 + 65536;
    out->peak_bytes += wni_scan_bytes(ctx, sample, n, d, out->peak_bytes);
    out->flops = 2.0 * (double)sample * (double)n * (double)d;
    out->bytes_read = (double)(n + sample * (1 + 2 * k)) * (double)d *
                      (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status graph_run(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                           wn_measurement **out)
{
    int64_t n = wn_pool_rows(in->pool);
    wn_measure_graph_params p;
    judging j = {.graph = in->graph, .ld = wni_ld(wn_pool_dim(in->pool))};
    wni_queries queries, base;
    wn_pool *pool = NULL;
    wn_measurement *m = NULL;
    double *scratch = NULL;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_graph, params, &p));
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, in->graph->metric, &pool));
    j.pool = pool;
    j.sample = sample_of(&p, n);
    j.k = largest_degree(in->graph, p.k);
    WNI_NEW(ctx, j.judged, j.sample);
    WNI_NEW(ctx, j.at, j.sample * j.k);
    WNI_NEW(ctx, j.score, j.sample * j.k);
    WNI_NEW(ctx, j.recall, j.sample);
    WNI_NEW(ctx, j.ours, j.sample);
    WNI_NEW(ctx, j.exact_sum, j.sample);
    WNI_NEW(ctx, j.first, j.sample);
    WNI_NEW(ctx, scratch, j.sample);
    WNI_NEW(ctx, j.slots, wn_ctx_threads(ctx) * 2 * j.ld);
    WNI_TRY(wni_rand_subset(ctx, p.seed, wni_stream("measure-graph", 0, 0), n, j.sample, j.judged));
    queries = (wni_queries){pool, j.judged, 0, j.sample};
    base = (wni_queries){pool, NULL, 0, n};
    wni_progress(ctx, "finding true neighbours", 0, j.sample);
    WNI_TRY(wni_scan_topk(ctx, &queries, &base, j.k, in->graph->metric == WN_L2, 1, j.at, j.score));
    WNI_TRY(wni_parallel(ctx, j.sample, 8, judge_range, &j));
    WNI_TRY(wni_measurement_new(ctx, &m));
    WNI_TRY(report(m, &j, scratch));
    *out = m;
    m = NULL;
done:
    wni_free(ctx, j.judged);
    wni_free(ctx, j.at);
    wni_free(ctx, j.score);
    wni_free(ctx, j.recall);
    wni_free(ctx, j.ours);
    wni_free(ctx, j.exact_sum);
    wni_free(ctx, j.first);
    wni_free(ctx, scratch);
    wni_free(ctx, j.slots);
    wn_pool_free(pool);
    wn_measurement_free(m);
    return st;
}

wn_status wn_measure_graph(wn_ctx *ctx, const wn_measure_input *in,
                           const wn_measure_graph_params *params, wn_measurement **out)
{
    return wn_measure_run(ctx, &wni_method_measure_graph, in, params, out);
}

static const wn_measure_ops ops = {graph_estimate, graph_run};

const wn_method wni_method_measure_graph = {
    .family = "measure",
    .name = "graph",
    .summary = "how many of the true nearest neighbours a graph has",
    .papers = "aumueller2020",
    .cost = "sample x n x d; 12 bytes a neighbour of the sample",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_measure_graph_params),
    .ops = &ops,
    .inputs = "pool graph",
};
