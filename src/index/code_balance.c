/* SPDX-License-Identifier: Apache-2.0
 *
 * Codebooks whose entries all get the same share of the rows: optimal transport between rows and centres of
 * equal weight. Its dual gives each centre a potential, and a row goes to the centre of the least squared
 * distance less potential. The potentials rise where too few rows come and fall where too many do, by steps that
 * shrink; then centres move to the mean of their rows, and so on a few times.
 */
#include <math.h>
#include <string.h>

#include "index/code_books.h"

#define ROUNDS 2   /* of moving the centres */
#define STEPS  60  /* of the potentials, each time */
#define STEP   0.5 /* the first one, in mean squared distances of a row from its centre */
#define SHRINK 0.94

typedef struct balance {
    const wni_kernels *kernels;
    wni_mat rows, centers;
    float *near; /* (n, WNI_BOOK) squared distances, times -1 */
    float off[WNI_BOOK], bias[WNI_BOOK];
    int32_t *label; /* (n) */
} balance;

static wn_status distance_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const balance *b = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        float *near = b->near + i * WNI_BOOK;

        b->kernels->l2sq_at(wni_mat_row(&b->rows, i), b->centers.v, b->rows.ld, NULL, WNI_BOOK,
                            near);
        for (int64_t c = 0; c < WNI_BOOK; c++)
            near[c] = -near[c];
    }
    return WN_OK;
}

static wn_status label_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const balance *b = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        float value, second;
        int64_t best;

        b->kernels->best(b->near + i * WNI_BOOK, b->bias, WNI_BOOK, &value, &best, &second);
        b->label[i] = (int32_t)best;
    }
    return WN_OK;
}

/* Labels by the potentials as they are; how many rows each centre has, and how many are out of place. */
static wn_status count(wn_ctx *ctx, balance *b, int64_t *size, double *wrong)
{
    const double share = (double)b->rows.n / WNI_BOOK;
    wn_status st;

    for (int64_t c = 0; c < WNI_BOOK; c++) {
        size[c] = 0;
        b->bias[c] = -b->off[c];
    }
    WNI_TRY(wni_parallel(ctx, b->rows.n, 256, label_range, b));
    for (int64_t i = 0; i < b->rows.n; i++)
        size[b->label[i]]++;
    *wrong = 0;
    for (int64_t c = 0; c < WNI_BOOK; c++)
        *wrong += fabs((double)size[c] - share) / 2;
done:
    return st;
}

/* The best potentials of all steps, and the labels by them. */
static wn_status lift(wn_ctx *ctx, balance *b, int64_t *size)
{
    const double share = (double)b->rows.n / WNI_BOOK;
    double wrong, least = INFINITY, step, mean = 0;
    float best[WNI_BOOK];
    wn_status st;

    WNI_TRY(count(ctx, b, size, &wrong));
    for (int64_t i = 0; i < b->rows.n; i++)
        mean -= (double)b->near[i * WNI_BOOK + b->label[i]] / (double)b->rows.n;
    step = STEP * mean;
    for (int i = 0; i < STEPS; i++, step *= SHRINK) {
        if (wrong < least) {
            least = wrong;
            memcpy(best, b->off, sizeof best);
        }
        for (int64_t c = 0; c < WNI_BOOK; c++)
            b->off[c] += (float)(step * (share - (double)size[c]) / (share + (double)size[c]));
        WNI_TRY(count(ctx, b, size, &wrong));
    }
    memcpy(b->off, best, sizeof best);
    st = count(ctx, b, size, &wrong);
done:
    return st;
}

static wn_status move(wn_ctx *ctx, balance *b, const int64_t *size)
{
    const int64_t d = b->rows.d;
    double *sum = NULL;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, sum, WNI_BOOK * d);
    for (int64_t i = 0; i < b->rows.n; i++)
        for (int64_t j = 0; j < d; j++)
            sum[b->label[i] * d + j] += (double)wni_mat_row(&b->rows, i)[j];
    for (int64_t c = 0; c < WNI_BOOK; c++)
        for (int64_t j = 0; size[c] && j < d; j++)
            wni_mat_row(&b->centers, c)[j] = (float)(sum[c * d + j] / (double)size[c]);
done:
    wni_free(ctx, sum);
    return st;
}

wn_status wni_books_balance(wn_ctx *ctx, const float *x, int64_t n, int64_t d, float *centers,
                            float *off)
{
    balance b = {.kernels = wni_kernels_of(ctx)};
    int64_t size[WNI_BOOK];
    wn_status st = WN_OK;

    memset(off, 0, WNI_BOOK * sizeof *off);
    if (n < WNI_BOOK) return WN_OK; /* every row has a centre of its own */
    WNI_TRY(wni_mat_new(ctx, n, d, &b.rows));
    WNI_TRY(wni_mat_new(ctx, WNI_BOOK, d, &b.centers));
    WNI_NEW(ctx, b.near, n * WNI_BOOK);
    WNI_NEW(ctx, b.label, n);
    for (int64_t i = 0; i < n; i++)
        memcpy(wni_mat_row(&b.rows, i), x + i * d, (size_t)d * sizeof *x);
    for (int64_t c = 0; c < WNI_BOOK; c++)
        memcpy(wni_mat_row(&b.centers, c), centers + c * d, (size_t)d * sizeof *x);
    for (int round = 0; round <= ROUNDS; round++) {
        if (round > 0) WNI_TRY(move(ctx, &b, size));
        WNI_TRY(wni_parallel(ctx, n, 64, distance_range, &b));
        WNI_TRY(lift(ctx, &b, size));
    }
    for (int64_t c = 0; c < WNI_BOOK; c++)
        memcpy(centers + c * d, wni_mat_row(&b.centers, c), (size_t)d * sizeof *x);
    memcpy(off, b.off, sizeof b.off);
done:
    wni_mat_free(ctx, &b.rows);
    wni_mat_free(ctx, &b.centers);
    wni_free(ctx, b.near);
    wni_free(ctx, b.label);
    return st;
}

int64_t wni_books_balance_bytes(int64_t n, int64_t d)
{
    return n * (WNI_BOOK * 4 + wni_ld(d) * 4 + 4) + WNI_BOOK * (wni_ld(d) * 4 + d * 8) + 4096;
}
