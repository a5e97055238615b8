/* SPDX-License-Identifier: Apache-2.0
 *
 * Density-based pruning: clusters that are spread out and far from others keep more, and of each cluster the
 * rows farthest from its centre stay. abbas2024.
 */
#include "base/fixmath.h"
#include "base/param.h"
#include "select/nearest_quota.h"
#include "select/recipe.h"

extern const wn_method wni_method_select_density_prune;

WN_PARAM_TABLE(wn_select_density_prune_params, WN_SELECT_DENSITY_PRUNE_PARAMS);

/* Clusters to make; 0 when the tree is given. */
static wn_status check(wn_ctx *ctx, const wn_select_input *in,
                       const wn_select_density_prune_params *p, int64_t *k)
{
    int64_t n = wn_pool_rows(in->pool);
    wn_status st;

    WNI_TRY(wni_recipe_size(ctx, "density_prune", p->size, n));
    WNI_TRY(wni_recipe_k(ctx, "density_prune", p->k, n, 1, k));
    if (p->k == 0) *k = wni_min(*k, p->size);
    if (in->tree) *k = 0;
    if (in->tree && in->tree->metric != WN_COSINE)
        return wni_fail(ctx, WN_E_DATA,
                        "select density_prune: the tree was made under %s, but complexity is in "
                        "cosine distances: make it with --metric cosine, or leave --tree out",
                        wn_metric_name(in->tree->metric));
done:
    return st;
}

/* ---- quotas ------------------------------------------------------------------------------------ */

/* want (k): each cluster's part of the size, by softmax(complexity / temperature) over clusters with rows. */
static wn_status wanted(wn_ctx *ctx, const wn_pool *pool, const wn_tree *tree, const int64_t *rows,
                        const wn_select_density_prune_params *p, int64_t with_rows, double *want)
{
    const int32_t k = tree->level[0]->k;
    float *intra = NULL, *inter = NULL;
    double most = 0, sum = 0;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, intra, k);
    WNI_NEW0(ctx, inter, k);
    if (with_rows > 1) /* a cluster alone has no others to be far from, and gets everything */
        WNI_TRY(wn_cluster_complexity(ctx, pool, tree, 1, p->nearest, intra, inter));
    for (int32_t c = 0; c < k; c++) {
        want[c] = (double)intra[c] * (double)inter[c] / p->temperature;
        if (rows[c] && want[c] > most) most = want[c];
    }
    for (int32_t c = 0; c < k; c++) {
        want[c] = rows[c] ? wni_exp_fixed(want[c] - most) : 0;
        sum += want[c];
    }
    for (int32_t c = 0; c < k; c++)
        want[c] = want[c] / sum * (double)p->size;
done:
    wni_free(ctx, intra);
    wni_free(ctx, inter);
    return st;
}

/* quota (k), between one row and all rows of each cluster. */
static wn_status quotas(wn_ctx *ctx, const wn_pool *pool, const wn_tree *tree,
                        const wni_grouping *g, const uint8_t *rule,
                        const wn_select_density_prune_params *p, int64_t *quota)
{
    int64_t *rows = NULL, *low = NULL, open = 0, with_rows = 0;
    double *want = NULL;
    wn_status st;

    WNI_NEW(ctx, rows, g->k);
    WNI_NEW(ctx, low, g->k);
    WNI_NEW(ctx, want, g->k);
    wni_count_open(g, rule, rows);
    for (int32_t c = 0; c < g->k; c++) {
        low[c] = rows[c] > 0;
        with_rows += low[c];
        open += rows[c];
    }
    if (p->size > open) {
        st = wni_fail(ctx, WN_E_DATA,
                      "select density_prune: size is %lld but %lld rows are in a cluster of the "
                      "tree: lower --size",
                      (long long)p->size, (long long)open);
        goto done;
    }
    if (p->size < with_rows) {
        st = wni_fail(ctx, WN_E_DATA,
                      "select density_prune: size is %lld but %lld clusters keep a row each: "
                      "raise --size, or make fewer clusters",
                      (long long)p->size, (long long)with_rows);
        goto done;
    }
    WNI_TRY(wanted(ctx, pool, tree, rows, p, with_rows, want));
    WNI_TRY(wni_nearest_quota(ctx, want, low, rows, g->k, p->size, quota));
done:
    wni_free(ctx, rows);
    wni_free(ctx, low);
    wni_free(ctx, want);
    return st;
}

