/* SPDX-License-Identifier: Apache-2.0
 *
 * Clustering and ranking: the best rows by a quality score, and from every cluster its best rows, so that no
 * cluster is lost. ge2024car.
 */
#include "base/param.h"
#include "select/recipe.h"

extern const wn_method wni_method_select_cluster_rank;

WN_PARAM_TABLE(wn_select_cluster_rank_params, WN_SELECT_CLUSTER_RANK_PARAMS);

/* Clusters to make; 0 when the tree is given. */
static wn_status check(wn_ctx *ctx, const wn_select_input *in,
                       const wn_select_cluster_rank_params *p, int64_t *k)
{
    int64_t n = wn_pool_rows(in->pool);
    wn_status st;

    WNI_TRY(wni_recipe_size(ctx, "cluster_rank", p->size, n));
    WNI_TRY(wni_recipe_k(ctx, "cluster_rank", p->k, n, 2, k));
    if (in->tree) *k = 0;
done:
    return st;
}

/* The best of every cluster: quota (k), *taken their sum. */
static wn_status cluster_part(wn_ctx *ctx, const wni_grouping *g, const uint8_t *rule,
                              const wn_select_cluster_rank_params *p, int64_t *quota,
                              int64_t *taken)
{
    int64_t clusters = 0, open = 0;

    wni_count_open(g, rule, quota);
    *taken = 0;
    for (int32_t c = 0; c < g->k; c++) {
        open += quota[c];
        clusters += quota[c] > 0;
        quota[c] = wni_min(quota[c], p->per_cluster);
        *taken += quota[c];
    }
    if (p->size > open)
        return wni_fail(ctx, WN_E_DATA,
                        "select cluster_rank: size is %lld but %lld rows are in a cluster of the "
                        "tree: lower --size",
                        (long long)p->size, (long long)open);
    if (*taken > p->size)
        return wni_fail(ctx, WN_E_DATA,
                        "select cluster_rank: the best %lld of each of %lld clusters are %lld "
                        "rows, more than the size %lld: lower --per-cluster or --k, or raise "
                        "--size",
                        (long long)p->per_cluster, (long long)clusters, (long long)*taken,
                        (long long)p->size);
    return WN_OK;
}

static wn_status cluster_rank_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                  wn_selection **out)
{
    wn_select_cluster_rank_params p;
    int64_t n = wn_pool_rows(in->pool), k, taken, rest, *quota = NULL;
    const wn_partition *fine;
    wn_tree *made = NULL;
    uint8_t *rule = NULL;
    wni_picking pick = {.how = WN_PICK_TOP, .scores = in->scores->v};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_cluster_rank, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    wni_recipe_k_unused(ctx, "cluster_rank", in->tree, p.k);
    if (!in->tree) WNI_TRY(wni_recipe_kmeans(ctx, in->pool, k, p.seed, &made));
    fine = (made ? made : in->tree)->level[0];
    pick.groups = (wni_grouping){n, fine->k, fine->labels};
    WNI_NEW(ctx, rule, n);
    WNI_NEW(ctx, quota, fine->k);
    wni_open_all(&pick.groups, rule);
    WNI_TRY(cluster_part(ctx, &pick.groups, rule, &p, quota, &taken));
    pick.quota = quota;
    WNI_TRY(wni_pick_rows(ctx, &pick, rule));
    rest = p.size - taken;
    pick.groups = (wni_grouping){n, 1, NULL};
    pick.quota = &rest;
    WNI_TRY(wni_pick_rows(ctx, &pick, rule));
    for (int64_t i = 0; i < n; i++)
        if (wni_open(rule[i])) rule[i] = WN_WHY_SCORE; /* also where nothing was left to take */
    WNI_TRY(wni_recipe_selection(ctx, n, rule, fine->labels, NULL, out));
done:
    wni_free(ctx, quota);
    wni_free(ctx, rule);
    wn_tree_free(made);
    return st;
}

static wn_status cluster_rank_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                       wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), k, clusters, left = 0;
    wn_select_cluster_rank_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_cluster_rank, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    *out = (wn_estimate){0};
    if (k) {
        WNI_TRY(wni_recipe_kmeans_cost(ctx, in->pool, k, out));
        left = wni_recipe_tree_bytes(n, k, d);
    }
    clusters = k ? k : in->tree->level[0]->k;
    out->peak_bytes = wni_max(out->peak_bytes,
                              left + n + clusters * 8 +
                                  wni_max(wni_recipe_pick_bytes(ctx, WN_PICK_TOP, n, 0, clusters),
                                          wni_recipe_selection_bytes(n, p.size))) +
                      65536;
done:
    return st;
}

wn_status wn_select_cluster_rank(wn_ctx *ctx, const wn_select_input *in,
                                 const wn_select_cluster_rank_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_cluster_rank, in, params, out);
}

static const wn_select_ops ops = {cluster_rank_estimate, cluster_rank_run};

const wn_method wni_method_select_cluster_rank = {
    .family = "select",
    .name = "cluster_rank",
    .summary = "the best rows by a score, and the best rows of every cluster",
    .papers = "ge2024car",
    .cost = "k-means when no tree is given, then O(n); 45 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_cluster_rank_params),
    .ops = &ops,
    .inputs = "pool scores tree?",
};
