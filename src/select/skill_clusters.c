/* SPDX-License-Identifier: Apache-2.0
 *
 * Pseudo-skill clusters: near duplicates go, every cluster is judged by the one of several scorers that tells its
 * rows apart best, and its share of the budget is spread evenly over the range of that score. maharana2025,
 * zheng2023.
 */
#include <math.h>
#include <stdio.h>

#include "base/fixmath.h"
#include "base/param.h"
#include "base/rng.h"
#include "select/allocate.h"
#include "select/notes.h"
#include "select/recipe.h"
#include "winnow/dedup.h"

extern const wn_method wni_method_select_skill_clusters;

WN_PARAM_TABLE(wn_select_skill_clusters_params, WN_SELECT_SKILL_CLUSTERS_PARAMS);

#define BINS       50 /* of the histogram whose entropy is compared */
#define BLOCK_ROWS 8192

typedef struct skills {
    const wn_select_input *in;
    const wn_select_skill_clusters_params *p;
    const wn_partition *fine;
    int64_t n, scorers;
    int32_t k;
    wn_dedup *dedup;               /* NULL = not asked for */
    uint8_t *rule;                 /* (n) */
    float *low, *high;             /* (k, scorers) range of each score in each cluster */
    int64_t *count;                /* (k, scorers, BINS) rows */
    int32_t *best;                 /* (k) scorer */
    double *entropy;               /* (k) of its histogram */
    int32_t *stratum;              /* (n) cluster x strata + bin of the best score, -1 = none */
    int64_t *open, *share;         /* (k) */
    int64_t *stratum_open, *quota; /* (k x strata) */
} skills;

/* ---- scores ----------------------------------------------------------------------------------------- */

typedef void (*row_fn)(skills *t, int64_t row, int32_t cluster, const float *scores);

/* Calls fn for every row that is still there. */
static wn_status each_row(wn_ctx *ctx, skills *t, row_fn fn)
{
    int64_t ld = wni_ld(t->scorers), block = wni_min(BLOCK_ROWS, t->n);
    float *x = NULL;
    wn_status st;

    WNI_NEW(ctx, x, block * ld);
    for (int64_t first = 0; first < t->n; first += block) {
        int64_t m = wni_min(block, t->n - first);
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wn_pool_read(ctx, t->in->scorers, first, m, x, ld));
        for (int64_t i = 0; i < m; i++)
            if (wni_open(t->rule[first + i]))
                fn(t, first + i, t->fine->labels[first + i], x + i * ld);
    }
    st = WN_OK;
done:
    wni_free(ctx, x);
    return st;
}

/* Bin 0..bins-1 of a score between low and high. */
static int32_t bin_of(float score, float low, float high, int32_t bins)
{
    double at = high > low ? ((double)score - (double)low) / ((double)high - (double)low) : 0;

    return (int32_t)wni_min((int64_t)(at * bins), bins - 1);
}

static void widen_range(skills *t, int64_t row, int32_t c, const float *scores)
{
    float *low = t->low + c * t->scorers, *high = t->high + c * t->scorers;

    (void)row;
    for (int64_t s = 0; s < t->scorers; s++) {
        if (scores[s] < low[s]) low[s] = scores[s];
        if (scores[s] > high[s]) high[s] = scores[s];
    }
}

static void count_bins(skills *t, int64_t row, int32_t c, const float *scores)
{
    (void)row;
    for (int64_t s = 0; s < t->scorers; s++) {
        int64_t at = c * t->scorers + s;
        t->count[at * BINS + bin_of(scores[s], t->low[at], t->high[at], BINS)]++;
    }
}

static void set_stratum(skills *t, int64_t row, int32_t c, const float *scores)
{
    int64_t at = c * t->scorers + t->best[c];
    int32_t bin = bin_of(scores[t->best[c]], t->low[at], t->high[at], t->p->strata);

    t->stratum[row] = c * t->p->strata + bin;
    t->stratum_open[t->stratum[row]]++;
    t->open[c]++;
}

static double entropy_of(const int64_t *count)
{
    double sum = 0;
    int64_t total = 0;

    for (int b = 0; b < BINS; b++)
        total += count[b];
    for (int b = 0; b < BINS; b++)
        if (count[b]) {
            double share = (double)count[b] / (double)total;
            sum -= share * wni_log_fixed(share);
        }
    return sum;
}

