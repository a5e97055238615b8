/* SPDX-License-Identifier: Apache-2.0
 *
 * Duplicates: how many rows have another row at least so similar.
 */
#include <stdio.h>

#include "base/param.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "measure/measure_impl.h"
#include "scan/scan.h"

extern const wn_method wni_method_measure_duplicates;

WN_PARAM_TABLE(wn_measure_duplicates_params, WN_MEASURE_DUPLICATES_PARAMS);

#define AT_MAX     8
#define READ_BYTES ((int64_t)1 << 18)

typedef struct duplicates {
    const wn_pool *pool; /* under cosine */
    int32_t n_at;
    float at[AT_MAX];
    char word[AT_MAX][32];

    int64_t *rows;   /* (n) rows to look at: all, or those of a selection */
    int64_t *judged; /* (sample) of them */
    int64_t *near;   /* (sample) */
    float *best;     /* (sample) highest cosine to another row */
    uint8_t *zero;   /* (sample) it has no direction */
    uint8_t *mark;   /* (n) */
    float *slots;
    int64_t ld, grain;
} duplicates;

static wn_status parse_cosines(wn_ctx *ctx, const char *text, duplicates *d)
{
    double at[AT_MAX];

    d->n_at = wni_reals_of_text(text, at, AT_MAX);
    for (int32_t a = 0; a < d->n_at; a++) {
        d->at[a] = (float)at[a];
        if (!(at[a] > 0 && at[a] <= 1)) d->n_at = -1;
        snprintf(d->word[a], sizeof d->word[0], "%.9g", at[a]);
    }
    if (d->n_at > 0) return WN_OK;
    return wni_fail(ctx, WN_E_USAGE,
                    "measure duplicates: at is '%s', expected 1 to %d numbers above 0 and up to 1, "
                    "separated by commas",
                    text, AT_MAX);
}

/* Rows without a direction resemble nothing. */
static wn_status zero_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    duplicates *d = arg;
    float *x = d->slots + worker * d->grain * d->ld;
    wn_status st;

    WNI_TRY(wn_pool_gather(ctx, d->pool, d->judged + begin, end - begin, x, d->ld));
    for (int64_t i = begin; i < end; i++, x += d->ld)
        d->zero[i] = wni_kernels_of(ctx)->dot(x, x, d->ld) == 0;
done:
    return st;
}

static wn_status measure_rows(wn_ctx *ctx, duplicates *d, const wn_measure_duplicates_params *p,
                              int64_t n, const char *group, const char *name, wn_measurement *m)
{
    int64_t sample = p->sample && p->sample < n ? p->sample : n, zero = 0;
    wni_queries queries = {d->pool, d->judged, 0, sample}, base = {d->pool, d->rows, 0, n};
    wn_status st;

    WNI_TRY(wni_rand_subset(ctx, p->seed, wni_stream("measure-duplicates", 0, 0), n, sample,
                            d->judged));
    for (int64_t i = 0; i < sample; i++)
        d->judged[i] = d->rows[d->judged[i]];
    WNI_TRY(wni_parallel(ctx, sample, d->grain, zero_range, d));
    WNI_TRY(wni_scan_topk(ctx, &queries, &base, 1, 0, 1, d->near, d->best));
    for (int64_t i = 0; i < sample; i++)
        zero += d->zero[i];
    WNI_TRY(wni_measured_int(m, group, "rows", n));
    WNI_TRY(wni_measured_int(m, group, "rows_judged", sample));
    WNI_TRY(wni_measured_int(m, group, "rows_without_direction", zero));
    for (int32_t a = 0; a < d->n_at; a++) {
        char text[WN_TEXT_MAX + 16];
        int64_t found = 0;
        for (int64_t i = 0; i < sample; i++)
            found += !d->zero[i] && d->near[i] >= 0 && d->best[i] >= d->at[a];
        snprintf(text, sizeof text, "share_at_%s", d->word[a]);
        WNI_TRY(wni_measured_real(m, group, text, (double)found / (double)sample));
        WNI_TRY(wni_cell_text(m, name));
        WNI_TRY(wni_cell_text(m, d->word[a]));
        WNI_TRY(wni_cell_int(m, sample));
        WNI_TRY(wni_cell_int(m, found));
        WNI_TRY(wni_cell_real(m, (double)found / (double)sample));
    }
done:
    return st;
}

