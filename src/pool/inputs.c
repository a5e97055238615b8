/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "ds/keyed.h"
#include "pool/column.h"
#include "pool/inputs.h"

/* ---- trees ------------------------------------------------------------------------------------------ */

/* The folder of the tree: `dir`, or the clusters in the output of curate. */
static char *tree_folder(wn_ctx *ctx, const char *dir)
{
    char *labels = wni_format(ctx, "%s/labels.npy", dir);
    char *inside = wni_format(ctx, "%s/clusters", dir), *folder = NULL;

    if (labels && inside)
        folder = wni_format(ctx, "%s",
                            wni_path_exists(ctx, labels) || !wni_path_exists(ctx, inside) ? dir
                                                                                          : inside);
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
    if (!wni_path_exists(ctx, path)) goto done;
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

wn_status wni_run_tree(const wni_run *run, const char *name, int64_t n, wn_tree **out)
{
    const char *dir = run->input(run, name);
    wn_tree *tree = NULL;
    char *folder = NULL;
    wn_status st;

    *out = NULL;
    if (!dir) return WN_OK;
    if (!(folder = tree_folder(run->ctx, dir))) return WN_E_NOMEM;
    WNI_TRY(wn_tree_load(run->ctx, folder, &tree));
    if (n >= 0) WNI_TRY(spread_labels(run->ctx, folder, n, tree));
    if (n >= 0 && tree->level[0]->n != n) {
        st = wni_fail(
            run->ctx, WN_E_DATA,
            "%s: found a clustering of %lld rows, expected %lld: give the pool that it was "
            "made from",
            folder, (long long)tree->level[0]->n, (long long)n);
        goto done;
    }
    *out = tree;
    tree = NULL;
done:
    wn_tree_free(tree);
    wni_free(run->ctx, folder);
    return st;
}

/* ---- graphs ----------------------------------------------------------------------------------------- */

wn_status wni_run_graph(const wni_run *run, const char *name, int64_t n, wn_graph **out)
{
    const char *dir = run->input(run, name);
    wn_graph *graph = NULL;
    wn_status st;

    *out = NULL;
    if (!dir) return WN_OK;
    WNI_TRY(wn_graph_load(run->ctx, dir, &graph));
    if (n >= 0 && graph->n != n) {
        st = wni_fail(run->ctx, WN_E_DATA,
                      "%s: found a graph of %lld rows, expected %lld: give the graph that was made "
                      "from these rows",
                      dir, (long long)graph->n, (long long)n);
        goto done;
    }
    *out = graph;
    graph = NULL;
done:
    wn_graph_free(graph);
    return st;
}

/* ---- the others ------------------------------------------------------------------------------------- */

static wn_status check_shape(wn_ctx *ctx, const char *path, const wn_pool *pool, int64_t rows,
                             int64_t dim)
{
    if (rows >= 0 && wn_pool_rows(pool) != rows)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found %lld rows, expected %lld, one for each row of the pool", path,
                        (long long)wn_pool_rows(pool), (long long)rows);
    if (dim >= 0 && wn_pool_dim(pool) != dim)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found rows of %lld columns, expected %lld as in the pool", path,
                        (long long)wn_pool_dim(pool), (long long)dim);
    return WN_OK;
}

wn_status wni_run_pool(const wni_run *run, const char *name, int64_t rows, int64_t dim, int plain,
                       wn_pool **out)
{
    const char *path = run->input(run, name), *metric = run->option(run, "metric");
    wn_pool_options options;
    wn_pool *pool = NULL;
    wn_status st;

    *out = NULL;
    if (!path) return WN_OK;
    wn_pool_options_init(&options);
    if (metric && !plain) options.metric = wn_metric_from_name(metric);
    if (run->pool_input(run, name))
        WNI_TRY(wn_pool_with_metric(run->ctx, run->pool_input(run, name),
                                    (wn_metric)(metric || !run->pool || plain
                                                    ? options.metric
                                                    : (int32_t)wn_pool_metric(run->pool)),
                                    &pool));
    else
        WNI_TRY(wn_pool_open(run->ctx, &path, 1, &options, &pool));
    WNI_TRY(check_shape(run->ctx, path, pool, rows, dim));
    if (!run->plan) WNI_TRY(wn_pool_check(run->ctx, pool, 1, NULL));
    *out = pool;
    pool = NULL;
done:
    wn_pool_free(pool);
    return st;
}

wn_status wni_run_labels(const wni_run *run, const char *name, int64_t n, wn_labels **out)
{
    const char *path = run->input(run, name);

    *out = NULL;
    return path ? wn_labels_load(run->ctx, path, n, out) : WN_OK;
}

