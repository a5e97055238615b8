/* SPDX-License-Identifier: Apache-2.0
 *
 * Sketches: a few numbers per unit row whose dot product is an upper bound of the cosine.
 *
 * With orthonormal directions Q, x = Q'Qx + r and y = Q'Qy + s, so x.y = Qx.Qy + r.s <= Qx.Qy + |r||s|
 * (Cauchy-Schwarz): the sketch of x is (Qx, |r|). The directions are those in which a sample of the rows
 * is long, so that little is left for |r|. Every rounding error on the way is in `slack`, therefore the
 * bound holds for the canonical f32 scores and not only on paper; Q may be any directions whatever.
 */
#ifndef WNI_SKETCH_H
#define WNI_SKETCH_H

#include "scan/scan.h"

typedef struct wni_sketch {
    int32_t dims;          /* numbers per sketch, a multiple of 16; 0 = sketches do not pay here */
    wni_mat basis;         /* (dims - 1, d) orthonormal rows; a zero row = a direction left out */
    float slack;           /* cosine <= dot of the sketches + slack, canonical f32 both */
    double residual_slack; /* added to |r|^2 */
} wni_sketch;

/* Finds directions and the number of dims that makes comparing at `floor` cheapest, from samples of the
 * pool (which is under cosine). dims 0 = choose, which may come out as 0; else as asked. */
wn_status wni_sketch_new(wn_ctx *ctx, const wn_pool *pool, float floor, int32_t dims,
                         wni_sketch *out);
void wni_sketch_free(wn_ctx *ctx, wni_sketch *sketch);

/* Sketches of n padded unit rows (n, ld) into out (n, dims). */
void wni_sketch_rows(const wn_ctx *ctx, const wni_sketch *sketch, const float *rows, int64_t n,
                     float *out);

#endif
