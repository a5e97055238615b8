/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph as an object; writing it into an output folder and reading it back with full checks.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "pool/graph_io.h"

#define NAME_MAX_BYTES 4096
#define POLL_ROWS      65536

wn_status wn_graph_new(wn_ctx *ctx, int64_t n, int64_t edges, wn_metric metric, wn_graph **out)
{
    wn_graph *g = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    if (n < 0 || n > WN_ROWS_MAX || edges < 0 || edges > INT64_MAX / 16)
        return wni_fail(ctx, WN_E_USAGE, "a graph of %lld rows and %lld edges is out of bounds",
                        (long long)n, (long long)edges);
    WNI_NEW0(ctx, g, 1);
    g->ctx = ctx;
    g->n = n;
    g->edges = edges;
    g->metric = metric;
    WNI_NEW0(ctx, g->indptr, n + 1);
    WNI_NEW0(ctx, g->indices, edges);
    WNI_NEW0(ctx, g->distances, edges);
    *out = g;
    g = NULL;
done:
    wn_graph_free(g);
    return st;
}

void wn_graph_free(wn_graph *graph)
{
    if (!graph) return;
    wni_free(graph->ctx, graph->indptr);
    wni_free(graph->ctx, graph->indices);
    wni_free(graph->ctx, graph->distances);
    wni_free(graph->ctx, graph);
}

/* ---- writing ---------------------------------------------------------------------------------------- */

wn_status wni_graph_save(wni_out *out, const char *prefix, const wn_graph *graph)
{
    const int64_t ends = graph->n + 1;
    char path[NAME_MAX_BYTES], metric[32];
    wn_status st = WN_OK;

#define PATH(name) (snprintf(path, sizeof path, "%s" name, prefix), path)
    WNI_TRY(wni_out_npy(out, PATH("indptr.npy"), "<i8", 8, &ends, 1, graph->indptr));
    WNI_TRY(wni_out_npy(out, PATH("indices.npy"), "<i8", 8, &graph->edges, 1, graph->indices));
    WNI_TRY(wni_out_npy(out, PATH("distances.npy"), "<f4", 4, &graph->edges, 1, graph->distances));
    snprintf(metric, sizeof metric, "%s\n", wn_metric_name(graph->metric));
    WNI_TRY(wni_out_text(out, PATH("metric.txt"), metric));
#undef PATH
done:
    return st;
}

/* ---- reading back ----------------------------------------------------------------------------------- */

static wn_status path_in(wn_ctx *ctx, const char *dir, const char *name, char *path, size_t bytes)
{
    if ((size_t)snprintf(path, bytes, "%s/%s", dir, name) >= bytes)
        return wni_fail(ctx, WN_E_IO, "%s: path too long", dir);
    return WN_OK;
}

static wn_status load_array(wn_ctx *ctx, const char *dir, const char *name, const char *descr,
                            int64_t *count, void **data)
{
    char path[NAME_MAX_BYTES];
    wn_status st = path_in(ctx, dir, name, path, sizeof path);

    return st == WN_OK ? wni_npy_load(ctx, path, descr, 1, count, data) : st;
}

static wn_status load_metric(wn_ctx *ctx, const char *dir, wn_metric *metric)
{
    char path[NAME_MAX_BYTES], *word = NULL;
    wn_status st;
    int code;

    WNI_TRY(path_in(ctx, dir, "metric.txt", path, sizeof path));
    WNI_TRY(wni_text_load(ctx, path, &word));
    word[strcspn(word, " \t\r\n")] = 0;
    if ((code = wn_metric_from_name(word)) < 0)
        st = wni_fail(ctx, WN_E_DATA, "%s: found '%.32s', expected l2 or cosine", path, word);
    else
        *metric = (wn_metric)code;
done:
    wni_free(ctx, word);
    return st;
}

