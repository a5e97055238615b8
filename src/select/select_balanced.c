/* SPDX-License-Identifier: Apache-2.0
 *
 * Balanced sampling: the budget flows from the coarsest clusters down to the finest by water-filling, and
 * each finest cluster picks its rows. vo2024.
 */
#include "base/param.h"
#include "base/rng.h"
#include "select/allocate.h"
#include "select/pick.h"

extern const wn_method wni_method_select_balanced;

WN_PARAM_TABLE(wn_select_balanced_params, WN_SELECT_BALANCED_PARAMS);

typedef struct balancing {
    const wn_pool *pool; /* under the metric of the tree */
    const wn_tree *tree;
    const wn_select_balanced_params *p;
    wn_selection *selection;

    int64_t *capacity[WN_TREE_LEVELS]; /* (k of the level) rows below x max_repeat */
    int64_t *quota[WN_TREE_LEVELS];    /* (k of the level) */
} balancing;

/* ---- budgets ----------------------------------------------------------------------------------- */

static wn_status count_capacity(wn_ctx *ctx, balancing *b)
{
    wn_status st = WN_OK;

    for (int32_t t = 0; t < b->tree->levels; t++) {
        const wn_partition *level = b->tree->level[t];
        WNI_NEW0(ctx, b->capacity[t], level->k);
        WNI_NEW0(ctx, b->quota[t], level->k);
        for (int64_t i = 0; i < level->n; i++)
            if (level->labels[i] >= 0)
                b->capacity[t][level->labels[i]] += t ? b->capacity[t - 1][i] : b->p->max_repeat;
    }
done:
    return st;
}

/* Children of one level's clusters, grouped by parent, are shared their parent's quota. */
static wn_status share_level(wn_ctx *ctx, balancing *b, int32_t t)
{
    const wn_partition *parents = t + 1 < b->tree->levels ? b->tree->level[t + 1] : NULL;
    int64_t children = b->tree->level[t]->k, groups = parents ? parents->k : 1;
    int64_t *begin = NULL, *id = NULL, *capacity = NULL, *share = NULL;
    uint64_t stream = wni_stream("select-remainder", t, 0);
    wn_status st;

    WNI_NEW0(ctx, begin, groups + 1);
    WNI_NEW(ctx, id, children);
    WNI_NEW(ctx, capacity, children);
    WNI_NEW(ctx, share, children);
    for (int64_t c = 0; c < children; c++)
        begin[(parents ? parents->labels[c] : 0) + 1]++;
    for (int64_t g = 0; g < groups; g++)
        begin[g + 1] += begin[g];
    for (int64_t c = children - 1; c >= 0;
         c--) /* from the end: begin[g + 1] walks down to begin[g] */
        id[--begin[(parents ? parents->labels[c] : 0) + 1]] = c;
    for (int64_t i = 0; i < children; i++)
        capacity[i] = b->capacity[t][id[i]];
    for (int64_t g = 0; g < groups; g++) {
        int64_t first = begin[g + 1], end = g + 1 < groups ? begin[g + 2] : children;
        wni_sharing s = {.groups = end - first,
                         .budget = parents ? b->quota[t + 1][g] : b->p->size,
                         .high = capacity + first,
                         .id = id + first,
                         .seed = b->p->seed,
                         .stream = stream};
        WNI_TRY(wni_share(ctx, &s, share + first));
    }
    for (int64_t i = 0; i < children; i++)
        b->quota[t][id[i]] = share[i];
    st = WN_OK;
done:
    wni_free(ctx, begin);
    wni_free(ctx, id);
    wni_free(ctx, capacity);
    wni_free(ctx, share);
    return st;
}

/* ---- picking ----------------------------------------------------------------------------------- */

/* Every row of a cluster is taken quota / rows times; what is left of the quota is picked. */
static wn_status pick_rows(wn_ctx *ctx, balancing *b)
{
    const wn_partition *fine = b->tree->level[0];
    int64_t n = fine->n, k = fine->k, rows = 0, *size = NULL, *more = NULL;
    wni_picking p = {.how = (wn_pick)b->p->pick,
                     .groups = {n, fine->k, fine->labels},
                     .pool = b->pool,
                     .centers = fine->centers,
                     .seed = b->p->seed};
    wn_selection *s = b->selection;
    uint8_t *rule = NULL;
    wn_status st;

    WNI_NEW(ctx, rule, n);
    WNI_NEW(ctx, size, k);
    WNI_NEW0(ctx, more, k);
    wni_progress(ctx, "picking rows", 0, n);
    wni_open_all(&p.groups, rule);
    wni_count_open(&p.groups, rule, size);
    for (int64_t c = 0; c < k; c++)
        if (size[c]) more[c] = b->quota[0][c] % size[c];
    p.quota = more;
    WNI_TRY(wni_pick_rows(ctx, &p, rule));
    for (int64_t i = 0; i < n; i++) {
        int32_t c = fine->labels[i], copies = 0;
        if (c >= 0) copies = (int32_t)(b->quota[0][c] / size[c] + (rule[i] == WN_WHY_KEPT));
        s->why[i] = (wn_why){-1, __builtin_nanf(""), c,
                             c < 0    ? WN_WHY_NO_CLUSTER
                             : copies ? WN_WHY_KEPT
                                      : WN_WHY_QUOTA,
                             copies};
        for (int32_t copy = 0; copy < copies; copy++) {
            s->weights[rows] = 1;
            s->rows[rows++] = i;
        }
    }
    wni_progress(ctx, "picking rows", n, n);
    if (rows != s->size)
        st = wni_fail(ctx, WN_E_INTERNAL, "select balanced: %lld rows picked, %lld asked for",
                      (long long)rows, (long long)s->size);
done:
    wni_free(ctx, rule);
    wni_free(ctx, size);
    wni_free(ctx, more);
    return st;
}

