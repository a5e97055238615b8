/* SPDX-License-Identifier: Apache-2.0
 *
 * The noun: values and a table, and their two files.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "measure/measure_impl.h"

#define RECORD_MAX 200 /* values in the manifest; metrics.json has them all */

wn_status wni_measurement_new(wn_ctx *ctx, wn_measurement **out)
{
    wn_measurement *m;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, m, 1);
    m->ctx = ctx;
    *out = m;
done:
    return st;
}

static void free_values(wn_ctx *ctx, wn_value *v, int64_t n)
{
    for (int64_t i = 0; v && i < n; i++) {
        wni_free(ctx, v[i].group);
        wni_free(ctx, v[i].name);
        wni_free(ctx, v[i].text);
    }
    wni_free(ctx, v);
}

void wn_measurement_free(wn_measurement *m)
{
    if (!m) return;
    free_values(m->ctx, m->values, m->count);
    free_values(m->ctx, m->cells, m->n_cells);
    for (int32_t c = 0; m->column_names && c < m->columns; c++)
        wni_free(m->ctx, m->column_names[c]);
    wni_free(m->ctx, m->column_names);
    wni_free(m->ctx, m);
}

static int same_name(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

const wn_value *wn_measurement_find(const wn_measurement *m, const char *group, const char *name)
{
    for (int32_t i = 0; i < m->count; i++)
        if (same_name(m->values[i].group, group) && strcmp(m->values[i].name, name) == 0)
            return &m->values[i];
    return NULL;
}

const wn_value *wn_measurement_cell(const wn_measurement *m, int64_t row, const char *column)
{
    for (int32_t c = 0; row >= 0 && row < m->rows && c < m->columns; c++)
        if (strcmp(m->column_names[c], column) == 0) return &m->cells[row * m->columns + c];
    return NULL;
}

/* ---- filling ---------------------------------------------------------------------------------------- */

/* Room for one more; capacities are powers of two. */
static wn_status grow(wn_ctx *ctx, wn_value **v, int64_t count)
{
    wn_value *wider;

    if (count && (count & (count - 1))) return WN_OK;
    wider = wni_grow(ctx, *v, count, count ? 2 * count : 1, sizeof **v);
    if (!wider) return WN_E_NOMEM;
    *v = wider;
    return WN_OK;
}

static wn_status add(wn_measurement *m, const char *group, const char *name, wn_value value,
                     const char *text)
{
    wn_value *at;
    wn_status st;

    WNI_TRY(grow(m->ctx, &m->values, m->count));
    at = &m->values[m->count++];
    *at = value;
    if ((group && !(at->group = wni_strdup(m->ctx, group))) ||
        !(at->name = wni_strdup(m->ctx, name)) || (text && !(at->text = wni_strdup(m->ctx, text))))
        st = WN_E_NOMEM;
done:
    return st;
}

wn_status wni_measured_int(wn_measurement *m, const char *group, const char *name, int64_t v)
{
    return add(m, group, name, (wn_value){.kind = WN_VALUE_INT, .i = v, .x = (double)v}, NULL);
}

wn_status wni_measured_real(wn_measurement *m, const char *group, const char *name, double v)
{
    return add(m, group, name, (wn_value){.kind = WN_VALUE_REAL, .x = v}, NULL);
}

wn_status wni_measured_text(wn_measurement *m, const char *group, const char *name, const char *v)
{
    return add(m, group, name, (wn_value){.kind = WN_VALUE_TEXT}, v);
}

wn_status wni_measured_columns(wn_measurement *m, const char *columns)
{
    int32_t n = 0;
    wn_status st = WN_OK;

    for (const char *at = columns; *at; at += strspn(at, " "), n++)
        at += strcspn(at, " ");
    WNI_NEW0(m->ctx, m->column_names, n);
    m->columns = n;
    n = 0;
    for (const char *at = columns; *at; at += strspn(at, " ")) {
        int length = (int)strcspn(at, " ");
        if (!(m->column_names[n++] = wni_format(m->ctx, "%.*s", length, at))) return WN_E_NOMEM;
        at += length;
    }
done:
    return st;
}

/* Cells come from left to right; a row counts when it is whole. */
static wn_status add_cell(wn_measurement *m, wn_value value, const char *text)
{
    wn_status st;

    WNI_TRY(grow(m->ctx, &m->cells, m->n_cells));
    m->cells[m->n_cells] = value;
    if (text && !(m->cells[m->n_cells].text = wni_strdup(m->ctx, text))) {
        st = WN_E_NOMEM;
        goto done;
    }
    m->n_cells++;
    m->rows = m->n_cells / m->columns;
done:
    return st;
}

wn_status wni_cell_int(wn_measurement *m, int64_t v)
{
    return add_cell(m, (wn_value){.kind = WN_VALUE_INT, .i = v, .x = (double)v}, NULL);
}

wn_status wni_cell_real(wn_measurement *m, double v)
{
    return add_cell(m, (wn_value){.kind = WN_VALUE_REAL, .x = v}, NULL);
}

wn_status wni_cell_text(wn_measurement *m, const char *v)
{
    return add_cell(m, (wn_value){.kind = WN_VALUE_TEXT}, v);
}

/* ---- files ------------------------------------------------------------------------------------------ */

static void json_text(wni_str *s, const char *text)
{
    wni_str_add(s, "\"");
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\')
            wni_str_addf(s, "\\%c", *at);
        else if (*at < 0x20)
            wni_str_addf(s, "\\u%04x", *at);
        else
            wni_str_addn(s, (const char *)at, 1);
    }
    wni_str_add(s, "\"");
}

