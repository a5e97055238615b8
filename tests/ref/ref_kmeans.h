/* SPDX-License-Identifier: Apache-2.0
 *
 * k-means as its definition says it, one row and one centre at a time, without bounds, tiles or threads.
 */
#ifndef REF_KMEANS_H
#define REF_KMEANS_H

#include <stdint.h>

typedef struct ref_kmeans {
    int32_t *labels;
    int64_t *sizes;
    float *centers; /* (k, d) */
    int32_t iterations, converged;
    int64_t empty_repaired;
    double inertia;
} ref_kmeans;

/* x (n, d) as the pool is read (unit rows under cosine); weights (n) or NULL; start (k, d). */
void ref_kmeans_run(const float *x, int64_t n, int64_t d, const float *weights, const float *start,
                    int32_t k, int cosine, int32_t max_iter, double tol, ref_kmeans *out);
void ref_kmeans_free(ref_kmeans *r);

/* The centre with the largest canonical score, the smaller on ties. */
int32_t ref_nearest(const float *row, const float *centers, int32_t k, int64_t d, int cosine);

#endif
