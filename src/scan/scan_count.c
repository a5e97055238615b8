/* SPDX-License-Identifier: Apache-2.0
 *
 * How many base rows reach a floor, and the sum of their weights or scores. A query's tiles come in the
 * order of the base rows, so that its sum has one order of additions.
 */
#include "scan/scan_impl.h"

typedef struct counting {
    const wni_kernels *kernels;
    const wni_queries *queries, *base;
    const wni_counting *how;
    wni_block_bias bias;
    int64_t *count;
    double *sum;
} counting;

static wn_status count_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                            int64_t n, const float *scores, int64_t lds)
{
    const counting *c = self;
    const float *bias = c->how->l2 ? c->bias.v + (b0 - c->bias.first) : NULL;
    const double *weights = c->how->weights;
    int32_t hits[WNI_SCAN_COLUMNS];

    (void)ctx;
    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        const int64_t q = q0 + i;
        const int64_t own = c->how->skip_self ? wni_queries_row(c->queries, q) : -1;
        const float *row = scores + i * lds;
        int64_t count = c->kernels->over(row, bias, n, c->how->floor[c->how->each ? q : 0], hits);

        if (own < 0 && !c->sum) {
            c->count[q] += count;
            continue;
        }
        for (int64_t h = 0; h < count; h++) {
            const int64_t j = hits[h];

            if (own >= 0 && wni_queries_row(c->base, b0 + j) == own) continue;
            c->count[q]++;
            if (c->sum) c->sum[q] += weights ? weights[b0 + j] : row[j] - (bias ? bias[j] : 0);
        }
    }
    return WN_OK;
}

wn_status wni_scan_count(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                         const wni_counting *how, int64_t *count, double *sum)
{
    static const wni_epilogue epilogue = {count_tile, NULL, NULL};
    counting self = {wni_kernels_of(ctx), queries, base, how, {NULL, 0}, count, sum};

    for (int64_t q = 0; q < queries->n; q++) {
        count[q] = 0;
        if (sum) sum[q] = 0;
    }
    return wni_scan_stream(ctx, queries, base, &epilogue, &self, how->l2 ? &self.bias : NULL);
}
