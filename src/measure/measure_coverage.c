/* SPDX-License-Identifier: Apache-2.0
 *
 * Coverage: how far the rows of a pool lie from the nearest chosen one.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/param.h"
#include "base/rng.h"
#include "ds/keyed.h"
#include "kernels/kernels.h"
#include "measure/measure_impl.h"
#include "scan/scan.h"

extern const wn_method wni_method_measure_coverage;

WN_PARAM_TABLE(wn_measure_coverage_params, WN_MEASURE_COVERAGE_PARAMS);

#define READ_BYTES ((int64_t)1 << 18)

enum { MEAN, Q50, Q90, Q99, MAX, STATS };
static const char *const stat_names[STATS] = {"mean", "q50", "q90", "q99", "max"};

typedef struct coverage {
    const wn_pool *pool;
    int64_t n, ld, grain;
    float *slots; /* (threads, 2 x grain x ld) */

    int64_t *chosen; /* (n_chosen of the pass) ascending */
    int64_t n_chosen;
    uint8_t *mark;     /* (n) */
    int64_t *at;       /* (n) nearest entry of `chosen` */
    float *distance;   /* (n) first the scan's scores */
    wni_keyed *sorted; /* (n) */
} coverage;

/* The distance of each row to the row it was told, from the rows themselves: the scan's scores lose digits
 * where rows are near. */
static wn_status distance_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    coverage *c = arg;
    const wni_kernels *kern = wni_kernels_of(ctx);
    float *x = c->slots + worker * 2 * c->grain * c->ld, *y = x + c->grain * c->ld;
    bool cosine = wn_pool_metric(c->pool) == WN_COSINE;
    wn_status st;

    for (int64_t i = begin; i < end; i++) {
        if (!c->mark[i] && c->at[i] < 0)
            return wni_measure_overflow(ctx, &wni_method_measure_coverage, i);
        c->at[i] = c->mark[i] ? i : c->chosen[c->at[i]];
    }
    WNI_TRY(wn_pool_read(ctx, c->pool, begin, end - begin, x, c->ld));
    WNI_TRY(wn_pool_gather(ctx, c->pool, c->at + begin, end - begin, y, c->ld));
    for (int64_t i = begin; i < end; i++, x += c->ld, y += c->ld) {
        float d = cosine ? 1 - kern->dot(x, y, c->ld) : sqrtf(kern->l2sq(x, y, c->ld));
        if (!isfinite(d)) return wni_measure_overflow(ctx, &wni_method_measure_coverage, i);
        c->distance[i] = c->mark[i] || !(d > 0) ? 0 : d;
        c->sorted[i] = (wni_keyed){wni_key_of_float(c->distance[i]), i};
    }
done:
    return st;
}

/* The smallest distance that q percent of the rows do not exceed. */
static double quantile(const coverage *c, int64_t q)
{
    int64_t rank = c->n / 100 * q + (c->n % 100 * q + 99) / 100;

    return (double)c->distance[c->sorted[rank - 1].row];
}

/* Fills stat and *farthest for the rows c->chosen. */
static wn_status measure_rows(wn_ctx *ctx, coverage *c, double stat[STATS], int64_t *farthest)
{
    wni_queries all = {c->pool, NULL, 0, c->n}, base = {c->pool, c->chosen, 0, c->n_chosen};
    bool l2 = wn_pool_metric(c->pool) == WN_L2;
    double sum = 0;
    wn_status st;

    WNI_TRY(wni_scan_nearest(ctx, &all, &base, l2, NULL, c->at, c->distance));
    for (int64_t i = 0; i < c->n_chosen; i++)
        c->mark[c->chosen[i]] = 1;
    WNI_TRY(wni_parallel(ctx, c->n, c->grain, distance_range, c));
    for (int64_t i = 0; i < c->n; i++)
        sum += (double)c->distance[i];
    *farthest = 0;
    for (int64_t i = 1; i < c->n; i++)
        if (c->distance[i] > c->distance[*farthest]) *farthest = i;
    WNI_TRY(wni_keyed_sort_long(ctx, c->sorted, c->n));
    stat[MEAN] = sum / (double)c->n;
    stat[Q50] = quantile(c, 50);
    stat[Q90] = quantile(c, 90);
    stat[Q99] = quantile(c, 99);
    stat[MAX] = quantile(c, 100);
done:
    for (int64_t i = 0; i < c->n_chosen; i++)
        c->mark[c->chosen[i]] = 0;
    return st;
}

/* The mean over `draws` random subsets of the same size. */
static wn_status measure_random(wn_ctx *ctx, coverage *c, const wn_measure_coverage_params *p,
                                double stat[STATS])
{
    wn_status st = WN_OK;

    memset(stat, 0, STATS * sizeof *stat);
    for (int32_t r = 0; r < p->random; r++) {
        double one[STATS];
        int64_t farthest;
        WNI_TRY(wni_rand_subset(ctx, p->seed, wni_stream("measure-coverage", r, 0), c->n,
                                c->n_chosen, c->chosen));
        WNI_TRY(measure_rows(ctx, c, one, &farthest));
        for (int s = 0; s < STATS; s++)
            stat[s] += one[s] / p->random;
    }
done:
    return st;
}