/* ---- the method -------------------------------------------------------------------------------- */

static wn_status density_prune_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                   wn_selection **out)
{
    wn_select_density_prune_params p;
    int64_t n = wn_pool_rows(in->pool), k, *quota = NULL;
    const wn_tree *tree = in->tree;
    wni_picking pick = {.how = WN_PICK_FARTHEST};
    wn_pool *pool = NULL;
    wn_tree *made = NULL;
    uint8_t *rule = NULL;
    float *weights = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_density_prune, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    wni_recipe_k_unused(ctx, "density_prune", in->tree, p.k);
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, WN_COSINE, &pool));
    WNI_TRY(wn_pool_check(ctx, pool, 1, NULL));
    if (!tree) {
        WNI_TRY(wni_recipe_kmeans(ctx, pool, k, p.seed, &made));
        tree = made;
    }
    pick.groups = (wni_grouping){n, tree->level[0]->k, tree->level[0]->labels};
    pick.pool = pool;
    pick.centers = tree->level[0]->centers;
    pick.seed = p.seed;
    WNI_NEW(ctx, rule, n);
    WNI_NEW(ctx, quota, pick.groups.k);
    wni_open_all(&pick.groups, rule);
    WNI_TRY(quotas(ctx, pool, tree, &pick.groups, rule, &p, quota));
    pick.quota = quota;
    WNI_TRY(wni_recipe_pick(ctx, &pick, p.random_share, rule, &weights));
    WNI_TRY(wni_recipe_selection(ctx, n, rule, pick.groups.of, weights, out));
done:
    wni_free(ctx, rule);
    wni_free(ctx, quota);
    wni_free(ctx, weights);
    wn_tree_free(made);
    wn_pool_free(pool);
    return st;
}

static wn_status density_prune_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                        wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), k, clusters, left = 0, nearest;
    wn_select_density_prune_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_density_prune, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    *out = (wn_estimate){0};
    if (k) {
        WNI_TRY(wni_recipe_kmeans_cost(ctx, in->pool, k, out));
        left = wni_recipe_tree_bytes(n, k, d);
    }
    clusters = k ? k : in->tree->level[0]->k;
    nearest = wni_min(p.nearest, clusters);
    left += n + clusters * (8 + 40);
    /* Complexity: a similarity per row, the centres padded, their nearest. */
    out->peak_bytes =
        wni_max(out->peak_bytes, left + n * 4 + clusters * (wni_ld(d) * 4 + nearest * 12 + 64) +
                                     wni_recipe_scan_bytes(ctx, clusters, d) +
                                     wn_ctx_threads(ctx) * ((1 << 19) + wni_ld(d) * 8));
    out->peak_bytes =
        wni_max(out->peak_bytes,
                left + n * 4 +
                    wni_max(wni_recipe_pick_bytes(ctx, WN_PICK_FARTHEST, n, d, clusters),
                            wni_recipe_selection_bytes(n, p.size))) +
        65536;
    out->flops +=
        6.0 * (double)n * (double)d + 2.0 * (double)clusters * (double)clusters * (double)d;
    out->bytes_read +=
        2.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

wn_status wn_select_density_prune(wn_ctx *ctx, const wn_select_input *in,
                                  const wn_select_density_prune_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_density_prune, in, params, out);
}

static const wn_select_ops ops = {density_prune_estimate, density_prune_run};

const wn_method wni_method_select_density_prune = {
    .family = "select",
    .name = "density_prune",
    .summary = "more rows from clusters that are spread out and apart, the farthest of each",
    .papers = "abbas2024",
    .cost = "k-means when no tree is given, two more passes; 45 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_density_prune_params),
    .ops = &ops,
    .inputs = "pool tree?",
};
