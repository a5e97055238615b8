/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/fixmath.h"
#include "kernels/kernels.h"
#include "pool/inputs.h"
#include "search/cutoff.h"

#define SAMPLE 1000 /* rows of the background of a query */
#define SEED   0
#define QUARTILES \
    1.3489795003921634 /* between the quartiles of a normal distribution, in deviations */
#define FEATURES 4     /* one, z, centre, width */
#define STEPS    30    /* of Newton's method */
#define RIDGE    1e-3

/* ---- judgements ----------------------------------------------------------------------------------------- */

static wn_status column(wn_ctx *ctx, const char *path, const char *name, int64_t **v, int64_t *n)
{
    char *full = wni_format(ctx, "%s:%s", path, name);
    wn_status st = full ? wni_ints_read(ctx, full, v, n) : WN_E_NOMEM;

    wni_free(ctx, full);
    return st;
}

wn_status wni_judgements_load(wn_ctx *ctx, const char *path, int64_t queries, wni_judgement **out,
                              int64_t *n)
{
    int64_t *query = NULL, *id = NULL, *relevant = NULL, m;
    wni_judgement *v = NULL;
    wn_status st;

    *out = NULL;
    *n = 0;
    WNI_TRY(column(ctx, path, "query", &query, n));
    WNI_TRY(column(ctx, path, "id", &id, &m));
    WNI_TRY(column(ctx, path, "relevant", &relevant, &m));
    WNI_NEW(ctx, v, *n);
    for (int64_t i = 0; i < *n; i++) {
        if (query[i] < 0 || query[i] >= queries || relevant[i] < 0 || relevant[i] > 1) {
            st = wni_fail(ctx, WN_E_DATA,
                          "%s: record %lld: found query %lld and relevant %lld, expected a query "
                          "from 0 to %lld and 0 or 1",
                          path, (long long)i, (long long)query[i], (long long)relevant[i],
                          (long long)(queries - 1));
            goto done;
        }
        v[i] = (wni_judgement){query[i], id[i], (int32_t)relevant[i]};
    }
    *out = v;
    v = NULL;
done:
    wni_free(ctx, query);
    wni_free(ctx, id);
    wni_free(ctx, relevant);
    wni_free(ctx, v);
    return st;
}

/* ---- the background of a query ---------------------------------------------------------------------------- */

typedef struct background {
    const wni_kernels *kernels;
    const wn_pool *queries;
    const float *rows; /* (m, ld) */
    wn_metric metric;
    int64_t m, ld;
    double *center, *width; /* (n) of the similarities of each query */
} background;

/* Larger is nearer. Distances of high dimension are close to normal; their squares are less so. */
static double similarity(wn_metric metric, float distance)
{
    return metric == WN_COSINE ? 1 - (double)distance : -(double)distance;
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static wn_status background_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const background *b = arg;
    float *x = NULL, *distance = NULL;
    wn_status st = WN_OK;

    (void)worker;
    WNI_NEW(ctx, x, b->ld);
    WNI_NEW(ctx, distance, b->m);
    for (int64_t q = begin; q < end; q++) {
        double low, high;

        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wn_pool_read(ctx, b->queries, q, 1, x, b->ld));
        for (int64_t i = 0; i < b->m; i++) {
            float l2sq = b->kernels->l2sq(x, b->rows + i * b->ld, b->ld);
            distance[i] = b->metric == WN_COSINE ? l2sq / 2 : sqrtf(l2sq);
        }
        qsort(distance, (size_t)b->m, sizeof *distance, ascending);
        low = similarity(b->metric, distance[b->m * 3 / 4]);
        high = similarity(b->metric, distance[b->m / 4]);
        b->center[q] = similarity(b->metric, distance[b->m / 2]);
        b->width[q] = (high - low) / QUARTILES;
    }
done:
    wni_free(ctx, x);
    wni_free(ctx, distance);
    return st;
}

/* A width of 0 (copies of one row) gives no scale: every difference is then beyond any threshold. */
static double z_score(const background *b, int64_t q, float distance)
{
    const double above = similarity(b->metric, distance) - b->center[q];

    if (b->width[q] > 0) return above / b->width[q];
    return above > 0 ? 1e30 : above < 0 ? -1e30 : 0;
}

