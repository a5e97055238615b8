/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows a search may find: those that are not deleted and that the filters let through.
 */
#include <stdio.h>
#include <string.h>

#include "index/index_search.h"
#include "pool/decimal.h"
#include "pool/table_impl.h"
#include "winnow/table.h"

#define TENANT_COLUMN "tenant" /* unless the index has a parameter that names it */

/* ---- conditions ------------------------------------------------------------------------------------------ */

static wn_status unknown_column(wn_ctx *ctx, const wn_table *t, const char *what, const char *name)
{
    const char *nearest = wni_table_nearest(t, name);

    return wni_fail(ctx, WN_E_USAGE, "%s: the table has no column '%.100s'%s%s%s", what, name,
                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool is_number(const char *text, const char *end)
{
    char buf[WNI_DECIMAL_BYTES];

    return wni_decimal(text, end - text, buf, NULL) > 0;
}

/* "column:low:high" taken apart: *text holds the pieces; wni_free. */
static wn_status parse_window(wn_ctx *ctx, const char *window, char **text, wni_columns *asked)
{
    const char *high = strrchr(window, ':'), *low = high;

    while (low && low > window && *--low != ':')
        ;
    if (!low || low == window || low == high || *low != ':' || !is_number(low + 1, high) ||
        !is_number(high + 1, high + strlen(high)))
        return wni_fail(ctx, WN_E_USAGE,
                        "window: found '%.100s', expected COLUMN:LOW:HIGH with two numbers",
                        window);
    if (!(*text = wni_strdup(ctx, window))) return WN_E_NOMEM;
    (*text)[low - window] = 0;
    (*text)[high - window] = 0;
    asked->window = *text;
    asked->low = *text + (low - window) + 1;
    asked->high = *text + (high - window) + 1;
    return WN_OK;
}

/* As a condition; wni_free. */
static wn_status window_condition(wn_ctx *ctx, const wn_table *t, const wni_columns *asked,
                                  char **out)
{
    const int32_t at = wn_table_column_find(t, asked->window);
    char *name;

    *out = NULL;
    if (at < 0) return unknown_column(ctx, t, "window", asked->window);
    if (strcmp(wn_table_column_type(t, at), "TEXT") == 0)
        return wni_fail(ctx, WN_E_USAGE,
                        "window: column '%s' holds text; a window needs numbers, or give --where",
                        asked->window);
    if (!(name = wni_sql_name(ctx, asked->window))) return WN_E_NOMEM;
    *out = wni_format(ctx, "%s BETWEEN %s AND %s", name, asked->low, asked->high);
    wni_free(ctx, name);
    return *out ? WN_OK : WN_E_NOMEM;
}

/* A value as SQL writes it, its quotes doubled; wni_free. */
static char *quoted(wn_ctx *ctx, const char *value)
{
    char *out = wni_alloc(ctx, 2 * (int64_t)strlen(value) + 3, 1), *p = out;

    if (!out) return NULL;
    *p++ = '\'';
    for (; *value; value++) {
        if (*value == '\'') *p++ = '\'';
        *p++ = *value;
    }
    *p++ = '\'';
    *p = 0;
    return out;
}

static wn_status tenant_condition(wn_ctx *ctx, const wn_index *index, const wn_table *t,
                                  const char *tenant, char **out)
{
    char column[WN_TEXT_MAX] = TENANT_COLUMN, *value = NULL, *name = NULL;
    wn_status st = WN_E_NOMEM;

    *out = NULL;
    wn_params_text(index->method, index->params, "tenant_column", column, sizeof column);
    if (wn_table_column_find(t, column) < 0) return unknown_column(ctx, t, "tenant", column);
    /* Numbers and words alike: the affinity of the column decides. */
    if ((name = wni_sql_name(ctx, column)) && (value = quoted(ctx, tenant)) &&
        (*out = wni_format(ctx, "%s = %s", name, value)))
        st = WN_OK;
    wni_free(ctx, name);
    wni_free(ctx, value);
    return st;
}

/* ---- bits -------------------------------------------------------------------------------------------------- */

wn_status wni_index_alive(wn_ctx *ctx, const wni_segment *s, uint64_t **bits)
{
    const int64_t words = (s->n + 63) / 64;
    wn_status st = WN_OK;

    WNI_NEW(ctx, *bits, words);
    for (int64_t w = 0; w < words; w++)
        (*bits)[w] = s->dead ? ~s->dead[w] : ~(uint64_t)0;
    if (s->n % 64) (*bits)[words - 1] &= ((uint64_t)1 << (s->n % 64)) - 1;
done:
    return st;
}

static wn_status and_condition(wn_ctx *ctx, wn_table *t, const char *condition,
                               const wni_segment *s, wni_allowed *a)
{
    const int64_t words = (s->n + 63) / 64;
    uint64_t *bits = NULL;
    int64_t matching;
    wn_status st = WN_OK;

    WNI_NEW(ctx, bits, words);
    WNI_TRY(wn_table_where(t, condition, bits, &matching));
    for (int64_t w = 0; w < words; w++)
        a->bits[w] &= bits[w];
done:
    wni_free(ctx, bits);
    return st;
}

/* Out of the file that was opened with the index: at its path there may be another by now. map is to be freed
 * behind the table. */
static wn_status open_table(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                            wni_mapping *map, wn_table **t)
{
    wn_status st;

    *t = NULL;
    if (!s->table_path)
        return wni_fail(ctx, WN_E_USAGE,
                        "%s has no table to filter by: make it with --table, or leave out --where, "
                        "--window and --tenant",
                        index->path);
    if ((st = wni_infile_map(ctx, &s->table, 0, s->table.bytes, map)) != WN_OK) return st;
    st = map->data ? wni_table_open_bytes(ctx, s->table_path, map->data, s->table.bytes, t)
                   : wn_table_open(ctx, s->table_path, t);
    if (st != WN_OK) return st;
    if (wn_table_rows(*t) == s->n) return WN_OK;
    return wni_segment_damaged(ctx, index, s, "table.sqlite", "it has not one record per row");
}

static wn_status place(wn_ctx *ctx, const wni_segment *s, wni_allowed *a)
{
    wn_status st = WN_OK;

    if (!s->kind->place || a->n == 0) return WN_OK;
    WNI_NEW0(ctx, a->slots, (s->n + 63) / 64);
    s->kind->place(s, a->bits, a->slots);
done:
    return st;
}

/* By the table, what the kind does not answer itself. */
static wn_status ask_table(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                           const char *where, const wni_columns *asked, wni_allowed *a)
{
    char *window = NULL, *tenant = NULL;
    wni_mapping map = {0};
    wn_table *t = NULL;
    wn_status st;

    WNI_TRY(open_table(ctx, index, s, &map, &t));
    if (where) WNI_TRY(and_condition(ctx, t, where, s, a));
    if (asked->window && !a->cover.window) {
        WNI_TRY(window_condition(ctx, t, asked, &window));
        WNI_TRY(and_condition(ctx, t, window, s, a));
    }
    if (asked->tenant && !a->cover.tenant) {
        WNI_TRY(tenant_condition(ctx, index, t, asked->tenant, &tenant));
        WNI_TRY(and_condition(ctx, t, tenant, s, a));
    }
done:
    wn_table_free(t);
    wni_mapping_free(ctx, &map);
    wni_free(ctx, window);
    wni_free(ctx, tenant);
    return st;
}

static wn_status allow_segment(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                               const char *where, const wni_columns *asked, wni_allowed *a)
{
    const wni_cover *cover = &a->cover;
    bool table;
    wn_status st = WN_OK;

    if (s->kind->cover && (asked->window || asked->tenant))
        WNI_TRY(s->kind->cover(ctx, index, s, asked, &a->cover));
    table = where || (asked->window && !cover->window) || (asked->tenant && !cover->tenant);
    a->n = wni_covers(cover) ? cover->n : s->n - s->n_dead;
    if (!table && (wni_covers(cover) || !s->dead)) return WN_OK;
    WNI_TRY(wni_index_alive(ctx, s, &a->bits));
    if (!table) goto done;
    if (wni_covers(cover)) WNI_TRY(s->kind->mark(ctx, index, s, cover, a->bits));
    WNI_TRY(ask_table(ctx, index, s, where, asked, a));
    a->n = wni_bits_count(a->bits, 0, s->n);
done:
    if (st == WN_OK) st = place(ctx, s, a);
    return st;
}

/* ---- filters ------------------------------------------------------------------------------------------------ */

/* A tenant that does not exist is an error, one without a match is none. */
static wn_status check_tenant(wn_ctx *ctx, const wn_index *index, const char *tenant)
{
    wn_filter *alone = NULL;
    wn_status st = wn_filter_new(ctx, index, NULL, NULL, tenant, &alone);

    wn_filter_free(alone);
    return st;
}

wn_status wn_filter_new(wn_ctx *ctx, const wn_index *index, const char *where, const char *window,
                        const char *tenant, wn_filter **out)
{
    wni_columns asked = {.tenant = tenant};
    wn_filter *filter = NULL;
    char *text = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    if (window) WNI_TRY(parse_window(ctx, window, &text, &asked));
    WNI_NEW0(ctx, filter, 1);
    filter->ctx = ctx;
    filter->index = index;
    WNI_NEW0(ctx, filter->segment, index->n_segments);
    for (int32_t i = 0; i < index->n_segments; i++) {
        WNI_TRY(allow_segment(ctx, index, &index->segment[i], where, &asked, &filter->segment[i]));
        filter->matching += filter->segment[i].n;
    }
    if (tenant && filter->matching == 0) {
        if (where || window) WNI_TRY(check_tenant(ctx, index, tenant));
        if (!where && !window) {
            st = wni_fail(ctx, WN_E_USAGE, "tenant: the index %s has no row of '%.100s'",
                          index->path, tenant);
            goto done;
        }
    }
    *out = filter;
    filter = NULL;
done:
    wni_free(ctx, text);
    wn_filter_free(filter);
    return st;
}

void wn_filter_free(wn_filter *filter)
{
    if (!filter) return;
    for (int32_t i = 0; filter->segment && i < filter->index->n_segments; i++) {
        wni_free(filter->ctx, filter->segment[i].bits);
        wni_free(filter->ctx, filter->segment[i].slots);
    }
    wni_free(filter->ctx, filter->segment);
    wni_free(filter->ctx, filter);
}

int64_t wn_filter_matching(const wn_filter *filter)
{
    return filter->matching;
}
