/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `select`: the checks that every method shares, the files of a run.
 */
#include <string.h>

#include "base/param.h"
#include "pool/pool_use.h"
#include "pool/run.h"
#include "winnow/select.h"

/* The tree must be over the rows of the pool, and every label must name a cluster. */
static wn_status check_tree(wn_ctx *ctx, const wn_pool *pool, const wn_tree *tree)
{
    int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool);
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

static wn_status check_input(wn_ctx *ctx, const wn_method *method, const wn_select_input *in,
                             const void *params, wn_estimate *estimate)
{
    const wn_select_ops *ops;
    wn_status st;

    if (!method || strcmp(method->family, "select") != 0)
        return wni_fail(ctx, WN_E_USAGE, "select: found a method of %s, expected one of select",
                        method ? method->family : "no family");
    if (!in || in->struct_size < sizeof in->struct_size || !in->pool || !in->tree)
        return wni_fail(ctx, WN_E_USAGE, "select %s: no %s is given", method->name,
                        in && in->pool ? "tree" : "pool");
    WNI_TRY(check_tree(ctx, in->pool, in->tree));
    ops = method->ops;
    WNI_TRY(ops->estimate(ctx, in, params, estimate));
done:
    return st;
}

wn_status wn_select_run(wn_ctx *ctx, const wn_method *method, const wn_select_input *in,
                        const void *params, wn_selection **out)
{
    const wn_select_ops *ops;
    wn_estimate estimate;
    wn_status st;

    *out = NULL;
    WNI_TRY(check_input(ctx, method, in, params, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, in->pool, method, &estimate));
    WNI_TRY(wn_pool_check(ctx, in->pool, 1, NULL));
    ops = method->ops;
    WNI_TRY(ops->run(ctx, in, params, out));
done:
    return st;
}

/* ---- files ----------------------------------------------------------------------------------- */

static wn_status write_files(wni_run *run, const wn_selection *s)
{
    wn_status st;

    WNI_TRY(wni_out_npy(run->out, "rows.npy", "<i8", sizeof *s->rows, &s->size, 1, s->rows));
    WNI_TRY(
        wni_out_npy(run->out, "weights.npy", "<f4", sizeof *s->weights, &s->size, 1, s->weights));
    WNI_TRY(wni_out_npy(run->out, "why.npy", WN_WHY_DESCR, sizeof *s->why, &s->n, 1, s->why));
done:
    return st;
}

static wn_status record(wni_run *run, const wn_selection *s, const wn_partition *fine)
{
    int64_t *quota = NULL, unique = 0, touched = 0, smallest = INT64_MAX, largest = 0;
    wn_status st;

    WNI_NEW(run->ctx, quota, fine->k);
    for (int32_t c = 0; c < fine->k; c++)
        quota[c] = -1; /* a cluster without rows has no quota */
    for (int64_t i = 0; i < s->n; i++) {
        int32_t c = fine->labels[i];
        unique += s->why[i].copies > 0;
        if (c >= 0) quota[c] = wni_max(quota[c], 0) + s->why[i].copies;
    }
    for (int32_t c = 0; c < fine->k; c++) {
        if (quota[c] < 0) continue;
        touched += quota[c] > 0;
        smallest = wni_min(smallest, quota[c]);
        largest = wni_max(largest, quota[c]);
    }
    WNI_TRY(wni_record_int(run, "rows", s->n));
    WNI_TRY(wni_record_int(run, "selected", s->size));
    WNI_TRY(wni_record_int(run, "unique", unique));
    WNI_TRY(wni_record_int(run, "clusters", fine->k));
    WNI_TRY(wni_record_int(run, "clusters_touched", touched));
    WNI_TRY(wni_record_int(run, "smallest_quota", wni_min(smallest, largest)));
    WNI_TRY(wni_record_int(run, "largest_quota", largest));
done:
    wni_free(run->ctx, quota);
    return st;
}

