/* SPDX-License-Identifier: Apache-2.0
 *
 * Another random part of the rows each epoch: okanovic2024.
 */
#include <math.h>

#include "base/param.h"
#include "base/rng.h"
#include "ds/permutation.h"
#include "winnow/batch.h"

extern const wn_method wni_method_batch_random_subset;

WN_PARAM_TABLE(wn_batch_random_subset_params, WN_BATCH_RANDOM_SUBSET_PARAMS);

typedef struct subsets {
    int64_t n, size;
    int64_t per_cycle; /* epochs that one order of all rows serves */
    uint64_t seed;
} subsets;

static wn_status subset_estimate(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                 wn_estimate *out)
{
    wn_batch_random_subset_params p;

    (void)in;
    *out = (wn_estimate){.peak_bytes = sizeof(subsets)};
    return wni_params_complete(ctx, &wni_method_batch_random_subset, params, &p);
}

static wn_status subset_begin(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                              void **state)
{
    const wn_batch_random_subset_params *p = params;
    subsets *s = wni_alloc(ctx, 1, sizeof *s);

    if (!s) return WN_E_NOMEM;
    s->n = in->n;
    s->size = wni_min(wni_max((int64_t)floor(p->fraction * (double)in->n + 0.5), 1), in->n);
    s->per_cycle = p->disjoint ? s->n / s->size : 1;
    s->seed = p->seed;
    *state = s;
    return WN_OK;
}

static void subset_end(wn_ctx *ctx, void *state)
{
    wni_free(ctx, state);
}

static int64_t subset_length(const void *state, int64_t epoch)
{
    const subsets *s = state;

    (void)epoch;
    return s->size;
}

static wn_status subset_draw(wn_ctx *ctx, const void *state, int64_t epoch, int64_t first,
                             int64_t count, int64_t *rows)
{
    const subsets *s = state;
    int64_t cycle = epoch / s->per_cycle, begin = epoch % s->per_cycle * s->size + first;
    wni_perm perm;

    (void)ctx;
    wni_perm_init(&perm, s->n, s->seed, wni_stream("batch-random-subset", cycle, 0));
    for (int64_t i = 0; i < count; i++)
        rows[i] = wni_perm_at(&perm, begin + i);
    return WN_OK;
}

static const wn_batch_ops ops = {.estimate = subset_estimate,
                                 .begin = subset_begin,
                                 .end = subset_end,
                                 .length = subset_length,
                                 .draw = subset_draw};

const wn_method wni_method_batch_random_subset = {
    .family = "batch",
    .name = "random_subset",
    .summary =
        "another random part of the rows each epoch: the baseline that a selection must beat",
    .papers = "okanovic2024",
    .cost = "O(1) a row drawn; no memory a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_batch_random_subset_params),
    .ops = &ops,
    .inputs = "pool? rows?",
};
