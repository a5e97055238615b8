/* SPDX-License-Identifier: Apache-2.0
 *
 * `winnow why`: what a finished output folder knows about one row. It reads the folder alone, so that any
 * family that writes why.npy is answered for.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "base/strbuf.h"
#include "io/outdir.h"
#include "pool/text_column.h"
#include "winnow/job.h"
#include "winnow/select.h"
#include "winnow/table.h"

#define TEXT_BYTES 400
#define CHAIN_MAX  16 /* partners of partners that are told */

typedef struct why_folder {
    wn_ctx *ctx;
    const char *dir;
    json_t *manifest;
    wn_why *why; /* (n) */
    int64_t n;
    wn_table *table;  /* NULL = none */
    int32_t id, text; /* columns, -1 = none */
    int64_t other;    /* row whose id is the number of the row that was asked for; -1 = none */
    wni_str out;
} why_folder;

void wn_text_free(wn_ctx *ctx, char *text)
{
    wni_free(ctx, text);
}

/* ---- the folder ---------------------------------------------------------------------------------- */

static wn_status open_manifest(why_folder *f)
{
    char *path = wni_format(f->ctx, "%s/manifest.json", f->dir);
    json_error_t error;
    wn_status st = WN_OK;

    if (!path) return WN_E_NOMEM;
    if (!wni_path_exists(f->ctx, f->dir)) {
        st = wni_fail(f->ctx, WN_E_DATA, "%s: there is no such folder", f->dir);
    } else if (!wni_path_exists(f->ctx, path)) {
        st = wni_fail(f->ctx, WN_E_DATA,
                      "%s: no manifest.json in it; give the folder that curate, select or dedup "
                      "wrote with -o",
                      f->dir);
    } else if (!(f->manifest = json_load_file(path, JSON_REJECT_DUPLICATES, &error))) {
        st = wni_fail(f->ctx, WN_E_DATA, "%s: line %d: not JSON: %s", path, error.line, error.text);
    }
    wni_free(f->ctx, path);
    return st;
}

static wn_status open_why(why_folder *f)
{
    const char *family = json_string_value(json_object_get(f->manifest, "family"));
    const char *method = json_string_value(json_object_get(f->manifest, "method"));
    char *path = wni_format(f->ctx, "%s/why.npy", f->dir);
    void *data = NULL;
    wn_status st = WN_OK;

    if (!path) return WN_E_NOMEM;
    if (!wni_path_exists(f->ctx, path)) {
        st = wni_fail(
            f->ctx, WN_E_DATA,
            "%s: an output of %s %s, which keeps no reasons row by row; give one of curate, "
            "select or dedup that does",
            f->dir, family ? family : "an unknown family", method ? method : "");
        goto done;
    }
    WNI_TRY(wni_npy_load(f->ctx, path, WN_WHY_DESCR, 1, &f->n, &data));
    f->why = data;
    for (int64_t i = 0; i < f->n; i++)
        if (f->why[i].partner < -1 ||
            (f->why[i].partner >= f->n && f->why[i].rule != WN_WHY_REFERENCE) ||
            f->why[i].rule < 0 || f->why[i].rule >= WN_WHY_COUNT) {
            st = wni_fail(f->ctx, WN_E_DATA,
                          "%s: row %lld: found partner %lld and rule %d, expected a partner below "
                          "%lld and a rule below %d: the file is damaged",
                          path, (long long)i, (long long)f->why[i].partner, (int)f->why[i].rule,
                          (long long)f->n, (int)WN_WHY_COUNT);
            goto done;
        }
done:
    wni_free(f->ctx, path);
    return st;
}

static wn_status open_table(why_folder *f)
{
    const json_t *name = json_object_get(json_object_get(f->manifest, "params"), "text");
    char *path = wni_format(f->ctx, "%s/table.sqlite", f->dir);
    wn_status st = WN_OK;

    f->id = f->text = -1;
    if (!path) return WN_E_NOMEM;
    if (!wni_path_exists(f->ctx, path)) goto done;
    WNI_TRY(wn_table_open(f->ctx, path, &f->table));
    if (wn_table_rows(f->table) != f->n) {
        st = wni_fail(f->ctx, WN_E_DATA, "%s: found %lld rows, why.npy has %lld", path,
                      (long long)wn_table_rows(f->table), (long long)f->n);
        goto done;
    }
    if (wn_table_id_column(f->table))
        f->id = wn_table_column_find(f->table, wn_table_id_column(f->table));
    /* Which text was used is a nicety: without it the answer has no texts. */
    st = wni_text_column(f->ctx, f->table, json_is_string(name) ? json_string_value(name) : "",
                         &f->text);
    if (st == WN_E_DATA || st == WN_E_USAGE) {
        f->text = -1;
        st = WN_OK;
    }
done:
    wni_free(f->ctx, path);
    return st;
}

/* ---- the row ------------------------------------------------------------------------------------- */

