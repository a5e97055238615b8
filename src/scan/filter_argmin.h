/* SPDX-License-Identifier: Apache-2.0
 *
 * argmin through the filter, for scan_argmin.c.
 */
#ifndef WNI_FILTER_ARGMIN_H
#define WNI_FILTER_ARGMIN_H

#include "scan/filter.h"

/* Queries from which packing a base for one call pays. */
int64_t wni_filter_queries_min(const wn_ctx *ctx);

/* As wni_scan_argmin_with, of whose `base` the hints, second_at and floor are used. *ran = 0, with WN_OK and
 * nothing written, when the budget has no room. */
wn_status wni_filter_argmin(wn_ctx *ctx, const wni_queries *queries, const wni_filter *f,
                            const wni_argmin_base *base, int32_t *at, float *score, float *second,
                            int *ran);

#endif
