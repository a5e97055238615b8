/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/fixmath.h"
#include "score/two_normals.h"

#define BINS   1024
#define ROUNDS 100

/* log (share x density), without what both have in common. */
static double log_density(const wni_two_normals *m, int c, double x)
{
    double away = x - m->mean[c];

    return wni_log_fixed(m->share[c]) - 0.5 * wni_log_fixed(m->variance[c]) -
           0.5 * away * away / m->variance[c];
}

static double low_share(const wni_two_normals *m, double x)
{
    return 1 / (1 + wni_exp_fixed(log_density(m, 1, x) - log_density(m, 0, x)));
}

double wni_two_normals_low(const wni_two_normals *m, double x)
{
    if (!(m->share[1] > 0)) return 1;
    /* Beyond the means the wider one wins, whichever it is: there the answer stays that of the mean. */
    if (x < m->mean[0]) x = m->mean[0];
    if (x > m->mean[1]) x = m->mean[1];
    return low_share(m, x);
}

static double center_of(double low, double width, int bin)
{
    return low + (bin + 0.5) * width;
}

/* One step; the share of the low one in each bin decides. */
static void step(const int64_t *count, int64_t n, double low, double width, wni_two_normals *m)
{
    double sum[2] = {0}, first[2] = {0}, second[2] = {0};

    for (int b = 0; b < BINS; b++) {
        double x = center_of(low, width, b), p = count[b] ? low_share(m, x) : 0;
        double part[2] = {p * (double)count[b], (1 - p) * (double)count[b]};
        for (int c = 0; c < 2; c++) {
            double away = x - m->mean[c];
            sum[c] += part[c];
            first[c] += part[c] * away;
            second[c] += part[c] * away * away;
        }
    }
    for (int c = 0; c < 2; c++) {
        double shift = sum[c] > 0 ? first[c] / sum[c] : 0;
        double variance = sum[c] > 0 ? second[c] / sum[c] - shift * shift : 0;
        m->share[c] = sum[c] / (double)n;
        m->mean[c] += shift;
        m->variance[c] = variance > width * width ? variance : width * width;
        if (m->share[c] < 1e-9) m->share[c] = 1e-9;
    }
}

void wni_two_normals_fit(const float *v, int64_t n, wni_two_normals *m)
{
    int64_t count[BINS] = {0}, below = 0;
    double low = (double)v[0], high = low, width, mean[2] = {0}, parts[2] = {0};

    for (int64_t i = 0; i < n; i++) {
        low = (double)v[i] < low ? (double)v[i] : low;
        high = (double)v[i] > high ? (double)v[i] : high;
    }
    *m = (wni_two_normals){{low, high}, {1, 1}, {1, 0}};
    if (!(high > low)) return;
    width = (high - low) / BINS;
    for (int64_t i = 0; i < n; i++) {
        int b = (int)(((double)v[i] - low) / width);
        count[b < BINS ? b : BINS - 1]++;
    }
    /* It starts from the halves. */
    for (int b = 0; b < BINS; b++) {
        int half = 2 * below >= n;
        mean[half] += (double)count[b] * center_of(low, width, b);
        parts[half] += (double)count[b];
        below += count[b];
    }
    for (int c = 0; c < 2; c++) {
        m->mean[c] = parts[c] > 0 ? mean[c] / parts[c] : high;
        m->share[c] = 0.5;
    }
    m->variance[0] = m->variance[1] = (m->mean[1] - m->mean[0]) * (m->mean[1] - m->mean[0]) / 4;
    for (int c = 0; c < 2; c++)
        if (m->variance[c] < width * width) m->variance[c] = width * width;
    for (int round = 0; round < ROUNDS; round++)
        step(count, n, low, width, m);
    if (m->mean[0] > m->mean[1]) {
        wni_two_normals other = *m;
        for (int c = 0; c < 2; c++) {
            m->mean[c] = other.mean[1 - c];
            m->variance[c] = other.variance[1 - c];
            m->share[c] = other.share[1 - c];
        }
    }
}
