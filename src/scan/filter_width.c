/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/filter_width.h"

#define VERIFY_PRODUCTS 4500 /* what a score out of order costs, in f32 products */
#define NARROW_COST     0.25 /* of bounding a pair, in f32 pairs */
#define WIDE_COST       0.5
#define WIDE_WORTH      0.65 /* what 8 bits must cost for bf16 to be tried */
#define WIDE_ROWS_MIN   4096 /* rows that pay for packing */
#define LD_MIN          64   /* shorter rows are as fast in f32 */

static double verify_cost(const wni_filter *f)
{
    return 1 + (double)VERIFY_PRODUCTS / (double)f->ld;
}

int64_t wni_width_worth(const wni_filter *f, int64_t pairs)
{
    return (int64_t)((1 - (f->wide ? WIDE_COST : NARROW_COST)) * (double)pairs / verify_cost(f));
}

void wni_width_saw(wni_filter_width *w, int64_t pairs, int64_t verified)
{
    atomic_fetch_add(&w->pairs, pairs);
    atomic_fetch_add(&w->verified, verified);
}

void wni_width_forget(wni_filter_width *w)
{
    atomic_store(&w->pairs, 0);
    atomic_store(&w->verified, 0);
}

/* What a pair cost since the last look. */
static double cost(wni_filter_width *w, const wni_filter *f)
{
    const double pairs = (double)atomic_exchange(&w->pairs, 0);
    const double verified = (double)atomic_exchange(&w->verified, 0);

    if (!(pairs > 0)) return 1; /* all went through f32 */
    return (f->wide ? WIDE_COST : NARROW_COST) + verify_cost(f) * verified / pairs;
}

wn_status wni_width_start(wn_ctx *ctx, wni_filter_width *w, const wni_mat *base, const float *bias,
                          int64_t rows, int64_t share, const wni_filter *like, wni_filter **f)
{
    const int wide = ctx->filter_always == 2;
    wn_status st = WN_OK;

    *f = NULL;
    wni_width_end(ctx, w);
    w->settled = ctx->filter_always || ctx->isa < WN_ISA_BF16 || rows < WIDE_ROWS_MIN ||
                 base->ld < LD_MIN || !wni_filter_tries(&w->pause);
    if (wni_filter_bytes(base->d, base->n, wide) > wni_budget_left(ctx) / share) return WN_OK;
    if (wide)
        WNI_TRY(wni_filter_new_wide(ctx, base, bias, &w->wide));
    else if (like)
        WNI_TRY(wni_filter_new_like(ctx, base, bias, like, &w->narrow));
    else
        WNI_TRY(wni_filter_new(ctx, base, bias, &w->narrow));
    *f = wide ? w->wide : w->narrow;
done:
    return st;
}

wn_status wni_width_look(wn_ctx *ctx, wni_filter_width *w, int64_t share, wni_filter **f,
                         int *changed)
{
    const wni_filter *before = *f;
    wn_status st = WN_OK;

    *changed = 0;
    if (w->settled || !*f) return WN_OK;
    if (!w->wide) {
        const wni_filter *narrow = w->narrow;

        w->cost = cost(w, narrow);
        w->settled = w->cost < WIDE_WORTH ||
                     wni_filter_bytes(narrow->base->d, narrow->n, 1) > wni_budget_left(ctx) / share;
        if (w->settled) return WN_OK;
        WNI_TRY(wni_filter_new_wide(ctx, narrow->base, narrow->bias, &w->wide));
        w->settled = !w->wide;
        if (w->wide) *f = w->wide;
    } else {
        w->settled = 1;
        if (cost(w, w->wide) < w->cost) {
            wni_filter_worked(&w->pause);
            wni_filter_free(ctx, w->narrow);
            w->narrow = NULL;
            return WN_OK;
        }
        wni_filter_failed(&w->pause);
        wni_filter_free(ctx, w->wide);
        w->wide = NULL;
        *f = w->narrow;
    }
    *changed = *f != before;
done:
    return st;
}

void wni_width_end(wn_ctx *ctx, wni_filter_width *w)
{
    wni_filter_free(ctx, w->narrow);
    wni_filter_free(ctx, w->wide);
    w->narrow = w->wide = NULL;
    wni_width_forget(w);
}
