/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared tree, from its leaves: their centres are split by k-means into a few parts, and so are the parts.
 */
#include <string.h>

#include "base/rng.h"
#include "index/tenants_impl.h"

#define DEPTH_MAX 40 /* deeper, leaves are cut by their numbers */

typedef struct maker {
    wni_tenants_tree *tree;
    wn_pool *pool;         /* centres of the leaves */
    int64_t *order, *copy; /* (leaves) which list each leaf is */
    int32_t *labels;       /* (leaves) */
    int32_t max_iter;
    uint64_t seed;
} maker;

/* Ends of the parts of order[begin..begin + m) in part (FAN); the leaves come in order of parts. */
static wn_status divide(wn_ctx *ctx, const maker *k, int64_t begin, int64_t m, int32_t depth,
                        int64_t *part)
{
    int64_t next[WNI_TENANTS_FAN], size[WNI_TENANTS_FAN] = {0}, most = 0;
    const uint64_t seed =
        wni_rand_u64(k->seed, wni_stream("tenants tree", depth, 0), (uint64_t)begin);
    float *centers = NULL;
    wn_status st = WN_OK;

    if (depth < DEPTH_MAX) {
        WNI_TRY(wni_lists_kmeans(ctx, k->pool, k->order + begin, m, WNI_TENANTS_FAN, k->max_iter,
                                 seed, &centers, k->labels));
        for (int64_t i = 0; i < m; i++)
            size[k->labels[i]]++;
        for (int c = 0; c < WNI_TENANTS_FAN; c++)
            most = wni_max(most, size[c]);
    }
    if (depth >= DEPTH_MAX || most == m) { /* nothing tells them apart */
        for (int64_t i = 0; i < m; i++)
            k->labels[i] = (int32_t)(i * WNI_TENANTS_FAN / m);
        memset(size, 0, sizeof size);
        for (int64_t i = 0; i < m; i++)
            size[k->labels[i]]++;
    }
    for (int c = 0; c < WNI_TENANTS_FAN; c++) {
        next[c] = c ? part[c - 1] : 0;
        part[c] = next[c] + size[c];
    }
    memcpy(k->copy, k->order + begin, (size_t)m * sizeof *k->order);
    for (int64_t i = 0; i < m; i++)
        k->order[begin + next[k->labels[i]]++] = k->copy[i];
done:
    wni_free(ctx, centers);
    return st;
}

/* The node of the leaves order[begin..begin + m). */
static wn_status grow(wn_ctx *ctx, const maker *k, int64_t begin, int64_t m, int32_t depth)
{
    wni_tenants_tree *tree = k->tree;
    const int64_t id = tree->nodes++;
    int64_t part[WNI_TENANTS_FAN];
    wn_status st = WN_OK;

    tree->node[id].first_leaf = (int32_t)begin;
    tree->node[id].end_leaf = (int32_t)(begin + m);
    if (m > WNI_TENANTS_FAN) {
        WNI_TRY(divide(ctx, k, begin, m, depth, part));
        for (int64_t c = 0, from = 0; c < WNI_TENANTS_FAN; from = part[c++])
            if (part[c] - from > 1) WNI_TRY(grow(ctx, k, begin + from, part[c] - from, depth + 1));
    }
    tree->node[id].end = (int32_t)tree->nodes;
done:
    return st;
}

wn_status wni_tenants_tree_make(wn_ctx *ctx, const wni_lists *lists, int32_t max_iter,
                                uint64_t seed, wni_tenants_tree *out)
{
    const int64_t n = lists->n_lists, d = lists->centers.d;
    maker k = {.tree = out, .max_iter = max_iter, .seed = seed};
    float *rows = NULL;
    wn_status st = WN_OK;

    memset(out, 0, sizeof *out);
    out->leaves = n;
    WNI_NEW(ctx, out->node, n);
    WNI_NEW(ctx, out->leaf_list, n);
    WNI_NEW(ctx, k.order, n);
    WNI_NEW(ctx, k.copy, n);
    WNI_NEW(ctx, k.labels, n);
    WNI_NEW(ctx, rows, n * d);
    for (int64_t i = 0; i < n; i++) {
        memcpy(rows + i * d, wni_mat_row(&lists->centers, i), (size_t)d * sizeof *rows);
        k.order[i] = i;
    }
    WNI_TRY(wn_pool_wrap(ctx, rows, n, d, WN_F32, WN_L2, &k.pool));
    WNI_TRY(grow(ctx, &k, 0, n, 0));
    for (int64_t i = 0; i < n; i++)
        out->leaf_list[i] = (int32_t)k.order[i];
done:
    wn_pool_free(k.pool);
    wni_free(ctx, k.order);
    wni_free(ctx, k.copy);
    wni_free(ctx, k.labels);
    wni_free(ctx, rows);
    return st;
}

void wni_tenants_tree_free(wn_ctx *ctx, wni_tenants_tree *tree)
{
    wni_free(ctx, tree->node);
    wni_free(ctx, tree->leaf_list);
    memset(tree, 0, sizeof *tree);
}
