/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ref/ref_kmeans.h"

#define DIM_MAX 512

/* The kernels read whole lines: rows are copied to aligned, padded places. */
static float pair(float (*fn)(const float *, const float *, int64_t), const float *a,
                  const float *b, int64_t d)
{
    _Alignas(64) float pa[DIM_MAX], pb[DIM_MAX];
    int64_t ld = (d + 15) / 16 * 16;

    if (ld > DIM_MAX) abort();
    memset(pa + d, 0, (size_t)(ld - d) * sizeof *pa);
    memset(pb + d, 0, (size_t)(ld - d) * sizeof *pb);
    memcpy(pa, a, (size_t)d * sizeof *pa);
    memcpy(pb, b, (size_t)d * sizeof *pb);
    return fn(pa, pb, ld);
}

static float dot(const float *a, const float *b, int64_t d)
{
    return pair(wni_kernels_oracle()->dot, a, b, d);
}

static float l2sq(const float *a, const float *b, int64_t d)
{
    return pair(wni_kernels_oracle()->l2sq, a, b, d);
}

static float score(const float *row, const float *c, int64_t d, int cosine)
{
    float s = dot(row, c, d);

    return cosine ? s : s - dot(c, c, d) / 2;
}

int32_t ref_nearest(const float *row, const float *centers, int32_t k, int64_t d, int cosine)
{
    int32_t at = 0;
    float best = score(row, centers, d, cosine);

    for (int32_t c = 1; c < k; c++) {
        float s = score(row, centers + c * d, d, cosine);
        if (s > best) {
            best = s;
            at = c;
        }
    }
    return at;
}

/* The power of two by which values of at most `most` become integers whose n-fold sum fits 62 bits. */
static double scale_of(double most, int64_t n)
{
    int bits = 51, e;

    while (bits > 1 && ((int64_t)1 << (62 - bits)) < n)
        bits--;
    frexp(most, &e);
    return ldexp(1, bits - e);
}

static double weight_of(const float *weights, int64_t i)
{
    return weights ? (double)weights[i] : 1.0;
}

/* Means of the rows that carry each label. Returns the inertia that follows from the sums. */
static double means(const float *x, int64_t n, int64_t d, const float *weights, int32_t k,
                    int cosine, const int32_t *labels, float *centers)
{
    double heaviest = 0, total = 0;

    for (int64_t i = 0; i < n; i++)
        heaviest = weight_of(weights, i) > heaviest ? weight_of(weights, i) : heaviest;
    for (int64_t i = 0; i < n; i++) {
        total += weight_of(weights, i) * dot(x + i * d, x + i * d, d);
        if (cosine) total += weight_of(weights, i);
    }
    for (int32_t c = 0; c < k; c++) {
        double mass_scale = scale_of(heaviest, n), *sum = calloc((size_t)d, sizeof *sum);
        double norm2 = 0, norm;
        __int128 mass = 0;

        for (int64_t i = 0; i < n; i++)
            if (labels[i] == c) mass += llrint(weight_of(weights, i) * mass_scale);
        for (int64_t j = 0; j < d; j++) {
            float most = 0;
            double scale;
            __int128 acc = 0;

            for (int64_t i = 0; i < n; i++)
                most = fmaxf(most, fabsf(x[i * d + j]));
            scale = scale_of((double)most * heaviest, n);
            for (int64_t i = 0; i < n; i++)
                if (labels[i] == c) acc += llrint(x[i * d + j] * weight_of(weights, i) * scale);
            sum[j] = (double)(int64_t)acc / scale;
            norm2 += sum[j] * sum[j];
        }
        if (mass > 0) {
            norm = cosine ? sqrt(norm2) : (double)(int64_t)mass / mass_scale;
            if (norm > 0)
                for (int64_t j = 0; j < d; j++)
                    centers[c * d + j] = (float)(sum[j] / norm);
            total -= cosine ? 2 * norm : norm2 / norm;
        }
        free(sum);
    }
    return fmax(total, 0);
}

