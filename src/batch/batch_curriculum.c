/* SPDX-License-Identifier: Apache-2.0
 *
 * Easy rows first: an epoch draws from the easiest rows only, and from more of them each time, by a fixed
 * plan. bengio2009 platanios2019.
 */
#include <math.h>

#include "base/param.h"
#include "base/rng.h"
#include "ds/keyed.h"
#include "ds/permutation.h"
#include "winnow/batch.h"

extern const wn_method wni_method_batch_curriculum;

WN_PARAM_TABLE(wn_batch_curriculum_params, WN_BATCH_CURRICULUM_PARAMS);

typedef struct curriculum {
    wn_batch_curriculum_params p;
    int64_t n;
    int64_t *easiest; /* (n) rows, the easiest first; at a tie the smaller row */
} curriculum;

static wn_status curriculum_estimate(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                     wn_estimate *out)
{
    wn_batch_curriculum_params p;

    *out = (wn_estimate){.peak_bytes = in->n * (int64_t)(sizeof(wni_keyed) + 8)};
    return wni_params_complete(ctx, &wni_method_batch_curriculum, params, &p);
}

static void curriculum_end(wn_ctx *ctx, void *state)
{
    curriculum *c = state;

    if (c) wni_free(ctx, c->easiest);
    wni_free(ctx, c);
}

static wn_status curriculum_begin(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                  void **state)
{
    wni_keyed *sorted = NULL;
    curriculum *c;
    wn_status st;

    WNI_NEW0(ctx, c, 1);
    c->p = *(const wn_batch_curriculum_params *)params;
    c->n = in->n;
    WNI_NEW(ctx, sorted, c->n);
    for (int64_t i = 0; i < c->n; i++) {
        float x = in->scores->v[i] == 0 ? 0 : in->scores->v[i]; /* -0 is 0 */
        sorted[i] = (wni_keyed){wni_key_of_float(c->p.easy == 0 ? 0 - x : x), i};
    }
    WNI_TRY(wni_keyed_sort_long(ctx, sorted, c->n));
    WNI_NEW(ctx, c->easiest, c->n);
    for (int64_t i = 0; i < c->n; i++)
        c->easiest[i] = sorted[i].row;
    *state = c;
    c = NULL;
done:
    wni_free(ctx, sorted);
    curriculum_end(ctx, c);
    return st;
}

static int64_t curriculum_length(const void *state, int64_t epoch)
{
    const curriculum *c = state;
    double start = c->p.start, part = 1, grown;

    if (epoch < c->p.grow_epochs) {
        grown = (double)epoch / (double)c->p.grow_epochs;
        part = c->p.pacing == WN_PACING_LINEAR ? start + (1 - start) * grown
                                               : sqrt(start * start + (1 - start * start) * grown);
    }
    return wni_min(wni_max((int64_t)floor(part * (double)c->n + 0.5), 1), c->n);
}

static wn_status curriculum_draw(wn_ctx *ctx, const void *state, int64_t epoch, int64_t first,
                                 int64_t count, int64_t *rows)
{
    const curriculum *c = state;
    wni_perm perm;

    (void)ctx;
    wni_perm_init(&perm, curriculum_length(c, epoch), c->p.seed,
                  wni_stream("batch-curriculum", epoch, 0));
    for (int64_t i = 0; i < count; i++)
        rows[i] = c->p.order == 0 ? wni_perm_at(&perm, first + i) : first + i;
    for (int64_t i = 0; i < count; i++) /* apart, so that many rows are on their way at a time */
        rows[i] = c->easiest[rows[i]];
    return WN_OK;
}

static const wn_batch_ops ops = {.estimate = curriculum_estimate,
                                 .begin = curriculum_begin,
                                 .end = curriculum_end,
                                 .length = curriculum_length,
                                 .draw = curriculum_draw};

const wn_method wni_method_batch_curriculum = {
    .family = "batch",
    .name = "curriculum",
    .summary = "easy rows first, and more of the rows each epoch, by a fixed plan",
    .papers = "bengio2009 platanios2019",
    .cost = "a sort to begin, O(1) a row drawn; 24 bytes a row, then 8",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_batch_curriculum_params),
    .ops = &ops,
    .inputs = "scores rows?",
};
