/* SPDX-License-Identifier: Apache-2.0
 *
 * The main job as a recipe over four parts: exact duplicates out, near duplicates out, hierarchical
 * k-means over the rows left, a balanced sample of its clusters: vo2024, section 3, with abbas2023 before.
 */
#include <string.h>

#include "base/ctx_impl.h"
#include "winnow/curate.h"

#define POLL_MASK 0xFFFFF /* rows of a plain loop between two looks at the cancel flag */

/* ---- what can be said before any work ------------------------------------------------------------ */

static wn_status check_sizes(wn_ctx *ctx, const wn_curate_input *in,
                             const wn_curate_balanced_params *p)
{
    int64_t n = wn_pool_rows(in->pool);

    if (n == 0) return wni_fail(ctx, WN_E_DATA, "curate: the pool has no rows");
    if (p->levels > 0 && p->k.count > 0)
        return wni_fail(ctx, WN_E_USAGE,
                        "--levels and --k are both given: --k says the levels with their clusters, "
                        "--levels only how many; give one of them");
    if (p->size > n * p->max_repeat)
        return wni_fail(
            ctx, WN_E_DATA,
            "curate: size is %lld, the pool has %lld rows and max-repeat is %lld: lower "
            "--size or raise --max-repeat",
            (long long)p->size, (long long)n, (long long)p->max_repeat);
    if (p->k.count > 0 && p->k.at[0] > n)
        return wni_fail(ctx, WN_E_DATA, "curate: k is %lld, the pool has %lld rows: lower --k",
                        (long long)p->k.at[0], (long long)n);
    return WN_OK;
}

/* The same again when the duplicates are gone. */
static wn_status check_left(wn_ctx *ctx, const wn_curate_balanced_params *p, int64_t n,
                            const wn_curation *c)
{
    int64_t exact = n - c->exact->kept, near = n - c->near->kept;

    if (p->size > c->n_left * p->max_repeat)
        return wni_fail(
            ctx, WN_E_DATA,
            "curate: size is %lld, but of %lld rows %lld exact and %lld near duplicates "
            "go and %lld are left: lower --size, raise --max-repeat (%lld), or raise "
            "--min-similarity (%g)",
            (long long)p->size, (long long)n, (long long)exact, (long long)near,
            (long long)c->n_left, (long long)p->max_repeat, p->min_similarity);
    if (p->k.count > 0 && p->k.at[0] > c->n_left)
        return wni_fail(
            ctx, WN_E_DATA,
            "curate: k is %lld, but of %lld rows %lld exact and %lld near duplicates go "
            "and %lld are left: lower --k, or raise --min-similarity (%g)",
            (long long)p->k.at[0], (long long)n, (long long)exact, (long long)near,
            (long long)c->n_left, p->min_similarity);
    return WN_OK;
}

/* ---- parameters of the parts ------------------------------------------------------------------------ */

static const wn_method *part(const char *family, const char *name, void *params)
{
    const wn_method *method = wn_method_find(family, name);

    wn_params_init(method, params);
    return method;
}

static const wn_method *semantic_part(const wn_curate_balanced_params *p,
                                      wn_dedup_semantic_params *out)
{
    const wn_method *method = part("dedup", "semantic", out);

    out->min_similarity = p->min_similarity;
    out->rule = p->rule;
    out->seed = p->seed;
    return method;
}

/* With k empty and a number of levels asked for: one level has 100 rows a cluster; of more, the finest has
 * 40, and each coarser one a tenth of the clusters. A level of one cluster is the last, so that few rows may
 * have fewer levels than were asked for. */
static void choose_k(wn_list *k, int32_t levels, int64_t n)
{
    int64_t clusters = wni_max(n / (levels == 1 ? 100 : 40), 1);

    if (k->count > 0) return;
    for (; k->count < levels && clusters > 0; clusters /= 10)
        k->at[k->count++] = clusters;
}

static const wn_method *hkmeans_part(const wn_curate_balanced_params *p, int64_t n,
                                     wn_hkmeans_params *out)
{
    const wn_method *method = part("cluster", "hkmeans", out);

    out->k = p->k;
    choose_k(&out->k, p->levels, n);
    out->resample_steps = p->resample_steps;
    out->max_iter = p->max_iter;
    out->seed = p->seed;
    return method;
}

static const wn_method *select_part(const wn_curate_balanced_params *p,
                                    wn_select_balanced_params *out)
{
    const wn_method *method = part("select", "balanced", out);

    out->size = p->size;
    out->pick = p->pick;
    out->max_repeat = p->max_repeat;
    out->seed = p->seed;
    return method;
}

/* ---- the parts, one after the other -------------------------------------------------------------- */

