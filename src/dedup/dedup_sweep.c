/* SPDX-License-Identifier: Apache-2.0
 *
 * What every threshold of a range would remove, before anything is removed.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/param.h"
#include "base/strbuf.h"
#include "dedup/dedup_files.h"

#define UNIT       1000000 /* thresholds are whole numbers of its parts, so that 0.85 is 0.85 */
#define STEP       50000
#define MOST       100
#define EXAMPLES   5
#define TEXT_BYTES 200
#define LOG_BYTES  60

/* ---- thresholds ---------------------------------------------------------------------------------- */

static wn_status bad(wn_ctx *ctx, const char *text, const wn_param *bounds)
{
    return wni_fail(ctx, WN_E_USAGE,
                    "sweep: found '%s', expected LOW:HIGH or LOW:HIGH:STEP, thresholds from %g to "
                    "%g, at most %d of them, for example 0.80:0.99",
                    text, bounds->low, bounds->high, MOST);
}

static wn_status parse(wn_ctx *ctx, const wn_method *method, const char *text, double *thresholds,
                       int32_t *count)
{
    const wn_param *bounds = wni_param_find(method, "min_similarity");
    int64_t part[3] = {0, 0, STEP};
    const char *at = text;
    int n = 0;

    for (; n < 3; n++) {
        const char *end;
        double x = wni_param_number(at, &end);

        if (end == at || !(fabs(x) <= 2)) return bad(ctx, text, bounds);
        part[n] = llround(x * UNIT);
        at = end;
        if (*at != ':') break;
        at++;
    }
    if (*at || n < 1 || n > 2 || part[2] < 1 || part[1] < part[0] ||
        (double)part[0] < bounds->low * UNIT || (double)part[1] > bounds->high * UNIT ||
        (part[1] - part[0]) / part[2] + 2 > MOST)
        return bad(ctx, text, bounds);
    *count = 0;
    for (int64_t t = part[0]; t < part[1]; t += part[2])
        thresholds[(*count)++] = (double)t / UNIT;
    thresholds[(*count)++] = (double)part[1] / UNIT;
    return WN_OK;
}

/* ---- running ------------------------------------------------------------------------------------- */

/* One whole run for each threshold. */
static wn_status run_each(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *in,
                          const void *params, const double *thresholds, int32_t count,
                          wn_dedup_sink sink, void *user)
{
    const wn_param *p = wni_param_find(method, "min_similarity");
    const wn_dedup_ops *ops = method->ops;
    wn_dedup *dedup = NULL;
    char *copy = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, copy, (int64_t)method->params_bytes);
    memcpy(copy, params, method->params_bytes);
    for (int32_t i = 0; i < count; i++) {
        memcpy(copy + p->offset, &thresholds[i], sizeof thresholds[i]);
        WNI_TRY(ops->run(ctx, in, copy, &dedup));
        WNI_TRY(sink(user, thresholds[i], dedup));
        wn_dedup_free(dedup);
        dedup = NULL;
    }
done:
    wn_dedup_free(dedup);
    wni_free(ctx, copy);
    return st;
}

wn_status wni_dedup_sweep(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *in,
                          const void *params, wn_dedup_sink sink, void *user)
{
    const wn_dedup_ops *ops = method->ops;
    char text[WN_TEXT_MAX];
    double thresholds[MOST];
    int32_t count = 0;
    wn_status st;

    wn_params_text(method, params, "sweep", text, sizeof text);
    WNI_TRY(parse(ctx, method, text, thresholds, &count));
    if (!sink) goto done;
    st = ops->sweep ? ops->sweep(ctx, in, params, thresholds, count, sink, user)
                    : run_each(ctx, method, in, params, thresholds, count, sink, user);
done:
    return st;
}

/* ---- files --------------------------------------------------------------------------------------- */

typedef struct sweep_files {
    wni_run *run;
    wn_table *reference;
    const wn_dedup_index *index;
    int32_t text, reference_text; /* columns; -1 = none */
    wni_text_writer *csv, *jsonl;
    wni_str line;
} sweep_files;

/* The rows that go with the lowest similarity, lowest first: what a higher threshold would spare. */
static int pick_examples(const wn_dedup *d, int64_t *rows)
{
    int n = 0;

    for (int64_t i = 0; i < d->n; i++) {
        int at = n;

        if (d->partner[i] == i) continue;
        while (at > 0 && d->similarity[i] < d->similarity[rows[at - 1]])
            at--;
        if (at == EXAMPLES) continue;
        n = n < EXAMPLES ? n + 1 : n;
        memmove(rows + at + 1, rows + at, (size_t)(n - 1 - at) * sizeof *rows);
        rows[at] = i;
    }
    return n;
}

static wn_status add_text(wni_str *line, const char *name, wn_table *table, int32_t column,
                          int64_t row)
{
    const char *text;
    wn_status st = WN_OK;

    if (!table || column < 0) return WN_OK;
    WNI_TRY(wn_table_text(table, row, column, &text));
    wni_str_addf(line, ", \"%s\": ", name);
    wni_dedup_add_json(line, text ? text : "", TEXT_BYTES);
done:
    return st;
}

