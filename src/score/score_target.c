/* SPDX-License-Identifier: Apache-2.0
 *
 * How much a row looks like a target: its similarity to the nearest rows of another pool.
 */
#include <math.h>

#include "base/param.h"
#include "kernels/kernels.h"
#include "pool/pool_use.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_target;

WN_PARAM_TABLE(wn_score_target_params, WN_SCORE_TARGET_PARAMS);

#define BLOCK_BYTES ((int64_t)8 << 20) /* of neighbours in memory at a time */
#define GATHER      16                 /* rows of the target read at a time */
#define GRAIN       16

typedef struct target {
    const wni_kernels *kernels;
    const wn_pool *pool, *target;
    int64_t k, first, ld;
    int64_t *at;  /* (block, k) */
    float *score; /* (block, k) */
    float *rows;  /* (threads, 1 + GATHER, ld) */
    float *v;     /* (n) */
} target;

/* Sum of the Euclidean distances to the rows at (k) of the target. */
static wn_status distances(wn_ctx *ctx, const target *s, int64_t row, const int64_t *at, float *x,
                           double *sum)
{
    wn_status st = wn_pool_read(ctx, s->pool, row, 1, x, s->ld);

    *sum = 0;
    for (int64_t i = 0; i < s->k && st == WN_OK; i += GATHER) {
        const int64_t n = wni_min(GATHER, s->k - i);

        st = wn_pool_gather(ctx, s->target, at + i, n, x + s->ld, s->ld);
        for (int64_t j = 0; st == WN_OK && j < n; j++)
            *sum += (double)sqrtf(s->kernels->l2sq(x, x + (1 + j) * s->ld, s->ld));
    }
    return st;
}

static wn_status target_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const target *s = arg;
    float *x = s->rows + worker * (1 + GATHER) * s->ld;

    for (int64_t q = begin; q < end; q++) {
        const int64_t *at = s->at + q * s->k;
        const float *score = s->score + q * s->k;
        double sum = 0;
        wn_status st;

        if (at[s->k - 1] < 0) { /* scores that are no numbers: refused by the family */
            s->v[s->first + q] = -INFINITY;
            continue;
        }
        if (wn_pool_metric(s->pool) == WN_COSINE) {
            for (int64_t j = 0; j < s->k; j++)
                sum += (double)score[j];
        } else {
            if ((st = distances(ctx, s, s->first + q, at, x, &sum)) != WN_OK) return st;
            sum = 0 - sum;
        }
        s->v[s->first + q] = (float)(sum / (double)s->k);
    }
    return WN_OK;
}

static int64_t block_rows(int64_t n, int64_t k)
{
    return wni_min(wni_max(BLOCK_BYTES / (k * 12 + 8), 64), n);
}

static wn_status target_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                 wn_estimate *out)
{
    const int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), ld = wni_ld(d);
    const int64_t m = wn_pool_rows(in->target), threads = wn_ctx_threads(ctx);
    wn_score_target_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_score_target, params, &p));
    if (p.k > m)
        return wni_fail(ctx, WN_E_DATA, "score target: k is %lld but the target has %lld row%s: %s",
                        (long long)p.k, (long long)m, m == 1 ? "" : "s",
                        m ? "lower --k" : "give a target that is not empty");
    *out = (wn_estimate){0};
    out->peak_bytes =
        n * 4 + block_rows(n, p.k) * (p.k * 12 + 8) + threads * (1 + GATHER) * ld * 4 + 65536;
    out->peak_bytes += wni_scan_bytes(ctx, block_rows(n, p.k), m, d, out->peak_bytes);
    out->flops = 2.0 * (double)n * (double)m * (double)d;
    out->bytes_read = ((double)n + (double)m * (double)((n + BLOCK_BYTES) / BLOCK_BYTES)) *
                      (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status target_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                            wn_scores **out)
{
    const int64_t n = wn_pool_rows(in->pool);
    const wn_metric metric = wn_pool_metric(in->pool);
    target s = {
        .kernels = wni_kernels_of(ctx), .pool = in->pool, .ld = wni_ld(wn_pool_dim(in->pool))};
    wn_pool *against = NULL;
    wn_score_target_params p;
    wn_scores *scores = NULL;
    int64_t room;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_target, params, &p));
    room = block_rows(n, p.k);
    WNI_TRY(wn_pool_with_metric(ctx, in->target, metric, &against));
    WNI_TRY(wn_pool_check(ctx, against, 1, NULL));
    WNI_TRY(wn_scores_new(ctx, n, &scores));
    WNI_NEW(ctx, s.at, room * p.k);
    WNI_NEW(ctx, s.score, room * p.k);
    WNI_NEW(ctx, s.rows, wn_ctx_threads(ctx) * (1 + GATHER) * s.ld);
    s.k = p.k;
    s.target = against;
    s.v = scores->v;
    for (s.first = 0; s.first < n; s.first += room) {
        wni_queries rows = {in->pool, NULL, s.first, wni_min(room, n - s.first)};
        wni_queries base = {against, NULL, 0, wn_pool_rows(against)};

        wni_progress(ctx, "similarity to the target", s.first, n);
        WNI_TRY(wni_scan_topk(ctx, &rows, &base, p.k, metric == WN_L2, 0, s.at, s.score));
        WNI_TRY(wni_parallel(ctx, rows.n, GRAIN, target_range, &s));
    }
    wni_progress(ctx, "similarity to the target", n, n);
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    wn_pool_free(against);
    wni_free(ctx, s.at);
    wni_free(ctx, s.score);
    wni_free(ctx, s.rows);
    return st;
}

wn_status wn_score_target(wn_ctx *ctx, const wn_score_input *in,
                          const wn_score_target_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_target, in, params, out);
}

static const wn_score_ops ops = {target_estimate, target_run};

const wn_method wni_method_score_target = {
    .family = "score",
    .name = "target",
    .summary = "how much a row looks like the rows of a target",
    .papers = "",
    .cost = "n m d multiply-adds for m rows of the target; 4 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_target_params),
    .ops = &ops,
    .inputs = "pool target",
};
