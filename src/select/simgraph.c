/* SPDX-License-Identifier: Apache-2.0
 *
 * The edges of a neighbour graph as whole-number similarities, both ways, each neighbour once.
 */
#include <math.h>
#include <string.h>

#include "select/pick.h"
#include "select/submodular.h"

#define FEW 48 /* edges that are put in order by insertion */

/* ---- similarities -------------------------------------------------------------------------------- */

/* Mean distance of all edges, in blocks whose bounds depend on their number alone. */
static double mean_distance(const wn_graph *graph)
{
    double sum = 0;

    for (int64_t b = 0; b < graph->edges; b += 4096) {
        double part = 0;
        for (int64_t e = b; e < wni_min(b + 4096, graph->edges); e++)
            part += graph->distances[e];
        sum += part;
    }
    return graph->edges ? sum / (double)graph->edges : 0;
}

static inline uint64_t similarity_of(const wn_graph *graph, int64_t e, double mean)
{
    double d = graph->distances[e];
    double s = graph->metric == WN_COSINE ? 1 - d : mean > 0 ? mean / (mean + d) : 1;

    return s <= 0 ? 0 : (uint64_t)llrint(s * (double)WNI_SIM_ONE);
}

/* ---- order ------------------------------------------------------------------------------------------ */

static void sift(uint64_t *v, int64_t n, int64_t at)
{
    uint64_t x = v[at];

    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && v[child + 1] > v[child]) child++;
        if (v[child] <= x) break;
        v[at] = v[child];
    }
    v[at] = x;
}

static void sort_edges(uint64_t *v, int64_t n)
{
    if (n <= FEW) {
        for (int64_t i = 1; i < n; i++) {
            uint64_t x = v[i];
            int64_t j = i;
            for (; j > 0 && v[j - 1] > x; j--)
                v[j] = v[j - 1];
            v[j] = x;
        }
        return;
    }
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        sift(v, n, i);
    for (int64_t m = n - 1; m > 0; m--) {
        uint64_t x = v[0];
        v[0] = v[m];
        v[m] = x;
        sift(v, m, 0);
    }
}

static wn_status order_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wni_simgraph *g = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        uint64_t *v = g->edge + g->begin[i];
        int64_t n = g->end[i] - g->begin[i], kept = 0;
        sort_edges(v, n);
        for (int64_t e = 0; e < n; e++) /* of one neighbour the last has the highest similarity */
            if (e + 1 == n || v[e + 1] >> 32 != v[e] >> 32) v[kept++] = v[e];
        g->end[i] = g->begin[i] + kept;
    }
    return WN_OK;
}

wn_status wni_simgraph_new(wn_ctx *ctx, const wn_graph *graph, wni_simgraph *out)
{
    double mean = graph->metric == WN_L2 ? mean_distance(graph) : 0;
    int64_t n = graph->n, at = 0;
    wn_status st;

    *out = (wni_simgraph){.n = n};
    if (n > INT32_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "a graph of %lld rows: picks on a graph take at most %lld rows: split the "
                        "pool",
                        (long long)n, (long long)INT32_MAX);
    WNI_NEW(ctx, out->begin, n);
    WNI_NEW0(ctx, out->end, n);
    for (int64_t i = 0; i < n; i++) {
        out->end[i] += graph->indptr[i + 1] - graph->indptr[i];
        for (int64_t e = graph->indptr[i]; e < graph->indptr[i + 1]; e++)
            out->end[graph->indices[e]]++;
        if (i % 16384 == 0) WNI_TRY(wni_poll(ctx));
    }
    for (int64_t i = 0; i < n; i++) {
        out->begin[i] = at;
        at += out->end[i];
        out->end[i] = out->begin[i];
    }
    WNI_NEW(ctx, out->edge, at);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t e = graph->indptr[i]; e < graph->indptr[i + 1]; e++) {
            int64_t j = graph->indices[e];
            uint64_t s = similarity_of(graph, e, mean);
            out->edge[out->end[i]++] = (uint64_t)j << 32 | s;
            out->edge[out->end[j]++] = (uint64_t)i << 32 | s;
        }
        if (i % 16384 == 0) WNI_TRY(wni_poll(ctx));
    }
    st = wni_parallel(ctx, n, 4096, order_range, out);
done:
    if (st != WN_OK) wni_simgraph_free(ctx, out);
    return st;
}

void wni_simgraph_free(wn_ctx *ctx, wni_simgraph *g)
{
    wni_free(ctx, g->begin);
    wni_free(ctx, g->end);
    wni_free(ctx, g->edge);
    *g = (wni_simgraph){0};
}

int64_t wni_simgraph_bytes(int64_t n, int64_t edges)
{
    return 16 * (n + edges) + 256;
}

int64_t wni_simgraph_partner(const wni_simgraph *g, const int32_t *group, int across,
                             const uint8_t *rule, int64_t row, int64_t *similarity)
{
    int64_t partner = -1, most = 0;

    for (int64_t e = g->begin[row]; e < g->end[row]; e++) {
        int64_t j = (int64_t)(g->edge[e] >> 32), s = (int64_t)(uint32_t)g->edge[e];
        if (j == row || rule[j] != WN_WHY_KEPT || s <= most) continue;
        if (!across && group && group[j] != group[row]) continue;
        partner = j;
        most = s;
    }
    *similarity = most;
    return partner;
}
