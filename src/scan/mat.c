/* SPDX-License-Identifier: Apache-2.0
 *
 * Dense matrices in the padded form that kernels read.
 */
#include <string.h>

#include "scan/scan_impl.h"

#define RANGE_BYTES 262144 /* of f32 per range */

wn_status wni_mat_new(wn_ctx *ctx, int64_t n, int64_t d, wni_mat *out)
{
    int64_t ld = wni_ld(d);
    wn_status st;

    memset(out, 0, sizeof *out);
    st = wni_budget_need(ctx, n * ld * (int64_t)sizeof(float), "a matrix of rows");
    if (st != WN_OK) return st;
    out->v = wni_calloc(ctx, n * ld, sizeof(float));
    if (!out->v) return WN_E_NOMEM;
    out->n = n;
    out->d = d;
    out->ld = ld;
    return WN_OK;
}

void wni_mat_free(wn_ctx *ctx, wni_mat *m)
{
    wni_free(ctx, m->v);
    memset(m, 0, sizeof *m);
}

static int64_t grain_of(const wni_mat *m)
{
    return wni_max(RANGE_BYTES / (m->ld * (int64_t)sizeof(float)), 1);
}

typedef struct gather_arg {
    wni_queries from;
    const wni_mat *to;
} gather_arg;

static wn_status gather_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const gather_arg *g = arg;

    (void)worker;
    return wni_queries_read(ctx, &g->from, begin, end - begin, wni_mat_row(g->to, begin),
                            g->to->ld);
}

wn_status wni_mat_gather(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t n,
                         wni_mat *out)
{
    gather_arg arg = {{pool, rows, 0, n}, out};
    wn_status st = wni_mat_new(ctx, n, wn_pool_dim(pool), out);

    if (st != WN_OK) return st;
    st = wni_parallel(ctx, n, grain_of(out), gather_range, &arg);
    if (st != WN_OK) wni_mat_free(ctx, out);
    return st;
}

typedef struct norms_arg {
    const wni_kernels *kernels;
    const wni_mat *of;
    float *half_norms;
} norms_arg;

static wn_status norms_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const norms_arg *a = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const float *row = wni_mat_row(a->of, i);

        a->half_norms[i] = a->kernels->dot(row, row, a->of->ld) / 2;
    }
    return WN_OK;
}

wn_status wni_mat_half_norms(wn_ctx *ctx, const wni_mat *m, float *half_norms)
{
    norms_arg arg = {wni_kernels_of(ctx), m, half_norms};

    return wni_parallel(ctx, m->n, grain_of(m), norms_range, &arg);
}
