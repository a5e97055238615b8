/* SPDX-License-Identifier: Apache-2.0
 *
 * `winnow search`: an index and queries in, hits out.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "pool/decimal.h"
#include "scan/scan.h"
#include "search/cutoff.h"
#include "winnow/search.h"

WN_PARAM_TABLE(wn_search_knn_params, WN_SEARCH_KNN_PARAMS);

static const char *given(const char *text)
{
    return *text ? text : NULL;
}

static wn_status save(wni_run *run, const wn_hits *h)
{
    const int64_t shape[2] = {h->n, h->k};
    wn_status st;

    WNI_TRY(wni_out_npy(run->out, "indices.npy", "<i8", sizeof *h->indices, shape, 2, h->indices));
    WNI_TRY(wni_out_npy(run->out, "distances.npy", "<f4", sizeof *h->distances, shape, 2,
                        h->distances));
    WNI_TRY(wni_out_npy(run->out, "counts.npy", "<i8", sizeof *h->counts, shape, 1, h->counts));
done:
    return st;
}

/* The plain record says what came back; --explain how. */
static wn_status record(wni_run *run, const wn_index *index, const wn_hits *h)
{
    const wn_search_knn_params *p = run->params;
    const wn_search_report *r = &h->report;
    wn_index_about about = {.struct_size = sizeof about};
    const double n = (double)wni_max(h->n, 1);
    wn_status st;

    wn_index_describe(index, &about);
    WNI_TRY(wni_record_int(run, "queries", h->n));
    WNI_TRY(wni_record_int(run, "rows_indexed", r->rows));
    if (r->matching < r->rows) WNI_TRY(wni_record_int(run, "rows_matching", r->matching));
    if (r->short_hits) WNI_TRY(wni_record_int(run, "queries_with_fewer_than_k", r->short_hits));
    if (r->matching == 0)
        WNI_TRY(wni_record_warn(run, "no row matches the filter: every query has 0 hits"));
    if (!p->explain) goto done;
    WNI_TRY(wni_record_text(run, "explain.index", about.kind));
    WNI_TRY(wni_record_text(run, "explain.code", about.code));
    WNI_TRY(wni_record_real(run, "explain.selectivity",
                            (double)r->matching / (double)wni_max(r->rows, 1)));
    WNI_TRY(wni_record_text(run, "explain.route", r->route));
    if (r->effort) WNI_TRY(wni_record_int(run, "explain.effort", r->effort));
    WNI_TRY(wni_record_real(run, "explain.visited_per_query", (double)r->visited / n));
    WNI_TRY(wni_record_real(run, "explain.compared_per_query", (double)r->compared / n));
    WNI_TRY(wni_record_real(run, "explain.verified_per_query", (double)r->verified / n));
done:
    return st;
}

/* --cutoff as a number; NaN = auto. */
static wn_status cutoff_value(wn_ctx *ctx, const char *text, double *value)
{
    char buf[WNI_DECIMAL_BYTES];

    *value = NAN;
    if (strcmp(text, "auto") == 0) return WN_OK;
    if (wni_decimal(text, (int64_t)strlen(text), buf, value)) return WN_OK;
    return wni_fail(ctx, WN_E_USAGE, "cutoff: found '%.60s', expected none, auto or a number",
                    text);
}

