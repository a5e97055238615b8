/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether a row carries the label of the rows around it. wilson1972 bahri2020.
 */
#include "base/param.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_label_agreement;

WN_PARAM_TABLE(wn_score_label_agreement_params, WN_SCORE_LABEL_AGREEMENT_PARAMS);

enum { AGREE, DISAGREE, UNKNOWN, FLAGS };

static const char *const flag_names[FLAGS] = {"agree", "disagree", "unknown"};

typedef struct agreement {
    const wn_graph *graph;
    const wn_labels *labels;
    int64_t k;
    int64_t *counts; /* (threads, classes) zero between rows */
    wn_scores *scores;
} agreement;

static wn_status agreement_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const agreement *s = arg;
    const int32_t *label = s->labels->v;
    int64_t *count = s->counts + worker * (int64_t)s->labels->classes;

    (void)ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t *near = s->graph->indices + s->graph->indptr[i];
        const int64_t k = wni_neighbours(s->graph, i, s->k);
        const int32_t own = label[i];
        int32_t most = -1;
        int64_t same;

        for (int64_t j = 0; j < k; j++)
            if (label[near[j]] >= 0) count[label[near[j]]]++;
        same = own >= 0 ? count[own] : 0;
        if (same > 0) most = own; /* which wins a tie; among others the smaller class does */
        for (int64_t j = 0; j < k; j++) {
            int32_t c = label[near[j]];
            if (c < 0) continue;
            if (most < 0 || count[c] > count[most] ||
                (count[c] == count[most] && most != own && c < most))
                most = c;
        }
        s->scores->v[i] = (float)((double)same / (double)k);
        s->scores->suggested[i] = most >= 0 ? most : own;
        s->scores->flags[i] = own < 0 || most < 0 ? UNKNOWN : most == own ? AGREE : DISAGREE;
        for (int64_t j = 0; j < k; j++)
            if (label[near[j]] >= 0) count[label[near[j]]] = 0;
    }
    return WN_OK;
}

static wn_status agreement_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                    wn_estimate *out)
{
    (void)params;
    *out = (wn_estimate){0};
    out->peak_bytes =
        in->n * (4 + 1 + 4) + wn_ctx_threads(ctx) * (int64_t)in->labels->classes * 8 + 65536;
    out->flops = 3.0 * (double)in->graph->edges;
    return WN_OK;
}

static wn_status agreement_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                               wn_scores **out)
{
    agreement s = {.graph = in->graph, .labels = in->labels};
    wn_score_label_agreement_params p;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_label_agreement, params, &p));
    WNI_TRY(wni_neighbours_check(ctx, in->graph, p.k, "score label_agreement"));
    if (in->labels->classes == 1 && in->n > 1)
        return wni_fail(ctx, WN_E_DATA,
                        "score label_agreement: all labels are of class '%s', expected two classes "
                        "or more: look at --labels",
                        in->labels->names[0]);
    s.k = p.k;
    WNI_TRY(wn_scores_new(ctx, in->n, &s.scores));
    WNI_NEW(ctx, s.scores->flags, in->n);
    WNI_NEW(ctx, s.scores->suggested, in->n);
    WNI_NEW0(ctx, s.counts, wn_ctx_threads(ctx) * (int64_t)in->labels->classes);
    s.scores->n_flags = FLAGS;
    s.scores->flag_names = flag_names;
    WNI_TRY(wni_parallel(ctx, in->n, wni_neighbours_grain(in->graph), agreement_range, &s));
    *out = s.scores;
    s.scores = NULL;
done:
    wn_scores_free(s.scores);
    wni_free(ctx, s.counts);
    return st;
}

wn_status wn_score_label_agreement(wn_ctx *ctx, const wn_score_input *in,
                                   const wn_score_label_agreement_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_label_agreement, in, params, out);
}

static const wn_score_ops ops = {agreement_estimate, agreement_run};

const wn_method wni_method_score_label_agreement = {
    .family = "score",
    .name = "label_agreement",
    .summary = "the share of a row's neighbours that carry its label",
    .papers = "wilson1972 bahri2020",
    .cost = "one pass over the graph; 9 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_label_agreement_params),
    .ops = &ops,
    .inputs = "graph labels",
};
