/* SPDX-License-Identifier: Apache-2.0
 *
 * A mixture of two normal distributions over one number per row: small losses and large ones.
 */
#ifndef WNI_TWO_NORMALS_H
#define WNI_TWO_NORMALS_H

#include "base/ctx_impl.h"

typedef struct wni_two_normals {
    double mean[2], variance[2], share[2]; /* of the low and the high one */
} wni_two_normals;

/* Fits to v (n >= 1, finite) by expectation and maximisation over 1,024 equal bins. When all values are the
 * same everything is of the low one. */
void wni_two_normals_fit(const float *v, int64_t n, wni_two_normals *out);

/* Probability that a value is of the low one; never rises with x. */
double wni_two_normals_low(const wni_two_normals *m, double x);

#endif
