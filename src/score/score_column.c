/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers from elsewhere, as scores.
 */
#include "base/param.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_column;

WN_PARAM_TABLE(wn_score_column_params, WN_SCORE_COLUMN_PARAMS);

#define POLL_ROWS 65536

static wn_status column_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                 wn_estimate *out)
{
    (void)ctx;
    (void)params;
    *out = (wn_estimate){.peak_bytes = in->n * 4 + 65536};
    return WN_OK;
}

static wn_status column_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                            wn_scores **out)
{
    wn_score_column_params p;
    wn_scores *scores = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_column, params, &p));
    WNI_TRY(wn_scores_new(ctx, in->n, &scores));
    for (int64_t i = 0; i < in->n; i++) {
        if (i % POLL_ROWS == 0) WNI_TRY(wni_poll(ctx));
        scores->v[i] = p.negate ? 0.0f - in->scores->v[i] : in->scores->v[i];
    }
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    return st;
}

wn_status wn_score_column(wn_ctx *ctx, const wn_score_input *in,
                          const wn_score_column_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_column, in, params, out);
}

static const wn_score_ops ops = {column_estimate, column_run};

const wn_method wni_method_score_column = {
    .family = "score",
    .name = "column",
    .summary = "numbers from a table or an .npy, as scores",
    .papers = "",
    .cost = "one pass over the numbers; 8 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_column_params),
    .ops = &ops,
    .inputs = "scores",
};
