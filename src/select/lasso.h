/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WNI_LASSO_H
#define WNI_LASSO_H

#include "base/ctx_impl.h"

/* nu (k) that minimises |y - sum nu[i] x[i]|^2 / 2 + lambda |nu|_1 over columns x (k, length) row-major and
 * y (length), with lambda = penalty times the smallest lambda at which nu is 0, by coordinate descent (k x k
 * doubles). *explained = 1 - |y - fit|^2 / |y|^2. tibshirani1996. */
wn_status wni_lasso(wn_ctx *ctx, const float *x, const float *y, int32_t k, int64_t length,
                    double penalty, double *nu, double *explained, int32_t *sweeps);

#endif