static void json_value(wni_str *s, const char *name, const wn_value *v)
{
    json_text(s, name);
    wni_str_add(s, ": ");
    if (v->kind == WN_VALUE_TEXT)
        json_text(s, v->text);
    else if (v->kind == WN_VALUE_INT)
        wni_str_addf(s, "%lld", (long long)v->i);
    else if (isfinite(v->x))
        wni_str_addf(s, "%.9g", v->x);
    else
        wni_str_add(s, "null");
}

/* {"values": {...}, "selections": {"name": {...}, ...}, "table": [{...}, ...]} */
static wn_status write_json(wni_run *run, const wn_measurement *m)
{
    const char *group = NULL;
    char *text = NULL;
    wni_str s;
    wn_status st;

    wni_str_init(&s, run->ctx);
    wni_str_add(&s, "{\n  \"values\": {");
    for (int32_t i = 0, first = 1; i < m->count; i++) {
        if (m->values[i].group) continue;
        wni_str_add(&s, first ? "\n    " : ",\n    ");
        json_value(&s, m->values[i].name, &m->values[i]);
        first = 0;
    }
    wni_str_add(&s, "\n  }");
    for (int32_t i = 0; i < m->count; i++) {
        const wn_value *v = &m->values[i];
        if (!v->group) continue;
        wni_str_add(&s, !group ? ",\n  \"selections\": {\n    " : "");
        if (!group || strcmp(group, v->group) != 0) {
            wni_str_add(&s, group ? "},\n    " : "");
            json_text(&s, v->group);
            wni_str_add(&s, ": {");
        } else {
            wni_str_add(&s, ", ");
        }
        json_value(&s, v->name, v);
        group = v->group;
    }
    wni_str_add(&s, group ? "}\n  }" : "");
    for (int64_t r = 0; r < m->rows; r++) {
        wni_str_add(&s, r ? ",\n    {" : ",\n  \"table\": [\n    {");
        for (int32_t c = 0; c < m->columns; c++) {
            wni_str_add(&s, c ? ", " : "");
            json_value(&s, m->column_names[c], &m->cells[r * m->columns + c]);
        }
        wni_str_add(&s, "}");
    }
    wni_str_add(&s, m->rows ? "\n  ]\n}\n" : "\n}\n");
    WNI_TRY(wni_str_take(&s, &text));
    WNI_TRY(wni_out_text(run->out, "metrics.json", text));
done:
    wni_free(run->ctx, text);
    wni_str_free(&s);
    return st;
}

static void csv_text(wni_str *s, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        wni_str_add(s, text);
        return;
    }
    wni_str_add(s, "\"");
    for (; *text; text++)
        wni_str_addf(s, *text == '"' ? "\"\"" : "%c", *text);
    wni_str_add(s, "\"");
}

static wn_status write_csv(wni_run *run, const wn_measurement *m)
{
    char *text = NULL;
    wni_str s;
    wn_status st;

    wni_str_init(&s, run->ctx);
    for (int32_t c = 0; c < m->columns; c++)
        wni_str_addf(&s, "%s%s", c ? "," : "", m->column_names[c]);
    wni_str_add(&s, "\n");
    for (int64_t r = 0; r < m->rows; r++) {
        for (int32_t c = 0; c < m->columns; c++) {
            const wn_value *v = &m->cells[r * m->columns + c];
            wni_str_add(&s, c ? "," : "");
            if (v->kind == WN_VALUE_TEXT)
                csv_text(&s, v->text);
            else if (v->kind == WN_VALUE_INT)
                wni_str_addf(&s, "%lld", (long long)v->i);
            else if (isfinite(v->x))
                wni_str_addf(&s, "%.9g", v->x);
        }
        wni_str_add(&s, "\n");
    }
    WNI_TRY(wni_str_take(&s, &text));
    WNI_TRY(wni_out_text(run->out, "table.csv", text));
done:
    wni_free(run->ctx, text);
    wni_str_free(&s);
    return st;
}

/* In counts dots make objects: of the user's words they become low lines. */
static wn_status record_value(wni_run *run, const wn_value *v)
{
    char *key = v->group ? wni_format(run->ctx, "selections.%s%c%s", v->group, 1, v->name)
                         : wni_strdup(run->ctx, v->name);
    wn_status st = WN_OK;

    if (!key) return WN_E_NOMEM;
    for (char *at = key + (v->group ? strlen("selections.") : 0); *at; at++)
        *at = *at == '.' ? '_' : *at == 1 ? '.' : *at;
    if (v->kind == WN_VALUE_INT)
        WNI_TRY(wni_record_int(run, key, v->i));
    else if (v->kind == WN_VALUE_REAL)
        WNI_TRY(wni_record_real(run, key, v->x));
    else
        WNI_TRY(wni_record_text(run, key, v->text));
done:
    wni_free(run->ctx, key);
    return st;
}

wn_status wni_measurement_write(wni_run *run, const wn_measurement *m)
{
    wn_status st;

    WNI_TRY(write_json(run, m));
    if (m->columns) WNI_TRY(write_csv(run, m));
    for (int32_t i = 0; i < m->count && i < RECORD_MAX; i++)
        WNI_TRY(record_value(run, &m->values[i]));
done:
    return st;
}
