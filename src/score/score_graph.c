/* SPDX-License-Identifier: Apache-2.0
 *
 * What the scores made from a graph ask of it.
 */
#include "score/score_impl.h"

#define POLL_ROWS 65536

wn_status wni_neighbours_check(wn_ctx *ctx, const wn_graph *graph, int64_t k, const char *what)
{
    wn_status st = WN_OK;

    for (int64_t i = 0; i < graph->n; i++) {
        int64_t has = graph->indptr[i + 1] - graph->indptr[i];
        if (i % POLL_ROWS == 0) WNI_TRY(wni_poll(ctx));
        if (has < k)
            return wni_fail(ctx, WN_E_DATA,
                            "%s: k is %lld but row %lld of the graph has %lld neighbours: lower "
                            "--k, or make a graph with more",
                            what, (long long)k, (long long)i, (long long)has);
        if (has == 0)
            return wni_fail(ctx, WN_E_DATA,
                            "%s: row %lld of the graph has no neighbour; every row needs one", what,
                            (long long)i);
    }
done:
    return st;
}