static wn_status apply_cutoff(wni_run *run, const wn_index *index, wn_hits *hits, double value)
{
    const char *path = run->input(run, "relevance");
    wni_judgement *judged = NULL;
    wni_cutoff cutoff = {0};
    wn_pool *queries = NULL;
    const int64_t shape[2] = {hits->n, hits->k};
    int64_t n = 0;
    wn_status st;

    WNI_TRY(wn_pool_with_metric(run->ctx, run->pool, hits->metric, &queries));
    if (path) WNI_TRY(wni_judgements_load(run->ctx, path, hits->n, &judged, &n));
    WNI_TRY(wni_cutoff_apply(run->ctx, index, queries, hits, value, judged, n, &cutoff));
    WNI_TRY(
        wni_out_npy(run->out, "scores.npy", "<f4", sizeof *cutoff.score, shape, 2, cutoff.score));
    WNI_TRY(wni_record_real(run, "cutoff.threshold", cutoff.threshold));
    WNI_TRY(wni_record_int(run, "cutoff.hits_left_out", cutoff.cut));
    WNI_TRY(wni_record_int(run, "cutoff.queries_without_hits", cutoff.empty));
    if (cutoff.learnt) {
        WNI_TRY(wni_record_int(run, "cutoff.judged_hits", cutoff.judged));
        WNI_TRY(wni_record_real(run, "cutoff.f1_on_judged_hits", cutoff.f1));
    }
done:
    wni_free(run->ctx, cutoff.score);
    wni_free(run->ctx, judged);
    wn_pool_free(queries);
    return st;
}

/* Results, what a walk holds, and what is scanned where a filter leaves few rows or the index is flat. */
static void estimate(wni_run *run, const wn_index *index)
{
    wn_index_about about = {.struct_size = sizeof about};
    const wn_search_knn_params *p = run->params;
    const int64_t n = wn_pool_rows(run->pool);

    wn_index_describe(index, &about);
    run->estimate.peak_bytes = n * (p->k * 12 + 8) + ((int64_t)64 << 20);
    run->estimate.peak_bytes +=
        wni_scan_bytes(run->ctx, n, about.rows, about.dim, run->estimate.peak_bytes);
    run->estimate.bytes_read = (double)n * (double)wn_pool_dim(run->pool) *
                               (double)wn_dtype_bytes(wn_pool_dtype(run->pool));
}

static wn_status knn_run(wni_run *run)
{
    const wn_search_knn_params *p = run->params;
    wn_index_query query = {.struct_size = sizeof query,
                            .queries = run->pool,
                            .k = p->k,
                            .effort = p->effort,
                            .recall = p->recall,
                            .where = given(p->where),
                            .window = given(p->window),
                            .tenant = given(p->tenant)};
    const bool cut = strcmp(p->cutoff, "none") != 0 && p->cutoff[0];
    wn_index *index = NULL;
    wn_hits *hits = NULL;
    double value = NAN;
    wn_status st;

    if (cut) WNI_TRY(cutoff_value(run->ctx, p->cutoff, &value));
    if (!cut && run->input(run, "relevance")) {
        st = wni_fail(run->ctx, WN_E_USAGE, "search: --relevance is for --cutoff auto; give both");
        goto done;
    }
    WNI_TRY(wn_index_open(run->ctx, run->input(run, "index"), &index));
    estimate(run, index);
    if (run->plan) goto done;
    WNI_TRY(wn_index_search(run->ctx, index, &query, &hits));
    if (cut) WNI_TRY(apply_cutoff(run, index, hits, value));
    WNI_TRY(save(run, hits));
    WNI_TRY(record(run, index, hits));
done:
    wn_hits_free(hits);
    wn_index_free(index);
    return st;
}

const wn_method wni_method_search_knn = {
    .family = "search",
    .name = "knn",
    .summary = "the nearest rows of an index for each query",
    .papers = "rossi2024",
    .cost = "as the index; 12 k + 8 bytes a query",
    .flags = WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_search_knn_params),
    .inputs = "@index pool relevance?",
    .run = (const void *)knn_run,
};

static const wn_family_input inputs[] = {
    {"pool", "pool", 1, "the queries: .npy and other vector files, see `winnow info`"},
    {"index", "index", 1, "folder that `winnow index` made"},
    {"relevance", "text", 0,
     "judged hits to learn the cut-off from: a table with the columns query, id, relevant (0 or "
     "1)"}};

const wn_family wni_family_search = {
    .name = "search",
    .summary = "find the nearest rows of an index",
    .default_method = "knn",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)knn_run,
};
