/* SPDX-License-Identifier: Apache-2.0
 *
 * What all methods of the family share: checks before a run, and the run from a table to a .npy file.
 */
#include <string.h>

#include "base/param.h"
#include "pool/run.h"
#include "pool/text_column.h"
#include "winnow/vectorize.h"

/* What a caller built against an older header gave, the rest empty. */
static wn_status take_input(wn_ctx *ctx, const wn_vectorize_input *given, wn_vectorize_input *in)
{
    memset(in, 0, sizeof *in);
    if (!given || given->struct_size < sizeof *in)
        return wni_fail(ctx, WN_E_USAGE, "wn_vectorize_input: struct_size is not set");
    memcpy(in, given, sizeof *in);
    if (!in->table) return wni_fail(ctx, WN_E_USAGE, "wn_vectorize_input: table is NULL");
    if (in->column < 0 || in->column >= wn_table_columns(in->table))
        return wni_fail(ctx, WN_E_USAGE, "wn_vectorize_input: column %d, the table has %d",
                        in->column, wn_table_columns(in->table));
    return WN_OK;
}

wn_status wn_vectorize_run(wn_ctx *ctx, const wn_method *method, const wn_vectorize_input *given,
                           const void *params, wn_rows_sink sink, void *user)
{
    const wn_vectorize_ops *ops;
    wn_vectorize_input in;
    wn_estimate estimate = {0, 0, 0};
    void *complete = NULL;
    wn_status st = WN_OK;

    if (!method || strcmp(method->family, "vectorize") != 0)
        return wni_fail(ctx, WN_E_USAGE, "wn_vectorize_run: not a method of the family vectorize");
    if (!sink) return wni_fail(ctx, WN_E_USAGE, "wn_vectorize_run: sink is NULL");
    if ((st = take_input(ctx, given, &in)) != WN_OK) return st;
    ops = method->ops;
    if (!(complete = wni_alloc(ctx, 1, method->params_bytes))) return WN_E_NOMEM;
    WNI_TRY(wni_params_complete(ctx, method, params, complete));
    WNI_TRY(ops->estimate(ctx, &in, complete, &estimate));
    WNI_TRY(wni_budget_need(ctx, estimate.peak_bytes, method->name));
    WNI_TRY(ops->run(ctx, &in, complete, sink, user));
done:
    wni_free(ctx, complete);
    return st;
}

/* ---- from files to a file ------------------------------------------------------------------------ */

typedef struct rows_file {
    wni_run *run;
    int64_t n, d;
    wni_npy_writer *writer; /* made when the first rows show how wide they are */
} rows_file;

static wn_status write_rows(void *user, int64_t first, int64_t n, int64_t d, const float *rows)
{
    rows_file *file = user;

    (void)first;
    if (!file->writer) {
        wn_status st = wni_npy_writer_new(file->run->out, NULL, "<f4", sizeof(float), file->n, d,
                                          &file->writer);
        if (st != WN_OK) return st;
        file->d = d;
    }
    return wni_npy_writer_add(file->writer, n, rows);
}

static wn_status family_run(wni_run *run)
{
    const wn_vectorize_ops *ops = run->method->ops;
    wn_vectorize_input in = {sizeof in, run->table, 0};
    rows_file file = {run, 0, 0, NULL};
    char name[WN_TEXT_MAX] = "";
    wn_status st = WN_OK;

    wn_params_text(run->method, run->params, "text", name, sizeof name);
    if (run->table) WNI_TRY(wni_text_column(run->ctx, run->table, name, &in.column));
    if (run->plan) return ops->estimate(run->ctx, &in, run->params, &run->estimate);
    if (!run->table)
        return wni_fail(run->ctx, WN_E_USAGE, "vectorize %s: no text files given",
                        run->method->name);

    file.n = wn_table_rows(run->table);
    WNI_TRY(wn_vectorize_run(run->ctx, run->method, &in, run->params, write_rows, &file));
    st = wni_npy_writer_end(file.writer, 1);
    file.writer = NULL;
    WNI_TRY(st);
    WNI_TRY(wni_record_int(run, "rows", file.n));
    WNI_TRY(wni_record_int(run, "dim", file.d));
    WNI_TRY(wni_record_text(run, "text", wn_table_column_name(run->table, in.column)));
done:
    if (file.writer) wni_npy_writer_end(file.writer, 0);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "text", 1, "text files: .jsonl .ndjson .csv .tsv, also with .gz or .zst"},
};

const wn_family wni_family_vectorize = {
    .name = "vectorize",
    .summary = "make vectors from text",
    .default_method = "lexical",
    .inputs = inputs,
    .n_inputs = 1,
    .output_is_file = 1,
    .run = (const void *)family_run,
};
