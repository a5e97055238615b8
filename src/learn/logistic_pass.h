/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows that a logistic regression is fitted to, and one pass over them: loss and gradient.
 */
#ifndef WNI_LOGISTIC_PASS_H
#define WNI_LOGISTIC_PASS_H

#include "scan/scan.h"
#include "winnow/learn.h"

/* Rows z = (x - mean) * scale of classes y. Results depend on none of held, threads. */
typedef struct wni_fit {
    const wn_pool *pool;
    int64_t m, d, ld;
    int64_t tile;   /* rows of a range; of the shape alone */
    int32_t k, kp;  /* classes that have rows; rounded up to what the kernel takes at once */
    bool all;       /* rows are 0..m-1 of the pool */
    int64_t *rows;  /* (m) of the pool, or NULL when all */
    int32_t *y;     /* (m) 0..k-1 */
    double *weight; /* (m) of mean 1, or NULL = all 1 */
    double most_weight;
    float *mean, *scale; /* (ld), or NULL = rows as they are */
    double bound;        /* no |z| is larger */
    wni_mat held;        /* all rows z, or v NULL: read anew in every pass */

    /* one set per worker */
    float *x;         /* (threads, tile, ld) */
    float *logits;    /* (threads, tile, kp), then the residuals */
    float *sums;      /* (threads, k, ld) gradient of one range */
    int64_t *total;   /* (threads, k, ld + 1) gradient in fixed point, intercepts behind */
    double *p;        /* (threads, kp) */
    double *unit;     /* (ld) of that fixed point, all the same */
    double unit_bias; /* of the intercepts */

    /* the point at which a pass is made, and what it finds */
    float *w;           /* (kp, ld), rows from k on zero */
    double *b;          /* (k) */
    double *loss, *hit; /* (ranges) weighted sums */
    bool with_gradient;
} wni_fit;

int64_t wni_fit_tile(int64_t ld);
/* Bytes of everything but the held rows. */
int64_t wni_fit_bytes(int64_t m, int64_t d, int32_t k, int32_t threads);
/* rows, y, weight, k are there: makes the rest, measures the columns, holds the rows when they fit beside
 * `spare` bytes. */
wn_status wni_fit_prepare(wn_ctx *ctx, wni_fit *fit, wn_scale scale, int64_t spare);
void wni_fit_free(wn_ctx *ctx, wni_fit *fit);

/* Mean loss at w (k, d) and b (k), the weighted share of hits, and unless NULL their gradients (without any
 * penalty). */
wn_status wni_fit_pass(wn_ctx *ctx, wni_fit *fit, const double *w, const double *b, double *loss,
                       double *hits, double *gw, double *gb);

#endif
