/* SPDX-License-Identifier: Apache-2.0
 *
 * Hierarchical k-means with resampling of Vo et al., "Automatic data curation for self-supervised learning: a
 * clustering-based approach" (TMLR 2024): k-means on the rows, then on the centres, level by level.
 */
#include <math.h>

#include "cluster/hkmeans_impl.h"

WN_PARAM_TABLE(wn_hkmeans_params, WN_HKMEANS_PARAMS);

#define ROWS_PER_CLUSTER 40 /* the rule for an empty list: rows per finest cluster, */
#define RATIO            10 /* clusters per cluster of the next level, */
#define FEWEST           10 /* and how few the coarsest level may have */

static wn_list levels_of(const wn_hkmeans_params *p, int64_t n)
{
    wn_list k = p->k;

    if (k.count > 0) return k;
    k.at[k.count++] = wni_max(1, wni_min(n / ROWS_PER_CLUSTER, WN_K_MAX));
    while (k.count < WN_TREE_LEVELS && k.at[k.count - 1] / RATIO >= FEWEST) {
        k.at[k.count] = k.at[k.count - 1] / RATIO;
        k.count++;
    }
    return k;
}

static wni_km_opt opt_of(const wn_cluster_input *in, const wn_hkmeans_params *p, int32_t level,
                         int64_t k)
{
    static const char *const stage[WN_TREE_LEVELS] = {"level 1", "level 2", "level 3", "level 4",
                                                      "level 5", "level 6", "level 7", "level 8"};
    wni_km_opt opt = {.k = k,
                      .cosine = wn_pool_metric(in->pool) == WN_COSINE,
                      .max_iter = p->max_iter,
                      .init = p->init,
                      .bounds = 1,
                      .tol = p->tol,
                      .seed = p->seed,
                      .level = level,
                      .stage = stage[level]};

    if (level == 0) {
        opt.weights = in->weights;
        opt.start = in->init_centers;
        opt.start_ld = wn_pool_dim(in->pool);
    }
    return opt;
}

static wn_status check(wn_ctx *ctx, const wn_cluster_input *in, const wn_hkmeans_params *p,
                       wn_list *k)
{
    int64_t n = wn_pool_rows(in->pool);

    *k = levels_of(p, n);
    for (int32_t t = 1; t < k->count; t++)
        if (k->at[t] >= k->at[t - 1])
            return wni_fail(ctx, WN_E_USAGE,
                            "k: level %d has %lld clusters and level %d below it %lld; give the "
                            "finest level first and fewer clusters at each next one",
                            (int)t + 1, (long long)k->at[t], (int)t, (long long)k->at[t - 1]);
    if (k->at[0] > n)
        return wni_fail(ctx, WN_E_DATA,
                        "k = %lld clusters need at least as many rows, the pool has %lld: lower "
                        "--k",
                        (long long)k->at[0], (long long)n);
    if (p->split >= k->at[0])
        return wni_fail(ctx, WN_E_USAGE,
                        "split = %lld coarse clusters must be fewer than the %lld of the finest "
                        "level",
                        (long long)p->split, (long long)k->at[0]);
    if (p->split > 0 && in->init_centers)
        return wni_fail(ctx, WN_E_USAGE,
                        "split makes its own first centres: leave init_centers NULL");
    return WN_OK;
}

/* One level of n inputs: the clustering itself and, beside it, one round on its members. */
static void estimate_level(wn_ctx *ctx, int64_t n, int64_t d, const wni_km_opt *opt,
                           const wn_hkmeans_params *p, wn_estimate *out)
{
    wni_km_opt sub_opt = *opt;
    wn_estimate sub;
    double members = fmin((double)n, (double)opt->k * (double)p->resample_size);

    wni_km_estimate(ctx, n, d, opt, out);
    if (p->resample_steps == 0) return;
    sub_opt.start = NULL;
    if (sub_opt.init == WN_INIT_AUTO) sub_opt.init = WN_INIT_PP;
    wni_km_estimate(ctx, (int64_t)members, d, &sub_opt, &sub);
    out->peak_bytes += sub.peak_bytes + (int64_t)(members * 28) + n + opt->k * 16;
    out->flops += p->resample_steps * (sub.flops + 2.0 * (double)n * (double)opt->k * (double)d);
    out->bytes_read += p->resample_steps * (sub.bytes_read + 3.0 * (double)n * (double)d * 4);
}

