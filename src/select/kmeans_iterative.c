/* SPDX-License-Identifier: Apache-2.0
 *
 * Clusters sampled in rounds: after each round clusters are judged by what their rows turned out to be worth, and
 * their weights follow, so that clusters of noisy rows fade out. yu2024diversify.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "base/rng.h"
#include "select/allocate.h"
#include "select/notes.h"
#include "select/recipe.h"
#include "winnow/learn.h"

extern const wn_method wni_method_select_kmeans_iterative;

WN_PARAM_TABLE(wn_select_kmeans_iterative_params, WN_SELECT_KMEANS_ITERATIVE_PARAMS);

#define BLOCK_ROWS 16384
#define LEAST_WEIGHT \
    1e-6 /* a cluster that faded out is still there for rows that nobody else has */

typedef struct iterating {
    const wn_select_input *in;
    const wn_select_kmeans_iterative_params *p;
    const wn_partition *fine;
    int64_t n, taken;
    int32_t k;
    uint8_t *rule;             /* (n) */
    double *weight, *feedback; /* (k) weights add up to 1; feedback 0..1 */
    double *start;             /* (k) first weights */
    int64_t *open, *quota;     /* (k) */
    int64_t *rows;             /* (size) taken so far, ascending */
    int64_t *judged;           /* (k) rows that the feedback is a mean of */
} iterating;

/* ---- feedback --------------------------------------------------------------------------------------- */

static void add_feedback(iterating *t, int64_t row, double value)
{
    int32_t c = t->fine->labels[row];

    if (c < 0) return;
    t->feedback[c] += value;
    t->judged[c]++;
}

/* Scores of the rows taken, between the least and the highest of the pool. */
static void feedback_of_scores(iterating *t)
{
    const float *v = t->in->scores->v;
    float low = INFINITY, high = -INFINITY;

    for (int64_t i = 0; i < t->n; i++) {
        low = v[i] < low ? v[i] : low;
        high = v[i] > high ? v[i] : high;
    }
    for (int64_t i = 0; i < t->n; i++)
        if (t->rule[i] == WN_WHY_KEPT)
            add_feedback(t, i, high > low ? ((double)v[i] - low) / ((double)high - low) : 1);
}

/* 0 when they are of one class, so that there is nothing to learn. */
static int collect_taken(iterating *t)
{
    int32_t first = -1;
    int64_t m = 0;
    int two = 0;

    for (int64_t i = 0; i < t->n; i++) {
        int32_t label = t->in->labels->v[i];
        if (t->rule[i] != WN_WHY_KEPT) continue;
        t->rows[m++] = i;
        two |= first >= 0 && label >= 0 && label != first;
        if (first < 0) first = label;
    }
    return two;
}

/* Whether a head trained on the rows taken is right about the others. */
static wn_status feedback_of_head(wn_ctx *ctx, iterating *t)
{
    wn_learn_input in = {.struct_size = sizeof in,
                         .pool = t->in->pool,
                         .labels = t->in->labels,
                         .rows = t->rows,
                         .n_rows = t->taken};
    int64_t block = wni_min(BLOCK_ROWS, t->n);
    wn_model *model = NULL;
    int32_t *seen = NULL;
    wn_status st;

    if (!collect_taken(t)) return WN_OK;
    WNI_TRY(wn_learn_logistic(ctx, &in, NULL, &model));
    WNI_NEW(ctx, seen, block);
    for (int64_t first = 0; first < t->n; first += block) {
        int64_t m = wni_min(block, t->n - first);
        WNI_TRY(wn_model_predict(ctx, model, t->in->pool, NULL, first, m, seen));
        for (int64_t i = 0; i < m; i++) {
            int32_t label = t->in->labels->v[first + i];
            if (label >= 0 && t->rule[first + i] != WN_WHY_KEPT)
                add_feedback(t, first + i, seen[i] == label);
        }
    }
done:
    wn_model_free(model);
    wni_free(ctx, seen);
    return st;
}

/* weight x feedback, to sum 1. A cluster of which nothing is known counts as the mean of the others. */
static wn_status update_weights(wn_ctx *ctx, iterating *t)
{
    double sum = 0, mean = 0;
    int64_t known = 0;
    wn_status st = WN_OK;

    for (int32_t c = 0; c < t->k; c++) {
        t->feedback[c] = 0;
        t->judged[c] = 0;
    }
    if (t->in->scores)
        feedback_of_scores(t);
    else
        WNI_TRY(feedback_of_head(ctx, t));
    for (int32_t c = 0; c < t->k; c++) {
        if (t->judged[c] == 0) continue;
        t->feedback[c] /= (double)t->judged[c];
        mean += t->feedback[c];
        known++;
    }
    mean = known ? mean / (double)known : 1;
    for (int32_t c = 0; c < t->k; c++) {
        if (t->judged[c] == 0) t->feedback[c] = mean;
        t->weight[c] *= t->feedback[c] > LEAST_WEIGHT ? t->feedback[c] : LEAST_WEIGHT;
        sum += t->weight[c];
    }
    for (int32_t c = 0; c < t->k; c++)
        t->weight[c] = sum > 0 ? t->weight[c] / sum : t->start[c];
done:
    return st;
}

