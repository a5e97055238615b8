/* SPDX-License-Identifier: Apache-2.0
 *
 * The general selection: limits on scores, a budget shared over groups, a pick inside each group, and for
 * scores that cannot be trusted alone a random share with weights.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "base/rng.h"
#include "select/allocate.h"
#include "select/calibrate.h"
#include "select/group_stats.h"
#include "select/select_rows.h"

extern const wn_method wni_method_select_stratified;

WN_PARAM_TABLE(wn_select_stratified_params, WN_SELECT_STRATIFIED_PARAMS);

#define NEAR_CENTERS 20 /* that the complexity of a group looks at */

typedef struct stratifying {
    const wn_select_input *in;
    const wn_select_stratified_params *p;
    wni_grouping g;
    int64_t n, size;

    wn_pool *pool, *target; /* under the metric of the tree when there is one */
    uint8_t *rule;          /* (n) */
    int64_t *open, *quota;  /* (k) */
    int64_t *count;         /* (k) rows of each group */
    float *centers;         /* (k, d); NULL = not needed */
    double *weight;         /* (k) of complexity, target, quota; else NULL */
    float *weights;         /* (n) with random_share, else NULL */
    wni_cover cover;
} stratifying;

/* ---- what it needs ----------------------------------------------------------------------------------- */

static bool picks_by_score(int32_t pick)
{
    return pick == WN_PICK_TOP || pick == WN_PICK_BOTTOM || pick == WN_PICK_BAND ||
           pick == WN_PICK_THRESHOLD;
}

static bool picks_by_distance(int32_t pick)
{
    return pick == WN_PICK_CLOSEST || pick == WN_PICK_FARTHEST || pick == WN_PICK_K_CENTER ||
           pick == WN_PICK_HERDING;
}

static bool picks_on_graph(int32_t pick)
{
    return pick == WN_PICK_FACILITY_LOCATION || pick == WN_PICK_GRAPH_CUT;
}

static bool needs_centers(const wn_select_stratified_params *p)
{
    return p->pick == WN_PICK_CLOSEST || p->pick == WN_PICK_FARTHEST ||
           p->pick == WN_PICK_HERDING || p->allocate == WN_SHARE_COMPLEXITY ||
           p->allocate == WN_SHARE_TARGET;
}

static bool covers(const wn_select_stratified_params *p)
{
    return p->pick == WN_PICK_K_CENTER || picks_on_graph(p->pick);
}

static wn_status lacks(wn_ctx *ctx, const char *param, int32_t choice, const char *what)
{
    const wn_param *p = wni_param_find(&wni_method_select_stratified, param);
    const char *word = p->text;

    for (int32_t i = 0; i < choice; i++)
        word = strchr(word, '|') + 1;
    return wni_fail(ctx, WN_E_USAGE, "select stratified: %s is %.*s, which needs %s", param,
                    (int)strcspn(word, "|"), word, what);
}

