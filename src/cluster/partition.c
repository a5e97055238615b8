/* SPDX-License-Identifier: Apache-2.0
 *
 * Partitions and trees as objects. Their folder form is in src/pool/tree_io.c.
 */
#include "base/ctx_impl.h"
#include "winnow/cluster.h"

wn_status wn_partition_new(wn_ctx *ctx, int64_t n, int32_t k, int64_t d, wn_partition **out)
{
    wn_partition *p = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    if (n < 0 || n > WN_ROWS_MAX || k < 0 || d < 0 || d > WN_DIM_MAX)
        return wni_fail(ctx, WN_E_USAGE,
                        "a partition of %lld rows in %d clusters of %lld columns is out of bounds",
                        (long long)n, (int)k, (long long)d);
    WNI_NEW0(ctx, p, 1);
    p->ctx = ctx;
    p->n = n;
    p->k = k;
    p->d = d;
    WNI_NEW0(ctx, p->labels, n);
    WNI_NEW0(ctx, p->sizes, k);
    WNI_NEW0(ctx, p->centers, k * d);
    *out = p;
    p = NULL;
done:
    wn_partition_free(p);
    return st;
}

void wn_partition_free(wn_partition *partition)
{
    if (!partition) return;
    wni_free(partition->ctx, partition->labels);
    wni_free(partition->ctx, partition->sizes);
    wni_free(partition->ctx, partition->centers);
    wni_free(partition->ctx, partition);
}

wn_status wn_tree_new(wn_ctx *ctx, wn_metric metric, wn_tree **out)
{
    wn_tree *tree = wni_calloc(ctx, 1, sizeof *tree);

    *out = tree;
    if (!tree) return WN_E_NOMEM;
    tree->ctx = ctx;
    tree->metric = metric;
    return WN_OK;
}

void wn_tree_free(wn_tree *tree)
{
    if (!tree) return;
    for (int32_t t = 0; t < WN_TREE_LEVELS; t++)
        wn_partition_free(tree->level[t]);
    wni_free(tree->ctx, tree);
}
