/* SPDX-License-Identifier: Apache-2.0
 *
 * Minimising a smooth function of many variables from its values and gradients: L-BFGS with a line search
 * for the strong Wolfe conditions. Deterministic: sums run in a fixed order. liu1989.
 */
#ifndef WNI_LBFGS_H
#define WNI_LBFGS_H

#include "base/ctx_impl.h"

#define WNI_LBFGS_MEMORY 10 /* pairs of steps and gradient changes that are kept */

/* f and its gradient g (n) at x (n). */
typedef wn_status (*wni_lbfgs_fn)(wn_ctx *ctx, void *self, const double *x, double *f, double *g);

typedef struct wni_lbfgs {
    int64_t n;
    int32_t max_iter;
    double tol;        /* stop when max |g| <= tol */
    double precision;  /* relative error of f: smaller changes say nothing */
    const char *stage; /* of progress, or NULL */
    /* results */
    double f, max_gradient;
    int32_t iterations, evaluations, converged;
} wni_lbfgs;

/* x (n): the start, then the best point found. */
wn_status wni_lbfgs_minimise(wn_ctx *ctx, wni_lbfgs *job, wni_lbfgs_fn fn, void *self, double *x);

/* Bytes that it allocates for n variables. */
int64_t wni_lbfgs_bytes(int64_t n);

#endif
