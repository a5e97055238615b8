/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes of a row, turned first where a few coordinates tower above the others and would leave the rest no
 * steps: signs, then Walsh-Hadamard transforms of blocks, spread every coordinate over its block (as in Ailon and
 * Chazelle 2009). The transform has orthogonal rows of squared length `block`, so products of turned rows are
 * `block` times those of the rows, which unit = 1 / block undoes exactly.
 */
#include <math.h>

#include "base/rng.h"
#include "scan/filter.h"
#include "scan/filter_impl.h"

#define LD_MAX     4096 /* rows that are turned: one stands on the stack */
#define TRIED_ROWS 32

/* |z - z'| / |z| from which turning is tried (normal rows have 0.007), and what it must come down to. */
#define ERROR_WORTH 0.02
#define GAIN        0.7

static __attribute__((noinline)) void turned_codes(const wni_filter *f, const float *x,
                                                   uint8_t *codes, float *stat)
{
    float turned[LD_MAX] __attribute__((aligned(WNI_ALIGN)));
    const float x2 = f->kernels->dot(x, x, f->ld);
    float ymean;

    if (!(x2 < 0x1p120f)) { /* such rows have no bound in any case */
        f->kernels->codes8(x, f->mean, f->ld, codes, stat);
        return;
    }
    for (int64_t i = 0; i < f->ld; i++)
        turned[i] = x[i] - f->mean[i];
    ymean = f->kernels->dot(turned, f->mean, f->ld);
    for (int64_t i = 0; i < f->ld; i++)
        turned[i] *= f->sign[i];
    f->kernels->walsh(turned, f->ld, f->block);
    f->kernels->codes8(turned, f->zero, f->ld, codes, stat);
    stat[WNI_CODES8_X2] = x2;
    stat[WNI_CODES8_YMEAN] = ymean;
}

void wni_filter_codes(const wni_filter *f, const float *x, uint8_t *codes, float *stat)
{
    if (f->block > 1)
        turned_codes(f, x, codes, stat);
    else
        f->kernels->codes8(x, f->mean, f->ld, codes, stat);
}

void wni_filter_turn(wni_filter *f, int64_t block)
{
    int levels = 0;

    while ((int64_t)1 << levels < block)
        levels++;
    f->block = block;
    f->unit = 1 / (double)block;
    f->shrink = sqrt(f->unit) * (1 + 0x1p-20);
    f->spin = block > 1 ? (levels + 1) * WNI_FILTER_U * 1.01 : 0;
}

/* Mean of |z - z'| / |z| over some base rows. */
static double error_of(const wni_filter *f, uint8_t *codes)
{
    const int64_t n = wni_min(f->n, TRIED_ROWS);
    float stat[WNI_CODES8_STATS];
    double sum = 0;
    int64_t rows = 0;

    for (int64_t i = 0; i < n; i++) {
        double quotient;

        wni_filter_codes(f, wni_mat_row(f->base, i * f->n / n), codes, stat);
        quotient = sqrt((double)stat[WNI_CODES8_ERROR2] / (double)stat[WNI_CODES8_Y2]);
        if (!(quotient <= 1)) continue; /* a row at the mean, or one without a bound */
        sum += quotient;
        rows++;
    }
    return rows ? sum / (double)rows : 0;
}

wn_status wni_filter_choose(wn_ctx *ctx, wni_filter *f)
{
    const int64_t block = f->ld <= LD_MAX ? f->ld & -f->ld : 1;
    uint8_t *codes = wni_alloc(ctx, f->ld, 1);
    double as_is;

    if (!codes) return WN_E_NOMEM;
    for (int64_t i = 0; i < f->ld; i++) {
        f->sign[i] =
            wni_rand_below(1, wni_stream("filter signs", 0, 0), (uint64_t)i, 2) ? 1.0f : -1.0f;
        f->zero[i] = 0;
    }
    wni_filter_turn(f, 1);
    as_is = error_of(f, codes);
    if (as_is > ERROR_WORTH && block > 1) {
        wni_filter_turn(f, block);
        if (error_of(f, codes) > GAIN * as_is) wni_filter_turn(f, 1);
    }
    wni_free(ctx, codes);
    return WN_OK;
}
