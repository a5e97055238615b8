/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "support/small_tree.h"

static void add_level(wn_ctx *ctx, wn_tree *tree, const float *v, int64_t n, int64_t d,
                      const int32_t *labels, int32_t k)
{
    double *sum = calloc((size_t)(k * d), sizeof *sum);
    wn_partition *p;

    ts_ok(ctx, wn_partition_new(ctx, n, k, d, &p));
    for (int64_t i = 0; i < n; i++) {
        double norm = 0;
        p->labels[i] = labels[i];
        if (labels[i] < 0) continue;
        p->sizes[labels[i]]++;
        for (int64_t j = 0; j < d; j++)
            norm += (double)v[i * d + j] * (double)v[i * d + j];
        for (int64_t j = 0; j < d; j++)
            sum[labels[i] * d + j] +=
                tree->metric == WN_COSINE && norm > 0 ? v[i * d + j] / sqrt(norm) : v[i * d + j];
    }
    for (int32_t c = 0; c < k; c++) {
        double norm = 0;
        for (int64_t j = 0; j < d; j++) {
            sum[c * d + j] /= p->sizes[c] ? (double)p->sizes[c] : 1;
            norm += sum[c * d + j] * sum[c * d + j];
        }
        for (int64_t j = 0; j < d; j++)
            p->centers[c * d + j] =
                (float)(tree->metric == WN_COSINE && norm > 0 ? sum[c * d + j] / sqrt(norm)
                                                              : sum[c * d + j]);
    }
    tree->level[tree->levels++] = p;
    free(sum);
}

wn_tree *ts_tree(wn_ctx *ctx, const float *v, int64_t n, int64_t d, const int32_t *labels,
                 int32_t k, wn_metric metric)
{
    wn_tree *tree;

    ts_ok(ctx, wn_tree_new(ctx, metric, &tree));
    add_level(ctx, tree, v, n, d, labels, k);
    return tree;
}

void ts_tree_level(wn_ctx *ctx, wn_tree *tree, const int32_t *parents, int32_t k)
{
    const wn_partition *below = tree->level[tree->levels - 1];

    add_level(ctx, tree, below->centers, below->k, below->d, parents, k);
}
