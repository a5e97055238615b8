/* SPDX-License-Identifier: Apache-2.0 */
#include "batch/grouped.h"

#define POLL_ROWS 1048576

wn_status wni_grouped_new(wn_ctx *ctx, const int32_t *v, int64_t n, int32_t classes,
                          wni_grouped *out)
{
    int64_t *at = NULL, sum = 0;
    wn_status st;

    *out = (wni_grouped){0};
    WNI_NEW0(ctx, at, (int64_t)classes + 1);
    for (int64_t i = 0; i < n; i++) {
        if (i % POLL_ROWS == 0) WNI_TRY(wni_poll(ctx));
        if (v[i] >= 0) at[v[i]]++;
    }
    for (int32_t c = 0; c < classes; c++) {
        out->n += at[c];
        out->k += at[c] > 0;
    }
    WNI_NEW(ctx, out->rows, out->n);
    WNI_NEW(ctx, out->begin, out->k + 1);
    WNI_NEW(ctx, out->group, out->k);
    out->k = 0;
    for (int32_t c = 0; c < classes; c++) {
        int64_t size = at[c];
        at[c] = sum;
        if (size == 0) continue;
        out->begin[out->k] = sum;
        out->group[out->k++] = c;
        sum += size;
    }
    out->begin[out->k] = sum;
    for (int64_t i = 0; i < n; i++) {
        if (i % POLL_ROWS == 0) WNI_TRY(wni_poll(ctx));
        if (v[i] >= 0) out->rows[at[v[i]]++] = i;
    }
done:
    wni_free(ctx, at);
    if (st != WN_OK) wni_grouped_free(ctx, out);
    return st;
}

void wni_grouped_free(wn_ctx *ctx, wni_grouped *g)
{
    wni_free(ctx, g->begin);
    wni_free(ctx, g->rows);
    wni_free(ctx, g->group);
    *g = (wni_grouped){0};
}
