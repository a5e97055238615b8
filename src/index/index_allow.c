/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows a search may find: those that are not deleted and that the filters let through.
 */
#include "index/index_search.h"

static wn_status allow_segment(wn_ctx *ctx, const wni_segment *s, wni_allowed *a)
{
    const int64_t words = (s->n + 63) / 64;
    wn_status st = WN_OK;

    a->n = s->n - s->n_dead;
    if (!s->dead) return WN_OK;
    WNI_NEW(ctx, a->bits, words);
    for (int64_t w = 0; w < words; w++)
        a->bits[w] = ~s->dead[w];
    if (s->n % 64) a->bits[words - 1] &= ((uint64_t)1 << (s->n % 64)) - 1;
done:
    return st;
}

wn_status wni_index_allow(wn_ctx *ctx, const wn_index *index, const wn_index_query *query,
                          wni_allowed **out)
{
    wni_allowed *allowed;
    wn_status st = WN_OK;

    *out = NULL;
    (void)query;
    WNI_NEW0(ctx, allowed, index->n_segments);
    *out = allowed;
    for (int32_t i = 0; i < index->n_segments; i++)
        WNI_TRY(allow_segment(ctx, &index->segment[i], &allowed[i]));
done:
    return st;
}

void wni_index_allowed_free(wn_ctx *ctx, const wn_index *index, wni_allowed *allowed)
{
    if (!allowed) return;
    for (int32_t i = 0; i < index->n_segments; i++)
        wni_free(ctx, allowed[i].bits);
    wni_free(ctx, allowed);
}
