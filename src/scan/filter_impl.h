/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounding outwards, and what the files of the filter ask of each other.
 */
#ifndef WNI_FILTER_IMPL_H
#define WNI_FILTER_IMPL_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "scan/filter.h"

#define WNI_FILTER_U      0x1p-24    /* unit roundoff of f32 */
#define WNI_FILTER_LOWEST (-FLT_MAX) /* not -inf: columns that are not there have upper = -inf */

/* At least the norm whose square, summed in f32 over at most 2^15 terms, is given. */
static inline double wni_filter_norm(float sum2)
{
    return sqrt((double)sum2) * (1 + 0x1p-11) + 0x1p-60;
}

/* An f32 that is not below v. */
static inline float wni_filter_up(double v)
{
    float f = (float)v;
    uint32_t bits;

    if (!((double)f < v)) return f;
    /* The next one up; f is not +inf, and -inf becomes the lowest number. */
    if (f == 0) return FLT_MIN;
    memcpy(&bits, &f, sizeof bits);
    bits += f > 0 ? 1u : (uint32_t)-1;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* codes8 of a row as the filter means it: of x - mean, turned when f->block > 1, all but X2 and YMEAN of the turned
 * row. */
void wni_filter_codes(const wni_filter *f, const float *x, uint8_t *codes, float *stat);
/* Blocks of this many coordinates are turned; 1 = none. Sets block, unit, shrink, spin. */
void wni_filter_turn(wni_filter *f, int64_t block);
/* Turns when some of the base rows then lose clearly less in codes; base, mean, n, ld are set. */
wn_status wni_filter_choose(wn_ctx *ctx, wni_filter *f);

/* For each head h: rest[h * stride] of the codes of a row; sum[h * stride], when it is not NULL, -128 times the sum of
 * its first codes, each less 128. */
void wni_filter_rest(const wni_filter *f, const uint8_t *codes, int64_t stride, float *rest,
                     int32_t *sum);
/* Whether the filter's base can do with marks, and its usual columns; after packing. */
void wni_filter_marks(wni_filter *f);
/* Marks for the tile and lifts (2, 64) for the group, set in both where they are expected to pay; `lift` is on a line
 * and stays until the kernel is done. */
void wni_filter_mark(const wni_filter *f, wni_filter_tile *t, wni_group8 *group, wni_rows8 *rows,
                     int32_t *lift);
/* After a group with marks and without a head. */
void wni_filter_mark_judge(wni_filter_tile *t);
/* After a group: whether the head pays, and which is to be used for the next one. */
void wni_filter_head_judge(const wni_filter *f, wni_filter_tile *t);

#endif
