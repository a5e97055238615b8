/* SPDX-License-Identifier: Apache-2.0
 *
 * New rows to the centres of a clustering that is there: what predict() is elsewhere.
 */
#include <string.h>

#include "base/param.h"
#include "cluster/kmeans_impl.h"
#include "scan/scan.h"
#include "winnow/cluster.h"

extern const wn_method wni_method_cluster_assign;

WN_PARAM_TABLE(wn_assign_params, WN_ASSIGN_PARAMS);

static wn_status check_tree(wn_ctx *ctx, const wn_cluster_input *in)
{
    const wn_partition *fine;

    if (!in->tree) return wni_fail(ctx, WN_E_USAGE, "cluster assign: no tree is given");
    fine = in->tree->level[0];
    if (fine->d != wn_pool_dim(in->pool))
        return wni_fail(ctx, WN_E_DATA,
                        "cluster assign: the centres have %lld columns, the rows %lld",
                        (long long)fine->d, (long long)wn_pool_dim(in->pool));
    if (fine->k == 0 && wn_pool_rows(in->pool) > 0)
        return wni_fail(ctx, WN_E_DATA, "cluster assign: the clustering has no centre");
    return WN_OK;
}

static wn_status assign_estimate(wn_ctx *ctx, const wn_cluster_input *in, const void *params,
                                 wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), ld = wni_ld(wn_pool_dim(in->pool)), k;
    wn_assign_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_cluster_assign, params, &p));
    WNI_TRY(check_tree(ctx, in));
    k = in->tree->level[0]->k;
    *out = (wn_estimate){0};
    out->peak_bytes = n * 12 + k * (2 * ld * 4 + 16) + wn_ctx_threads(ctx) * ((int64_t)1 << 20);
    out->peak_bytes += wni_scan_argmin_bytes(ctx, n, k, wn_pool_dim(in->pool), out->peak_bytes);
    out->flops = 2.0 * (double)n * (double)k * (double)ld;
    out->bytes_read = 2.0 * (double)n * (double)wn_pool_dim(in->pool) *
                      (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

typedef struct distances {
    const wni_mat *centers;
    const int32_t *labels; /* (n) */
    float *l2sq;           /* (n) */
} distances;

static wn_status distance_tile(const wni_km_rows *rows, void *arg, int worker, int64_t first,
                               int64_t m, const float *x)
{
    distances *d = arg;

    (void)worker;
    for (int64_t i = 0; i < m; i++)
        d->l2sq[first + i] = rows->kern->l2sq(
            x + i * rows->ld, wni_mat_row(d->centers, d->labels[first + i]), rows->ld);
    return WN_OK;
}

/* The sum over rows in their order, so that threads do not matter. */
static wn_status sum_distances(wn_ctx *ctx, const wn_pool *pool, const wni_mat *centers,
                               wn_partition *p)
{
    distances d = {centers, p->labels, NULL};
    wni_km_rows rows = {0};
    wn_status st;

    WNI_NEW(ctx, d.l2sq, p->n);
    WNI_TRY(wni_km_rows_init(ctx, pool, NULL, &rows));
    WNI_TRY(wni_km_visit(&rows, NULL, 0, p->n, distance_tile, &d));
    for (int64_t i = 0; i < p->n; i++)
        p->report.inertia += d.l2sq[i];
done:
    wni_km_rows_free(&rows);
    wni_free(ctx, d.l2sq);
    return st;
}

static wn_status copy_level(wn_ctx *ctx, const wn_partition *from, wn_partition **out)
{
    wn_status st = wn_partition_new(ctx, from->n, from->k, from->d, out);

    if (st != WN_OK) return st;
    memcpy((*out)->labels, from->labels, (size_t)from->n * sizeof *from->labels);
    memcpy((*out)->sizes, from->sizes, (size_t)from->k * sizeof *from->sizes);
    memcpy((*out)->centers, from->centers, (size_t)(from->k * from->d) * sizeof *from->centers);
    (*out)->report = from->report;
    return WN_OK;
}

static wn_status nearest_centers(wn_ctx *ctx, const wn_pool *pool, wn_metric metric, int inertia,
                                 wn_partition *p)
{
    wni_queries queries = {.pool = pool, .n = p->n};
    wni_mat centers = {0};
    float *score = NULL, *bias = NULL;
    wn_status st;

    WNI_TRY(wni_mat_new(ctx, p->k, p->d, &centers));
    for (int32_t c = 0; c < p->k; c++)
        memcpy(wni_mat_row(&centers, c), p->centers + c * p->d, (size_t)p->d * sizeof(float));
    if (metric == WN_L2) {
        WNI_NEW(ctx, bias, p->k);
        WNI_TRY(wni_mat_half_norms(ctx, &centers, bias));
    }
    WNI_NEW(ctx, score, p->n);
    WNI_TRY(wni_scan_argmin(ctx, &queries, &centers, bias, p->labels, score, NULL));
    wni_free(ctx, score);
    score = NULL;
    for (int64_t i = 0; i < p->n; i++)
        p->sizes[p->labels[i]]++;
    p->report.converged = 1;
    for (int32_t c = 0; c < p->k; c++) {
        double share = (double)p->sizes[c] / (double)p->n;
        p->report.imbalance += (double)p->k * share * share;
    }
    if (inertia) WNI_TRY(sum_distances(ctx, pool, &centers, p));
done:
    wni_free(ctx, score);
    wni_free(ctx, bias);
    wni_mat_free(ctx, &centers);
    return st;
}

static wn_status assign_run(wn_ctx *ctx, const wn_cluster_input *in, const void *params,
                            wn_tree **out)
{
    const wn_partition *fine = in->tree->level[0];
    wn_assign_params p;
    wn_tree *tree = NULL;
    wn_pool *pool = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_cluster_assign, params, &p));
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, in->tree->metric, &pool));
    WNI_TRY(wn_tree_new(ctx, in->tree->metric, &tree));
    WNI_TRY(wn_partition_new(ctx, wn_pool_rows(pool), fine->k, fine->d, &tree->level[0]));
    tree->levels = 1;
    memcpy(tree->level[0]->centers, fine->centers, (size_t)(fine->k * fine->d) * sizeof(float));
    for (int32_t t = 1; t < in->tree->levels; t++) {
        WNI_TRY(copy_level(ctx, in->tree->level[t], &tree->level[t]));
        tree->levels = t + 1;
    }
    if (tree->level[0]->n)
        WNI_TRY(nearest_centers(ctx, pool, tree->metric, p.inertia, tree->level[0]));
    *out = tree;
    tree = NULL;
done:
    wn_tree_free(tree);
    wn_pool_free(pool);
    return st;
}

wn_status wn_cluster_assign(wn_ctx *ctx, const wn_cluster_input *in, const wn_assign_params *params,
                            wn_tree **out)
{
    return wn_cluster_run(ctx, &wni_method_cluster_assign, in, params, out);
}

static const wn_cluster_ops ops = {assign_estimate, assign_run};

const wn_method wni_method_cluster_assign = {
    .family = "cluster",
    .name = "assign",
    .summary = "new rows to the nearest centres of a clustering that is there",
    .papers = "lloyd1982",
    .cost = "n * k * d multiply-adds; 12 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_assign_params),
    .ops = &ops,
    .inputs = "pool tree",
};
