/* SPDX-License-Identifier: Apache-2.0
 *
 * A data filtering network: a classifier of trusted rows against just any scores the pool, and the best rows
 * stay. fang2024.
 */
#include "base/param.h"
#include "select/notes.h"
#include "select/recipe.h"

extern const wn_method wni_method_select_filter_net;

WN_PARAM_TABLE(wn_select_filter_net_params, WN_SELECT_FILTER_NET_PARAMS);

static wn_score_input score_input(const wn_select_input *in)
{
    return (wn_score_input){.struct_size = sizeof(wn_score_input),
                            .n = wn_pool_rows(in->pool),
                            .pool = in->pool,
                            .target = in->target,
                            .rows = in->rows,
                            .n_rows = in->n_rows};
}

static const wn_method *score_params(const wn_select_filter_net_params *p,
                                     wn_score_trusted_params *out)
{
    const wn_method *method = wn_method_find("score", "trusted");

    wn_params_init(method, out);
    out->sample = p->sample;
    out->ratio = p->ratio;
    out->l2 = p->l2;
    out->seed = p->seed;
    return method;
}

static wn_status check(wn_ctx *ctx, const wn_select_input *in, const wn_select_filter_net_params *p)
{
    if (!in->target == !in->rows)
        return wni_fail(ctx, WN_E_USAGE,
                        "select filter_net: found %s, expected either trusted rows or a target",
                        in->rows ? "both" : "neither");
    if (in->target ? wn_pool_rows(in->target) == 0 : in->n_rows == 0)
        return wni_fail(
            ctx, WN_E_DATA,
            "select filter_net: the %s no rows, expected some that are known to be good",
            in->target ? "target has" : "trusted part has");
    return wni_recipe_size(ctx, "filter_net", p->size, wn_pool_rows(in->pool));
}

/* The lowest score that was kept for itself, and what became of the trusted rows. */
static wn_status say(const wn_select_input *in, const wn_scores *scores, wn_selection *s)
{
    float best_dropped = -__builtin_inff(), mean_kept = 0;
    double sum = 0;
    int64_t trusted = 0;
    wn_status st;

    for (int64_t i = 0; i < s->n; i++) {
        if (s->why[i].copies)
            sum += (double)scores->v[i];
        else if (scores->v[i] > best_dropped)
            best_dropped = scores->v[i];
    }
    mean_kept = s->size ? (float)(sum / (double)s->size) : 0;
    for (int64_t i = 0; i < in->n_rows; i++)
        trusted += s->why[in->rows[i]].copies;
    WNI_TRY(wni_note(s, "log_odds_mean_kept", NULL, (double)mean_kept, 0));
    if (s->size < s->n)
        WNI_TRY(wni_note(s, "log_odds_best_dropped", NULL, (double)best_dropped, 0));
    if (in->rows) WNI_TRY(wni_note(s, "trusted_kept", NULL, (double)trusted, 1));
done:
    return st;
}

static wn_status filter_net_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                wn_selection **out)
{
    wn_select_filter_net_params p;
    wn_score_trusted_params score;
    wn_score_input from = score_input(in);
    wn_scores *scores = NULL;
    float *weights = NULL;
    uint8_t *rule = NULL;
    wni_picking pick = {.how = WN_PICK_TOP, .groups = {from.n, 1, NULL}};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_filter_net, params, &p));
    WNI_TRY(check(ctx, in, &p));
    score_params(&p, &score);
    WNI_TRY(wn_score_trusted(ctx, &from, &score, &scores));
    WNI_NEW(ctx, rule, from.n);
    pick.scores = scores->v;
    pick.quota = &p.size;
    pick.seed = p.seed;
    wni_open_all(&pick.groups, rule);
    WNI_TRY(wni_recipe_pick(ctx, &pick, p.random_share, rule, &weights));
    WNI_TRY(wni_recipe_selection(ctx, from.n, rule, NULL, weights, out));
    WNI_TRY(say(in, scores, *out));
done:
    if (st != WN_OK) {
        wn_selection_free(*out);
        *out = NULL;
    }
    wni_free(ctx, rule);
    wni_free(ctx, weights);
    wn_scores_free(scores);
    return st;
}

static wn_status filter_net_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                     wn_estimate *out)
{
    wn_select_filter_net_params p;
    wn_score_trusted_params score;
    wn_score_input from = score_input(in);
    const wn_score_ops *score_ops;
    wn_status st;

    *out = (wn_estimate){0};
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_filter_net, params, &p));
    WNI_TRY(check(ctx, in, &p));
    score_ops = score_params(&p, &score)->ops;
    WNI_TRY(score_ops->estimate(ctx, &from, &score, out));
    out->peak_bytes =
        wni_max(out->peak_bytes,
                from.n * 9 + wni_max(wni_recipe_pick_bytes(ctx, WN_PICK_TOP, from.n, 0, 1),
                                     wni_recipe_selection_bytes(from.n, p.size))) +
        65536;
done:
    return st;
}

wn_status wn_select_filter_net(wn_ctx *ctx, const wn_select_input *in,
                               const wn_select_filter_net_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_filter_net, in, params, out);
}

static const wn_select_ops ops = {filter_net_estimate, filter_net_run};

const wn_method wni_method_select_filter_net = {
    .family = "select",
    .name = "filter_net",
    .summary = "the rows that a classifier of trusted rows against the pool likes best",
    .papers = "fang2024",
    .cost = "a fit to two samples, then one pass; 41 bytes a row and the samples",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_filter_net_params),
    .ops = &ops,
    .inputs = "pool trusted|target",
};
