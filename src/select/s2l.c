/* SPDX-License-Identifier: Apache-2.0
 *
 * S2L: rows that a small model learns alike count as one kind; the same number of every kind. k-means on the
 * losses, water-filling, chance. yang2024s2l.
 */
#include "base/param.h"
#include "base/rng.h"
#include "select/allocate.h"
#include "select/recipe.h"

extern const wn_method wni_method_select_s2l;

WN_PARAM_TABLE(wn_select_s2l_params, WN_SELECT_S2L_PARAMS);

/* The rows of each cluster that chance takes; rule (n). */
static wn_status share_and_draw(wn_ctx *ctx, const wn_partition *p,
                                const wn_select_s2l_params *params, uint8_t *rule)
{
    wni_allocation a = {.what = "select s2l",
                        .rule = WNI_ALLOCATE_EQUAL,
                        .groups = p->k,
                        .rows = p->sizes,
                        .size = params->size,
                        .seed = params->seed,
                        .stream = wni_stream("s2l-remainder", 0, 0)};
    wni_picking pick = {
        .how = WN_PICK_RANDOM, .groups = {p->n, p->k, p->labels}, .seed = params->seed};
    int64_t *quota = NULL;
    wn_status st;

    WNI_NEW(ctx, quota, p->k);
    WNI_TRY(wni_allocate(ctx, &a, quota));
    pick.quota = quota;
    wni_open_all(&pick.groups, rule);
    WNI_TRY(wni_pick_rows(ctx, &pick, rule));
done:
    wni_free(ctx, quota);
    return st;
}

static wn_status check(wn_ctx *ctx, const wn_select_input *in, const wn_select_s2l_params *p)
{
    int64_t n = wn_pool_rows(in->losses);
    wn_status st = wni_recipe_size(ctx, "s2l", p->size, n);

    if (st != WN_OK || p->k <= n) return st;
    return wni_fail(ctx, WN_E_DATA,
                    "select s2l: k is %lld but there are %lld rows: give a lower --k",
                    (long long)p->k, (long long)n);
}

static wn_status s2l_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                         wn_selection **out)
{
    wn_select_s2l_params p;
    wn_pool *losses = NULL;
    wn_tree *tree = NULL;
    uint8_t *rule = NULL;
    int64_t n = wn_pool_rows(in->losses);
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_s2l, params, &p));
    WNI_TRY(check(ctx, in, &p));
    WNI_TRY(wn_pool_with_metric(ctx, in->losses, WN_L2, &losses));
    WNI_TRY(wni_recipe_kmeans(ctx, losses, p.k, p.seed, &tree));
    WNI_NEW(ctx, rule, n);
    WNI_TRY(share_and_draw(ctx, tree->level[0], &p, rule));
    WNI_TRY(wni_recipe_selection(ctx, n, rule, tree->level[0]->labels, NULL, out));
done:
    wni_free(ctx, rule);
    wn_tree_free(tree);
    wn_pool_free(losses);
    return st;
}

static wn_status s2l_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                              wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->losses), t = wn_pool_dim(in->losses);
    wn_select_s2l_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_s2l, params, &p));
    WNI_TRY(check(ctx, in, &p));
    *out = (wn_estimate){0};
    WNI_TRY(wni_recipe_kmeans_cost(ctx, in->losses, p.k, out));
    out->peak_bytes =
        wni_max(out->peak_bytes, wni_recipe_tree_bytes(n, p.k, t) + n + p.k * 64 +
                                     wni_max(wni_recipe_pick_bytes(ctx, WN_PICK_RANDOM, n, 0, p.k),
                                             wni_recipe_selection_bytes(n, p.size))) +
        65536;
done:
    return st;
}

wn_status wn_select_s2l(wn_ctx *ctx, const wn_select_input *in, const wn_select_s2l_params *params,
                        wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_s2l, in, params, out);
}

static const wn_select_ops ops = {s2l_estimate, s2l_run};

const wn_method wni_method_select_s2l = {
    .family = "select",
    .name = "s2l",
    .summary = "the same number of rows from every cluster of loss trajectories",
    .papers = "yang2024s2l",
    .cost = "k-means on the losses, then O(n); 45 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_s2l_params),
    .ops = &ops,
    .inputs = "losses",
};
