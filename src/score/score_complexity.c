/* SPDX-License-Identifier: Apache-2.0
 *
 * How much there is to learn in a cluster: how wide it is times how far it lies from others. abbas2024.
 */
#include <math.h>

#include "base/param.h"
#include "kernels/kernels.h"
#include "pool/tree_io.h"
#include "scan/scan_self.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_complexity;

WN_PARAM_TABLE(wn_score_complexity_params, WN_SCORE_COMPLEXITY_PARAMS);

#define GRAIN 16

/* ---- the numbers of each cluster ---------------------------------------------------------------- */

typedef struct inters {
    const wni_kernels *kernels;
    const wni_level *level;
    const int64_t *clusters; /* (count) that have rows */
    int64_t nearest;
    const int64_t *at; /* (count, nearest) into clusters */
    float *inter;      /* (k) */
} inters;

static wn_status inter_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const inters *s = arg;
    const wni_mat *centers = &s->level->centers;

    (void)ctx;
    (void)worker;
    for (int64_t q = begin; q < end; q++) {
        const float *own = wni_mat_row(centers, s->clusters[q]);
        double sum = 0;

        for (int64_t j = 0; j < s->nearest; j++) {
            int64_t other = s->at[q * s->nearest + j];
            float l2sq = other < 0 ? INFINITY /* the scores were no numbers */
                                   : s->kernels->l2sq(own, wni_mat_row(centers, s->clusters[other]),
                                                      centers->ld);
            sum += s->level->metric == WN_COSINE ? l2sq / 2 : sqrtf(l2sq);
        }
        s->inter[s->clusters[q]] = (float)(sum / (double)s->nearest);
    }
    return WN_OK;
}

static wn_status fill_inter(wn_ctx *ctx, const wn_partition *p, const wni_level *level,
                            int64_t nearest, float *inter)
{
    inters s = {.kernels = wni_kernels_of(ctx), .level = level, .inter = inter};
    int64_t *clusters = NULL, *at = NULL, count = 0;
    wni_queries all = {NULL, NULL, 0, level->with_rows};
    wn_pool *centers = NULL;
    float *score = NULL;
    wn_status st;

    s.nearest = wni_min(nearest, level->with_rows - 1);
    WNI_TRY(wn_pool_wrap(ctx, p->centers, p->k, p->d, WN_F32, WN_L2, &centers));
    WNI_NEW(ctx, clusters, level->k);
    for (int32_t c = 0; c < level->k; c++)
        if (level->rows[c] > 0) clusters[count++] = c;
    WNI_NEW(ctx, at, count * s.nearest);
    WNI_NEW(ctx, score, count * s.nearest);
    all.pool = centers;
    all.rows = s.clusters = clusters;
    WNI_TRY(wni_scan_topk(ctx, &all, &all, s.nearest, 1, 1, at, score));
    s.at = at;
    WNI_TRY(wni_parallel(ctx, count, GRAIN, inter_range, &s));
done:
    wn_pool_free(centers);
    wni_free(ctx, clusters);
    wni_free(ctx, at);
    wni_free(ctx, score);
    return st;
}

/* Sums in the order of the rows. */
static wn_status fill_intra(wn_ctx *ctx, const wn_pool *pool, const wni_level *level, float *intra)
{
    float *similarity = NULL;
    double *sum = NULL;
    wn_status st;

    WNI_NEW(ctx, similarity, level->n);
    WNI_NEW0(ctx, sum, level->k);
    WNI_TRY(wni_level_similarity(ctx, pool, level, similarity));
    for (int64_t i = 0; i < level->n; i++) {
        double distance = level->metric == WN_COSINE ? fmax(1 - (double)similarity[i], 0)
                                                     : 0 - (double)similarity[i];
        if (level->labels[i] >= 0) sum[level->labels[i]] += distance;
    }
    for (int32_t c = 0; c < level->k; c++)
        if (level->rows[c] > 0) intra[c] = (float)(sum[c] / (double)level->rows[c]);
done:
    wni_free(ctx, similarity);
    wni_free(ctx, sum);
    return st;
}

static wn_status complexity_of(wn_ctx *ctx, const wn_pool *pool, const wn_partition *p,
                               const wni_level *level, int64_t nearest, float *intra, float *inter)
{
    wn_status st;

    for (int32_t c = 0; c < level->k; c++)
        intra[c] = inter[c] = 0;
    WNI_TRY(wni_level_two(ctx, level, "cluster complexity"));
    WNI_TRY(fill_inter(ctx, p, level, nearest, inter));
    WNI_TRY(fill_intra(ctx, pool, level, intra));
done:
    return st;
}

