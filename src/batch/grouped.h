/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows listed group by group.
 */
#ifndef WNI_GROUPED_H
#define WNI_GROUPED_H

#include "base/ctx_impl.h"

typedef struct wni_grouped {
    int64_t n;      /* rows in groups */
    int64_t k;      /* groups that have rows */
    int64_t *begin; /* (k + 1) */
    int64_t *rows;  /* (n) those of group g are rows[begin[g] .. begin[g + 1]), ascending */
    int32_t *group; /* (k) the number of each as it was given */
} wni_grouped;

/* Lists rows by v (n), each -1 = none or 0..classes-1. O(n + classes). */
wn_status wni_grouped_new(wn_ctx *ctx, const int32_t *v, int64_t n, int32_t classes,
                          wni_grouped *out);
void wni_grouped_free(wn_ctx *ctx, wni_grouped *g);

#endif
