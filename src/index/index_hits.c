/* SPDX-License-Identifier: Apache-2.0
 *
 * Hits: making, freeing, reading them back from a folder.
 */
#include "index/index_search.h"

wn_status wni_hits_new(wn_ctx *ctx, int64_t n, int64_t k, wn_metric metric, wn_hits **out)
{
    wn_hits *h = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, h, 1);
    h->ctx = ctx;
    h->n = n;
    h->k = k;
    h->metric = metric;
    WNI_TRY(wni_budget_need(ctx, n * (k * 12 + 8), "search"));
    WNI_NEW(ctx, h->indices, n * k);
    WNI_NEW(ctx, h->distances, n * k);
    WNI_NEW0(ctx, h->counts, n);
    *out = h;
    h = NULL;
done:
    wn_hits_free(h);
    return st;
}

void wn_hits_free(wn_hits *hits)
{
    if (!hits) return;
    wni_free(hits->ctx, hits->indices);
    wni_free(hits->ctx, hits->distances);
    wni_free(hits->ctx, hits->counts);
    wni_free(hits->ctx, hits);
}

static wn_status load(wn_ctx *ctx, const char *dir, const char *name, const char *descr, int dims,
                      int64_t *shape, void **data)
{
    char *path = wni_format(ctx, "%s/%s", dir, name);
    wn_status st = path ? wni_npy_load(ctx, path, descr, dims, shape, data) : WN_E_NOMEM;

    wni_free(ctx, path);
    return st;
}

wn_status wn_hits_load(wn_ctx *ctx, const char *dir, wn_hits **out)
{
    int64_t shape[2] = {0}, other[2] = {0}, n = 0;
    void *indices = NULL, *distances = NULL, *counts = NULL;
    wn_hits *h = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(load(ctx, dir, "indices.npy", "<i8", 2, shape, &indices));
    WNI_TRY(load(ctx, dir, "distances.npy", "<f4", 2, other, &distances));
    WNI_TRY(load(ctx, dir, "counts.npy", "<i8", 1, &n, &counts));
    if (other[0] != shape[0] || other[1] != shape[1] || n != shape[0]) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: found indices.npy of %lld x %lld, distances.npy of %lld x %lld and "
                      "counts.npy of %lld; the files do not belong together",
                      dir, (long long)shape[0], (long long)shape[1], (long long)other[0],
                      (long long)other[1], (long long)n);
        goto done;
    }
    for (int64_t i = 0; i < n; i++)
        if (((const int64_t *)counts)[i] < 0 || ((const int64_t *)counts)[i] > shape[1]) {
            st = wni_fail(
                ctx, WN_E_DATA, "%s/counts.npy: query %lld has %lld hits, expected 0 to %lld", dir,
                (long long)i, (long long)((const int64_t *)counts)[i], (long long)shape[1]);
            goto done;
        }
    WNI_NEW0(ctx, h, 1);
    *h = (wn_hits){.ctx = ctx,
                   .n = n,
                   .k = shape[1],
                   .indices = indices,
                   .distances = distances,
                   .counts = counts};
    indices = distances = counts = NULL;
    *out = h;
done:
    wni_free(ctx, indices);
    wni_free(ctx, distances);
    wni_free(ctx, counts);
    return st;
}
