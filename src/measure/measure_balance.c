/* SPDX-License-Identifier: Apache-2.0
 *
 * Balance: the classes of a selection beside those of the pool.
 */
#include "base/fixmath.h"
#include "base/param.h"
#include "measure/measure_impl.h"

extern const wn_method wni_method_measure_balance;

#define FIXED_BYTES ((int64_t)2 << 20) /* reading and hashing the inputs */
#define LN2         0.69314718055994530942

static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* In bits; summed in the order of the classes. */
static double entropy(const int64_t *count, int32_t classes, int64_t total)
{
    double sum = 0;

    for (int32_t c = 0; c < classes; c++) {
        double p = share(count[c], total);
        if (p > 0) sum -= p * wni_log_fixed(p);
    }
    return sum / LN2;
}

static double evenness(double bits, int32_t classes)
{
    return classes > 1 ? bits / (wni_log_fixed(classes) / LN2) : 1;
}

/* Of the selection from the pool, in bits; every class of the selection is one of the pool. */
static double divergence(const int64_t *count, int64_t total, const int64_t *pool,
                         int64_t pool_total, int32_t classes)
{
    double sum = 0;

    for (int32_t c = 0; c < classes; c++)
        if (count[c]) {
            double p = share(count[c], total);
            sum += p * wni_log_fixed(p / share(pool[c], pool_total));
        }
    return sum / LN2;
}

static wn_status measure_one(wn_measurement *m, const wn_measure_input *in, int32_t at,
                             int64_t *count)
{
    const wn_labels *labels = in->labels;
    const wn_chosen *chosen = &in->chosen[at];
    const char *group = wni_chosen_group(in, at);
    int64_t total = 0, pool_total = 0, most = 0;
    int32_t present = 0;
    double bits, apart = 0;
    wn_status st;

    for (int32_t c = 0; c < labels->classes; c++) {
        count[c] = 0;
        pool_total += labels->sizes[c];
    }
    for (int64_t i = 0; i < chosen->n; i++) {
        int32_t c = labels->v[chosen->rows[i]];
        if (c < 0) continue;
        count[c]++;
        total++;
    }
    for (int32_t c = 0; c < labels->classes; c++) {
        double d = share(count[c], total) - share(labels->sizes[c], pool_total);
        present += count[c] > 0;
        most = wni_max(most, count[c]);
        apart += d < 0 ? -d : d;
    }
    bits = entropy(count, labels->classes, total);
    WNI_TRY(wni_measured_int(m, group, "chosen", chosen->n));
    WNI_TRY(wni_measured_int(m, group, "chosen_without_class", chosen->n - total));
    WNI_TRY(wni_measured_int(m, group, "classes_missed", labels->classes - present));
    WNI_TRY(wni_measured_real(m, group, "entropy_bits", bits));
    WNI_TRY(wni_measured_real(m, group, "evenness", evenness(bits, labels->classes)));
    WNI_TRY(wni_measured_real(m, group, "largest_share", share(most, total)));
    WNI_TRY(
        wni_measured_real(m, group, "divergence_bits",
                          divergence(count, total, labels->sizes, pool_total, labels->classes)));
    WNI_TRY(wni_measured_real(m, group, "total_variation", apart / 2));
    for (int32_t c = 0; c < labels->classes; c++) {
        double of_pool = share(labels->sizes[c], pool_total);
        WNI_TRY(wni_cell_text(m, chosen->name));
        WNI_TRY(wni_cell_text(m, labels->names[c]));
        WNI_TRY(wni_cell_int(m, labels->sizes[c]));
        WNI_TRY(wni_cell_real(m, of_pool));
        WNI_TRY(wni_cell_int(m, count[c]));
        WNI_TRY(wni_cell_real(m, share(count[c], total)));
        WNI_TRY(wni_cell_real(m, of_pool > 0 ? share(count[c], total) / of_pool : 0));
    }
done:
    return st;
}

static wn_status balance_estimate(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                                  wn_estimate *out)
{
    (void)ctx;
    (void)params;
    *out = (wn_estimate){0};
    out->peak_bytes = (int64_t)in->labels->classes * (8 + in->n_chosen * 7 * 2 * 80) + FIXED_BYTES;
    return WN_OK;
}

static wn_status balance_run(wn_ctx *ctx, const wn_measure_input *in, const void *params,
                             wn_measurement **out)
{
    const wn_labels *labels = in->labels;
    wn_measurement *m = NULL;
    int64_t *count = NULL, total = 0, most = 0;
    double bits;
    wn_status st;

    (void)params;
    WNI_TRY(wni_measurement_new(ctx, &m));
    WNI_NEW(ctx, count, labels->classes);
    for (int32_t c = 0; c < labels->classes; c++) {
        total += labels->sizes[c];
        most = wni_max(most, labels->sizes[c]);
    }
    if (total == 0) {
        st = wni_fail(ctx, WN_E_DATA, "measure balance: no row of the pool has a class");
        goto done;
    }
    bits = entropy(labels->sizes, labels->classes, total);
    WNI_TRY(wni_measured_int(m, NULL, "rows", labels->n));
    WNI_TRY(wni_measured_int(m, NULL, "rows_without_class", labels->n - total));
    WNI_TRY(wni_measured_int(m, NULL, "classes", labels->classes));
    WNI_TRY(wni_measured_real(m, NULL, "pool_entropy_bits", bits));
    WNI_TRY(wni_measured_real(m, NULL, "pool_evenness", evenness(bits, labels->classes)));
    WNI_TRY(wni_measured_real(m, NULL, "pool_largest_share", share(most, total)));
    WNI_TRY(wni_measured_columns(
        m, "selection class pool_rows pool_share chosen_rows chosen_share lift"));
    for (int32_t i = 0; i < in->n_chosen; i++) {
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(measure_one(m, in, i, count));
    }
    *out = m;
    m = NULL;
done:
    wni_free(ctx, count);
    wn_measurement_free(m);
    return st;
}

wn_status wn_measure_balance(wn_ctx *ctx, const wn_measure_input *in,
                             const wn_measure_balance_params *params, wn_measurement **out)
{
    return wn_measure_run(ctx, &wni_method_measure_balance, in, params, out);
}

static const wn_measure_ops ops = {balance_estimate, balance_run};

const wn_method wni_method_measure_balance = {
    .family = "measure",
    .name = "balance",
    .summary = "how even the classes of a selection are, beside those of the pool",
    .papers = "shannon1948",
    .cost = "one pass over the labels; memory for the classes",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = NULL,
    .n_params = 0,
    .params_bytes = sizeof(wn_measure_balance_params),
    .ops = &ops,
    .inputs = "selection labels",
};
