/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest base row of each query: against a resident base (argmin), against a pool (nearest).
 */
#include <math.h>

#include "scan/filter_argmin.h"
#include "scan/scan_impl.h"

typedef struct argmin {
    const wni_kernels *kernels;
    const float *bias;
    int32_t *at;
    float *score, *second;
} argmin;

static wn_status argmin_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                             int64_t n, const float *scores, int64_t lds)
{
    const argmin *a = self;

    (void)ctx;
    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        const int64_t q = q0 + i;
        float value, second;
        int64_t at;

        a->kernels->best(scores + i * lds, a->bias ? a->bias + b0 : NULL, n, &value, &at, &second);
        if (a->second) {
            /* + 0: a zero has one sign, however the tiles were cut. */
            float loser = a->at[q] < 0 ? second : fminf(value, a->score[q]) + 0.0f;

            a->second[q] = fmaxf(fmaxf(a->second[q], second), loser);
        }
        if (a->at[q] < 0 || value > a->score[q]) {
            a->at[q] = (int32_t)(b0 + at);
            a->score[q] = value;
        }
    }
    return WN_OK;
}

static wn_status argmin_plain(wn_ctx *ctx, const wni_queries *queries, const wni_argmin_base *base,
                              int32_t *at, float *score, float *second)
{
    static const wni_epilogue epilogue = {argmin_tile, NULL, NULL};
    argmin self = {wni_kernels_of(ctx), base->bias, at, score, second};

    for (int64_t q = 0; q < queries->n; q++) {
        at[q] = -1;
        score[q] = -INFINITY;
        if (second) second[q] = -INFINITY;
        if (second && base->second_at) base->second_at[q] = -1;
    }
    return wni_scan_block(ctx, queries, base->base, 0, &epilogue, &self);
}

wn_status wni_scan_argmin_with(wn_ctx *ctx, const wni_queries *queries, const wni_argmin_base *base,
                               int32_t *at, float *score, float *second)
{
    const wni_filter *packed = base->packed;
    wni_filter *own = NULL;
    int done_here = 0;
    wn_status st = WN_OK;

    if (!wni_filter_argmin_pays(ctx, queries->n, base->base->n, base->base->ld, packed != NULL))
        packed = NULL;
    else if (!packed) {
        WNI_TRY(wni_filter_new(ctx, base->base, base->bias, &own));
        packed = own;
    }
    if (packed)
        WNI_TRY(wni_filter_argmin(ctx, queries, packed, base, at, score, second, &done_here));
    if (!done_here) {
        wni_filter_free(ctx, own); /* what is short of room needs it */
        own = NULL;
        WNI_TRY(argmin_plain(ctx, queries, base, at, score, second));
    }
done:
    wni_filter_free(ctx, own);
    return st;
}

wn_status wni_scan_argmin(wn_ctx *ctx, const wni_queries *queries, const wni_mat *base,
                          const float *bias, int32_t *at, float *score, float *second)
{
    const wni_argmin_base with = {.base = base, .bias = bias};

    return wni_scan_argmin_with(ctx, queries, &with, at, score, second);
}

typedef struct nearest {
    const wni_kernels *kernels;
    wni_block_bias bias;
    int l2;
    const int64_t *limit;
    int64_t *at;
    float *score;
} nearest;

static wn_status nearest_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m,
                              int64_t b0, int64_t n, const float *scores, int64_t lds)
{
    const nearest *a = self;
    const float *bias = a->l2 ? a->bias.v + (b0 - a->bias.first) : NULL;

    (void)ctx;
    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        const int64_t q = q0 + i, allowed = a->limit ? wni_min(a->limit[q] - b0, n) : n;
        float value, second;
        int64_t at;

        if (allowed <= 0) continue;
        a->kernels->best(scores + i * lds, bias, allowed, &value, &at, &second);
        if (a->at[q] < 0 || value > a->score[q]) {
            a->at[q] = b0 + at;
            a->score[q] = value;
        }
    }
    return WN_OK;
}

static int nearest_wants(void *self, int64_t q0, int64_t m, int64_t b0, int64_t n)
{
    const nearest *a = self;

    (void)n;
    for (int64_t q = q0; a->limit && q < q0 + m; q++)
        if (a->limit[q] > b0) return 1;
    return !a->limit;
}

/* Block by block through the filter: what a query has so far is what the next block must beat. */
typedef struct carried {
    const wni_queries *queries;
    int64_t *at;
    float *score;
    int32_t *block_at; /* (n) */
    float *block_score;
    int64_t total; /* base rows */
} carried;

static wn_status carry_block(wn_ctx *ctx, void *arg, const wni_mat *block, int64_t first,
                             float *half_norms)
{
    const carried *c = arg;
    const wni_argmin_base base = {.base = block, .bias = half_norms, .floor = c->score};
    wn_status st;

    wni_progress(ctx, "compare rows", first, c->total);
    st = wni_scan_argmin_with(ctx, c->queries, &base, c->block_at, c->block_score, NULL);

    for (int64_t q = 0; st == WN_OK && q < c->queries->n; q++) {
        if (c->block_at[q] < 0 || (c->at[q] >= 0 && !(c->block_score[q] > c->score[q]))) continue;
        c->at[q] = first + c->block_at[q];
        c->score[q] = c->block_score[q];
    }
    return st;
}

wn_status wni_scan_nearest(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base, int l2,
                           const int64_t *limit, int64_t *at, float *score)
{
    static const wni_epilogue epilogue = {nearest_tile, NULL, nearest_wants};
    nearest self = {wni_kernels_of(ctx), {NULL, 0}, l2, limit, at, score};
    carried carry = {queries, at, score, NULL, NULL, base->n};
    wn_status st;

    for (int64_t q = 0; q < queries->n; q++) {
        at[q] = -1;
        score[q] = -INFINITY;
    }
    if (limit || queries->n == 0 || !wni_filter_wanted(ctx, wn_pool_dim(base->pool), base->n) ||
        wni_budget_left(ctx) / 8 < queries->n * (int64_t)(sizeof *at + sizeof *score))
        return wni_scan_stream(ctx, queries, base, &epilogue, &self, l2 ? &self.bias : NULL);
    WNI_NEW(ctx, carry.block_at, queries->n);
    WNI_NEW(ctx, carry.block_score, queries->n);
    WNI_TRY(wni_scan_blocks(ctx, base, l2, carry_block, &carry));
done:
    wni_free(ctx, carry.block_at);
    wni_free(ctx, carry.block_score);
    return st;
}
