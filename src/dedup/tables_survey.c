/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of the folders: which files they are, and what one reading of each tells.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dedup/tables_impl.h"
#include "io/folder_walk.h"
#include "winnow/table.h"

void wni_tables_free(wni_tables *t)
{
    for (int32_t i = 0; i < t->n; i++) {
        wni_data_table *table = &t->table[i];

        for (int32_t c = 0; c < table->columns; c++)
            wni_free(t->ctx, table->column[c].name);
        wni_free(t->ctx, table->column);
        wni_free(t->ctx, table->order);
        wni_free(t->ctx, table->path);
        wni_free(t->ctx, table->name);
    }
    wni_free(t->ctx, t->table);
    wni_free(t->ctx, t->pair);
}

/* ---- files --------------------------------------------------------------------------------------- */

typedef struct finder {
    wni_tables *t;
    const char *root; /* stands before the names; NULL = one folder, nothing does */
} finder;

static wn_status add_file(void *user, const wni_entry *entry)
{
    finder *f = user;
    wni_tables *t = f->t;
    wni_data_table *table;

    if (!wn_table_is_text_path(entry->name) || entry->kind == WNI_ENTRY_OTHER) {
        t->others++;
        return WN_OK;
    }
    if (entry->kind == WNI_ENTRY_LINK) {
        t->links++;
        return WN_OK;
    }
    if (t->n == WNI_TABLES_MAX)
        return wni_fail(t->ctx, WN_E_DATA, "%s: more than %lld tables: give folders one by one",
                        entry->path, (long long)WNI_TABLES_MAX);
    if (t->n == t->room) {
        int32_t wider = t->room * 2 + 64;
        table = wni_grow(t->ctx, t->table, t->n, wider, sizeof *table);
        if (!table) return WN_E_NOMEM;
        t->table = table;
        t->room = wider;
    }
    table = &t->table[t->n++];
    *table = (wni_data_table){
        .bytes = entry->bytes, .device = entry->device, .inode = entry->inode, .schema = -1};
    table->path = wni_strdup(t->ctx, entry->path);
    table->name = wni_strdup(t->ctx, f->root ? entry->path : entry->name);
    return table->path && table->name ? WN_OK : WN_E_NOMEM;
}