/* "4711" or, as the report groups it, "4,711"; -1 when it is something else. */
static int64_t row_number(const char *text)
{
    int64_t row = 0;

    if (*text < '0' || *text > '9') return -1;
    for (; *text; text++) {
        if (*text == ',') continue;
        if (*text < '0' || *text > '9' || row > WN_ROWS_MAX) return -1;
        row = row * 10 + (*text - '0');
    }
    return row;
}

/* A number of a row that is there is a row; everything else is an id. A number that is the id of another
 * row too is told. */
static wn_status find_row(why_folder *f, const char *word, int64_t *row)
{
    int64_t with_id = -1;
    char last[32];
    wn_status st;

    *row = row_number(word);
    if (f->id >= 0) {
        st = wn_table_find_id(f->table, word, &with_id);
        if (st != WN_OK && st != WN_E_DATA) return st;
        if (st != WN_OK) with_id = -1;
    }
    if (*row >= 0 && *row < f->n) {
        f->other = with_id == *row ? -1 : with_id;
        return WN_OK;
    }
    if (f->id >= 0) {
        if ((*row = with_id) >= 0) return WN_OK;
        return wni_fail(f->ctx, WN_E_DATA,
                        "%s: no row has the number or the %s '%s'; rows go from 0 to %s", f->dir,
                        wn_table_id_column(f->table), word, wni_grouped(f->n - 1, last));
    }
    if (f->n == 0) return wni_fail(f->ctx, WN_E_DATA, "%s: it has no rows", f->dir);
    if (*row < 0)
        return wni_fail(
            f->ctx, WN_E_DATA,
            "%s: '%s' is not a row number and the output has no id column; rows go from "
            "0 to %s",
            f->dir, word, wni_grouped(f->n - 1, last));
    return wni_fail(f->ctx, WN_E_DATA, "%s: there is no row %s; rows go from 0 to %s", f->dir, word,
                    wni_grouped(f->n - 1, last));
}

/* ---- the answer ---------------------------------------------------------------------------------- */

/* "row 4711" and, where there are ids, " (n00004711)". */
static wn_status say_row(why_folder *f, int64_t row)
{
    const char *id = NULL;
    wn_status st = f->id >= 0 ? wn_table_text(f->table, row, f->id, &id) : WN_OK;

    wni_str_addf(&f->out, "row %lld", (long long)row);
    if (id) wni_str_addf(&f->out, " (%s %s)", wn_table_id_column(f->table), id);
    return st;
}

/* A line "  name  the text", cut and without line breaks. */
static wn_status say_text(why_folder *f, const char *name, int64_t row)
{
    const char *text;
    int64_t length, from;
    wn_status st;

    if (f->text < 0) return WN_OK;
    if ((st = wn_table_text(f->table, row, f->text, &text)) != WN_OK) return st;
    if (!text) text = "";
    length = wni_utf8_cut(text, TEXT_BYTES);
    wni_str_addf(&f->out, "  %-9s", name);
    from = f->out.length;
    wni_str_addn(&f->out, text, length);
    for (int64_t i = from; f->out.st == WN_OK && i < f->out.length; i++)
        if ((unsigned char)f->out.v[i] < 0x20) f->out.v[i] = ' ';
    wni_str_add(&f->out, text[length] ? "\xE2\x80\xA6\n" : "\n");
    return WN_OK;
}

/* A row of this pool that stands for it. */
static bool has_partner(const why_folder *f, int64_t row)
{
    return f->why[row].partner >= 0 && f->why[row].rule != WN_WHY_REFERENCE;
}

static bool has_input(const why_folder *f, const char *name)
{
    const json_t *input;
    size_t i;

    json_array_foreach(json_object_get(f->manifest, "inputs"), i, input)
    {
        const char *of = json_string_value(json_object_get(input, "name"));
        if (of && strcmp(of, name) == 0) return true;
    }
    return false;
}

/* What the similarities of the folder are. */
static const char *likeness(const why_folder *f)
{
    const char *method = json_string_value(json_object_get(f->manifest, "method"));

    return method && strcmp(method, "minhash") == 0 ? "Jaccard similarity" : "cosine";
}

