/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimal transport between weighted points, smoothed by entropy, in the log domain with our own exp and log:
 *   max over f, g of <a, f> + <b, g> - eps <a x b, exp((f + g - C) / eps) - 1>.
 * Cuturi 2013; the debiased divergence: Feydy et al. 2019.
 */
#ifndef WNI_SINKHORN_H
#define WNI_SINKHORN_H

#include "scan/scan.h"

/* Costs (m, n) row-major between two sets of points, with what the sweeps need. */
typedef struct wni_costs {
    int64_t m, n;
    float *rows;    /* (m, n) */
    float *columns; /* (n, m); NULL when both sides are the same points */
} wni_costs;

/* Squared Euclidean distances of the rows, times scale. y NULL = x. */
wn_status wni_costs_new(wn_ctx *ctx, const wni_mat *x, const wni_mat *y, double scale,
                        wni_costs *out);
void wni_costs_free(wn_ctx *ctx, wni_costs *c);
/* Mean cost, and times scale. */
double wni_costs_mean(const wni_costs *c);
void wni_costs_scale(wni_costs *c, double scale);

/* Sweeps until no potential of the second side moves by more than tol, at most `sweeps`; f (m) and g (n) are
 * where it starts and where it ends. log_a (m), log_b (n): logs of weights that add up to 1. *value is the
 * transport cost at its end. f is the gradient of that by a. Parallel; polls. */
wn_status wni_sinkhorn(wn_ctx *ctx, const wni_costs *c, const double *log_a, const double *log_b,
                       double eps, int32_t sweeps, double tol, double *f, double *g, double *value);
/* The same of a set with itself: one potential h (m); *value is the cost, h the gradient of its half. */
wn_status wni_sinkhorn_self(wn_ctx *ctx, const wni_costs *c, const double *log_a, double eps,
                            int32_t sweeps, double tol, double *h, double *value);

#endif
