/* SPDX-License-Identifier: Apache-2.0
 *
 * What a table adds to a run: vectors from its text, the ids and source lines of the selected rows, the
 * balance of a column.
 */
#include <stdio.h>
#include <string.h>

#include "base/fixmath.h"
#include "curate/curate_impl.h"
#include "io/linereader.h"
#include "io/suffix.h"
#include "pool/table_impl.h"
#include "pool/text_column.h"
#include "winnow/vectorize.h"

/* ---- columns ----------------------------------------------------------------------------------- */

static wn_status balance_column(wni_curate *cu)
{
    static const char *const usual[] = {"category", "label", "class", "source", NULL};
    const wn_table *table = cu->run->table;
    const char *nearest;
    char name[WN_TEXT_MAX];

    wni_curate_param(cu, "balance", name, sizeof name);
    if (!name[0]) {
        for (int i = 0; usual[i] && cu->balance < 0; i++)
            cu->balance = wn_table_column_find(table, usual[i]);
        return WN_OK;
    }
    cu->balance_asked = 1;
    cu->balance = wn_table_column_find(table, name);
    if (cu->balance >= 0) return WN_OK;
    nearest = wni_table_nearest(table, name);
    return wni_fail(cu->ctx, WN_E_DATA, "balance: no column '%s'%s%s%s", name,
                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

wn_status wni_curate_columns(wni_curate *cu)
{
    const wn_table *table = cu->run->table;
    char name[WN_TEXT_MAX];
    wn_status st;

    cu->text = cu->id = cu->balance = -1;
    if (!table) {
        wni_curate_param(cu, "balance", name, sizeof name);
        if (name[0])
            return wni_fail(cu->ctx, WN_E_USAGE,
                            "--balance names a column of a text file; the input is vectors");
        wni_curate_param(cu, "text", name, sizeof name);
        if (name[0])
            return wni_fail(cu->ctx, WN_E_USAGE,
                            "--text names a column of a text file; the input is vectors");
        return WN_OK;
    }
    wni_curate_param(cu, "text", name, sizeof name);
    if ((st = wni_text_column(cu->ctx, table, name, &cu->text)) != WN_OK) return st;
    if (wn_table_id_column(table)) cu->id = wn_table_column_find(table, wn_table_id_column(table));
    return balance_column(cu);
}

/* ---- vectors ----------------------------------------------------------------------------------- */

static wn_status keep_rows(void *user, int64_t first, int64_t n, int64_t d, const float *rows)
{
    (void)first;
    (void)d;
    return wni_npy_writer_add(user, n, rows);
}

wn_status wni_curate_vectors(wni_curate *cu)
{
    wni_run *run = cu->run;
    wn_vectorize_input in = {sizeof in, run->table, cu->text};
    const wn_method *method = wn_method_find("vectorize", "lexical");
    static const char *const same[] = {"text", "dim", "seed"};
    wn_vectorize_lexical_params params;
    wn_pool_options options;
    wni_npy_writer *writer = NULL;
    const char *path, *metric = run->option(run, "metric");
    char value[256];
    wn_status st;

    wn_params_init(method, &params);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        wni_curate_param(cu, same[i], value, sizeof value);
        WNI_TRY(wn_params_set(cu->ctx, method, &params, same[i], value));
    }
    WNI_TRY(wni_npy_writer_new(run->out, WNI_CURATE_SCRATCH, "<f4", sizeof(float),
                               wn_table_rows(run->table), params.dim, &writer));
    st = wn_vectorize_run(cu->ctx, method, &in, &params, keep_rows, writer);
    if (st != WN_OK) {
        (void)wni_npy_writer_end(writer, 0);
        goto done;
    }
    WNI_TRY(wni_npy_writer_end(writer, 1));
    WNI_TRY(wni_out_path(run->out, WNI_CURATE_SCRATCH, &path));
    wn_pool_options_init(&options);
    options.metric = metric ? wn_metric_from_name(metric) : WN_COSINE;
    WNI_TRY(wn_pool_open(cu->ctx, &path, 1, &options, &cu->from_text));
    cu->pool = cu->from_text;
done:
    return st;
}

/* ---- ids and lines ------------------------------------------------------------------------------- */

static wn_status write_ids(wni_curate *cu)
{
    const wn_selection *s = cu->result->selection;
    wni_text_writer *writer = NULL;
    int64_t broken = 0;
    wn_status st, ended;

    if (cu->id < 0) return WN_OK;
    WNI_TRY(wni_text_writer_new(cu->run->out, "ids.txt", &writer));
    for (int64_t i = 0; i < s->size; i++) {
        const char *id;

        if ((i & 0xFFF) == 0) WNI_TRY(wni_poll(cu->ctx));
        WNI_TRY(wn_table_text(cu->run->table, s->rows[i], cu->id, &id));
        if (!id) id = "";
        broken += strchr(id, '\n') != NULL;
        WNI_TRY(wni_text_writer_add(writer, id, (int64_t)strlen(id)));
        WNI_TRY(wni_text_writer_add(writer, "\n", 1));
    }
    if (broken)
        WNI_TRY(wni_curate_warn(cu,
                                "%lld ids hold a line break, so ids.txt has more lines than rows "
                                "were selected; go by rows.npy",
                                (long long)broken));
done:
    ended = wni_text_writer_end(writer, st == WN_OK);
    return st == WN_OK ? ended : st;
}

/* Lines that carry no record, as the table counts them. */
static bool is_blank(wni_text_form form, const char *text, int64_t bytes)
{
    if (form != WNI_FORM_JSONL) return bytes == 0 || (bytes == 1 && *text == '\r');
    for (int64_t i = 0; i < bytes; i++)
        if (!strchr(" \t\r", text[i])) return false;
    return true;
}

/* Whether a CSV record goes on after this line: it ends inside a quoted field. */
static bool ends_quoted(const char *text, int64_t bytes, bool quoted)
{
    bool start = !quoted;

    for (int64_t i = 0; i < bytes; i++) {
        if (quoted) {
            if (text[i] != '"') continue;
            if (i + 1 < bytes && text[i + 1] == '"')
                i++;
            else
                quoted = false;
        } else {
            quoted = start && text[i] == '"';
            start = text[i] == ',';
        }
    }
    return quoted;
}

/* The lines of the selected rows on their way from the sources to one file. */
typedef struct line_copy {
    wni_curate *cu;
    wni_text_writer *writer;
    wni_text_form form;
    int64_t row, next; /* row of the pool; next entry of the selection */
    wni_str record;    /* its lines so far */
    char *header;      /* of the first CSV or TSV; NULL = none yet */
    int differs;       /* a later file has another header */
} line_copy;

/* The record is complete: a header is kept once, a row is written as often as it was selected. */
static wn_status end_record(line_copy *c, bool header)
{
    const wn_selection *s = c->cu->result->selection;
    wn_status st = c->record.st;

    if (st != WN_OK) return st;
    if (header && c->record.length > 1 && c->record.v[c->record.length - 2] == '\r') {
        c->record.v[--c->record.length - 1] = '\n'; /* files may end their lines differently */
        c->record.v[c->record.length] = 0;
    }
    if (header && c->header) {
        c->differs |= strcmp(c->header, c->record.v) != 0;
    } else if (header) {
        if (!(c->header = wni_strdup(c->cu->ctx, c->record.v))) return WN_E_NOMEM;
        st = wni_text_writer_add(c->writer, c->record.v, c->record.length);
    } else {
        for (; st == WN_OK && c->next < s->size && s->rows[c->next] == c->row; c->next++)
            st = wni_text_writer_add(c->writer, c->record.v, c->record.length);
        c->row++;
    }
    c->record.length = 0;
    return st;
}

static wn_status copy_file(line_copy *c, const char *path)
{
    wni_lines *lines = NULL;
    bool quoted = false, header = c->form != WNI_FORM_JSONL;
    int64_t bytes, number;
    char *text;
    wn_status st;

    WNI_TRY(wni_lines_open(c->cu->ctx, path, WNI_LINE_MAX, &lines));
    while (!c->differs) {
        WNI_TRY(wni_lines_next(lines, &text, &bytes, &number));
        if (!text) break;
        if ((number & 0xFFF) == 0) WNI_TRY(wni_poll(c->cu->ctx));
        if (!quoted && is_blank(c->form, text, bytes)) continue;
        wni_str_addn(&c->record, text, bytes);
        wni_str_addn(&c->record, "\n", 1);
        if (c->form == WNI_FORM_CSV) quoted = ends_quoted(text, bytes, quoted);
        if (quoted) continue;
        WNI_TRY(end_record(c, header));
        header = false;
    }
done:
    wni_lines_free(lines);
    return st;
}

wn_status wni_curate_lines(wni_curate *cu)
{
    static const char *const names[] = {
        [WNI_FORM_JSONL] = "selected.jsonl",
        [WNI_FORM_CSV] = "selected.csv",
        [WNI_FORM_TSV] = "selected.tsv",
    };
    const wni_run *run = cu->run;
    line_copy c = {.cu = cu, .form = wni_text_form_of(run->pool_paths[0])};
    wn_status st, ended;

    wni_str_init(&c.record, cu->ctx);
    WNI_TRY(write_ids(cu));
    for (int32_t i = 1; i < run->n_pool_paths; i++)
        if (wni_text_form_of(run->pool_paths[i]) != c.form)
            return wni_curate_warn(cu, "the inputs differ in format, so the selected lines are not "
                                       "copied; go by rows.npy or table.sqlite");
    WNI_TRY(wni_text_writer_new(run->out, names[c.form], &c.writer));
    for (int32_t i = 0; i < run->n_pool_paths && !c.differs; i++)
        WNI_TRY(copy_file(&c, run->pool_paths[i]));
    ended = wni_text_writer_end(c.writer, 1);
    c.writer = NULL;
    WNI_TRY(ended);
    if (c.differs || c.row != wn_table_rows(run->table)) {
        WNI_TRY(wni_out_remove(run->out, names[c.form]));
        WNI_TRY(wni_curate_warn(cu,
                                "%s, so the selected lines are not copied; go by rows.npy or "
                                "table.sqlite",
                                c.differs ? "the headers of the inputs differ"
                                          : "the inputs have other rows than when they were read"));
    }
done:
    (void)wni_text_writer_end(c.writer, 0);
    wni_str_free(&c.record);
    wni_free(cu->ctx, c.header);
    return st;
}

/* ---- balance ----------------------------------------------------------------------------------- */

#define VALUES_ASKED 100000 /* distinct values of a column that was named */
#define VALUES_FOUND 1000   /* of one that only has a usual name */

typedef struct tally {
    wni_curate *cu;
    wni_report_category *v; /* in first-seen order */
    int64_t n, room, most;
    int64_t *slot; /* (slots) entry + 1, 0 = free; open addressing */
    int64_t slots;
    int too_many;
} tally;

static uint64_t hash_of(const char *text)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h ^ h >> 32;
}