static wn_status check_needs(wn_ctx *ctx, const wn_select_input *in,
                             const wn_select_stratified_params *p)
{
    bool groups = in->groups || in->tree;

    if (in->groups && in->tree)
        return wni_fail(ctx, WN_E_USAGE,
                        "select stratified: found groups and a tree, expected one of them: leave "
                        "out --groups or --tree");
    if (in->groups && in->groups->classes == 1 && in->groups->n > 1)
        return wni_fail(ctx, WN_E_DATA,
                        "select stratified: all rows are in one group, '%s', expected two or more "
                        "to share the size over: look at --groups, or leave it out",
                        in->groups->names[0]);
    if (wni_select_rows(in) < 0 || (!in->pool && !in->scores && !in->groups && !in->graph))
        return wni_fail(ctx, WN_E_USAGE,
                        "select stratified: found no rows: give a pool, --scores, --groups or "
                        "--graph");
    if (picks_by_score(p->pick) && !in->scores)
        return lacks(ctx, "pick", p->pick, "scores: give --scores");
    if (picks_by_distance(p->pick) && !in->pool)
        return lacks(ctx, "pick", p->pick, "vectors: give the pool");
    if (picks_on_graph(p->pick) && !in->graph)
        return lacks(ctx, "pick", p->pick, "neighbours: give --graph, made by `winnow graph`");
    if (p->allocate != WN_SHARE_PROPORTIONAL && !groups)
        return lacks(ctx, "allocate", p->allocate, "groups: give --groups or --tree");
    if (p->allocate == WN_SHARE_COMPLEXITY && !in->pool)
        return lacks(ctx, "allocate", p->allocate, "vectors: give the pool");
    if (p->allocate == WN_SHARE_TARGET && !(in->pool && in->target))
        return lacks(ctx, "allocate", p->allocate, "the pool and a target: give --target");
    if (p->allocate == WN_SHARE_QUOTA && !in->quota)
        return lacks(ctx, "allocate", p->allocate, "quotas: give --quota");
    if (p->band_low > p->band_high)
        return wni_fail(ctx, WN_E_USAGE,
                        "select stratified: band_low is %g, above band_high %g: swap them",
                        p->band_low, p->band_high);
    if (p->size > 0 && p->fraction > 0)
        return wni_fail(ctx, WN_E_USAGE,
                        "select stratified: found size %lld and fraction %g, expected one of them",
                        (long long)p->size, p->fraction);
    if (p->allocate == WN_SHARE_QUOTA && p->size == 0 && p->fraction == 0 &&
        (p->floor > 0 || p->cap > 0))
        return wni_fail(ctx, WN_E_USAGE,
                        "select stratified: quotas say how many rows each group gives, so floor "
                        "and cap have no use: leave them out, or give --size");
    if (p->size == 0 && p->fraction == 0 && p->allocate != WN_SHARE_QUOTA &&
        p->pick != WN_PICK_BAND && p->pick != WN_PICK_THRESHOLD)
        return wni_fail(ctx, WN_E_USAGE,
                        "select stratified: how many rows? give --size or --fraction");
    return WN_OK;
}

static wni_grouping grouping_of(const wn_select_input *in)
{
    wni_grouping g = {wni_select_rows(in), 1, NULL};

    if (in->groups) {
        g.k = in->groups->classes;
        g.of = in->groups->v;
    } else if (in->tree) {
        g.k = in->tree->level[0]->k;
        g.of = in->tree->level[0]->labels;
    }
    return g;
}

static wn_status check_quota(wn_ctx *ctx, const wn_select_input *in, const wni_grouping *g)
{
    if (in->n_quota != g->k)
        return wni_fail(ctx, WN_E_DATA,
                        "select stratified: found %lld quotas for %d groups, expected one for each",
                        (long long)in->n_quota, (int)g->k);
    for (int64_t c = 0; c < in->n_quota; c++)
        if (in->quota[c] < 0)
            return wni_fail(ctx, WN_E_DATA,
                            "select stratified: the quota of group %lld is %lld, expected 0 or "
                            "more",
                            (long long)c, (long long)in->quota[c]);
    return WN_OK;
}

/* ---- how many -------------------------------------------------------------------------------------------- */

/* What the parameters say; 0 = it depends on the scores (or nothing is left). */
static int64_t size_asked(const wn_select_input *in, const wn_select_stratified_params *p)
{
    int64_t n = wni_select_rows(in), sum = 0;

    if (p->size > 0) return p->size;
    if (p->fraction > 0) return wni_max(1, (int64_t)(p->fraction * (double)n + 0.5));
    if (p->allocate == WN_SHARE_QUOTA)
        for (int64_t c = 0; c < in->n_quota; c++)
            sum += in->quota[c];
    return sum;
}

static wn_status limit_rows(wn_ctx *ctx, stratifying *s)
{
    const wn_select_stratified_params *p = s->p;
    wn_status st = WN_OK;

    wni_open_all(&s->g, s->rule);
    if (p->pick == WN_PICK_THRESHOLD)
        wni_limit_below(s->n, s->in->scores->v, p->min_score, s->rule);
    if (p->pick == WN_PICK_BAND)
        WNI_TRY(wni_limit_band(ctx, &s->g, s->in->scores->v, p->band_low, p->band_high, s->rule));
    wni_count_open(&s->g, s->rule, s->open);
    s->size = size_asked(s->in, p);
    if (s->size == 0)
        for (int32_t c = 0; c < s->g.k; c++)
            s->size += s->open[c];
done:
    return st;
}

