/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables that are part of another table, after R2D2: columns, ranges, a sample of rows, all rows; each step
 * reads only for the pairs that the one before left.
 */
#include "base/param.h"
#include "dedup/tables_impl.h"
#include "io/scratch.h"

extern const wn_method wni_method_dedup_tables;

WN_PARAM_TABLE(wn_dedup_tables_params, WN_DEDUP_TABLES_PARAMS);

/* Rows are not known before the files are read; two bytes are the shortest. */
static void estimate(const wni_run *run, const wni_tables *t, wn_estimate *out)
{
    int64_t bytes = 0, sample = t->params.sample * (int64_t)(2 * sizeof(wni_keyed)), keys;

    for (int32_t i = 0; i < t->n; i++)
        bytes += t->table[i].bytes;
    keys = wni_min(bytes / 2 * (int64_t)sizeof(wni_keyed), wni_budget_left(run->ctx) / 2);
    out->peak_bytes = WNI_TABLES_BYTES + t->n * (WNI_TABLES_EACH + sample) + keys;
    out->bytes_read = 4.0 * (double)bytes;
}

static wn_status tables_run(wni_run *run)
{
    wni_tables t = {.ctx = run->ctx};
    wn_status st;

    WNI_TRY(wni_params_complete(run->ctx, run->method, run->params, &t.params));
    WNI_TRY(wni_tables_find(&t, run->pool_paths, run->n_pool_paths));
    estimate(run, &t, &run->estimate);
    if (run->plan) goto done;
    WNI_TRY(wni_budget_need(run->ctx, WNI_TABLES_BYTES + t.n * WNI_TABLES_EACH, "dedup tables"));
    t.scratch = wni_out_scratch_dir(run->out);
    WNI_TRY(wni_tables_survey(&t));
    WNI_TRY(wni_tables_pair_up(&t));
    WNI_TRY(wni_tables_sample(&t));
    WNI_TRY(wni_tables_compare(&t));
    WNI_TRY(wni_tables_write(run, &t));
done:
    wni_tables_free(&t);
    return st;
}

/* The family's own calls are about rows of one pool. */
static wn_status no_rows_estimate(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                                  wn_estimate *out)
{
    (void)in;
    (void)params;
    (void)out;
    return wni_fail(ctx, WN_E_USAGE, "dedup tables: reads folders of files: run it as a wn_job");
}

static wn_status no_rows_run(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                             wn_dedup **out)
{
    wn_estimate unused;

    *out = NULL;
    return no_rows_estimate(ctx, in, params, &unused);
}

static const wn_dedup_ops ops = {no_rows_estimate, no_rows_run, NULL};

const wn_method wni_method_dedup_tables = {
    .family = "dedup",
    .name = "tables",
    .summary = "files of a folder whose rows and columns another file holds",
    .papers = "shah2023",
    .cost = "each file read 3 times, and once more for each set of columns in which it may hold "
            "another; 16 bytes a row, in a file when they do not fit",
    .flags = WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC | WN_METHOD_SEEDED,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_dedup_tables_params),
    .ops = &ops,
    .inputs = "files",
    .run = (const void *)tables_run,
};
