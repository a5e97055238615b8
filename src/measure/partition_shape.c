/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape of clusters: means and scatter cluster by cluster, silhouettes through the scan engine.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "measure/partition_values.h"
#include "scan/scan.h"

#define READ_BYTES ((int64_t)1 << 18)
#define SUMS_BYTES ((int64_t)8 << 20) /* of distances to clusters, in one batch of the silhouette */

typedef struct shape {
    const wn_pool *pool;
    const wni_parts *parts;
    bool cosine;
    int64_t d, ld, grain;
    int64_t *begin; /* (k + 1) rows of cluster c: order[begin[c]...] */
    int64_t *order; /* (rows in a cluster) cluster by cluster, ascending inside */
    wni_mat center; /* (k, d) means; of an empty cluster zero */
    double *spread; /* (k) mean distance to the own mean */
    double *within; /* (k) sum of squared distances to it */
    double *worst;  /* (k) the cluster's term of Davies-Bouldin */
    float *slots;   /* (threads, grain x ld) */
    double *sums;   /* (threads, ld) */
} shape;

static wn_status order_rows(wn_ctx *ctx, shape *s)
{
    const wni_parts *p = s->parts;
    int64_t rows;
    wn_status st;

    WNI_NEW0(ctx, s->begin, p->k + 1);
    for (int64_t i = 0; i < p->n; i++)
        if (p->label[i] >= 0) s->begin[p->label[i] + 1]++;
    for (int32_t c = 0; c < p->k; c++)
        s->begin[c + 1] += s->begin[c];
    rows = s->begin[p->k];
    WNI_NEW(ctx, s->order, rows);
    for (int64_t i = 0; i < p->n; i++)
        if (p->label[i] >= 0) s->order[s->begin[p->label[i]]++] = i;
    for (int32_t c = p->k; c > 0; c--) /* the starts have walked to the ends */
        s->begin[c] = s->begin[c - 1];
    s->begin[0] = 0;
    st = WN_OK;
done:
    return st;
}

/* The mean of a cluster, then how its rows lie around it. Sums run in the order of the rows. */
static wn_status cluster_range(wn_ctx *ctx, void *arg, int worker, int64_t first, int64_t end)
{
    shape *s = arg;
    float *x = s->slots + worker * s->grain * s->ld;
    double *sum = s->sums + worker * s->ld;
    wn_status st = WN_OK;

    for (int64_t c = first; c < end; c++) {
        int64_t begin = s->begin[c], size = s->begin[c + 1] - begin;
        float *center = wni_mat_row(&s->center, c);
        memset(sum, 0, (size_t)s->d * sizeof *sum);
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t at = 0; at < size; at += s->grain) {
                int64_t m = wni_min(s->grain, size - at);
                WNI_TRY(wni_poll(ctx));
                WNI_TRY(wn_pool_gather(ctx, s->pool, s->order + begin + at, m, x, s->ld));
                for (int64_t i = 0; i < m; i++) {
                    const float *row = x + i * s->ld;
                    double d2;
                    for (int64_t j = 0; j < s->d && pass == 0; j++)
                        sum[j] += (double)row[j];
                    if (pass == 0) continue;
                    d2 = (double)wni_kernels_of(ctx)->l2sq(row, center, s->ld);
                    s->within[c] += d2;
                    s->spread[c] += sqrt(d2);
                }
            }
            for (int64_t j = 0; j < s->d && pass == 0 && size; j++)
                center[j] = (float)(sum[j] / (double)size);
        }
        if (size) s->spread[c] /= (double)size;
    }
done:
    return st;
}

static wn_status worst_range(wn_ctx *ctx, void *arg, int worker, int64_t first, int64_t end)
{
    shape *s = arg;
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t a = first; a < end; a++) {
        if (s->begin[a] == s->begin[a + 1]) continue;
        WNI_TRY(wni_poll(ctx));
        for (int64_t b = 0; b < s->parts->k; b++) {
            double apart;
            if (a == b || s->begin[b] == s->begin[b + 1]) continue;
            apart = sqrt((double)wni_kernels_of(ctx)->l2sq(wni_mat_row(&s->center, a),
                                                           wni_mat_row(&s->center, b), s->ld));
            if (apart > 0) s->worst[a] = fmax(s->worst[a], (s->spread[a] + s->spread[b]) / apart);
        }
    }
done:
    return st;
}

