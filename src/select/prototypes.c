/* SPDX-License-Identifier: Apache-2.0
 *
 * Self-supervised prototypes: rows by their distance to the centre of their cluster, sorscher2022. With dedup
 * first and the clusters made of what is left: D4, tirumala2023.
 */
#include "base/param.h"
#include "select/recipe.h"
#include "winnow/dedup.h"

extern const wn_method wni_method_select_prototypes;

WN_PARAM_TABLE(wn_select_prototypes_params, WN_SELECT_PROTOTYPES_PARAMS);

/* Everything is over the rows of the pool; what works on the rows that are left says so. */
typedef struct prototypes {
    const wn_pool *pool;
    const wn_tree *tree; /* given, or NULL */
    const wn_select_prototypes_params *p;
    int64_t n;

    wn_dedup *dedup;  /* NULL = not asked for */
    int64_t *left;    /* (n_left) rows that it left; NULL = all */
    int64_t n_left;   /* rows to make clusters of */
    uint8_t *rule;    /* (n) */
    int32_t *cluster; /* (n), -1 = none */
    float *scores;    /* (n) similarity to the own centre */
    float *weights;   /* (n) or NULL */
} prototypes;

static const wn_method *dedup_part(const wn_select_prototypes_params *p,
                                   wn_dedup_semantic_params *out)
{
    const wn_method *method = wn_method_find("dedup", "semantic");

    wn_params_init(method, out);
    out->min_similarity = p->min_similarity;
    out->seed = p->seed;
    return method;
}

static wn_status check(wn_ctx *ctx, const wn_select_input *in, const wn_select_prototypes_params *p,
                       int64_t *k)
{
    int64_t n = wn_pool_rows(in->pool);
    wn_status st;

    WNI_TRY(wni_recipe_size(ctx, "prototypes", p->size, n));
    WNI_TRY(wni_recipe_k(ctx, "prototypes", p->k, n, 1, k));
    if (in->tree && p->dedup)
        return wni_fail(ctx, WN_E_USAGE,
                        "select prototypes: with --dedup the clusters are made of the rows that "
                        "are left, so --tree has no use: leave one of them out");
    if (in->tree) *k = 0;
done:
    return st;
}

/* ---- the parts --------------------------------------------------------------------------------- */

static wn_status drop_duplicates(wn_ctx *ctx, prototypes *s)
{
    wn_dedup_input in = {.struct_size = sizeof in, .pool = s->pool};
    wn_dedup_semantic_params p;
    wn_status st;

    dedup_part(s->p, &p);
    WNI_TRY(wn_dedup_semantic(ctx, &in, &p, &s->dedup));
    if (s->dedup->kept < s->p->size || s->dedup->kept < s->p->k) {
        const char *what = s->dedup->kept < s->p->size ? "size" : "k";
        st = wni_fail(ctx, WN_E_DATA,
                      "select prototypes: %s is %lld but of %lld rows %lld are near duplicates and "
                      "%lld are left: lower --%s, or raise --min-similarity (%g)",
                      what, (long long)(*what == 's' ? s->p->size : s->p->k), (long long)s->n,
                      (long long)(s->n - s->dedup->kept), (long long)s->dedup->kept, what,
                      s->p->min_similarity);
        goto done;
    }
    WNI_NEW(ctx, s->left, s->dedup->kept);
    s->n_left = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (s->dedup->partner[i] == i) s->left[s->n_left++] = i;
done:
    return st;
}

/* Cluster and score of every row that is left, or that the given tree holds. */
static wn_status score_rows(wn_ctx *ctx, prototypes *s)
{
    wn_score_input in = {.struct_size = sizeof in, .tree = s->tree, .n = s->n_left};
    wn_scores *scores = NULL;
    wn_pool *view = NULL;
    wn_tree *made = NULL;
    int64_t k;
    wn_status st;

    in.pool = s->pool;
    if (s->left) {
        WNI_TRY(wn_pool_view(ctx, s->pool, s->left, s->n_left, &view));
        in.pool = view;
    }
    if (!s->tree) {
        WNI_TRY(wni_recipe_k(ctx, "prototypes", s->p->k, s->n_left, 1, &k));
        WNI_TRY(wni_recipe_kmeans(ctx, in.pool, k, s->p->seed, &made));
        in.tree = made;
    }
    WNI_TRY(wn_score_prototypicality(ctx, &in, NULL, &scores));
    for (int64_t i = 0; i < s->n; i++) {
        s->cluster[i] = -1;
        s->scores[i] = 0;
    }
    for (int64_t j = 0; j < s->n_left; j++) {
        int64_t i = s->left ? s->left[j] : j;
        s->cluster[i] = in.tree->level[0]->labels[j];
        s->scores[i] = scores->v[j];
    }
done:
    wn_scores_free(scores);
    wn_tree_free(made);
    wn_pool_free(view);
    return st;
}

