/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of a JSONL file: one object per line. Plain lines are read at once (json_flat.h); Jansson parses and
 * judges all others; nested values and
 * numbers are also known by the bytes they have in the file, so that they can be kept as they stand.
 */
#include <string.h>

#include <jansson.h>

#include "pool/json_flat.h"
#include "pool/table_impl.h"

typedef struct json_records {
    wn_ctx *ctx;
    const char *path;
    wni_lines *lines;
    wni_schema *schema;
    json_t *object; /* of the current record: cells point into it */
    wni_cell *cells;
    int32_t room;
    char *strings; /* (strings_room) of a plain line: what is not in the line itself */
    int64_t strings_room;
} json_records;

static wn_status json_open(wn_ctx *ctx, const char *path, wni_lines *lines, wni_schema *schema,
                           char delimiter, void **state)
{
    json_records *r = wni_calloc(ctx, 1, sizeof *r);

    (void)delimiter;
    if (!r) return WN_E_NOMEM;
    *r = (json_records){.ctx = ctx, .path = path, .lines = lines, .schema = schema};
    *state = r;
    return WN_OK;
}

static void json_free(void *state)
{
    json_records *r = state;

    if (!r) return;
    json_decref(r->object);
    wni_free(r->ctx, r->cells);
    wni_free(r->ctx, r->strings);
    wni_free(r->ctx, r);
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int is_blank(const char *text, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i++)
        if (!is_space(text[i])) return 0;
    return 1;
}

/* The three below walk text that Jansson has found to be one valid object. */
static const char *skip_space(const char *p)
{
    while (is_space(*p))
        p++;
    return p;
}

static const char *skip_string(const char *p)
{
    for (p++; *p != '"'; p++)
        if (*p == '\\') p++;
    return p + 1;
}

static const char *skip_value(const char *p)
{
    int64_t depth = 0;

    if (*p == '"') return skip_string(p);
    if (*p != '{' && *p != '[') {
        while (*p && *p != ',' && *p != '}' && !is_space(*p))
            p++;
        return p;
    }
    do {
        if (*p == '"') {
            p = skip_string(p);
        } else {
            depth += *p == '{' || *p == '[';
            depth -= *p == '}' || *p == ']';
            p++;
        }
    } while (depth > 0);
    return p;
}

/* Gives each cell that is not a string the bytes it has in the line. Jansson keeps members in the order of
 * the file and refuses repeated names, so that the k-th cell is the k-th member. */
static void find_tokens(const char *line, wni_cell *cells, int32_t count)
{
    const char *p = skip_space(line) + 1;

    for (int32_t i = 0; i < count; i++) {
        const char *start;

        p = skip_space(skip_string(skip_space(p)));
        start = skip_space(p + 1);
        p = skip_value(start);
        if (!cells[i].textual) {
            cells[i].text = start;
            cells[i].bytes = p - start;
        }
        p = skip_space(p) + 1;
    }
}

static void cell_of(json_t *value, wni_cell *cell)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        cell->kind = WNI_NULL;
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        cell->kind = WNI_INTEGER;
        cell->integer = json_is_true(value);
        cell->parsed = 1;
        break;
    case JSON_INTEGER:
        cell->kind = WNI_INTEGER;
        cell->integer = json_integer_value(value);
        cell->parsed = 1;
        break;
    case JSON_REAL:
        cell->kind = WNI_REAL;
        cell->real = json_real_value(value);
        cell->parsed = 1;
        break;
    case JSON_STRING:
        cell->kind = WNI_TEXT;
        cell->textual = 1;
        cell->text = json_string_value(value);
        cell->bytes = (int64_t)json_string_length(value);
        break;
    default: /* an object or array: its text */
        cell->kind = WNI_TEXT;
        break;
    }
}