/* The value that a normal variable exceeds with probability p, for p <= 1/2; error below 4.5e-4 (Abramowitz and
 * Stegun 26.2.23). */
static double normal_tail(double p)
{
    const double t = sqrt(-2 * wni_log_fixed(p));

    return t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                   (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}

/* ---- learning ------------------------------------------------------------------------------------------- */

typedef struct sample {
    double x[FEATURES];
    int32_t relevant;
    double score;
} sample;

static void features(const background *b, int64_t q, float distance, double x[FEATURES])
{
    const double z = z_score(b, q, distance);

    x[0] = 1;
    x[1] = fmin(fmax(z, -50), 50);
    x[2] = b->center[q];
    x[3] = b->width[q];
}

static double predict(const double w[FEATURES], const double x[FEATURES])
{
    double sum = 0;

    for (int i = 0; i < FEATURES; i++)
        sum += w[i] * x[i];
    return 1 / (1 + wni_exp_fixed(-sum));
}

/* Solves a (FEATURES, FEATURES) x = b by elimination with pivots; a is positive definite. */
static void solve(double a[FEATURES][FEATURES], double b[FEATURES])
{
    for (int i = 0; i < FEATURES; i++) {
        for (int r = i + 1; r < FEATURES; r++) {
            const double f = a[r][i] / a[i][i];
            for (int c = i; c < FEATURES; c++)
                a[r][c] -= f * a[i][c];
            b[r] -= f * b[i];
        }
    }
    for (int i = FEATURES - 1; i >= 0; i--) {
        for (int c = i + 1; c < FEATURES; c++)
            b[i] -= a[i][c] * b[c];
        b[i] /= a[i][i];
    }
}

/* Logistic regression by Newton's method, features scaled to mean 0 and deviation 1 first. */
static void fit(const sample *v, int64_t n, double w[FEATURES])
{
    double mean[FEATURES] = {0}, scale[FEATURES] = {0};

    for (int i = 1; i < FEATURES; i++) {
        for (int64_t j = 0; j < n; j++)
            mean[i] += v[j].x[i] / (double)n;
        for (int64_t j = 0; j < n; j++)
            scale[i] += (v[j].x[i] - mean[i]) * (v[j].x[i] - mean[i]) / (double)n;
        scale[i] = scale[i] > 0 ? 1 / sqrt(scale[i]) : 0;
    }
    scale[0] = 1;
    for (int i = 0; i < FEATURES; i++)
        w[i] = 0;
    for (int step = 0; step < STEPS; step++) {
        double h[FEATURES][FEATURES] = {{0}}, g[FEATURES] = {0};

        for (int64_t j = 0; j < n; j++) {
            double x[FEATURES], p;
            for (int i = 0; i < FEATURES; i++)
                x[i] = i ? (v[j].x[i] - mean[i]) * scale[i] : 1;
            p = predict(w, x);
            for (int i = 0; i < FEATURES; i++) {
                g[i] += (v[j].relevant - p) * x[i];
                for (int c = 0; c < FEATURES; c++)
                    h[i][c] += p * (1 - p) * x[i] * x[c];
            }
        }
        for (int i = 0; i < FEATURES; i++) {
            h[i][i] += RIDGE * (double)n;
            g[i] -= RIDGE * (double)n * w[i];
        }
        solve(h, g);
        for (int i = 0; i < FEATURES; i++)
            w[i] += g[i];
    }
    for (int i = 1; i < FEATURES; i++) {
        w[i] *= scale[i];
        w[0] -= w[i] * mean[i];
    }
}

static int by_score(const void *a, const void *b)
{
    const sample *x = a, *y = b;

    if (x->score > y->score || x->score < y->score) return x->score > y->score ? -1 : 1;
    return x->relevant - y->relevant;
}

/* The threshold with the highest F1 on the judged hits; v is sorted. */
static double best_f1(sample *v, int64_t n, double *f1)
{
    int64_t relevant = 0, good = 0;
    double threshold = 0;

    qsort(v, (size_t)n, sizeof *v, by_score);
    for (int64_t i = 0; i < n; i++)
        relevant += v[i].relevant;
    *f1 = 0;
    for (int64_t i = 0; i < n; i++) {
        double value;
        good += v[i].relevant;
        if (i + 1 < n && !(v[i + 1].score < v[i].score)) continue;
        value = 2 * (double)good / (double)(i + 1 + relevant);
        if (value > *f1) {
            *f1 = value;
            threshold = i + 1 < n ? (v[i].score + v[i + 1].score) / 2 : v[i].score;
        }
    }
    return threshold;
}

static wn_status learn(wn_ctx *ctx, const background *b, const wn_hits *hits,
                       const wni_judgement *judged, int64_t n, double w[FEATURES], wni_cutoff *out)
{
    sample *v = NULL;
    int64_t m = 0, relevant = 0;
    wn_status st = WN_OK;

    WNI_NEW(ctx, v, n);
    for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < hits->counts[judged[j].query]; i++) {
            const int64_t at = judged[j].query * hits->k + i;
            if (hits->indices[at] != judged[j].id) continue;
            features(b, judged[j].query, hits->distances[at], v[m].x);
            v[m].relevant = judged[j].relevant;
            relevant += judged[j].relevant;
            m++;
        }
    if (relevant == 0 || relevant == m) {
        st = wni_fail(ctx, WN_E_DATA,
                      "cutoff: of the judged pairs %lld are among the hits, %lld of them relevant; "
                      "some of both kinds are needed to learn from",
                      (long long)m, (long long)relevant);
        goto done;
    }
    fit(v, m, w);
    for (int64_t i = 0; i < m; i++)
        v[i].score = predict(w, v[i].x);
    out->threshold = best_f1(v, m, &out->f1);
    out->learnt = 1;
    out->judged = m;
done:
    wni_free(ctx, v);
    return st;
}