static void scatter(const shape *s, wni_shape *out, double *mean)
{
    double between = 0, within = 0, worst = 0, n = (double)out->rows, k = out->clusters;

    memset(mean, 0, (size_t)s->d * sizeof *mean);
    for (int32_t c = 0; c < s->parts->k; c++)
        for (int64_t j = 0; j < s->d; j++)
            mean[j] +=
                (double)(s->begin[c + 1] - s->begin[c]) / n * (double)wni_mat_row(&s->center, c)[j];
    for (int32_t c = 0; c < s->parts->k; c++) {
        double size = (double)(s->begin[c + 1] - s->begin[c]), d2 = 0;
        for (int64_t j = 0; j < s->d && size > 0; j++) {
            double d = (double)wni_mat_row(&s->center, c)[j] - mean[j];
            d2 += d * d;
        }
        between += size * d2;
        within += s->within[c];
        worst += s->worst[c];
    }
    out->davies_bouldin = k > 1 ? worst / k : NAN;
    out->calinski_harabasz =
        k > 1 && n > k ? (within > 0 ? between / (k - 1) / (within / (n - k)) : 1) : NAN;
}

/* ---- silhouettes ------------------------------------------------------------------------------------ */

typedef struct silhouette {
    const shape *s;
    const int64_t *judged; /* rows of this batch */
    const float *half;     /* (rows in a cluster) half squared lengths, in the order of s->order */
    const float *own_half; /* (batch) */
    const int64_t *cluster_of; /* (rows in a cluster) position -> label */
    double *sum;               /* (batch, k) distances to the rows of each cluster */
} silhouette;

/* Calls for one query come with ascending base rows: the sums have one order. */
static wn_status silhouette_tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m,
                                 int64_t b0, int64_t n, const float *scores, int64_t lds)
{
    silhouette *h = self;
    const shape *s = h->s;
    int64_t k = s->parts->k;

    (void)ctx;
    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        const float *score = scores + i * lds;
        double *sum = h->sum + (q0 + i) * k, own = (double)h->own_half[q0 + i];
        int64_t row = h->judged[q0 + i];
        for (int64_t j = 0; j < n; j++) {
            double dot = (double)score[j], d;
            if (s->order[b0 + j] == row) continue;
            d = s->cosine ? 1 - dot : sqrt(fmax(2 * (own + (double)h->half[b0 + j] - dot), 0));
            sum[h->cluster_of[b0 + j]] += d > 0 ? d : 0;
        }
    }
    return WN_OK;
}

static double silhouette_of(const shape *s, int64_t row, const double *sum)
{
    int32_t own = s->parts->label[row];
    double a, b = INFINITY;

    if (s->begin[own + 1] - s->begin[own] == 1) return 0;
    a = sum[own] / (double)(s->begin[own + 1] - s->begin[own] - 1);
    for (int32_t c = 0; c < s->parts->k; c++)
        if (c != own && s->begin[c + 1] > s->begin[c])
            b = fmin(b, sum[c] / (double)(s->begin[c + 1] - s->begin[c]));
    return a == b ? 0 : (b - a) / fmax(a, b);
}

static wn_status half_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    struct {
        shape *s;
        float *half;
    } *a = arg;
    float *x = a->s->slots + worker * a->s->grain * a->s->ld;
    wn_status st;

    WNI_TRY(wn_pool_gather(ctx, a->s->pool, a->s->order + begin, end - begin, x, a->s->ld));
    for (int64_t i = begin; i < end; i++, x += a->s->ld)
        a->half[i] = wni_kernels_of(ctx)->dot(x, x, a->s->ld) / 2;
done:
    return st;
}