static wn_status pick(wn_ctx *ctx, prototypes *s)
{
    wni_grouping clusters = {s->n, WN_K_MAX, s->cluster};
    wni_picking p = {.how = s->p->keep == WN_KEEP_HARD ? WN_PICK_BOTTOM : WN_PICK_TOP,
                     .groups = {s->n, 1, NULL},
                     .quota = &s->p->size,
                     .scores = s->scores,
                     .seed = s->p->seed};
    int64_t open;

    wni_open_all(&clusters, s->rule);
    for (int64_t i = 0; s->dedup && i < s->n; i++)
        if (s->dedup->partner[i] != i) s->rule[i] = WN_WHY_NEAR_DUPLICATE;
    wni_count_open(&p.groups, s->rule, &open);
    if (s->p->size > open)
        return wni_fail(ctx, WN_E_DATA,
                        "select prototypes: size is %lld but %lld rows are in a cluster of the "
                        "tree: lower --size",
                        (long long)s->p->size, (long long)open);
    return wni_recipe_pick(ctx, &p, s->p->random_share, s->rule, &s->weights);
}

static wn_status finish(wn_ctx *ctx, prototypes *s, wn_selection **out)
{
    wn_status st = wni_recipe_selection(ctx, s->n, s->rule, s->cluster, s->weights, out);

    for (int64_t i = 0; st == WN_OK && s->dedup && i < s->n; i++) {
        wn_why *why = &(*out)->why[i];
        if (why->rule != WN_WHY_NEAR_DUPLICATE) continue;
        why->partner = s->dedup->partner[i];
        why->similarity = s->dedup->similarity[i];
        why->cluster = s->cluster[why->partner];
    }
    return st;
}

/* ---- the method -------------------------------------------------------------------------------- */

static wn_status prototypes_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                wn_selection **out)
{
    wn_select_prototypes_params p;
    prototypes s = {.pool = in->pool, .tree = in->tree, .p = &p, .n = wn_pool_rows(in->pool)};
    int64_t k;
    wn_status st;

    *out = NULL;
    s.n_left = s.n;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_prototypes, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    wni_recipe_k_unused(ctx, "prototypes", in->tree, p.k);
    if (p.dedup) WNI_TRY(drop_duplicates(ctx, &s));
    WNI_NEW(ctx, s.cluster, s.n);
    WNI_NEW(ctx, s.scores, s.n);
    WNI_TRY(score_rows(ctx, &s));
    WNI_NEW(ctx, s.rule, s.n);
    WNI_TRY(pick(ctx, &s));
    WNI_TRY(finish(ctx, &s, out));
done:
    wn_dedup_free(s.dedup);
    wni_free(ctx, s.left);
    wni_free(ctx, s.rule);
    wni_free(ctx, s.cluster);
    wni_free(ctx, s.scores);
    wni_free(ctx, s.weights);
    return st;
}

/* The parts run one after the other; what they leave behind stays. */
static wn_status prototypes_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                     wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), k, left, tree = 0;
    wn_dedup_input dedup_in = {.struct_size = sizeof dedup_in, .pool = in->pool};
    wn_dedup_semantic_params dedup_params;
    wn_estimate e = {0}, dedup = {0};
    wn_select_prototypes_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_prototypes, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    *out = (wn_estimate){0};
    if (p.dedup) {
        const wn_method *method = dedup_part(&p, &dedup_params);
        WNI_TRY(
            ((const wn_dedup_ops *)method->ops)->estimate(ctx, &dedup_in, &dedup_params, &dedup));
    }
    left = n * (8 + (p.dedup ? 20 : 0)) + 4096; /* clusters and scores; the answer and its rows */
    if (k) {
        WNI_TRY(wni_recipe_kmeans_cost(ctx, in->pool, k, &e));
        tree = wni_recipe_tree_bytes(n, k, d);
    }
    out->flops = e.flops + dedup.flops;
    out->bytes_read = e.bytes_read + dedup.bytes_read;
    out->peak_bytes = wni_max(dedup.peak_bytes, left + e.peak_bytes);
    /* Scores are made beside the tree, with the centres padded. */
    out->peak_bytes =
        wni_max(out->peak_bytes, left + tree + n * 4 +
                                     (k ? k : in->tree->level[0]->k) * (8 + wni_ld(d) * 4) +
                                     wn_ctx_threads(ctx) * ((1 << 19) + wni_ld(d) * 8));
    out->peak_bytes =
        wni_max(out->peak_bytes, left + n + wni_recipe_pick_bytes(ctx, WN_PICK_TOP, n, 0, 1));
    out->peak_bytes =
        wni_max(out->peak_bytes, left + n * 5 + wni_recipe_selection_bytes(n, p.size)) + 65536;
done:
    return st;
}

wn_status wn_select_prototypes(wn_ctx *ctx, const wn_select_input *in,
                               const wn_select_prototypes_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_prototypes, in, params, out);
}

static const wn_select_ops ops = {prototypes_estimate, prototypes_run};

const wn_method wni_method_select_prototypes = {
    .family = "select",
    .name = "prototypes",
    .summary = "rows far from (or near to) the centre of their cluster; D4 with dedup",
    .papers = "sorscher2022 tirumala2023",
    .cost = "k-means (and dedup semantic when asked for), one more pass; 53 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_prototypes_params),
    .ops = &ops,
    .inputs = "pool tree?",
};
