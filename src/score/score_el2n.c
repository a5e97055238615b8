/* SPDX-License-Identifier: Apache-2.0
 *
 * How far predictions were from the label, on average over the first epochs. paul2021.
 */
#include "base/param.h"
#include "score/score_trajectory.h"

extern const wn_method wni_method_score_el2n;

WN_PARAM_TABLE(wn_score_el2n_params, WN_SCORE_EL2N_PARAMS);

/* Mean of the error norms. */
static wn_status judge(wn_ctx *ctx, const wni_trajectory *self, int64_t row, const float *v,
                       int64_t t, float *hard, uint8_t *flag)
{
    double sum = 0;

    (void)flag;
    for (int64_t e = 0; e < t; e++) {
        if (v[e] < 0)
            return wni_fail_at(ctx, row, WN_E_DATA,
                               "%s: row %lld has %g in column %lld: error norms are not negative; "
                               "for margins there is `score aum`",
                               self->what, (long long)row, (double)v[e], (long long)e);
        sum += (double)v[e];
    }
    *hard = (float)(sum / (double)t);
    return WN_OK;
}

static wn_status el2n_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                               wn_estimate *out)
{
    wn_score_el2n_params p;
    wn_status st = wni_params_complete(ctx, &wni_method_score_el2n, params, &p);

    wni_trajectory_estimate(ctx, in->losses, out);
    return st;
}

static wn_status el2n_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                          wn_scores **out)
{
    wni_trajectory job = {.losses = in->losses, .what = "score el2n", .judge = judge};
    wn_score_el2n_params p;
    wn_scores *scores = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_el2n, params, &p));
    job.epochs = p.epochs;
    job.hard = p.keep == WN_KEEP_HARD;
    WNI_TRY(wn_scores_new(ctx, wn_pool_rows(in->losses), &scores));
    WNI_TRY(wni_trajectory_run(ctx, &job, scores));
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    return st;
}

wn_status wn_score_el2n(wn_ctx *ctx, const wn_score_input *in, const wn_score_el2n_params *params,
                        wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_el2n, in, params, out);
}

static const wn_score_ops ops = {el2n_estimate, el2n_run};

const wn_method wni_method_score_el2n = {
    .family = "score",
    .name = "el2n",
    .summary = "mean error norm of each row over the first epochs of training",
    .papers = "paul2021",
    .cost = "one pass over the matrix, n T additions; 4 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_el2n_params),
    .ops = &ops,
    .inputs = "losses",
};