/* ---- rounds ----------------------------------------------------------------------------------------- */

static wn_status take_round(wn_ctx *ctx, iterating *t, int32_t round)
{
    int64_t size = t->p->size * (round + 1) / t->p->rounds - t->p->size * round / t->p->rounds;
    wni_picking pick = {.how = WN_PICK_RANDOM,
                        .groups = {t->n, t->k, t->fine->labels},
                        .quota = t->quota,
                        .seed = t->p->seed,
                        .round = round};
    wni_allocation a = {.what = "select kmeans_iterative",
                        .rule = WNI_ALLOCATE_WEIGHTS,
                        .groups = t->k,
                        .rows = t->open,
                        .weights = t->weight,
                        .size = size,
                        .seed = t->p->seed,
                        .stream = wni_stream("kmeans-iterative", 0, round)};
    wn_status st;

    if (size == 0) return WN_OK;
    wni_count_open(&pick.groups, t->rule, t->open);
    WNI_TRY(wni_allocate(ctx, &a, t->quota));
    WNI_TRY(wni_pick_rows(ctx, &pick, t->rule));
    t->taken += size;
done:
    return st;
}

/* Proportional to the rows that can be taken. */
static wn_status first_weights(wn_ctx *ctx, iterating *t)
{
    wni_grouping groups = {t->n, t->k, t->fine->labels};
    int64_t all = 0;

    wni_open_all(&groups, t->rule);
    wni_count_open(&groups, t->rule, t->open);
    for (int32_t c = 0; c < t->k; c++)
        all += t->open[c];
    if (all < t->p->size)
        return wni_fail(ctx, WN_E_DATA,
                        "select kmeans_iterative: size is %lld but %lld rows are in a cluster of "
                        "the tree: lower --size",
                        (long long)t->p->size, (long long)all);
    for (int32_t c = 0; c < t->k; c++)
        t->start[c] = t->weight[c] = (double)t->open[c] / (double)all;
    return WN_OK;
}

static wn_status say(const iterating *t, wn_selection *s)
{
    int64_t halved = 0;
    double least = INFINITY, mean = 0;
    wn_status st;

    for (int64_t i = 0; i < t->n; i++)
        if (s->why[i].rule == WN_WHY_QUOTA) s->why[i].rule = WN_WHY_NOT_DRAWN;
    for (int32_t c = 0; c < t->k; c++) {
        halved += t->weight[c] < t->start[c] / 2;
        if (t->start[c] > 0) {
            least = t->feedback[c] < least ? t->feedback[c] : least;
            mean += t->start[c] * t->feedback[c];
        }
    }
    WNI_TRY(wni_note(s, "clusters_faded_by_half", NULL, (double)halved, 1));
    if (t->p->rounds > 1) {
        WNI_TRY(wni_note(s, "feedback_mean", NULL, mean, 0));
        WNI_TRY(wni_note(s, "feedback_worst_cluster", NULL, least, 0));
    }
done:
    return st;
}

