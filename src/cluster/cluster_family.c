/* SPDX-License-Identifier: Apache-2.0
 *
 * The cluster family: the checks that all methods share, and the file-level run.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/param.h"
#include "pool/pool_use.h"
#include "pool/inputs.h"
#include "pool/tree_io.h"
#include "winnow/cluster.h"

static wn_status check_weights(wn_ctx *ctx, const wn_cluster_input *in)
{
    int64_t n = wn_pool_rows(in->pool);
    bool any = false;

    if (!in->weights) return WN_OK;
    for (int64_t row = 0; row < n; row++) {
        if (!(in->weights[row] >= 0) || isinf(in->weights[row]))
            return wni_fail(ctx, WN_E_DATA,
                            "the weight of row %lld is %g, expected a finite number of at least 0",
                            (long long)row, (double)in->weights[row]);
        any |= in->weights[row] > 0;
    }
    return any ? WN_OK
               : wni_fail(ctx, WN_E_DATA,
                          "the weights of all %lld rows are zero: nothing to cluster",
                          (long long)n);
}

/* What a caller built against an older header gave, the rest empty. */
static wn_status take_input(wn_ctx *ctx, const wn_cluster_input *given, wn_cluster_input *in)
{
    memset(in, 0, sizeof *in);
    if (!given || given->struct_size < offsetof(wn_cluster_input, weights))
        return wni_fail(ctx, WN_E_USAGE, "wn_cluster_input: struct_size is not set");
    memcpy(in, given, given->struct_size < sizeof *in ? given->struct_size : sizeof *in);
    if (!in->pool) return wni_fail(ctx, WN_E_USAGE, "wn_cluster_input: pool is NULL");
    return WN_OK;
}

static const wn_cluster_ops *ops_of(const wn_method *method)
{
    return method->ops;
}

static wn_status run_checked(wn_ctx *ctx, const wn_method *method, const wn_cluster_input *in,
                             const void *params, wn_tree **out)
{
    wn_estimate estimate = {0};
    wn_status st = WN_OK;

    WNI_TRY(check_weights(ctx, in));
    WNI_TRY(ops_of(method)->estimate(ctx, in, params, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, in->pool, method, &estimate));
    WNI_TRY(ops_of(method)->run(ctx, in, params, out));
done:
    return st;
}

wn_status wn_cluster_run(wn_ctx *ctx, const wn_method *method, const wn_cluster_input *given,
                         const void *params, wn_tree **out)
{
    wn_cluster_input in;
    wn_estimate estimate = {0};
    void *complete = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    if (!method || strcmp(method->family, "cluster") != 0)
        return wni_fail(ctx, WN_E_USAGE, "wn_cluster_run: not a method of the family cluster");
    WNI_TRY(take_input(ctx, given, &in));
    if (!(complete = wni_alloc(ctx, 1, method->params_bytes))) return WN_E_NOMEM;
    WNI_TRY(wni_params_complete(ctx, method, params, complete));
    /* What needs no reading is refused before the pool is read. */
    WNI_TRY(ops_of(method)->estimate(ctx, &in, complete, &estimate));
    WNI_TRY(wn_pool_check(ctx, in.pool, 1, NULL));
    WNI_TRY(run_checked(ctx, method, &in, complete, out));
done:
    wni_free(ctx, complete);
    return st;
}

/* ---- from files to a folder ------------------------------------------------------------------------- */

static wn_status record_level(wni_run *run, const wn_tree *tree, int32_t t)
{
    const wn_partition *p = tree->level[t];
    char key[64], dot[24] = "";
    int64_t empty = 0;
    wn_status st = WN_OK;

#define KEY(name) (snprintf(key, sizeof key, "%s" name, dot), key)
    if (tree->levels > 1) snprintf(dot, sizeof dot, "level%d.", (int)t + 1);
    WNI_TRY(wni_record_int(run, KEY("k"), p->k));
    WNI_TRY(wni_record_int(run, KEY("iterations"), p->report.iterations));
    WNI_TRY(wni_record_int(run, KEY("converged"), p->report.converged));
    WNI_TRY(wni_record_real(run, KEY("inertia"), p->report.inertia));
    WNI_TRY(wni_record_real(run, KEY("imbalance"), p->report.imbalance));
    WNI_TRY(wni_record_int(run, KEY("empty_repaired"), p->report.empty_repaired));
    WNI_TRY(wni_record_real(run, KEY("skipped_share"), p->report.skipped_share));
    for (int32_t c = 0; c < p->k; c++)
        empty += p->sizes[c] == 0;
    if (empty > 0)
        WNI_TRY(wni_record_warn(run,
                                "%lld of %d clusters of level %d have no row: there may be fewer "
                                "distinct rows than clusters",
                                (long long)empty, (int)p->k, (int)t + 1));
#undef KEY
done:
    return st;
}

