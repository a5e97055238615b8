/* SPDX-License-Identifier: Apache-2.0
 *
 * Codebooks whose entries all get the same share of the rows. Optimal transport between rows and centres of
 * equal weight gives each centre a potential; the row goes to the centre of the least squared distance less
 * potential; centres move to the mean of their rows; and so on a few times.
 */
#include <math.h>
#include <string.h>

#include "base/fixmath.h"
#include "index/code_books.h"
#include "scan/sinkhorn.h"

#define ROWS   4096 /* that are balanced, at most */
#define ROUNDS 2    /* of moving the centres */
#define EPS    0.01 /* smoothing, in mean squared distances of a row and a centre */
#define SWEEPS 12   /* from nothing; a third of them after a move */
#define TOL    1e-4

/* The centre of every row by cost less potential; centres to the means of their rows. */
static wn_status move(wn_ctx *ctx, const wni_mat *x, const wni_costs *c, const double *g,
                      wni_mat *centers)
{
    double *sum = NULL;
    int64_t size[WNI_BOOK] = {0};
    wn_status st = WN_OK;

    WNI_NEW0(ctx, sum, WNI_BOOK * x->d);
    for (int64_t i = 0; i < x->n; i++) {
        const float *cost = c->rows + i * WNI_BOOK;
        int64_t best = 0;

        for (int64_t k = 1; k < WNI_BOOK; k++)
            if ((double)cost[k] - g[k] < (double)cost[best] - g[best]) best = k;
        size[best]++;
        for (int64_t j = 0; j < x->d; j++)
            sum[best * x->d + j] += (double)wni_mat_row(x, i)[j];
    }
    for (int64_t k = 0; k < WNI_BOOK; k++)
        for (int64_t j = 0; size[k] && j < x->d; j++)
            wni_mat_row(centers, k)[j] = (float)(sum[k * x->d + j] / (double)size[k]);
done:
    wni_free(ctx, sum);
    return st;
}

wn_status wni_books_balance(wn_ctx *ctx, const float *x, int64_t n, int64_t d, float *centers,
                            float *off)
{
    const int64_t m = wni_min(n, ROWS);
    double *log_a = NULL, *f = NULL, log_b[WNI_BOOK], g[WNI_BOOK] = {0}, value, mean = 0;
    wni_mat rows = {0}, middle = {0};
    wni_costs costs = {0};
    wn_status st = WN_OK;

    memset(off, 0, WNI_BOOK * sizeof *off);
    if (n < WNI_BOOK) return WN_OK; /* every row has a centre of its own */
    WNI_TRY(wni_mat_new(ctx, m, d, &rows));
    WNI_TRY(wni_mat_new(ctx, WNI_BOOK, d, &middle));
    WNI_NEW(ctx, log_a, m);
    WNI_NEW0(ctx, f, m);
    for (int64_t i = 0; i < m; i++) {
        memcpy(wni_mat_row(&rows, i), x + i * n / m * d, (size_t)d * sizeof *x);
        log_a[i] = -wni_log_fixed((double)m);
    }
    for (int64_t k = 0; k < WNI_BOOK; k++) {
        memcpy(wni_mat_row(&middle, k), centers + k * d, (size_t)d * sizeof *x);
        log_b[k] = -wni_log_fixed(WNI_BOOK);
    }
    for (int round = 0;; round++) {
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wni_costs_new(ctx, &rows, &middle, 1, &costs));
        if (round == 0) mean = wni_costs_mean(&costs);
        if (!(mean > 0) || !isfinite(mean)) goto done;
        wni_costs_scale(&costs, 1 / mean);
        WNI_TRY(wni_sinkhorn(ctx, &costs, log_a, log_b, EPS, round ? SWEEPS / 3 : SWEEPS, TOL, f, g,
                             &value));
        if (round == ROUNDS) break;
        WNI_TRY(move(ctx, &rows, &costs, g, &middle));
        wni_costs_free(ctx, &costs);
    }
    for (int64_t k = 0; k < WNI_BOOK; k++) {
        memcpy(centers + k * d, wni_mat_row(&middle, k), (size_t)d * sizeof *x);
        off[k] = (float)(g[k] * mean);
    }
done:
    wni_costs_free(ctx, &costs);
    wni_mat_free(ctx, &rows);
    wni_mat_free(ctx, &middle);
    wni_free(ctx, log_a);
    wni_free(ctx, f);
    return st;
}

int64_t wni_books_balance_bytes(int64_t n, int64_t d)
{
    const int64_t m = wni_min(n, ROWS);

    return m * (WNI_BOOK * 8 + wni_ld(d) * 4 + 32) + WNI_BOOK * (wni_ld(d) * 4 + d * 8) +
           64 * ROWS * 8;
}
