/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a tree into an output folder and reading it back with full checks.
 */
#include <math.h>
#include <stdio.h>

#include "base/ctx_impl.h"
#include "pool/tree_io.h"

#define NAME_MAX_BYTES 4096

static wn_status save_one(wni_out *out, const char *folder, const char *name, const char *descr,
                          size_t item, const int64_t *shape, int dims, const void *data)
{
    char path[NAME_MAX_BYTES];

    snprintf(path, sizeof path, "%s%s", folder, name);
    return wni_out_npy(out, path, descr, item, shape, dims, data);
}

wn_status wni_tree_save(wni_out *out, const char *prefix, const wn_tree *tree)
{
    wn_status st = WN_OK;

    for (int32_t t = 0; t < tree->levels; t++) {
        const wn_partition *p = tree->level[t];
        char folder[NAME_MAX_BYTES / 2];

        if (t == 0)
            snprintf(folder, sizeof folder, "%s", prefix);
        else
            snprintf(folder, sizeof folder, "%slevel%d/", prefix, (int)t + 1);
        WNI_TRY(save_one(out, folder, "labels.npy", "<i4", 4, (int64_t[]){p->n}, 1, p->labels));
        WNI_TRY(save_one(out, folder, "sizes.npy", "<i8", 8, (int64_t[]){p->k}, 1, p->sizes));
        WNI_TRY(
            save_one(out, folder, "centers.npy", "<f4", 4, (int64_t[]){p->k, p->d}, 2, p->centers));
    }
done:
    return st;
}

/* ---- reading back ----------------------------------------------------------------------------------- */

static wn_status load_one(wn_ctx *ctx, const char *folder, const char *name, const char *descr,
                          int dims, int64_t *shape, void **data)
{
    char path[NAME_MAX_BYTES];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return wni_fail(ctx, WN_E_IO, "%s: path too long", folder);
    return wni_npy_load(ctx, path, descr, dims, shape, data);
}

static wn_status check_level(wn_ctx *ctx, const char *folder, const wn_partition *p)
{
    int64_t *seen = NULL;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, seen, p->k);
    for (int64_t row = 0; row < p->n; row++) {
        if (p->labels[row] < -1 || p->labels[row] >= p->k) {
            st = wni_fail(ctx, WN_E_DATA,
                          "%s/labels.npy: row %lld has label %d, expected -1 to %d; these are not "
                          "the labels of centers.npy beside it",
                          folder, (long long)row, (int)p->labels[row], (int)p->k - 1);
            goto done;
        }
        if (p->labels[row] >= 0) seen[p->labels[row]]++;
    }
    for (int32_t c = 0; c < p->k; c++)
        if (seen[c] != p->sizes[c]) {
            st = wni_fail(ctx, WN_E_DATA,
                          "%s/sizes.npy: cluster %d has size %lld, but %lld rows of labels.npy "
                          "carry its label; the files are not of one run",
                          folder, (int)c, (long long)p->sizes[c], (long long)seen[c]);
            goto done;
        }
    for (int64_t i = 0; i < p->k * p->d; i++)
        if (!isfinite(p->centers[i])) {
            st = wni_fail(ctx, WN_E_DATA,
                          "%s/centers.npy: centre %lld has a value that is not a number or not "
                          "finite",
                          folder, (long long)(i / p->d));
            goto done;
        }
done:
    wni_free(ctx, seen);
    return st;
}

static wn_status load_level(wn_ctx *ctx, const char *folder, wn_partition **out)
{
    int64_t labels_shape[1], sizes_shape[1], centers_shape[2];
    void *labels = NULL, *sizes = NULL, *centers = NULL;
    wn_partition *p = NULL;
    wn_status st = WN_OK;

    WNI_TRY(load_one(ctx, folder, "labels.npy", "<i4", 1, labels_shape, &labels));
    WNI_TRY(load_one(ctx, folder, "sizes.npy", "<i8", 1, sizes_shape, &sizes));
    WNI_TRY(load_one(ctx, folder, "centers.npy", "<f4", 2, centers_shape, &centers));
    if (centers_shape[0] != sizes_shape[0] || centers_shape[0] > WN_K_MAX ||
        centers_shape[1] > WN_DIM_MAX) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: centers.npy has shape (%lld, %lld) and sizes.npy %lld; both need one "
                      "entry per cluster",
                      folder, (long long)centers_shape[0], (long long)centers_shape[1],
                      (long long)sizes_shape[0]);
        goto done;
    }
    WNI_NEW0(ctx, p, 1);
    p->ctx = ctx;
    p->n = labels_shape[0];
    p->k = (int32_t)centers_shape[0];
    p->d = centers_shape[1];
    p->labels = labels;
    p->sizes = sizes;
    p->centers = centers;
    labels = sizes = centers = NULL;
    WNI_TRY(check_level(ctx, folder, p));
    for (int32_t c = 0; c < p->k && p->n > 0; c++) {
        double share = (double)p->sizes[c] / (double)p->n;
        p->report.imbalance += (double)p->k * share * share;
    }
    *out = p;
    p = NULL;