static wn_status add_example(sweep_files *f, const wn_dedup *d, int64_t row)
{
    int64_t partner = d->partner[row];
    wni_str *line = &f->line;
    wn_table *table = f->run->table;
    wn_status st;

    wni_str_add(line, "{");
    WNI_TRY(wni_dedup_add_row(line, row, table));
    wni_str_add(line, ", ");
    WNI_TRY(wni_dedup_add_partner(line, partner, table, f->reference, f->index));
    if (isnan(d->similarity[row]))
        wni_str_add(line, ", \"similarity\": null");
    else
        wni_str_addf(line, ", \"similarity\": %.6g", (double)d->similarity[row]);
    WNI_TRY(add_text(line, "text", table, f->text, row));
    if (partner < 0)
        WNI_TRY(add_text(line, "reference_text", f->reference, f->reference_text, -1 - partner));
    else
        WNI_TRY(add_text(line, "partner_text", table, f->text, partner));
    wni_str_add(line, "}");
done:
    return st;
}

/* "0.85: 1,234 of 9,876 rows go (12.5 %)" and the pair nearest to the threshold. */
static wn_status tell(sweep_files *f, double threshold, const wn_dedup *d, const int64_t *rows,
                      int n)
{
    char gone[32], all[32];
    int64_t partner;
    wni_str s;
    wn_status st = WN_OK;

    wni_str_init(&s, f->run->ctx);
    wni_str_addf(&s, "%.6g: %s of %s rows go (%.1f %%)", threshold,
                 wni_grouped(d->n - d->kept, gone), wni_grouped(d->n, all),
                 d->n ? 100 * (double)(d->n - d->kept) / (double)d->n : 0.0);
    if (n > 0) {
        partner = d->partner[rows[0]];
        wni_str_addf(&s, "; at %.4f row %lld and row %lld%s", (double)d->similarity[rows[0]],
                     (long long)rows[0], (long long)(partner < 0 ? -1 - partner : partner),
                     partner >= 0 ? ""
                     : f->index   ? " of the index"
                                  : " of the reference");
        for (int side = 0; side < 2 && f->text >= 0; side++) {
            bool other = side && partner < 0;
            const char *text;

            if (other && !f->reference) continue; /* an index has no texts */

            WNI_TRY(wn_table_text(other ? f->reference : f->run->table,
                                  !side   ? rows[0]
                                  : other ? -1 - partner
                                          : partner,
                                  other ? f->reference_text : f->text, &text));
            wni_str_add(&s, side ? " / " : ": ");
            wni_dedup_add_json(&s, text ? text : "", LOG_BYTES);
        }
    }
    if (s.st == WN_OK) wni_log(f->run->ctx, WN_LOG_INFO, "%s", s.v);
    st = s.st;
done:
    wni_str_free(&s);
    return st;
}

static wn_status put(wni_text_writer *writer, wni_str *line)
{
    return line->st == WN_OK ? wni_text_writer_add(writer, line->v, line->length) : line->st;
}

static wn_status take(void *user, double threshold, const wn_dedup *d)
{
    sweep_files *f = user;
    wni_str *line = &f->line;
    int64_t rows[EXAMPLES + 1];
    int n = pick_examples(d, rows);
    char name[32];
    wn_status st;

    line->length = 0;
    wni_str_addf(line, "%.6g,%lld,%lld,%lld,", threshold, (long long)d->kept,
                 (long long)(d->n - d->kept), (long long)d->report.repeats_reference);
    if (n > 0 && !isnan(d->similarity[rows[0]]))
        wni_str_addf(line, "%.6g", (double)d->similarity[rows[0]]);
    wni_str_add(line, "\n");
    WNI_TRY(put(f->csv, line));

    line->length = 0;
    wni_str_addf(line,
                 "{\"min_similarity\": %.6g, \"kept\": %lld, \"removed\": %lld, \"examples\": [",
                 threshold, (long long)d->kept, (long long)(d->n - d->kept));
    for (int i = 0; i < n; i++) {
        if (i) wni_str_add(line, ", ");
        WNI_TRY(add_example(f, d, rows[i]));
    }
    wni_str_add(line, "]}\n");
    WNI_TRY(put(f->jsonl, line));
    snprintf(name, sizeof name, "%.6g", threshold);
    WNI_TRY(wni_record_int_of(f->run, "removed_at", name, d->n - d->kept));
    WNI_TRY(tell(f, threshold, d, rows, n));
done:
    return st;
}

wn_status wni_dedup_sweep_files(wni_run *run, const wn_dedup_input *in)
{
    sweep_files f = {.run = run,
                     .reference = in->against_table,
                     .index = in->index,
                     .text = in->table ? in->column : -1,
                     .reference_text = in->against_table ? in->against_column : -1};
    static const char head[] = "min_similarity,kept,removed,repeats_reference,lowest_similarity\n";
    wn_status st, end;

    wni_str_init(&f.line, run->ctx);
    WNI_TRY(wni_text_writer_new(run->out, "sweep.csv", &f.csv));
    WNI_TRY(wni_text_writer_new(run->out, "sweep.jsonl", &f.jsonl));
    WNI_TRY(wni_text_writer_add(f.csv, head, sizeof head - 1));
    WNI_TRY(
        wni_record_int(run, "rows", in->pool ? wn_pool_rows(in->pool) : wn_table_rows(in->table)));
    WNI_TRY(wni_dedup_sweep(run->ctx, run->method, in, run->params, take, &f));
done:
    end = wni_text_writer_end(f.csv, st == WN_OK);
    if (st == WN_OK) st = end;
    end = wni_text_writer_end(f.jsonl, st == WN_OK);
    if (st == WN_OK) st = end;
    wni_str_free(&f.line);
    return st;
}
