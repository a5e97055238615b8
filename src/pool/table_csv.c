/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of a CSV or TSV file with a header row.
 *
 * CSV is RFC 4180: a field in quotes may hold commas, doubled quotes and line ends; a quote inside a field
 * that does not begin with one is an ordinary character. TSV has no line ends inside fields; a field is
 * unquoted only when a quote opens it and the matching one closes it, since many TSV files hold bare quotes.
 * An empty field without quotes is null.
 */
#include <string.h>

#include "pool/table_impl.h"

typedef struct field {
    int64_t at, bytes; /* in `text` */
    int quoted;
} field;

typedef struct csv_records {
    wn_ctx *ctx;
    const char *path;
    wni_lines *lines;
    wni_schema *schema;
    char delimiter;

    char *text; /* the record's fields, unquoted, each zero-ended */
    int64_t used, room;
    field *fields;
    int32_t count, fields_room;

    int32_t *column; /* (columns) of the schema, by position in the header */
    int32_t columns;
    wni_cell *cells; /* (columns) */
} csv_records;

static void csv_free(void *state)
{
    csv_records *r = state;

    if (!r) return;
    wni_free(r->ctx, r->text);
    wni_free(r->ctx, r->fields);
    wni_free(r->ctx, r->column);
    wni_free(r->ctx, r->cells);
    wni_free(r->ctx, r);
}

static wn_status text_room(csv_records *r, int64_t bytes)
{
    int64_t room = r->room ? r->room : 4096;
    char *text;

    while (room < r->used + bytes)
        room *= 2;
    if (room == r->room) return WN_OK;
    text = wni_grow(r->ctx, r->text, r->used, room, 1);
    if (!text) return WN_E_NOMEM;
    r->text = text;
    r->room = room;
    return WN_OK;
}

static wn_status field_begin(csv_records *r)
{
    if (r->count == r->fields_room) {
        int32_t room = r->fields_room * 2 + 16;
        field *fields = wni_grow(r->ctx, r->fields, r->count, room, sizeof *fields);

        if (!fields) return WN_E_NOMEM;
        r->fields = fields;
        r->fields_room = room;
    }
    r->fields[r->count++] = (field){r->used, 0, 0};
    return WN_OK;
}

/* Room for the zero was asked for with the line. */
static void field_end(csv_records *r)
{
    field *f = &r->fields[r->count - 1];

    f->bytes = r->used - f->at;
    r->text[r->used++] = 0;
}

/* ---- CSV --------------------------------------------------------------------------------------- */

typedef enum csv_state { FIELD_START, BARE, QUOTED, AFTER_QUOTE } csv_state;

/* Takes one line into the record. At the end of the line `state` is QUOTED when the record goes on. */
static wn_status csv_line(csv_records *r, const char *line, int64_t bytes, int64_t number,
                          csv_state *state)
{
    csv_state s = *state;
    wn_status st = text_room(r, 2 * bytes + 4);

    if (st == WN_OK && s == FIELD_START) st = field_begin(r);
    for (int64_t i = 0; i < bytes && st == WN_OK; i++) {
        char c = line[i];

        if (s != QUOTED && c == '\r' && i == bytes - 1) break; /* of the line end */
        if (s != QUOTED && c == r->delimiter) {
            field_end(r);
            st = field_begin(r);
            s = FIELD_START;
        } else if (s == FIELD_START && c == '"') {
            r->fields[r->count - 1].quoted = 1;
            s = QUOTED;
        } else if (s == QUOTED && c == '"') {
            s = AFTER_QUOTE;
        } else if (s == AFTER_QUOTE && c != '"') {
            return wni_fail(
                r->ctx, WN_E_DATA,
                "%s line %lld: text after the closing quote of field %d: a quote inside a "
                "quoted field must be doubled",
                r->path, (long long)number, r->count);
        } else {
            r->text[r->used++] = c;
            s = s == FIELD_START ? BARE : (s == AFTER_QUOTE ? QUOTED : s);
        }
    }
    if (st != WN_OK) return st;
    if (s == QUOTED)
        r->text[r->used++] = '\n';
    else
        field_end(r);
    *state = s;
    return WN_OK;
}

/* The rest of a record whose first line ended inside quotes. */
static wn_status csv_continue(csv_records *r, int64_t first, csv_state *state)
{
    while (*state == QUOTED) {
        char *text;
        int64_t bytes, number = 0;
        wn_status st = wni_lines_next(r->lines, &text, &bytes, &number);

        if (st != WN_OK) return st;
        if (!text || r->used > WNI_LINE_MAX)
            return wni_fail(
                r->ctx, WN_E_DATA,
                "%s line %lld: field %d opens a quote that %s: close it, or double a quote "
                "that belongs to the text",
                r->path, (long long)first, r->count,
                text ? "does not end within 64 MiB" : "never ends");
        if ((st = csv_line(r, text, bytes, number, state)) != WN_OK) return st;
    }
    return WN_OK;
}

/* ---- TSV --------------------------------------------------------------------------------------- */

/* Length of the text when [s, s + bytes) is one properly quoted field, with quotes undoubled into out;
 * else -1. */
static int64_t unquote(const char *s, int64_t bytes, char *out)
{
    int64_t length = 0;

    if (bytes < 2 || s[0] != '"' || s[bytes - 1] != '"') return -1;
    for (int64_t i = 1; i < bytes - 1; i++) {
        if (s[i] == '"' && (i + 1 == bytes - 1 || s[++i] != '"')) return -1;
        out[length++] = s[i];
    }
    return length;
}