/* ---- budgets ------------------------------------------------------------------------------------------------ */

/* The tree's own centres; the means of the groups where there is no tree, or where the mean counts and not the
 * direction. */
static wn_status find_centers(wn_ctx *ctx, stratifying *s)
{
    int64_t d = wn_pool_dim(s->pool);
    wn_status st;

    WNI_NEW(ctx, s->centers, s->g.k * d);
    WNI_NEW(ctx, s->count, s->g.k);
    if (s->in->tree && s->p->pick != WN_PICK_HERDING) {
        memcpy(s->centers, s->in->tree->level[0]->centers,
               (size_t)(s->g.k * d) * sizeof *s->centers);
        memset(s->count, 0, (size_t)s->g.k * sizeof *s->count);
        for (int64_t i = 0; i < s->n; i++)
            if (wni_group_of(&s->g, i) >= 0) s->count[wni_group_of(&s->g, i)]++;
        return WN_OK;
    }
    st = wni_group_means(ctx, s->pool, &s->g, s->centers, s->count);
done:
    return st;
}

/* Centres as directions under WN_COSINE: for nearest centres and their distances. */
static wn_status weigh_groups(wn_ctx *ctx, stratifying *s)
{
    int64_t d = s->pool ? wn_pool_dim(s->pool) : 0;
    float *unit = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, s->weight, s->g.k);
    if (s->p->allocate == WN_SHARE_QUOTA) {
        for (int32_t c = 0; c < s->g.k; c++)
            s->weight[c] = (double)s->in->quota[c];
        return WN_OK;
    }
    WNI_NEW(ctx, unit, s->g.k * d);
    memcpy(unit, s->centers, (size_t)(s->g.k * d) * sizeof *unit);
    if (wn_pool_metric(s->pool) == WN_COSINE) wni_unit_rows(unit, s->g.k, d);
    if (s->p->allocate == WN_SHARE_COMPLEXITY)
        WNI_TRY(wni_group_complexity(ctx, s->pool, &s->g, unit, s->count, NEAR_CENTERS, s->weight));
    else
        WNI_TRY(wni_group_match(ctx, s->target, s->g.k, unit, s->count, s->weight));
done:
    wni_free(ctx, unit);
    return st;
}

static wn_status share_budget(wn_ctx *ctx, stratifying *s)
{
    const wn_select_stratified_params *p = s->p;
    wni_allocation a = {.what = "select stratified",
                        .groups = s->g.k,
                        .rows = s->open,
                        .quota = s->in->quota,
                        .names = s->in->groups ? (const char *const *)s->in->groups->names : NULL,
                        .size = s->size,
                        .floor = p->floor,
                        .cap = p->cap,
                        .seed = p->seed,
                        .stream = wni_stream("select-remainder", 0, 0)};
    wn_status st = WN_OK;

    if (p->allocate == WN_SHARE_EQUAL) a.rule = WNI_ALLOCATE_EQUAL;
    if (p->allocate == WN_SHARE_QUOTA && p->size == 0 && p->fraction == 0) {
        a.rule = WNI_ALLOCATE_QUOTA;
    } else if (p->allocate > WN_SHARE_EQUAL) {
        WNI_TRY(weigh_groups(ctx, s));
        a.rule = WNI_ALLOCATE_WEIGHTS;
        a.weights = s->weight;
    }
    st = wni_allocate(ctx, &a, s->quota);
done:
    return st;
}

/* ---- the rows ----------------------------------------------------------------------------------------------- */

