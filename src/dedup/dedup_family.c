/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `dedup`: its object, the checks that every method shares, the files of a run.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "dedup/dedup_files.h"
#include "pool/inputs.h"
#include "pool/pool_use.h"
#include "pool/text_column.h"
#include "winnow/dedup.h"
#include "winnow/select.h"

wn_status wn_dedup_new(wn_ctx *ctx, int64_t n, wn_dedup **out)
{
    wn_dedup *dedup;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, dedup, 1);
    dedup->ctx = ctx;
    dedup->n = dedup->kept = n;
    dedup->report.blocks = 1;
    dedup->report.recall = dedup->report.worst_similarity = 1;
    WNI_NEW(ctx, dedup->partner, n);
    WNI_NEW(ctx, dedup->similarity, n);
    for (int64_t i = 0; i < n; i++) {
        dedup->partner[i] = i;
        dedup->similarity[i] = 1;
    }
    *out = dedup;
    return WN_OK;
done:
    wn_dedup_free(dedup);
    return st;
}

void wn_dedup_free(wn_dedup *dedup)
{
    if (!dedup) return;
    wni_free(dedup->ctx, dedup->partner);
    wni_free(dedup->ctx, dedup->similarity);
    wni_free(dedup->ctx, dedup);
}

/* What a caller built against an older header gave, the rest empty. */
static wn_status take_input(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *given,
                            wn_dedup_input *in)
{
    bool text = method && method->inputs && strncmp(method->inputs, "text", 4) == 0;

    memset(in, 0, sizeof *in);
    if (!method || strcmp(method->family, "dedup") != 0)
        return wni_fail(ctx, WN_E_USAGE, "dedup: found a method of %s, expected one of dedup",
                        method ? method->family : "no family");
    if (given && given->struct_size >= sizeof in->struct_size)
        memcpy(in, given, given->struct_size < sizeof *in ? given->struct_size : sizeof *in);
    if (!text && !in->pool)
        return wni_fail(ctx, WN_E_USAGE, "dedup %s: no pool is given", method->name);
    if (text && !in->table)
        return wni_fail(ctx, WN_E_USAGE, "dedup %s: no table is given", method->name);
    if (text && (in->column < 0 || in->column >= wn_table_columns(in->table)))
        return wni_fail(ctx, WN_E_USAGE, "dedup %s: column %d, the table has %d", method->name,
                        in->column, wn_table_columns(in->table));
    if (in->against_table &&
        (in->against_column < 0 || in->against_column >= wn_table_columns(in->against_table)))
        return wni_fail(ctx, WN_E_USAGE, "dedup %s: column %d, the reference has %d", method->name,
                        in->against_column, wn_table_columns(in->against_table));
    return WN_OK;
}

/* Whether the method's parameters ask for a sweep; `complete` gets all of them. */
static wn_status take_params(wn_ctx *ctx, const wn_method *method, const void *params,
                             void **complete, bool *sweep)
{
    char text[WN_TEXT_MAX] = "";
    wn_status st;

    if (!(*complete = wni_alloc(ctx, 1, method->params_bytes))) return WN_E_NOMEM;
    WNI_TRY(wni_params_complete(ctx, method, params, *complete));
    wn_params_text(method, *complete, "sweep", text, sizeof text);
    *sweep = *text != 0;
done:
    return st;
}

/* What every run shares. */
static wn_status check_run(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *in,
                           const void *params)
{
    const wn_dedup_ops *ops = method->ops;
    wn_estimate estimate;
    wn_status st;

    WNI_TRY(ops->estimate(ctx, in, params, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, in->pool, method, &estimate));
    if (in->pool) WNI_TRY(wn_pool_check(ctx, in->pool, 1, NULL));
    if (in->against) WNI_TRY(wn_pool_check(ctx, in->against, 1, NULL));
done:
    return st;
}

wn_status wn_dedup_run(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *given,
                       const void *params, wn_dedup **out)
{
    const wn_dedup_ops *ops;
    void *complete = NULL;
    wn_dedup_input in;
    bool sweep;
    wn_status st;

    *out = NULL;
    WNI_TRY(take_input(ctx, method, given, &in));
    WNI_TRY(take_params(ctx, method, params, &complete, &sweep));
    if (sweep) {
        st = wni_fail(ctx, WN_E_USAGE, "sweep: has many answers; call wn_dedup_sweep for them");
        goto done;
    }
    ops = method->ops;
    WNI_TRY(check_run(ctx, method, &in, complete));
    WNI_TRY(ops->run(ctx, &in, complete, out));
done:
    wni_free(ctx, complete);
    return st;
}