/* ---- cutting --------------------------------------------------------------------------------------------- */

static void cut(const background *b, wn_hits *hits, const double w[FEATURES], wni_cutoff *out)
{
    for (int64_t q = 0; q < hits->n; q++) {
        int64_t kept = 0;
        for (int64_t i = 0; i < hits->k; i++) {
            const int64_t from = q * hits->k + i, to = q * hits->k + kept;
            const int64_t id = hits->indices[from];
            const float distance = hits->distances[from];
            double score = -INFINITY, x[FEATURES];

            if (i < hits->counts[q]) {
                features(b, q, distance, x);
                score = out->learnt ? predict(w, x) : z_score(b, q, distance);
            }
            hits->indices[from] = -1;
            hits->distances[from] = INFINITY;
            out->score[from] = -INFINITY;
            if (!(score >= out->threshold)) {
                out->cut += i < hits->counts[q];
                continue;
            }
            hits->indices[to] = id;
            hits->distances[to] = distance;
            out->score[to] = (float)score;
            kept++;
        }
        hits->counts[q] = kept;
        out->empty += kept == 0;
    }
}

wn_status wni_cutoff_apply(wn_ctx *ctx, const wn_index *index, const wn_pool *queries,
                           wn_hits *hits, double fixed, const wni_judgement *judged, int64_t n,
                           wni_cutoff *out)
{
    wn_index_about about = {.struct_size = sizeof about};
    double w[FEATURES] = {0};
    float *rows = NULL;
    background b = {.kernels = wni_kernels_of(ctx), .queries = queries, .m = SAMPLE};
    wn_status st = WN_OK;

    *out = (wni_cutoff){0};
    wn_index_describe(index, &about);
    b.metric = about.metric;
    b.ld = wni_ld(about.dim);
    WNI_NEW(ctx, rows, b.m * b.ld);
    WNI_NEW(ctx, b.center, hits->n);
    WNI_NEW(ctx, b.width, hits->n);
    WNI_NEW(ctx, out->score, hits->n * hits->k);
    WNI_TRY(wn_index_sample(ctx, index, b.m, SEED, rows, b.ld));
    b.rows = rows;
    WNI_TRY(wni_parallel(ctx, hits->n, 4, background_range, &b));
    if (n) WNI_TRY(learn(ctx, &b, hits, judged, n, w, out));
    if (!isnan(fixed))
        out->threshold = fixed;
    else if (!n)
        out->threshold = normal_tail(1 / (double)wni_max(about.rows, 2));
    cut(&b, hits, w, out);
done:
    wni_free(ctx, rows);
    wni_free(ctx, b.center);
    wni_free(ctx, b.width);
    if (st != WN_OK) {
        wni_free(ctx, out->score);
        out->score = NULL;
    }
    return st;
}