static wn_status pick(wn_ctx *ctx, stratifying *s)
{
    const wn_select_stratified_params *p = s->p;
    wni_picking picking = {.how = (wn_pick)p->pick,
                           .groups = s->g,
                           .quota = s->quota,
                           .scores = s->in->scores ? s->in->scores->v : NULL,
                           .pool = s->pool,
                           .centers = s->centers,
                           .graph = s->in->graph,
                           .seed = p->seed};
    wn_status st;

    if (covers(p)) {
        WNI_NEW(ctx, s->cover.partner, s->n);
        WNI_NEW(ctx, s->cover.similarity, s->n);
        for (int64_t i = 0; i < s->n; i++)
            s->cover.partner[i] = -1;
        picking.cover = &s->cover;
    }
    wni_progress(ctx, "picking rows", 0, s->size);
    if (p->random_share > 0) {
        WNI_NEW(ctx, s->weights, s->n);
        WNI_TRY(wni_pick_calibrated(ctx, &picking, p->random_share, s->rule, s->weights));
    } else {
        WNI_TRY(wni_pick_rows(ctx, &picking, s->rule));
    }
    wni_progress(ctx, "picking rows", s->size, s->size);
done:
    return st;
}

static wn_status fill(wn_ctx *ctx, const stratifying *s, wn_selection *out)
{
    int64_t rows = 0;
    wn_status st;

    for (int64_t i = 0; i < s->n; i++) {
        int32_t c = wni_group_of(&s->g, i);
        wn_why why = {-1, NAN, s->g.of ? c : -1, s->rule[i], s->rule[i] == WN_WHY_KEPT};
        if (i % 65536 == 0 && (st = wni_poll(ctx)) != WN_OK) return st;
        if (why.rule == WN_WHY_COVERED && s->cover.partner && s->cover.partner[i] >= 0) {
            why.partner = s->cover.partner[i];
            why.similarity = s->cover.similarity[i];
        }
        if (why.rule == WN_WHY_QUOTA && s->p->allocate == WN_SHARE_TARGET && s->weight[c] == 0)
            why.rule = WN_WHY_OFF_TARGET;
        out->why[i] = why;
        if (!why.copies) continue;
        if (rows == out->size) break;
        out->weights[rows] = s->weights ? s->weights[i] : 1.0f;
        out->rows[rows++] = i;
    }
    if (rows == out->size) return WN_OK;
    return wni_fail(ctx, WN_E_INTERNAL, "select stratified: %lld rows picked, %lld asked for",
                    (long long)rows, (long long)out->size);
}

/* ---- the method ---------------------------------------------------------------------------------------------- */

static wn_status stratified_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                     wn_estimate *out)
{
    int64_t n, d, edges, m, size, picking, answer;
    wn_select_stratified_params p;
    wni_grouping g;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_stratified, params, &p));
    WNI_TRY(check_needs(ctx, in, &p));
    g = grouping_of(in);
    if (p.allocate == WN_SHARE_QUOTA) WNI_TRY(check_quota(ctx, in, &g));
    n = g.n;
    d = in->pool ? wn_pool_dim(in->pool) : 0;
    edges = in->graph ? in->graph->edges : 0;
    m = in->target ? wn_pool_rows(in->target) : 0;
    size = size_asked(in, &p);
    if (size > n && p.size == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "select stratified: the quotas add up to %lld but %lld rows are there to "
                        "choose from",
                        (long long)size, (long long)n);
    if (size > n)
        return wni_fail(ctx, WN_E_DATA,
                        "select stratified: size is %lld but %lld rows are there to choose from: "
                        "lower --size",
                        (long long)size, (long long)n);
    if (size == 0) size = n;
    picking = wni_pick_bytes(ctx, (wn_pick)p.pick, n, d, g.k, edges);
    if (p.random_share > 0)
        picking = n + wni_max(picking, wni_pick_bytes(ctx, WN_PICK_RANDOM, n, 0, g.k, 0));
    if (p.allocate == WN_SHARE_COMPLEXITY || p.allocate == WN_SHARE_TARGET || needs_centers(&p))
        picking = wni_max(picking, wni_group_stats_bytes(ctx, d, g.k, m) + g.k * d * 4);
    if (in->pool) /* the check of its rows, before anything else */
        picking =
            wni_max(picking, wn_ctx_threads(ctx) * (((int64_t)1 << 18) + 8 * wni_ld(d)) + 65536);
    answer = n * (int64_t)sizeof(wn_why) + size * 12; /* made when the lists of the pick are gone */
    *out = (wn_estimate){0};
    out->peak_bytes = n + wni_max(picking, answer) + g.k * (int64_t)(80 + 4 * d) +
                      (p.random_share > 0 ? 4 * n : 0) + (covers(&p) ? 12 * n : 0) + 65536;
    if (in->pool && (needs_centers(&p) || picks_by_distance(p.pick))) {
        double passes = p.pick == WN_PICK_K_CENTER || p.pick == WN_PICK_HERDING
                            ? (double)size + 1
                            : 2; /* at most: of all rows in one group */
        out->flops = passes * 3.0 * (double)n * (double)d;
        out->bytes_read =
            passes * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
    }