static wn_status estimate(wn_ctx *ctx, const wn_cluster_input *in, const void *params,
                          wn_estimate *out)
{
    const wn_hkmeans_params *p = params;
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), kept = 0;
    wn_list k;
    wn_status st = WN_OK;

    WNI_TRY(check(ctx, in, p, &k));
    *out = (wn_estimate){0};
    for (int32_t t = 0; t < k.count; t++) {
        int64_t rows = t == 0 ? n : k.at[t - 1];
        wni_km_opt opt = opt_of(in, p, t, t == 0 && p->split > 0 ? p->split : k.at[t]);
        wn_estimate level;

        estimate_level(ctx, rows, d, &opt, p, &level);
        if (t == 0 && p->split > 0) {
            /* Parts one after the other, each with the share of the clusters that its rows have. One
             * part may hold most of the rows: memory for that. */
            wn_estimate part;

            opt.k = k.at[0];
            estimate_level(ctx, rows, d, &opt, p, &part);
            level.peak_bytes = wni_max(level.peak_bytes, part.peak_bytes) + rows * 16;
            level.flops += part.flops / (double)p->split;
            level.bytes_read += part.bytes_read;
        }
        /* Levels that are done stay, as labels and centres. */
        out->peak_bytes = wni_max(out->peak_bytes, kept + level.peak_bytes);
        kept += rows * 4 + k.at[t] * (d * 4 + 8);
        out->flops += level.flops;
        out->bytes_read += t == 0 ? level.bytes_read : 0;
    }
    out->peak_bytes = wni_max(out->peak_bytes, kept);
done:
    return st;
}

static wn_status make_level(wn_ctx *ctx, const wn_cluster_input *in, const wn_hkmeans_params *p,
                            int64_t k, wn_tree *tree)
{
    int32_t t = tree->levels;
    wni_km_opt opt = opt_of(in, p, t, k);
    const wn_partition *below = t > 0 ? tree->level[t - 1] : NULL;
    wn_pool *centers = NULL;
    wni_km *km = NULL;
    wn_status st = WN_OK;

    if (t == 0 && p->split > 0) {
        WNI_TRY(wni_hk_split(ctx, in->pool, &opt, p, &tree->level[0]));
    } else {
        /* Centres are compared as they are; under cosine they have unit length already. */
        if (below)
            WNI_TRY(wn_pool_wrap(ctx, below->centers, below->k, below->d, WN_F32, WN_L2, &centers));
        WNI_TRY(wni_hk_level(ctx, centers ? centers : in->pool, &opt, p, &km));
        WNI_TRY(wni_km_partition(km, &tree->level[t]));
    }
    tree->levels++;
done:
    wni_km_free(km);
    wn_pool_free(centers);
    return st;
}

static wn_status run(wn_ctx *ctx, const wn_cluster_input *in, const void *params, wn_tree **out)
{
    const wn_hkmeans_params *p = params;
    wn_tree *tree = NULL;
    wn_list k;
    wn_status st = WN_OK;

    WNI_TRY(check(ctx, in, p, &k));
    WNI_TRY(wn_tree_new(ctx, wn_pool_metric(in->pool), &tree));
    for (int32_t t = 0; t < k.count; t++)
        WNI_TRY(make_level(ctx, in, p, k.at[t], tree));
    *out = tree;
    tree = NULL;
done:
    wn_tree_free(tree);
    return st;
}

static const wn_cluster_ops ops = {estimate, run};

const wn_method wni_method_cluster_hkmeans = {
    .family = "cluster",
    .name = "hkmeans",
    .summary = "k-means on rows, then on centres, with resampling towards even coverage",
    .papers = "vo2024",
    .cost = "that of k-means per level and resampling round; 16 bytes a row and 20 k d",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_hkmeans_params),
    .ops = &ops,
    .inputs = "pool weights? centers?",
};

wn_status wn_hkmeans(wn_ctx *ctx, const wn_cluster_input *in, const wn_hkmeans_params *params,
                     wn_tree **out)
{
    return wn_cluster_run(ctx, &wni_method_cluster_hkmeans, in, params, out);
}