static void say_rule(why_folder *f, const wn_why *why)
{
    switch (why->rule) {
    case WN_WHY_KEPT:
        wni_str_add(&f->out, ": kept");
        if (why->copies > 1) wni_str_addf(&f->out, ", taken %d times", (int)why->copies);
        break;
    case WN_WHY_EXACT_DUPLICATE:
        wni_str_add(&f->out, ": dropped, an exact duplicate: the same bytes as an earlier row");
        break;
    case WN_WHY_NEAR_DUPLICATE:
        wni_str_add(&f->out, ": dropped, a near duplicate");
        break;
    case WN_WHY_REFERENCE:
        wni_str_addf(&f->out, ": dropped, it repeats row %lld of the %s", (long long)why->partner,
                     has_input(f, "index") ? "index" : "reference");
        if (!isnan(why->similarity))
            wni_str_addf(&f->out, ", %s %.4f", likeness(f), (double)why->similarity);
        break;
    case WN_WHY_NO_CLUSTER:
        wni_str_add(&f->out,
                    ": dropped, in no cluster: the tree or the groups were made without it");
        break;
    case WN_WHY_SCORE:
        wni_str_add(&f->out, ": dropped, passed over: other rows of its group rank better");
        break;
    case WN_WHY_NOT_DRAWN:
        wni_str_add(&f->out, ": dropped, not drawn: chance took other rows of its group");
        break;
    case WN_WHY_OFF_TARGET:
        wni_str_add(&f->out, ": dropped, off target: it is not what the target looks like");
        break;
    case WN_WHY_COVERED:
        wni_str_add(&f->out, ": dropped, covered: a row that is kept stands for it");
        break;
    case WN_WHY_LIMIT:
        wni_str_add(&f->out, ": dropped, its score lies outside the limits asked for");
        break;
    case WN_WHY_ABSENT:
        wni_str_add(&f->out, ": not there: never inserted, or deleted again");
        break;
    default:
        wni_str_add(&f->out, ": dropped, over quota: its cluster's share of the selection went to "
                             "other rows");
        break;
    }
    wni_str_add(&f->out, "\n");
}

static int is_duplicate(const wn_why *why)
{
    return why->rule == WN_WHY_EXACT_DUPLICATE || why->rule == WN_WHY_NEAR_DUPLICATE ||
           why->rule == WN_WHY_REFERENCE;
}

/* The partner, and where that one went, until a row that is no duplicate. */
static wn_status say_partners(why_folder *f, int64_t row)
{
    wn_status st = WN_OK;

    for (int i = 0; i < CHAIN_MAX && has_partner(f, row); i++) {
        const wn_why *why = &f->why[row];
        const wn_why *to = &f->why[why->partner];

        wni_str_add(&f->out, i ? "  which is beside " : "  beside   ");
        WNI_TRY(say_row(f, why->partner));
        if (why->rule == WN_WHY_NEAR_DUPLICATE && !isnan(why->similarity))
            wni_str_addf(&f->out, ", %s %.4f", likeness(f), (double)why->similarity);
        if (why->rule == WN_WHY_COVERED && !isnan(why->similarity))
            wni_str_addf(&f->out, ", similarity %.4f", (double)why->similarity);
        wni_str_addf(&f->out, ": %s\n",
                     to->rule == WN_WHY_KEPT    ? "kept"
                     : to->rule == WN_WHY_QUOTA ? "not a duplicate, but over quota"
                     : is_duplicate(to)         ? "a duplicate itself"
                                                : "not a duplicate, but dropped too");
        row = why->partner;
    }
done:
    return st;
}

static void say_cluster(why_folder *f, const wn_why *of)
{
    int64_t size = 0, selected = 0;
    int32_t cluster = of->cluster;
    char a[32], b[32], c[32];

    if (cluster < 0) return;
    for (int64_t i = 0; i < f->n; i++) {
        const wn_why *why = &f->why[i];
        if (why->cluster != cluster || is_duplicate(why) || why->rule == WN_WHY_ABSENT) continue;
        size++;
        selected += why->rule == WN_WHY_KEPT;
    }
    wni_str_addf(&f->out, "  cluster  %s: %s row%s, %s selected", wni_grouped(cluster, a),
                 wni_grouped(size, b), size == 1 ? "" : "s", wni_grouped(selected, c));
    if (of->partner < 0 && of->similarity == of->similarity)
        wni_str_addf(&f->out, "; cosine %.4f to its centre", (double)of->similarity);
    wni_str_add(&f->out, "\n");
}

static wn_status answer(why_folder *f, int64_t row)
{
    const wn_why *why = &f->why[row];
    wn_status st;

    WNI_TRY(say_row(f, row));
    say_rule(f, why);
    WNI_TRY(say_partners(f, row));
    say_cluster(f, why);
    WNI_TRY(say_text(f, "text", row));
    if (has_partner(f, row)) WNI_TRY(say_text(f, "partner", why->partner));
    if (f->other >= 0)
        wni_str_addf(&f->out,
                     "  note     %lld is also the %s of row %lld; a row number goes first\n",
                     (long long)row, wn_table_id_column(f->table), (long long)f->other);
done:
    return st;
}

wn_status wn_why_text(wn_ctx *ctx, const char *dir, const char *row, char **text)
{
    why_folder f = {.ctx = ctx, .dir = dir, .id = -1, .text = -1, .other = -1};
    int64_t at;
    wn_status st;

    *text = NULL;
    wni_str_init(&f.out, ctx);
    WNI_TRY(open_manifest(&f));
    WNI_TRY(open_why(&f));
    WNI_TRY(open_table(&f));
    WNI_TRY(find_row(&f, row, &at));
    WNI_TRY(answer(&f, at));
    WNI_TRY(wni_str_take(&f.out, text));
done:
    wni_str_free(&f.out);
    wn_table_free(f.table);
    wni_free(ctx, f.why);
    json_decref(f.manifest);
    return st;
}