wn_status wn_dedup_sweep(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *given,
                         const void *params, wn_dedup_sink sink, void *user)
{
    void *complete = NULL;
    wn_dedup_input in;
    bool sweep;
    wn_status st;

    if (!sink) return wni_fail(ctx, WN_E_USAGE, "wn_dedup_sweep: sink is NULL");
    WNI_TRY(take_input(ctx, method, given, &in));
    WNI_TRY(take_params(ctx, method, params, &complete, &sweep));
    if (!sweep) {
        st = wni_fail(ctx, WN_E_USAGE, "sweep: no thresholds for dedup %s; set it to LOW:HIGH",
                      method->name);
        goto done;
    }
    WNI_TRY(check_run(ctx, method, &in, complete));
    WNI_TRY(wni_dedup_sweep(ctx, method, &in, complete, sink, user));
done:
    wni_free(ctx, complete);
    return st;
}

/* ---- from files to a folder ------------------------------------------------------------------------ */

static wn_status record(wni_run *run, const wn_dedup *dedup, wn_why_rule rule)
{
    const wn_dedup_report *r = &dedup->report;
    wn_status st;

    WNI_TRY(wni_record_int(run, "rows", dedup->n));
    WNI_TRY(wni_record_int(run, "kept", dedup->kept));
    WNI_TRY(wni_record_int(run, "removed", dedup->n - dedup->kept));
    if (run->input(run, "against") || run->input(run, "index"))
        WNI_TRY(wni_record_int(run, "repeats_reference", r->repeats_reference));
    if (rule == WN_WHY_NEAR_DUPLICATE)
        WNI_TRY(wni_record_int(run, "pairs_compared", r->pairs_compared));
    if (r->bands > 0) {
        WNI_TRY(wni_record_int(run, "bands", r->bands));
        WNI_TRY(wni_record_int(run, "band_rows", r->band_rows));
        WNI_TRY(wni_record_real(run, "chance_at_threshold", r->band_chance));
    } else if (rule == WN_WHY_NEAR_DUPLICATE) {
        WNI_TRY(wni_record_int(run, "blocks", r->blocks));
    }
    if (r->recall_sample > 0) {
        WNI_TRY(wni_record_int(run, "recall_sample", r->recall_sample));
        WNI_TRY(wni_record_int(run, "recall_duplicates", r->recall_duplicates));
        WNI_TRY(wni_record_real(run, "recall", r->recall));
    }
    if (rule == WN_WHY_NEAR_DUPLICATE && dedup->kept < dedup->n && !isnan(r->worst_similarity))
        WNI_TRY(wni_record_real(run, "worst_similarity", r->worst_similarity));
    if (r->zero_rows > 0) {
        WNI_TRY(wni_record_int(run, "zero_rows", r->zero_rows));
        WNI_TRY(wni_record_warn(run,
                                "%lld zero rows have no direction: compared with nothing, kept",
                                (long long)r->zero_rows));
    }
    if (r->empty_texts > 0) {
        WNI_TRY(wni_record_int(run, "empty_texts", r->empty_texts));
        WNI_TRY(wni_record_warn(run, "%lld texts have no word: compared with nothing, kept",
                                (long long)r->empty_texts));
    }
    if (r->blocks > 1 && r->recall_sample == 0)
        WNI_TRY(wni_record_warn(run,
                                "rows were compared within %lld blocks and what that lost was "
                                "not measured: give --recall-sample",
                                (long long)r->blocks));
    else if (r->recall < 1)
        WNI_TRY(wni_record_warn(
            run,
            "comparing within %lld blocks found the duplicates of %.1f %% of the "
            "%lld sampled rows that have one; --blocks 1 finds all",
            (long long)r->blocks, 100 * r->recall, (long long)r->recall_duplicates));
done:
    return st;
}