static wn_status measure_silhouette(wn_ctx *ctx, shape *s, int64_t sample, uint64_t seed,
                                    wni_shape *out)
{
    static const wni_epilogue epilogue = {silhouette_tile, NULL, NULL};
    int64_t k = s->parts->k, rows = out->rows, batch;
    int64_t *at = NULL, *cluster_of = NULL;
    float *half = NULL, *own_half = NULL;
    wni_queries base = {s->pool, s->order, 0, rows};
    silhouette h = {.s = s};
    struct {
        shape *s;
        float *half;
    } halving;
    double total = 0;
    wn_status st;

    out->judged = sample && sample < rows ? sample : rows;
    batch = wni_min(wni_max(SUMS_BYTES / (k * (int64_t)sizeof(double)), 1), out->judged);
    WNI_NEW(ctx, at, out->judged);
    WNI_NEW(ctx, cluster_of, rows);
    WNI_NEW(ctx, half, rows);
    WNI_NEW(ctx, own_half, batch);
    WNI_NEW(ctx, h.sum, batch * k);
    for (int64_t c = 0; c < k; c++)
        for (int64_t i = s->begin[c]; i < s->begin[c + 1]; i++)
            cluster_of[i] = c;
    halving.s = s;
    halving.half = half;
    WNI_TRY(wni_parallel(ctx, rows, s->grain, half_range, &halving));
    WNI_TRY(
        wni_rand_subset(ctx, seed, wni_stream("measure-partition", 0, 0), rows, out->judged, at));
    h.half = half;
    h.own_half = own_half;
    h.cluster_of = cluster_of;
    for (int64_t first = 0; first < out->judged; first += batch) {
        wni_queries queries = {s->pool, at + first, 0, wni_min(batch, out->judged - first)};
        wni_progress(ctx, "silhouettes", first, out->judged);
        for (int64_t q = 0; q < queries.n; q++) {
            own_half[q] = half[at[first + q]];
            at[first + q] = s->order[at[first + q]];
        }
        h.judged = at + first;
        memset(h.sum, 0, (size_t)(queries.n * k) * sizeof *h.sum);
        WNI_TRY(wni_scan_pool(ctx, &queries, &base, &epilogue, &h));
        for (int64_t q = 0; q < queries.n; q++)
            total += silhouette_of(s, at[first + q], h.sum + q * k);
    }
    wni_progress(ctx, "silhouettes", out->judged, out->judged);
    out->silhouette = total / (double)out->judged;
done:
    wni_free(ctx, at);
    wni_free(ctx, cluster_of);
    wni_free(ctx, half);
    wni_free(ctx, own_half);
    wni_free(ctx, h.sum);
    return st;
}

/* ---- all of it --------------------------------------------------------------------------------------- */

int64_t wni_shape_bytes(const wn_ctx *ctx, int64_t n, int64_t d, int64_t k)
{
    int64_t ld = wni_ld(d);

    return n * (8 + 8 + 8 + 4) + (k + 1) * 8 + k * (ld * 4 + 3 * 8) + wni_max(SUMS_BYTES, k * 8) +
           wn_ctx_threads(ctx) * (READ_BYTES + ld * 12) * 4 + ((int64_t)8 << 20);
}

wn_status wni_shape_of(wn_ctx *ctx, const wn_pool *pool, const wni_parts *parts, int64_t sample,
                       uint64_t seed, wni_shape *out)
{
    shape s = {.pool = pool, .parts = parts, .d = wn_pool_dim(pool)};
    wn_status st;

    *out = (wni_shape){.smallest = INT64_MAX, .silhouette = NAN};
    s.cosine = wn_pool_metric(pool) == WN_COSINE;
    s.ld = wni_ld(s.d);
    s.grain = wni_max(READ_BYTES / (s.ld * (int64_t)sizeof(float)), 1);
    WNI_TRY(order_rows(ctx, &s));
    for (int32_t c = 0; c < parts->k; c++) {
        int64_t size = s.begin[c + 1] - s.begin[c];
        if (!size) continue;
        out->clusters++;
        out->rows += size;
        out->smallest = wni_min(out->smallest, size);
        out->largest = wni_max(out->largest, size);
    }
    if (out->clusters == 0) {
        st = wni_fail(ctx, WN_E_DATA, "measure partition: no row is in a cluster");
        goto done;
    }
    WNI_TRY(wni_mat_new(ctx, parts->k, s.d, &s.center));
    WNI_NEW0(ctx, s.spread, parts->k);
    WNI_NEW0(ctx, s.within, parts->k);
    WNI_NEW0(ctx, s.worst, parts->k);
    WNI_NEW(ctx, s.slots, wn_ctx_threads(ctx) * s.grain * s.ld);
    WNI_NEW(ctx, s.sums, wn_ctx_threads(ctx) * s.ld);
    WNI_TRY(wni_parallel(ctx, parts->k, 1, cluster_range, &s));
    for (int32_t c = 0; c < parts->k; c++)
        if (!isfinite(s.within[c])) {
            st = wni_fail(ctx, WN_E_DATA,
                          "measure partition: rows of cluster %d lie so far apart that squared "
                          "distances overflow; scale the pool down or use cosine",
                          c);
            goto done;
        }
    WNI_TRY(wni_parallel(ctx, parts->k, 8, worst_range, &s));
    scatter(&s, out, s.sums);
    if (out->clusters > 1 && out->clusters < out->rows)
        WNI_TRY(measure_silhouette(ctx, &s, sample, seed, out));
done:
    wni_free(ctx, s.begin);
    wni_free(ctx, s.order);
    wni_mat_free(ctx, &s.center);
    wni_free(ctx, s.spread);
    wni_free(ctx, s.within);
    wni_free(ctx, s.worst);
    wni_free(ctx, s.slots);
    wni_free(ctx, s.sums);
    return st;
}
