/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels: small loops with one body per instruction set, all with the same bits.
 *
 * Canonical order. A dot product has 16 lanes; lane l takes elements l, l + 16, l + 32, ... with one
 * fused multiply-add each, starting from +0; then lanes l and l + 8 are added, then l and l + 4, l and
 * l + 2, l and l + 1. Squared L2 does the same with the rounded difference a - b times itself. Rows are
 * padded with zeros to ld, a multiple of 16, and start on 64-byte lines.
 *
 * Kernels never allocate, never fail and keep no state.
 */
#ifndef WNI_KERNELS_H
#define WNI_KERNELS_H

#include <stdint.h>

#include "winnow/ctx.h"

/* A query in the units of 8-bit rows, finer by a power of two. */
typedef struct wni_query_i8 {
    const int16_t *q;         /* (ld), at most 127 * 256 in size */
    const int8_t *high, *low; /* (ld) q = 256 high + low */
    uint32_t sum;             /* of q, mod 2^32 */
    uint32_t constant;
    int32_t shift;
    float unit;
} wni_query_i8;

typedef struct wni_kernels {
#define WNI_KERNEL(ret, name, args) ret(*name) args;
#include "kernels/kernels.def"
#undef WNI_KERNEL
} wni_kernels;

/* The table of a level; slots without a variant at that level hold the next lower one. */
const wni_kernels *wni_kernels_at(wn_isa isa);
/* The table of a context. */
const wni_kernels *wni_kernels_of(const wn_ctx *ctx);
/* The slow, obvious twins; for tests. */
const wni_kernels *wni_kernels_oracle(void);

#endif