static wn_status duplicates_estimate(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                                     wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), dim = wn_pool_dim(in->pool), sample;
    wn_measure_duplicates_params p;
    duplicates d = {0};
    double sets = in->n_chosen ? in->n_chosen : 1;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_duplicates, params, &p));
    WNI_TRY(parse_cosines(ctx, p.at, &d));
    if (n == 0) return wni_fail(ctx, WN_E_DATA, "measure duplicates: the pool has no rows");
    sample = p.sample && p.sample < n ? p.sample : n;
    *out = (wn_estimate){0};
    out->peak_bytes = n * (8 + 1) + sample * (8 + 8 + 8 + 4 + 1) +
                      wn_ctx_threads(ctx) * 4 * (READ_BYTES + wni_ld(dim) * 4) + 65536;
    out->peak_bytes += wni_scan_bytes(ctx, sample, n, dim, out->peak_bytes);
    out->flops = 2.0 * sets * (double)sample * (double)n * (double)dim;
    out->bytes_read =
        sets * (double)(n + sample) * (double)dim * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status duplicates_run(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                                wn_measurement **out)
{
    int64_t n = wn_pool_rows(in->pool), sample, count;
    wn_measure_duplicates_params p;
    duplicates d = {.ld = wni_ld(wn_pool_dim(in->pool))};
    wn_pool *cosine = NULL;
    wn_measurement *m = NULL;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_duplicates, params, &p));
    WNI_TRY(parse_cosines(ctx, p.at, &d));
    WNI_TRY(wn_pool_with_metric(ctx, in->pool, WN_COSINE, &cosine));
    d.pool = cosine;
    d.grain = wni_max(READ_BYTES / (d.ld * (int64_t)sizeof(float)), 1);
    sample = p.sample && p.sample < n ? p.sample : n;
    WNI_NEW(ctx, d.slots, wn_ctx_threads(ctx) * d.grain * d.ld);
    WNI_NEW(ctx, d.rows, n);
    WNI_NEW(ctx, d.judged, sample);
    WNI_NEW(ctx, d.near, sample);
    WNI_NEW(ctx, d.best, sample);
    WNI_NEW(ctx, d.zero, sample);
    WNI_NEW0(ctx, d.mark, n);
    WNI_TRY(wni_measurement_new(ctx, &m));
    WNI_TRY(wni_measured_columns(m, "selection cosine rows_judged rows_with_duplicate share"));
    if (in->n_chosen == 0) {
        for (int64_t i = 0; i < n; i++)
            d.rows[i] = i;
        WNI_TRY(measure_rows(ctx, &d, &p, n, NULL, "pool", m));
    }
    for (int32_t i = 0; i < in->n_chosen; i++) {
        wni_progress(ctx, "measuring selections", i, in->n_chosen);
        wni_chosen_distinct(&in->chosen[i], n, d.mark, d.rows, &count);
        WNI_TRY(measure_rows(ctx, &d, &p, count, wni_chosen_group(in, i), in->chosen[i].name, m));
    }
    *out = m;
    m = NULL;
done:
    wni_free(ctx, d.slots);
    wni_free(ctx, d.rows);
    wni_free(ctx, d.judged);
    wni_free(ctx, d.near);
    wni_free(ctx, d.best);
    wni_free(ctx, d.zero);
    wni_free(ctx, d.mark);
    wn_pool_free(cosine);
    wn_measurement_free(m);
    return st;
}

wn_status wn_measure_duplicates(wn_ctx *ctx, const wn_measure_input *in,
                                const wn_measure_duplicates_params *params, wn_measurement **out)
{
    return wn_measure_run(ctx, &wni_method_measure_duplicates, in, params, out);
}

static const wn_measure_ops ops = {duplicates_estimate, duplicates_run};

const wn_method wni_method_measure_duplicates = {
    .family = "measure",
    .name = "duplicates",
    .summary = "how many rows have another row at least so similar",
    .papers = "abbas2023",
    .cost = "sample x n x d; 9 bytes a row and 29 a row of the sample",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_measure_duplicates_params),
    .ops = &ops,
    .inputs = "pool selection?",
};