wn_status wni_run_scores(const wni_run *run, const char *name, int64_t n, wn_scores **out)
{
    const char *path = run->input(run, name);

    *out = NULL;
    return path ? wn_scores_load(run->ctx, path, n, out) : WN_OK;
}

/* ---- whole numbers ----------------------------------------------------------------------------------- */

typedef struct int_list {
    wn_ctx *ctx;
    const char *path;
    int64_t *v, n;
} int_list;

static wn_status ints_begin(void *self, wni_column_kind kind, int64_t n)
{
    int_list *l = self;
    wn_status st = WN_OK;

    if (kind != WNI_COLUMN_INTS)
        return wni_fail(l->ctx, WN_E_DATA, "%s: found real numbers, expected whole ones", l->path);
    l->n = n;
    WNI_NEW(l->ctx, l->v, n);
done:
    return st;
}

static wn_status ints_number(void *self, int64_t at, int64_t integer, double real)
{
    (void)real;
    ((int_list *)self)->v[at] = integer;
    return WN_OK;
}

static wn_status ints_word(void *self, int64_t at, const char *word)
{
    int_list *l = self;

    (void)word;
    return wni_fail(l->ctx, WN_E_DATA, "%s: entry %lld: found no value, expected a whole number",
                    l->path, (long long)at);
}

wn_status wni_ints_read(wn_ctx *ctx, const char *path, int64_t **v, int64_t *count)
{
    static const wni_column_to to = {ints_begin, ints_number, ints_word};
    int_list l = {.ctx = ctx, .path = path};
    wn_status st;

    *v = NULL;
    *count = 0;
    if (!path) return WN_OK;
    if ((st = wni_column_read(ctx, path, "quota.npy", -1, 0, &to, &l)) != WN_OK) {
        wni_free(ctx, l.v);
        return st;
    }
    *v = l.v;
    *count = l.n;
    return WN_OK;
}

wn_status wni_run_ints(const wni_run *run, const char *name, int64_t **v, int64_t *count)
{
    return wni_ints_read(run->ctx, run->input(run, name), v, count);
}

/* ---- row numbers ------------------------------------------------------------------------------------ */

typedef struct row_list {
    wn_ctx *ctx;
    const char *path;
    int64_t n; /* rows of the pool */
    wni_keyed *v;
    int64_t count;
} row_list;

static wn_status rows_begin(void *self, wni_column_kind kind, int64_t count)
{
    row_list *l = self;
    wn_status st = WN_OK;

    if (kind != WNI_COLUMN_INTS)
        return wni_fail(l->ctx, WN_E_DATA, "%s: found real numbers, expected row numbers", l->path);
    l->count = count;
    WNI_NEW(l->ctx, l->v, count);
done:
    return st;
}

static wn_status rows_number(void *self, int64_t at, int64_t integer, double real)
{
    row_list *l = self;

    (void)real;
    if (integer < 0 || integer >= l->n)
        return wni_fail(
            l->ctx, WN_E_DATA,
            "%s: entry %lld: found row %lld, expected 0 to %lld: the pool has %lld rows", l->path,
            (long long)at, (long long)integer, (long long)l->n - 1, (long long)l->n);
    l->v[at] = (wni_keyed){(uint64_t)integer, integer};
    return WN_OK;
}

static wn_status rows_word(void *self, int64_t at, const char *word)
{
    row_list *l = self;

    (void)word;
    return wni_fail(l->ctx, WN_E_DATA, "%s: entry %lld: found no value, expected a row number",
                    l->path, (long long)at);
}

wn_status wni_run_rows(const wni_run *run, const char *name, int64_t n, int64_t **rows,
                       int64_t *n_rows)
{
    static const wni_column_to to = {rows_begin, rows_number, rows_word};
    row_list l = {.ctx = run->ctx, .path = run->input(run, name), .n = n};
    wn_status st;

    *rows = NULL;
    *n_rows = 0;
    if (!l.path) return WN_OK;
    WNI_TRY(wni_column_read(run->ctx, l.path, "rows.npy", -1, 0, &to, &l));
    WNI_TRY(wni_keyed_sort_long(run->ctx, l.v, l.count));
    WNI_NEW(run->ctx, *rows, l.count);
    for (int64_t i = 0; i < l.count; i++)
        if (i == 0 || l.v[i].row != l.v[i - 1].row) (*rows)[(*n_rows)++] = l.v[i].row;
done:
    wni_free(run->ctx, l.v);
    return st;
}
