/* SPDX-License-Identifier: Apache-2.0
 *
 * Exponentials of scores: the log of their sum, and the base rows added up with them as weights.
 */
#include <math.h>
#include <string.h>

#include "base/fixmath.h"
#include "scan/scan_impl.h"

#define LOWEST     (-0x1.8p1023) /* below every t, and finite */
#define GROUP      20   /* queries whose weights stand in scratch: whole tiles of `outer` */
#define SPAN_MIN   16   /* sixteen columns are added at a time */
#define SPAN       4096 /* base rows gathered at a time for the gradient, less when they are long */
#define SPAN_BYTES ((int64_t)16 << 20)

typedef struct softmax {
    const wni_kernels *kernels;
    const wni_queries *queries, *base;
    const wni_softmax *how;
    wni_block_bias bias;
    double *top, *sum;   /* lse: (n) */
    const double *shift; /* gradient: (n) */
    const wni_mat *rows; /* the base rows from `first` on */
    int64_t first;
    const wni_mat *out;
} softmax;

/* Column of the query's own row in a tile of base rows b0..b0+n, or n. Both sides are of one pool. */
static int64_t own_column(const softmax *s, int64_t q, int64_t b0, int64_t n)
{
    const int64_t own = wni_queries_row(s->queries, q);

    if (!s->how->skip_self) return n;
    if (!s->base->rows) {
        const int64_t at = own - s->base->first - b0;

        return at >= 0 && at < n ? at : n;
    }
    for (int64_t j = 0; j < n; j++)
        if (s->base->rows[b0 + j] == own) return j;
    return n;
}

/* -inf, so that the column's exponential is 0; the addends of a tile with that one put out. */
static const double *addends(const softmax *s, int64_t q, int64_t b0, int64_t n, double *own)
{
    const double *add = s->how->add ? s->how->add + b0 : NULL;
    const int64_t at = own_column(s, q, b0, n);

    if (at == n) return add;
    for (int64_t j = 0; j < n; j++)
        own[j] = add ? add[j] : 0;
    own[at] = -INFINITY;
    return own;
}

static wn_status lse_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                          int64_t n, const float *scores, int64_t lds)
{
    const softmax *s = self;
    const float *bias = s->how->l2 ? s->bias.v + (b0 - s->bias.first) : NULL;
    double own[WNI_SCAN_COLUMNS];

    (void)worker;
    if (b0 % SPAN_MIN)
        return wni_fail(ctx, WN_E_INTERNAL, "a tile of scores begins at base row %lld",
                        (long long)b0);
    for (int64_t q = q0; q < q0 + m; q++)
        s->kernels->expsum(scores + (q - q0) * lds, bias, addends(s, q, b0, n, own), n,
                           s->how->scale, s->top + q, s->sum + q);
    return WN_OK;
}

wn_status wni_scan_lse(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                       const wni_softmax *how, double *lse)
{
    static const wni_epilogue epilogue = {lse_tile, NULL, NULL};
    softmax self = {
        wni_kernels_of(ctx), queries, base, how, {NULL, 0}, lse, NULL, NULL, NULL, 0, NULL};
    wn_status st;

    WNI_NEW0(ctx, self.sum, queries->n);
    for (int64_t q = 0; q < queries->n; q++)
        lse[q] = LOWEST;
    WNI_TRY(wni_scan_stream(ctx, queries, base, &epilogue, &self, how->l2 ? &self.bias : NULL));
    for (int64_t q = 0; q < queries->n; q++)
        if (lse[q] == LOWEST)
            lse[q] = -INFINITY;
        else if (isfinite(lse[q]))
            lse[q] += wni_log_fixed(self.sum[q]);
done:
    wni_free(ctx, self.sum);
    return st;
}

static wn_status softmax_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m,
                              int64_t b0, int64_t n, const float *scores, int64_t lds)
{
    const softmax *s = self;
    const float *bias = s->how->l2 ? s->bias.v + (b0 - s->bias.first) : NULL;
    const float *rows = wni_mat_row(s->rows, b0 - s->first);
    float p[WNI_SCAN_COLUMNS], weights[WNI_SCAN_COLUMNS * GROUP];
    double own[WNI_SCAN_COLUMNS];

    (void)ctx;
    (void)worker;
    for (int64_t g = q0; g < q0 + m; g += GROUP) {
        const int64_t group = wni_min(GROUP, q0 + m - g);

        for (int64_t i = 0; i < group; i++) {
            const int64_t q = g + i;

            if (isfinite(s->shift[q]))
                s->kernels->exps(scores + (q - q0) * lds, bias, addends(s, q, b0, n, own), n,
                                 s->how->scale, s->shift[q], p);
            else
                memset(p, 0, sizeof p);
            for (int64_t j = 0; j < n; j++)
                weights[j * group + i] = p[j];
        }
        s->kernels->outer(wni_mat_row(s->out, g), weights, group, group, rows, n, s->rows->ld);
    }
    return WN_OK;
}

wn_status wni_scan_softmax(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                           const wni_softmax *how, const double *shift, const wni_mat *out)
{
    static const wni_epilogue epilogue = {softmax_tile, NULL, NULL};
    const int64_t d = wn_pool_dim(base->pool), row_bytes = wni_ld(d) * (int64_t)sizeof(float);
    const int64_t span =
        wni_min(wni_max(SPAN_BYTES / row_bytes / SPAN_MIN * SPAN_MIN, SPAN_MIN), SPAN);
    wni_mat rows = {0};
    softmax self = {
        wni_kernels_of(ctx), queries, base, how, {NULL, 0}, NULL, NULL, shift, &rows, 0, out};
    wn_status st = WN_OK;

    if (base->n == 0 || queries->n == 0) return WN_OK;
    if (how->l2) WNI_NEW(ctx, self.bias.v, wni_min(span, base->n));
    for (int64_t b = 0; b < base->n; b += span) {
        const int64_t n = wni_min(span, base->n - b);

        self.first = self.bias.first = b;
        wni_mat_free(ctx, &rows);
        WNI_TRY(wni_mat_new(ctx, n, d, &rows));
        WNI_TRY(wni_queries_read(ctx, base, b, n, rows.v, rows.ld));
        if (how->l2) WNI_TRY(wni_mat_half_norms(ctx, &rows, self.bias.v));
        WNI_TRY(wni_scan_block(ctx, queries, &rows, b, &epilogue, &self));
    }
done:
    wni_free(ctx, self.bias.v);
    wni_mat_free(ctx, &rows);
    return st;
}
