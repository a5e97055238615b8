/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ctx_impl.h"
#include "winnow/select.h"

_Static_assert(sizeof(wn_why) == 24, "why.npy has 24 bytes a row");

const char *wn_why_rule_name(int32_t rule)
{
    static const char *const names[WN_WHY_COUNT] = {
        "kept",  "exact-duplicate", "near-duplicate", "quota",   "no-cluster",
        "score", "not-drawn",       "off-target",     "covered", "limit"};

    return rule >= 0 && rule < WN_WHY_COUNT ? names[rule] : "?";
}

wn_status wn_selection_new(wn_ctx *ctx, int64_t n, int64_t size, wn_selection **out)
{
    wn_selection *s;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, s, 1);
    s->ctx = ctx;
    s->n = n;
    s->size = size;
    WNI_NEW0(ctx, s->rows, size);
    WNI_NEW0(ctx, s->weights, size);
    WNI_NEW0(ctx, s->why, n);
    *out = s;
    return WN_OK;
done:
    wn_selection_free(s);
    return st;
}

void wn_selection_free(wn_selection *selection)
{
    if (!selection) return;
    wni_free(selection->ctx, selection->rows);
    wni_free(selection->ctx, selection->weights);
    wni_free(selection->ctx, selection->why);
    wni_free(selection->ctx, selection);
}