/* The farthest row that may leave its cluster, -1 = none. */
static int64_t farthest(const float *x, int64_t n, int64_t d, const float *weights,
                        const int32_t *before, const int64_t *sizes, const int32_t *labels,
                        const float *centers)
{
    int64_t at = -1;
    float most = 0;

    for (int64_t i = 0; i < n; i++) {
        float v = l2sq(x + i * d, centers + before[i] * d, d);

        /* A row that was moved already has another label than before. */
        if (labels[i] != before[i] || sizes[labels[i]] < 2 || weight_of(weights, i) <= 0) continue;
        if (v <= 0x1p-44f * dot(x + i * d, x + i * d, d)) continue;
        if (v > most) {
            most = v;
            at = i;
        }
    }
    return at;
}

static int64_t repair(const float *x, int64_t n, int64_t d, const float *weights, int32_t k,
                      ref_kmeans *r)
{
    int32_t *before = malloc((size_t)n * sizeof *before);
    int64_t moved = 0;

    memcpy(before, r->labels, (size_t)n * sizeof *before);
    for (int32_t c = 0; c < k; c++) {
        int64_t row;

        if (r->sizes[c] > 0) continue;
        row = farthest(x, n, d, weights, before, r->sizes, r->labels, r->centers);
        if (row < 0) break;
        r->sizes[r->labels[row]]--;
        r->labels[row] = c;
        r->sizes[c]++;
        moved++;
    }
    free(before);
    return moved;
}

static int64_t assign(const float *x, int64_t n, int64_t d, int32_t k, int cosine, ref_kmeans *r)
{
    int64_t changed = 0;

    memset(r->sizes, 0, (size_t)k * sizeof *r->sizes);
    for (int64_t i = 0; i < n; i++) {
        int32_t at = ref_nearest(x + i * d, r->centers, k, d, cosine);
        changed += at != r->labels[i];
        r->labels[i] = at;
        r->sizes[at]++;
    }
    return changed;
}

void ref_kmeans_run(const float *x, int64_t n, int64_t d, const float *weights, const float *start,
                    int32_t k, int cosine, int32_t max_iter, double tol, ref_kmeans *r)
{
    double inertia = 0, before;
    int extra = 0, stop = 0;

    *r = (ref_kmeans){0};
    r->labels = malloc((size_t)n * sizeof *r->labels);
    r->sizes = malloc((size_t)k * sizeof *r->sizes);
    r->centers = malloc((size_t)(k * d) * sizeof *r->centers);
    memcpy(r->centers, start, (size_t)(k * d) * sizeof *start);
    for (int64_t i = 0; i < n; i++)
        r->labels[i] = -1;
    for (;;) {
        int64_t changed = assign(x, n, d, k, cosine, r);
        int64_t moved = repair(x, n, d, weights, k, r);

        r->empty_repaired += moved;
        if (moved == 0 && changed == 0 && r->iterations > 0) {
            r->converged = 1;
            break;
        }
        if (moved == 0 && stop) break;
        if (moved > 0 && stop && extra++ == 8) {
            assign(x, n, d, k, cosine, r);
            break;
        }
        before = inertia;
        inertia = means(x, n, d, weights, k, cosine, r->labels, r->centers);
        r->iterations++;
        if (tol > 0 && r->iterations > 1 && moved == 0 && before - inertia <= tol * before)
            r->converged = stop = 1;
        if (r->iterations >= max_iter) stop = 1;
    }
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < d; j++) {
            double diff = (double)x[i * d + j] - r->centers[r->labels[i] * d + j];
            sum += diff * diff;
        }
        r->inertia += weight_of(weights, i) * sum;
    }
}

void ref_kmeans_free(ref_kmeans *r)
{
    free(r->labels);
    free(r->sizes);
    free(r->centers);
}
