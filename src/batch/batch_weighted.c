/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows by weight, with replacement, from an alias table. walker1977 vose1991.
 */
#include "base/param.h"
#include "base/rng.h"
#include "ds/alias.h"
#include "winnow/batch.h"

extern const wn_method wni_method_batch_weighted;

WN_PARAM_TABLE(wn_batch_weighted_params, WN_BATCH_WEIGHTED_PARAMS);

typedef struct weighted {
    wni_alias table;
    int64_t size;
    uint64_t seed;
} weighted;

static wn_status weighted_estimate(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                   wn_estimate *out)
{
    wn_batch_weighted_params p;

    *out = (wn_estimate){.peak_bytes = wni_alias_bytes(in->n) + in->n / 4096,
                         .flops = 20.0 * (double)in->n};
    return wni_params_complete(ctx, &wni_method_batch_weighted, params, &p);
}

static void weighted_end(wn_ctx *ctx, void *state)
{
    weighted *w = state;

    if (w) wni_alias_free(ctx, &w->table);
    wni_free(ctx, w);
}

static wn_status weighted_begin(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                void **state)
{
    const wn_batch_weighted_params *p = params;
    weighted *w;
    wn_status st;

    WNI_NEW0(ctx, w, 1);
    w->size = p->draws ? p->draws : in->n;
    w->seed = p->seed;
    WNI_TRY(wni_alias_build(ctx, in->scores->v, in->n, 0, &w->table));
    *state = w;
    w = NULL;
done:
    weighted_end(ctx, w);
    return st;
}

static int64_t weighted_length(const void *state, int64_t epoch)
{
    const weighted *w = state;

    (void)epoch;
    return w->size;
}

static wn_status weighted_draw(wn_ctx *ctx, const void *state, int64_t epoch, int64_t first,
                               int64_t count, int64_t *rows)
{
    const weighted *w = state;

    (void)ctx;
    wni_alias_draw(&w->table, w->seed, wni_stream("batch-weighted", epoch, 0), first, count, rows);
    return WN_OK;
}

static const wn_batch_ops ops = {.estimate = weighted_estimate,
                                 .begin = weighted_begin,
                                 .end = weighted_end,
                                 .length = weighted_length,
                                 .draw = weighted_draw};

const wn_method wni_method_batch_weighted = {
    .family = "batch",
    .name = "weighted",
    .summary = "rows by weight, with replacement, from a table that holds any number of rows",
    .papers = "walker1977 vose1991",
    .cost = "O(n) to begin, O(1) a row drawn; 12 bytes a row, 16 from 2^32 rows on",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_batch_weighted_params),
    .ops = &ops,
    .inputs = "scores rows?",
};
