/* SPDX-License-Identifier: Apache-2.0
 *
 * Source classes that a target task needs: each row of the target votes for one class of the source, and the
 * classes with the most votes are kept whole. zhang2023selectivity.
 */
#include "base/param.h"
#include "ds/keyed.h"
#include "select/notes.h"
#include "select/recipe.h"
#include "select/sources.h"
#include "winnow/learn.h"

extern const wn_method wni_method_select_transfer_prune;

WN_PARAM_TABLE(wn_select_transfer_prune_params, WN_SELECT_TRANSFER_PRUNE_PARAMS);

typedef struct pruning {
    const wn_select_input *in;
    const wn_select_transfer_prune_params *p;
    wni_sources s;
    int64_t targets;
    int32_t *vote;  /* (targets) */
    double *score;  /* (k) share of the votes */
    int64_t *quota; /* (k) */
} pruning;

/* ---- votes -------------------------------------------------------------------------------------- */

/* The class whose centre is nearest. */
static wn_status vote_by_features(wn_ctx *ctx, pruning *t)
{
    wn_metric metric = t->in->tree ? t->in->tree->metric : wn_pool_metric(t->in->pool);
    wn_pool *target = NULL, *centers = NULL;
    float *bias = NULL, *score = NULL;
    wni_mat base = {0};
    wn_status st;

    WNI_TRY(wn_pool_with_metric(ctx, t->in->target, metric, &target));
    WNI_TRY(wn_pool_check(ctx, target, 1, NULL));
    if (t->in->tree) {
        WNI_TRY(wn_pool_wrap(ctx, t->s.clusters->centers, t->s.k, t->s.clusters->d, WN_F32, WN_L2,
                             &centers));
        WNI_TRY(wni_mat_gather(ctx, centers, NULL, t->s.k, &base));
    } else {
        WNI_TRY(wni_source_means(ctx, &t->s, t->in->pool, &base));
    }
    WNI_NEW(ctx, score, t->targets);
    if (metric == WN_L2) {
        WNI_NEW(ctx, bias, t->s.k);
        WNI_TRY(wni_mat_half_norms(ctx, &base, bias));
    }
    WNI_TRY(wni_scan_argmin(ctx, &(wni_queries){target, NULL, 0, t->targets}, &base, bias, t->vote,
                            score, NULL));
done:
    wni_mat_free(ctx, &base);
    wni_free(ctx, bias);
    wni_free(ctx, score);
    wn_pool_free(centers);
    wn_pool_free(target);
    return st;
}

/* The class that a classifier of the source sees. */
static wn_status vote_by_labels(wn_ctx *ctx, pruning *t)
{
    wn_learn_input in = {.struct_size = sizeof in, .pool = t->in->pool, .labels = t->in->groups};
    wn_labels *made = NULL;
    wn_model *model = NULL;
    wn_status st;

    if (!in.labels) {
        WNI_TRY(wni_source_labels(ctx, &t->s, &made));
        in.labels = made;
    }
    WNI_TRY(wn_learn_logistic(ctx, &in, NULL, &model));
    WNI_TRY(wn_model_predict(ctx, model, t->in->target, NULL, 0, t->targets, t->vote));
    for (int64_t i = 0; made && i < t->targets; i++)
        t->vote[i] = (int32_t)made->values[t->vote[i]];
done:
    wn_model_free(model);
    wn_labels_free(made);
    return st;
}

/* Every row of the target counts the same, or with labels every class of the target. */
static wn_status count_votes(wn_ctx *ctx, pruning *t)
{
    const wn_labels *labels = t->in->target_labels;
    int64_t classes = 0;

    for (int32_t c = 0; labels && c < labels->classes; c++)
        classes += labels->sizes[c] > 0;
    if (labels && classes == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "select transfer_prune: no row of the target has a label: give labels from "
                        "0, or leave --target-labels out");
    for (int64_t i = 0; i < t->targets; i++) {
        if (!labels)
            t->score[t->vote[i]] += 1.0 / (double)t->targets;
        else if (labels->v[i] >= 0)
            t->score[t->vote[i]] += 1.0 / ((double)classes * (double)labels->sizes[labels->v[i]]);
    }
    return WN_OK;
}

/* ---- classes ------------------------------------------------------------------------------------ */

/* Whole classes, the most voted first; the last one as far as the size goes. */
static void fill_quota(const pruning *t, const wni_keyed *order)
{
    int64_t left = t->p->size;

    for (int32_t i = 0; i < t->s.k; i++) {
        int64_t g = order[i].row;
        t->quota[g] = wni_min(left, t->s.size[g]);
        left -= t->quota[g];
    }
}

static wn_status say(const pruning *t, const wni_keyed *order, wn_selection *s)
{
    int64_t classes = 0, voted = 0;
    double share = 0;
    wn_status st = WN_OK;

    for (int32_t g = 0; g < t->s.k; g++) {
        classes += t->quota[g] > 0;
        voted += t->score[g] > 0;
        if (t->quota[g] > 0) share += t->score[g];
    }
    WNI_TRY(wni_note(s, "classes_kept", NULL, (double)classes, 1));
    WNI_TRY(wni_note(s, "classes_with_votes", NULL, (double)voted, 1));
    WNI_TRY(wni_note(s, "share_of_votes_kept", NULL, share, 0));
    for (int32_t i = 0; i < t->s.k && i < WNI_SOURCE_NOTES; i++) {
        char name[WNI_SOURCE_NAME];
        int32_t g = (int32_t)order[i].row;
        if (t->score[g] > 0)
            WNI_TRY(wni_note(s, "votes", wni_source_name(&t->s, g, name), t->score[g], 0));
    }
done:
    return st;
}

