/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores from a floor on: blocks of the base, each through the filter or in f32.
 */
#include "scan/scan_above.h"

#include "scan/above_impl.h"

wn_status wni_above_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                         int64_t n, const float *scores, int64_t lds)
{
    const wni_above_scan *s = self;
    const float *bias = s->bias.v ? s->bias.v + (b0 - s->bias.first) : NULL;
    int32_t hits[WNI_SCAN_COLUMNS];
    int64_t b[WNI_SCAN_COLUMNS];
    float score[WNI_SCAN_COLUMNS];

    for (int64_t i = 0; i < m; i++) {
        const float *row = scores + i * lds;
        const int64_t count = s->kernels->over(row, bias, n, s->above->floor[q0 + i], hits);
        wn_status st;

        if (count == 0) continue;
        for (int64_t h = 0; h < count; h++) {
            b[h] = b0 + hits[h];
            score[h] = row[hits[h]] - (bias ? bias[hits[h]] : 0);
        }
        st = s->above->take(ctx, s->above, worker, q0 + i, b, score, count);
        if (st != WN_OK) return st;
    }
    return WN_OK;
}

static wn_status above_block(wn_ctx *ctx, void *arg, const wni_mat *block, int64_t first,
                             float *half_norms)
{
    static const wni_epilogue epilogue = {wni_above_tile, NULL, NULL};
    wni_above_scan *s = arg;
    int ran;
    wn_status st;

    s->bias = (wni_block_bias){half_norms, first};
    wni_progress(ctx, "compare rows", first, s->above->base->n);
    WNI_TRY(wni_above_filtered(ctx, s, block, first, &ran));
    if (!ran) WNI_TRY(wni_scan_block(ctx, s->above->queries, block, first, &epilogue, s));
done:
    return st;
}

wn_status wni_scan_above(wn_ctx *ctx, const wni_above *above)
{
    wni_above_scan s = {.kernels = wni_kernels_of(ctx), .above = above};
    wn_status st;

    WNI_TRY(wni_scan_agree(ctx, above->queries, above->base));
    if (above->queries->n > 0)
        WNI_TRY(wni_scan_blocks(ctx, above->base, above->l2, above_block, &s));
done:
    return st;
}