static int64_t slot_of(const tally *t, const char *name)
{
    int64_t at = (int64_t)(hash_of(name) & (uint64_t)(t->slots - 1));

    while (t->slot[at] && strcmp(t->v[t->slot[at] - 1].name, name) != 0)
        at = (at + 1) & (t->slots - 1);
    return at;
}

static wn_status tally_grow(tally *t)
{
    wn_ctx *ctx = t->cu->ctx;
    int64_t room = wni_max(2 * t->room, 64);
    wni_report_category *v = wni_grow(ctx, t->v, t->n, room, sizeof *v);
    int64_t *slot;

    if (!v) return WN_E_NOMEM;
    t->v = v;
    t->room = room;
    if (!(slot = wni_calloc(ctx, 2 * room, sizeof *slot))) return WN_E_NOMEM;
    wni_free(ctx, t->slot);
    t->slot = slot;
    t->slots = 2 * room;
    for (int64_t i = 0; i < t->n; i++)
        t->slot[slot_of(t, t->v[i].name)] = i + 1;
    return WN_OK;
}

static wn_status count_value(void *user, int64_t row, const char *text)
{
    tally *t = user;
    int64_t at;
    wn_status st;

    if (t->too_many) return WN_OK;
    if (t->n == t->room && (st = tally_grow(t)) != WN_OK) return st;
    if (!text) text = "(none)";
    at = slot_of(t, text);
    if (!t->slot[at]) {
        const char *name;
        if (t->n == t->most) {
            t->too_many = 1;
            return WN_OK;
        }
        if (!(name = wni_curate_keep(t->cu, text, 0))) return WN_E_NOMEM;
        t->v[t->n] = (wni_report_category){name, 0, 0};
        t->slot[at] = ++t->n;
    }
    t->v[t->slot[at] - 1].before++;
    t->v[t->slot[at] - 1].after += t->cu->result->selection->why[row].copies;
    return WN_OK;
}

