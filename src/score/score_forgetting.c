/* SPDX-License-Identifier: Apache-2.0
 *
 * How often a row was learnt and forgotten again. toneva2019.
 */
#include "base/param.h"
#include "score/score_trajectory.h"

extern const wn_method wni_method_score_forgetting;

WN_PARAM_TABLE(wn_score_forgetting_params, WN_SCORE_FORGETTING_PARAMS);

#define LOG_2 0.693147180559945309f

enum { UNFORGETTABLE, FORGOTTEN, NEVER_LEARNT, ALWAYS_LEARNT /* until ask_about_losses */ };

static const char *const flag_names[] = {"unforgettable", "forgotten", "never-learnt"};

/* Steps from learnt to not learnt; a row that is never learnt counts as forgotten in every epoch. */
static wn_status judge(wn_ctx *ctx, const wni_trajectory *self, int64_t row, const float *v,
                       int64_t t, float *hard, uint8_t *flag)
{
    int64_t forgotten = 0;
    bool before = false, ever = false, always = true;

    (void)ctx;
    (void)row;
    for (int64_t e = 0; e < t; e++) {
        bool learnt = self->option ? v[e] < LOG_2 : v[e] > 0;
        forgotten += before && !learnt;
        ever |= learnt;
        always &= learnt;
        before = learnt;
    }
    *hard = (float)(ever ? forgotten : t);
    *flag = always ? ALWAYS_LEARNT : !ever ? NEVER_LEARNT : forgotten ? FORGOTTEN : UNFORGETTABLE;
    return WN_OK;
}

/* Losses that are taken for margins are all above 0: every row is learnt in every epoch. */
static void ask_about_losses(wn_ctx *ctx, wn_scores *scores, bool margins)
{
    int64_t always = 0;

    for (int64_t i = 0; i < scores->n; i++) {
        if (scores->flags[i] != ALWAYS_LEARNT) continue;
        scores->flags[i] = UNFORGETTABLE;
        always++;
    }
    if (margins && scores->n > 1 && always == scores->n)
        wni_log(ctx, WN_LOG_WARN,
                "score forgetting: every row is learnt in every epoch: if the matrix holds losses, "
                "give --values losses");
}

static wn_status forgetting_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                     wn_estimate *out)
{
    wn_score_forgetting_params p;
    wn_status st = wni_params_complete(ctx, &wni_method_score_forgetting, params, &p);

    wni_trajectory_estimate(ctx, in->losses, out);
    return st;
}

static wn_status forgetting_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                wn_scores **out)
{
    wni_trajectory job = {.losses = in->losses, .what = "score forgetting", .judge = judge};
    wn_score_forgetting_params p;
    wn_scores *scores = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_forgetting, params, &p));
    job.option = p.values;
    job.hard = p.keep == WN_KEEP_HARD;
    WNI_TRY(wn_scores_new(ctx, wn_pool_rows(in->losses), &scores));
    WNI_NEW0(ctx, scores->flags, scores->n);
    scores->flag_names = flag_names;
    scores->n_flags = 3;
    WNI_TRY(wni_trajectory_run(ctx, &job, scores));
    ask_about_losses(ctx, scores, p.values == 0);
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    return st;
}

wn_status wn_score_forgetting(wn_ctx *ctx, const wn_score_input *in,
                              const wn_score_forgetting_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_forgetting, in, params, out);
}

static const wn_score_ops ops = {forgetting_estimate, forgetting_run};

const wn_method wni_method_score_forgetting = {
    .family = "score",
    .name = "forgetting",
    .summary = "how often each row was learnt and forgotten again",
    .papers = "toneva2019",
    .cost = "one pass over the matrix, n T additions; 4 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_forgetting_params),
    .ops = &ops,
    .inputs = "losses",
};