/* The rows `keep` marks, ascending. */
static wn_status list_kept(wn_ctx *ctx, const wn_dedup *exact, const wn_dedup *near, int64_t **rows,
                           int64_t *count)
{
    int64_t *list = NULL, n = exact->n, m = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n; i++)
        m += exact->partner[i] == i && (!near || near->partner[i] == i);
    WNI_NEW(ctx, list, m);
    m = 0;
    for (int64_t i = 0; i < n; i++)
        if (exact->partner[i] == i && (!near || near->partner[i] == i)) list[m++] = i;
    *rows = list;
    *count = m;
done:
    return st;
}

/* A pool of the rows listed; the pool itself (and *view NULL) when that is all of them. */
static wn_status narrow(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t m,
                        wn_pool **view, const wn_pool **narrowed)
{
    wn_status st = WN_OK;

    *view = NULL;
    *narrowed = pool;
    if (m == wn_pool_rows(pool)) return WN_OK;
    st = wn_pool_view(ctx, pool, rows, m, view);
    *narrowed = *view;
    return st;
}

/* Near duplicates among the survivors of `exact`, told in row numbers of the pool. */
static wn_status find_near(wn_ctx *ctx, const wn_pool *pool, const wn_curate_balanced_params *p,
                           wn_curation *c)
{
    int64_t *rows = NULL, m = 0;
    wn_dedup_semantic_params params;
    wn_dedup_input in = {.struct_size = sizeof in};
    wn_pool *view = NULL;
    wn_dedup *found = NULL;
    wn_status st;

    semantic_part(p, &params);
    WNI_TRY(list_kept(ctx, c->exact, NULL, &rows, &m));
    WNI_TRY(narrow(ctx, pool, rows, m, &view, &in.pool));
    WNI_TRY(wn_dedup_semantic(ctx, &in, &params, &found));
    if (!view) {
        c->near = found;
        found = NULL;
        goto done;
    }
    WNI_TRY(wn_dedup_new(ctx, c->exact->n, &c->near));
    for (int64_t i = 0; i < c->near->n; i++) {
        if ((i & POLL_MASK) == 0) WNI_TRY(wni_poll(ctx));
        c->near->partner[i] = i;
        c->near->similarity[i] = 1;
    }
    for (int64_t j = 0; j < m; j++) {
        if ((j & POLL_MASK) == 0) WNI_TRY(wni_poll(ctx));
        c->near->partner[rows[j]] = rows[found->partner[j]];
        c->near->similarity[rows[j]] = found->similarity[j];
    }
    c->near->kept = c->exact->n - (m - found->kept);
    c->near->report = found->report;
done:
    wn_dedup_free(found);
    wn_pool_free(view);
    wni_free(ctx, rows);
    return st;
}

/* One why per row of the pool from the three parts' findings; `sub` is over the rows left. */
static wn_status merge_why(wn_ctx *ctx, const wn_curation *c, const wn_selection *sub,
                           wn_selection *all)
{
    wn_status st = WN_OK;

    for (int64_t j = 0; j < c->n_left; j++) {
        if ((j & POLL_MASK) == 0) WNI_TRY(wni_poll(ctx));
        all->why[c->left[j]] = sub->why[j];
        if (sub->why[j].partner >= 0) all->why[c->left[j]].partner = c->left[sub->why[j].partner];
    }
    for (int64_t i = 0; i < all->n; i++) {
        bool exact = c->exact->partner[i] != i, near = c->near->partner[i] != i;
        int64_t partner;

        if ((i & POLL_MASK) == 0) WNI_TRY(wni_poll(ctx));
        if (!exact && !near) continue;
        partner = exact ? c->exact->partner[i] : c->near->partner[i];
        /* A partner is an earlier row, so its own line is written. */
        all->why[i] = (wn_why){
            .partner = partner,
            .similarity = exact ? c->exact->similarity[i] : c->near->similarity[i],
            .cluster = partner < i ? all->why[partner].cluster : -1,
            .rule = exact ? WN_WHY_EXACT_DUPLICATE : WN_WHY_NEAR_DUPLICATE,
        };
    }
done:
    return st;
}

static wn_status cluster_and_select(wn_ctx *ctx, const wn_pool *pool,
                                    const wn_curate_balanced_params *p, wn_curation *c)
{
    wn_cluster_input cluster_in = {.struct_size = sizeof cluster_in};
    wn_select_input select_in = {.struct_size = sizeof select_in};
    wn_hkmeans_params hkmeans;
    wn_select_balanced_params select;
    wn_selection *sub = NULL;
    wn_pool *view = NULL;
    wn_status st;

    hkmeans_part(p, c->n_left, &hkmeans);
    select_part(p, &select);
    WNI_TRY(narrow(ctx, pool, c->left, c->n_left, &view, &cluster_in.pool));
    WNI_TRY(wn_hkmeans(ctx, &cluster_in, &hkmeans, &c->tree));
    select_in.pool = cluster_in.pool;
    select_in.tree = c->tree;
    WNI_TRY(wn_select_balanced(ctx, &select_in, &select, &sub));
    if (!view) {
        c->selection = sub;
        sub = NULL;
        goto done;
    }
    WNI_TRY(wn_selection_new(ctx, wn_pool_rows(pool), sub->size, &c->selection));
    for (int64_t s = 0; s < sub->size; s++)
        c->selection->rows[s] = c->left[sub->rows[s]];
    memcpy(c->selection->weights, sub->weights, (size_t)sub->size * sizeof *sub->weights);
    WNI_TRY(merge_why(ctx, c, sub, c->selection));
done:
    wn_selection_free(sub);
    wn_pool_free(view);
    return st;
}