/* The scorer whose values are spread most in each cluster, the first at a tie. */
static wn_status choose_scorers(wn_ctx *ctx, skills *t)
{
    wn_status st;

    for (int64_t at = 0; at < t->k * t->scorers; at++) {
        t->low[at] = INFINITY;
        t->high[at] = -INFINITY;
    }
    WNI_TRY(each_row(ctx, t, widen_range));
    WNI_TRY(each_row(ctx, t, count_bins));
    for (int32_t c = 0; c < t->k; c++)
        for (int64_t s = 0; s < t->scorers; s++) {
            double entropy = entropy_of(t->count + (c * t->scorers + s) * BINS);
            if (s && entropy <= t->entropy[c]) continue;
            t->best[c] = (int32_t)s;
            t->entropy[c] = entropy;
        }
    WNI_TRY(each_row(ctx, t, set_stratum));
done:
    return st;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

static wn_status drop_duplicates(wn_ctx *ctx, skills *t)
{
    wn_dedup_input in = {.struct_size = sizeof in, .pool = t->in->pool};
    wn_dedup_semantic_params p;
    wn_status st;

    wn_params_init(wn_method_find("dedup", "semantic"), &p);
    p.min_similarity = t->p->min_similarity;
    p.seed = t->p->seed;
    WNI_TRY(wn_dedup_semantic(ctx, &in, &p, &t->dedup));
    for (int64_t i = 0; i < t->n; i++)
        if (t->dedup->partner[i] != i && t->rule[i] != WN_WHY_NO_CLUSTER)
            t->rule[i] = WN_WHY_NEAR_DUPLICATE;
done:
    return st;
}

/* The same for every cluster, then the same for every stratum of a cluster, as far as there are rows. */
static wn_status share_budget(wn_ctx *ctx, skills *t)
{
    int32_t strata = t->p->strata;
    wni_allocation all = {.what = "select skill_clusters",
                          .rule = WNI_ALLOCATE_EQUAL,
                          .groups = t->k,
                          .rows = t->open,
                          .size = t->p->size,
                          .seed = t->p->seed,
                          .stream = wni_stream("skill-clusters", 0, 0)};
    wn_status st;

    WNI_TRY(wni_allocate(ctx, &all, t->share));
    for (int32_t c = 0; c < t->k; c++) {
        wni_sharing one = {.groups = strata,
                           .budget = t->share[c],
                           .high = t->stratum_open + c * strata,
                           .seed = t->p->seed,
                           .stream = wni_stream("skill-strata", c, 0)};
        WNI_TRY(wni_share(ctx, &one, t->quota + c * strata));
    }
done:
    return st;
}

static wn_status say(skills *t, wn_selection *s)
{
    int64_t duplicates = 0, clusters = 0;
    wn_status st;

    for (int64_t i = 0; i < t->n; i++) {
        wn_why *why = &s->why[i];
        if (why->rule == WN_WHY_QUOTA) why->rule = WN_WHY_NOT_DRAWN;
        if (why->rule != WN_WHY_NEAR_DUPLICATE) continue;
        why->partner = t->dedup->partner[i];
        why->similarity = t->dedup->similarity[i];
        duplicates++;
    }
    if (t->p->dedup) WNI_TRY(wni_note(s, "near_duplicates", NULL, (double)duplicates, 1));
    for (int64_t scorer = 0; scorer < t->scorers && scorer < 64; scorer++) {
        char name[32];
        int64_t chosen = 0;
        clusters = 0;
        for (int32_t c = 0; c < t->k; c++) {
            chosen += t->open[c] > 0 && t->best[c] == scorer;
            clusters += t->open[c] > 0;
        }
        snprintf(name, sizeof name, "column %lld", (long long)scorer);
        WNI_TRY(wni_note(s, "clusters_by_scorer", name, (double)chosen, 1));
    }
    WNI_TRY(wni_note(s, "skill_clusters", NULL, (double)clusters, 1));
done:
    return st;
}

static wn_status select_rows(wn_ctx *ctx, skills *t, wn_selection **out)
{
    int64_t per = t->scorers, strata = t->p->strata;
    wni_picking pick = {.how = WN_PICK_RANDOM, .seed = t->p->seed};
    wni_grouping clusters = {t->n, t->k, t->fine->labels};
    wn_status st;

    WNI_NEW(ctx, t->rule, t->n);
    wni_open_all(&clusters, t->rule);
    if (t->p->dedup) WNI_TRY(drop_duplicates(ctx, t));
    WNI_NEW(ctx, t->low, t->k * per);
    WNI_NEW(ctx, t->high, t->k * per);
    WNI_NEW0(ctx, t->count, t->k * per * BINS);
    WNI_NEW0(ctx, t->best, t->k);
    WNI_NEW0(ctx, t->entropy, t->k);
    WNI_NEW0(ctx, t->open, t->k);
    WNI_NEW0(ctx, t->share, t->k);
    WNI_NEW0(ctx, t->stratum_open, t->k * strata);
    WNI_NEW0(ctx, t->quota, t->k * strata);
    WNI_NEW(ctx, t->stratum, t->n);
    for (int64_t i = 0; i < t->n; i++)
        t->stratum[i] = -1;
    WNI_TRY(choose_scorers(ctx, t));
    WNI_TRY(share_budget(ctx, t));
    pick.groups = (wni_grouping){t->n, (int32_t)(t->k * strata), t->stratum};
    pick.quota = t->quota;
    WNI_TRY(wni_pick_rows(ctx, &pick, t->rule));
    WNI_TRY(wni_recipe_selection(ctx, t->n, t->rule, t->fine->labels, NULL, out));
    WNI_TRY(say(t, *out));
done:
    if (st != WN_OK) {
        wn_selection_free(*out);
        *out = NULL;
    }
    return st;
}

/* ---- the method ------------------------------------------------------------------------------------- */

/* *k: clusters to make, 0 when the tree is given. */
static wn_status check(wn_ctx *ctx, const wn_select_input *in,
                       const wn_select_skill_clusters_params *p, int64_t *k)
{
    int64_t n = wn_pool_rows(in->pool);
    wn_status st;

    WNI_TRY(wni_recipe_size(ctx, "skill_clusters", p->size, n));
    WNI_TRY(wni_recipe_k(ctx, "skill_clusters", p->k, n, 4, k));
    if (wn_pool_dim(in->scorers) < 1)
        return wni_fail(
            ctx, WN_E_DATA,
            "select skill_clusters: the scorers have no columns, expected one per score");
    if (in->tree) *k = 0;
    if ((in->tree ? in->tree->level[0]->k : *k) > INT32_MAX / p->strata)
        return wni_fail(ctx, WN_E_DATA,
                        "select skill_clusters: %d strata of each cluster are more than %d: lower "
                        "--strata or the number of clusters",
                        p->strata, INT32_MAX);
done:
    return st;
}

static wn_status skill_clusters_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                    wn_selection **out)
{
    wn_select_skill_clusters_params p;
    skills t = {.in = in, .p = &p, .n = wn_pool_rows(in->pool)};
    wn_tree *made = NULL;
    int64_t k;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_skill_clusters, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    wni_recipe_k_unused(ctx, "skill_clusters", in->tree, p.k);
    if (k) WNI_TRY(wni_recipe_kmeans(ctx, in->pool, k, p.seed, &made));
    t.fine = (made ? made : in->tree)->level[0];
    t.k = t.fine->k;
    t.scorers = wn_pool_dim(in->scorers);
    WNI_TRY(select_rows(ctx, &t, out));
done:
    wn_dedup_free(t.dedup);
    wni_free(ctx, t.rule);
    wni_free(ctx, t.low);
    wni_free(ctx, t.high);
    wni_free(ctx, t.count);
    wni_free(ctx, t.best);
    wni_free(ctx, t.entropy);
    wni_free(ctx, t.open);
    wni_free(ctx, t.share);
    wni_free(ctx, t.stratum_open);
    wni_free(ctx, t.quota);
    wni_free(ctx, t.stratum);
    wn_tree_free(made);
    return st;
}

