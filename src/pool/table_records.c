/* SPDX-License-Identifier: Apache-2.0
 *
 * Which format a file has, by its name, and its records through that format.
 */
#include <string.h>
#include <strings.h>

#include "io/suffix.h"
#include "pool/table_impl.h"

struct wni_records {
    wn_ctx *ctx;
    char *path;
    wni_lines *lines;
    const wni_record_format *format;
    void *state;
};

int wn_table_is_text_path(const char *path)
{
    return wni_text_form_of(path) != WNI_FORM_NONE;
}

static wn_status choose(wni_records *r, char *delimiter)
{
    wni_text_form form = wni_text_form_of(r->path);
    size_t length = wni_unpacked_length(r->path);

    r->format = form == WNI_FORM_JSONL ? &wni_records_json : &wni_records_csv;
    *delimiter = form == WNI_FORM_TSV ? '\t' : ',';
    if (form != WNI_FORM_NONE) return WN_OK;
    r->format = NULL;
    return wni_fail(
        r->ctx, WN_E_DATA,
        "%s: the name does not tell the format: expected .jsonl, .ndjson, .csv or .tsv, "
        "also with .gz or .zst%s",
        r->path,
        length > 5 && strncasecmp(r->path + length - 5, ".json", 5) == 0
            ? " (a .json file: write one object per line, for example with jq -c '.[]')"
            : "");
}

wn_status wni_records_open(wn_ctx *ctx, const char *path, wni_schema *schema, wni_records **out)
{
    wni_records *r = wni_calloc(ctx, 1, sizeof *r);
    char delimiter = 0;
    wn_status st = WN_OK;

    *out = NULL;
    if (!r) return WN_E_NOMEM;
    r->ctx = ctx;
    if (!(r->path = wni_strdup(ctx, path))) {
        st = WN_E_NOMEM;
        goto done;
    }
    WNI_TRY(choose(r, &delimiter));
    WNI_TRY(wni_lines_open(ctx, path, WNI_LINE_MAX, &r->lines));
    WNI_TRY(r->format->open(ctx, r->path, r->lines, schema, delimiter, &r->state));
done:
    if (st == WN_OK)
        *out = r;
    else
        wni_records_free(r);
    return st;
}

void wni_records_free(wni_records *r)
{
    if (!r) return;
    if (r->format) r->format->free(r->state);
    wni_lines_free(r->lines);
    wni_free(r->ctx, r->path);
    wni_free(r->ctx, r);
}

wn_status wni_records_next(wni_records *r, const wni_cell **cells, int32_t *count, int64_t *line)
{
    return r->format->next(r->state, cells, count, line);
}