/* ---- the method -------------------------------------------------------------------------------- */

static wn_status too_many(wn_ctx *ctx, const wn_select_balanced_params *p, int64_t rows)
{
    int64_t repeat = rows ? p->size / rows + (p->size % rows != 0) : 0;

    if (rows == 0 || repeat > 1000000)
        return wni_fail(ctx, WN_E_DATA,
                        "select balanced: size is %lld but %lld rows are there to "
                        "choose from: lower --size",
                        (long long)p->size, (long long)rows);
    return wni_fail(ctx, WN_E_DATA,
                    "select balanced: size is %lld but %lld rows taken at most %lld time%s make "
                    "%lld: lower --size, or give --max-repeat %lld to repeat rows",
                    (long long)p->size, (long long)rows, (long long)p->max_repeat,
                    p->max_repeat == 1 ? "" : "s", (long long)(rows * p->max_repeat),
                    (long long)repeat);
}

static wn_status balanced_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                   wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), ld = wni_ld(wn_pool_dim(in->pool)), clusters = 0, most = 0;
    wn_select_balanced_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_balanced, params, &p));
    if (p.size > n * p.max_repeat) return too_many(ctx, &p, n);
    for (int32_t t = 0; t < in->tree->levels; t++) {
        clusters += in->tree->level[t]->k;
        most = wni_max(most, in->tree->level[t]->k);
    }
    *out = (wn_estimate){0};
    out->peak_bytes =
        n * (int64_t)(sizeof(wn_why) + 1) + p.size * 12 + clusters * 16 + most * 48 +
        wni_pick_bytes(ctx, (wn_pick)p.pick, n, wn_pool_dim(in->pool), in->tree->level[0]->k, 0) +
        65536;
    if (p.pick != WN_PICK_RANDOM) {
        out->flops = 3.0 * (double)n * (double)ld;
        out->bytes_read = (double)n * (double)wn_pool_dim(in->pool) *
                          (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
    }
done:
    return st;
}

static wn_status balanced_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                              wn_selection **out)
{
    wn_select_balanced_params p;
    balancing b = {.tree = in->tree, .p = &p};
    wn_pool *pool = NULL;
    int64_t rows = 0;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_balanced, params, &p));
    WNI_TRY(count_capacity(ctx, &b));
    for (int32_t c = 0; c < in->tree->level[0]->k; c++)
        rows += b.capacity[0][c] / p.max_repeat;
    if (p.size > rows * p.max_repeat) {
        st = too_many(ctx, &p, rows);
        goto done;
    }
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, in->tree->metric, &pool));
    b.pool = pool;
    WNI_TRY(wn_selection_new(ctx, wn_pool_rows(pool), p.size, &b.selection));
    for (int32_t t = in->tree->levels - 1; t >= 0; t--)
        WNI_TRY(share_level(ctx, &b, t));
    WNI_TRY(pick_rows(ctx, &b));
    *out = b.selection;
    b.selection = NULL;
done:
    for (int32_t t = 0; t < WN_TREE_LEVELS; t++) {
        wni_free(ctx, b.capacity[t]);
        wni_free(ctx, b.quota[t]);
    }
    wn_selection_free(b.selection);
    wn_pool_free(pool);
    return st;
}

wn_status wn_select_balanced(wn_ctx *ctx, const wn_select_input *in,
                             const wn_select_balanced_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_balanced, in, params, out);
}

static const wn_select_ops ops = {balanced_estimate, balanced_run};

const wn_method wni_method_select_balanced = {
    .family = "select",
    .name = "balanced",
    .summary = "the same number of rows from every branch of a tree of clusters",
    .papers = "vo2024",
    .cost = "one pass over the rows (none for random picks); 41 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_balanced_params),
    .ops = &ops,
    .inputs = "pool tree",
};
