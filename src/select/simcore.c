/* SPDX-License-Identifier: Apache-2.0
 *
 * SimCore: the rows of an open pool nearest to a target, round by round. Each round takes for every
 * prototype of the target the most similar row that is left; it ends when a round is no longer as similar as
 * the first one was. kim2023simcore.
 */
#include "base/param.h"
#include "ds/keyed.h"
#include "scan/scan.h"
#include "select/notes.h"
#include "select/recipe.h"
#include "winnow/select.h"

extern const wn_method wni_method_select_simcore;

WN_PARAM_TABLE(wn_select_simcore_params, WN_SELECT_SIMCORE_PARAMS);

#define PROTOTYPES   100 /* of a target of more rows */
#define LIST_MIN     64
#define LIST_ENTRIES ((int64_t)1 << 21) /* of all lists together, at most */

typedef struct simcore {
    const wn_select_simcore_params *p;
    const wn_pool *pool, *prototypes; /* unit rows */
    int64_t n, k;

    uint8_t *rule;    /* (n) KEPT, else OFF_TARGET */
    int32_t *nearest; /* (n) prototype; of a kept row the one that took it */
    float *cosine;    /* (n) to it */

    /* For each prototype the rows most similar to it of those that were left at some time. */
    int64_t room; /* entries of a list */
    int64_t length;
    int64_t *left;    /* (n) rows that were left then; NULL = all */
    int64_t *list;    /* (k, room) positions in left */
    float *score;     /* (k, room) */
    int64_t *at;      /* (k) first entry that may not be taken yet */
    wni_keyed *order; /* (k) */

    int64_t taken, rounds;
    double first, last; /* summed similarity of the first round and of the last one */
} simcore;

static int64_t row_of(const simcore *s, int64_t position)
{
    return s->left ? s->left[position] : position;
}

static wn_status make_lists(wn_ctx *ctx, simcore *s)
{
    wni_queries queries = {s->prototypes, NULL, 0, s->k}, base = {s->pool, NULL, 0, s->n};
    wn_status st;

    if (s->taken) {
        if (!s->left) WNI_NEW(ctx, s->left, s->n);
        base.rows = s->left;
        base.n = 0;
        for (int64_t i = 0; i < s->n; i++)
            if (s->rule[i] != WN_WHY_KEPT) s->left[base.n++] = i;
    }
    s->length = wni_min(s->room, base.n);
    for (int64_t j = 0; j < s->k; j++)
        s->at[j] = 0;
    WNI_TRY(wni_scan_topk(ctx, &queries, &base, s->length, 0, 0, s->list, s->score));
done:
    return st;
}

/* Moves every list to its best row that is left; 0 when one of them has come to its end. */
static int lists_reach(simcore *s)
{
    for (int64_t j = 0; j < s->k; j++) {
        const int64_t *list = s->list + j * s->length;
        int64_t *at = &s->at[j];

        while (*at < s->length && s->rule[row_of(s, list[*at])] == WN_WHY_KEPT)
            (*at)++;
        if (*at == s->length) return 0;
    }
    return 1;
}

/* Takes the rows that the lists point to, the most similar first until the size is reached. */
static void take_round(simcore *s)
{
    for (int64_t j = 0; j < s->k; j++)
        s->order[j] =
            (wni_keyed){UINT64_MAX - wni_key_of_float(s->score[j * s->length + s->at[j]]), j};
    wni_keyed_sort(s->order, s->k);
    for (int64_t i = 0; i < s->k && (!s->p->size || s->taken < s->p->size); i++) {
        int64_t j = s->order[i].row, entry = j * s->length + s->at[j];
        int64_t row = row_of(s, s->list[entry]);

        if (s->rule[row] == WN_WHY_KEPT) continue; /* of a prototype that is nearer to it */
        s->rule[row] = WN_WHY_KEPT;
        s->nearest[row] = (int32_t)j;
        s->cosine[row] = s->score[entry];
        s->taken++;
    }
}

static wn_status rounds(wn_ctx *ctx, simcore *s)
{
    const int64_t most = s->p->size ? s->p->size : s->n;
    wn_status st;

    while (s->taken < most) {
        double sum = 0;

        WNI_TRY(wni_poll(ctx));
        wni_progress(ctx, "rounds of nearest rows", s->taken, most);
        if (!s->length || !lists_reach(s)) {
            WNI_TRY(make_lists(ctx, s));
            (void)lists_reach(s);
        }
        for (int64_t j = 0; j < s->k; j++)
            sum += (double)s->score[j * s->length + s->at[j]];
        if (s->rounds == 0) s->first = sum;
        if (s->rounds == 0 && !s->p->size && sum <= 0)
            return wni_fail(ctx, WN_E_DATA,
                            "select simcore: the rows nearest to the target have the mean cosine "
                            "%.3f to it, so nothing of the pool is like the target: give another "
                            "target, or --size",
                            sum / (double)s->k);
        if (!s->p->size && sum < s->p->stop * s->first) break;
        s->last = sum;
        s->rounds++;
        take_round(s);
    }
    wni_progress(ctx, "rounds of nearest rows", most, most);
    st = WN_OK;
done:
    return st;
}

/* ---- prototypes -------------------------------------------------------------------------------- */

/* The nearest prototype of every row, for the reasons. */
static wn_status nearest_of_all(wn_ctx *ctx, simcore *s)
{
    wni_queries all = {s->pool, NULL, 0, s->n};
    wni_mat base = {0};
    wn_status st;

    WNI_TRY(wni_mat_gather(ctx, s->prototypes, NULL, s->k, &base));
    WNI_TRY(wni_scan_argmin(ctx, &all, &base, NULL, s->nearest, s->cosine, NULL));
done:
    wni_mat_free(ctx, &base);
    return st;
}