static int by_name(const void *a, const void *b)
{
    const wni_data_table *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int by_file(const void *a, const void *b)
{
    const wni_data_table *x = a, *y = b;

    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    if (x->inode != y->inode) return x->inode < y->inode ? -1 : 1;
    return by_name(a, b);
}

/* Two names of one file are one table: to delete one of them would free nothing, or everything. */
static void drop_same_files(wni_tables *t)
{
    int32_t kept = 0;

    qsort(t->table, (size_t)t->n, sizeof *t->table, by_file);
    for (int32_t i = 0; i < t->n; i++) {
        wni_data_table *table = &t->table[i];

        if (kept > 0 && table->device == t->table[kept - 1].device &&
            table->inode == t->table[kept - 1].inode) {
            wni_free(t->ctx, table->path);
            wni_free(t->ctx, table->name);
            t->same_files++;
        } else {
            t->table[kept++] = *table;
        }
    }
    t->n = kept;
    qsort(t->table, (size_t)t->n, sizeof *t->table, by_name);
}

wn_status wni_tables_find(wni_tables *t, const char *const *paths, int32_t n_paths)
{
    wn_status st = WN_OK;

    for (int32_t i = 0; i < n_paths; i++) {
        finder f = {t, n_paths > 1 ? paths[i] : NULL};
        WNI_TRY(wni_folder_walk(t->ctx, paths[i], 0, add_file, &f));
    }
    if (t->n == 0) {
        st = wni_fail(t->ctx, WN_E_DATA,
                      "%s: no tables: expected files called .csv, .tsv, .jsonl or .ndjson, also "
                      "with .gz or .zst, in the folder or below it (links are passed over)",
                      paths[0]);
        goto done;
    }
    drop_same_files(t);
done:
    return st;
}

/* ---- contents ------------------------------------------------------------------------------------ */

/* Columns for every name of the schema; there may be more than before. */
static wn_status grow_columns(wni_tables *t, wni_data_table *table, int32_t *room,
                              const wni_schema *schema)
{
    if (schema->count > *room) {
        int32_t wider = (int32_t)wni_max(2 * *room, schema->count);
        wni_table_column *column;
        wn_status st = wni_budget_need(t->ctx, wider * (int64_t)sizeof *column, "dedup tables");

        if (st != WN_OK) return st;
        column = wni_grow(t->ctx, table->column, table->columns, wider, sizeof *column);
        if (!column) return WN_E_NOMEM;
        table->column = column;
        *room = wider;
    }
    while (table->columns < schema->count) {
        wni_table_column *c = &table->column[table->columns];

        *c = (wni_table_column){.low = INFINITY, .high = -INFINITY};
        if (!(c->name = wni_strdup(t->ctx, schema->name[table->columns]))) return WN_E_NOMEM;
        table->columns++;
    }
    return WN_OK;
}

static void add_value(wni_table_column *c, const wni_table_value *value)
{
    unsigned char start[WNI_TEXT_START] = {0};

    if (value->number) {
        c->numbers++;
        if (value->real < c->low) c->low = value->real;
        if (value->real > c->high) c->high = value->real;
        return;
    }
    memcpy(start, value->text, (size_t)wni_min(value->bytes, WNI_TEXT_START));
    if (c->texts == 0 || memcmp(start, c->first, sizeof start) < 0)
        memcpy(c->first, start, sizeof start);
    if (c->texts == 0 || memcmp(start, c->last, sizeof start) > 0)
        memcpy(c->last, start, sizeof start);
    c->texts++;
}

static wn_status survey_table(wni_tables *t, wni_data_table *table)
{
    wni_schema schema = {.ctx = t->ctx};
    wni_records *records = NULL;
    char buf[WNI_DECIMAL_BYTES];
    const wni_cell *cells;
    int32_t count, room = 0;
    int64_t line;
    wn_status st;

    WNI_TRY(wni_records_open(t->ctx, table->path, &schema, &records));
    for (;;) {
        WNI_TRY(wni_records_next(records, &cells, &count, &line));
        if (schema.count > table->columns) WNI_TRY(grow_columns(t, table, &room, &schema));
        if (!cells) break;
        if ((table->rows & 255) == 0) WNI_TRY(wni_poll(t->ctx));
        for (int32_t i = 0; i < count; i++) {
            wni_table_value value;

            if (cells[i].kind == WNI_NULL) continue;
            wni_table_value_of(t, &cells[i], 1, buf, &value);
            add_value(&table->column[cells[i].column], &value);
        }
        table->rows++;
    }
done:
    wni_records_free(records);
    wni_schema_free(&schema);
    return st;
}

/* ---- columns of all tables ----------------------------------------------------------------------- */

static int by_column_name(const void *a, const void *b)
{
    const wni_table_column *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

typedef struct place {
    int32_t id, at;
} place;

static int by_id(const void *a, const void *b)
{
    const place *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static wn_status order_columns(wni_tables *t, wni_data_table *table)
{
    place *places = NULL;
    wn_status st = WN_OK;

    WNI_NEW(t->ctx, places, table->columns);
    WNI_NEW(t->ctx, table->order, table->columns);
    for (int32_t c = 0; c < table->columns; c++)
        places[c] = (place){table->column[c].id, c};
    qsort(places, (size_t)table->columns, sizeof *places, by_id);
    for (int32_t c = 0; c < table->columns; c++)
        table->order[c] = places[c].at;
done:
    wni_free(t->ctx, places);
    return st;
}

/* One number for one name. */
static wn_status number_columns(wni_tables *t)
{
    wni_table_column **all = NULL;
    int64_t total = 0, at = 0;
    int32_t id = 0;
    wn_status st;

    for (int32_t i = 0; i < t->n; i++)
        total += t->table[i].columns;
    WNI_TRY(
        wni_budget_need(t->ctx, total * (int64_t)(sizeof *all + sizeof(int32_t)), "dedup tables"));
    WNI_NEW(t->ctx, all, total);
    for (int32_t i = 0; i < t->n; i++)
        for (int32_t c = 0; c < t->table[i].columns; c++)
            all[at++] = &t->table[i].column[c];
    qsort(all, (size_t)total, sizeof(*all), by_column_name);
    for (at = 0; at < total; at++)
        all[at]->id = at > 0 && strcmp(all[at]->name, all[at - 1]->name) == 0 ? id : ++id;
    for (int32_t i = 0; i < t->n; i++)
        WNI_TRY(order_columns(t, &t->table[i]));
done:
    wni_free(t->ctx, all);
    return st;
}

static int by_schema(const void *a, const void *b)
{
    const wni_data_table *x = *(wni_data_table *const *)a, *y = *(wni_data_table *const *)b;

    if (x->columns != y->columns) return x->columns < y->columns ? -1 : 1;
    for (int32_t c = 0; c < x->columns; c++) {
        int32_t p = x->column[x->order[c]].id, q = y->column[y->order[c]].id;

        if (p != q) return p < q ? -1 : 1;
    }
    return 0;
}

static wn_status number_schemas(wni_tables *t)
{
    wni_data_table **all = NULL;
    wn_status st = WN_OK;

    WNI_NEW(t->ctx, all, t->n);
    for (int32_t i = 0; i < t->n; i++)
        all[i] = &t->table[i];
    qsort(all, (size_t)t->n, sizeof(*all), by_schema);
    for (int32_t i = 0; i < t->n; i++) {
        if (i == 0 || by_schema(&all[i - 1], &all[i]) != 0) t->schemas++;
        all[i]->schema = t->schemas - 1;
    }
done:
    wni_free(t->ctx, all);
    return st;
}

wn_status wni_tables_survey(wni_tables *t)
{
    wn_status st = WN_OK;

    for (int32_t i = 0; i < t->n; i++) {
        wni_progress(t->ctx, "reading tables", i, t->n);
        WNI_TRY(survey_table(t, &t->table[i]));
    }
    wni_progress(t->ctx, "reading tables", t->n, t->n);
    WNI_TRY(number_columns(t));
    WNI_TRY(number_schemas(t));
done:
    return st;
}
