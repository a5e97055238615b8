/* SPDX-License-Identifier: Apache-2.0
 *
 * Means of the rows of leaves, lists and nodes, and how far the rows lie from them.
 */
#include <math.h>
#include <string.h>

#include "index/tenants_impl.h"

#define ROWS 64 /* that are read at a time */

typedef struct maker {
    const wn_pool *pool;
    const wni_tenants_tree *tree;
    const wni_tenants_rows *rows;
    const wni_mat *centers;
    float *spread;
} maker;

/* Scratch of a range. */
typedef struct sums {
    double *sum; /* (d) */
    double square;
    int64_t n;
    float *x; /* (ROWS, ld) */
} sums;

static wn_status sums_new(wn_ctx *ctx, const maker *m, sums *s)
{
    wn_status st = WN_OK;

    memset(s, 0, sizeof *s);
    WNI_NEW(ctx, s->sum, m->centers->d);
    WNI_NEW(ctx, s->x, ROWS * m->centers->ld);
done:
    return st;
}

static void sums_free(wn_ctx *ctx, sums *s)
{
    wni_free(ctx, s->sum);
    wni_free(ctx, s->x);
}

static void begin_sums(const maker *m, sums *s)
{
    memset(s->sum, 0, (size_t)m->centers->d * sizeof *s->sum);
    s->square = 0;
    s->n = 0;
}

static void end_sums(const maker *m, const sums *s, int64_t center)
{
    float *out = wni_mat_row(m->centers, center);
    double square = s->square / (double)s->n;

    for (int64_t j = 0; j < m->centers->d; j++) {
        const double mean = s->sum[j] / (double)s->n;

        out[j] = (float)mean;
        square -= mean * mean;
    }
    m->spread[center] = (float)fmax(square, 0);
}

/* Rows of n slots: those of `at`, or from `first` on. */
static wn_status add_slots(wn_ctx *ctx, const maker *m, sums *s, const int32_t *at, int64_t first,
                           int64_t n)
{
    const int64_t d = m->centers->d, ld = m->centers->ld;
    int64_t rows[ROWS];
    wn_status st;

    for (int64_t i = 0; i < n; i += ROWS) {
        const int64_t count = wni_min(ROWS, n - i);

        for (int64_t r = 0; r < count; r++)
            rows[r] = m->rows->rows[at ? at[i + r] : first + i + r];
        if ((st = wn_pool_gather(ctx, m->pool, rows, count, s->x, ld)) != WN_OK) return st;
        for (int64_t r = 0; r < count; r++)
            for (int64_t j = 0; j < d; j++) {
                const double x = (double)s->x[r * ld + j];

                s->sum[j] += x;
                s->square += x * x;
            }
        s->n += count;
    }
    return WN_OK;
}

static wn_status rows_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const maker *m = arg;
    const wni_tenants_rows *r = m->rows;
    const int64_t leaves = m->tree->leaves;
    sums s;
    wn_status st;

    (void)worker;
    WNI_TRY(sums_new(ctx, m, &s));
    for (int64_t c = begin; c < end; c++) {
        begin_sums(m, &s);
        if (c < leaves)
            WNI_TRY(add_slots(ctx, m, &s, r->leaf_slots + r->leaf_start[c], 0,
                              r->leaf_start[c + 1] - r->leaf_start[c]));
        else
            WNI_TRY(add_slots(ctx, m, &s, NULL, r->list[c - leaves].begin,
                              r->list[c - leaves].end - r->list[c - leaves].begin));
        end_sums(m, &s, c);
    }
done:
    sums_free(ctx, &s);
    return st;
}

/* Nodes out of their leaves. */
static wn_status nodes_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const maker *m = arg;
    const int64_t *start = m->rows->leaf_start;
    sums s;
    wn_status st;

    (void)worker;
    WNI_TRY(sums_new(ctx, m, &s));
    for (int64_t u = begin; u < end; u++) {
        begin_sums(m, &s);
        for (int64_t l = m->tree->node[u].first_leaf; l < m->tree->node[u].end_leaf; l++) {
            const float *c = wni_mat_row(m->centers, l);
            const double n = (double)(start[l + 1] - start[l]);

            if (l % 4096 == 0) WNI_TRY(wni_poll(ctx));
            s.square += n * (double)m->spread[l];
            for (int64_t j = 0; j < m->centers->d; j++) {
                s.sum[j] += n * (double)c[j];
                s.square += n * (double)c[j] * (double)c[j];
            }
            s.n += start[l + 1] - start[l];
        }
        end_sums(m, &s, m->tree->leaves + m->rows->lists + u);
    }
done:
    sums_free(ctx, &s);
    return st;
}

wn_status wni_tenants_centers_make(wn_ctx *ctx, const wn_pool *pool, const wni_tenants_tree *tree,
                                   const wni_tenants_rows *rows, wni_mat *centers, float **spread)
{
    const int64_t n = tree->leaves + rows->lists + tree->nodes;
    maker m = {.pool = pool, .tree = tree, .rows = rows, .centers = centers};
    wn_status st = WN_OK;

    *spread = NULL;
    WNI_TRY(wni_mat_new(ctx, n, wn_pool_dim(pool), centers));
    WNI_NEW(ctx, *spread, n);
    m.spread = *spread;
    WNI_TRY(wni_parallel(ctx, tree->leaves + rows->lists, 16, rows_range, &m));
    WNI_TRY(wni_parallel(ctx, tree->nodes, 1, nodes_range, &m));
done:
    return st;
}

wn_status wni_tenants_half(wn_ctx *ctx, const wni_mat *centers, const float *spread, float *half)
{
    const wn_status st = wni_mat_half_norms(ctx, centers, half);

    for (int64_t c = 0; c < centers->n && st == WN_OK; c++)
        half[c] += WNI_TENANTS_SPREAD / 2 * spread[c];
    return st;
}