static wn_status run_prepared(wn_ctx *ctx, simcore *s, wn_selection **out)
{
    wn_status st;

    s->room = wni_max(LIST_ENTRIES / s->k, LIST_MIN);
    s->room = wni_min(s->room, s->n);
    WNI_NEW(ctx, s->rule, s->n);
    WNI_NEW(ctx, s->nearest, s->n);
    WNI_NEW(ctx, s->cosine, s->n);
    for (int64_t i = 0; i < s->n; i++)
        s->rule[i] = WN_WHY_OFF_TARGET;
    WNI_TRY(nearest_of_all(ctx, s));
    WNI_NEW(ctx, s->list, s->k * s->room);
    WNI_NEW(ctx, s->score, s->k * s->room);
    WNI_NEW(ctx, s->at, s->k);
    WNI_NEW(ctx, s->order, s->k);
    WNI_TRY(rounds(ctx, s));
    WNI_TRY(wni_recipe_selection(ctx, s->n, s->rule, s->nearest, NULL, out));
    for (int64_t i = 0; i < s->n; i++)
        (*out)->why[i].similarity = s->cosine[i];
    WNI_TRY(wni_note(*out, "rounds", NULL, (double)s->rounds, 1));
    WNI_TRY(wni_note(*out, "cosine_first_round", NULL, s->first / (double)s->k, 0));
    WNI_TRY(wni_note(*out, "cosine_last_round", NULL, s->last / (double)s->k, 0));
done:
    if (st != WN_OK) {
        wn_selection_free(*out);
        *out = NULL;
    }
    wni_free(ctx, s->rule);
    wni_free(ctx, s->nearest);
    wni_free(ctx, s->cosine);
    wni_free(ctx, s->left);
    wni_free(ctx, s->list);
    wni_free(ctx, s->score);
    wni_free(ctx, s->at);
    wni_free(ctx, s->order);
    return st;
}

static wn_status check(wn_ctx *ctx, const wn_select_input *in, const wn_select_simcore_params *p)
{
    if (wn_pool_rows(in->target) == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "select simcore: the target has no rows: give vectors of what the "
                        "selection should look like");
    if (p->k > wn_pool_rows(in->target))
        return wni_fail(ctx, WN_E_DATA,
                        "select simcore: k is %lld but the target has %lld rows: lower --k, or "
                        "leave it out",
                        (long long)p->k, (long long)wn_pool_rows(in->target));
    return wni_recipe_size(ctx, "simcore", p->size, wn_pool_rows(in->pool));
}

static int64_t prototypes_of(const wn_select_input *in, const wn_select_simcore_params *p)
{
    return p->k ? p->k : wni_min(wn_pool_rows(in->target), PROTOTYPES);
}

static wn_status simcore_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                             wn_selection **out)
{
    wn_select_simcore_params p;
    simcore s = {.p = &p, .n = wn_pool_rows(in->pool)};
    wn_pool *pool = NULL, *target = NULL, *centers = NULL;
    wn_tree *tree = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_simcore, params, &p));
    WNI_TRY(check(ctx, in, &p));
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, WN_COSINE, &pool));
    WNI_TRY(wn_pool_with_metric(ctx, in->target, WN_COSINE, &target));
    WNI_TRY(wn_pool_check(ctx, target, 1, NULL));
    WNI_TRY(wn_pool_check(ctx, pool, 1, NULL));
    s.pool = pool;
    s.prototypes = target;
    s.k = prototypes_of(in, &p);
    if (s.k < wn_pool_rows(target)) {
        WNI_TRY(wni_recipe_kmeans(ctx, target, s.k, p.seed, &tree));
        WNI_TRY(wn_pool_wrap(ctx, tree->level[0]->centers, s.k, wn_pool_dim(pool), WN_F32,
                             WN_COSINE, &centers));
        s.prototypes = centers;
    }
    WNI_TRY(run_prepared(ctx, &s, out));
done:
    wn_pool_free(centers);
    wn_tree_free(tree);
    wn_pool_free(target);
    wn_pool_free(pool);
    return st;
}

static wn_status simcore_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                  wn_estimate *out)
{
    const int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool);
    int64_t k, room, left = 0;
    wn_select_simcore_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_simcore, params, &p));
    WNI_TRY(check(ctx, in, &p));
    *out = (wn_estimate){0};
    k = prototypes_of(in, &p);
    if (k < wn_pool_rows(in->target)) {
        WNI_TRY(wni_recipe_kmeans_cost(ctx, in->target, k, out));
        left = wni_recipe_tree_bytes(wn_pool_rows(in->target), k, d);
    }
    room = wni_min(wni_max(LIST_ENTRIES / k, LIST_MIN), n);
    out->peak_bytes =
        wni_max(out->peak_bytes, left + n * 17 + k * (wni_ld(d) * 4 + room * 12 + 40) +
                                     wni_max(wni_recipe_scan_bytes(ctx, n, d),
                                             wni_recipe_selection_bytes(n, p.size ? p.size : n)));
    out->peak_bytes += 65536;
    out->flops += 4.0 * (double)n * (double)k * (double)d;
    out->bytes_read +=
        2.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

wn_status wn_select_simcore(wn_ctx *ctx, const wn_select_input *in,
                            const wn_select_simcore_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_simcore, in, params, out);
}

static const wn_select_ops ops = {simcore_estimate, simcore_run};

const wn_method wni_method_select_simcore = {
    .family = "select",
    .name = "simcore",
    .summary = "the rows of an open pool that are nearest to a target, until they no longer are",
    .papers = "kim2023simcore",
    .cost = "2 n k d multiply-adds, again when lists run out; 41 bytes a row, 24 MiB of lists",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_simcore_params),
    .ops = &ops,
    .inputs = "pool target",
};
