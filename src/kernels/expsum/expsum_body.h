/* SPDX-License-Identifier: Apache-2.0
 *
 * The one body of `expsum` and `exps`, in vectors that a compiler splits into what its target has. Every
 * step is a plain IEEE operation on a lane of its own, as in wni_exp_fixed, so all variants have its bits.
 *
 * A file that includes this defines EXPSUM(name), which makes the variant's name, and WIDTH, the doubles in
 * one of its registers.
 */
#include <math.h>
#include <string.h>

#include "base/fixmath.h"
#include "kernels/variants.h"

/* Nonzero when a lane of a comparison holds. */
#if WIDTH == 8
#include <immintrin.h>
#define ANY(hit) _mm512_test_epi64_mask((__m512i)(hit), (__m512i)(hit))
#elif WIDTH == 4
#include <immintrin.h>
#define ANY(hit) (!_mm256_testz_si256((__m256i)(hit), (__m256i)(hit)))
#else
#define ANY(hit) (((hit)[0] | (hit)[1]) != 0)
#endif

#define PARTS (WNI_LANES / WIDTH)

typedef float narrow __attribute__((vector_size(4 * WIDTH)));
typedef double wide __attribute__((vector_size(8 * WIDTH)));
typedef int64_t whole __attribute__((vector_size(8 * WIDTH)));
typedef uint64_t bits __attribute__((vector_size(8 * WIDTH))); /* sums of which may wrap */

/* *x = e^*x by the steps of wni_exp_fixed. Outside [-708, 709] they leave nonsense, which gives way to 0 and
 * Inf: beyond a float either way. */
static inline void exp_in_place(wide *x)
{
    const double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    const double magic = 0x1.8p52;
    const wide zero = {0};
    const whole low = *x<zero - 708.0, high_end = *x> zero + 709.0;
    wide shifted = *x * 0x1.71547652b82fep0 + magic, k = shifted - magic;
    wide high = *x - k * ln2_high, r = high - k * ln2_low, r2 = r * r, even, odd, power;
    wide lost = (high - r) - k * ln2_low;

    even = zero + 1.0 / 479001600;
    even = even * r2 + 1.0 / 3628800;
    even = even * r2 + 1.0 / 40320;
    even = even * r2 + 1.0 / 720;
    even = even * r2 + 1.0 / 24;
    even = even * r2 + 0.5;
    odd = zero + 1.0 / 6227020800;
    odd = odd * r2 + 1.0 / 39916800;
    odd = odd * r2 + 1.0 / 362880;
    odd = odd * r2 + 1.0 / 5040;
    odd = odd * r2 + 1.0 / 120;
    odd = odd * r2 + 1.0 / 6;
    power = (wide)(((bits)shifted << 52) + 0x3ff0000000000000u);
    power *= 1.0 + (r + (lost + (even * r2 + odd * (r2 * r))));
    *x = (wide)(((whole)power & ~low & ~high_end) | (high_end & 0x7ff0000000000000));
}

static inline void widen(const float *p, const float *bias, double scale, const double *add,
                         wide *t)
{
    narrow s, b;
    wide a;

    memcpy(&s, p, sizeof s);
    if (bias) {
        memcpy(&b, bias, sizeof b);
        s -= b;
    }
    *t = __builtin_convertvector(s, wide) * scale;
    if (add) {
        memcpy(&a, add, sizeof a);
        *t += a;
    }
}

/* t = scale * (s - bias) + add of sixteen columns; past n it is -inf. */
static inline void scaled(const float *s, const float *bias, const double *add, int64_t n,
                          double scale, wide t[PARTS])
{
    double lane[WNI_LANES];

    if (n >= WNI_LANES) {
        for (int v = 0; v < PARTS; v++)
            widen(s + WIDTH * v, bias ? bias + WIDTH * v : NULL, scale,
                  add ? add + WIDTH * v : NULL, t + v);
        return;
    }
    for (int l = 0; l < WNI_LANES; l++) {
        lane[l] = -INFINITY;
        if (l < n) {
            lane[l] = (double)(s[l] - (bias ? bias[l] : 0)) * scale;
            if (add) lane[l] += add[l];
        }
    }
    memcpy(t, lane, sizeof lane);
}

static inline double largest(const wide t[PARTS])
{
    double lane[WNI_LANES], most;

    memcpy(lane, t, sizeof lane);
    most = lane[0];
    for (int l = 1; l < WNI_LANES; l++)
        most = lane[l] > most ? lane[l] : most;
    return most;
}

/* Nonzero when a lane is above the bar. */
static inline int any_above(const wide t[PARTS], double bar)
{
    whole hit = t[0] > bar;

    for (int v = 1; v < PARTS; v++)
        hit |= t[v] > bar;
    return ANY(hit);
}

static inline double tree(const wide t[PARTS])
{
    wide x[PARTS];
    double lane[8];

    for (int v = 0; v < PARTS / 2; v++)
        x[v] = t[v] + t[v + PARTS / 2];
    memcpy(lane, x, sizeof lane);
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

void EXPSUM(expsum)(const float *s, const float *bias, const double *add, int64_t n, double scale,
                    double *top, double *sum)
{
    double most = *top, total = *sum;

    for (int64_t j = 0; j < n; j += WNI_LANES) {
        wide t[PARTS];

        scaled(s + j, bias ? bias + j : NULL, add ? add + j : NULL, n - j, scale, t);
        if (any_above(t, most)) {
            double now = largest(t);

            total *= wni_exp_fixed(most - now);
            most = now;
        }
        for (int v = 0; v < PARTS; v++) {
            t[v] -= most;
            exp_in_place(t + v);
        }
        total += tree(t);
    }
    *top = most;
    *sum = total;
}

void EXPSUM(exps)(const float *s, const float *bias, const double *add, int64_t n, double scale,
                  double shift, float *p)
{
    for (int64_t j = 0; j < n; j += WNI_LANES) {
        float out[WNI_LANES];
        wide t[PARTS];

        scaled(s + j, bias ? bias + j : NULL, add ? add + j : NULL, n - j, scale, t);
        for (int v = 0; v < PARTS; v++) {
            narrow e;

            t[v] -= shift;
            exp_in_place(t + v);
            e = __builtin_convertvector(t[v], narrow);
            memcpy(out + WIDTH * v, &e, sizeof e);
        }
        memcpy(p + j, out, (size_t)(n - j < WNI_LANES ? n - j : WNI_LANES) * sizeof *p);
    }
}