static wn_status prune(wn_ctx *ctx, pruning *t, wn_selection **out)
{
    wni_keyed *order = NULL;
    uint8_t *rule = NULL;
    wn_status st;

    WNI_NEW(ctx, t->vote, t->targets);
    WNI_NEW0(ctx, t->score, t->s.k);
    WNI_NEW(ctx, t->quota, t->s.k);
    WNI_NEW(ctx, order, t->s.k);
    WNI_NEW(ctx, rule, t->s.n);
    wni_progress(ctx, "mapping the target to classes", 0, t->targets);
    WNI_TRY(t->p->mapping == WN_MAP_FEATURES ? vote_by_features(ctx, t) : vote_by_labels(ctx, t));
    wni_progress(ctx, "mapping the target to classes", t->targets, t->targets);
    WNI_TRY(count_votes(ctx, t));
    for (int32_t g = 0; g < t->s.k; g++)
        order[g] = (wni_keyed){UINT64_MAX - wni_key_of_float((float)t->score[g]), g};
    wni_keyed_sort(order, t->s.k);
    fill_quota(t, order);
    WNI_TRY(wni_sources_draw(ctx, &t->s, t->quota, t->p->seed, WN_WHY_OFF_TARGET, rule));
    WNI_TRY(wni_recipe_selection(ctx, t->s.n, rule, t->s.of, NULL, out));
    WNI_TRY(say(t, order, *out));
done:
    if (st != WN_OK) {
        wn_selection_free(*out);
        *out = NULL;
    }
    wni_free(ctx, t->vote);
    wni_free(ctx, t->score);
    wni_free(ctx, t->quota);
    wni_free(ctx, order);
    wni_free(ctx, rule);
    return st;
}

/* ---- the method --------------------------------------------------------------------------------- */

static wn_status prepare(wn_ctx *ctx, const wn_select_input *in, const void *params,
                         wn_select_transfer_prune_params *p, pruning *t)
{
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_transfer_prune, params, p));
    WNI_TRY(wni_recipe_size(ctx, "transfer_prune", p->size, wni_select_rows(in)));
    WNI_TRY(wni_sources_open(ctx, "transfer_prune", in, p->size, &t->s));
    t->in = in;
    t->p = p;
    t->targets = wn_pool_rows(in->target);
    if (t->targets == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "select transfer_prune: the target has no rows: give vectors of the task "
                        "that the classes are for");
done:
    return st;
}

static wn_status transfer_prune_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                         wn_estimate *out)
{
    int64_t n = wni_select_rows(in), d = wn_pool_dim(in->pool), vote;
    wn_select_transfer_prune_params p;
    pruning t = {0};
    wn_status st;

    *out = (wn_estimate){0};
    WNI_TRY(prepare(ctx, in, params, &p, &t));
    if (p.mapping == WN_MAP_LABELS) {
        WNI_TRY(wni_source_head_cost(ctx, &t.s, in->pool, out));
        vote = out->peak_bytes + t.s.k * (wni_ld(d) * 4 + 64) + n * 12;
    } else {
        vote = (in->tree ? t.s.k * wni_ld(d) * 8 : wni_source_means_bytes(&t.s, in->pool)) +
               t.targets * 4 + t.s.k * 4 + wni_recipe_scan_bytes(ctx, t.s.k, d);
        out->flops = 2.0 * (double)t.targets * (double)t.s.k * (double)d;
        if (!in->tree)
            out->bytes_read =
                (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
    }
    vote = wni_max(vote, wni_sources_draw_bytes(ctx, &t.s));
    vote = wni_max(vote, wni_recipe_selection_bytes(n, p.size) + 32768);
    out->peak_bytes = t.targets * 4 + t.s.k * 32 + n + vote + 65536;
done:
    return st;
}

static wn_status transfer_prune_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                    wn_selection **out)
{
    wn_select_transfer_prune_params p;
    pruning t = {0};
    wn_status st;

    *out = NULL;
    WNI_TRY(prepare(ctx, in, params, &p, &t));
    WNI_TRY(prune(ctx, &t, out));
done:
    return st;
}

wn_status wn_select_transfer_prune(wn_ctx *ctx, const wn_select_input *in,
                                   const wn_select_transfer_prune_params *params,
                                   wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_transfer_prune, in, params, out);
}

static const wn_select_ops ops = {transfer_prune_estimate, transfer_prune_run};

const wn_method wni_method_select_transfer_prune = {
    .family = "select",
    .name = "transfer_prune",
    .summary = "the source classes that a target task maps to, whole",
    .papers = "zhang2023selectivity",
    .cost = "features: one pass and target x classes x d; labels: a logistic head; 26 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_transfer_prune_params),
    .ops = &ops,
    .inputs = "pool tree|groups target target-labels?",
};
