/* SPDX-License-Identifier: Apache-2.0
 *
 * What a partition is worth: beside classes that somebody gave, and by the rows themselves.
 */
#include <math.h>
#include <stdio.h>

#include "base/param.h"
#include "measure/measure_impl.h"
#include "measure/partition_values.h"

extern const wn_method wni_method_measure_partition;

WN_PARAM_TABLE(wn_measure_partition_params, WN_MEASURE_PARTITION_PARAMS);

#define FIXED_BYTES ((int64_t)4 << 20)

/* The finest clusters of the tree seen from the next level, in place: labels become those of level t. */
static void climb(const wn_partition *level, int32_t *label, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (label[i] >= 0) label[i] = level->labels[label[i]];
}

static wn_status check_labels(wn_ctx *ctx, const wni_parts *p, int32_t level)
{
    for (int64_t i = 0; i < p->n; i++)
        if (p->label[i] < -1 || p->label[i] >= p->k)
            return wni_fail(ctx, WN_E_DATA,
                            "measure partition: level %d gives row %lld the label %d, expected -1 "
                            "to %d",
                            level, (long long)i, p->label[i], p->k - 1);
    return WN_OK;
}

/* Both into the table, where the last row then is, and as values: under the name of the level when there are
 * several. */
static wn_status put(wn_measurement *m, const char *group, const char *name, double v, int whole)
{
    wn_status st;

    if (whole) {
        WNI_TRY(wni_measured_int(m, group, name, (int64_t)v));
        WNI_TRY(wni_cell_int(m, (int64_t)v));
    } else {
        if (isfinite(v)) WNI_TRY(wni_measured_real(m, group, name, v));
        WNI_TRY(wni_cell_real(m, v));
    }
done:
    return st;
}

static wn_status measure_level(wn_ctx *ctx, const wn_measure_input *in,
                               const wn_measure_partition_params *p, const wni_parts *parts,
                               int32_t level, const char *group, wn_measurement *m)
{
    wn_status st;

    WNI_TRY(wni_cell_int(m, level));
    if (in->labels) {
        wni_parts classes = {in->labels->v, in->labels->n, in->labels->classes};
        wni_agreement a;
        WNI_TRY(wni_agreement_of(ctx, parts, &classes, &a));
        WNI_TRY(put(m, group, "rows_compared", (double)a.rows, 1));
        WNI_TRY(put(m, group, "adjusted_rand", a.rand_adjusted, 0));
        WNI_TRY(put(m, group, "normalised_mutual_information", a.mutual_normalised, 0));
        WNI_TRY(put(m, group, "homogeneity", a.homogeneity, 0));
        WNI_TRY(put(m, group, "completeness", a.completeness, 0));
        WNI_TRY(put(m, group, "v_measure", a.v_measure, 0));
    }
    if (in->pool) {
        wni_shape s;
        WNI_TRY(wni_shape_of(ctx, in->pool, parts, p->sample, p->seed, &s));
        WNI_TRY(put(m, group, "rows_in_clusters", (double)s.rows, 1));
        WNI_TRY(put(m, group, "clusters", s.clusters, 1));
        WNI_TRY(put(m, group, "smallest", (double)s.smallest, 1));
        WNI_TRY(put(m, group, "largest", (double)s.largest, 1));
        WNI_TRY(put(m, group, "rows_judged", (double)s.judged, 1));
        WNI_TRY(put(m, group, "silhouette", s.silhouette, 0));
        WNI_TRY(put(m, group, "davies_bouldin", s.davies_bouldin, 0));
        WNI_TRY(put(m, group, "calinski_harabasz", s.calinski_harabasz, 0));
    }
done:
    return st;
}

static wn_status start_table(wn_measurement *m, const wn_measure_input *in)
{
    static const char *const agree =
        " rows_compared adjusted_rand normalised_mutual_information homogeneity completeness "
        "v_measure";
    static const char *const shape =
        " rows_in_clusters clusters smallest largest rows_judged silhouette davies_bouldin "
        "calinski_harabasz";
    char *columns = wni_format(m->ctx, "level%s%s", in->labels ? agree : "", in->pool ? shape : "");
    wn_status st;

    if (!columns) return WN_E_NOMEM;
    st = wni_measured_columns(m, columns);
    wni_free(m->ctx, columns);
    return st;
}

