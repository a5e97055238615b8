/* SPDX-License-Identifier: Apache-2.0
 *
 * A random rotation without a matrix: shuffles the columns, changes signs, and applies the Hadamard transform
 * to the first and to the last 2^m columns, the largest power of two that fits: together they cover every
 * column, and each step keeps lengths and angles. Sums and differences in a fixed order.
 */
#include <math.h>

#include "base/rng.h"
#include "index/code_impl.h"

struct wni_rotation {
    int64_t d, p;  /* p: largest power of two <= d */
    float scale;   /* p^(-1/2) */
    float *sign;   /* (d) */
    int32_t *from; /* (d) */
};

wn_status wni_rotation_new(wn_ctx *ctx, int64_t d, uint64_t seed, wni_rotation **out)
{
    const uint64_t signs = wni_stream("index code signs", 0, 0);
    const uint64_t swaps = wni_stream("index code swaps", 0, 0);
    wni_rotation *r = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, r, 1);
    r->d = d;
    for (r->p = 1; r->p * 2 <= d;)
        r->p *= 2;
    r->scale = (float)(1 / sqrt((double)r->p));
    WNI_NEW(ctx, r->sign, d);
    WNI_NEW(ctx, r->from, d);
    for (int64_t j = 0; j < d; j++) {
        r->sign[j] = wni_rand_u64(seed, signs, (uint64_t)j) & 1 ? -1.0f : 1.0f;
        r->from[j] = (int32_t)j;
    }
    for (int64_t j = d - 1; j > 0; j--) {
        const int64_t i = wni_rand_below(seed, swaps, (uint64_t)j, j + 1);
        const int32_t kept = r->from[j];

        r->from[j] = r->from[i];
        r->from[i] = kept;
    }
    *out = r;
    r = NULL;
done:
    wni_rotation_free(ctx, r);
    return st;
}

void wni_rotation_free(wn_ctx *ctx, wni_rotation *r)
{
    if (!r) return;
    wni_free(ctx, r->sign);
    wni_free(ctx, r->from);
    wni_free(ctx, r);
}

static void hadamard(float *x, int64_t p, float scale)
{
    for (int64_t half = 1; half < p; half *= 2)
        for (int64_t first = 0; first < p; first += 2 * half) {
            float *a = x + first, *b = a + half;

            for (int64_t j = 0; j < half; j++) {
                const float sum = a[j] + b[j], difference = a[j] - b[j];

                a[j] = sum;
                b[j] = difference;
            }
        }
    for (int64_t j = 0; j < p; j++)
        x[j] *= scale;
}

void wni_rotate(const wni_rotation *r, const float *in, float *out)
{
    for (int64_t j = 0; j < r->d; j++)
        out[j] = in[r->from[j]] * r->sign[j];
    hadamard(out, r->p, r->scale);
    if (r->p < r->d) hadamard(out + r->d - r->p, r->p, r->scale);
}