static wn_status json_broken(const json_records *r, const char *text, int64_t line,
                             const json_error_t *error)
{
    const char *advice = "every line must be one JSON object";

    if (line == 1 && *skip_space(text) == '[')
        advice = "it looks like one JSON array: write one object per line, for example with "
                 "jq -c '.[]'";
    else if (json_error_code(error) == json_error_numeric_overflow)
        advice = "write a number this large as a string";
    else if (strstr(error->text, "NaN") || strstr(error->text, "Infinity"))
        advice = "JSON has no NaN or Infinity: write null";
    return wni_fail(r->ctx, WN_E_DATA, "%s line %lld: broken JSON at byte %d: %s; %s", r->path,
                    (long long)line, error->position, error->text, advice);
}

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {"an object", "an array", "a string", "a number",
                                        "a number",  "true",     "false",    "null"};

    return names[json_typeof(value)];
}

static wn_status cells_for(json_records *r, int32_t n)
{
    if (n < r->room) return WN_OK;
    wni_free(r->ctx, r->cells);
    r->room = 0;
    r->cells = wni_alloc(r->ctx, 2 * (int64_t)n + 8, sizeof *r->cells);
    if (!r->cells) return WN_E_NOMEM;
    r->room = 2 * n + 8;
    return WN_OK;
}

/* The cells of a plain line; *count -1 where Jansson must read it. */
static wn_status read_plain(json_records *r, char *text, int64_t bytes, int64_t line,
                            int32_t *count)
{
    wni_flat members[WNI_FLAT_MEMBERS];
    int32_t guess = 0;
    wn_status st = WN_OK;

    if (bytes + 1 > r->strings_room) {
        wni_free(r->ctx, r->strings);
        r->strings_room = 0;
        WNI_NEW(r->ctx, r->strings, 2 * bytes + 256);
        r->strings_room = 2 * bytes + 256;
    }
    *count = wni_json_flat(text, bytes, r->strings, members);
    if (*count < 0) goto done;
    WNI_TRY(cells_for(r, *count));
    for (int32_t i = 0; i < *count; i++) {
        r->cells[i] = members[i].cell;
        WNI_TRY(wni_schema_column(r->schema, members[i].key, guess, r->path, line,
                                  &r->cells[i].column));
        guess = r->cells[i].column + 1;
    }
done:
    return st;
}

static wn_status read_members(json_records *r, const char *text, int64_t line, int32_t *count)
{
    int32_t n = (int32_t)json_object_size(r->object), guess = 0, tokens = 0;
    const char *key;
    json_t *value;
    wn_status st;

    *count = 0;
    if ((st = cells_for(r, n)) != WN_OK) return st;
    json_object_foreach(r->object, key, value)
    {
        wni_cell *cell = &r->cells[(*count)++];

        memset(cell, 0, sizeof *cell);
        st = wni_schema_column(r->schema, key, guess, r->path, line, &cell->column);
        if (st != WN_OK) return st;
        guess = cell->column + 1;
        cell_of(value, cell);
        tokens |= !cell->textual;
    }
    if (tokens) find_tokens(text, r->cells, n);
    return WN_OK;
}

static wn_status json_next(void *state, const wni_cell **cells, int32_t *count, int64_t *line)
{
    json_records *r = state;
    json_error_t error;
    char *text;
    int64_t bytes;
    wn_status st;

    *cells = NULL;
    *count = 0;
    do {
        if ((st = wni_lines_next(r->lines, &text, &bytes, line)) != WN_OK || !text) return st;
    } while (is_blank(text, bytes));

    json_decref(r->object);
    r->object = NULL;
    if ((st = read_plain(r, text, bytes, *line, count)) != WN_OK) return st;
    if (*count >= 0) {
        *cells = r->cells;
        return WN_OK;
    }
    r->object = json_loadb(text, (size_t)bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!r->object) return json_broken(r, text, *line, &error);
    if (!json_is_object(r->object))
        return wni_fail(r->ctx, WN_E_DATA,
                        "%s line %lld: %s where a JSON object is expected: write "
                        "{\"text\": ...} on every line",
                        r->path, (long long)*line, type_name(r->object));
    if ((st = read_members(r, text, *line, count)) != WN_OK) return st;
    *cells = r->cells;
    return WN_OK;
}

const wni_record_format wni_records_json = {json_open, json_next, json_free};
