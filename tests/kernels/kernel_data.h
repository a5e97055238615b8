/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers that kernels find hard, and room with sentinels behind it.
 */
#ifndef KT_KERNEL_DATA_H
#define KT_KERNEL_DATA_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "support/support.h"

/* Kinds of values: ordinary, wide in magnitude, denormal, near overflow, few values (ties), zeros of
 * both signs. */
enum { KT_PLAIN, KT_WIDE, KT_DENORMAL, KT_HUGE, KT_TIES, KT_ZEROS, KT_KINDS };

static inline float kt_value(int kind, uint64_t seed, uint64_t i)
{
    double u = wni_rand_unit(seed, 1, i) * 2 - 1;
    int64_t r = wni_rand_below(seed, 2, i, 1 << 20);

    switch (kind) {
    case KT_WIDE:
        return (float)ldexp(u, (int)(r % 120) - 60);
    case KT_DENORMAL:
        return (float)ldexp(u, -126 - (int)(r % 24));
    case KT_HUGE: /* all positive: sums overflow to inf, never to NaN */
        return (float)ldexp(fabs(u), 60 + (int)(r % 8));
    case KT_TIES:
        return (float)(r % 3) - 1;
    case KT_ZEROS:
        return r % 2 ? 0.0f : -0.0f;
    default:
        return (float)u;
    }
}

static inline void kt_fill(float *v, int64_t n, int kind, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++)
        v[i] = kt_value(kind, seed, (uint64_t)i);
}

/* 64-byte aligned, as rows are. */
static inline void *kt_alloc(int64_t bytes)
{
    void *p = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);

    assert_non_null(p);
    return p;
}

#endif
