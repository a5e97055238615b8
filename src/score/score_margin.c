/* SPDX-License-Identifier: Apache-2.0
 *
 * How clearly a row belongs to one cluster: the gap between the two nearest centres.
 */
#include <math.h>

#include "base/param.h"
#include "kernels/kernels.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_margin;

WN_PARAM_TABLE(wn_score_margin_params, WN_SCORE_MARGIN_PARAMS);

#define BLOCK_ROWS 32768 /* whose two centres are in memory at a time */
#define GRAIN      64

typedef struct margin {
    const wni_kernels *kernels;
    const wn_pool *pool;
    const wni_level *level;
    const int64_t *clusters; /* (with rows) of the tree */
    int64_t first, ld;
    int64_t *at;  /* (BLOCK_ROWS, 2) into clusters */
    float *score; /* (BLOCK_ROWS, 2) */
    float *rows;  /* (threads, GRAIN, ld) */
    float *v;     /* (n) */
} margin;

static wn_status margin_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const margin *s = arg;
    float *x = s->rows + worker * GRAIN * s->ld;
    wn_status st = wn_pool_read(ctx, s->pool, s->first + begin, end - begin, x, s->ld);

    for (int64_t q = begin; st == WN_OK && q < end; q++, x += s->ld) {
        float similarity[2];

        s->v[s->first + q] = INFINITY; /* scores that are no numbers: refused by the family */
        if (s->at[2 * q] < 0 || s->at[2 * q + 1] < 0) continue;
        for (int i = 0; i < 2; i++) {
            const float *center = wni_mat_row(&s->level->centers, s->clusters[s->at[2 * q + i]]);
            similarity[i] = s->level->metric == WN_COSINE
                                ? s->kernels->dot(x, center, s->ld)
                                : 0.0f - sqrtf(s->kernels->l2sq(x, center, s->ld));
        }
        /* Which of two is nearer is a matter of rounding when they are equally far. */
        s->v[s->first + q] = fabsf(similarity[0] - similarity[1]);
    }
    return st;
}

static wn_status margin_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                 wn_estimate *out)
{
    const int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), ld = wni_ld(d);
    const int64_t threads = wn_ctx_threads(ctx);
    wn_score_margin_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_score_margin, params, &p));
    *out = (wn_estimate){0};
    if (p.level > in->tree->levels) goto done; /* refused by the run */
    /* Scores, centres, the block, the scan's centres and tiles. */
    out->peak_bytes = n * 4 + wni_level_bytes(in->tree, p.level) +
                      in->tree->level[p.level - 1]->k * 8 + wni_min(n, BLOCK_ROWS) * (2 * 12 + 8) +
                      threads * GRAIN * ld * 4 + 65536;
    out->peak_bytes += wni_scan_bytes(ctx, wni_min(n, BLOCK_ROWS), in->tree->level[p.level - 1]->k,
                                      d, out->peak_bytes);
    out->flops = 2.0 * (double)n * (double)in->tree->level[p.level - 1]->k * (double)d;
    out->bytes_read = 2.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status margin_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                            wn_scores **out)
{
    const int64_t n = wn_pool_rows(in->pool), room = wni_min(n, BLOCK_ROWS);
    margin s = {.kernels = wni_kernels_of(ctx), .ld = wni_ld(wn_pool_dim(in->pool))};
    wn_pool *pool = NULL, *centers = NULL;
    int64_t *clusters = NULL, count = 0;
    wn_score_margin_params p;
    wn_scores *scores = NULL;
    wni_level level = {0};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_margin, params, &p));
    WNI_TRY(wni_level_new(ctx, in->tree, p.level, "score margin", &level));
    WNI_TRY(wni_level_two(ctx, &level, "score margin"));
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, in->tree->metric, &pool));
    WNI_TRY(wn_pool_wrap(ctx, in->tree->level[p.level - 1]->centers, level.k, level.centers.d,
                         WN_F32, WN_L2, &centers));
    WNI_NEW(ctx, clusters, level.k);
    for (int32_t c = 0; c < level.k; c++)
        if (level.rows[c] > 0) clusters[count++] = c;
    WNI_TRY(wn_scores_new(ctx, n, &scores));
    WNI_NEW(ctx, s.at, room * 2);
    WNI_NEW(ctx, s.score, room * 2);
    WNI_NEW(ctx, s.rows, wn_ctx_threads(ctx) * GRAIN * s.ld);
    s.pool = pool;
    s.level = &level;
    s.clusters = clusters;
    s.v = scores->v;
    for (s.first = 0; s.first < n; s.first += room) {
        wni_queries rows = {pool, NULL, s.first, wni_min(room, n - s.first)};
        wni_queries base = {centers, clusters, 0, count};

        wni_progress(ctx, "margins", s.first, n);
        WNI_TRY(wni_scan_topk(ctx, &rows, &base, 2, 1, 0, s.at, s.score));
        WNI_TRY(wni_parallel(ctx, rows.n, GRAIN, margin_range, &s));
    }
    wni_progress(ctx, "margins", n, n);
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    wn_pool_free(pool);
    wn_pool_free(centers);
    wni_level_free(ctx, &level);
    wni_free(ctx, clusters);
    wni_free(ctx, s.at);
    wni_free(ctx, s.score);
    wni_free(ctx, s.rows);
    return st;
}

wn_status wn_score_margin(wn_ctx *ctx, const wn_score_input *in,
                          const wn_score_margin_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_margin, in, params, out);
}

static const wn_score_ops ops = {margin_estimate, margin_run};

const wn_method wni_method_score_margin = {
    .family = "score",
    .name = "margin",
    .summary = "the gap between the two nearest centres",
    .papers = "",
    .cost = "n k d multiply-adds; 4 bytes a row and the centres",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_margin_params),
    .ops = &ops,
    .inputs = "pool tree",
};