/* As many first centres as the finest level has clusters. */
static wn_status check_count(const wni_run *run, int64_t found)
{
    char text[WN_TEXT_MAX];
    int64_t k;

    wn_params_text(run->method, run->params, "k", text, sizeof text);
    if (!text[0])
        return wni_fail(run->ctx, WN_E_USAGE, "%lld first centres are given: give --k %lld too",
                        (long long)found, (long long)found);
    k = strtoll(text, NULL, 10);
    if (k == found) return WN_OK;
    return wni_fail(run->ctx, WN_E_DATA,
                    "%s: found %lld first centres, but k is %lld: give one centre per cluster",
                    run->input(run, "centers"), (long long)found, (long long)k);
}

/* First centres as the caller gives them: a row each, as many columns as the pool has. */
static wn_status load_centers(const wni_run *run, float **centers)
{
    wn_pool *pool = NULL;
    int64_t n, d;
    wn_status st;

    WNI_TRY(wni_run_pool(run, "centers", -1, wn_pool_dim(run->pool), 0, &pool));
    if (!pool) goto done;
    n = wn_pool_rows(pool);
    d = wn_pool_dim(pool);
    WNI_TRY(check_count(run, n));
    WNI_TRY(wni_budget_need(run->ctx, n * d * (int64_t)sizeof(float), "the first centres"));
    WNI_NEW(run->ctx, *centers, n * d);
    for (int64_t i = 0; i < n; i += 256)
        WNI_TRY(wn_pool_read(run->ctx, pool, i, wni_min(256, n - i), *centers + i * d, d));
done:
    wn_pool_free(pool);
    return st;
}

static wn_status family_run(wni_run *run)
{
    wn_cluster_input in = {.struct_size = sizeof in, .pool = run->pool};
    wn_tree *tree = NULL, *given = NULL;
    wn_scores *weights = NULL;
    float *centers = NULL;
    wn_status st = WN_OK;

    WNI_TRY(wni_run_scores(run, "weights", wn_pool_rows(run->pool), &weights));
    WNI_TRY(load_centers(run, &centers));
    WNI_TRY(wni_run_tree(run, "tree", -1, &given));
    in.weights = weights ? weights->v : NULL;
    in.init_centers = centers;
    in.tree = given;
    WNI_TRY(ops_of(run->method)->estimate(run->ctx, &in, run->params, &run->estimate));
    if (run->plan) goto done;
    WNI_TRY(run_checked(run->ctx, run->method, &in, run->params, &tree));
    WNI_TRY(wni_record_int(run, "rows", wn_pool_rows(run->pool)));
    WNI_TRY(wni_record_int(run, "levels", tree->levels));
    for (int32_t t = 0; t < tree->levels; t++)
        WNI_TRY(record_level(run, tree, t));
    WNI_TRY(wni_tree_save(run->out, "", tree));
done:
    wn_tree_free(tree);
    wn_tree_free(given);
    wn_scores_free(weights);
    wni_free(run->ctx, centers);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 1, "files with the rows"},
    {"weights", "scores", 0, "a weight of at least 0 per row: .npy, or TABLE:COLUMN"},
    {"centers", "pool", 0, "first centres, one per row; as many as the finest level has clusters"},
    {"tree", "tree", 0, "folder of a clustering, of these or of other rows"},
};

const wn_family wni_family_cluster = {
    .name = "cluster",
    .summary = "group rows around centres",
    .default_method = "kmeans",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)family_run,
};