int64_t wn_cluster_complexity_bytes(const wn_ctx *ctx, const wn_tree *tree, int32_t level,
                                    int64_t nearest)
{
    const wn_partition *p = tree->level[level >= 1 && level <= tree->levels ? level - 1 : 0];
    const int64_t k = p->k;
    int64_t inter = k * (8 + 8 + wni_min(nearest, k) * 12) + wni_scan_self_bytes(ctx, k, p->d, 0);
    int64_t intra = tree->level[0]->n * 4 + k * 8 + wni_similarity_bytes(ctx, p->d);

    return wni_level_bytes(tree, level) + wni_max(inter, intra) + 4096;
}

wn_status wn_cluster_complexity(wn_ctx *ctx, const wn_pool *pool, const wn_tree *tree,
                                int32_t level, int64_t nearest, float *intra, float *inter)
{
    wni_level at = {0};
    wn_pool *read = NULL;
    wn_status st;

    if (level < 1 || nearest < 1)
        return wni_fail(ctx, WN_E_USAGE,
                        "cluster complexity: level %d and nearest %lld, expected at least 1 each",
                        (int)level, (long long)nearest);
    WNI_TRY(wni_tree_check(ctx, tree, wn_pool_rows(pool), wn_pool_dim(pool)));
    WNI_TRY(wni_level_new(ctx, tree, level, "cluster complexity", &at));
    WNI_TRY(wn_pool_with_metric(ctx, pool, tree->metric, &read));
    WNI_TRY(complexity_of(ctx, read, tree->level[level - 1], &at, nearest, intra, inter));
done:
    wn_pool_free(read);
    wni_level_free(ctx, &at);
    return st;
}

/* ---- the method --------------------------------------------------------------------------------- */

static wn_status complexity_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                     wn_estimate *out)
{
    const int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool);
    wn_score_complexity_params p;
    double k;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_score_complexity, params, &p));
    *out = (wn_estimate){0};
    if (p.level > in->tree->levels) goto done; /* refused by the run */
    k = (double)in->tree->level[p.level - 1]->k;
    out->peak_bytes = n * 5 + in->tree->level[p.level - 1]->k * 8 +
                      wn_cluster_complexity_bytes(ctx, in->tree, p.level, p.nearest) + 65536;
    out->flops = (3.0 * (double)n + 2.0 * k * k) * (double)d;
    out->bytes_read = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status complexity_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                wn_scores **out)
{
    wn_score_complexity_params p;
    float *intra = NULL, *inter = NULL;
    wn_scores *scores = NULL;
    wni_level level = {0};
    wn_pool *pool = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_complexity, params, &p));
    WNI_TRY(wni_level_new(ctx, in->tree, p.level, "score complexity", &level));
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, in->tree->metric, &pool));
    WNI_NEW(ctx, intra, level.k);
    WNI_NEW(ctx, inter, level.k);
    WNI_TRY(
        complexity_of(ctx, pool, in->tree->level[p.level - 1], &level, p.nearest, intra, inter));
    WNI_TRY(wn_scores_new(ctx, level.n, &scores));
    for (int64_t i = 0; i < level.n; i++)
        if (level.labels[i] >= 0) scores->v[i] = intra[level.labels[i]] * inter[level.labels[i]];
    WNI_TRY(wni_level_flags(ctx, &level, scores));
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    wn_pool_free(pool);
    wni_level_free(ctx, &level);
    wni_free(ctx, intra);
    wni_free(ctx, inter);
    return st;
}

wn_status wn_score_complexity(wn_ctx *ctx, const wn_score_input *in,
                              const wn_score_complexity_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_complexity, in, params, out);
}

static const wn_score_ops ops = {complexity_estimate, complexity_run};

const wn_method wni_method_score_complexity = {
    .family = "score",
    .name = "complexity",
    .summary = "how wide a row's cluster is, times how far it lies from others",
    .papers = "abbas2024",
    .cost = "one pass over the rows and k^2 d multiply-adds; 8 bytes a row, 12 nearest k",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_complexity_params),
    .ops = &ops,
    .inputs = "pool tree",
};