/* Most frequent first; values as frequent as each other in the order they were seen. */
static wn_status sort_tally(tally *t, wni_report_category **sorted)
{
    wni_keyed *order = NULL;
    wn_status st = WN_OK;

    WNI_NEW(t->cu->ctx, order, t->n);
    WNI_NEW(t->cu->ctx, *sorted, t->n);
    for (int64_t i = 0; i < t->n; i++)
        order[i] = (wni_keyed){~(uint64_t)t->v[i].before, i};
    wni_keyed_sort(order, t->n);
    for (int64_t i = 0; i < t->n; i++)
        (*sorted)[i] = t->v[order[i].row];
done:
    wni_free(t->cu->ctx, order);
    return st;
}

static double entropy_bits(const wni_report_category *v, int64_t n, bool after)
{
    double total = 0, bits = 0;

    for (int64_t i = 0; i < n; i++)
        total += (double)(after ? v[i].after : v[i].before);
    for (int64_t i = 0; i < n; i++) {
        double share = (double)(after ? v[i].after : v[i].before) / total;
        if (share > 0) bits -= share * wni_log_fixed(share);
    }
    return bits / 0.69314718055994531;
}

wn_status wni_curate_balance(wni_curate *cu)
{
    tally t = {.cu = cu, .most = cu->balance_asked ? VALUES_ASKED : VALUES_FOUND};
    wn_status st;

    if (cu->balance < 0) return WN_OK;
    WNI_TRY(wn_table_scan(cu->run->table, cu->balance, count_value, &t));
    if (t.too_many) {
        if (cu->balance_asked)
            WNI_TRY(wni_curate_warn(cu,
                                    "column %s has more than %d values: its distribution is not "
                                    "reported",
                                    wn_table_column_name(cu->run->table, cu->balance),
                                    VALUES_ASKED));
        goto done;
    }
    WNI_TRY(sort_tally(&t, &cu->categories));
    cu->n_categories = t.n;
    cu->entropy_before = entropy_bits(cu->categories, t.n, false);
    cu->entropy_after = entropy_bits(cu->categories, t.n, true);
done:
    wni_free(cu->ctx, t.v);
    wni_free(cu->ctx, t.slot);
    return st;
}
