/* SPDX-License-Identifier: Apache-2.0
 *
 * Area under the margin: how clearly a row was put into its own class over the epochs. pleiss2020.
 */
#include "base/param.h"
#include "score/score_trajectory.h"

extern const wn_method wni_method_score_aum;

WN_PARAM_TABLE(wn_score_aum_params, WN_SCORE_AUM_PARAMS);

/* Losses are never negative, and nor is their mean; the margins of a pool nearly always are somewhere. */
static void warn_losses(wn_ctx *ctx, const wn_scores *scores, bool hard)
{
    for (int64_t i = 0; i < scores->n; i++)
        if (hard ? scores->v[i] >= 0 : scores->v[i] <= 0) return;
    wni_log(ctx, WN_LOG_WARN,
            "score aum: the mean of every row is above 0: are these margins? losses rank the "
            "wrong way round");
}

/* Mean of the margins; hard is what has little. */
static wn_status judge(wn_ctx *ctx, const wni_trajectory *self, int64_t row, const float *v,
                       int64_t t, float *hard, uint8_t *flag)
{
    double sum = 0;

    (void)ctx;
    (void)self;
    (void)row;
    (void)flag;
    for (int64_t e = 0; e < t; e++)
        sum += (double)v[e];
    *hard = (float)(0 - sum / (double)t);
    return WN_OK;
}

static wn_status aum_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                              wn_estimate *out)
{
    wn_score_aum_params p;
    wn_status st = wni_params_complete(ctx, &wni_method_score_aum, params, &p);

    wni_trajectory_estimate(ctx, in->losses, out);
    return st;
}

static wn_status aum_run(wn_ctx *ctx, const wn_score_input *in, const void *params, wn_scores **out)
{
    wni_trajectory job = {.losses = in->losses, .what = "score aum", .judge = judge};
    wn_score_aum_params p;
    wn_scores *scores = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_aum, params, &p));
    job.epochs = p.epochs;
    job.hard = p.keep == WN_KEEP_HARD;
    WNI_TRY(wn_scores_new(ctx, wn_pool_rows(in->losses), &scores));
    WNI_TRY(wni_trajectory_run(ctx, &job, scores));
    if (scores->n > 1) warn_losses(ctx, scores, job.hard);
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    return st;
}

wn_status wn_score_aum(wn_ctx *ctx, const wn_score_input *in, const wn_score_aum_params *params,
                       wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_aum, in, params, out);
}

static const wn_score_ops ops = {aum_estimate, aum_run};

const wn_method wni_method_score_aum = {
    .family = "score",
    .name = "aum",
    .summary = "mean margin of each row over training: low = its label is doubtful",
    .papers = "pleiss2020",
    .cost = "one pass over the matrix, n T additions; 4 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_aum_params),
    .ops = &ops,
    .inputs = "losses",
};
