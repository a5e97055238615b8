/* SPDX-License-Identifier: Apache-2.0
 *
 * Every row once an epoch, in an order of its own each time.
 */
#include "base/param.h"
#include "base/rng.h"
#include "ds/permutation.h"
#include "winnow/batch.h"

extern const wn_method wni_method_batch_uniform;

WN_PARAM_TABLE(wn_batch_uniform_params, WN_BATCH_UNIFORM_PARAMS);

typedef struct uniform {
    int64_t n;
    uint64_t seed;
} uniform;

static wn_status uniform_estimate(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                  wn_estimate *out)
{
    wn_batch_uniform_params p;

    (void)in;
    *out = (wn_estimate){.peak_bytes = sizeof(uniform)};
    return wni_params_complete(ctx, &wni_method_batch_uniform, params, &p);
}

static wn_status uniform_begin(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                               void **state)
{
    const wn_batch_uniform_params *p = params;
    uniform *u = wni_alloc(ctx, 1, sizeof *u);

    if (!u) return WN_E_NOMEM;
    *u = (uniform){in->n, p->seed};
    *state = u;
    return WN_OK;
}

static void uniform_end(wn_ctx *ctx, void *state)
{
    wni_free(ctx, state);
}

static int64_t uniform_length(const void *state, int64_t epoch)
{
    const uniform *u = state;

    (void)epoch;
    return u->n;
}

static wn_status uniform_draw(wn_ctx *ctx, const void *state, int64_t epoch, int64_t first,
                              int64_t count, int64_t *rows)
{
    const uniform *u = state;
    wni_perm perm;

    (void)ctx;
    wni_perm_init(&perm, u->n, u->seed, wni_stream("batch-uniform", epoch, 0));
    for (int64_t i = 0; i < count; i++)
        rows[i] = wni_perm_at(&perm, first + i);
    return WN_OK;
}

static const wn_batch_ops ops = {.estimate = uniform_estimate,
                                 .begin = uniform_begin,
                                 .end = uniform_end,
                                 .length = uniform_length,
                                 .draw = uniform_draw};

const wn_method wni_method_batch_uniform = {
    .family = "batch",
    .name = "uniform",
    .summary = "every row once an epoch, in an order of its own each time",
    .papers = "black2002",
    .cost = "O(1) a row drawn; no memory a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_batch_uniform_params),
    .ops = &ops,
    .inputs = "pool? rows?",
};
