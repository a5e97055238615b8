/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows made to break a filter in lower precision.
 */
#ifndef HARD_ROWS_H
#define HARD_ROWS_H

#include <math.h>

#include "base/rng.h"

/* What is done to rows to break bounds. */
enum kind {
    RANDOM,
    CLUSTERED,
    NEARLY_TIED, /* base rows one step of f32 apart */
    DUPLICATED,
    HUGE_NORM,
    OVERFLOW, /* f32 scores are inf */
    TINY_NORM,
    DENORMAL,
    MIXED_SCALE, /* rows from 1e-30 to 1e8 */
    PARALLEL,    /* a common part a thousand times the rest */
    SPARSE,
    WITH_ZEROS,
    SPIKES, /* one coordinate far above the others: codes of the rest vanish */
    KINDS
};

static float value(enum kind kind, uint64_t seed, int64_t row, int64_t j, int64_t d)
{
    const uint64_t i = (uint64_t)(row * d + j);
    const double u = wni_rand_unit(seed, 1, i) * 2 - 1;
    const int64_t cluster = wni_rand_below(seed, 2, (uint64_t)row, 9);

    switch (kind) {
    case CLUSTERED:
        return (float)(wni_rand_unit(77, 3, (uint64_t)(cluster * d + j)) * 8 - 4 + 0.1 * u);
    case NEARLY_TIED: {
        float v = (float)wni_rand_unit(77, 4, (uint64_t)j) + 1;

        return wni_rand_below(seed, 5, i, 8) ? v : nextafterf(v, u > 0 ? 9.0f : 0.0f);
    }
    case DUPLICATED:
        return (float)wni_rand_unit(77, 6, (uint64_t)(cluster * d + j)) - 0.5f;
    case HUGE_NORM:
        return (float)(u * 1e16);
    case OVERFLOW:
        return (float)(fabs(u) * 1e25);
    case TINY_NORM:
        return (float)(u * 1e-20);
    case DENORMAL:
        return (float)(u * 1e-41);
    case MIXED_SCALE:
        return (float)ldexp(u, (int)wni_rand_below(seed, 7, (uint64_t)row, 125) - 100);
    case PARALLEL:
        return (float)(1000 * sin((double)(j + 1)) + u);
    case SPARSE:
        return wni_rand_below(seed, 8, i, 20) ? 0 : (float)u;
    case WITH_ZEROS:
        return row % 3 ? (float)u : 0;
    case SPIKES:
        return (float)(j == 0 ? 1000 + 100 * u : u);
    default:
        return (float)u;
    }
}

#endif
