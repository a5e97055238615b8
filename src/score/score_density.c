/* SPDX-License-Identifier: Apache-2.0
 *
 * How crowded it is around a row: the mean distance to its neighbours in a graph.
 */
#include "base/param.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_density;

WN_PARAM_TABLE(wn_score_density_params, WN_SCORE_DENSITY_PARAMS);

typedef struct density {
    const wn_graph *graph;
    int64_t k;
    float *v; /* (n) */
} density;

static wn_status density_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const density *s = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const float *distance = s->graph->distances + s->graph->indptr[i];
        int64_t k = wni_neighbours(s->graph, i, s->k);
        double sum = 0;

        for (int64_t j = 0; j < k; j++)
            sum += (double)distance[j];
        sum /= (double)k;
        s->v[i] = (float)(s->graph->metric == WN_COSINE ? 1 - sum : 0 - sum);
    }
    return WN_OK;
}

static wn_status density_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                  wn_estimate *out)
{
    (void)ctx;
    (void)params;
    *out = (wn_estimate){.peak_bytes = in->n * 4 + 65536, .flops = (double)in->graph->edges};
    return WN_OK;
}

static wn_status density_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                             wn_scores **out)
{
    density s = {.graph = in->graph};
    wn_score_density_params p;
    wn_scores *scores = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_density, params, &p));
    WNI_TRY(wni_neighbours_check(ctx, in->graph, p.k, "score density"));
    WNI_TRY(wn_scores_new(ctx, in->n, &scores));
    s.k = p.k;
    s.v = scores->v;
    WNI_TRY(wni_parallel(ctx, in->n, wni_neighbours_grain(in->graph), density_range, &s));
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    return st;
}

wn_status wn_score_density(wn_ctx *ctx, const wn_score_input *in,
                           const wn_score_density_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_density, in, params, out);
}

static const wn_score_ops ops = {density_estimate, density_run};

const wn_method wni_method_score_density = {
    .family = "score",
    .name = "density",
    .summary = "how near a row's neighbours are",
    .papers = "",
    .cost = "one pass over the graph; 4 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_density_params),
    .ops = &ops,
    .inputs = "graph",
};
