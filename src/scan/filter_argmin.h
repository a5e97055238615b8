/* SPDX-License-Identifier: Apache-2.0
 *
 * argmin through the filter, for scan_argmin.c.
 */
#ifndef WNI_FILTER_ARGMIN_H
#define WNI_FILTER_ARGMIN_H

#include "scan/filter.h"

/* Whether there is enough work for the filter: it costs a query row about as much as 32000 f32 products, and a
 * base row, when it is packed for one call, as much as some query rows. */
int wni_filter_argmin_pays(const wn_ctx *ctx, int64_t queries, int64_t n, int64_t ld, int packed);

/* As wni_scan_argmin_with, of whose `base` the hints, second_at and floor are used. *ran = 0, with WN_OK and
 * nothing written, when the budget has no room. */
wn_status wni_filter_argmin(wn_ctx *ctx, const wni_queries *queries, const wni_filter *f,
                            const wni_argmin_base *base, int32_t *at, float *score, float *second,
                            int *ran);

#endif
