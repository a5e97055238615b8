/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `graph`: the checks that every method shares, the files of a run.
 */
#include <stddef.h>
#include <string.h>

#include "base/param.h"
#include "pool/graph_io.h"
#include "pool/pool_use.h"
#include "pool/run.h"

/* What a caller built against an older header gave, the rest empty. */
static wn_status take_input(wn_ctx *ctx, const wn_graph_input *given, wn_graph_input *in)
{
    memset(in, 0, sizeof *in);
    if (!given || given->struct_size < offsetof(wn_graph_input, pool) + sizeof given->pool)
        return wni_fail(ctx, WN_E_USAGE, "wn_graph_input: struct_size is not set");
    memcpy(in, given, given->struct_size < sizeof *in ? given->struct_size : sizeof *in);
    if (!in->pool) return wni_fail(ctx, WN_E_USAGE, "wn_graph_input: pool is NULL");
    return WN_OK;
}

static wn_status run_checked(wn_ctx *ctx, const wn_method *method, const wn_graph_input *in,
                             const void *params, wn_graph **out)
{
    const wn_graph_ops *ops = method->ops;
    wn_estimate estimate = {0};
    wn_status st = WN_OK;

    WNI_TRY(ops->estimate(ctx, in, params, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, in->pool, method, &estimate));
    WNI_TRY(ops->run(ctx, in, params, out));
done:
    return st;
}

wn_status wn_graph_run(wn_ctx *ctx, const wn_method *method, const wn_graph_input *given,
                       const void *params, wn_graph **out)
{
    const wn_graph_ops *ops;
    wn_graph_input in;
    wn_estimate estimate = {0};
    void *complete = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    if (!method || strcmp(method->family, "graph") != 0)
        return wni_fail(ctx, WN_E_USAGE, "wn_graph_run: not a method of the family graph");
    WNI_TRY(take_input(ctx, given, &in));
    if (!method->ops)
        return wni_fail(ctx, WN_E_USAGE, "wn_graph_run: graph %s makes no graph", method->name);
    ops = method->ops;
    if (!(complete = wni_alloc(ctx, 1, method->params_bytes))) return WN_E_NOMEM;
    WNI_TRY(wni_params_complete(ctx, method, params, complete));
    /* What needs no reading is refused before the pool is read. */
    WNI_TRY(ops->estimate(ctx, &in, complete, &estimate));
    WNI_TRY(wn_pool_check(ctx, in.pool, 1, NULL));
    WNI_TRY(run_checked(ctx, method, &in, complete, out));
done:
    wni_free(ctx, complete);
    return st;
}

/* ---- from files to a folder ------------------------------------------------------------------------- */

static wn_status record(wni_run *run, const wn_graph *g)
{
    int64_t touching = 0, lonely = 0;
    double farthest = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < g->n; i++) {
        if (g->indptr[i] == g->indptr[i + 1]) {
            lonely++;
            continue;
        }
        touching += g->distances[g->indptr[i]] == 0;
        if ((double)g->distances[g->indptr[i + 1] - 1] > farthest)
            farthest = (double)g->distances[g->indptr[i + 1] - 1];
    }
    WNI_TRY(wni_record_int(run, "rows", g->n));
    WNI_TRY(wni_record_int(run, "edges", g->edges));
    WNI_TRY(wni_record_text(run, "metric", wn_metric_name(g->metric)));
    WNI_TRY(wni_record_int(run, "rows_at_distance_0", touching));
    if (lonely) WNI_TRY(wni_record_int(run, "rows_without_neighbours", lonely));
    WNI_TRY(wni_record_real(run, "farthest_neighbour", farthest));
    if (!g->recall_rows) goto done;
    WNI_TRY(wni_record_real(run, "recall", g->recall));
    WNI_TRY(wni_record_int(run, "recall_rows", g->recall_rows));
done:
    return st;
}

static wn_status family_run(wni_run *run)
{
    const wn_graph_ops *ops = run->method->ops;
    wn_graph_input in = {.struct_size = sizeof in, .pool = run->pool};
    wn_graph *graph = NULL;
    wn_status st = WN_OK;

    WNI_TRY(ops->estimate(run->ctx, &in, run->params, &run->estimate));
    if (run->plan) goto done;
    WNI_TRY(run_checked(run->ctx, run->method, &in, run->params, &graph));
    WNI_TRY(record(run, graph));
    WNI_TRY(wni_graph_save(run->out, "", graph));
done:
    wn_graph_free(graph);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 1, "the rows: .npy and other vector files, see `winnow info`"},
    {"queries", "pool", 0, "vector files: rows whose nearest rows of the pool are looked for"},
};

const wn_family wni_family_graph = {
    .name = "graph",
    .summary = "find the nearest neighbours of every row, once, for other commands to use",
    .default_method = "knn",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)family_run,
};