static wn_status skill_clusters_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                         wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), k, clusters, tree = 0, cells;
    int64_t scorers = wn_pool_dim(in->scorers);
    wn_select_skill_clusters_params p;
    wn_estimate dedup = {0};
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_skill_clusters, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    *out = (wn_estimate){0};
    if (k) {
        WNI_TRY(wni_recipe_kmeans_cost(ctx, in->pool, k, out));
        tree = wni_recipe_tree_bytes(n, k, d);
    }
    clusters = k ? k : in->tree->level[0]->k;
    if (p.dedup) {
        const wn_method *method = wn_method_find("dedup", "semantic");
        wn_dedup_input dedup_in = {.struct_size = sizeof dedup_in, .pool = in->pool};
        WNI_TRY(((const wn_dedup_ops *)method->ops)->estimate(ctx, &dedup_in, NULL, &dedup));
        out->peak_bytes = wni_max(out->peak_bytes, tree + n + dedup.peak_bytes);
        out->flops += dedup.flops;
        out->bytes_read += dedup.bytes_read;
    }
    cells = clusters * scorers * (8 + BINS * 8) + clusters * (28 + p.strata * 16);
    tree += n * (5 + (p.dedup ? 12 : 0)) + cells + 4096;
    out->peak_bytes = wni_max(
        out->peak_bytes,
        tree +
            wni_max(wni_min(BLOCK_ROWS, n) * wni_ld(scorers) * 4 + clusters * 64,
                    wni_max(wni_recipe_pick_bytes(ctx, WN_PICK_RANDOM, n, 0, clusters * p.strata),
                            wni_recipe_selection_bytes(n, p.size) + 16384)));
    out->peak_bytes += 65536;
    out->bytes_read +=
        3.0 * (double)n * (double)scorers * (double)wn_dtype_bytes(wn_pool_dtype(in->scorers));
done:
    return st;
}

wn_status wn_select_skill_clusters(wn_ctx *ctx, const wn_select_input *in,
                                   const wn_select_skill_clusters_params *params,
                                   wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_skill_clusters, in, params, out);
}

static const wn_select_ops ops = {skill_clusters_estimate, skill_clusters_run};

const wn_method wni_method_select_skill_clusters = {
    .family = "select",
    .name = "skill_clusters",
    .summary = "clusters judged each by its best scorer, sampled over the range of that score",
    .papers = "maharana2025 zheng2023",
    .cost = "k-means when no tree is given, dedup semantic when asked for, three passes over the "
            "scores; 50 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_skill_clusters_params),
    .ops = &ops,
    .inputs = "pool scorers tree?",
};
