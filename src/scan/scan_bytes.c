/* SPDX-License-Identifier: Apache-2.0
 *
 * What scans take of the budget, for estimates: the same shares of what is left as when they run.
 */
#include "scan/filter.h"
#include "scan/scan_impl.h"

#define PLAIN_ROWS 64
#define HITS_ROW   128 /* of argmin, on average */
#define SMALL      ((int64_t)4096)

/* Codes of n rows, in both widths while bf16 is on trial, and the tiles of all threads. */
int64_t wni_filter_share(const wn_ctx *ctx, int64_t queries, int64_t n, int64_t d, int64_t left)
{
    wni_filter narrow = {.ld = wni_ld(d)}, wide = {.ld = narrow.ld, .wide = 1};
    int64_t rows, bytes, codes;

    if (!wni_filter_wanted(ctx, d, n)) return 0;
    wni_filter_heads(&narrow);
    rows = wni_max(wni_filter_tall_rows(ctx, &narrow, queries),
                   wni_filter_tile_rows(ctx, &narrow, queries));
    bytes = wni_min(ctx->threads * wni_max(wni_filter_tile_bytes(&narrow, rows, HITS_ROW * rows),
                                           wni_filter_tile_bytes(&wide, rows, HITS_ROW * rows)),
                    wni_max(left, 0));
    left = wni_max(left - bytes, 0);
    codes = wni_min(wni_filter_bytes(d, n, 0), left / 2);
    bytes += codes;
    if (ctx->isa >= WN_ISA_BF16) bytes += wni_min(wni_filter_bytes(d, n, 1), (left - codes) / 2);
    return bytes;
}

/* Scratch in f32. */
static int64_t plain_bytes(const wn_ctx *ctx, int64_t ld)
{
    return ctx->threads * PLAIN_ROWS * (ld + 2 * WNI_SCAN_COLUMNS) * (int64_t)sizeof(float) + SMALL;
}

int64_t wni_scan_argmin_bytes(const wn_ctx *ctx, int64_t queries, int64_t n, int64_t d,
                              int64_t held)
{
    return plain_bytes(ctx, wni_ld(d)) +
           wni_filter_share(ctx, queries, n, d, wni_budget_left(ctx) - held);
}

int64_t wni_scan_bytes(const wn_ctx *ctx, int64_t queries, int64_t n, int64_t d, int64_t held)
{
    const int64_t left = wni_budget_left(ctx) - held,
                  row = (wni_ld(d) + 1) * (int64_t)sizeof(float);
    const int64_t rows = wni_scan_block_rows(left, n, d);

    return queries * 16 + rows * row + plain_bytes(ctx, wni_ld(d)) +
           wni_filter_share(ctx, queries, rows, d, left - rows * row);
}