/* Opens the text of the pool and, when it is given, of the reference, which has the same column. */
static wn_status open_texts(wni_run *run, wn_dedup_input *in)
{
    const char *path = run->input(run, "against");
    char name[WN_TEXT_MAX] = "";
    wn_table_options options;
    wn_status st;

    wn_params_text(run->method, run->params, "text", name, sizeof name);
    in->table = run->table;
    WNI_TRY(wni_text_column(run->ctx, run->table, name, &in->column));
    if (!path) return WN_OK;
    if (!wn_table_is_text_path(path))
        return wni_fail(run->ctx, WN_E_USAGE,
                        "against: %s: expected text (.jsonl .ndjson .csv .tsv, also .gz or .zst), "
                        "as the pool is",
                        path);
    wn_table_options_init(&options);
    if (*name) options.text = name;
    WNI_TRY(wn_table_build(run->ctx, &path, 1, "", &options, &in->against_table));
    WNI_TRY(wni_text_column(run->ctx, in->against_table,
                            wn_table_column_name(in->table, in->column), &in->against_column));
done:
    return st;
}

/* The texts are in the output for `winnow why`, which has nothing to say here. */
static wn_status forget_table(wni_run *run)
{
    wn_table_free(run->table);
    run->table = NULL;
    return wni_out_remove(run->out, "table.sqlite");
}

static wn_status family_run(wni_run *run)
{
    const wn_dedup_ops *ops = run->method->ops;
    wn_dedup_input in = {.struct_size = sizeof in, .pool = run->pool};
    wn_why_rule rule =
        strcmp(run->method->name, "exact") == 0 ? WN_WHY_EXACT_DUPLICATE : WN_WHY_NEAR_DUPLICATE;
    int64_t n = run->pool ? wn_pool_rows(run->pool) : wn_table_rows(run->table);
    wn_dedup *dedup = NULL;
    wn_pool *against = NULL;
    wn_dedup_index *index = NULL;
    const char *index_dir;
    char sweep[WN_TEXT_MAX] = "";
    wn_status st;

    wn_params_text(run->method, run->params, "sweep", sweep, sizeof sweep);
    if (*sweep) WNI_TRY(wni_dedup_sweep(run->ctx, run->method, &in, run->params, NULL, NULL));

    if (run->table) WNI_TRY(open_texts(run, &in));
    if (run->pool) WNI_TRY(wni_run_pool(run, "against", -1, wn_pool_dim(run->pool), 0, &against));
    in.against = against;
    if ((index_dir = run->input(run, "index")))
        WNI_TRY(wn_dedup_index_open(run->ctx, index_dir, &index));
    in.index = index;
    in.run = run;
    in.scratch_dir = run->plan ? "" : wni_out_scratch_dir(run->out);
    WNI_TRY(ops->estimate(run->ctx, &in, run->params, &run->estimate));
    /* why.npy is made when the method's own memory is gone, beside its result. */
    run->estimate.peak_bytes =
        wni_max(run->estimate.peak_bytes,
                wni_dedup_write_bytes(n) + n * (int64_t)(sizeof(int64_t) + sizeof(float)));
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(run->ctx, in.pool, run->method, &run->estimate));
    if (*sweep) {
        WNI_TRY(wni_dedup_sweep_files(run, &in));
        if (run->table) WNI_TRY(forget_table(run));
        goto done;
    }
    WNI_TRY(ops->run(run->ctx, &in, run->params, &dedup));
    WNI_TRY(wni_dedup_write(run, dedup, rule, in.against_table, index));
    WNI_TRY(record(run, dedup, rule));
done:
    wn_dedup_free(dedup);
    wn_dedup_index_free(index);
    wn_pool_free(against);
    wn_table_free(in.against_table);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool|text|files", 1,
     "the rows: .npy and other vector files, or text (.jsonl .csv .tsv); or folders of tables"},
    {"against", "pool|text", 0,
     "a reference, of the kind of the pool: rows that repeat one of it go"},
    {"index", "minhash-index", 0,
     "folder index/ of an earlier run: rows that repeat one kept then go"}};

const wn_family wni_family_dedup = {
    .name = "dedup",
    .summary = "find rows that repeat an earlier row",
    .default_method = "semantic",
    .inputs = inputs,
    .n_inputs = 3,
    .run = (const void *)family_run,
};