static wn_status tsv_line(csv_records *r, const char *line, int64_t bytes)
{
    wn_status st = text_room(r, 2 * bytes + 4);
    const char *end = line + bytes;

    if (bytes && end[-1] == '\r') end--;
    for (const char *at = line; st == WN_OK; at++) {
        const char *tab = memchr(at, r->delimiter, (size_t)(end - at));
        int64_t length = (tab ? tab : end) - at, plain;

        if ((st = field_begin(r)) != WN_OK) break;
        plain = unquote(at, length, r->text + r->used);
        r->fields[r->count - 1].quoted = plain >= 0;
        if (plain < 0) memcpy(r->text + r->used, at, (size_t)length);
        r->used += plain < 0 ? length : plain;
        field_end(r);
        if (!tab) break;
        at = tab;
    }
    return st;
}

/* ---- records ----------------------------------------------------------------------------------- */

/* The fields of the next record; count 0 at the end of the file. */
static wn_status read_fields(csv_records *r, int64_t *line)
{
    csv_state state = FIELD_START;
    char *text;
    int64_t bytes;
    wn_status st;

    r->used = r->count = 0;
    do {
        if ((st = wni_lines_next(r->lines, &text, &bytes, line)) != WN_OK || !text) return st;
    } while (bytes == 0 || (bytes == 1 && *text == '\r'));
    if (r->delimiter == '\t') return tsv_line(r, text, bytes);
    if ((st = csv_line(r, text, bytes, *line, &state)) != WN_OK) return st;
    return csv_continue(r, *line, &state);
}

static wn_status read_header(csv_records *r)
{
    int64_t line = 0;
    wn_status st = read_fields(r, &line);

    if (st != WN_OK || r->count == 0) return st;
    WNI_NEW(r->ctx, r->column, r->count);
    WNI_NEW(r->ctx, r->cells, r->count);
    for (int32_t i = 0; i < r->count; i++) {
        WNI_TRY(wni_schema_column(r->schema, r->text + r->fields[i].at, i, r->path, line,
                                  &r->column[i]));
        for (int32_t j = 0; j < i; j++)
            if (r->column[j] == r->column[i])
                return wni_fail(
                    r->ctx, WN_E_DATA,
                    "%s line %lld: fields %d and %d of the header are both called '%s': "
                    "rename one",
                    r->path, (long long)line, j + 1, i + 1, r->text + r->fields[i].at);
    }
    r->columns = r->count;
done:
    return st;
}

static wn_status csv_open(wn_ctx *ctx, const char *path, wni_lines *lines, wni_schema *schema,
                          char delimiter, void **state)
{
    csv_records *r = wni_calloc(ctx, 1, sizeof *r);

    if (!r) return WN_E_NOMEM;
    r->ctx = ctx;
    r->path = path;
    r->lines = lines;
    r->schema = schema;
    r->delimiter = delimiter;
    *state = r;
    return read_header(r);
}

/* What a field is when its text alone tells: an integer only when it would be written back the same, so
 * that 007 and numbers beyond 64 bits stay text. */
static wni_kind kind_of(const char *s, int64_t *integer)
{
    const char *p = s + (*s == '-');
    int digits = 0;
    int64_t value = 0;

    if (*p == '0' && p[1] >= '0' && p[1] <= '9') return WNI_TEXT;
    for (; *p >= '0' && *p <= '9'; p++, digits++)
        if (digits < 18) value = value * 10 + (*p - '0');
    if (digits == 0) return WNI_TEXT;
    if (*p == 0) {
        *integer = *s == '-' ? -value : value;
        if (*s == '-' && value == 0) return WNI_TEXT;
        return digits <= 18 ? WNI_INTEGER : WNI_TEXT;
    }
    if (*p == '.') {
        if (p[1] < '0' || p[1] > '9') return WNI_TEXT;
        for (p++; *p >= '0' && *p <= '9'; p++)
            ;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        if (*p < '0' || *p > '9') return WNI_TEXT;
        while (*p >= '0' && *p <= '9')
            p++;
    }
    return *p == 0 ? WNI_REAL : WNI_TEXT;
}

static wn_status csv_next(void *state, const wni_cell **cells, int32_t *count, int64_t *line)
{
    csv_records *r = state;
    wn_status st;

    *cells = NULL;
    *count = 0;
    if (r->columns == 0) return WN_OK; /* an empty file */
    if ((st = read_fields(r, line)) != WN_OK || r->count == 0) return st;
    if (r->count != r->columns)
        return wni_fail(r->ctx, WN_E_DATA, "%s line %lld: %d field%s, expected %d as in the header",
                        r->path, (long long)*line, r->count, r->count == 1 ? "" : "s", r->columns);
    for (int32_t i = 0; i < r->columns; i++) {
        const field *f = &r->fields[i];
        wni_cell *cell = &r->cells[i];

        *cell = (wni_cell){.column = r->column[i], .text = r->text + f->at, .bytes = f->bytes};
        if (f->bytes == 0)
            cell->kind = f->quoted ? WNI_TEXT : WNI_NULL;
        else
            cell->kind = kind_of(cell->text, &cell->integer);
        cell->textual = cell->kind != WNI_NULL;
        cell->parsed = cell->kind == WNI_INTEGER;
    }
    *cells = r->cells;
    *count = r->columns;
    return WN_OK;
}

const wni_record_format wni_records_csv = {csv_open, csv_next, csv_free};
