/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of a partition: against classes, and by the rows themselves.
 */
#ifndef WNI_PARTITION_VALUES_H
#define WNI_PARTITION_VALUES_H

#include "base/ctx_impl.h"
#include "winnow/pool.h"

/* A label per row, 0..k-1 or -1 = none. */
typedef struct wni_parts {
    const int32_t *label; /* (n) */
    int64_t n;
    int32_t k;
} wni_parts;

/* Agreement of two partitions over the rows that have a label in both. */
typedef struct wni_agreement {
    int64_t rows;
    double rand_adjusted, mutual_normalised, homogeneity, completeness, v_measure;
} wni_agreement;

/* Memory: 16 bytes a row. */
wn_status wni_agreement_of(wn_ctx *ctx, const wni_parts *parts, const wni_parts *classes,
                           wni_agreement *out);

/* How compact and how far apart the clusters are. NaN = not defined (one cluster, every row its own). */
typedef struct wni_shape {
    int64_t rows;     /* in a cluster */
    int32_t clusters; /* that have rows */
    int64_t smallest, largest, judged;
    double silhouette;     /* mean over the judged rows, by the metric of the pool */
    double davies_bouldin; /* Euclidean on the rows as read, as is the next */
    double calinski_harabasz;
} wni_shape;

/* `sample` rows (0 = all) are judged for the silhouette. */
wn_status wni_shape_of(wn_ctx *ctx, const wn_pool *pool, const wni_parts *parts, int64_t sample,
                       uint64_t seed, wni_shape *out);
/* Bytes and floating-point operations that it takes, at most. */
int64_t wni_shape_bytes(const wn_ctx *ctx, int64_t n, int64_t d, int64_t k);

#endif