static wn_status run_rounds(wn_ctx *ctx, iterating *t, wn_selection **out)
{
    wn_status st;

    WNI_NEW(ctx, t->rule, t->n);
    WNI_NEW0(ctx, t->weight, t->k);
    WNI_NEW0(ctx, t->start, t->k);
    WNI_NEW0(ctx, t->feedback, t->k);
    WNI_NEW0(ctx, t->open, t->k);
    WNI_NEW0(ctx, t->quota, t->k);
    WNI_NEW0(ctx, t->judged, t->k);
    WNI_NEW(ctx, t->rows, t->p->size);
    WNI_TRY(first_weights(ctx, t));
    for (int32_t round = 0; round < t->p->rounds; round++) {
        wni_progress(ctx, "rounds", round, t->p->rounds);
        WNI_TRY(wni_poll(ctx));
        if (round && t->taken) WNI_TRY(update_weights(ctx, t));
        WNI_TRY(take_round(ctx, t, round));
    }
    wni_progress(ctx, "rounds", t->p->rounds, t->p->rounds);
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

static wn_status check(wn_ctx *ctx, const wn_select_input *in,
                       const wn_select_kmeans_iterative_params *p, int64_t *k)
{
    int64_t n = wn_pool_rows(in->pool);
    wn_status st;

    WNI_TRY(wni_recipe_size(ctx, "kmeans_iterative", p->size, n));
    WNI_TRY(wni_recipe_k(ctx, "kmeans_iterative", p->k, n, 4, k));
    if (!in->scores == !in->labels)
        return wni_fail(ctx, WN_E_USAGE,
                        "select kmeans_iterative: found %s, expected either scores or labels",
                        in->scores ? "both" : "neither");
    if (in->labels && in->labels->classes < 2)
        return wni_fail(ctx, WN_E_DATA,
                        "select kmeans_iterative: the labels have %d class, expected at least 2 to "
                        "train a head",
                        in->labels->classes);
    if (in->tree) *k = 0;
done:
    return st;
}

static wn_status kmeans_iterative_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                      wn_selection **out)
{
    wn_select_kmeans_iterative_params p;
    iterating t = {.in = in, .p = &p, .n = wn_pool_rows(in->pool)};
    wn_tree *made = NULL;
    int64_t k;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_kmeans_iterative, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    wni_recipe_k_unused(ctx, "kmeans_iterative", in->tree, p.k);
    if (k) WNI_TRY(wni_recipe_kmeans(ctx, in->pool, k, p.seed, &made));
    t.fine = (made ? made : in->tree)->level[0];
    t.k = t.fine->k;
    WNI_TRY(run_rounds(ctx, &t, out));
done:
    wni_free(ctx, t.rule);
    wni_free(ctx, t.weight);
    wni_free(ctx, t.start);
    wni_free(ctx, t.feedback);
    wni_free(ctx, t.open);
    wni_free(ctx, t.quota);
    wni_free(ctx, t.judged);
    wni_free(ctx, t.rows);
    wn_tree_free(made);
    return st;
}

static wn_status kmeans_iterative_estimate(wn_ctx *ctx, const wn_select_input *in,
                                           const void *params, wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), k, clusters, left = 0;
    wn_select_kmeans_iterative_params p;
    wn_estimate head = {0};
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_kmeans_iterative, params, &p));
    WNI_TRY(check(ctx, in, &p, &k));
    *out = (wn_estimate){0};
    if (k) {
        WNI_TRY(wni_recipe_kmeans_cost(ctx, in->pool, k, out));
        left = wni_recipe_tree_bytes(n, k, d);
    }
    clusters = k ? k : in->tree->level[0]->k;
    if (in->labels) {
        static const int64_t none[1];
        wn_learn_input fitted = {.struct_size = sizeof fitted,
                                 .pool = in->pool,
                                 .labels = in->labels,
                                 .rows = none,
                                 .n_rows = p.size};
        WNI_TRY(wn_learn_logistic_estimate(ctx, &fitted, NULL, &head));
        head.peak_bytes += wni_min(BLOCK_ROWS, n) * 4 + in->labels->classes * (wni_ld(d) * 8 + 64) +
                           wn_ctx_threads(ctx) * ((int64_t)1 << 20);
        out->flops += p.rounds * (head.flops + 2.0 * (double)n * (double)d * in->labels->classes);
        out->bytes_read += p.rounds * (head.bytes_read + (double)n * (double)d * 4);
    }
    left += n + p.size * 8 + clusters * 48 + 4096;
    head.peak_bytes =
        wni_max(head.peak_bytes,
                wni_recipe_pick_bytes(ctx, WN_PICK_RANDOM, n, 0, clusters) + clusters * 64);
    head.peak_bytes = wni_max(head.peak_bytes, wni_recipe_selection_bytes(n, p.size) + 4096);
    out->peak_bytes = wni_max(out->peak_bytes, left + head.peak_bytes) + 65536;
done:
    return st;
}

wn_status wn_select_kmeans_iterative(wn_ctx *ctx, const wn_select_input *in,
                                     const wn_select_kmeans_iterative_params *params,
                                     wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_kmeans_iterative, in, params, out);
}

static const wn_select_ops ops = {kmeans_iterative_estimate, kmeans_iterative_run};

const wn_method wni_method_select_kmeans_iterative = {
    .family = "select",
    .name = "kmeans_iterative",
    .summary = "clusters sampled in rounds, weighted by what their rows turned out to be worth",
    .papers = "yu2024diversify",
    .cost =
        "k-means when no tree is given, and with labels a head and a pass per round; 45 bytes a "
        "row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_kmeans_iterative_params),
    .ops = &ops,
    .inputs = "pool scores|labels tree?",
};