static wn_status run(wn_ctx *ctx, const wn_curate_input *in, const void *params, wn_curation **out)
{
    const wn_curate_balanced_params *p = params;
    wn_dedup_input dedup_in = {.struct_size = sizeof dedup_in, .pool = in->pool};
    wn_curation *c = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(check_sizes(ctx, in, p));
    WNI_NEW0(ctx, c, 1);
    c->ctx = ctx;
    WNI_TRY(wn_dedup_exact(ctx, &dedup_in, NULL, &c->exact));
    WNI_TRY(find_near(ctx, in->pool, p, c));
    WNI_TRY(list_kept(ctx, c->exact, c->near, &c->left, &c->n_left));
    WNI_TRY(check_left(ctx, p, wn_pool_rows(in->pool), c));
    WNI_TRY(cluster_and_select(ctx, in->pool, p, c));
    *out = c;
    c = NULL;
done:
    wn_curation_free(c);
    return st;
}

/* ---- estimate ------------------------------------------------------------------------------------ */

/* The parts run one after the other; what they leave behind stays. */
static wn_status estimate(wn_ctx *ctx, const wn_curate_input *in, const void *params,
                          wn_estimate *out)
{
    const wn_curate_balanced_params *p = params;
    const int64_t n = wn_pool_rows(in->pool), row = sizeof(int64_t);
    const int64_t dedup = row + (int64_t)sizeof(float), why = sizeof(wn_why);
    wn_dedup_input dedup_in = {.struct_size = sizeof dedup_in, .pool = in->pool};
    wn_cluster_input cluster_in = {.struct_size = sizeof cluster_in, .pool = in->pool};
    wn_dedup_exact_params exact_params;
    wn_dedup_semantic_params near_params;
    wn_hkmeans_params hkmeans_params;
    const wn_method *exact = part("dedup", "exact", &exact_params);
    const wn_method *near = semantic_part(p, &near_params);
    const wn_method *hkmeans = hkmeans_part(p, n, &hkmeans_params);
    wn_estimate e[3] = {{0}, {0}, {0}};
    wn_status st;

    WNI_TRY(check_sizes(ctx, in, p));
    WNI_TRY(((const wn_dedup_ops *)exact->ops)->estimate(ctx, &dedup_in, &exact_params, &e[0]));
    WNI_TRY(((const wn_dedup_ops *)near->ops)->estimate(ctx, &dedup_in, &near_params, &e[1]));
    WNI_TRY(
        ((const wn_cluster_ops *)hkmeans->ops)->estimate(ctx, &cluster_in, &hkmeans_params, &e[2]));
    /* Beside near: exact, the list of survivors, near's copy. Beside hkmeans: both and the rows left. Then
     * labels, and the selection twice: over the rows left and over the pool. */
    out->peak_bytes = wni_max(e[0].peak_bytes, n * (dedup + row + dedup) + e[1].peak_bytes);
    out->peak_bytes = wni_max(out->peak_bytes, n * (2 * dedup + row) + e[2].peak_bytes);
    out->peak_bytes = wni_max(out->peak_bytes, n * (2 * dedup + row + 4 + 2 * why + 2 * row) +
                                                   2 * p->size * (row + (int64_t)sizeof(float)));
    out->flops = e[0].flops + e[1].flops + e[2].flops;
    out->bytes_read = e[0].bytes_read + e[1].bytes_read + e[2].bytes_read;
done:
    return st;
}

/* ---- the method ---------------------------------------------------------------------------------- */

static const wn_curate_ops ops = {estimate, run};

WN_PARAM_TABLE(wn_curate_balanced_params, WN_CURATE_BALANCED_PARAMS);

const wn_method wni_method_curate_balanced = {
    .family = "curate",
    .name = "balanced",
    .summary = "duplicates out, hierarchical k-means, a balanced sample",
    .papers = "vo2024 abbas2023",
    .cost = "time of dedup semantic + cluster hkmeans; O(n) memory beside theirs",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_curate_balanced_params),
    .ops = &ops,
};

wn_status wn_curate_balanced(wn_ctx *ctx, const wn_curate_input *in,
                             const wn_curate_balanced_params *params, wn_curation **out)
{
    return wn_curate_run(ctx, &wni_method_curate_balanced, in, params, out);
}
