/* SPDX-License-Identifier: Apache-2.0
 *
 * What a canonical score says about a distance, with every rounding on the safe side.
 *
 * With t the true score and s the canonical one, |s - t| <= E, where E covers the rounding of a dot product
 * of ld / 16 fused steps and four additions, of the half norm and of their difference. D is a distance:
 *
 *     t_a - t_j = (D_j^2 - D_a^2) / 2 + (|c_a|^2 - |c_j|^2) / 2 * [cosine]
 *
 * so D_j^2 - D_a^2 > 4 E + (max |c|^2 - min |c|^2) * [cosine] proves that a has the larger canonical score.
 */
#ifndef WNI_KMEANS_MARGIN_H
#define WNI_KMEANS_MARGIN_H

#include <math.h>

#include "cluster/kmeans_impl.h"

/* The numbers of the bounds that do not depend on the row. */
typedef struct wni_km_margin {
    double g;                  /* relative rounding error of a canonical score: gamma_{ld/16 + 8} */
    double cmax, half_cmax2;   /* half_cmax2 is 0 under cosine */
    double c2hi, c2lo, spread; /* 0 under L2 */
} wni_km_margin;

static inline wni_km_margin wni_km_margin_of(const wni_km *km)
{
    wni_km_margin m = {.g = (double)(km->rows.ld / 16 + 8) * 0x1p-24 * 1.01,
                       .cmax = sqrt(km->cmax2) * (1 + 1e-12)};

    if (km->l2) {
        m.half_cmax2 = km->cmax2 / 2;
    } else {
        m.c2hi = km->cmax2;
        m.c2lo = km->cmin2;
        m.spread = km->cmax2 - km->cmin2;
    }
    return m;
}

/* E of a row with canonical squared length norm2; the last term covers underflow. */
static inline double wni_km_score_error(const wni_km_margin *m, double norm2)
{
    return m->g * (sqrt(norm2 * (1 + 2 * m->g)) * m->cmax + m->half_cmax2) * (1 + 1e-12) + 0x1p-128;
}

/* At least the distance of the row to the centre that scores `score`. */
static inline float wni_km_upper(const wni_km_margin *m, double norm2, double score, double error)
{
    double v = norm2 * (1 + 2 * m->g) + 0x1p-128 + m->c2hi - 2 * score + 2 * error;

    return v > 0 ? wni_km_up(sqrt(v) * (1 + 1e-12)) : 0;
}

/* At most the distance of the row to any centre that scores at most `score`. */
static inline double wni_km_lower(const wni_km_margin *m, double norm2, double score, double error)
{
    double v = norm2 * (1 - 2 * m->g) - 0x1p-128 + m->c2lo - 2 * score - 2 * error;

    return v > 0 ? sqrt(v) * (1 - 1e-12) : 0;
}

/* A centre farther than this scores less than one within `upper`. */
static inline double wni_km_reach(const wni_km_margin *m, double norm2, double upper)
{
    double far2 = upper * upper + 4 * wni_km_score_error(m, norm2) + m->spread;

    return sqrt(far2) * (1 + 1e-10);
}

/* The same in f32 for many rows, as loops that are vectors: reach[i] of norm2[i] and upper[i], with room for what a
 * float sum of reach and drift may lose. None of the eight roundings is above 2^-24; what underflows is less than
 * 2^-147. */
static inline void wni_km_reaches(const wni_km_margin *m, const float *restrict norm2,
                                  const float *restrict upper, float *restrict reach, int64_t n)
{
    const float root = wni_km_up(4 * m->g * sqrt(1 + 2 * m->g) * m->cmax * (1 + 1e-11));
    const float more = wni_km_up((4 * m->g * m->half_cmax2 + m->spread) * (1 + 1e-11) + 0x1p-124);

    for (int64_t i = 0; i < n; i++)
        reach[i] = sqrtf((upper[i] * upper[i] + (root * sqrtf(norm2[i]) + more)) * (1 + 0x1p-20f)) *
                   (1 + 0x1p-20f);
}

#endif