done:
    return st;
}

static void warn_unused(wn_ctx *ctx, const wn_select_input *in,
                        const wn_select_stratified_params *p)
{
    const struct {
        bool given, used;
        const char *what;
    } inputs[] = {{in->scores, picks_by_score(p->pick), "scores"},
                  {in->graph, picks_on_graph(p->pick), "graph"},
                  {in->target, p->allocate == WN_SHARE_TARGET, "target"},
                  {in->quota, p->allocate == WN_SHARE_QUOTA, "quota"}};

    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        if (inputs[i].given && !inputs[i].used)
            wni_log(ctx, WN_LOG_WARN,
                    "select stratified: %s given, but neither pick nor allocate reads it",
                    inputs[i].what);
}

static wn_status open_pools(wn_ctx *ctx, stratifying *s)
{
    const wn_select_input *in = s->in;
    wn_metric metric;
    wn_status st = WN_OK;

    if (!in->pool) return WN_OK;
    metric = in->tree ? in->tree->metric : wn_pool_metric(in->pool);
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, metric, &s->pool));
    if (in->target) WNI_TRY(wn_pool_with_metric(ctx, in->target, metric, &s->target));
done:
    return st;
}

static wn_status stratified_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                wn_selection **out)
{
    wn_select_stratified_params p;
    stratifying s = {.in = in, .p = &p};
    wn_selection *selection = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_stratified, params, &p));
    WNI_TRY(check_needs(ctx, in, &p));
    s.g = grouping_of(in);
    s.n = s.g.n;
    if (p.allocate == WN_SHARE_QUOTA) WNI_TRY(check_quota(ctx, in, &s.g));
    warn_unused(ctx, in, &p);
    WNI_TRY(open_pools(ctx, &s));
    WNI_NEW(ctx, s.rule, s.n);
    WNI_NEW(ctx, s.open, s.g.k);
    WNI_NEW(ctx, s.quota, s.g.k);
    WNI_TRY(limit_rows(ctx, &s));
    if (needs_centers(&p)) WNI_TRY(find_centers(ctx, &s));
    WNI_TRY(share_budget(ctx, &s));
    WNI_TRY(pick(ctx, &s));
    WNI_TRY(wn_selection_new(ctx, s.n, s.size, &selection));
    WNI_TRY(fill(ctx, &s, selection));
    *out = selection;
    selection = NULL;
done:
    wn_selection_free(selection);
    wni_free(ctx, s.rule);
    wni_free(ctx, s.open);
    wni_free(ctx, s.quota);
    wni_free(ctx, s.count);
    wni_free(ctx, s.centers);
    wni_free(ctx, s.weight);
    wni_free(ctx, s.weights);
    wni_free(ctx, s.cover.partner);
    wni_free(ctx, s.cover.similarity);
    wn_pool_free(s.pool);
    wn_pool_free(s.target);
    return st;
}

wn_status wn_select_stratified(wn_ctx *ctx, const wn_select_input *in,
                               const wn_select_stratified_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_stratified, in, params, out);
}

static const wn_select_ops ops = {stratified_estimate, stratified_run};

const wn_method wni_method_select_stratified = {
    .family = "select",
    .name = "stratified",
    .summary = "a budget shared over groups, and a pick inside each: by chance, score, distance or "
               "graph",
    .papers = "neyman1934 gonzalez1985 welling2009 chen2010 minoux1978 iyer2013 abbas2024 ayed2023 "
              "horvitz1952",
    .cost = "O(n) for chance and scores, one pass over the rows for distances, one per picked row "
            "for k-center and herding; 25 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_stratified_params),
    .ops = &ops,
    .inputs = "pool? scores? groups? tree? graph? target? quota?",
};
