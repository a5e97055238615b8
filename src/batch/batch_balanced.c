/* SPDX-License-Identifier: Apache-2.0
 *
 * Every group equally often: groups take turns, and each goes through its rows again and again.
 */
#include "base/param.h"
#include "base/rng.h"
#include "batch/grouped.h"
#include "ds/permutation.h"
#include "winnow/batch.h"

extern const wn_method wni_method_batch_balanced;

WN_PARAM_TABLE(wn_batch_balanced_params, WN_BATCH_BALANCED_PARAMS);

typedef struct balanced {
    wni_grouped groups;
    int64_t size;
    uint64_t seed;
} balanced;

static wn_status balanced_estimate(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                   wn_estimate *out)
{
    int64_t k = in->tree ? in->tree->level[0]->k : in->groups->classes;
    wn_batch_balanced_params p;

    *out = (wn_estimate){.peak_bytes = in->n * 8 + k * 20};
    return wni_params_complete(ctx, &wni_method_batch_balanced, params, &p);
}

static void balanced_end(wn_ctx *ctx, void *state)
{
    balanced *s = state;

    if (s) wni_grouped_free(ctx, &s->groups);
    wni_free(ctx, s);
}

static wn_status balanced_begin(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                void **state)
{
    const wn_batch_balanced_params *p = params;
    balanced *s;
    wn_status st;

    WNI_NEW0(ctx, s, 1);
    s->seed = p->seed;
    WNI_TRY(wni_grouped_new(ctx, in->groups->v, in->n, in->groups->classes, &s->groups));
    if (s->groups.n == 0) {
        st = wni_fail(ctx, WN_E_DATA, "batch balanced: none of %lld rows is in a group",
                      (long long)in->n);
        goto done;
    }
    if (s->groups.k == 1 && s->groups.n > 1) {
        st = wni_fail(ctx, WN_E_DATA,
                      "batch balanced: all rows are in one group, expected two or more to balance: "
                      "look at the groups, or use batch uniform");
        goto done;
    }
    s->size = p->draws ? p->draws : s->groups.n;
    *state = s;
    s = NULL;
done:
    balanced_end(ctx, s);
    return st;
}

static int64_t balanced_length(const void *state, int64_t epoch)
{
    const balanced *s = state;

    (void)epoch;
    return s->size;
}

/* Where in the list of rows a group is at its turn number `turn`, counted from the first epoch on: it goes through its
 * rows in an order of its own each time around. */
static int64_t place_at_turn(const balanced *s, int64_t group, unsigned __int128 turn)
{
    int64_t begin = s->groups.begin[group], size = s->groups.begin[group + 1] - begin;
    wni_perm perm;

    if (size == 1) return begin;
    wni_perm_init(&perm, size, s->seed,
                  wni_stream("batch-balanced-rows", group, (int64_t)(turn / (uint64_t)size)));
    return begin + wni_perm_at(&perm, (int64_t)(turn % (uint64_t)size));
}

static wn_status balanced_draw(wn_ctx *ctx, const void *state, int64_t epoch, int64_t first,
                               int64_t count, int64_t *rows)
{
    const balanced *s = state;
    int64_t k = s->groups.k, round = -1;
    unsigned __int128 begun = (unsigned __int128)epoch * (uint64_t)((s->size + k - 1) / k);
    wni_perm turns;

    (void)ctx;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = first + i;
        if (at / k != round) {
            round = at / k;
            wni_perm_init(&turns, k, s->seed, wni_stream("batch-balanced-turns", epoch, round));
        }
        rows[i] = place_at_turn(s, wni_perm_at(&turns, at % k), begun + (uint64_t)round);
    }
    /* Apart from the arithmetic, so that the processor waits for many rows at a time. */
    for (int64_t i = 0; i < count; i++)
        rows[i] = s->groups.rows[rows[i]];
    return WN_OK;
}

static const wn_batch_ops ops = {.estimate = balanced_estimate,
                                 .begin = balanced_begin,
                                 .end = balanced_end,
                                 .length = balanced_length,
                                 .draw = balanced_draw};

const wn_method wni_method_batch_balanced = {
    .family = "batch",
    .name = "balanced",
    .summary = "every class or cluster equally often, whatever its size",
    .papers = "",
    .cost = "O(n) to begin, O(1) a row drawn; 8 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_batch_balanced_params),
    .ops = &ops,
    .inputs = "pool? tree|groups rows?",
};