static wn_status report(wn_measurement *m, const wn_measure_input *in, int32_t i,
                        int64_t n_distinct, const double stat[STATS], const double chance[STATS],
                        int random, int64_t farthest)
{
    const char *group = wni_chosen_group(in, i);
    char name[32];
    wn_status st;

    WNI_TRY(wni_measured_int(m, group, "chosen", n_distinct));
    WNI_TRY(wni_cell_text(m, in->chosen[i].name));
    WNI_TRY(wni_cell_int(m, n_distinct));
    for (int s = 0; s < STATS; s++) {
        WNI_TRY(wni_measured_real(m, group, stat_names[s], stat[s]));
        WNI_TRY(wni_cell_real(m, stat[s]));
    }
    WNI_TRY(wni_measured_int(m, group, "farthest_row", farthest));
    WNI_TRY(wni_cell_int(m, farthest));
    for (int s = 0; s < STATS && random; s++) {
        snprintf(name, sizeof name, "random_%s", stat_names[s]);
        WNI_TRY(wni_measured_real(m, group, name, chance[s]));
        WNI_TRY(wni_cell_real(m, chance[s]));
    }
done:
    return st;
}

static wn_status coverage_estimate(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                                   wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), ld = wni_ld(d), most = 0;
    wn_measure_coverage_params p;
    double rows = 0,
           bytes = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_coverage, params, &p));
    for (int32_t i = 0; i < in->n_chosen; i++) {
        most = wni_max(most, in->chosen[i].n);
        rows += (double)in->chosen[i].n;
    }
    *out = (wn_estimate){0};
    out->peak_bytes = n * (int64_t)(8 + 4 + 1 + sizeof(wni_keyed)) + most * 16 +
                      wn_ctx_threads(ctx) * 4 * (READ_BYTES + ld * 4) + 65536;
    out->peak_bytes += wni_scan_bytes(ctx, n, most, wn_pool_dim(in->pool), out->peak_bytes);
    out->flops = 2.0 * rows * (1 + p.random) * (double)n * (double)ld;
    out->bytes_read = 3.0 * bytes * in->n_chosen * (1 + p.random);
done:
    return st;
}

static wn_status coverage_run(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                              wn_measurement **out)
{
    wn_measure_coverage_params p;
    coverage c = {.pool = in->pool, .n = wn_pool_rows(in->pool)};
    wn_measurement *m = NULL;
    int64_t most = 0;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_coverage, params, &p));
    c.ld = wni_ld(wn_pool_dim(in->pool));
    c.grain = wni_max(READ_BYTES / (c.ld * (int64_t)sizeof(float)), 1);
    for (int32_t i = 0; i < in->n_chosen; i++)
        most = wni_max(most, in->chosen[i].n);
    WNI_NEW(ctx, c.slots, wn_ctx_threads(ctx) * 2 * c.grain * c.ld);
    WNI_NEW(ctx, c.chosen, most);
    WNI_NEW0(ctx, c.mark, c.n);
    WNI_NEW(ctx, c.at, c.n);
    WNI_NEW(ctx, c.distance, c.n);
    WNI_NEW(ctx, c.sorted, c.n);
    WNI_TRY(wni_measurement_new(ctx, &m));
    WNI_TRY(wni_measured_int(m, NULL, "rows", c.n));
    WNI_TRY(wni_measured_columns(m, p.random ? "selection chosen mean q50 q90 q99 max farthest_row "
                                               "random_mean random_q50 random_q90 random_q99 "
                                               "random_max"
                                             : "selection chosen mean q50 q90 q99 max "
                                               "farthest_row"));
    for (int32_t i = 0; i < in->n_chosen; i++) {
        double stat[STATS], chance[STATS];
        int64_t farthest;
        wni_progress(ctx, "measuring selections", i, in->n_chosen);
        wni_chosen_distinct(&in->chosen[i], c.n, c.mark, c.chosen, &c.n_chosen);
        WNI_TRY(measure_rows(ctx, &c, stat, &farthest));
        WNI_TRY(measure_random(ctx, &c, &p, chance));
        WNI_TRY(report(m, in, i, c.n_chosen, stat, chance, p.random, farthest));
    }
    wni_progress(ctx, "measuring selections", in->n_chosen, in->n_chosen);
    *out = m;
    m = NULL;
done:
    wni_free(ctx, c.slots);
    wni_free(ctx, c.chosen);
    wni_free(ctx, c.mark);
    wni_free(ctx, c.at);
    wni_free(ctx, c.distance);
    wni_free(ctx, c.sorted);
    wn_measurement_free(m);
    return st;
}

wn_status wn_measure_coverage(wn_ctx *ctx, const wn_measure_input *in,
                              const wn_measure_coverage_params *params, wn_measurement **out)
{
    return wn_measure_run(ctx, &wni_method_measure_coverage, in, params, out);
}

static const wn_measure_ops ops = {coverage_estimate, coverage_run};

const wn_method wni_method_measure_coverage = {
    .family = "measure",
    .name = "coverage",
    .summary = "how far the rows of a pool lie from the nearest chosen one",
    .papers = "gonzalez1985",
    .cost = "n x chosen x d for each selection and random subset; 37 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_measure_coverage_params),
    .ops = &ops,
    .inputs = "pool selection",
};
