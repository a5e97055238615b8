/* SPDX-License-Identifier: Apache-2.0
 *
 * How much a row looks like the centre of its cluster. sorscher2022.
 */
#include "base/param.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_prototypicality;

WN_PARAM_TABLE(wn_score_prototypicality_params, WN_SCORE_PROTOTYPICALITY_PARAMS);

static wn_status prototypicality_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                          wn_estimate *out)
{
    const int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool);
    wn_score_prototypicality_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_score_prototypicality, params, &p));
    *out = (wn_estimate){0};
    out->peak_bytes =
        n * 5 + wni_level_bytes(in->tree, p.level) + wni_similarity_bytes(ctx, d) + 65536;
    out->flops = 3.0 * (double)n * (double)d;
    out->bytes_read = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status prototypicality_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                     wn_scores **out)
{
    wn_score_prototypicality_params p;
    wn_scores *scores = NULL;
    wni_level level = {0};
    wn_pool *pool = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_prototypicality, params, &p));
    WNI_TRY(wni_level_new(ctx, in->tree, p.level, "score prototypicality", &level));
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, in->tree->metric, &pool));
    WNI_TRY(wn_scores_new(ctx, level.n, &scores));
    WNI_TRY(wni_level_similarity(ctx, pool, &level, scores->v));
    WNI_TRY(wni_level_flags(ctx, &level, scores));
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    wn_pool_free(pool);
    wni_level_free(ctx, &level);
    return st;
}

wn_status wn_score_prototypicality(wn_ctx *ctx, const wn_score_input *in,
                                   const wn_score_prototypicality_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_prototypicality, in, params, out);
}

static const wn_score_ops ops = {prototypicality_estimate, prototypicality_run};

const wn_method wni_method_score_prototypicality = {
    .family = "score",
    .name = "prototypicality",
    .summary = "how much a row looks like the centre of its cluster",
    .papers = "sorscher2022",
    .cost = "one pass over the rows, n d multiply-adds; 4 bytes a row and the centres",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_prototypicality_params),
    .ops = &ops,
    .inputs = "pool tree",
};
