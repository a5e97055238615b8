/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows that nn-descent compares. Distances come from dot products, which lose digits when rows lie close
 * together and far from the origin, and overflow when numbers are huge: such pools are shifted to the mean of
 * a sample and scaled by a power of two. All others are compared as they are.
 */
#include <math.h>

#include "graph/descent_impl.h"

#define SAMPLE      8192 /* rows that decide */
#define BLOCK       256  /* of these, summed together */
#define FAR_SHARE   0.9  /* of the squared norms that the mean has, for a shift to pay */
#define EXPONENT    30   /* magnitudes from 2^-30 to 2^30 need no scale */
#define GATHER_ROWS 128
#define AHEAD       4

typedef struct survey {
    const wni_descent *s;
    int64_t rows;   /* of the sample */
    double *sum;    /* (blocks, d) */
    double *square; /* (blocks) */
    float *most;    /* (blocks) largest magnitude */
    float *slots;   /* (threads, ld) */
    float scale;
} survey;

static wn_status survey_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const survey *v = arg;
    const wni_descent *s = v->s;
    float *x = v->slots + worker * s->ld;

    for (int64_t b = begin; b < end; b++) {
        double *sum = v->sum + b * s->d, square = 0;
        float most = 0;

        memset(sum, 0, (size_t)s->d * sizeof *sum);
        for (int64_t i = b * BLOCK; i < wni_min((b + 1) * BLOCK, v->rows); i++) {
            /* Evenly spread; n is below 2^31. */
            wn_status st = wn_pool_read(ctx, s->pool, i * s->n / v->rows, 1, x, s->ld);

            if (st != WN_OK) return st;
            for (int64_t j = 0; j < s->d; j++) {
                const double y = (double)x[j] * (double)v->scale;
                most = fabsf(x[j]) > most ? fabsf(x[j]) : most;
                sum[j] += y;
                square += y * y;
            }
        }
        v->square[b] = square;
        v->most[b] = most;
    }
    return WN_OK;
}

wn_status wni_descent_frame(wn_ctx *ctx, wni_descent *s)
{
    const int64_t rows = wni_min(SAMPLE, s->n), blocks = (rows + BLOCK - 1) / BLOCK;
    survey v = {.s = s, .rows = rows, .scale = 1};
    double square = 0, mean2 = 0;
    float most = 0;
    int exponent;
    wn_status st = WN_OK;

    s->scale = 1;
    s->shift = NULL;
    WNI_NEW(ctx, v.sum, blocks * s->d);
    WNI_NEW(ctx, v.square, blocks);
    WNI_NEW(ctx, v.most, blocks);
    WNI_NEW(ctx, v.slots, wn_ctx_threads(ctx) * s->ld);
    WNI_TRY(wni_parallel(ctx, blocks, 1, survey_range, &v));
    for (int64_t b = 0; b < blocks; b++)
        most = v.most[b] > most ? v.most[b] : most;
    if (!(most > 0)) goto done;
    frexpf(most, &exponent);
    if (exponent < -EXPONENT || exponent > EXPONENT) {
        /* Within what a float holds, both ways. */
        s->scale = v.scale = ldexpf(1, exponent < -120 ? 120 : -exponent);
        WNI_TRY(wni_parallel(ctx, blocks, 1, survey_range, &v));
    }
    for (int64_t b = 0; b < blocks; b++) {
        square += v.square[b];
        if (b == 0) continue;
        for (int64_t j = 0; j < s->d; j++)
            v.sum[j] += v.sum[b * s->d + j];
    }
    for (int64_t j = 0; j < s->d; j++) {
        v.sum[j] /= (double)rows;
        mean2 += v.sum[j] * v.sum[j];
    }
    if (!(mean2 > FAR_SHARE * square / (double)rows) && s->scale == 1) goto done;
    WNI_NEW0(ctx, s->shift, s->ld);
    if (mean2 > FAR_SHARE * square / (double)rows)
        for (int64_t j = 0; j < s->d; j++)
            s->shift[j] = (float)v.sum[j];
done:
    wni_free(ctx, v.sum);
    wni_free(ctx, v.square);
    wni_free(ctx, v.most);
    wni_free(ctx, v.slots);
    return st;
}

wn_status wni_descent_rows(wn_ctx *ctx, const wni_descent *s, const uint32_t *nodes, int64_t n,
                           float *out)
{
    int64_t rows[GATHER_ROWS];

    if (s->rows) {
        for (int64_t i = 0; i < n; i++) {
            /* Rows lie anywhere: the next ones are on their way while this one is copied. */
            if (i + AHEAD < n)
                for (int64_t c = 0; c < s->ld; c += 16)
                    __builtin_prefetch(s->rows + nodes[i + AHEAD] * s->ld + c);
            memcpy(out + i * s->ld, s->rows + nodes[i] * s->ld, (size_t)s->ld * sizeof *out);
        }
        return WN_OK;
    }
    for (int64_t i = 0; i < n; i += GATHER_ROWS) {
        const int64_t m = wni_min(GATHER_ROWS, n - i);
        float *x = out + i * s->ld;
        wn_status st;

        for (int64_t j = 0; j < m; j++)
            rows[j] = s->order ? s->order[nodes[i + j]] : nodes[i + j];
        if ((st = wn_pool_gather(ctx, s->pool, rows, m, x, s->ld)) != WN_OK) return st;
        for (int64_t j = 0; s->shift && j < m * s->ld; j += s->ld)
            for (int64_t c = 0; c < s->ld; c++)
                x[j + c] = x[j + c] * s->scale - s->shift[c];
    }
    return WN_OK;
}