/* ---- the method -------------------------------------------------------------------------------- */

static wn_status check_inputs(wn_ctx *ctx, const wn_measure_input *in)
{
    if (!in->tree == !in->groups)
        return wni_fail(ctx, WN_E_USAGE,
                        "measure partition: found %s of tree and groups, expected one of them",
                        in->tree ? "both" : "none");
    if (!in->pool && !in->labels)
        return wni_fail(ctx, WN_E_USAGE,
                        "measure partition: nothing to judge by: give the pool, labels, or both");
    return WN_OK;
}

static wn_status partition_estimate(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                                    wn_estimate *out)
{
    int64_t n = in->pool ? wn_pool_rows(in->pool) : in->n, d, k;
    int32_t levels = 1;
    wn_measure_partition_params p;
    double sample;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_partition, params, &p));
    WNI_TRY(check_inputs(ctx, in));
    k = in->tree ? in->tree->level[0]->k : in->groups->classes;
    if (in->tree) levels = in->tree->levels;
    *out = (wn_estimate){0};
    out->peak_bytes = n * (4 + (in->labels ? 16 : 0)) + k * 8 +
                      (in->labels ? (int64_t)in->labels->classes * 8 : 0) + FIXED_BYTES;
    if (!in->pool) goto done;
    d = wn_pool_dim(in->pool);
    sample = (double)(p.sample && p.sample < n ? p.sample : n);
    out->peak_bytes += wni_shape_bytes(ctx, n, d, k);
    out->flops = levels * (2 * sample * (double)n + 3 * (double)k * (double)k) * (double)d;
    out->bytes_read =
        levels * 5.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status partition_run(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                               wn_measurement **out)
{
    wn_measure_partition_params p;
    const int32_t *from = in->tree ? in->tree->level[0]->labels : in->groups->v;
    int64_t n = in->tree ? in->tree->level[0]->n : in->groups->n;
    int32_t levels = in->tree ? in->tree->levels : 1, *label = NULL;
    wn_measurement *m = NULL;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_measure_partition, params, &p));
    WNI_NEW(ctx, label, n);
    for (int64_t i = 0; i < n; i++)
        label[i] = from[i];
    WNI_TRY(wni_measurement_new(ctx, &m));
    WNI_TRY(wni_measured_int(m, NULL, "rows", n));
    WNI_TRY(start_table(m, in));
    for (int32_t t = 0; t < levels; t++) {
        wni_parts parts = {label, n, in->tree ? in->tree->level[t]->k : in->groups->classes};
        char group[32];
        WNI_TRY(wni_poll(ctx));
        if (t) climb(in->tree->level[t], label, n);
        WNI_TRY(check_labels(ctx, &parts, t + 1));
        snprintf(group, sizeof group, "level%d", t + 1);
        WNI_TRY(measure_level(ctx, in, &p, &parts, t + 1, levels > 1 ? group : NULL, m));
    }
    *out = m;
    m = NULL;
done:
    wni_free(ctx, label);
    wn_measurement_free(m);
    return st;
}

wn_status wn_measure_partition(wn_ctx *ctx, const wn_measure_input *in,
                               const wn_measure_partition_params *params, wn_measurement **out)
{
    return wn_measure_run(ctx, &wni_method_measure_partition, in, params, out);
}

static const wn_measure_ops ops = {partition_estimate, partition_run};

const wn_method wni_method_measure_partition = {
    .family = "measure",
    .name = "partition",
    .summary = "agreement of a clustering with classes, and how compact its clusters are",
    .papers = "hubert1985 strehl2002 rosenberg2007 rousseeuw1987 davies1979 calinski1974",
    .cost = "(sample x n + k^2) x d for each level; 28 bytes a row and 4 k d, 16 a row for classes",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_measure_partition_params),
    .ops = &ops,
    .inputs = "pool? labels? tree|groups",
};