done:
    wn_partition_free(p);
    wni_free(ctx, labels);
    wni_free(ctx, sizes);
    wni_free(ctx, centers);
    return st;
}

/* Centres of unit length are compared alike by both metrics; they mean a clustering by cosine. */
static wn_metric metric_of(const wn_tree *tree)
{
    for (int32_t t = 0; t < tree->levels; t++) {
        const wn_partition *p = tree->level[t];
        for (int32_t c = 0; c < p->k; c++) {
            double norm2 = 0;
            for (int64_t j = 0; j < p->d; j++)
                norm2 += (double)p->centers[c * p->d + j] * p->centers[c * p->d + j];
            if (fabs(norm2 - 1) > 1e-5) return WN_L2;
        }
    }
    return WN_COSINE;
}

wn_status wn_tree_load(wn_ctx *ctx, const char *dir, wn_tree **out)
{
    wn_tree *tree = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_TRY(wn_tree_new(ctx, WN_L2, &tree));
    for (int32_t t = 0;; t++) {
        const wn_partition *p, *finer = t > 0 ? tree->level[t - 1] : NULL;
        char folder[NAME_MAX_BYTES - 16], labels[NAME_MAX_BYTES];
        int length = t == 0 ? snprintf(folder, sizeof folder, "%s", dir)
                            : snprintf(folder, sizeof folder, "%s/level%d", dir, (int)t + 1);

        if (length < 0 || (size_t)length >= sizeof folder) {
            st = wni_fail(ctx, WN_E_IO, "%s: path too long", dir);
            goto done;
        }
        snprintf(labels, sizeof labels, "%s/labels.npy", folder);
        if (t > 0 && !wni_path_exists(ctx, labels)) break;
        if (t == WN_TREE_LEVELS) {
            st = wni_fail(ctx, WN_E_DATA, "%s: a tree has at most %d levels", dir, WN_TREE_LEVELS);
            goto done;
        }
        WNI_TRY(load_level(ctx, folder, &tree->level[t]));
        tree->levels = t + 1;
        p = tree->level[t];
        if (finer && (p->n != finer->k || p->d != finer->d)) {
            st = wni_fail(ctx, WN_E_DATA,
                          "%s: labels %lld clusters of %lld columns, but the level below has %d "
                          "clusters of %lld columns",
                          folder, (long long)p->n, (long long)p->d, (int)finer->k,
                          (long long)finer->d);
            goto done;
        }
    }
    tree->metric = metric_of(tree);
    *out = tree;
    tree = NULL;
done:
    wn_tree_free(tree);
    return st;
}

/* ---- beside a pool ------------------------------------------------------------------------------ */

wn_status wni_tree_check(wn_ctx *ctx, const wn_tree *tree, int64_t n, int64_t d)
{
    const wn_partition *fine;

    if (tree->levels < 1 || tree->levels > WN_TREE_LEVELS)
        return wni_fail(ctx, WN_E_DATA, "the tree has %d levels, expected 1 to %d", tree->levels,
                        WN_TREE_LEVELS);
    fine = tree->level[0];
    if (fine->n != n || fine->d != d)
        return wni_fail(ctx, WN_E_DATA,
                        "the tree was made from %lld rows of %lld columns, the pool has %lld of "
                        "%lld: give the pool that the tree was made from",
                        (long long)fine->n, (long long)fine->d, (long long)n, (long long)d);
    for (int32_t t = 0; t < tree->levels; t++) {
        const wn_partition *level = tree->level[t];
        if (t > 0 && level->n != tree->level[t - 1]->k)
            return wni_fail(ctx, WN_E_DATA,
                            "level %d of the tree labels %lld clusters, but the level below has %d",
                            t + 1, (long long)level->n, tree->level[t - 1]->k);
        for (int64_t i = 0; i < level->n; i++)
            if (level->labels[i] >= level->k || level->labels[i] < (t ? 0 : -1))
                return wni_fail(ctx, WN_E_DATA,
                                "level %d of the tree gives number %lld the label %d, expected 0 "
                                "to %d",
                                t + 1, (long long)i, level->labels[i], level->k - 1);
    }
    return WN_OK;
}