/* The folder of the tree: `dir`, or the clusters in the output of curate. */
static char *tree_folder(wn_ctx *ctx, const char *dir)
{
    char *labels = wni_format(ctx, "%s/labels.npy", dir);
    char *inside = wni_format(ctx, "%s/clusters", dir), *folder = NULL;

    if (labels && inside)
        folder = wni_format(ctx, "%s",
                            wni_path_exists(labels) || !wni_path_exists(inside) ? dir : inside);
    wni_free(ctx, labels);
    wni_free(ctx, inside);
    return folder;
}

/* curate clusters the rows that are no duplicates and lists them in rows.npy beside the tree. Their labels are
 * laid out over the whole pool; the other rows are in no cluster. */
static wn_status spread_labels(wn_ctx *ctx, const char *folder, int64_t n, wn_tree *tree)
{
    wn_partition *fine = tree->level[0];
    char *path = wni_format(ctx, "%s/rows.npy", folder);
    int32_t *labels = NULL;
    void *data = NULL;
    const int64_t *rows;
    int64_t m;
    wn_status st = WN_OK;

    if (!path) return WN_E_NOMEM;
    if (!wni_path_exists(path)) goto done;
    WNI_TRY(wni_npy_load(ctx, path, "<i8", 1, &m, &data));
    rows = data;
    if (m != fine->n) {
        st = wni_fail(ctx, WN_E_DATA, "%s: found %lld rows, but labels.npy beside it has %lld",
                      path, (long long)m, (long long)fine->n);
        goto done;
    }
    for (int64_t i = 0; i < m; i++)
        if (rows[i] < 0 || rows[i] >= n || (i && rows[i] <= rows[i - 1])) {
            st =
                wni_fail(ctx, WN_E_DATA,
                         "%s: entry %lld is row %lld, expected ascending rows below %lld: give the "
                         "pool that the tree was made from",
                         path, (long long)i, (long long)rows[i], (long long)n);
            goto done;
        }
    WNI_NEW(ctx, labels, n);
    for (int64_t i = 0; i < n; i++)
        labels[i] = -1;
    for (int64_t i = 0; i < m; i++)
        labels[rows[i]] = fine->labels[i];
    wni_free(ctx, fine->labels);
    fine->labels = labels;
    fine->n = n;
done:
    wni_free(ctx, data);
    wni_free(ctx, path);
    return st;
}

static wn_status family_run(wni_run *run)
{
    const wn_select_ops *ops;
    wn_select_input in = {.struct_size = sizeof in, .pool = run->pool};
    const char *dir = run->input(run, "tree");
    wn_selection *selection = NULL;
    wn_tree *tree = NULL;
    char *folder = NULL;
    wn_status st;

    if (!dir)
        return wni_fail(run->ctx, WN_E_USAGE,
                        "select %s needs --tree: the folder that `winnow cluster` wrote",
                        run->method->name);
    if (!(folder = tree_folder(run->ctx, dir))) return WN_E_NOMEM;
    WNI_TRY(wn_tree_load(run->ctx, folder, &tree));
    WNI_TRY(spread_labels(run->ctx, folder, wn_pool_rows(run->pool), tree));
    in.tree = tree;
    WNI_TRY(check_input(run->ctx, run->method, &in, run->params, &run->estimate));
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(run->ctx, run->pool, run->method, &run->estimate));
    ops = run->method->ops;
    WNI_TRY(ops->run(run->ctx, &in, run->params, &selection));
    WNI_TRY(write_files(run, selection));
    WNI_TRY(record(run, selection, tree->level[0]));
done:
    wn_selection_free(selection);
    wn_tree_free(tree);
    wni_free(run->ctx, folder);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 1, "the rows: .npy and other vector files, see `winnow info`"},
    {"tree", "tree", 1, "folder that `winnow cluster` or `winnow curate` made from these rows"}};

const wn_family wni_family_select = {
    .name = "select",
    .summary = "choose the rows to train on",
    .default_method = "balanced",
    .inputs = inputs,
    .n_inputs = 2,
    .run = (const void *)family_run,
};
