/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `index`: making an index out of files.
 */
#include "index/code.h"
#include "index/index_build.h"
#include "pool/inputs.h"
#include "pool/pool_use.h"
#include "pool/table_impl.h"

#define NORM_MAX 1e18 /* of a row: the square of twice that is finite in float32 */

wn_status wni_index_build_table(wni_run *run, int64_t rows, const char *like, const char **path)
{
    const char *given = run->input(run, "table"), *db = NULL;
    wn_table_options opt;
    wn_table *table = NULL, *there = NULL;
    wn_status st = WN_OK;

    *path = NULL;
    if (!given) return WN_OK;
    WNI_TRY(wni_out_path(run->out, "table.sqlite", &db));
    wn_table_options_init(&opt);
    if (like) WNI_TRY(wn_table_open(run->ctx, like, &there));
    WNI_TRY(wni_table_build_like(run->ctx, &given, 1, db, &opt, there, &table));
    if (wn_table_rows(table) != rows) {
        st = wni_fail(run->ctx, WN_E_DATA,
                      "%s: found %lld records, expected %lld: one for each row of the pool", given,
                      (long long)wn_table_rows(table), (long long)rows);
        goto done;
    }
    *path = db;
done:
    wn_table_free(table);
    wn_table_free(there);
    return st;
}

wn_status wni_index_check_rows(wn_ctx *ctx, const wn_pool *rows, const char *what)
{
    wn_pool_report report;
    wn_status st;

    WNI_TRY(wn_pool_check(ctx, rows, 1, NULL));
    if (wn_pool_metric(rows) != WN_L2 || wni_pool_norm_bound(rows) <= NORM_MAX) return WN_OK;
    /* Of a view the bound may be that of rows outside. */
    WNI_TRY(wn_pool_check(ctx, rows, 1, &report));
    if (report.max_norm > NORM_MAX)
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: found a row of norm %.3g, at most %.0e has finite distances in float32: "
                      "scale the values down",
                      what, report.max_norm, NORM_MAX);
done:
    return st;
}

static wn_status estimate(wni_run *run)
{
    const wni_index_kind *kind = run->method->ops;
    const int64_t n = wn_pool_rows(run->pool), d = wn_pool_dim(run->pool);
    const wni_code_params code = wni_code_params_of(run->params);
    wn_status st;

    if (!kind->rows_on_disk) WNI_TRY(wni_code_check(run->ctx, d, &code));
    WNI_TRY(kind->estimate(run->ctx, run->pool, run->params, &run->estimate));
    run->estimate.peak_bytes = wni_max(run->estimate.peak_bytes, n * 8); /* ids */
    if (kind != &wni_index_flat_kind && n >= WNI_SEGMENT_STRUCTURE_ROWS)
        run->estimate.peak_bytes =
            wni_max(run->estimate.peak_bytes, wni_index_calibrate_bytes(run->ctx, n, d));
    run->estimate.peak_bytes += (int64_t)8 << 20;
    run->estimate.bytes_read +=
        (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(run->pool));
done:
    return st;
}

wn_status wni_index_build_run(wni_run *run)
{
    wni_source source = {.rows = run->pool};
    wni_index_head head = {.method = run->method,
                           .params = run->params,
                           .metric = wn_pool_metric(run->pool),
                           .dtype = wn_pool_dtype(run->pool),
                           .d = wn_pool_dim(run->pool),
                           .next_id = wn_pool_rows(run->pool),
                           .next_segment = 2};
    json_t *segments = json_array(), *segment = NULL;
    wn_status st;

    WNI_TRY(estimate(run));
    if (wn_pool_rows(run->pool) == 0) {
        st = wni_fail(run->ctx, WN_E_DATA, "index %s: the pool has no rows", run->method->name);
        goto done;
    }
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(run->ctx, run->pool, run->method, &run->estimate));
    WNI_TRY(wni_index_check_rows(run->ctx, run->pool, "index"));
    WNI_TRY(wni_index_build_table(run, wn_pool_rows(run->pool), NULL, &source.table));
    head.has_table = source.table != NULL;
    WNI_TRY(wni_segment_write(run->ctx, run->out, &head, 1, &source, 1, run, &segment));
    WNI_TRY(wni_segments_append(run->ctx, segments, segment));
    if (source.table) WNI_TRY(wni_out_remove(run->out, "table.sqlite"));
    WNI_TRY(wni_index_finish(run, &head, segments, 1));
done:
    json_decref(segments);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 1, "the rows: .npy and other vector files, see `winnow info`"},
    {"table", "text", 0,
     "attributes of the rows for --where, --window and --tenant: .jsonl .csv .tsv, a record for "
     "each row"},
    {"index", "index", 0, "the index that is changed"},
    {"rows", "rows", 0, "ids of rows: .npy of numbers, or a folder with rows.npy"},
    {"ids", "ints", 0, "ids for the new rows, each not in the index; counted on if not given"}};

const wn_family wni_family_index = {
    .name = "index",
    .summary = "make rows searchable: exact, by lists, by a graph, from disk",
    .default_method = "auto",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)wni_index_build_run,
};
