/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WNI_SELECT_REPRESENTATIVES_H
#define WNI_SELECT_REPRESENTATIVES_H

#include "base/ctx_impl.h"
#include "winnow/select.h"

/* Upper bound of what representatives allocate while at most `live` rows are live and room was made for
 * them at the start. */
int64_t wni_representatives_bytes(const wn_ctx *ctx, const wn_pool *pool,
                                  const wn_select_submodular_dynamic_params *p, int64_t live);

/* Nonzero when the row is there. */
int wni_representatives_is_live(const wn_representatives *r, int64_t row);

/* The guess after tau, a whole number: at most 1 + epsilon times as large, or the next whole number. */
double wni_rep_next(double tau, double epsilon);

#endif
