/* SPDX-License-Identifier: Apache-2.0
 *
 * The local outlier factor: how much thinner the crowd is around a row than around its neighbours.
 * breunig2000.
 */
#include <float.h>

#include "base/param.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_lof;

WN_PARAM_TABLE(wn_score_lof_params, WN_SCORE_LOF_PARAMS);

/* Added to the mean reachability distance, so that more than k copies of a row have a finite density. */
#define NO_DISTANCE 1e-10

typedef struct lof {
    const wn_graph *graph;
    int64_t k;
    double *density; /* (n) local reachability density */
    float *v;        /* (n) */
} lof;

/* Distance of a row to the last of its neighbours. */
static double k_distance(const lof *s, int64_t row)
{
    return (double)
        s->graph->distances[s->graph->indptr[row] + wni_neighbours(s->graph, row, s->k) - 1];
}

static wn_status density_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const lof *s = arg;
    const wn_graph *g = s->graph;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t k = wni_neighbours(g, i, s->k);
        double sum = 0;

        for (int64_t e = g->indptr[i]; e < g->indptr[i] + k; e++) {
            double distance = (double)g->distances[e], reach = k_distance(s, g->indices[e]);
            sum += reach > distance ? reach : distance;
        }
        s->density[i] = 1 / (sum / (double)k + NO_DISTANCE);
    }
    return WN_OK;
}

static wn_status factor_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const lof *s = arg;
    const wn_graph *g = s->graph;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t k = wni_neighbours(g, i, s->k);
        double sum = 0;

        for (int64_t e = g->indptr[i]; e < g->indptr[i] + k; e++)
            sum += s->density[g->indices[e]];
        sum /= (double)k * s->density[i];
        s->v[i] = sum > (double)FLT_MAX ? -FLT_MAX : (float)-sum;
    }
    return WN_OK;
}

static wn_status lof_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                              wn_estimate *out)
{
    (void)ctx;
    (void)params;
    *out = (wn_estimate){.peak_bytes = in->n * 12 + 65536, .flops = 3.0 * (double)in->graph->edges};
    return WN_OK;
}

static wn_status lof_run(wn_ctx *ctx, const wn_score_input *in, const void *params, wn_scores **out)
{
    const int64_t grain = wni_neighbours_grain(in->graph);
    lof s = {.graph = in->graph};
    wn_score_lof_params p;
    wn_scores *scores = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_lof, params, &p));
    WNI_TRY(wni_neighbours_check(ctx, in->graph, p.k, "score lof"));
    WNI_TRY(wn_scores_new(ctx, in->n, &scores));
    WNI_NEW(ctx, s.density, in->n);
    s.k = p.k;
    s.v = scores->v;
    WNI_TRY(wni_parallel(ctx, in->n, grain, density_range, &s));
    WNI_TRY(wni_parallel(ctx, in->n, grain, factor_range, &s));
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    wni_free(ctx, s.density);
    return st;
}

wn_status wn_score_lof(wn_ctx *ctx, const wn_score_input *in, const wn_score_lof_params *params,
                       wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_lof, in, params, out);
}

static const wn_score_ops ops = {lof_estimate, lof_run};

const wn_method wni_method_score_lof = {
    .family = "score",
    .name = "lof",
    .summary = "minus the local outlier factor",
    .papers = "breunig2000",
    .cost = "two passes over the graph; 12 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_lof_params),
    .ops = &ops,
    .inputs = "graph",
};