static wn_status check_ends(wn_ctx *ctx, const char *dir, const wn_graph *g)
{
    wn_status st = WN_OK;

    if (g->indptr[0] != 0 || g->indptr[g->n] != g->edges)
        return wni_fail(ctx, WN_E_DATA,
                        "%s/indptr.npy: runs from %lld to %lld, expected 0 to %lld, the length of "
                        "indices.npy",
                        dir, (long long)g->indptr[0], (long long)g->indptr[g->n],
                        (long long)g->edges);
    for (int64_t row = 0; row < g->n; row++) {
        if (row % POLL_ROWS == 0) WNI_TRY(wni_poll(ctx));
        if (g->indptr[row + 1] < g->indptr[row])
            return wni_fail(ctx, WN_E_DATA,
                            "%s/indptr.npy: row %lld starts at %lld and ends at %lld; ends must "
                            "not fall",
                            dir, (long long)row, (long long)g->indptr[row],
                            (long long)g->indptr[row + 1]);
    }
done:
    return st;
}

static wn_status check_row(wn_ctx *ctx, const char *dir, const wn_graph *g, int64_t row)
{
    float before = 0;

    for (int64_t e = g->indptr[row]; e < g->indptr[row + 1]; e++) {
        if (g->indices[e] < 0 || g->indices[e] >= g->n)
            return wni_fail(ctx, WN_E_DATA,
                            "%s/indices.npy: row %lld has the neighbour %lld, expected 0 to %lld",
                            dir, (long long)row, (long long)g->indices[e], (long long)g->n - 1);
        if (g->indices[e] == row)
            return wni_fail(ctx, WN_E_DATA,
                            "%s/indices.npy: row %lld is its own neighbour; leave it out", dir,
                            (long long)row);
        if (!isfinite(g->distances[e]) || g->distances[e] < 0)
            return wni_fail(ctx, WN_E_DATA,
                            "%s/distances.npy: row %lld has the distance %g, expected a finite "
                            "number of at least 0",
                            dir, (long long)row, (double)g->distances[e]);
        if (g->distances[e] < before)
            return wni_fail(ctx, WN_E_DATA,
                            "%s/distances.npy: row %lld has %g after %g; neighbours must come "
                            "nearest first",
                            dir, (long long)row, (double)g->distances[e], (double)before);
        before = g->distances[e];
    }
    return WN_OK;
}

wn_status wn_graph_load(wn_ctx *ctx, const char *dir, wn_graph **out)
{
    void *indptr = NULL, *indices = NULL, *distances = NULL;
    int64_t ends, edges, lengths;
    wn_graph *g = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_TRY(load_array(ctx, dir, "indptr.npy", "<i8", &ends, &indptr));
    WNI_TRY(load_array(ctx, dir, "indices.npy", "<i8", &edges, &indices));
    WNI_TRY(load_array(ctx, dir, "distances.npy", "<f4", &lengths, &distances));
    if (ends < 1) {
        st = wni_fail(ctx, WN_E_DATA, "%s/indptr.npy: found no entry, expected one per row and 1",
                      dir);
        goto done;
    }
    if (edges != lengths) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: indices.npy has %lld entries and distances.npy %lld; both need one per "
                      "neighbour",
                      dir, (long long)edges, (long long)lengths);
        goto done;
    }
    WNI_NEW0(ctx, g, 1);
    g->ctx = ctx;
    g->n = ends - 1;
    g->edges = edges;
    g->indptr = indptr;
    g->indices = indices;
    g->distances = distances;
    indptr = indices = distances = NULL;
    WNI_TRY(load_metric(ctx, dir, &g->metric));
    WNI_TRY(check_ends(ctx, dir, g));
    for (int64_t row = 0; row < g->n; row++) {
        if (row % 4096 == 0) WNI_TRY(wni_poll(ctx));
        WNI_TRY(check_row(ctx, dir, g, row));
    }
    *out = g;
    g = NULL;
done:
    wn_graph_free(g);
    wni_free(ctx, indptr);
    wni_free(ctx, indices);
    wni_free(ctx, distances);
    return st;
}
